# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The format of a stored object: its revision, and its value, whole or as differences to a shape.

Every new workspace has the same few objects, which differ in names, uids and times only. A store
keeps one of each kind as a *shape*, and of the others their differences to it. A workspace takes a
quarter of the disk that way, and reading such an object costs no more than copying it twice.

    revision (8 bytes), 0, value
    revision (8 bytes), shape, size of the value (4 bytes), steps

A step is a count and as many literal bytes, then a length and a place: that many bytes are copied
from that place of the window, which is the shape followed by the part of the value that has been
unpacked. Numbers have 7 bits a byte, lowest first (LEB128). A value up to its first NUL is always
in the first literal bytes, so that its beginning is known without unpacking it.

Families say which objects may become shapes, by what their keys begin and end with. No other value
becomes one: a shape stays when its object is deleted, and a tenant's data must not.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy

from kcpfast._core.engine cimport DAMAGED, SEAL, Val, begins, number_at, unseal, val

cdef enum:
    # Bytes of a match at least: a step of a length and a place takes up to six.
    LEAST_MATCH = 8
    LEAST_SHAPE = 100
    # Shape and value together must have places of 16 bits: `heads` holds no larger ones.
    LARGEST = 30000
    # Shapes of one family; each is tried with each value that is written.
    IN_A_FAMILY = 8
    # One that is larger than this is worth a shape of its own, even if it is like another.
    WORTH_A_SHAPE = 600


cdef inline uint64_t _word(const char* data) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, data, 8)
    return word


cdef inline unsigned int _slot(const char* data) noexcept nogil:
    return <unsigned int>((_word(data) * <uint64_t>0x9E3779B97F4A7C15u) >> (64 - WINDOW_BITS))


cdef inline char* _write_varint(char* out, size_t number) noexcept nogil:
    while number > 127:
        out[0] = <char>(128 | (number & 127))
        out += 1
        number >>= 7
    out[0] = <char>number
    return out + 1


cdef inline bint _read_varint(Val* data, size_t* number) noexcept nogil:
    """Take a number off the front of some bytes; tell whether there was one."""
    cdef int shift = 0
    cdef unsigned char byte
    number[0] = 0
    while data.size and shift < 32:
        byte = <unsigned char>data.data[0]
        data.data += 1
        data.size -= 1
        number[0] |= <size_t>(byte & 127) << shift
        if byte < 128:
            return True
        shift += 7
    return False


cdef inline size_t _same(const char* left, const char* right, size_t most) noexcept nogil:
    """Return how many bytes are the same in two places."""
    cdef size_t count = 0
    while count + 8 <= most and _word(left + count) == _word(right + count):
        count += 8
    while count < most and left[count] == right[count]:
        count += 1
    return count


cdef size_t _pack(Shape* shape, Val* value, char* out, size_t most) noexcept nogil:
    """Write a value as steps; return how long they are, 0 if longer than `most`."""
    # A copy, since the value is entered, too. By the hash of eight bytes: one more than their place
    # in the window, 0 for none. A newer place replaces an older one, and no place is certain:
    # _same compares the bytes themselves.
    cdef uint16_t heads[4096]
    cdef char* end = out + most
    cdef size_t position = 0, kept = 0, length, place, most_alike, size = value.size
    cdef const char* text = value.data
    cdef const char* there
    cdef void* nul = memchr(text, 0, size)
    cdef unsigned int slot
    memcpy(heads, shape.heads, sizeof(heads))
    position = <size_t>(<char*>nul - text) + 1 if nul != NULL else size
    while position + LEAST_MATCH <= size:
        slot = _slot(text + position)
        place = heads[slot]
        heads[slot] = <uint16_t>(shape.bytes.size + position + 1)
        length = 0
        if place:
            place -= 1
            if place < shape.bytes.size:
                there = shape.bytes.data + place
                most_alike = min(shape.bytes.size - place, size - position)
            else:
                there = text + (place - shape.bytes.size)
                # The window ends at `position`: a match may not run into itself.
                most_alike = min(<size_t>(text + position - there), size - position)
            length = _same(there, text + position, most_alike)
        if length < LEAST_MATCH:
            position += 1
            continue
        # Room for the bytes and for three numbers of at most four bytes each.
        if <size_t>(end - out) < position - kept + 12:
            return 0
        out = _write_varint(out, position - kept)
        memcpy(out, text + kept, position - kept)
        out = _write_varint(_write_varint(out + (position - kept), length), place)
        position += length
        kept = position
    if <size_t>(end - out) < size - kept + 4:
        return 0
    if kept < size:
        out = _write_varint(out, size - kept)
        memcpy(out, text + kept, size - kept)
        out += size - kept
    return most - <size_t>(end - out)


cdef class Shapes:
    """The shapes of a store. See records.pyi."""

    def __cinit__(self, families):
        if len(families) > 32:
            raise ValueError("too many families")
        self.kept = tuple(tuple(family) for family in families)
        for before, behind in self.kept:
            self.families[self.family_count].before = val(before)
            self.families[self.family_count].behind = val(behind)
            self.family_count += 1

    def __dealloc__(self):
        self.forget(0)

    def __len__(self):
        return self.count

    def add(self, int family, bytes value):
        """Take up a shape that was learned before; they are told in the order of their numbers."""
        cdef Val text = val(value)
        if self.learn(family, &text) == 0:
            raise ValueError("no shape")

    cdef int family_of(self, Val* key) noexcept nogil:
        """Return the family of a key, -1 if it has none."""
        cdef int number
        cdef Family* family
        for number in range(self.family_count):
            family = &self.families[number]
            if (begins(key, &family.before) and key.size >= family.behind.size and memcmp(
                    key.data + key.size - family.behind.size, family.behind.data,
                    family.behind.size) == 0):
                return number
        return -1

    cdef int learn(self, int family, Val* value) noexcept nogil:
        """Make a value a shape; return its number, 0 if it cannot be one."""
        cdef Shape* shape
        cdef size_t position
        if self.count >= MOST_SHAPES or not LEAST_SHAPE <= value.size <= LARGEST:
            return 0
        shape = <Shape*>calloc(1, sizeof(Shape))
        if shape == NULL:
            return 0
        shape.bytes.data = <char*>malloc(value.size)
        if shape.bytes.data == NULL:
            free(shape)
            return 0
        memcpy(shape.bytes.data, value.data, value.size)
        shape.bytes.size = value.size
        shape.family = family
        for position in range(value.size - LEAST_MATCH + 1):
            shape.heads[_slot(value.data + position)] = <uint16_t>(position + 1)
        self.shapes[self.count + 1] = shape
        self.count += 1
        return self.count

    cdef void forget(self, int count) noexcept nogil:
        """Keep only the first shapes: what learned the others was not written."""
        while self.count > count:
            free(self.shapes[self.count].bytes.data)
            free(self.shapes[self.count])
            self.shapes[self.count] = NULL
            self.count -= 1

    cdef size_t pack(self, Val* value, int family, char* out, int* shape) noexcept nogil:
        """Write a value by the shape of its family that suits it best; return the length of that.

        `out` has room for as many bytes as the value. 0 if no shape makes it half as long. `shape`
        becomes its number; -1 if this value should become one.
        """
        cdef int number, members = 0
        cdef size_t length, most = value.size // 2
        shape[0] = 0
        if family < 0 or not LEAST_SHAPE <= value.size <= LARGEST:
            return 0
        for number in range(1, self.count + 1):
            if self.shapes[number].family != family:
                continue
            members += 1
            length = _pack(self.shapes[number], value, out, most)
            if length:
                shape[0], most = number, length - 1
                if length * 5 <= value.size:
                    return length
        if members < IN_A_FAMILY and self.count < MOST_SHAPES and (
                shape[0] == 0 or value.size >= WORTH_A_SHAPE):
            shape[0] = -1
        if shape[0] <= 0:
            return 0
        # What was tried last has written over what is best.
        return _pack(self.shapes[shape[0]], value, out, value.size // 2)

    # ------------------------------------------------------------------- reading

    cdef int read(self, Val* key, Val* data, Record* record) noexcept nogil:
        """Find the parts of a sealed record; DAMAGED if it is not as it was written."""
        cdef Val sealed = data[0]
        return self.parts(data, record) if unseal(key, &sealed) else DAMAGED

    cdef int parts(self, Val* data, Record* record) noexcept nogil:
        """Find the parts of a sealed record whose seal is looked at another time."""
        cdef uint32_t size
        cdef const char* head = data.data + SEAL
        if data.size < SEAL + PLAIN_HEAD:
            return DAMAGED
        record.revision = number_at(head)
        record.shape = <unsigned char>head[8]
        if record.shape == 0:
            record.stored.data = data.data + SEAL + PLAIN_HEAD
            record.stored.size = record.size = data.size - SEAL - PLAIN_HEAD
            return 0
        if record.shape > self.count or data.size < SEAL + SHAPED_HEAD:
            return DAMAGED
        memcpy(&size, head + PLAIN_HEAD, 4)
        if size > LARGEST:
            return DAMAGED
        record.size = size
        record.stored.data = data.data + SEAL + SHAPED_HEAD
        record.stored.size = data.size - SEAL - SHAPED_HEAD
        return 0

    cdef bint starts(self, Record* record, Val* mark) noexcept nogil:
        """Tell whether the value of a record begins with some bytes (up to the first NUL)."""
        cdef Val text = record.stored
        cdef size_t length
        if record.shape:
            if not _read_varint(&text, &length) or length > text.size:
                return False
            text.size = length
        return begins(&text, mark)

    cdef int unpack(self, Record* record, char* out) noexcept nogil:
        """Write the value of a record, `record.size` bytes; DAMAGED if it has no sense."""
        # Danger: every number here may have been damaged on the disk. Nothing is copied before its
        # length was compared with what is left of the steps, of the window and of `out`.
        cdef Val steps = record.stored
        cdef Val* shape
        cdef size_t written = 0, length, place
        if record.shape == 0:
            memcpy(out, steps.data, steps.size)
            return 0
        shape = &self.shapes[record.shape].bytes
        while steps.size:
            if not _read_varint(&steps, &length) or length > steps.size:
                return DAMAGED
            if length > record.size - written:
                return DAMAGED
            memcpy(out + written, steps.data, length)
            written += length
            steps.data += length
            steps.size -= length
            if not steps.size:
                break
            if not (_read_varint(&steps, &length) and _read_varint(&steps, &place)):
                return DAMAGED
            if length > record.size - written:
                return DAMAGED
            if place < shape.size:
                if length > shape.size - place:
                    return DAMAGED
                memcpy(out + written, shape.data + place, length)
            else:
                place -= shape.size
                if place > written or length > written - place:
                    return DAMAGED
                memcpy(out + written, out + place, length)
            written += length
        return 0 if written == record.size else DAMAGED

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""How an object stands in a table: its revision, and its value, whole or by what it is like.

Every workspace is born with the same few objects, which differ in names, uids and times. Of
those a store keeps one as a *shape*, and of the others where they differ from it: a workspace
takes a quarter of the disk so, and to read one of them costs no more than to copy it twice.

    revision (8 bytes), 0, value
    revision (8 bytes), shape, size of the value (4 bytes), steps

A step is a number of bytes and these bytes, then a length and a place: so many bytes are taken from
there in the window, which is the shape and behind it what has been made of the value so far.
Numbers have 7 bits a byte, lowest first. A value up to its first NUL is always in the first bytes,
so that what it begins with can be told without unpacking it.

Which objects may become shapes is said by families: what their keys begin and end with. Nobody
else's values become shapes, since a shape stays when the object that it was is deleted.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy

from kcpfast._core.engine cimport DAMAGED, SEAL, Val, begins, number_at, unseal, val

cdef enum:
    LEAST_MATCH = 8
    LEAST_SHAPE = 100
    LARGEST = 30000
    IN_A_FAMILY = 8
    # One that is larger than this is worth a shape of its own, even if it is like another.
    WORTH_A_SHAPE = 600


cdef inline uint64_t _word(const char* data) noexcept nogil:
    cdef uint64_t found
    memcpy(&found, data, 8)
    return found


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
    cdef unsigned char found
    number[0] = 0
    while data.size and shift < 32:
        found = <unsigned char>data.data[0]
        data.data += 1
        data.size -= 1
        number[0] |= <size_t>(found & 127) << shift
        if found < 128:
            return True
        shift += 7
    return False


cdef inline size_t _same(const char* one, const char* other, size_t most) noexcept nogil:
    """Return how many bytes are the same in two places."""
    cdef size_t count = 0
    while count + 8 <= most and _word(one + count) == _word(other + count):
        count += 8
    while count < most and one[count] == other[count]:
        count += 1
    return count


cdef size_t _pack(Shape* shape, Val* value, char* out, size_t most) noexcept nogil:
    """Write a value as steps; return how long they are, 0 if longer than `most`."""
    cdef uint16_t heads[4096]
    cdef char* end = out + most
    cdef size_t at = 0, kept = 0, length, place, size = value.size
    cdef const char* text = value.data
    cdef const char* there
    cdef void* nul = memchr(text, 0, size)
    cdef unsigned int slot
    memcpy(heads, shape.heads, sizeof(heads))
    at = <size_t>(<char*>nul - text) + 1 if nul != NULL else size
    while at + LEAST_MATCH <= size:
        slot = _slot(text + at)
        place = heads[slot]
        heads[slot] = <uint16_t>(shape.bytes.size + at + 1)
        length = 0
        if place:
            place -= 1
            if place < shape.bytes.size:
                there = shape.bytes.data + place
                length = _same(there, text + at, min(shape.bytes.size - place, size - at))
            else:
                there = text + (place - shape.bytes.size)
                length = _same(there, text + at, min(<size_t>(text + at - there), size - at))
        if length < LEAST_MATCH:
            at += 1
            continue
        if <size_t>(end - out) < at - kept + 12:
            return 0
        out = _write_varint(out, at - kept)
        memcpy(out, text + kept, at - kept)
        out = _write_varint(_write_varint(out + (at - kept), length), place)
        at += length
        kept = at
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
        cdef int at
        cdef Family* family
        for at in range(self.family_count):
            family = &self.families[at]
            if (begins(key, &family.before) and key.size >= family.behind.size and memcmp(
                    key.data + key.size - family.behind.size, family.behind.data,
                    family.behind.size) == 0):
                return at
        return -1

    cdef int learn(self, int family, Val* value) noexcept nogil:
        """Make a value a shape; return its number, 0 if it cannot be one."""
        cdef Shape* shape
        cdef size_t at
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
        for at in range(value.size - LEAST_MATCH + 1):
            shape.heads[_slot(value.data + at)] = <uint16_t>(at + 1)
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
        cdef int at, members = 0
        cdef size_t length, most = value.size // 2
        shape[0] = 0
        if family < 0 or not LEAST_SHAPE <= value.size <= LARGEST:
            return 0
        for at in range(1, self.count + 1):
            if self.shapes[at].family != family:
                continue
            members += 1
            length = _pack(self.shapes[at], value, out, most)
            if length:
                shape[0], most = at, length - 1
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

    cdef int read(self, Val* key, Val* data, Record* found) noexcept nogil:
        """Find the parts of a sealed record; DAMAGED if it is not as it was written."""
        cdef Val sealed = data[0]
        return self.parts(data, found) if unseal(key, &sealed) else DAMAGED

    cdef int parts(self, Val* data, Record* found) noexcept nogil:
        """Find the parts of a sealed record whose seal is looked at another time."""
        cdef uint32_t size
        cdef const char* head = data.data + SEAL
        if data.size < SEAL + PLAIN_HEAD:
            return DAMAGED
        found.revision = number_at(head)
        found.shape = <unsigned char>head[8]
        if found.shape == 0:
            found.stored.data = data.data + SEAL + PLAIN_HEAD
            found.stored.size = found.size = data.size - SEAL - PLAIN_HEAD
            return 0
        if found.shape > self.count or data.size < SEAL + SHAPED_HEAD:
            return DAMAGED
        memcpy(&size, head + PLAIN_HEAD, 4)
        if size > LARGEST:
            return DAMAGED
        found.size = size
        found.stored.data = data.data + SEAL + SHAPED_HEAD
        found.stored.size = data.size - SEAL - SHAPED_HEAD
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
        cdef Val steps = record.stored
        cdef Val* shape
        cdef size_t made = 0, length, place
        if record.shape == 0:
            memcpy(out, steps.data, steps.size)
            return 0
        shape = &self.shapes[record.shape].bytes
        while steps.size:
            if not _read_varint(&steps, &length) or length > steps.size:
                return DAMAGED
            if length > record.size - made:
                return DAMAGED
            memcpy(out + made, steps.data, length)
            made += length
            steps.data += length
            steps.size -= length
            if not steps.size:
                break
            if not (_read_varint(&steps, &length) and _read_varint(&steps, &place)):
                return DAMAGED
            if length > record.size - made:
                return DAMAGED
            if place < shape.size:
                if length > shape.size - place:
                    return DAMAGED
                memcpy(out + made, shape.data + place, length)
            else:
                place -= shape.size
                if place > made or length > made - place:
                    return DAMAGED
                memcpy(out + made, out + place, length)
            made += length
        return 0 if made == record.size else DAMAGED

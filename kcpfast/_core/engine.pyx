# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""LMDB's C functions, found in py-lmdb's extension module, and how an entry of a table is sealed.

Each value in each table begins with four bytes: a digest of its key and of what follows. So a bit
that a disk has flipped, or a page that came from another place, is noticed when it is read. The
digest is XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): it takes a tenth
of a microsecond for 1 KB, everywhere; the CRC instructions of processors are not everywhere.
"""

# The functions from `write_number` on take pointers into LMDB's map, or into bytes that a caller
# holds: they run without the GIL, and must create no Python object and raise nothing.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef extern from "dlfcn.h" nogil:
    void* dlopen(const char* name, int flags)
    void* dlsym(void* library, const char* name)
    int RTLD_NOW

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

cdef bint loaded = False


cdef void* _symbol(void* library, bytes name) except NULL:
    cdef void* address
    # Wheels rename the functions of their LMDB 0.9; other builds may keep the plain names.
    for prefix in (b"mdb09_", b"mdb_"):
        whole = prefix + name
        address = dlsym(library, PyBytes_AS_STRING(whole))
        if address != NULL:
            return address
    raise ImportError(
        f"the installed lmdb lacks the function mdb_{name.decode()} in its compiled module: "
        "install the version that kcpfast requires, as a wheel or built with its own LMDB"
    )


def load(str path):
    """Find LMDB's functions in a shared library; ImportError says which is not there.

    py-lmdb does not promise to export them: pyproject.toml pins the version that was tested, and
    setup.py looks for each function that is named here while the kernels are built.
    """
    global loaded
    if loaded:
        return
    encoded = path.encode()
    cdef void* library = dlopen(PyBytes_AS_STRING(encoded), RTLD_NOW)
    if library == NULL:
        raise ImportError(f"the compiled module of the installed lmdb cannot be loaded: {path}")
    (<void**>&lib.env_create)[0] = _symbol(library, b"env_create")
    (<void**>&lib.env_open)[0] = _symbol(library, b"env_open")
    (<void**>&lib.env_set_mapsize)[0] = _symbol(library, b"env_set_mapsize")
    (<void**>&lib.env_set_maxdbs)[0] = _symbol(library, b"env_set_maxdbs")
    (<void**>&lib.env_close)[0] = _symbol(library, b"env_close")
    (<void**>&lib.env_stat)[0] = _symbol(library, b"env_stat")
    (<void**>&lib.env_info)[0] = _symbol(library, b"env_info")
    (<void**>&lib.txn_begin)[0] = _symbol(library, b"txn_begin")
    (<void**>&lib.txn_commit)[0] = _symbol(library, b"txn_commit")
    (<void**>&lib.txn_renew)[0] = _symbol(library, b"txn_renew")
    (<void**>&lib.txn_abort)[0] = _symbol(library, b"txn_abort")
    (<void**>&lib.txn_reset)[0] = _symbol(library, b"txn_reset")
    (<void**>&lib.dbi_open)[0] = _symbol(library, b"dbi_open")
    (<void**>&lib.get)[0] = _symbol(library, b"get")
    (<void**>&lib.put)[0] = _symbol(library, b"put")
    (<void**>&lib.remove)[0] = _symbol(library, b"del")
    (<void**>&lib.cursor_open)[0] = _symbol(library, b"cursor_open")
    (<void**>&lib.cursor_close)[0] = _symbol(library, b"cursor_close")
    (<void**>&lib.cursor_get)[0] = _symbol(library, b"cursor_get")
    (<void**>&lib.cursor_del)[0] = _symbol(library, b"cursor_del")
    (<void**>&lib.strerror)[0] = _symbol(library, b"strerror")
    loaded = True


cdef int check(int code) except -1:
    """Raise an error code of LMDB, or of the system, as OSError."""
    if code:
        raise OSError(code, lib.strerror(code).decode())
    return 0


# ----------------------------------------------------------------------- bytes and numbers


cdef void write_number(char* data, int64_t value) noexcept nogil:
    """Write a number as eight bytes, highest first: keys are then in the order of numbers."""
    cdef uint64_t left = <uint64_t>value
    cdef int index
    for index in range(8):
        data[7 - index] = <char>(left & 255)
        left >>= 8


cdef Val val(bytes data):
    """Return a pointer to bytes, which the caller must keep alive as long as it is used."""
    cdef Val view
    view.size = PyBytes_GET_SIZE(data)
    view.data = PyBytes_AS_STRING(data)
    return view


# ----------------------------------------------------------------------- digests

cdef extern from *:
    """
    #define P1 0x9E3779B185EBCA87ULL
    #define P2 0xC2B2AE3D27D4EB4FULL
    #define P3 0x165667B19E3779F9ULL
    #define P4 0x85EBCA77C2B2AE63ULL
    #define P5 0x27D4EB2F165667C5ULL
    """
    const uint64_t P1, P2, P3, P4, P5


cdef inline uint64_t _turn(uint64_t value, int bits) noexcept nogil:
    return (value << bits) | (value >> (64 - bits))


cdef inline uint64_t _word(const char* data) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, data, 8)
    return word


cdef inline uint64_t _round(uint64_t lane, uint64_t word) noexcept nogil:
    return _turn(lane + word * P2, 31) * P1


cdef inline uint64_t _merge(uint64_t whole, uint64_t lane) noexcept nogil:
    return (whole ^ _round(0, lane)) * P1 + P4


cdef uint64_t _digest(const char* data, size_t size, uint64_t seed) noexcept nogil:
    """Return the XXH64 of some bytes (on a machine that is little-endian)."""
    cdef uint64_t a, b, c, d, whole
    cdef uint32_t half
    cdef size_t left = size
    if size >= 32:
        a, b, c, d = seed + P1 + P2, seed + P2, seed, seed - P1
        while left >= 32:
            a = _round(a, _word(data))
            b = _round(b, _word(data + 8))
            c = _round(c, _word(data + 16))
            d = _round(d, _word(data + 24))
            data += 32
            left -= 32
        whole = _turn(a, 1) + _turn(b, 7) + _turn(c, 12) + _turn(d, 18)
        whole = _merge(_merge(_merge(_merge(whole, a), b), c), d)
    else:
        whole = seed + P5
    whole += size
    while left >= 8:
        whole = _turn(whole ^ _round(0, _word(data)), 27) * P1 + P4
        data += 8
        left -= 8
    if left >= 4:
        memcpy(&half, data, 4)
        whole = _turn(whole ^ (half * P1), 23) * P2 + P3
        data += 4
        left -= 4
    while left:
        whole = _turn(whole ^ (<unsigned char>data[0] * P5), 11) * P1
        data += 1
        left -= 1
    whole = (whole ^ (whole >> 33)) * P2
    whole = (whole ^ (whole >> 29)) * P3
    return whole ^ (whole >> 32)


def digest(bytes data, uint64_t seed=0):
    """Return the XXH64 of some bytes."""
    return _digest(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), seed)


# ----------------------------------------------------------------------- sealed entries


cdef inline uint64_t _seed(Val* key) noexcept nogil:
    """Return the seed of an entry's digest, made of its key: a value under a wrong key fails.

    The last eight bytes may overlap those before: quicker than a loop over single bytes.
    """
    cdef uint64_t digest = P5 + key.size
    cdef size_t position = 0
    if key.size < 8:
        return _digest(key.data, key.size, 0)
    while position + 8 < key.size:
        digest = _round(digest, _word(key.data + position))
        position += 8
    return _round(digest, _word(key.data + key.size - 8))


cdef inline uint32_t _seal_of(Val* key, const char* data, size_t size) noexcept nogil:
    return <uint32_t>_digest(data, size, _seed(key))


cdef bint unseal(Val* key, Val* data) noexcept nogil:
    """Tell whether an entry is as it was written; let `data` begin behind the seal."""
    cdef uint32_t seal
    if data.size < SEAL:
        return False
    memcpy(&seal, data.data, SEAL)
    data.data += SEAL
    data.size -= SEAL
    return seal == _seal_of(key, data.data, data.size)


cdef void seal(Val* key, Val* data) noexcept nogil:
    """Write the seal of what now stands in the room of an entry, in front of it."""
    cdef uint32_t digest = _seal_of(key, data.data, data.size)
    memcpy(data.data - SEAL, &digest, SEAL)


def sound(bytes key, bytes value):
    """Tell whether an entry, its seal in front, is as it was written."""
    cdef Val place = val(key), data = val(value)
    return bool(unseal(&place, &data))


# Large entries that were found to be as they were written, each by where it is, its key and seal.
# A slot is one word: it is read and written whole, by whatever thread.
cdef enum:
    LARGE = 16 * 1024
    SLOTS = 256
cdef uint64_t seen[SLOTS]


cdef bint sound_at(Val* key, Val* data) noexcept nogil:
    """Tell whether an entry beside the one that is looked for is as it was written.

    Many may look for what is not there, all beside one entry of megabytes: it is gone through for
    the first of them.
    """
    cdef Val sealed = data[0]
    cdef uint32_t mark = 0
    cdef uint64_t word
    if data.size < LARGE:
        return unseal(key, &sealed)
    memcpy(&mark, data.data, SEAL)
    word = _round(_round(_round(_seed(key), <uint64_t>data.data), data.size), mark)
    if seen[word % SLOTS] == word:
        return True
    if not unseal(key, &sealed):
        return False
    seen[word % SLOTS] = word
    return True


# The order of keys in LMDB without a comparison function of one's own: bytes, then length.
cdef bint _less(Val* left, Val* right) noexcept nogil:
    cdef int order = memcmp(left.data, right.data, min(left.size, right.size))
    return order < 0 or (order == 0 and left.size < right.size)


cdef int missing(void* txn, unsigned int table, Val* key) noexcept nogil:
    """Return what it means that a key is not there: NOTFOUND, or DAMAGED.

    Keys have no seal of their own. Where a key's bits have flipped, it stands where it stood, and
    whoever looks for it, or goes astray at it, comes out beside it: so what lies on both sides
    must be sealed, and on the right side, too.
    """
    cdef void* cursor
    cdef Val near, data
    cdef int code = lib.cursor_open(txn, table, &cursor)
    if code:
        return code
    near = key[0]
    code = lib.cursor_get(cursor, &near, &data, C_SET_RANGE)
    if code == 0 and not (_less(key, &near) and sound_at(&near, &data)):
        code = DAMAGED
    else:
        code = _sound_before(cursor, key, code)
    lib.cursor_close(cursor)
    return NOTFOUND if code == 0 else code


cdef int _sound_before(void* cursor, Val* key, int code) noexcept nogil:
    """Look at what lies in front of where a cursor has come by looking for a key (by `code`).

    DAMAGED if it is not sealed, or not less than the key.
    """
    cdef Val near, data
    if code == 0:
        code = lib.cursor_get(cursor, &near, &data, C_PREV)
    elif code == NOTFOUND:
        code = lib.cursor_get(cursor, &near, &data, C_LAST)
    if code == 0 and not (_less(&near, key) and sound_at(&near, &data)):
        return DAMAGED
    return 0 if code == NOTFOUND else code


cdef int seek(void* cursor, Val* start, Val* key, Val* data) noexcept nogil:
    """Go to the first entry at or behind a place: NOTFOUND if there is none.

    DAMAGED if that, or what lies in front, is out of place (see `missing`).
    """
    cdef int code
    cdef Val near, beside
    key[0] = start[0]
    if start.size == 0:
        return lib.cursor_get(cursor, key, data, C_FIRST)
    code = lib.cursor_get(cursor, key, data, C_SET_RANGE)
    if code:
        return _sound_before(cursor, start, code) or code
    if _less(key, start):
        return DAMAGED
    code = lib.cursor_get(cursor, &near, &beside, C_PREV)
    if code == NOTFOUND:
        return lib.cursor_get(cursor, key, data, C_FIRST)
    if code == 0 and not (_less(&near, start) and sound_at(&near, &beside)):
        code = DAMAGED
    return code or lib.cursor_get(cursor, key, data, C_NEXT)


cdef int end_at(Val* key, Val* data) noexcept nogil:
    """Return whether a range ends at an entry: DAMAGED if its key may have been of the range."""
    return NOTFOUND if sound_at(key, data) else DAMAGED


cdef int fetch(void* txn, unsigned int table, Val* key, Val* data) noexcept nogil:
    """Read an entry; DAMAGED if its seal is broken, or that of what is beside where it is not."""
    cdef int code = lib.get(txn, table, key, data)
    if code == 0 and not unseal(key, data):
        return DAMAGED
    return missing(txn, table, key) if code == NOTFOUND else code


# MDB_RESERVE: LMDB returns a place in its page for the value. lmdb.h: it must be filled before the
# next write of the transaction, which may move the page.
cdef int make_room(
        void* txn, unsigned int table, Val* key, size_t size, unsigned int flags,
        Val* room) noexcept nogil:
    """Make room for an entry; whoever fills it seals it before the next write."""
    room.size = size + SEAL
    cdef int code = lib.put(txn, table, key, room, flags | RESERVE)
    if code == 0:
        room.data += SEAL
        room.size = size
    return code


cdef int store(
        void* txn, unsigned int table, Val* key, Val* data, unsigned int flags) noexcept nogil:
    """Write an entry and seal it."""
    cdef Val room
    cdef int code = make_room(txn, table, key, data.size, flags, &room)
    if code == 0:
        memcpy(room.data, data.data, data.size)
        seal(key, &room)
    return code


cdef int drop(void* txn, unsigned int table, Val* key) noexcept nogil:
    """Delete an entry, if it is there."""
    cdef int code = lib.remove(txn, table, key, NULL)
    return 0 if code == NOTFOUND else code

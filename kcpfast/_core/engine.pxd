# cython: language_level=3
"""What reads and writes of the store share: LMDB's functions, and how an entry is sealed."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

cdef enum:
    NOTFOUND = -30798
    PAGE_NOTFOUND = -30797
    CORRUPTED = -30796
    PANIC = -30795
    BAD_SIZE = -30781
    DAMAGED = -31001
    FULL = -31002
    NO_MEMORY = 12
    RESERVE = 0x10000
    APPEND = 0x20000
    RDONLY = 0x20000
    C_FIRST = 0
    C_LAST = 6
    C_NEXT = 8
    C_PREV = 12
    C_SET_RANGE = 17
    MAX_KEY = 511
    SEAL = 4

cdef struct Val:
    size_t size
    char* data

cdef struct Stat:
    unsigned int psize
    unsigned int depth
    size_t branches
    size_t leaves
    size_t overflows
    size_t entries

cdef struct Info:
    void* address
    size_t map_size
    size_t last_page
    size_t last_transaction
    unsigned int most_readers
    unsigned int readers

cdef struct Library:
    int (*env_create)(void** env) noexcept nogil
    int (*env_open)(
        void* env, const char* path, unsigned int flags, unsigned int mode) noexcept nogil
    int (*env_set_mapsize)(void* env, size_t size) noexcept nogil
    int (*env_set_maxdbs)(void* env, unsigned int count) noexcept nogil
    void (*env_close)(void* env) noexcept nogil
    int (*env_stat)(void* env, Stat* stat) noexcept nogil
    int (*env_info)(void* env, Info* info) noexcept nogil
    int (*txn_begin)(void* env, void* parent, unsigned int flags, void** txn) noexcept nogil
    int (*txn_commit)(void* txn) noexcept nogil
    int (*txn_renew)(void* txn) noexcept nogil
    void (*txn_abort)(void* txn) noexcept nogil
    void (*txn_reset)(void* txn) noexcept nogil
    int (*dbi_open)(
        void* txn, const char* name, unsigned int flags, unsigned int* dbi) noexcept nogil
    int (*get)(void* txn, unsigned int dbi, Val* key, Val* data) noexcept nogil
    int (*put)(
        void* txn, unsigned int dbi, Val* key, Val* data, unsigned int flags) noexcept nogil
    int (*remove)(void* txn, unsigned int dbi, Val* key, Val* data) noexcept nogil
    int (*cursor_open)(void* txn, unsigned int dbi, void** cursor) noexcept nogil
    void (*cursor_close)(void* cursor) noexcept nogil
    int (*cursor_get)(void* cursor, Val* key, Val* data, int op) noexcept nogil
    int (*cursor_del)(void* cursor, unsigned int flags) noexcept nogil
    char* (*strerror)(int code) noexcept nogil

cdef struct Tables:
    unsigned int objects
    unsigned int history
    unsigned int log
    unsigned int index
    unsigned int meta
    unsigned int shapes

cdef Library lib

cdef int check(int code) except -1
cdef void write_number(char* data, int64_t value) noexcept nogil
cdef Val val(bytes data)

cdef bint unseal(Val* key, Val* data) noexcept nogil
cdef void seal(Val* key, Val* data) noexcept nogil
cdef bint sound_at(Val* key, Val* data) noexcept nogil
cdef int missing(void* txn, unsigned int table, Val* key) noexcept nogil
cdef int end_at(Val* key, Val* data) noexcept nogil
cdef int seek(void* cursor, Val* start, Val* key, Val* data) noexcept nogil
cdef int fetch(void* txn, unsigned int table, Val* key, Val* data) noexcept nogil
cdef int make_room(
    void* txn, unsigned int table, Val* key, size_t size, unsigned int flags,
    Val* room) noexcept nogil
cdef int store(
    void* txn, unsigned int table, Val* key, Val* data, unsigned int flags) noexcept nogil
cdef int drop(void* txn, unsigned int table, Val* key) noexcept nogil


cdef inline int64_t number_at(const char* data) noexcept nogil:
    cdef uint64_t found = 0
    cdef int at
    for at in range(8):
        found = (found << 8) | <unsigned char>data[at]
    return <int64_t>found


cdef inline bint begins(Val* key, Val* prefix) noexcept nogil:
    return key.size >= prefix.size and memcmp(key.data, prefix.data, prefix.size) == 0

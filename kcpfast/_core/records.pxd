# cython: language_level=3
"""How an object stands in a table: its revision, and its value, whole or by what it is like."""

from libc.stdint cimport int64_t, uint16_t

from kcpfast._core.engine cimport Val

cdef enum:
    PLAIN_HEAD = 9
    SHAPED_HEAD = 13
    MOST_SHAPES = 255
    WINDOW_BITS = 12

cdef struct Shape:
    Val bytes
    int family
    uint16_t heads[4096]

cdef struct Family:
    Val before
    Val behind

cdef struct Record:
    int64_t revision
    size_t size
    int shape
    Val stored


cdef class Shapes:
    cdef Shape* shapes[256]
    cdef int count
    cdef Family families[32]
    cdef int family_count
    cdef object kept

    cdef int family_of(self, Val* key) noexcept nogil
    cdef int learn(self, int family, Val* value) noexcept nogil
    cdef void forget(self, int count) noexcept nogil
    cdef size_t pack(self, Val* value, int family, char* out, int* shape) noexcept nogil
    cdef int read(self, Val* key, Val* data, Record* record) noexcept nogil
    cdef int parts(self, Val* data, Record* record) noexcept nogil
    cdef bint starts(self, Record* record, Val* mark) noexcept nogil
    cdef int unpack(self, Record* record, char* out) noexcept nogil

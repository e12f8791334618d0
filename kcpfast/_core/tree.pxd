# cython: language_level=3
"""The environment, as the writer's kernel sees it."""

from kcpfast._core.engine cimport Tables
from kcpfast._core.records cimport Record, Shapes


cdef class Environment:
    cdef void* env
    cdef void* reader
    cdef int held
    cdef bint lost
    cdef Tables tables
    cdef Shapes shapes
    cdef object damaged

    cdef int _begin(self) except -1
    cdef void _end(self) noexcept
    cdef int _fail(self, int code, bytes key) except -1
    cdef object _value(self, Record* record)
    cdef list _range(
        self, unsigned int table, bytes start, bytes prefix, Py_ssize_t limit, bint sealed)

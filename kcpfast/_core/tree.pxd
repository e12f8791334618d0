# cython: language_level=3
"""The environment, as the writer's kernel sees it."""

from kcpfast._core.engine cimport Tables, Val
from kcpfast._core.records cimport Record, Shapes


cdef struct Pair:
    Val key
    Val data

# Objects of a range: where they are, what they come to, and whether it goes on behind them.
cdef struct Span:
    Pair* pairs
    Py_ssize_t count
    Py_ssize_t room
    Py_ssize_t size
    bint more
    bint foreign
    Val key


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
        self, unsigned int table, bytes start, bytes prefix, Py_ssize_t limit,
        Py_ssize_t budget, bint sealed)
    cdef int _walk(
        self, Span* span, bytes start, bytes prefix, Py_ssize_t limit, Py_ssize_t budget,
        Val* mark) except? -1
    cdef int _join(self, Span* span, Val* first, Val* mark, char* out) noexcept

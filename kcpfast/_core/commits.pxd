# cython: language_level=3
"""A batch of commits as C sees it: filled by writer.pyx, applied by commits.pyx."""

from libc.stdint cimport int64_t

from kcpfast._core.engine cimport Tables, Val
from kcpfast._core.records cimport Record, Shapes

# The kinds of write; writer.pyx tells Python their numbers under the same names.
cdef enum:
    O_PUT, O_CHECK, O_EMPTY, O_PRESENT, O_BELOW, O_INDEX, O_CLEAR, O_COUNT
    O_PUT_REVISION, O_FORGET_REVISION
    O_DISCARD

# One write. `gives`: it has a value; `had`, `was`, `old`: the object that it replaces, whose bytes
# are a copy of ours; `done`: it changed something. `number`: see Writer.apply in writer.pyi.
cdef struct Op:
    int kind
    bint gives
    bint had
    bint done
    Val key
    Val value
    int64_t number
    char* old
    Record was

# One commit. `failed`: the write whose expectation did not hold, -1 for none; `actual`: what was
# there instead, or DAMAGED, or FULL.
cdef struct Commit:
    Op* ops
    Py_ssize_t count
    int64_t revision
    Py_ssize_t failed
    int64_t actual

cdef int apply_commits(
    void* env, Tables* tables, Shapes shapes, Commit* commits, Py_ssize_t count, int64_t clock,
    bint spare, Py_ssize_t* reached, double* disk_seconds) noexcept nogil
cdef int set_number(void* txn, unsigned int table, Val* key, int64_t value) noexcept nogil

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""LMDB's environment through its C interface: reads without objects in between.

The library is the one inside py-lmdb's own extension module: its functions are found by name.

Law: reads are for any thread that has the GIL; they share one transaction, which no read leaves
open (except between `hold` and `free`). Write transactions are `writer`'s alone.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport errno
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from kcpfast._core cimport engine
from kcpfast._core.engine cimport (
    C_FIRST, C_NEXT, C_SET_RANGE, DAMAGED, NOTFOUND, RDONLY, Info, Stat, Val, begins, check, lib,
    unseal, val,
)
from kcpfast._core.records cimport Record, Shapes

from kcpfast._core import engine as _engine

load = _engine.load

cdef extern from "sys/mman.h" nogil:
    int madvise(void* address, size_t length, int advice)
    int MADV_DONTNEED

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <fcntl.h>
    #ifndef FALLOC_FL_KEEP_SIZE
    #define FALLOC_FL_KEEP_SIZE 1
    #endif
    """
    int fallocate(int handle, int mode, int64_t offset, int64_t size)
    int FALLOC_FL_KEEP_SIZE

cdef enum:
    NORDAHEAD = 0x800000
    NOTLS = 0x200000
    NOSUBDIR = 0x4000


cdef class Environment:
    """One LMDB environment, opened once. See tree.pyi."""

    def __cinit__(self, str path, size_t map_size, damaged, bint single=False):
        cdef bytes encoded = path.encode()
        cdef unsigned int flags = NORDAHEAD | NOTLS | (NOSUBDIR if single else 0)
        self.damaged = damaged
        check(lib.env_create(&self.env))
        check(lib.env_set_maxdbs(self.env, 8))
        check(lib.env_set_mapsize(self.env, map_size))
        check(lib.env_open(self.env, PyBytes_AS_STRING(encoded), flags, 0o600))

    def __dealloc__(self):
        self.close()

    def close(self):
        """Close the environment; nothing may be read or written any more."""
        if self.reader != NULL:
            lib.txn_abort(self.reader)
            self.reader = NULL
        if self.env != NULL:
            lib.env_close(self.env)
            self.env = NULL

    def table(self, bytes name):
        """Return the handle of a table; LookupError if there is none."""
        cdef void* txn
        cdef unsigned int handle
        check(lib.txn_begin(self.env, NULL, RDONLY, &txn))
        cdef int code = lib.dbi_open(txn, PyBytes_AS_STRING(name), 0, &handle)
        if code:
            lib.txn_abort(txn)
            if code == NOTFOUND:
                raise LookupError(name)
            check(code)
        # A handle outlives the transaction that opened it only if that is committed.
        check(lib.txn_commit(txn))
        return handle

    def used(self):
        """Return how many bytes of the file hold pages, free ones among them."""
        cdef Stat stat
        cdef Info info
        if self.env == NULL:
            raise OSError(22, "the store is closed")
        check(lib.env_stat(self.env, &stat))
        check(lib.env_info(self.env, &info))
        return (info.last_page + 1) * stat.psize

    def free_pages(self):
        """Return how many bytes of the file are in pages that writes may take again."""
        cdef void* cursor
        cdef Val key, data
        cdef Stat stat
        cdef size_t pages = 0
        self._begin()
        cdef int code = lib.cursor_open(self.reader, 0, &cursor)
        if code == 0:
            code = lib.cursor_get(cursor, &key, &data, C_FIRST)
            while code == 0:
                pages += (<size_t*>data.data)[0]
                code = lib.cursor_get(cursor, &key, &data, C_NEXT)
            lib.cursor_close(cursor)
        self._end()
        if code != NOTFOUND:
            check(code)
        check(lib.env_stat(self.env, &stat))
        return pages * stat.psize

    def use(self, tables, Shapes shapes):
        """Say which tables play which part, and what values are like. See tree.pyi."""
        self.shapes = shapes
        self.tables.objects, self.tables.history, self.tables.log = tables[:3]
        self.tables.index, self.tables.meta, self.tables.shapes = tables[3:]

    cdef int _fail(self, int code, bytes key) except -1:
        """Raise what an error code means for the entry with a key."""
        if code == DAMAGED:
            raise self.damaged(key)
        return check(code)

    # ------------------------------------------------------------------- reading

    cdef int _begin(self) except -1:
        if self.env == NULL or self.lost:
            raise OSError(22, "the store is closed")
        if self.held == 0:
            if self.reader == NULL:
                check(lib.txn_begin(self.env, NULL, RDONLY, &self.reader))
            else:
                check(lib.txn_renew(self.reader))
        self.held += 1
        return 0

    cdef void _end(self) noexcept:
        self.held -= 1
        if self.held == 0:
            lib.txn_reset(self.reader)

    def hold(self):
        """Let all reads until `free` see the same state."""
        self._begin()

    def free(self):
        """End what `hold` began."""
        self._end()

    def get(self, unsigned int table, bytes key):
        """Return a value, None if there is none."""
        cdef Val k = val(key), found
        self._begin()
        cdef int code = engine.fetch(self.reader, table, &k, &found) if k.size else NOTFOUND
        cdef object value = None
        if code == 0:
            value = PyBytes_FromStringAndSize(found.data, found.size)
        self._end()
        if code != NOTFOUND:
            self._fail(code, key)
        return value

    def range(self, unsigned int table, bytes start, bytes prefix, Py_ssize_t limit):
        """Return (key, value) from `start` on, while keys have the prefix. See tree.pyi."""
        return self._range(table, start, prefix, limit, True)

    def raw(self, unsigned int table, bytes start, Py_ssize_t limit):
        """Return (key, value with its seal, whatever it is) from `start` on."""
        return self._range(table, start, b"", limit, False)

    cdef list _range(
            self, unsigned int table, bytes start, bytes prefix, Py_ssize_t limit, bint sealed):
        cdef list found = []
        cdef void* cursor
        cdef Val key = val(start), data, wanted = val(prefix)
        cdef int code
        cdef bytes place = b""
        self._begin()
        try:
            check(lib.cursor_open(self.reader, table, &cursor))
            code = lib.cursor_get(cursor, &key, &data, C_SET_RANGE if key.size else C_FIRST)
            while code == 0 and begins(&key, &wanted):
                place = PyBytes_FromStringAndSize(key.data, key.size)
                if sealed and not unseal(&key, &data):
                    code = DAMAGED
                    break
                found.append((place, PyBytes_FromStringAndSize(data.data, data.size)))
                if len(found) == limit:
                    break
                code = lib.cursor_get(cursor, &key, &data, C_NEXT)
            lib.cursor_close(cursor)
        finally:
            self._end()
        if code != NOTFOUND:
            self._fail(code, place)
        return found

    cdef object _value(self, Record* record):
        """Return the value of a record; None if it has no sense."""
        cdef bytes value = PyBytes_FromStringAndSize(NULL, record.size)
        return None if self.shapes.unpack(record, PyBytes_AS_STRING(value)) else value

    def record(self, unsigned int table, bytes key):
        """Return the revision and the value of an object, None if there is none."""
        cdef Val k = val(key), data
        cdef Record record
        self._begin()
        cdef int code = lib.get(self.reader, table, &k, &data) if k.size else NOTFOUND
        cdef object value = None
        if code == 0:
            code = self.shapes.read(&k, &data, &record)
        if code == 0:
            value = self._value(&record)
            if value is None:
                code = DAMAGED
        self._end()
        if code == NOTFOUND:
            return None
        self._fail(code, key)
        return record.revision, value

    def records(
            self, unsigned int table, bytes start, bytes prefix, Py_ssize_t limit,
            Py_ssize_t budget=0):
        """Return (key, revision, value) from `start` on, while keys have the prefix."""
        cdef list found = []
        cdef void* cursor
        cdef Val key = val(start), data, wanted = val(prefix)
        cdef Record record
        cdef int code
        cdef Py_ssize_t size = 0
        cdef bytes place = b""
        self._begin()
        try:
            check(lib.cursor_open(self.reader, table, &cursor))
            code = lib.cursor_get(cursor, &key, &data, C_SET_RANGE if key.size else C_FIRST)
            while code == 0 and begins(&key, &wanted):
                place = PyBytes_FromStringAndSize(key.data, key.size)
                code = self.shapes.read(&key, &data, &record)
                if code:
                    break
                value = self._value(&record)
                if value is None:
                    code = DAMAGED
                    break
                found.append((place, record.revision, value))
                size += key.size + 8 + record.size
                if len(found) == limit or budget and size >= budget:
                    break
                code = lib.cursor_get(cursor, &key, &data, C_NEXT)
            lib.cursor_close(cursor)
        finally:
            self._end()
        if code != NOTFOUND:
            self._fail(code, place)
        return found

    def splice(
            self, bytes start, bytes prefix, Py_ssize_t limit, bytes known, bytes head,
            bytes before, bytes behind, Py_ssize_t budget=0):
        """Return the objects of a range as JSON, joined by commas. See tree.pyi."""
        cdef void* cursor
        cdef Val key = val(start), data, wanted = val(prefix), mark = val(known)
        cdef Val first = val(head), opening = val(before), closing = val(behind)
        cdef Record record
        cdef Py_ssize_t count = 0, size = opening.size + closing.size, i, read = 0
        cdef bint more = False, foreign = mark.size > first.size
        cdef char digits[24]
        cdef char* out
        cdef int code, length
        cdef bytes body = b"", last = b"", place = b""
        self._begin()
        try:
            check(lib.cursor_open(self.reader, self.tables.objects, &cursor))
            code = lib.cursor_get(cursor, &key, &data, C_SET_RANGE if key.size else C_FIRST)
            while code == 0 and not foreign and begins(&key, &wanted):
                if (limit and count == limit) or (budget and read >= budget):
                    more = True
                    break
                code = self.shapes.parts(&data, &record)
                if code:
                    place = PyBytes_FromStringAndSize(key.data, key.size)
                    break
                if not self.shapes.starts(&record, &mark):
                    foreign = True
                    break
                size += first.size + _digits(record.revision, digits)
                size += record.size - mark.size + 1
                count += 1
                read += key.size + 8 + record.size
                if (limit and count == limit) or (budget and read >= budget):
                    last = PyBytes_FromStringAndSize(key.data, key.size)
                code = lib.cursor_get(cursor, &key, &data, C_NEXT)
            if not foreign and code != DAMAGED:
                # In one piece of the right size: memory that was used before comes back without
                # the page faults that cost more than all else here.
                body = PyBytes_FromStringAndSize(NULL, size - 1 if count else size)
                out = PyBytes_AS_STRING(body)
                memcpy(out, opening.data, opening.size)
                out += opening.size
                key = val(start)
                code = lib.cursor_get(cursor, &key, &data, C_SET_RANGE if key.size else C_FIRST)
                for i in range(count):
                    if i:
                        out[0] = 44
                        out += 1
                    code = self.shapes.read(&key, &data, &record)
                    if code == 0:
                        length = _digits(record.revision, digits)
                        out += first.size + length
                        # What the head stands for is written over by it.
                        code = self.shapes.unpack(&record, out - mark.size)
                    if code:
                        place = PyBytes_FromStringAndSize(key.data, key.size)
                        break
                    memcpy(out - length, digits, length)
                    memcpy(out - length - first.size, first.data, first.size)
                    out += record.size - mark.size
                    code = lib.cursor_get(cursor, &key, &data, C_NEXT)
                else:
                    memcpy(out, closing.data, closing.size)
            lib.cursor_close(cursor)
        finally:
            self._end()
        if code != NOTFOUND:
            self._fail(code, place)
        return None if foreign else (body, count, last if more else b"")


def let_go(size_t start, size_t size):
    """Give mapped pages of a file back: they stay in the system's cache, not in this process."""
    cdef int code
    with nogil:
        code = madvise(<void*>start, size, MADV_DONTNEED)
    return code == 0


def claim(int handle, int64_t start, int64_t size):
    """Claim blocks of a disk for a file, whose size stays; return 0 or the error's number."""
    cdef int done
    with nogil:
        done = fallocate(handle, FALLOC_FL_KEEP_SIZE, start, size)
    return errno if done else 0


cdef int _digits(int64_t value, char* out) noexcept nogil:
    """Write a number that is not negative in decimal; return how many digits it has."""
    cdef char turned[24]
    cdef int count = 0, i
    if value == 0:
        out[0] = 48
        return 1
    while value:
        turned[count] = <char>(48 + value % 10)
        value //= 10
        count += 1
    for i in range(count):
        out[i] = turned[count - 1 - i]
    return count

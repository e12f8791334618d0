# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""LMDB's environment through its C interface: reads without objects in between.

The library is the one inside py-lmdb's own extension module: its functions are found by name.

Law: reads are for any thread that has the GIL; they share one transaction, which no read leaves
open (except between `hold` and `free`). Write transactions are `writer`'s alone.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport errno
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from kcpfast._core cimport engine
from kcpfast._core.engine cimport (
    C_FIRST, C_NEXT, C_SET_RANGE, CORRUPTED, DAMAGED, NO_MEMORY, NOTFOUND, PAGE_NOTFOUND,
    RDONLY, Info, Stat, Val, begins, check, lib, unseal, val,
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

# lmdb.h. NOTLS: a read transaction belongs to no thread, so that whoever has the GIL may use it.
# No MDB_WRITEMAP: a stray pointer in this process must not be able to change the file.
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
        if code == DAMAGED or code == CORRUPTED or code == PAGE_NOTFOUND:
            raise self.damaged(key)
        return check(code)

    # ------------------------------------------------------------------- reading

    # Reads keep the GIL: they share one transaction, and `held` is counted without a lock. A read
    # takes microseconds; to give the GIL up and wait for it again would take longer.

    cdef int _begin(self) except -1:
        if self.env == NULL or self.lost:
            raise OSError(22, "the store is closed")
        if self.held == 0:
            # To renew a transaction that was reset costs no system call and no lock.
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
        cdef Val k = val(key), stored
        self._begin()
        cdef int code = engine.fetch(self.reader, table, &k, &stored) if k.size else NOTFOUND
        cdef object value = None
        if code == 0:
            value = PyBytes_FromStringAndSize(stored.data, stored.size)
        self._end()
        if code != NOTFOUND:
            self._fail(code, key)
        return value

    def range(
            self, unsigned int table, bytes start, bytes prefix, Py_ssize_t limit,
            Py_ssize_t budget=0):
        """Return (key, value) from `start` on, while keys have the prefix. See tree.pyi."""
        return self._range(table, start, prefix, limit, budget, True)

    def raw(self, unsigned int table, bytes start, Py_ssize_t limit, Py_ssize_t budget=0):
        """Return (key, value with its seal, whatever it is) from `start` on."""
        return self._range(table, start, b"", limit, budget, False)

    def keys(self, unsigned int table, bytes start, bytes prefix, Py_ssize_t limit):
        """Return keys from `start` on, while they have the prefix; values are not looked at."""
        cdef list present = []
        cdef void* cursor
        cdef Val first = val(start), key, data, common = val(prefix)
        cdef int code
        self._begin()
        try:
            check(lib.cursor_open(self.reader, table, &cursor))
            code = engine.seek(cursor, &first, &key, &data)
            while code == 0 and begins(&key, &common) and len(present) < limit:
                present.append(PyBytes_FromStringAndSize(key.data, key.size))
                code = lib.cursor_get(cursor, &key, &data, C_NEXT)
            lib.cursor_close(cursor)
        finally:
            self._end()
        if code and code != NOTFOUND:
            self._fail(code, start)
        return present

    cdef list _range(
            self, unsigned int table, bytes start, bytes prefix, Py_ssize_t limit,
            Py_ssize_t budget, bint sealed):
        cdef list entries = []
        cdef void* cursor
        cdef Val first = val(start), key = first, data, common = val(prefix)
        cdef int code
        cdef Py_ssize_t size = 0
        cdef bytes place = start
        self._begin()
        try:
            check(lib.cursor_open(self.reader, table, &cursor))
            if sealed:
                code = engine.seek(cursor, &first, &key, &data)
            else:
                code = lib.cursor_get(cursor, &key, &data, C_SET_RANGE if key.size else C_FIRST)
            while code == 0:
                if not begins(&key, &common):
                    code = engine.end_at(&key, &data) if sealed else 0
                    break
                place = PyBytes_FromStringAndSize(key.data, key.size)
                if sealed and not unseal(&key, &data):
                    code = DAMAGED
                    break
                entries.append((place, PyBytes_FromStringAndSize(data.data, data.size)))
                size += key.size + data.size
                if len(entries) == limit or budget and size >= budget:
                    break
                code = lib.cursor_get(cursor, &key, &data, C_NEXT)
            lib.cursor_close(cursor)
        finally:
            self._end()
        if code != NOTFOUND:
            self._fail(code, place)
        return entries

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
        if code == NOTFOUND and k.size:
            code = engine.missing(self.reader, table, &k)
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
        cdef list objects = []
        cdef void* cursor
        cdef Val first = val(start), key, data, common = val(prefix)
        cdef Record record
        cdef int code
        cdef Py_ssize_t size = 0
        cdef bytes place = start
        self._begin()
        try:
            check(lib.cursor_open(self.reader, table, &cursor))
            code = engine.seek(cursor, &first, &key, &data)
            while code == 0:
                if not begins(&key, &common):
                    code = engine.end_at(&key, &data)
                    break
                place = PyBytes_FromStringAndSize(key.data, key.size)
                code = self.shapes.parts(&data, &record)
                if code:
                    break
                value = self._value(&record)
                if value is None or not unseal(&key, &data):
                    code = DAMAGED
                    break
                objects.append((place, record.revision, value))
                size += key.size + 8 + record.size
                if len(objects) == limit or budget and size >= budget:
                    break
                code = lib.cursor_get(cursor, &key, &data, C_NEXT)
            lib.cursor_close(cursor)
        finally:
            self._end()
        if code != NOTFOUND:
            self._fail(code, place)
        return objects

    def splice(
            self, bytes start, bytes prefix, Py_ssize_t limit, bytes known, bytes head,
            bytes before, bytes behind, Py_ssize_t budget=0):
        """Return the objects of a range as JSON, joined by commas. See tree.pyi."""
        cdef Span span
        cdef Val mark = val(known), first = val(head), opening = val(before), closing = val(behind)
        cdef Val key
        cdef Py_ssize_t size
        cdef char* out
        cdef int code = 0
        cdef bytes body = b"", place = b"", last = b""
        if mark.size > first.size:
            return None
        memset(&span, 0, sizeof(span))
        self._begin()
        try:
            code = self._walk(&span, start, prefix, limit, budget, &mark)
            size = opening.size + closing.size + span.size
            size += span.count * (first.size + 1 - mark.size) - (1 if span.count else 0)
            if code == 0 and not span.foreign:
                # In one piece of the right size: memory that was used before comes back without
                # the page faults that cost more than all else here.
                body = PyBytes_FromStringAndSize(NULL, size)
                out = PyBytes_AS_STRING(body)
                memcpy(out, opening.data, opening.size)
                out += opening.size
                code = self._join(&span, &first, &mark, out)
                out = PyBytes_AS_STRING(body) + (size - closing.size)
                memcpy(out, closing.data, closing.size)
            if code:
                place = PyBytes_FromStringAndSize(span.key.data, span.key.size)
            elif span.more and span.count:
                key = span.pairs[span.count - 1].key
                last = PyBytes_FromStringAndSize(key.data, key.size)
        finally:
            self._end()
            free(span.pairs)
        self._fail(code, place)
        return None if span.foreign else (body, span.count, last)

    cdef int _walk(
            self, Span* span, bytes start, bytes prefix, Py_ssize_t limit, Py_ssize_t budget,
            Val* mark) except? -1:
        """Find the objects of a range, and what they come to as JSON without their heads."""
        cdef void* cursor
        cdef Val first = val(start), key, data, common = val(prefix)
        cdef Record record
        cdef Py_ssize_t read = 0
        cdef char digits[24]
        check(lib.cursor_open(self.reader, self.tables.objects, &cursor))
        span.key = first
        cdef int code = engine.seek(cursor, &first, &key, &data)
        while code == 0:
            if not begins(&key, &common):
                code = engine.end_at(&key, &data)
                break
            span.key = key
            if (limit and span.count == limit) or (budget and read >= budget):
                span.more = True
                break
            code = self.shapes.parts(&data, &record)
            if code:
                break
            span.foreign = not self.shapes.starts(&record, mark)
            if span.foreign:
                break
            code = _keep(span, &key, &data)
            if code:
                break
            span.size += record.size + _digits(record.revision, digits)
            read += key.size + 8 + record.size
            code = lib.cursor_get(cursor, &key, &data, C_NEXT)
        lib.cursor_close(cursor)
        return 0 if code == NOTFOUND else code

    cdef int _join(self, Span* span, Val* first, Val* mark, char* out) noexcept:
        """Write objects as JSON; DAMAGED if one is not as it was written, which is `span.key`."""
        cdef Py_ssize_t i
        cdef Record record
        cdef Pair* pair
        cdef char digits[24]
        cdef int code, length
        for i in range(span.count):
            pair = &span.pairs[i]
            if i:
                out[0] = 44
                out += 1
            span.key = pair.key
            code = self.shapes.parts(&pair.data, &record)
            if code:
                return code
            length = _digits(record.revision, digits)
            out += first.size + length
            # What the head stands for is written over by it.
            code = self.shapes.unpack(&record, out - mark.size)
            # Only now: to copy is the quickest way of getting bytes from memory.
            if code or not unseal(&pair.key, &pair.data):
                return DAMAGED
            memcpy(out - length, digits, length)
            memcpy(out - length - first.size, first.data, first.size)
            out += record.size - mark.size
        return 0


cdef int _keep(Span* span, Val* key, Val* data) noexcept nogil:
    """Note where an object is."""
    cdef Pair* larger
    if span.count == span.room:
        span.room = 2 * span.room + 16
        larger = <Pair*>realloc(span.pairs, span.room * sizeof(Pair))
        if larger == NULL:
            return NO_MEMORY
        span.pairs = larger
    span.pairs[span.count].key, span.pairs[span.count].data = key[0], data[0]
    span.count += 1
    return 0


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

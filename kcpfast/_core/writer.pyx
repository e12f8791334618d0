# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The write transactions of the store: a whole batch of commits, checks included, without the GIL.

py-lmdb gives the interpreter up and takes it back at every single put; with a busy event loop each
of those costs a wait. Here a batch is one call without it. This file reads the writes of Python
and returns results to it; commits.pyx does what is between.

Law: a Writer is for one thread, which makes every write transaction of its environment. The map
may grow only while nothing is held.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from kcpfast._core.commits cimport (
    Commit, O_CHECK, O_COUNT, O_DISCARD, O_PUT, O_PUT_REVISION, Op, apply_commits, set_number,
)
from kcpfast._core.engine cimport (
    APPEND, BAD_SIZE as K_BAD_SIZE, C_FIRST, DAMAGED as K_DAMAGED, FULL as K_FULL, MAX_KEY,
    NO_MEMORY as K_NO_MEMORY, NOTFOUND, Tables, Val, check, drop, lib, number_at, store, unseal,
    val,
)
from kcpfast._core.records cimport Shapes
from kcpfast._core.tree cimport Environment

(
    PUT, CHECK, EMPTY, PRESENT, BELOW, INDEX, CLEAR, COUNT, PUT_REVISION, FORGET_REVISION, DISCARD,
) = range(11)
MAP_FULL, TOO_LARGE, BAD_SIZE, NO_MEMORY = -30792, -30788, K_BAD_SIZE, K_NO_MEMORY
DAMAGED, FULL = K_DAMAGED, K_FULL

cdef enum:
    CREATE = 0x40000

cdef object MOST = (1 << 63) - 1, LEAST = -(1 << 63)


cdef void _free(Commit* commits, Py_ssize_t count) noexcept:
    """Free a batch: its ops, and the copies of what they replaced."""
    cdef Py_ssize_t i, j
    for i in range(count):
        if commits[i].ops != NULL:
            for j in range(commits[i].count):
                free(commits[i].ops[j].old)
            free(commits[i].ops)
    free(commits)


cdef int _read_ops(object writes, dict layout, Commit* commit) except -1:
    """Fill a commit from its writes, whose bytes it borrows: they must outlive it."""
    cdef Py_ssize_t j, value_place, number_place, objects = 0
    cdef bint discards = False
    cdef set keys
    cdef Op* op
    commit.count = len(writes)
    commit.failed = -1
    commit.ops = <Op*>calloc(max(commit.count, 1), sizeof(Op))
    if commit.ops == NULL:
        raise MemoryError
    for j in range(commit.count):
        write = writes[j]
        kind, value_place, number_place = layout[type(write)]
        op = &commit.ops[j]
        op.kind = kind
        op.key = val(write[0])
        if number_place:
            op.number = _bounded(op.kind, write[number_place])
        value = write[value_place] if value_place else None
        if value is not None:
            op.gives = op.kind != O_PUT_REVISION or bool(value)
            op.value = val(value)
        objects += op.kind == O_PUT or op.kind == O_DISCARD
        discards = discards or op.kind == O_DISCARD
    if objects > 1:
        keys = {writes[j][0] for j in range(commit.count) if commit.ops[j].kind == O_PUT}
        if discards or len(keys) < objects:
            raise ValueError("an object is written twice, or beside one that is discarded")
    return 0


cdef int64_t _bounded(int kind, object number) except? -4:
    """Return a number as it is compared: no object has a revision out of range."""
    if number is None:
        return -2
    if kind == O_COUNT and not LEAST <= number <= MOST:
        raise ValueError("the number does not fit into 8 bytes")
    if number > MOST:
        return -3 if kind == O_PUT or kind == O_CHECK else MOST
    if number < -1 and (kind == O_PUT or kind == O_CHECK):
        return -3
    return max(number, LEAST)


cdef tuple _result(Commit* commit, Shapes shapes):
    """Return what Writer.apply promises of one commit."""
    cdef Py_ssize_t j
    cdef Op* op
    cdef list events = [], put = []
    cdef bytes old
    if commit.failed >= 0:
        return commit.revision, commit.failed, commit.actual, events, put
    for j in range(commit.count):
        op = &commit.ops[j]
        if not op.done:
            continue
        if op.kind == O_PUT or op.kind == O_DISCARD:
            old = None
            if op.had:
                old = PyBytes_FromStringAndSize(NULL, op.was.size)
                shapes.unpack(&op.was, PyBytes_AS_STRING(old))
            events.append((j, old))
        else:
            put.append(j)
    return commit.revision, -1, 0, events, put


cdef class Writer:
    """What writes to an environment. See writer.pyi."""

    cdef Environment tree
    cdef dict layout
    cdef readonly double disk_seconds

    def __cinit__(self, Environment tree, dict layout):
        self.tree = tree
        self.layout = layout

    cdef void* _env(self) except NULL:
        if self.tree.env == NULL or self.tree.lost:
            raise OSError(22, "the store is closed")
        return self.tree.env

    def tables(self, names):
        """Make tables, in one transaction, and return their handles."""
        cdef void* txn
        cdef unsigned int handle
        cdef int code = 0
        cdef bytes name
        cdef list handles = []
        check(lib.txn_begin(self._env(), NULL, 0, &txn))
        for name in names:
            if code == 0:
                code = lib.dbi_open(txn, PyBytes_AS_STRING(name), CREATE, &handle)
                handles.append(handle)
        if code:
            lib.txn_abort(txn)
            check(code)
        check(lib.txn_commit(txn))
        return handles

    def grow(self, size_t map_size):
        """Enlarge the map; nothing may be held. If that fails, nothing can be read any more."""
        cdef int code = lib.env_set_mapsize(self._env(), map_size)
        self.tree.lost = code != 0
        check(code)

    def apply(self, batch, int64_t clock, bint spare):
        """Write commits in one durable transaction, each of them whole or not at all.

        See writer.pyi. OSError if the transaction as a whole failed: nothing was written then.
        """
        cdef Py_ssize_t count = len(batch), i, reached = 0
        cdef int code
        cdef void* env = self._env()
        cdef Shapes shapes = self.tree.shapes
        cdef Tables* tables = &self.tree.tables
        cdef Commit* commits = <Commit*>calloc(max(count, 1), sizeof(Commit))
        if commits == NULL:
            raise MemoryError
        try:
            for i in range(count):
                _read_ops(batch[i], self.layout, &commits[i])
            with nogil:
                code = apply_commits(
                    env, tables, shapes, commits, count, clock, spare, &reached,
                    &self.disk_seconds)
            if code == K_DAMAGED and commits[reached].failed >= 0:
                raise self.tree.damaged(batch[reached][commits[reached].failed][0])
            self.tree._fail(code, b"revision")
            try:
                return [_result(&commits[i], shapes) for i in range(count)]
            except Exception as error:
                # The commits are on the disk: an OSError would say that nothing was written.
                raise RuntimeError("what was written cannot be told") from error
        finally:
            _free(commits, count)

    def put(self, unsigned int table, entries, bint append=False):
        """Write entries in one durable transaction; with `append` they come in key order."""
        cdef void* txn
        cdef Val k, v
        cdef int code = 0
        cdef bytes key, value
        check(lib.txn_begin(self._env(), NULL, 0, &txn))
        for key, value in entries:
            k, v = val(key), val(value)
            code = store(txn, table, &k, &v, APPEND if append else 0)
            if code:
                break
        if code:
            lib.txn_abort(txn)
            check(code)
        with nogil:
            code = lib.txn_commit(txn)
        check(code)

    def forget(self, int64_t upto, Py_ssize_t step):
        """Delete at most `step` entries of the log up to a revision, and what they replaced.

        Returns whether there may be more.
        """
        cdef int code
        cdef bint more = True
        cdef void* env = self._env()
        cdef Tables* tables = &self.tree.tables
        with nogil:
            code = _forget(env, tables, upto, step, &more)
        check(code)
        return more


cdef int _forget(
        void* env, Tables* tables, int64_t upto, Py_ssize_t step, bint* more) noexcept nogil:
    """See Writer.forget."""
    cdef void* txn
    cdef void* cursor
    cdef Val key, entry, history_key
    cdef char replaced[MAX_KEY]
    cdef Py_ssize_t _step
    cdef bint intact
    cdef int code = lib.txn_begin(env, NULL, 0, &txn)
    if code:
        return code
    code = lib.cursor_open(txn, tables.log, &cursor)
    for _step in range(step):
        if code:
            break
        code = lib.cursor_get(cursor, &key, &entry, C_FIRST)
        if code == NOTFOUND or (code == 0 and number_at(key.data) > upto):
            code, more[0] = 0, False
            break
        if code:
            break
        # A damaged entry of the log does not tell its object: the history of that stays.
        intact = unseal(&key, &entry) and 9 <= entry.size <= MAX_KEY
        if intact:
            history_key.size, history_key.data = entry.size, replaced
            memcpy(replaced, entry.data + 9, entry.size - 9)
            replaced[entry.size - 9] = 0
            memcpy(replaced + entry.size - 8, key.data, 8)
        code = lib.cursor_del(cursor, 0)
        if code == 0 and intact:
            code = drop(txn, tables.history, &history_key)
    if code == 0:
        lib.cursor_close(cursor)
        key.size, key.data = 9, b"compacted"
        code = set_number(txn, tables.meta, &key, upto)
    if code:
        lib.txn_abort(txn)
        return code
    return lib.txn_commit(txn)

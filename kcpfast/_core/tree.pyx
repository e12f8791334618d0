# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""LMDB through its C interface: reads without objects in between, commits without the GIL.

py-lmdb gives the interpreter up and takes it back at every single put; with a busy event loop each
of those costs a wait. Here a whole batch of commits, checks included, is one call without it. The
library is the one inside py-lmdb's own extension module: its functions are found by name.

Law: `apply`, `put` and `forget` are for one thread at a time. Reads are for any thread that has
the GIL; they share one transaction, which no read leaves open (except between `hold` and `free`).
The map may grow only while nothing is held.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

cdef extern from "dlfcn.h" nogil:
    void* dlopen(const char* name, int flags)
    void* dlsym(void* library, const char* name)
    int RTLD_NOW

PUT, CHECK, EMPTY, PRESENT, BELOW, INDEX, CLEAR, COUNT, STAMP, UNSTAMP = range(10)
MAP_FULL = -30792

cdef enum:
    K_PUT, K_CHECK, K_EMPTY, K_PRESENT, K_BELOW, K_INDEX, K_CLEAR, K_COUNT, K_STAMP, K_UNSTAMP

cdef object MOST = (1 << 63) - 1

cdef enum:
    NOTFOUND = -30798
    BAD_SIZE = -30781
    NORDAHEAD = 0x800000
    NOTLS = 0x200000
    RDONLY = 0x20000
    CREATE = 0x40000
    RESERVE = 0x10000
    APPEND = 0x20000
    C_FIRST = 0
    C_NEXT = 8
    C_SET_RANGE = 17
    MAX_KEY = 511

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

ctypedef int (*f_env_create)(void** env) noexcept nogil
ctypedef int (*f_env_open)(
    void* env, const char* path, unsigned int flags, unsigned int mode) noexcept nogil
ctypedef int (*f_env_size)(void* env, size_t size) noexcept nogil
ctypedef int (*f_env_dbs)(void* env, unsigned int count) noexcept nogil
ctypedef void (*f_close)(void* env) noexcept nogil
ctypedef int (*f_env_stat)(void* env, Stat* stat) noexcept nogil
ctypedef int (*f_txn_begin)(void* env, void* parent, unsigned int flags, void** txn) noexcept nogil
ctypedef int (*f_txn)(void* txn) noexcept nogil
ctypedef void (*f_txn_end)(void* txn) noexcept nogil
ctypedef int (*f_dbi_open)(
    void* txn, const char* name, unsigned int flags, unsigned int* dbi) noexcept nogil
ctypedef int (*f_get)(void* txn, unsigned int dbi, Val* key, Val* data) noexcept nogil
ctypedef int (*f_put)(
    void* txn, unsigned int dbi, Val* key, Val* data, unsigned int flags) noexcept nogil
ctypedef int (*f_cursor_open)(void* txn, unsigned int dbi, void** cursor) noexcept nogil
ctypedef int (*f_cursor_get)(void* cursor, Val* key, Val* data, int op) noexcept nogil
ctypedef int (*f_cursor_del)(void* cursor, unsigned int flags) noexcept nogil
ctypedef char* (*f_strerror)(int code) noexcept nogil

cdef f_env_create env_create
cdef f_env_open env_open
cdef f_env_size env_set_mapsize
cdef f_env_dbs env_set_maxdbs
cdef f_close env_close
cdef f_env_stat env_stat
cdef f_txn_begin txn_begin
cdef f_txn txn_commit
cdef f_txn txn_renew
cdef f_txn_end txn_abort
cdef f_txn_end txn_reset
cdef f_dbi_open dbi_open
cdef f_get get_
cdef f_put put_
cdef f_get del_
cdef f_cursor_open cursor_open
cdef f_close cursor_close
cdef f_cursor_get cursor_get
cdef f_cursor_del cursor_del
cdef f_strerror strerror_
cdef bint loaded = False


cdef void* _symbol(void* library, bytes name) except NULL:
    cdef void* found
    for prefix in (b"mdb09_", b"mdb_"):
        whole = prefix + name
        found = dlsym(library, PyBytes_AS_STRING(whole))
        if found != NULL:
            return found
    raise ImportError(f"the LMDB library has no function {name.decode()}")


def load(str path):
    """Find LMDB's functions in a shared library; ImportError if they are not there."""
    global loaded, env_create, env_open, env_set_mapsize, env_set_maxdbs, env_close, env_stat
    global txn_begin, txn_commit, txn_renew, txn_abort, txn_reset, dbi_open, get_, put_, del_
    global cursor_open, cursor_close, cursor_get, cursor_del, strerror_
    if loaded:
        return
    encoded = path.encode()
    cdef void* library = dlopen(PyBytes_AS_STRING(encoded), RTLD_NOW)
    if library == NULL:
        raise ImportError(f"cannot load {path}")
    env_create = <f_env_create>_symbol(library, b"env_create")
    env_open = <f_env_open>_symbol(library, b"env_open")
    env_set_mapsize = <f_env_size>_symbol(library, b"env_set_mapsize")
    env_set_maxdbs = <f_env_dbs>_symbol(library, b"env_set_maxdbs")
    env_close = <f_close>_symbol(library, b"env_close")
    env_stat = <f_env_stat>_symbol(library, b"env_stat")
    txn_begin = <f_txn_begin>_symbol(library, b"txn_begin")
    txn_commit = <f_txn>_symbol(library, b"txn_commit")
    txn_renew = <f_txn>_symbol(library, b"txn_renew")
    txn_abort = <f_txn_end>_symbol(library, b"txn_abort")
    txn_reset = <f_txn_end>_symbol(library, b"txn_reset")
    dbi_open = <f_dbi_open>_symbol(library, b"dbi_open")
    get_ = <f_get>_symbol(library, b"get")
    put_ = <f_put>_symbol(library, b"put")
    del_ = <f_get>_symbol(library, b"del")
    cursor_open = <f_cursor_open>_symbol(library, b"cursor_open")
    cursor_close = <f_close>_symbol(library, b"cursor_close")
    cursor_get = <f_cursor_get>_symbol(library, b"cursor_get")
    cursor_del = <f_cursor_del>_symbol(library, b"cursor_del")
    strerror_ = <f_strerror>_symbol(library, b"strerror")
    loaded = True


cdef int _check(int code) except -1:
    if code:
        raise OSError(code, strerror_(code).decode())
    return 0


# ----------------------------------------------------------------------- numbers in 8 bytes


cdef inline int64_t _number(const char* data) noexcept nogil:
    cdef uint64_t found = 0
    cdef int at
    for at in range(8):
        found = (found << 8) | <unsigned char>data[at]
    return <int64_t>found


cdef inline void _write_number(char* data, int64_t value) noexcept nogil:
    cdef uint64_t left = <uint64_t>value
    cdef int at
    for at in range(8):
        data[7 - at] = <char>(left & 255)
        left >>= 8


cdef inline Val _val(bytes data):
    cdef Val found
    found.size = PyBytes_GET_SIZE(data)
    found.data = PyBytes_AS_STRING(data)
    return found


cdef inline bint _begins(Val* key, Val* prefix) noexcept nogil:
    return key.size >= prefix.size and memcmp(key.data, prefix.data, prefix.size) == 0


# ----------------------------------------------------------------------- commits


cdef struct Op:
    int kind
    bint gives
    bint had
    bint done
    Val key
    Val value
    int64_t number
    char* old
    size_t old_size


cdef struct Commit:
    Op* ops
    Py_ssize_t count
    int64_t revision
    Py_ssize_t failed
    int64_t found


cdef struct Tables:
    unsigned int objects
    unsigned int history
    unsigned int log
    unsigned int index
    unsigned int meta


cdef int _entry(void* txn, unsigned int table, Val* prefix, bint* found) noexcept nogil:
    """Tell whether a table has an entry with a prefix."""
    cdef void* cursor
    cdef Val key, data
    cdef int code = cursor_open(txn, table, &cursor)
    if code:
        return code
    key.size, key.data = prefix.size, prefix.data
    code = cursor_get(cursor, &key, &data, C_SET_RANGE)
    found[0] = code == 0 and _begins(&key, prefix)
    cursor_close(cursor)
    return 0 if code == NOTFOUND else code


cdef int _read_number(
        void* txn, unsigned int table, Val* key, bint* there, int64_t* value) noexcept nogil:
    cdef Val data
    cdef int code = get_(txn, table, key, &data)
    there[0] = code == 0
    value[0] = _number(data.data) if code == 0 and data.size >= 8 else 0
    return 0 if code == NOTFOUND else code


cdef int _expect(void* txn, Tables* at, Op* op, bint* fails, int64_t* found) noexcept nogil:
    """Look whether what an op expects is so; keep the value that a put replaces."""
    cdef Val data
    cdef int code
    cdef bint there = False
    fails[0] = False
    found[0] = 0
    if op.kind == K_PUT or op.kind == K_CHECK:
        code = get_(txn, at.objects, &op.key, &data)
        if code and code != NOTFOUND:
            return code
        if code == 0:
            found[0] = _number(data.data)
            if op.kind == K_PUT:
                op.had = True
                op.old_size = data.size
                op.old = <char*>malloc(data.size)
                if op.old == NULL:
                    return 12
                memcpy(op.old, data.data, data.size)
        if op.number == -2:
            fails[0] = False
        elif op.number == -1:
            fails[0] = found[0] == 0
        else:
            fails[0] = found[0] != op.number
        return 0
    if op.kind == K_EMPTY:
        code = _entry(txn, at.index, &op.key, &there)
        fails[0], found[0] = there, -1
        return code
    if op.kind == K_PRESENT:
        code = _read_number(txn, at.index, &op.key, &there, found)
        fails[0], found[0] = not there, 0
        return code
    if op.kind == K_BELOW:
        code = _read_number(txn, at.index, &op.key, &there, found)
        fails[0] = found[0] >= op.number
        return code
    return 0


cdef int _put_object(
        void* txn, Tables* at, Op* op, int64_t revision, unsigned int sequence,
        int64_t now) noexcept nogil:
    cdef char place[12]
    cdef char mark[MAX_KEY]
    cdef Val key, data
    cdef int code
    if op.key.size + 9 > MAX_KEY:
        return BAD_SIZE
    if op.had:
        memcpy(mark, op.key.data, op.key.size)
        mark[op.key.size] = 0
        _write_number(mark + op.key.size + 1, revision)
        key.size, key.data = op.key.size + 9, mark
        data.size, data.data = op.old_size, op.old
        code = put_(txn, at.history, &key, &data, 0)
        if code:
            return code
    if op.gives:
        data.size = op.value.size + 8
        code = put_(txn, at.objects, &op.key, &data, RESERVE)
        if code:
            return code
        _write_number(data.data, revision)
        memcpy(data.data + 8, op.value.data, op.value.size)
    else:
        code = del_(txn, at.objects, &op.key, NULL)
        if code:
            return code
    _write_number(place, revision)
    place[8], place[9] = <char>(sequence >> 24), <char>(sequence >> 16 & 255)
    place[10], place[11] = <char>(sequence >> 8 & 255), <char>(sequence & 255)
    key.size, key.data = 12, place
    data.size = op.key.size + 9
    code = put_(txn, at.log, &key, &data, RESERVE | APPEND)
    if code:
        return code
    data.data[0] = 117 if op.had else 99  # u, c
    if not op.gives:
        data.data[0] = 100  # d
    _write_number(data.data + 1, now)
    memcpy(data.data + 9, op.key.data, op.key.size)
    return 0


cdef int _set(void* txn, unsigned int table, Val* key, int64_t value) noexcept nogil:
    cdef char written[8]
    cdef Val data
    _write_number(written, value)
    data.size, data.data = 8, written
    return put_(txn, table, key, &data, 0)


cdef int _drop(void* txn, unsigned int table, Val* key) noexcept nogil:
    cdef int code = del_(txn, table, key, NULL)
    return 0 if code == NOTFOUND else code


cdef int _clear(void* txn, unsigned int table, Val* prefix) noexcept nogil:
    """Delete the entries with a prefix."""
    cdef void* cursor
    cdef Val key, data
    cdef int code = cursor_open(txn, table, &cursor)
    if code:
        return code
    while code == 0:
        key.size, key.data = prefix.size, prefix.data
        code = cursor_get(cursor, &key, &data, C_SET_RANGE)
        if code == 0 and not _begins(&key, prefix):
            break
        if code == 0:
            code = cursor_del(cursor, 0)
    cursor_close(cursor)
    return 0 if code == NOTFOUND else code


cdef int _write_index(void* txn, Tables* at, Op* op, int64_t revision) noexcept nogil:
    cdef bint there = True
    cdef int64_t value = 0
    cdef int code
    if op.kind == K_INDEX:
        if op.gives:
            return put_(txn, at.index, &op.key, &op.value, 0)
        return _drop(txn, at.index, &op.key)
    if op.kind == K_CLEAR:
        return _clear(txn, at.index, &op.key)
    if op.kind == K_STAMP:
        if op.gives:
            code = _entry(txn, at.index, &op.value, &there)
            if code:
                return code
        if there:
            op.done = True
            return _set(txn, at.index, &op.key, revision)
        return 0
    if op.kind == K_COUNT:
        code = _read_number(txn, at.index, &op.key, &there, &value)
        if code:
            return code
        value += op.number
        return _set(txn, at.index, &op.key, value) if value else _drop(txn, at.index, &op.key)
    if op.kind == K_UNSTAMP:
        code = _read_number(txn, at.index, &op.key, &there, &value)
        if code or value > op.number:
            return code
        return _drop(txn, at.index, &op.key)
    return 0


cdef int _commit_one(
        void* txn, Tables* at, Commit* commit, int64_t* revision, int64_t now) noexcept nogil:
    cdef Py_ssize_t i
    cdef Op* op
    cdef bint fails
    cdef int code
    cdef unsigned int sequence = 0
    commit.failed = -1
    for i in range(commit.count):
        code = _expect(txn, at, &commit.ops[i], &fails, &commit.found)
        if code:
            return code
        if fails:
            commit.failed = i
            return 0
    for i in range(commit.count):
        op = &commit.ops[i]
        if op.kind == K_PUT and (op.gives or op.had):
            code = _put_object(txn, at, op, revision[0] + 1, sequence, now)
            if code:
                return code
            op.done = True
            sequence += 1
    if sequence:
        revision[0] += 1
    commit.revision = revision[0]
    for i in range(commit.count):
        code = _write_index(txn, at, &commit.ops[i], commit.revision)
        if code:
            return code
    return 0


cdef int _apply(
        void* env, Tables* at, Commit* commits, Py_ssize_t count, int64_t now) noexcept nogil:
    cdef void* txn
    cdef Py_ssize_t i
    cdef int64_t revision = 0
    cdef bint there
    cdef Val key
    cdef int code = txn_begin(env, NULL, 0, &txn)
    if code:
        return code
    key.size, key.data = 8, b"revision"
    code = _read_number(txn, at.meta, &key, &there, &revision)
    for i in range(count):
        if code == 0:
            code = _commit_one(txn, at, &commits[i], &revision, now)
    if code == 0:
        code = _set(txn, at.meta, &key, revision)
    if code:
        txn_abort(txn)
        return code
    return txn_commit(txn)


cdef void _free(Commit* commits, Py_ssize_t count) noexcept:
    cdef Py_ssize_t i, j
    for i in range(count):
        if commits[i].ops != NULL:
            for j in range(commits[i].count):
                free(commits[i].ops[j].old)
            free(commits[i].ops)
    free(commits)


cdef int _read_ops(object writes, dict layout, Commit* commit) except -1:
    cdef Py_ssize_t j, value_at, number_at
    cdef Op* op
    commit.count = len(writes)
    commit.ops = <Op*>calloc(max(commit.count, 1), sizeof(Op))
    if commit.ops == NULL:
        raise MemoryError
    for j in range(commit.count):
        write = writes[j]
        kind, value_at, number_at = layout[type(write)]
        op = &commit.ops[j]
        op.kind = kind
        op.key = _val(write[0])
        if number_at:
            op.number = _bounded(op.kind, write[number_at])
        value = write[value_at] if value_at else None
        if value is not None:
            op.gives = op.kind != K_STAMP or bool(value)
            op.value = _val(value)
    return 0


cdef int64_t _bounded(int kind, object number) except? -4:
    """Return a number as it is compared: no object has a revision out of range."""
    if number is None:
        return -2
    if number > MOST:
        return -3 if kind == K_PUT or kind == K_CHECK else MOST
    if number < -1 and (kind == K_PUT or kind == K_CHECK):
        return -3
    return number


cdef tuple _result(Commit* commit):
    cdef Py_ssize_t j
    cdef Op* op
    cdef list events = [], stamps = []
    if commit.failed >= 0:
        return commit.revision, commit.failed, commit.found, events, stamps
    for j in range(commit.count):
        op = &commit.ops[j]
        if not op.done:
            continue
        if op.kind == K_PUT:
            old = PyBytes_FromStringAndSize(op.old + 8, op.old_size - 8) if op.had else None
            events.append((j, old))
        else:
            stamps.append(j)
    return commit.revision, -1, 0, events, stamps


# ----------------------------------------------------------------------- the environment


cdef class Environment:
    """One LMDB environment, opened once."""

    cdef void* env
    cdef void* reader
    cdef int held
    cdef Tables tables
    cdef dict layout

    def __cinit__(self, str path, size_t map_size):
        cdef bytes encoded = path.encode()
        _check(env_create(&self.env))
        _check(env_set_maxdbs(self.env, 8))
        _check(env_set_mapsize(self.env, map_size))
        _check(env_open(self.env, PyBytes_AS_STRING(encoded), NORDAHEAD | NOTLS, 0o600))

    def __dealloc__(self):
        self.close()

    def close(self):
        """Close the environment; nothing may be read or written any more."""
        if self.reader != NULL:
            txn_abort(self.reader)
            self.reader = NULL
        if self.env != NULL:
            env_close(self.env)
            self.env = NULL

    def is_empty(self):
        """Tell whether no table was ever made."""
        cdef Stat stat
        _check(env_stat(self.env, &stat))
        return stat.entries == 0

    def table(self, bytes name, bint create):
        """Open a table and return its handle; LookupError if it is not there and not to be made."""
        cdef void* txn
        cdef unsigned int handle
        _check(txn_begin(self.env, NULL, 0, &txn))
        cdef int code = dbi_open(txn, PyBytes_AS_STRING(name), CREATE if create else 0, &handle)
        if code:
            txn_abort(txn)
            if code == NOTFOUND:
                raise LookupError(name)
            _check(code)
        _check(txn_commit(txn))
        return handle

    def use(self, layout, objects, history, log, index, meta):
        """Say which tables play which part, and how writes are laid out. See tree.pyi."""
        self.layout = layout
        self.tables.objects, self.tables.history, self.tables.log = objects, history, log
        self.tables.index, self.tables.meta = index, meta

    def grow(self, size_t map_size):
        """Enlarge the map; nothing may be held."""
        _check(env_set_mapsize(self.env, map_size))

    # ------------------------------------------------------------------- writing

    def apply(self, batch, int64_t now):
        """Write commits in one durable transaction, each of them whole or not at all.

        See tree.pyi. OSError if the transaction as a whole failed: nothing was written then.
        """
        cdef Py_ssize_t count = len(batch), i
        cdef int code
        cdef Commit* commits = <Commit*>calloc(max(count, 1), sizeof(Commit))
        if commits == NULL:
            raise MemoryError
        try:
            for i in range(count):
                _read_ops(batch[i], self.layout, &commits[i])
            with nogil:
                code = _apply(self.env, &self.tables, commits, count, now)
            _check(code)
            return [_result(&commits[i]) for i in range(count)]
        finally:
            _free(commits, count)

    def put(self, unsigned int table, bytes key, bytes value):
        """Write one entry, durably."""
        cdef void* txn
        cdef Val k = _val(key), v = _val(value)
        cdef int code
        with nogil:
            code = txn_begin(self.env, NULL, 0, &txn)
            if code == 0:
                code = put_(txn, table, &k, &v, 0)
                if code:
                    txn_abort(txn)
                else:
                    code = txn_commit(txn)
        _check(code)

    def forget(self, int64_t upto, Py_ssize_t step):
        """Delete at most `step` entries of the log up to a revision, and what they replaced.

        Returns whether there may be more.
        """
        cdef int code
        cdef bint more = True
        with nogil:
            code = self._forget(upto, step, &more)
        _check(code)
        return more

    cdef int _forget(self, int64_t upto, Py_ssize_t step, bint* more) noexcept nogil:
        cdef void* txn
        cdef void* cursor
        cdef Val key, entry, mark
        cdef char old[MAX_KEY]
        cdef Py_ssize_t _step
        cdef int code = txn_begin(self.env, NULL, 0, &txn)
        if code:
            return code
        code = cursor_open(txn, self.tables.log, &cursor)
        for _step in range(step):
            if code:
                break
            code = cursor_get(cursor, &key, &entry, C_FIRST)
            if code == NOTFOUND or (code == 0 and _number(key.data) > upto):
                code, more[0] = 0, False
                break
            if code == 0 and entry.size >= 9 and entry.size <= MAX_KEY:
                mark.size, mark.data = entry.size, old
                memcpy(old, entry.data + 9, entry.size - 9)
                old[entry.size - 9] = 0
                memcpy(old + entry.size - 8, key.data, 8)
                code = cursor_del(cursor, 0)
                if code == 0:
                    code = _drop(txn, self.tables.history, &mark)
        if code == 0:
            cursor_close(cursor)
            key.size, key.data = 9, b"compacted"
            code = _set(txn, self.tables.meta, &key, upto)
        if code:
            txn_abort(txn)
            return code
        return txn_commit(txn)

    # ------------------------------------------------------------------- reading

    cdef int _begin(self) except -1:
        if self.env == NULL:
            raise OSError(22, "the store is closed")
        if self.held == 0:
            if self.reader == NULL:
                _check(txn_begin(self.env, NULL, RDONLY, &self.reader))
            else:
                _check(txn_renew(self.reader))
        self.held += 1
        return 0

    cdef void _end(self) noexcept:
        self.held -= 1
        if self.held == 0:
            txn_reset(self.reader)

    def hold(self):
        """Let all reads until `free` see the same state."""
        self._begin()

    def free(self):
        """End what `hold` began."""
        self._end()

    def get(self, unsigned int table, bytes key):
        """Return a value, None if there is none."""
        cdef Val k = _val(key), found
        self._begin()
        cdef int code = get_(self.reader, table, &k, &found) if k.size else NOTFOUND
        cdef object value = None
        if code == 0:
            value = PyBytes_FromStringAndSize(found.data, found.size)
        self._end()
        if code != NOTFOUND:
            _check(code)
        return value

    def range(
            self, unsigned int table, bytes start, bytes prefix, Py_ssize_t limit,
            Py_ssize_t budget=0):
        """Return (key, value) from `start` on, while keys have the prefix. See tree.pyi."""
        cdef list found = []
        cdef void* cursor
        cdef Val key = _val(start), data, wanted = _val(prefix)
        cdef int code
        cdef Py_ssize_t size = 0
        self._begin()
        try:
            _check(cursor_open(self.reader, table, &cursor))
            code = cursor_get(cursor, &key, &data, C_SET_RANGE if key.size else C_FIRST)
            while code == 0 and _begins(&key, &wanted):
                size += key.size + data.size
                found.append(
                    (
                        PyBytes_FromStringAndSize(key.data, key.size),
                        PyBytes_FromStringAndSize(data.data, data.size),
                    )
                )
                if len(found) == limit or budget and size >= budget:
                    break
                code = cursor_get(cursor, &key, &data, C_NEXT)
            cursor_close(cursor)
        finally:
            self._end()
        if code != NOTFOUND:
            _check(code)
        return found

    def splice(
            self, bytes start, bytes prefix, Py_ssize_t limit, bytes known, bytes head,
            bytes before, bytes behind, Py_ssize_t budget=0):
        """Return the objects of a range as JSON, joined by commas. See tree.pyi."""
        cdef void* cursor
        cdef Val key = _val(start), data, wanted = _val(prefix), mark = _val(known)
        cdef Val first = _val(head), opening = _val(before), closing = _val(behind), tail
        cdef Py_ssize_t count = 0, size = opening.size + closing.size, i, read = 0
        cdef bint more = False, foreign = False
        cdef char digits[24]
        cdef char* out
        cdef int code, length
        cdef bytes body = b"", last = b""
        self._begin()
        try:
            _check(cursor_open(self.reader, self.tables.objects, &cursor))
            code = cursor_get(cursor, &key, &data, C_SET_RANGE if key.size else C_FIRST)
            while code == 0 and _begins(&key, &wanted):
                if (limit and count == limit) or (budget and read >= budget):
                    more = True
                    break
                tail.size, tail.data = data.size - 8, data.data + 8
                if not _begins(&tail, &mark):
                    foreign = True
                    break
                size += first.size + _digits(_number(data.data), digits)
                size += tail.size - mark.size + 1
                count += 1
                read += key.size + data.size
                if (limit and count == limit) or (budget and read >= budget):
                    last = PyBytes_FromStringAndSize(key.data, key.size)
                code = cursor_get(cursor, &key, &data, C_NEXT)
            if not foreign:
                # In one piece of the right size: memory that was used before comes back without
                # the page faults that cost more than all else here.
                body = PyBytes_FromStringAndSize(NULL, size - 1 if count else size)
                out = PyBytes_AS_STRING(body)
                memcpy(out, opening.data, opening.size)
                out += opening.size
                key = _val(start)
                cursor_get(cursor, &key, &data, C_SET_RANGE if key.size else C_FIRST)
                for i in range(count):
                    if i:
                        out[0] = 44
                        out += 1
                    memcpy(out, first.data, first.size)
                    out += first.size
                    length = _digits(_number(data.data), digits)
                    memcpy(out, digits, length)
                    out += length
                    memcpy(out, data.data + 8 + mark.size, data.size - 8 - mark.size)
                    out += data.size - 8 - mark.size
                    cursor_get(cursor, &key, &data, C_NEXT)
                memcpy(out, closing.data, closing.size)
            cursor_close(cursor)
        finally:
            self._end()
        if code != NOTFOUND:
            _check(code)
        return None if foreign else (body, count, last if more else b"")


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

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The write transactions of the store: a whole batch of commits, checks included, without the GIL.

py-lmdb gives the interpreter up and takes it back at every single put; with a busy event loop each
of those costs a wait. Here a batch is one call without it.

Law: a Writer is for one thread, which makes every write transaction of its environment. The map
may grow only while nothing is held.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from kcpfast._core.engine cimport (
    APPEND, BAD_SIZE as K_BAD_SIZE, C_FIRST, C_SET_RANGE, DAMAGED as K_DAMAGED, FULL as K_FULL,
    MAX_KEY, NO_MEMORY as K_NO_MEMORY, NOTFOUND, SEAL, Tables, Val, begins, check, drop, end_at,
    fetch, lib, make_room, missing, number_at, seal, seek, store, unseal, val, write_number,
)
from kcpfast._core.records cimport PLAIN_HEAD, SHAPED_HEAD, Record, Shapes
from kcpfast._core.tree cimport Environment

PUT, CHECK, EMPTY, PRESENT, BELOW, INDEX, CLEAR, COUNT, STAMP, UNSTAMP, DISCARD = range(11)
MAP_FULL, TOO_LARGE, BAD_SIZE, NO_MEMORY = -30792, -30788, K_BAD_SIZE, K_NO_MEMORY
DAMAGED, FULL = K_DAMAGED, K_FULL

cdef enum:
    O_PUT, O_CHECK, O_EMPTY, O_PRESENT, O_BELOW, O_INDEX, O_CLEAR, O_COUNT, O_STAMP, O_UNSTAMP
    O_DISCARD

cdef int64_t MOST_NUMBER = 0x7FFFFFFFFFFFFFFF, LEAST_NUMBER = -0x7FFFFFFFFFFFFFFF - 1

cdef enum:
    CREATE = 0x40000
    # So much may an object grow while the disk is full: what deletion says of itself.
    SLACK = 1024

cdef object MOST = (1 << 63) - 1, LEAST = -(1 << 63)

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

cdef struct Commit:
    Op* ops
    Py_ssize_t count
    int64_t revision
    Py_ssize_t failed
    int64_t found

cdef struct Place:
    int64_t revision
    int64_t clock
    unsigned int sequence


# ----------------------------------------------------------------------- what a commit expects


cdef int _entry(void* txn, unsigned int table, Val* prefix, bint* found) noexcept nogil:
    """Tell whether a table has an entry with a prefix."""
    cdef void* cursor
    cdef Val key, data
    cdef int code
    if prefix.size == 0:
        return K_BAD_SIZE
    code = lib.cursor_open(txn, table, &cursor)
    if code:
        return code
    code = seek(cursor, prefix, &key, &data)
    found[0] = code == 0 and begins(&key, prefix)
    if code == 0 and not found[0]:
        code = end_at(&key, &data)
    lib.cursor_close(cursor)
    return 0 if code == NOTFOUND else code


cdef int _read_number(
        void* txn, unsigned int table, Val* key, bint* there, int64_t* value) noexcept nogil:
    cdef Val data
    cdef int code = fetch(txn, table, key, &data)
    there[0] = code == 0
    value[0] = number_at(data.data) if code == 0 and data.size >= 8 else 0
    return 0 if code == NOTFOUND else code


cdef int _find(void* txn, Tables* at, Shapes shapes, Op* op, int64_t* found) noexcept nogil:
    """Read the object that an op is about; keep what a put replaces."""
    cdef Val data
    cdef Record record
    cdef int code = lib.get(txn, at.objects, &op.key, &data)
    found[0] = 0
    if code == NOTFOUND:
        code = missing(txn, at.objects, &op.key)
    if code:
        return 0 if code == NOTFOUND else code
    code = shapes.read(&op.key, &data, &record)
    if code:
        return code
    found[0] = record.revision
    if op.kind == O_PUT:
        op.old = <char*>malloc(data.size)
        if op.old == NULL:
            return K_NO_MEMORY
        memcpy(op.old, data.data + SEAL, data.size - SEAL)
        record.stored.data = op.old + (record.stored.data - data.data - SEAL)
        op.had, op.was = True, record
    return 0


cdef int _find_damaged(
        void* txn, Tables* at, Shapes shapes, Op* op, bint* fails, int64_t* found) noexcept nogil:
    """Look whether an object is damaged: `fails` if it is whole, or not there."""
    cdef Val data
    cdef Record record
    cdef int code = lib.get(txn, at.objects, &op.key, &data)
    fails[0], found[0] = True, 0
    if code:
        return 0 if code == NOTFOUND else code
    code = shapes.read(&op.key, &data, &record)
    if code == K_DAMAGED:
        fails[0] = False
        return 0
    found[0] = record.revision
    return code


cdef int _expect(
        void* txn, Tables* at, Shapes shapes, Op* op, bint* fails, int64_t* found) noexcept nogil:
    """Look whether what an op expects is so."""
    cdef int code
    cdef bint there = False
    fails[0] = False
    found[0] = 0
    if op.kind == O_PUT or op.kind == O_CHECK:
        code = _find(txn, at, shapes, op, found)
        if op.number == -1:
            fails[0] = found[0] == 0
        elif op.number != -2:
            fails[0] = found[0] != op.number
        return code
    if op.kind == O_DISCARD:
        return _find_damaged(txn, at, shapes, op, fails, found)
    if op.kind == O_EMPTY:
        code = _entry(txn, at.index, &op.key, &there)
        fails[0], found[0] = there, -1
        return code
    if op.kind == O_PRESENT:
        code = _read_number(txn, at.index, &op.key, &there, found)
        fails[0], found[0] = not there, 0
        return code
    if op.kind == O_BELOW:
        code = _read_number(txn, at.index, &op.key, &there, found)
        fails[0] = found[0] >= op.number
        return code
    return 0


cdef Py_ssize_t _growing(Commit* commit) noexcept nogil:
    """Return the first write that makes an object, or one much larger; -1 if there is none."""
    cdef Py_ssize_t i
    cdef Op* op
    for i in range(commit.count):
        op = &commit.ops[i]
        if op.kind == O_PUT and op.gives:
            if not op.had or op.value.size > op.was.size + SLACK:
                return i
    return -1


# ----------------------------------------------------------------------- what a commit writes


cdef int _keep_old(void* txn, Tables* at, Op* op, int64_t revision) noexcept nogil:
    """File what an op replaces under the revision that replaces it."""
    cdef char mark[MAX_KEY]
    cdef Val key, data
    cdef size_t head = PLAIN_HEAD if op.was.shape == 0 else SHAPED_HEAD
    memcpy(mark, op.key.data, op.key.size)
    mark[op.key.size] = 0
    write_number(mark + op.key.size + 1, revision)
    key.size, key.data = op.key.size + 9, mark
    data.size, data.data = head + op.was.stored.size, op.old
    return store(txn, at.history, &key, &data, 0)


cdef int _learn(void* txn, Tables* at, Shapes shapes, int family, Val* value) noexcept nogil:
    """Make a value a shape for those that come after it; 0 in any case but an error's."""
    cdef char place[2]
    cdef Val key, room
    cdef int code, number = shapes.learn(family, value)
    if number == 0:
        return 0
    place[0], place[1] = <char>number, <char>family
    key.size, key.data = 2, place
    code = make_room(txn, at.shapes, &key, value.size, 0, &room)
    if code == 0:
        memcpy(room.data, value.data, value.size)
        seal(&key, &room)
    return code


cdef int _write_value(
        void* txn, Tables* at, Shapes shapes, Op* op, int64_t revision) noexcept nogil:
    """Write an object, by a shape if there is one that suits it."""
    cdef Val room
    cdef char* packed = NULL
    cdef size_t length = 0
    cdef uint32_t size = <uint32_t>op.value.size
    cdef int code = 0, shape = 0, family = shapes.family_of(&op.key)
    if family >= 0:
        packed = <char*>malloc(op.value.size + 16)
        if packed == NULL:
            return K_NO_MEMORY
        length = shapes.pack(&op.value, family, packed, &shape)
        if shape == -1:
            code = _learn(txn, at, shapes, family, &op.value)
            if code == 0:
                length = shapes.pack(&op.value, family, packed, &shape)
    if code == 0 and length:
        code = make_room(txn, at.objects, &op.key, SHAPED_HEAD + length, 0, &room)
        if code == 0:
            memcpy(room.data + PLAIN_HEAD, &size, 4)
            memcpy(room.data + SHAPED_HEAD, packed, length)
    elif code == 0:
        shape = 0
        code = make_room(txn, at.objects, &op.key, PLAIN_HEAD + op.value.size, 0, &room)
        if code == 0:
            memcpy(room.data + PLAIN_HEAD, op.value.data, op.value.size)
    if code == 0:
        write_number(room.data, revision)
        room.data[8] = <char>shape
        seal(&op.key, &room)
    free(packed)
    return code


cdef int _put_object(void* txn, Tables* at, Shapes shapes, Op* op, Place* now) noexcept nogil:
    cdef char place[12]
    cdef Val key, room
    cdef int code = 0
    cdef int64_t revision = now.revision + 1
    if op.key.size + 9 > MAX_KEY:
        return K_BAD_SIZE
    if op.had:
        code = _keep_old(txn, at, op, revision)
    if code == 0 and op.gives:
        code = _write_value(txn, at, shapes, op, revision)
    elif code == 0:
        code = lib.remove(txn, at.objects, &op.key, NULL)
    if code:
        return code
    write_number(place, revision)
    place[8], place[9] = <char>(now.sequence >> 24), <char>(now.sequence >> 16 & 255)
    place[10], place[11] = <char>(now.sequence >> 8 & 255), <char>(now.sequence & 255)
    key.size, key.data = 12, place
    code = make_room(txn, at.log, &key, op.key.size + 9, APPEND, &room)
    if code:
        return code
    room.data[0] = 117 if op.had else 99  # u, c
    if not op.gives:
        room.data[0] = 100  # d
    write_number(room.data + 1, now.clock)
    memcpy(room.data + 9, op.key.data, op.key.size)
    seal(&key, &room)
    return 0


cdef int _discard(void* txn, Tables* at, Shapes shapes, Op* op, Place* now) noexcept nogil:
    """Delete a damaged object. Nothing before can be told any more: it is forgotten as well."""
    cdef Val key
    cdef int code = _put_object(txn, at, shapes, op, now)
    if code == 0:
        key.size, key.data = 9, b"compacted"
        code = _set(txn, at.meta, &key, now.revision + 1)
    return code


cdef int _set(void* txn, unsigned int table, Val* key, int64_t value) noexcept nogil:
    cdef char written[8]
    cdef Val data
    write_number(written, value)
    data.size, data.data = 8, written
    return store(txn, table, key, &data, 0)


cdef int _clear(void* txn, unsigned int table, Val* prefix) noexcept nogil:
    """Delete the entries with a prefix."""
    cdef void* cursor
    cdef Val key, data
    cdef int code = lib.cursor_open(txn, table, &cursor)
    if code:
        return code
    while code == 0:
        key.size, key.data = prefix.size, prefix.data
        code = lib.cursor_get(cursor, &key, &data, C_SET_RANGE)
        if code == 0 and not begins(&key, prefix):
            code = end_at(&key, &data)
            break
        if code == 0:
            code = lib.cursor_del(cursor, 0)
    lib.cursor_close(cursor)
    return 0 if code == NOTFOUND else code


cdef int _write_index(void* txn, Tables* at, Op* op, int64_t revision) noexcept nogil:
    cdef bint there = True
    cdef int64_t value = 0
    cdef int code
    if op.kind == O_INDEX:
        if op.gives:
            return store(txn, at.index, &op.key, &op.value, 0)
        return drop(txn, at.index, &op.key)
    if op.kind == O_CLEAR:
        return _clear(txn, at.index, &op.key)
    if op.kind == O_STAMP:
        if op.gives:
            code = _entry(txn, at.index, &op.value, &there)
            if code:
                return code
        if there:
            op.done = True
            return _set(txn, at.index, &op.key, revision)
        return 0
    if op.kind == O_COUNT:
        code = _read_number(txn, at.index, &op.key, &there, &value)
        if code:
            return code
        if op.number > 0 and value > MOST_NUMBER - op.number:
            return K_BAD_SIZE
        if op.number < 0 and value < LEAST_NUMBER - op.number:
            return K_BAD_SIZE
        value += op.number
        return _set(txn, at.index, &op.key, value) if value else drop(txn, at.index, &op.key)
    if op.kind == O_UNSTAMP:
        code = _read_number(txn, at.index, &op.key, &there, &value)
        if code or value > op.number:
            return code
        return drop(txn, at.index, &op.key)
    return 0


# ----------------------------------------------------------------------- batches


cdef int _commit_one(
        void* txn, Tables* at, Shapes shapes, Commit* commit, Place* now,
        bint spare) noexcept nogil:
    """Make one commit; `commit.failed` is the write that fails, also if a code is returned."""
    cdef Py_ssize_t i, growing
    cdef Op* op
    cdef bint fails
    cdef int code
    now.sequence = 0
    for i in range(commit.count):
        commit.failed = i
        code = _expect(txn, at, shapes, &commit.ops[i], &fails, &commit.found)
        if code == K_DAMAGED:
            commit.found = K_DAMAGED
            return 0
        if code or fails:
            return code
    if not spare:
        growing = _growing(commit)
        if growing >= 0:
            commit.failed, commit.found = growing, K_FULL
            return 0
    for i in range(commit.count):
        op = &commit.ops[i]
        commit.failed = i
        if op.kind == O_PUT and (op.gives or op.had):
            code = _put_object(txn, at, shapes, op, now)
        elif op.kind == O_DISCARD:
            code = _discard(txn, at, shapes, op, now)
        else:
            continue
        if code:
            return code
        op.done = True
        now.sequence += 1
    if now.sequence:
        now.revision += 1
    commit.revision = now.revision
    for i in range(commit.count):
        commit.failed = i
        code = _write_index(txn, at, &commit.ops[i], commit.revision)
        if code:
            return code
    commit.failed = -1
    return 0


cdef int _apply(
        void* env, Tables* at, Shapes shapes, Commit* commits, Py_ssize_t count, int64_t clock,
        bint spare, Py_ssize_t* reached) noexcept nogil:
    cdef void* txn
    cdef char head[16]
    cdef Place now
    cdef Py_ssize_t i
    cdef bint there
    cdef Val key, data
    cdef int shaped = shapes.count
    cdef int code = lib.txn_begin(env, NULL, 0, &txn)
    if code:
        return code
    now.clock = clock
    key.size, key.data = 8, b"revision"
    code = _read_number(txn, at.meta, &key, &there, &now.revision)
    for i in range(count):
        if code == 0:
            reached[0] = i
            code = _commit_one(txn, at, shapes, &commits[i], &now, spare)
    if code == 0:
        write_number(head, now.revision)
        write_number(head + 8, clock)
        data.size, data.data = 16, head
        code = store(txn, at.meta, &key, &data, 0)
    if code:
        lib.txn_abort(txn)
    else:
        code = lib.txn_commit(txn)
    if code:
        shapes.forget(shaped)
    return code


cdef void _free(Commit* commits, Py_ssize_t count) noexcept:
    cdef Py_ssize_t i, j
    for i in range(count):
        if commits[i].ops != NULL:
            for j in range(commits[i].count):
                free(commits[i].ops[j].old)
            free(commits[i].ops)
    free(commits)


cdef int _read_ops(object writes, dict layout, Commit* commit) except -1:
    cdef Py_ssize_t j, value_at, number_place, objects = 0
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
        kind, value_at, number_place = layout[type(write)]
        op = &commit.ops[j]
        op.kind = kind
        op.key = val(write[0])
        if number_place:
            op.number = _bounded(op.kind, write[number_place])
        value = write[value_at] if value_at else None
        if value is not None:
            op.gives = op.kind != O_STAMP or bool(value)
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
    cdef Py_ssize_t j
    cdef Op* op
    cdef list events = [], stamps = []
    cdef bytes old
    if commit.failed >= 0:
        return commit.revision, commit.failed, commit.found, events, stamps
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
            stamps.append(j)
    return commit.revision, -1, 0, events, stamps


cdef class Writer:
    """What writes to an environment. See writer.pyi."""

    cdef Environment tree
    cdef dict layout

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
                code = _apply(env, tables, shapes, commits, count, clock, spare, &reached)
            if code == K_DAMAGED and commits[reached].failed >= 0:
                raise self.tree.damaged(batch[reached][commits[reached].failed][0])
            self.tree._fail(code, b"revision")
            try:
                return [_result(&commits[i], shapes) for i in range(count)]
            except Exception as error:
                # What is on the disk must not be taken for what was refused, and made again.
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
        void* env, Tables* at, int64_t upto, Py_ssize_t step, bint* more) noexcept nogil:
    cdef void* txn
    cdef void* cursor
    cdef Val key, entry, mark
    cdef char old[MAX_KEY]
    cdef Py_ssize_t _step
    cdef bint good
    cdef int code = lib.txn_begin(env, NULL, 0, &txn)
    if code:
        return code
    code = lib.cursor_open(txn, at.log, &cursor)
    for _step in range(step):
        if code:
            break
        code = lib.cursor_get(cursor, &key, &entry, C_FIRST)
        if code == NOTFOUND or (code == 0 and number_at(key.data) > upto):
            code, more[0] = 0, False
            break
        if code:
            break
        # What a damaged entry of the log was about nobody knows: it goes alone.
        good = unseal(&key, &entry) and 9 <= entry.size <= MAX_KEY
        if good:
            mark.size, mark.data = entry.size, old
            memcpy(old, entry.data + 9, entry.size - 9)
            old[entry.size - 9] = 0
            memcpy(old + entry.size - 8, key.data, 8)
        code = lib.cursor_del(cursor, 0)
        if code == 0 and good:
            code = drop(txn, at.history, &mark)
    if code == 0:
        lib.cursor_close(cursor)
        key.size, key.data = 9, b"compacted"
        code = _set(txn, at.meta, &key, upto)
    if code:
        lib.txn_abort(txn)
        return code
    return lib.txn_commit(txn)

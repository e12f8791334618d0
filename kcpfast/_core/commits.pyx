# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What one commit expects of the store, and what it writes: all of it runs without the GIL.

writer.pyx turns the writes of Python into the structures of commits.pxd and calls `apply_commits`
once for a batch. Law: an expectation is checked before the first write of its commit, since LMDB
cannot take back a part of a transaction.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from kcpfast._core.engine cimport (
    APPEND, BAD_SIZE, C_SET_RANGE, DAMAGED, FULL, MAX_KEY, NO_MEMORY, NOTFOUND, SEAL, Tables, Val,
    begins, drop, end_at, fetch, lib, make_room, missing, number_at, seal, seek, store,
    write_number,
)
from kcpfast._core.records cimport PLAIN_HEAD, SHAPED_HEAD, Record, Shapes

cdef int64_t MOST_NUMBER = 0x7FFFFFFFFFFFFFFF, LEAST_NUMBER = -0x7FFFFFFFFFFFFFFF - 1

cdef enum:
    # Bytes by which an object may grow while the disk is full: a deletionTimestamp must fit.
    SLACK = 1024

# Where a transaction stands: the newest revision, the time, and the object writes of this commit.
cdef struct Position:
    int64_t revision
    int64_t clock
    unsigned int sequence


# ----------------------------------------------------------------------- what a commit expects


cdef int _entry(void* txn, unsigned int table, Val* prefix, bint* exists) noexcept nogil:
    """Tell whether a table has an entry with a prefix."""
    cdef void* cursor
    cdef Val key, data
    cdef int code
    if prefix.size == 0:
        return BAD_SIZE
    code = lib.cursor_open(txn, table, &cursor)
    if code:
        return code
    code = seek(cursor, prefix, &key, &data)
    exists[0] = code == 0 and begins(&key, prefix)
    if code == 0 and not exists[0]:
        code = end_at(&key, &data)
    lib.cursor_close(cursor)
    return 0 if code == NOTFOUND else code


cdef int _read_number(
        void* txn, unsigned int table, Val* key, bint* exists, int64_t* value) noexcept nogil:
    """Read a counter or a revision; 0 where there is none."""
    cdef Val data
    cdef int code = fetch(txn, table, key, &data)
    exists[0] = code == 0
    value[0] = number_at(data.data) if code == 0 and data.size >= 8 else 0
    return 0 if code == NOTFOUND else code


cdef int _find(void* txn, Tables* tables, Shapes shapes, Op* op, int64_t* actual) noexcept nogil:
    """Read the revision of an op's object; a put keeps a copy of what it replaces."""
    cdef Val data
    cdef Record record
    cdef int code = lib.get(txn, tables.objects, &op.key, &data)
    actual[0] = 0
    if code == NOTFOUND:
        code = missing(txn, tables.objects, &op.key)
    if code:
        return 0 if code == NOTFOUND else code
    code = shapes.read(&op.key, &data, &record)
    if code:
        return code
    actual[0] = record.revision
    if op.kind == O_PUT:
        op.old = <char*>malloc(data.size)
        if op.old == NULL:
            return NO_MEMORY
        memcpy(op.old, data.data + SEAL, data.size - SEAL)
        record.stored.data = op.old + (record.stored.data - data.data - SEAL)
        op.had, op.was = True, record
    return 0


cdef int _find_damaged(
        void* txn, Tables* tables, Shapes shapes, Op* op, bint* fails,
        int64_t* actual) noexcept nogil:
    """Check that an object is damaged: `fails` if it is intact or does not exist."""
    cdef Val data
    cdef Record record
    cdef int code = lib.get(txn, tables.objects, &op.key, &data)
    fails[0], actual[0] = True, 0
    if code:
        return 0 if code == NOTFOUND else code
    code = shapes.read(&op.key, &data, &record)
    if code == DAMAGED:
        fails[0] = False
        return 0
    actual[0] = record.revision
    return code


cdef int _expect(
        void* txn, Tables* tables, Shapes shapes, Op* op, bint* fails,
        int64_t* actual) noexcept nogil:
    """Check what an op expects: `fails` if it is not so, `actual` is what was there instead."""
    cdef int code
    cdef bint exists = False
    fails[0] = False
    actual[0] = 0
    if op.kind == O_PUT or op.kind == O_CHECK:
        code = _find(txn, tables, shapes, op, actual)
        if op.number == -1:
            fails[0] = actual[0] == 0
        elif op.number != -2:
            fails[0] = actual[0] != op.number
        return code
    if op.kind == O_DISCARD:
        return _find_damaged(txn, tables, shapes, op, fails, actual)
    if op.kind == O_EMPTY:
        code = _entry(txn, tables.index, &op.key, &exists)
        fails[0], actual[0] = exists, -1
        return code
    if op.kind == O_PRESENT:
        code = _read_number(txn, tables.index, &op.key, &exists, actual)
        fails[0], actual[0] = not exists, 0
        return code
    if op.kind == O_BELOW:
        code = _read_number(txn, tables.index, &op.key, &exists, actual)
        fails[0] = actual[0] >= op.number
        return code
    return 0


cdef Py_ssize_t _growing(Commit* commit) noexcept nogil:
    """Return the first write that creates an object or makes one much larger; -1 for none."""
    cdef Py_ssize_t i
    cdef Op* op
    for i in range(commit.count):
        op = &commit.ops[i]
        if op.kind == O_PUT and op.gives:
            if not op.had or op.value.size > op.was.size + SLACK:
                return i
    return -1


# ----------------------------------------------------------------------- what a commit writes


cdef int _keep_old(void* txn, Tables* tables, Op* op, int64_t revision) noexcept nogil:
    """Copy what an op replaces to the history, under the revision that replaces it."""
    cdef char history_key[MAX_KEY]
    cdef Val key, data
    cdef size_t head = PLAIN_HEAD if op.was.shape == 0 else SHAPED_HEAD
    memcpy(history_key, op.key.data, op.key.size)
    history_key[op.key.size] = 0
    write_number(history_key + op.key.size + 1, revision)
    key.size, key.data = op.key.size + 9, history_key
    data.size, data.data = head + op.was.stored.size, op.old
    return store(txn, tables.history, &key, &data, 0)


cdef int _learn(void* txn, Tables* tables, Shapes shapes, int family, Val* value) noexcept nogil:
    """Keep a value as the shape that later values are stored against; an error code or 0."""
    cdef char shape_key[2]
    cdef Val key, room
    cdef int code, number = shapes.learn(family, value)
    if number == 0:
        return 0
    shape_key[0], shape_key[1] = <char>number, <char>family
    key.size, key.data = 2, shape_key
    code = make_room(txn, tables.shapes, &key, value.size, 0, &room)
    if code == 0:
        memcpy(room.data, value.data, value.size)
        seal(&key, &room)
    return code


cdef int _write_value(
        void* txn, Tables* tables, Shapes shapes, Op* op, int64_t revision) noexcept nogil:
    """Write an object: as its difference to a shape if one suits it, else as it is."""
    cdef Val room
    cdef char* packed = NULL
    cdef size_t length = 0
    cdef uint32_t size = <uint32_t>op.value.size
    cdef int code = 0, shape = 0, family = shapes.family_of(&op.key)
    if family >= 0:
        packed = <char*>malloc(op.value.size + 16)
        if packed == NULL:
            return NO_MEMORY
        length = shapes.pack(&op.value, family, packed, &shape)
        if shape == -1:
            code = _learn(txn, tables, shapes, family, &op.value)
            if code == 0:
                length = shapes.pack(&op.value, family, packed, &shape)
    if code == 0 and length:
        code = make_room(txn, tables.objects, &op.key, SHAPED_HEAD + length, 0, &room)
        if code == 0:
            memcpy(room.data + PLAIN_HEAD, &size, 4)
            memcpy(room.data + SHAPED_HEAD, packed, length)
    elif code == 0:
        shape = 0
        code = make_room(txn, tables.objects, &op.key, PLAIN_HEAD + op.value.size, 0, &room)
        if code == 0:
            memcpy(room.data + PLAIN_HEAD, op.value.data, op.value.size)
    if code == 0:
        write_number(room.data, revision)
        room.data[8] = <char>shape
        seal(&op.key, &room)
    free(packed)
    return code


cdef int _put_object(
        void* txn, Tables* tables, Shapes shapes, Op* op, Position* position) noexcept nogil:
    """Write or delete an object, keep what was there, and enter the change into the log."""
    cdef char log_key[12]
    cdef Val key, room
    cdef int code = 0
    cdef int64_t revision = position.revision + 1
    cdef unsigned int sequence = position.sequence
    if op.key.size + 9 > MAX_KEY:
        return BAD_SIZE
    if op.had:
        code = _keep_old(txn, tables, op, revision)
    if code == 0 and op.gives:
        code = _write_value(txn, tables, shapes, op, revision)
    elif code == 0:
        code = lib.remove(txn, tables.objects, &op.key, NULL)
    if code:
        return code
    write_number(log_key, revision)
    log_key[8], log_key[9] = <char>(sequence >> 24), <char>(sequence >> 16 & 255)
    log_key[10], log_key[11] = <char>(sequence >> 8 & 255), <char>(sequence & 255)
    key.size, key.data = 12, log_key
    code = make_room(txn, tables.log, &key, op.key.size + 9, APPEND, &room)
    if code:
        return code
    room.data[0] = 117 if op.had else 99  # u, c
    if not op.gives:
        room.data[0] = 100  # d
    write_number(room.data + 1, position.clock)
    memcpy(room.data + 9, op.key.data, op.key.size)
    seal(&key, &room)
    return 0


cdef int _discard(
        void* txn, Tables* tables, Shapes shapes, Op* op, Position* position) noexcept nogil:
    """Delete a damaged object.

    The older states of the store cannot be told without it, so none of them is served any more.
    """
    cdef Val key
    cdef int code = _put_object(txn, tables, shapes, op, position)
    if code == 0:
        key.size, key.data = 9, b"compacted"
        code = set_number(txn, tables.meta, &key, position.revision + 1)
    return code


cdef int set_number(void* txn, unsigned int table, Val* key, int64_t value) noexcept nogil:
    """Write an entry of eight bytes: a counter or a revision."""
    cdef char written[8]
    cdef Val data
    write_number(written, value)
    data.size, data.data = 8, written
    return store(txn, table, key, &data, 0)


cdef int _clear(void* txn, unsigned int table, Val* prefix) noexcept nogil:
    """Delete all entries with a prefix."""
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


cdef int _write_index(void* txn, Tables* tables, Op* op, int64_t revision) noexcept nogil:
    """Write what an op asks of the index; nothing for the other kinds."""
    cdef bint exists = True
    cdef int64_t value = 0
    cdef int code
    if op.kind == O_INDEX:
        if op.gives:
            return store(txn, tables.index, &op.key, &op.value, 0)
        return drop(txn, tables.index, &op.key)
    if op.kind == O_CLEAR:
        return _clear(txn, tables.index, &op.key)
    if op.kind == O_PUT_REVISION:
        if op.gives:
            code = _entry(txn, tables.index, &op.value, &exists)
            if code:
                return code
        if exists:
            op.done = True
            return set_number(txn, tables.index, &op.key, revision)
        return 0
    if op.kind == O_COUNT:
        code = _read_number(txn, tables.index, &op.key, &exists, &value)
        if code:
            return code
        if op.number > 0 and value > MOST_NUMBER - op.number:
            return BAD_SIZE
        if op.number < 0 and value < LEAST_NUMBER - op.number:
            return BAD_SIZE
        value += op.number
        if value == 0:
            return drop(txn, tables.index, &op.key)
        return set_number(txn, tables.index, &op.key, value)
    if op.kind == O_FORGET_REVISION:
        code = _read_number(txn, tables.index, &op.key, &exists, &value)
        if code or value > op.number:
            return code
        return drop(txn, tables.index, &op.key)
    return 0


# ----------------------------------------------------------------------- batches


cdef int _commit_one(
        void* txn, Tables* tables, Shapes shapes, Commit* commit, Position* position,
        bint spare) noexcept nogil:
    """Check and write one commit.

    `commit.failed` is the write that failed, also if an error code is returned.
    """
    cdef Py_ssize_t i, growing
    cdef Op* op
    cdef bint fails
    cdef int code
    position.sequence = 0
    for i in range(commit.count):
        commit.failed = i
        code = _expect(txn, tables, shapes, &commit.ops[i], &fails, &commit.actual)
        if code == DAMAGED:
            commit.actual = DAMAGED
            return 0
        if code or fails:
            return code
    if not spare:
        growing = _growing(commit)
        if growing >= 0:
            commit.failed, commit.actual = growing, FULL
            return 0
    for i in range(commit.count):
        op = &commit.ops[i]
        commit.failed = i
        if op.kind == O_PUT and (op.gives or op.had):
            code = _put_object(txn, tables, shapes, op, position)
        elif op.kind == O_DISCARD:
            code = _discard(txn, tables, shapes, op, position)
        else:
            continue
        if code:
            return code
        op.done = True
        position.sequence += 1
    if position.sequence:
        position.revision += 1
    commit.revision = position.revision
    for i in range(commit.count):
        commit.failed = i
        code = _write_index(txn, tables, &commit.ops[i], commit.revision)
        if code:
            return code
    commit.failed = -1
    return 0


cdef double _monotonic() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


cdef int apply_commits(
        void* env, Tables* tables, Shapes shapes, Commit* commits, Py_ssize_t count, int64_t clock,
        bint spare, Py_ssize_t* reached, double* disk_seconds) noexcept nogil:
    """Write a batch in one transaction; `reached` is the commit at which an error code arose.

    `disk_seconds` is how long mdb_txn_commit took: LMDB writes the changed pages, calls
    fdatasync(2), and writes its meta page through a descriptor that was opened with O_DSYNC.
    """
    # fdatasync alone cannot be timed. With MDB_NOSYNC the caller syncs, with mdb_env_sync, but LMDB
    # writes the meta page before that, and lmdb.h warns of the order that the disk may give them: a
    # power cut could leave a meta page that points at pages which were never written.
    cdef double begun
    cdef void* txn
    cdef char head[16]
    cdef Position position
    cdef Py_ssize_t i
    cdef bint exists
    cdef Val key, data
    cdef int shaped = shapes.count
    cdef int code = lib.txn_begin(env, NULL, 0, &txn)
    if code:
        return code
    position.clock = clock
    key.size, key.data = 8, b"revision"
    code = _read_number(txn, tables.meta, &key, &exists, &position.revision)
    for i in range(count):
        if code == 0:
            reached[0] = i
            code = _commit_one(txn, tables, shapes, &commits[i], &position, spare)
    if code == 0:
        write_number(head, position.revision)
        write_number(head + 8, clock)
        data.size, data.data = 16, head
        code = store(txn, tables.meta, &key, &data, 0)
    if code:
        lib.txn_abort(txn)
    else:
        begun = _monotonic()
        code = lib.txn_commit(txn)
        disk_seconds[0] = _monotonic() - begun
    if code:
        # The shapes that were learned in this transaction went with it.
        shapes.forget(shaped)
    return code

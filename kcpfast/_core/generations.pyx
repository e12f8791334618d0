# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Tells whether the keys that a derived value was computed from have changed since.

Time is counted in commits: `now` goes up with each. A key or a range of keys that was read has a
name, a hash of 64 bits; for each name that something depends on, a table holds when it last
changed. A written key touches its own name and those of the ranges that it lies in, which end at
one of its first NULs; so a commit costs a few look-ups for each key, however much depends on it.

Law: errors go to the safe side only. The table is bounded, and a name that is not in it counts as
changed. Two names with one hash, or a full table that is cleared, make a reader compute again what
it had; nothing makes it keep what has changed.

The GIL is held throughout: the event loop reads and changes the table, and no call takes long.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

cdef enum:
    LEVELS = 4  # ranges of a key: up to its first, second ... NUL
    SMALLEST = 1024
    CLEARED = 2

# PRIME is that of FNV-1a, which hashes the bytes; the others tell the kinds of names apart.
cdef uint64_t PRIME = 0x100000001b3
cdef uint64_t RANGE = 0x9e3779b97f4a7c15
cdef uint64_t POINT = 0xc2b2ae3d27d4eb4f
cdef uint64_t SWEPT = 0x165667b19e3779f9


cdef inline uint64_t _mixed(uint64_t state, uint64_t kind) noexcept nogil:
    """Return the name that a hash has as one kind; never 0, which is an empty place."""
    # The finalizer of SplitMix64: FNV's low bits alone would crowd the table.
    cdef uint64_t h = state ^ kind
    h = (h ^ (h >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    h = (h ^ (h >> 27)) * <uint64_t>0x94d049bb133111eb
    h ^= h >> 31
    return h if h else 1


cdef class Generations:
    """For each name that something depends on: the commit in which it last changed."""

    cdef uint64_t* names
    cdef uint64_t* changed
    cdef size_t size, used, most
    cdef uint64_t seed, floor
    cdef readonly uint64_t now

    def __cinit__(self, uint64_t seed, size_t most):
        """Begin with an empty table; it has `most` places (a power of two) at most."""
        self.seed, self.most, self.now = seed, most, 1
        self._make(min(SMALLEST, most))

    def __dealloc__(self):
        free(self.names)
        free(self.changed)

    def __len__(self):
        """Return how many names the table holds, those of values that are gone included."""
        return self.used

    cdef int _make(self, size_t size) except -1:
        cdef uint64_t* names = <uint64_t*>calloc(size, sizeof(uint64_t))
        cdef uint64_t* changed = <uint64_t*>calloc(size, sizeof(uint64_t))
        if names == NULL or changed == NULL:
            free(names)
            free(changed)
            raise MemoryError
        self.names, self.changed, self.size, self.used = names, changed, size, 0
        return 0

    cdef inline size_t _place(self, uint64_t name) noexcept:
        """Return where a name stands, or where there is room for it.

        It ends because the table is never more than half full (`_follow`).
        """
        cdef size_t slot = name & (self.size - 1)
        while self.names[slot] and self.names[slot] != name:
            slot = (slot + 1) & (self.size - 1)
        return slot

    cdef int _follow(self, uint64_t name, uint64_t since) except -1:
        """Put a name into the table if it is not there; it counts as changed at `since`."""
        cdef size_t slot = self._place(name)
        if self.names[slot]:
            return 0
        if 2 * (self.used + 1) > self.size:
            self._enlarge()
            slot = self._place(name)
        self.names[slot], self.changed[slot] = name, since
        self.used += 1
        return 0

    cdef int _enlarge(self) except -1:
        """Double the table; one that may not grow any more is replaced by an empty one."""
        cdef uint64_t* names = self.names
        cdef uint64_t* changed = self.changed
        cdef size_t size = self.size, i, slot
        cdef bint keeps = size < self.most
        self._make(2 * size if keeps else min(SMALLEST, self.most))
        for i in range(size if keeps else 0):
            if names[i]:
                slot = self._place(names[i])
                self.names[slot], self.changed[slot] = names[i], changed[i]
                self.used += 1
        free(names)
        free(changed)
        return 0

    cdef inline void _touch(self, uint64_t name) noexcept:
        cdef size_t slot = self._place(name)
        if self.names[slot]:
            self.changed[slot] = self.now

    def change(self, writes, dict kinds):
        """Count a commit; `kinds` tells what writes of each type do. See generations.pyi."""
        self.now += 1
        self._touch(_mixed(self.seed, RANGE))
        for write in writes:
            kind = kinds.get(type(write))
            if kind:
                self._change(write[0], kind == CLEARED)

    cdef int _change(self, bytes key, bint cleared) except -1:
        cdef const unsigned char* text = key
        cdef Py_ssize_t i, size = len(key)
        cdef uint64_t state = self.seed, swept = 0
        cdef int level = 0
        for i in range(size):
            state = (state ^ text[i]) * PRIME
            if text[i] == 0 and level < LEVELS:
                level += 1
                self._touch(_mixed(state, RANGE))
                if level == 2:
                    swept = state
        self._touch(_mixed(state, POINT))
        if cleared and level >= 2:
            self._touch(_mixed(swept, SWEPT))
        elif cleared:
            # Every basis fails. Rare: names for all beginnings of keys would cost more.
            self.floor = self.now
        return 0

    def name_key(self, bytes key):
        """Return the name of a key."""
        return _mixed(self._state(key, LEVELS + 1), POINT)

    def name_range(self, bytes prefix):
        """Return the name of the smallest range that holds all keys with a prefix."""
        return _mixed(self._state(prefix, LEVELS), RANGE)

    def name_sweep(self, bytes key):
        """Return the name by which a key or range hears that what it lies in was cleared."""
        return _mixed(self._state(key, 2), SWEPT)

    cdef uint64_t _state(self, bytes key, int most):
        """Return the hash of a key up to its last NUL of so many; of more than LEVELS, the whole.
        """
        cdef const unsigned char* text = key
        cdef Py_ssize_t i
        cdef uint64_t state = self.seed, at_last_nul = self.seed
        cdef int level = 0
        for i in range(len(key)):
            state = (state ^ text[i]) * PRIME
            if text[i] == 0 and level < most:
                level += 1
                at_last_nul = state
        return state if most > LEVELS else at_last_nul

    def basis(self, names, tuple parts, uint64_t since):
        """Return what holds while nothing with these names changes, and each of the parts holds.

        What was read is as it was `since`; a name that nobody knew counts as changed just now.
        """
        cdef Basis result = Basis.__new__(Basis)
        cdef size_t i = 0
        result.generations, result.since, result.parts = self, since, parts
        result.names = <uint64_t*>calloc(max(len(names), 1), sizeof(uint64_t))
        if result.names == NULL:
            raise MemoryError
        for name in names:
            result.names[i] = name
            i += 1
            self._follow(name, self.now)
        result.count = i
        return result


cdef class Basis:
    """The names that a value was derived from; once it does not hold, it never holds again."""

    cdef Generations generations
    cdef uint64_t since
    cdef uint64_t* names
    cdef size_t count
    cdef tuple parts

    def __dealloc__(self):
        free(self.names)

    def holds(self):
        """Tell whether none of its names has changed."""
        return self._holds()

    cdef bint _holds(self):
        cdef Generations table = self.generations
        cdef size_t i, slot
        if self.since == table.now:
            return True
        if self.since < table.floor:
            return False
        for i in range(self.count):
            slot = table._place(self.names[i])
            if table.names[slot] == 0 or table.changed[slot] > self.since:
                return False
        for part in self.parts:
            if not (<Basis>part)._holds():
                return False
        self.since = table.now
        return True

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Tells whether what something was made of has changed since.

Time is counted in changes: `now` goes up with each commit. What was read, a key or a range of keys,
is known by a hash of 64 bits, and for each of those that anything depends on a table holds when
it last changed. A written key touches itself and the ranges that it lies in, which end at one of
its first NULs; so a commit costs a few look-ups for each key, however much depends on others.

The table is bounded. A name that is not in it counts as changed: so whatever goes wrong here, two
names with one hash or a table that is full and begins anew, makes somebody read again what he
knew, and nobody believe what is not so.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

cdef enum:
    LEVELS = 4  # ranges of a key: up to its first, second ... NUL
    SMALLEST = 1024
    CLEARED = 2

cdef uint64_t PRIME = 0x100000001b3
cdef uint64_t RANGE = 0x9e3779b97f4a7c15
cdef uint64_t POINT = 0xc2b2ae3d27d4eb4f
cdef uint64_t SWEPT = 0x165667b19e3779f9


cdef inline uint64_t _mixed(uint64_t state, uint64_t kind) noexcept nogil:
    """Return the name that a hash has as one kind; never 0, which is an empty place."""
    cdef uint64_t h = state ^ kind
    h = (h ^ (h >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    h = (h ^ (h >> 27)) * <uint64_t>0x94d049bb133111eb
    h ^= h >> 31
    return h if h else 1


cdef class Generations:
    """When what somebody depends on last changed."""

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
        """Return how many names somebody depends on, or did lately."""
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
        """Return where a name stands, or where there is room for it."""
        cdef size_t at = name & (self.size - 1)
        while self.names[at] and self.names[at] != name:
            at = (at + 1) & (self.size - 1)
        return at

    cdef int _follow(self, uint64_t name, uint64_t since) except -1:
        """Have a name in the table; one that is new there changed `since` at the latest."""
        cdef size_t at = self._place(name)
        if self.names[at]:
            return 0
        if 2 * (self.used + 1) > self.size:
            self._enlarge()
            at = self._place(name)
        self.names[at], self.changed[at] = name, since
        self.used += 1
        return 0

    cdef int _enlarge(self) except -1:
        """Double the table; one that is as large as it may be begins anew."""
        cdef uint64_t* names = self.names
        cdef uint64_t* changed = self.changed
        cdef size_t size = self.size, i, at
        cdef bint keeps = size < self.most
        self._make(2 * size if keeps else min(SMALLEST, self.most))
        for i in range(size if keeps else 0):
            if names[i]:
                at = self._place(names[i])
                self.names[at], self.changed[at] = names[i], changed[i]
                self.used += 1
        free(names)
        free(changed)
        return 0

    cdef inline void _touch(self, uint64_t name) noexcept:
        cdef size_t at = self._place(name)
        if self.names[at]:
            self.changed[at] = self.now

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
            self.floor = self.now  # rare: it would take a name of its own for each beginning
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
        cdef uint64_t state = self.seed, found = self.seed
        cdef int level = 0
        for i in range(len(key)):
            state = (state ^ text[i]) * PRIME
            if text[i] == 0 and level < most:
                level += 1
                found = state
        return state if most > LEVELS else found

    def basis(self, names, tuple parts, uint64_t since):
        """Return what holds while nothing with these names changes, and each of the parts holds.

        What was read is as it was `since`; a name that nobody knew counts as changed just now.
        """
        cdef Basis made = Basis.__new__(Basis)
        cdef size_t i = 0
        made.generations, made.since, made.parts = self, since, parts
        made.names = <uint64_t*>calloc(max(len(names), 1), sizeof(uint64_t))
        if made.names == NULL:
            raise MemoryError
        for name in names:
            made.names[i] = name
            i += 1
            self._follow(name, self.now)
        made.count = i
        return made


cdef class Basis:
    """What something was made of; once it does not hold it never holds again."""

    cdef Generations generations
    cdef uint64_t since
    cdef uint64_t* names
    cdef size_t count
    cdef tuple parts

    def __dealloc__(self):
        free(self.names)

    def holds(self):
        """Tell whether nothing of it has changed."""
        return self._holds()

    cdef bint _holds(self):
        cdef Generations at = self.generations
        cdef size_t i, place
        if self.since == at.now:
            return True
        if self.since < at.floor:
            return False
        for i in range(self.count):
            place = at._place(self.names[i])
            if at.names[place] == 0 or at.changed[place] > self.since:
                return False
        for part in self.parts:
            if not (<Basis>part)._holds():
                return False
        self.since = at.now
        return True

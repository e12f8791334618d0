"""Finds the watches that an event could be for.

A watch is filed under a key prefix: a storage, one cluster of it, one namespace, or one object. So
an event takes four look-ups, however many watches there are.
"""

import cython


@cython.cclass
class Fanout:
    """Watches by key prefix."""

    _filed = cython.declare(dict)

    def __init__(self) -> None:
        """Begin without watches."""
        self._filed = {}

    def add(self, prefix: bytes, watch: object) -> None:
        """File a watch."""
        self._filed.setdefault(prefix, {})[watch] = None

    def remove(self, prefix: bytes, watch: object) -> None:
        """Forget a watch; nothing happens if it is not filed."""
        filed: dict = self._filed.get(prefix, {})  # type: ignore[type-arg]
        filed.pop(watch, None)
        if not filed:
            self._filed.pop(prefix, None)

    def find(self, key: bytes) -> list:  # type: ignore[type-arg]
        """Return the watches filed under any prefix of an object's key (four parts, three NULs)."""
        matching: list = []  # type: ignore[type-arg]
        if not self._filed:
            return matching
        prefix_end: cython.Py_ssize_t = 0
        end: cython.Py_ssize_t = len(key)
        while True:
            # A prefix ends with its NUL, and the whole key is the prefix of a watch of one object.
            prefix_end = key.find(b"\0", prefix_end)
            prefix_end = end if prefix_end < 0 else prefix_end + 1
            watches: object = self._filed.get(key[:prefix_end])
            if watches is not None:
                matching.extend(watches)  # type: ignore[arg-type]
            if prefix_end == end:
                return matching

    def all(self) -> list:  # type: ignore[type-arg]
        """Return every watch."""
        return [watch for watches in self._filed.values() for watch in watches]

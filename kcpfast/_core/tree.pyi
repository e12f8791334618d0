from collections.abc import Sequence
from typing import Self

from typing_extensions import disjoint_base

PUT: int
CHECK: int
EMPTY: int
PRESENT: int
BELOW: int
INDEX: int
CLEAR: int
COUNT: int
STAMP: int
UNSTAMP: int
MAP_FULL: int

_Write = tuple[object, ...]
_Result = tuple[int, int, int, list[tuple[int, bytes | None]], list[int]]

def load(path: str) -> None:
    """Find LMDB's functions in a shared library; ImportError if they are not there."""

@disjoint_base
class Environment:
    """One LMDB environment, opened once; OSError (errno, or LMDB's code) for what fails."""

    def __new__(cls, path: str, map_size: int) -> Self: ...
    def close(self) -> None: ...
    def is_empty(self) -> bool: ...
    def table(self, name: bytes, create: bool) -> int: ...
    def use(
        self,
        layout: dict[type, tuple[int, int, int]],
        objects: int,
        history: int,
        log: int,
        index: int,
        meta: int,
    ) -> None:
        """Say which tables play which part, and how writes are laid out.

        A write is a tuple that begins with its key. `layout` tells by its type what it does (PUT,
        CHECK, ...) and where its value stands and its number, 0 for none.
        """

    def grow(self, map_size: int) -> None: ...
    def apply(self, batch: Sequence[Sequence[_Write]], now: int) -> list[_Result]:
        """Write commits in one durable transaction, each of them whole or not at all.

        The number of a write is its expectation (None for any, -1 for any that is there, or a
        revision), limit, delta or what was seen; the value of a STAMP is its `when`. `now` is Unix
        time in milliseconds.

        A result is (revision, failed, found, events, stamps): `failed` is the write whose
        expectation did not hold (-1: none), which then found `found`; events are (write, the value
        it replaced); stamps the writes that stamped.
        """

    def put(self, table: int, key: bytes, value: bytes) -> None: ...
    def forget(self, upto: int, step: int) -> bool: ...
    def hold(self) -> None: ...
    def free(self) -> None: ...
    def get(self, table: int, key: bytes) -> bytes | None: ...
    def range(
        self, table: int, start: bytes, prefix: bytes, limit: int, budget: int = 0
    ) -> list[tuple[bytes, bytes]]:
        """Return (key, value) from `start` on, while keys have the prefix.

        No more than `limit`, and none behind the one with which keys and values come to `budget`
        bytes (0 = any number).
        """
    def splice(
        self,
        start: bytes,
        prefix: bytes,
        limit: int,
        known: bytes,
        head: bytes,
        before: bytes,
        behind: bytes,
        budget: int = 0,
    ) -> tuple[bytes, int, bytes] | None:
        """Return the objects of a range as JSON, joined by commas, how many, and where it ends.

        `before` and `behind` stand around them. The value of an object is `known` and a tail; its
        JSON is `head`, its revision in decimal, the tail. None if a value does not begin with
        `known`. The last is the key of the last object if there are more than `limit` (0 = all) or
        more than it takes to come to `budget` bytes of keys and values (0 = all), else empty.
        """

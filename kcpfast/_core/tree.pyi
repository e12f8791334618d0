from collections.abc import Callable, Sequence
from typing import Self

from typing_extensions import disjoint_base

from kcpfast._core.records import Shapes

def load(path: str) -> None:
    """Find LMDB's functions in a shared library; ImportError if they are not there."""

def let_go(start: int, size: int) -> bool:
    """Give mapped pages of a file back: they stay in the system's cache, not in this process."""

def claim(handle: int, start: int, size: int) -> int:
    """Claim blocks of a disk for a file, whose size stays; return 0 or the error's number."""

@disjoint_base
class Environment:
    """One LMDB environment, opened once; OSError (errno, or LMDB's code) for what fails.

    `damaged(key)` makes the exception for an entry that is not as it was written. The path is a
    directory, or with `single` a file.
    """

    def __new__(
        cls, path: str, map_size: int, damaged: Callable[[bytes], Exception], single: bool = False
    ) -> Self: ...
    def close(self) -> None: ...
    def table(self, name: bytes) -> int: ...
    def used(self) -> int: ...
    def free_pages(self) -> int: ...
    def use(self, tables: Sequence[int], shapes: Shapes) -> None:
        """Say which tables play which part, and what values are like.

        The tables are those of objects, history, log, index, meta and shapes.
        """

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
    def raw(
        self, table: int, start: bytes, limit: int, budget: int = 0
    ) -> list[tuple[bytes, bytes]]:
        """Return the same with seals, and whatever is wrong with them."""
    def keys(self, table: int, start: bytes, prefix: bytes, limit: int) -> list[bytes]:
        """Return keys from `start` on, while they have the prefix; values are not looked at."""
    def record(self, table: int, key: bytes) -> tuple[int, bytes] | None: ...
    def records(
        self, table: int, start: bytes, prefix: bytes, limit: int, budget: int = 0
    ) -> list[tuple[bytes, int, bytes]]:
        """Return (key, revision, value) from `start` on, while keys have the prefix.

        No more than `limit`, and none behind the one with which keys, revisions and values come to
        `budget` bytes (0 = any number).
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

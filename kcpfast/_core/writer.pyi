from collections.abc import Iterable, Sequence
from typing import Self

from typing_extensions import disjoint_base

from kcpfast._core.tree import Environment

PUT: int
CHECK: int
EMPTY: int
PRESENT: int
BELOW: int
INDEX: int
CLEAR: int
COUNT: int
PUT_REVISION: int
FORGET_REVISION: int
DISCARD: int
MAP_FULL: int
TOO_LARGE: int
BAD_SIZE: int
NO_MEMORY: int
DAMAGED: int
FULL: int

_Write = tuple[object, ...]
_Result = tuple[int, int, int, list[tuple[int, bytes | None]], list[int]]

@disjoint_base
class Writer:
    """What writes to an environment: for one thread. OSError for what fails.

    A write is a tuple that begins with its key. `layout` tells by its type what it does (PUT,
    CHECK, ...) and where its value stands and its number, 0 for none.
    """

    @property
    def disk_seconds(self) -> float:
        """How long LMDB's commit of the last batch took: pages, fdatasync, meta page."""

    def __new__(cls, tree: Environment, layout: dict[type, tuple[int, int, int]]) -> Self: ...
    def tables(self, names: Sequence[bytes]) -> list[int]: ...
    def grow(self, map_size: int) -> None: ...
    def apply(self, batch: Sequence[Sequence[_Write]], clock: int, spare: bool) -> list[_Result]:
        """Write commits in one durable transaction, each of them whole or not at all.

        The number of a write is its expectation (None for any, -1 for any that is there, or a
        revision), limit, delta or what was seen; the value of a PUT_REVISION is its `when`.
        `clock` is the time that the log will tell. Without `spare` room no commit may make an
        object.

        ValueError if a commit writes an object twice, or a number does not fit into 8 bytes.

        A result is (revision, failed, actual, events, put): `failed` is the write whose
        expectation did not hold (-1: none), and `actual` what was there instead: a revision or a
        number, DAMAGED, or FULL if the disk has no room for it; events are (write, the value that
        it replaced); `put` are the writes that put a revision.
        """

    def put(
        self, table: int, entries: Iterable[tuple[bytes, bytes]], append: bool = False
    ) -> None: ...
    def forget(self, upto: int, step: int) -> bool: ...

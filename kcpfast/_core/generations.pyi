from collections.abc import Collection, Iterable
from typing import Any, Self

from typing_extensions import disjoint_base

@disjoint_base
class Generations:
    """When what somebody depends on last changed."""

    def __new__(cls, seed: int, most: int) -> Self: ...
    @property
    def now(self) -> int: ...
    def __len__(self) -> int: ...
    def change(self, writes: Iterable[tuple[Any, ...]], kinds: dict[type, int]) -> None:
        """Count a commit; `kinds` tells what writes of each type do: 1 they write, 2 they clear.

        The first item of each write is its key; those of other types change nothing.
        """

    def name_key(self, key: bytes) -> int: ...
    def name_range(self, prefix: bytes) -> int: ...
    def name_sweep(self, key: bytes) -> int: ...
    def basis(self, names: Collection[int], parts: tuple[Basis, ...], since: int) -> Basis:
        """Return what holds while nothing with these names changes, and each of the parts holds.

        What was read is as it was `since` (a value of `now`).
        """

@disjoint_base
class Basis:
    """What something was made of; once it does not hold it never holds again."""

    def holds(self) -> bool: ...

from collections.abc import Sequence
from typing import Self

from typing_extensions import disjoint_base

@disjoint_base
class Shapes:
    """What the values of a store are like; at most 255.

    A family is what the keys of its objects begin and end with.
    """

    def __new__(cls, families: Sequence[tuple[bytes, bytes]]) -> Self: ...
    def __len__(self) -> int: ...
    def add(self, family: int, value: bytes) -> None: ...

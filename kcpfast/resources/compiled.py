"""What is computed from a kind's schema when it is first needed, and kept from then on.

A Resource never changes; what is filled in later is here. The copies of a resource that views show
share it with the original, so what one of them has compiled serves all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kcpfast.schema.program import Program


class CompiledSchema:
    """The cache of one schema.

    `program`: the compiled schema, None until `compile` is called for the first time.
    `header`: what values begin with that are stored under the schema, None until it is computed by
    `registry.values.header`; empty where stored values keep the header that they have.
    `merge`: how objects merge, None until it is computed by `registry.merging.node_of` (its type is
    of a room that this one may not import).
    `warm`: whether an object has been validated. The first one compiles patterns and rules too.
    """

    __slots__ = ("_make_program", "header", "merge", "program", "warm")

    def __init__(
        self,
        make_program: Callable[[], Program],
        *,
        warm: bool = True,
        header: bytes | None = None,
    ) -> None:
        """Take what compiles the schema: `make_program` is called at most once."""
        self._make_program = make_program
        self.program: Program | None = None
        self.header = header
        self.merge: Any = None
        self.warm = warm

    def compile(self) -> Program:
        """Return the compiled schema, compiled now if it has not been."""
        if self.program is None:
            self.program = self._make_program()
        return self.program

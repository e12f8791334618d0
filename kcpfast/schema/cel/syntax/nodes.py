"""The syntax tree: what the parser builds, the checker annotates and the compiler reads.

Every node knows its offset in the source and the depth of the tree below it; a tree deeper than
MAX_DEPTH is refused while it is built, so that nothing after the parser can recurse too far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..base import CelError
from ..celtypes import DYN, CelType

if TYPE_CHECKING:
    from ..signatures import Overload

# cel-go's parser stops at 250 nested expressions. Here every operand counts as one level, so a
# chain of 250 additions is refused too; `&&` and `||` chains are flat and count once.
MAX_DEPTH = 250


class TooDeep(CelError):
    """The tree passes MAX_DEPTH."""

    def __init__(self) -> None:
        """Word it as cel-go does."""
        super().__init__(f"expression recursion limit exceeded: {MAX_DEPTH}")


class Node:
    """A part of an expression; `type` is set by the checker.

    `varies` is set once it is known that the node does not amount to a constant.
    """

    __slots__ = ("depth", "pos", "type", "varies")

    def __init__(self, pos: int, children: Sequence[Node] = ()) -> None:
        """Place the node at source offset `pos`, above `children`; TooDeep when too tall."""
        self.pos = pos
        self.varies = False
        self.type: CelType = DYN
        depth: int = 0
        for child in children:
            if child.depth > depth:
                depth = child.depth
        self.depth: int = depth + 1
        if depth >= MAX_DEPTH:
            raise TooDeep


class Literal(Node):
    """A constant, written as one or folded into one."""

    __slots__ = ("value",)

    def __init__(self, pos: int, value: object, kind: CelType) -> None:
        """Hold a value of CEL type `kind`."""
        self.pos = pos
        self.depth = 1
        self.varies = False
        self.value = value
        self.type = kind


class Ident(Node):
    """A name. The checker sets `slot` (place in the frame) or `value` (a type as a value)."""

    __slots__ = ("absolute", "name", "slot", "value")

    def __init__(self, pos: int, name: str, absolute: bool = False) -> None:
        """Hold a name; `absolute` when a dot stood before it."""
        super().__init__(pos)
        self.name = name
        self.absolute = absolute
        self.slot = -1
        self.value: object = None


class Select(Node):
    """`operand.field`, `operand.?field`, or the test that has() makes of it."""

    __slots__ = ("field", "operand", "optional", "test")

    def __init__(self, pos: int, operand: Node, field: str, optional: bool = False) -> None:
        """Select `field` of `operand`."""
        super().__init__(pos, (operand,))
        self.operand = operand
        self.field = field
        self.optional = optional
        self.test = False


class FunctionCall(Node):
    """A function or operator; the checker sets the `overloads` that fit."""

    __slots__ = ("args", "function", "overloads", "target")

    def __init__(self, pos: int, function: str, args: list[Node], target: Node | None = None):
        """Call `function`, as a method when there is a `target`."""
        super().__init__(pos, args if target is None else [target, *args])
        self.function = function
        self.args = args
        self.target = target
        self.overloads: list[Overload] = []

    def operands(self) -> list[Node]:
        """Return the target, if any, and the arguments."""
        return self.args if self.target is None else [self.target, *self.args]


class Logic(Node):
    """A chain of `&&` or `||`; `places` are the offsets of the operators."""

    __slots__ = ("operator", "places", "terms")

    def __init__(self, operator: str, terms: list[Node], places: list[int]) -> None:
        """Join at least two terms."""
        super().__init__(places[0], terms)
        self.operator = operator
        self.terms = terms
        self.places = places


class ListNode(Node):
    """A list literal; `optional` holds the indices of `?` elements."""

    __slots__ = ("elements", "optional")

    def __init__(self, pos: int, elements: list[Node], optional: set[int]) -> None:
        """Hold the elements in order."""
        super().__init__(pos, elements)
        self.elements = elements
        self.optional = optional


class MapNode(Node):
    """A map literal; `optional` holds the indices of `?` entries."""

    __slots__ = ("keys", "optional", "values")

    def __init__(self, pos: int, keys: list[Node], values: list[Node], optional: set[int]) -> None:
        """Hold keys and values in order."""
        super().__init__(pos, [*keys, *values])
        self.keys = keys
        self.values = values
        self.optional = optional


class Struct(Node):
    """The construction of an object: `Name{field: value}`."""

    __slots__ = ("fields", "name", "optional", "places", "values")

    def __init__(self, pos: int, name: str, parts: list[tuple[int, str, Node, bool]]) -> None:
        """Hold (offset, field, value, optional) for each field."""
        self.values = [part[2] for part in parts]
        super().__init__(pos, self.values)
        self.name = name
        self.places = [part[0] for part in parts]
        self.fields = [part[1] for part in parts]
        self.optional = {index for index, part in enumerate(parts) if part[3]}


class Loop(Node):
    """A comprehension: `kind` says which macro it was.

    `names` are the one or two loop variables and `first_slot` the place of the first in the frame;
    `test` is the predicate or filter (None where there is none), `step` the value made of each
    element (None for those that only test).
    """

    __slots__ = ("first_slot", "kind", "names", "source", "step", "test")

    def __init__(
        self, pos: int, kind: str, source: Node, names: list[Ident], bodies: Sequence[Node | None]
    ) -> None:
        """Loop over `source`; `bodies` are (test, step)."""
        self.test, self.step = bodies
        super().__init__(pos, [source, *(body for body in bodies if body is not None)])
        self.kind = kind
        self.source = source
        self.names = [name.name for name in names]
        self.first_slot = -1


class Bind(Node):
    """A name for a value within `body`: optMap or optFlatMap, by `kind`."""

    __slots__ = ("body", "init", "kind", "name", "slot")

    def __init__(self, pos: int, kind: str, name: str, init: Node, body: Node) -> None:
        """Bind `name` to `init`."""
        super().__init__(pos, (init, body))
        self.kind = kind
        self.name = name
        self.init = init
        self.body = body
        self.slot = -1

"""The values that Python has no type for, and views that make JSON speak CEL.

JSON values stand for themselves: dict, list, str, int, float, bool and None. A view wraps a list
or an object of which some part reads differently in CEL (a date, a set); it converts a part when
that part is asked for and never copies the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .base import Budget, CelError

ConvertValue = Callable[[object], object]


class Uint(int):
    """An unsigned 64-bit integer."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a text that no value of another type has."""
        return f"{int(self)}u"


class Duration(int):
    """A span of time in nanoseconds."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a text that no value of another type has."""
        return f"{int(self)}ns"


class Timestamp(int):
    """A moment in nanoseconds since 1970; `offset`, in seconds, is how it was written."""

    offset = 0

    def __repr__(self) -> str:
        """Return a text that no value of another type has."""
        return f"@{int(self)}ns"


class TypeValue:
    """A type used as a value, as type() returns it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        """Name the type."""
        self.name = name

    def __eq__(self, other: object) -> bool:
        """Compare by name."""
        return isinstance(other, TypeValue) and other.name == self.name

    def __hash__(self) -> int:
        """Hash the name."""
        return hash(self.name)


class Optional:
    """A value that may be absent; compare with NONE by identity."""

    __slots__ = ("held",)
    cel_type = "optional_type"

    def __init__(self, held: object) -> None:
        """Hold a value."""
        self.held = held

    def get(self) -> object:
        """Return the value; CelError when there is none."""
        if self is NO_VALUE:
            raise CelError("optional.none() dereference")
        return self.held


NO_VALUE = Optional(None)


class Opaque:
    """The base of values that only functions can look into; `cel_type` names the type.

    Host objects (an authorizer, say) may derive from it too. `cel_size` enters the cost.
    """

    cel_type = "dyn"
    cel_size = 1


class Built(dict[str, object]):
    """An object made by `Name{...}`: its fields, and the name as `type_name`."""

    type_name = ""


class ListView:
    """A JSON list of which the elements convert, or that is a set or a map by schema.

    `merge` says how it compares and adds: None in order, () as a set, names as a map by those
    keys (x-kubernetes-list-type).
    """

    __slots__ = ("convert", "merge", "raw")

    def __init__(self, raw: list[Any], convert: ConvertValue | None, merge: tuple[str, ...] | None):
        """View `raw`."""
        self.raw = raw
        self.convert = convert
        self.merge = merge

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self.raw)

    def __getitem__(self, index: int) -> Any:
        """Return one element as CEL sees it."""
        return self.raw[index] if self.convert is None else self.convert(self.raw[index])

    def __iter__(self) -> Iterator[Any]:
        """Return the elements as CEL sees them."""
        return iter(self.raw) if self.convert is None else map(self.convert, self.raw)

    def reads_like(self, other: ListView) -> bool:
        """Tell whether the other one converts by the same rules."""
        return self.convert is other.convert and self.merge == other.merge

    def key(self, element: Any) -> object:
        """Return what tells an element from others in a set or map."""
        if not self.merge:
            return (type(element), element)
        return tuple(element.get(name) for name in self.merge)

    def plus(self, other: Any) -> ListView:
        """Return the union, the merge by keys, or the concatenation with another list.

        Kubernetes: `X + Y` keeps the positions of X; in a map list, items of Y replace those of X.
        """
        if self.merge is None:
            return ListView([*self, *other], self.convert, None)
        merged = list(self)
        positions = {self.key(element): index for index, element in enumerate(merged)}
        for element in other:
            index = positions.setdefault(self.key(element), len(merged))
            if index == len(merged):
                merged.append(element)
            elif self.merge:
                merged[index] = element
        return ListView(merged, self.convert, self.merge)

    def equals(self, other: Any, steps: list[int]) -> bool:
        """Compare with another list: in order, or as sets or maps; `steps` counts elements."""
        if len(self) != len(other):
            return False
        if self.merge is None:
            return _same_lists(self, other, steps)
        by_key = {self.key(element): element for element in self}
        for element in other:
            counterpart = by_key.get(self.key(element), NO_VALUE)
            if counterpart is NO_VALUE or not _equal(counterpart, element, steps):
                return False
        return True


class MapView:
    """A JSON object of which the values convert."""

    __slots__ = ("convert", "raw")

    def __init__(self, raw: dict[str, Any], convert: ConvertValue) -> None:
        """View `raw`."""
        self.raw = raw
        self.convert = convert

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.raw)

    def __iter__(self) -> Iterator[str]:
        """Return the keys."""
        return iter(self.raw)

    def __contains__(self, key: object) -> bool:
        """Tell whether there is such a key."""
        return key in self.raw

    def __getitem__(self, key: str) -> Any:
        """Return a value as CEL sees it; KeyError when absent."""
        return self.convert(self.raw[key])

    def get(self, key: str) -> Any:
        """Return a value as CEL sees it, None when absent."""
        return self[key] if key in self.raw else None

    def reads_like(self, other: MapView) -> bool:
        """Tell whether the other one converts by the same rules."""
        return self.convert is other.convert


class ObjectView(MapView):
    """A JSON object with declared fields, of which one that is null counts as absent.

    A field answers to its key and to its CEL name.
    """

    __slots__ = ("converts", "names")

    def __init__(
        self, raw: dict[str, Any], names: Mapping[str, str], converts: Mapping[str, ConvertValue]
    ) -> None:
        """View `raw`; `names` maps CEL names to keys, `converts` keys to conversions."""
        self.raw = raw
        self.names = names
        self.converts = converts

    def __contains__(self, key: object) -> bool:
        """Tell whether the object has the field."""
        return isinstance(key, str) and self.get(key) is not None

    def __getitem__(self, key: str) -> Any:
        """Return a field as CEL sees it; KeyError when absent."""
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        """Return the keys of the fields that are there."""
        return (key for key, value in self.raw.items() if value is not None)

    def __len__(self) -> int:
        """Return the number of fields that are there."""
        return sum(value is not None for value in self.raw.values())

    def reads_like(self, other: MapView) -> bool:
        """Tell whether the other one has the same type."""
        return isinstance(other, ObjectView) and self.names is other.names

    def get(self, key: str) -> Any:
        """Return a field as CEL sees it, None when absent."""
        value = self.raw.get(key)
        if value is None and key in self.names:
            key = self.names[key]
            value = self.raw.get(key)
        convert = self.converts.get(key)
        return value if convert is None else convert(value)


KINDS: dict[type, str] = {
    bool: "bool",
    bytes: "bytes",
    Built: "object",
    dict: "map",
    Duration: "duration",
    float: "double",
    int: "int",
    list: "list",
    ListView: "list",
    MapView: "map",
    type(None): "null",
    ObjectView: "map",
    Optional: "opaque",
    str: "string",
    Timestamp: "timestamp",
    TypeValue: "type",
    Uint: "uint",
}
_TYPE_NAMES = {
    "duration": "google.protobuf.Duration",
    "null": "null_type",
    "timestamp": "google.protobuf.Timestamp",
}
NUMBER_TYPES = frozenset((int, float, Uint))
_PLAIN = frozenset((bool, bytes, Duration, float, int, str, Timestamp, type(None), Uint))


def kind_of(value: object) -> str:
    """Return the kind of a value: one of KINDS' values, opaque for anything unknown."""
    kind = KINDS.get(type(value))
    if kind is not None:
        return kind
    if isinstance(value, Opaque):
        return "opaque"
    return "map" if isinstance(value, Mapping) else "opaque"


def type_name(value: object) -> str:
    """Return the name of a value's type, as `type(value)` prints it."""
    kind = kind_of(value)
    if kind == "opaque":
        return getattr(value, "cel_type", "dyn")
    if isinstance(value, Built):
        return value.type_name
    return _TYPE_NAMES.get(kind, kind)


def equal(left: object, right: object) -> bool:
    """Compare two values of any types: cel-spec, "Equality"; numbers compare across types."""
    check_weight(left)
    return _equal(left, right, [0])


_FREE_STEPS = 20
_CONTAINERS = frozenset((dict, list, ListView, MapView, ObjectView))
# A weight up to _LIGHT is always taken; above, it may be _SHARED times that of the distinct parts.
_LIGHT, _SHARED = 20_000, 4
# The weight up to which a container is compared by its repr.
_PRINTED = 50_000
_PER_TEXT = 6  # 64 characters weigh as much as a value
# The key of the sum among weights by id; no object has the id 0.
_DISTINCT = 0


def check_weight(value: object) -> int:
    """Return how many values a value holds; one that stands in it twice is counted twice.

    Raises the error of a spent budget if most of it is the same over and over: a list of two
    references to a list of two references and so on is short in memory, but a walk over it
    takes exponential time. Decoded JSON shares nothing.
    """
    if type(value) in _PLAIN:
        return 0
    weights: dict[int, int] = {_DISTINCT: 0}
    weight = _weigh(value, weights)
    if weight > _LIGHT and weight > _SHARED * weights[_DISTINCT]:
        raise CelError("operation cancelled: actual cost limit exceeded", cancelled=True)
    return weight


def _weigh(value: Any, weights: dict[int, int]) -> int:
    """Return a value's weight.

    `weights` holds the weights of containers by id, and under _DISTINCT their sum with each
    container counted once; it is filled on the way.
    """
    raw = _raw(value)
    if id(raw) in weights:
        return weights[id(raw)]
    if isinstance(raw, Mapping):
        parts: Any = raw.values()
    elif isinstance(raw, list):
        parts = raw
    elif isinstance(value, Optional) and value is not NO_VALUE:
        parts = [value.held]
    else:
        parts = ()
    weight = len(parts) + 1
    for part in parts:
        if type(part) is str:
            weight += _weight_of_text(part, weights)
        elif type(part) not in _PLAIN:
            weight += _weigh(part, weights)
    weights[id(raw)] = weight
    weights[_DISTINCT] += len(parts) + 1
    return weight


def _raw(value: Any) -> Any:
    """Return the JSON container behind a view, anything else as it is."""
    kind = type(value)
    is_view = kind in _CONTAINERS and kind is not dict and kind is not list
    return value.raw if is_view else value


def _weight_of_text(text: str, weights: dict[int, int]) -> int:
    weight = len(text) >> _PER_TEXT
    if weight and id(text) not in weights:
        weights[id(text)] = weight
        weights[_DISTINCT] += weight
    return weight


def equal_within(left: object, right: object, budget: Budget) -> bool:
    """Compare as `equal` does, and charge for the elements walked over beyond a few.

    Upstream charges a tenth of the outermost size only, which is too little for large objects.
    """
    steps = [0]
    weight = check_weight(left)
    if weight > budget.remaining:
        budget.charge(weight)
    # Printing cannot be interrupted, so only what is printed quickly is compared that way.
    if weight <= _PRINTED and _written_alike(left, right, steps):
        result = True
    else:
        result = _equal(left, right, steps)
    if steps[0] > _FREE_STEPS:
        budget.charge(steps[0] - _FREE_STEPS)
    return result


def _written_alike(left: Any, right: Any, steps: list[int]) -> bool:
    """Tell whether two containers have the same repr: a fast proof that they are equal.

    Rules mostly compare an object with the stored one, and most updates leave most of it alone.
    A nan is unequal to itself, so its repr proves nothing.
    """
    kind = type(left)
    if kind is not type(right) or kind not in _CONTAINERS:
        return False
    if kind not in (dict, list):
        if not left.reads_like(right):
            return False
        left, right = left.raw, right.raw
    text = repr(left)
    steps[0] += len(text) // 8
    return text == repr(right) and "nan" not in text


def _equal(left: Any, right: Any, steps: list[int]) -> bool:
    """Compare two values; `steps[0]` grows by the elements and entries that are walked over."""
    kind = type(left)
    if kind is type(right) and kind in _PLAIN:
        return bool(left == right)
    if kind in NUMBER_TYPES and type(right) in NUMBER_TYPES:
        return bool(left == right)
    left_kind = kind_of(left)
    if left_kind != kind_of(right):
        return False
    if left_kind == "list":
        steps[0] += len(left)
        if isinstance(left, ListView):
            return left.equals(right, steps)
        return len(left) == len(right) and _same_lists(left, right, steps)
    if left_kind in ("map", "object"):
        steps[0] += len(left)
        return _same_maps(left, right, steps)
    if isinstance(left, Optional) and isinstance(right, Optional):
        if left is NO_VALUE or right is NO_VALUE:
            return left is right
        return _equal(left.held, right.held, steps)
    return bool(left == right)


def _same_lists(left: Any, right: Any, steps: list[int]) -> bool:
    return all(_equal(mine, yours, steps) for mine, yours in zip(left, right, strict=True))


def _same_maps(left: Any, right: Any, steps: list[int]) -> bool:
    if len(left) != len(right) or type_name(left) != type_name(right):
        return False
    return all(key in right and _equal(left[key], right[key], steps) for key in left)

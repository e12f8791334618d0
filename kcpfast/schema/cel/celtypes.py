"""The types of CEL, and which type is assignable to which.

Rules: cel-spec, "Gradual Type Checking"; cel-go checker/types.go. The order of the tests follows
cel-go, since it decides which mistake is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class TypeField(NamedTuple):
    """A field of an object type: its type, and its key in the JSON object.

    `required` and `default` matter to the size estimate only.
    """

    type: CelType
    key: str
    required: bool = False
    has_default: bool = False


class CelType:
    """A type; compare with `same`, not with `==`.

    `kind` is one of bool bytes double duration dyn error int list map null object opaque param
    string timestamp type uint. Types made from a schema also hold `convert`, which turns a JSON
    value into the value that CEL sees (None where they are the same), and `max_elements`, the
    most elements or characters that the schema lets through; in a `sparse` object a field that is
    null counts as absent. An `open` object type takes any field, and stands for every name that
    begins with its own and a dot.
    """

    # fmt: off
    __slots__ = ("convert", "fields", "kind", "max_elements", "min_size", "name", "open", "params",
                 "sparse")
    # fmt: on

    def __init__(
        self,
        kind: str,
        name: str = "",
        params: tuple[CelType, ...] = (),
        fields: Mapping[str, TypeField] | None = None,
    ) -> None:
        """Make a type; `name` defaults to the kind."""
        self.kind = kind
        self.name = name or kind
        self.params = params
        self.fields: Mapping[str, TypeField] = fields or {}
        self.open = False
        self.sparse = False
        self.convert: Callable[[object], object] | None = None
        self.max_elements: int | None = None
        self.min_size = 0

    def __repr__(self) -> str:
        """Return the form that error messages use."""
        return f"<{describe(self)}>"


BOOL = CelType("bool")
BYTES = CelType("bytes")
DOUBLE = CelType("double")
DURATION = CelType("duration", "google.protobuf.Duration")
DYN = CelType("dyn")
ERROR = CelType("error", "!error!")
INT = CelType("int")
NULL = CelType("null", "null_type")
STRING = CelType("string")
TIMESTAMP = CelType("timestamp", "google.protobuf.Timestamp")
UINT = CelType("uint")

SCALARS = {
    "bool": BOOL,
    "bytes": BYTES,
    "double": DOUBLE,
    "duration": DURATION,
    "dyn": DYN,
    "int": INT,
    "null": NULL,
    "string": STRING,
    "timestamp": TIMESTAMP,
    "uint": UINT,
}
OPTIONAL = "optional_type"
# Kinds whose values may also be null: cel-go's internalIsAssignableNull.
_NULLABLE = frozenset(("duration", "null", "object", "opaque", "timestamp"))
_WILD = frozenset(("dyn", "error"))


def list_of(element: CelType) -> CelType:
    """Return the type of lists of `element`."""
    return CelType("list", "list", (element,))


def map_of(key: CelType, value: CelType) -> CelType:
    """Return the type of maps from `key` to `value`."""
    return CelType("map", "map", (key, value))


def optional_of(value: CelType) -> CelType:
    """Return the type of an optional `value`."""
    return CelType("opaque", OPTIONAL, (value,))


def type_of(value: CelType) -> CelType:
    """Return the type of `value` used as a value."""
    return CelType("type", "type", (value,))


def opaque(name: str) -> CelType:
    """Return a type that only functions can look into."""
    return CelType("opaque", name)


def object_of(name: str, fields: Mapping[str, CelType]) -> CelType:
    """Return an object type with these fields, keyed in JSON as they are named."""
    return CelType("object", name, (), {key: TypeField(kind, key) for key, kind in fields.items()})


def open_object(name: str) -> CelType:
    """Return an object type that takes any field, as does every `<name>.<path>`."""
    open_type = CelType("object", name)
    open_type.open = True
    return open_type


def is_optional(kind: CelType) -> bool:
    """Tell whether `kind` is an optional type."""
    return kind.name == OPTIONAL and kind.kind == "opaque"


def describe(kind: CelType) -> str:
    """Return the type as error messages show it: `list(int)`, `optional_type(dyn)`."""
    name = kind.kind
    if name in ("object", "opaque", "error", "param"):
        name = kind.name
    if kind.params:
        return f"{name}({', '.join(describe(param) for param in kind.params)})"
    return name


def same(left: CelType, right: CelType) -> bool:
    """Tell whether two types are the same in every part."""
    if left is right:
        return True
    if left.kind != right.kind or left.name != right.name:
        return False
    if len(left.params) != len(right.params):
        return False
    return all(map(same, left.params, right.params))


class Substitution:
    """The bindings of type parameters; `assignable` adds to them."""

    __slots__ = ("bound", "fresh")

    def __init__(self) -> None:
        """Begin without bindings."""
        self.bound: dict[str, CelType] = {}
        self.fresh = 0

    def new_param(self) -> CelType:
        """Return a new, unbound type parameter."""
        self.fresh += 1
        return CelType("param", f"_var{self.fresh - 1}")

    def instance(self, types: Sequence[CelType]) -> list[CelType]:
        """Return the types with each of their parameters replaced by a new one."""
        renamed: dict[str, CelType] = {}
        return [self._renamed(kind, renamed) for kind in types]

    def _renamed(self, kind: CelType, renamed: dict[str, CelType]) -> CelType:
        if kind.kind == "param":
            if kind.name not in renamed:
                renamed[kind.name] = self.new_param()
            return renamed[kind.name]
        if not kind.params:
            return kind
        return CelType(kind.kind, kind.name, tuple(self._renamed(p, renamed) for p in kind.params))

    def resolve(self, kind: CelType, final: bool = False) -> CelType:
        """Return the type with its bound parameters filled in; the others are dyn when `final`."""
        if kind.kind == "param":
            binding = self.bound.get(kind.name)
            if binding is not None:
                return self.resolve(binding, final)
            return DYN if final else kind
        if not kind.params:
            return kind
        params = tuple(self.resolve(param, final) for param in kind.params)
        if all(new is old for new, old in zip(params, kind.params, strict=True)):
            return kind
        return CelType(kind.kind, kind.name, params)

    def assignable(self, given: Sequence[CelType], expected: Sequence[CelType]) -> bool:
        """Tell whether each given type fits the expected one; if all do, keep the new bindings."""
        before = dict(self.bound)
        for given_type, expected_type in zip(given, expected, strict=True):
            if not self._fits(given_type, expected_type):
                self.bound = before
                return False
        return True

    def _fits(self, given: CelType, expected: CelType) -> bool:
        """Tell whether one type fits another, and bind parameters (cel-go internalIsAssignable)."""
        if given is expected:
            return True
        if expected.kind == "param":
            valid, was_bound = self._stands_for(given, expected)
            if valid or was_bound:
                return valid
        if given.kind == "param":
            return self._stands_for(expected, given)[0]
        if given.kind in _WILD or expected.kind in _WILD:
            return True
        if given.kind == "null" or expected.kind == "null":
            other = expected if given.kind == "null" else given
            return other.kind in _NULLABLE
        if given.kind != expected.kind:
            return False
        if given.kind == "type":
            return True
        if given.name != expected.name or len(given.params) != len(expected.params):
            return False
        return all(map(self._fits, given.params, expected.params))

    def _stands_for(self, kind: CelType, param: CelType) -> tuple[bool, bool]:
        """Tell whether `kind` may stand for `param`, and whether that was bound already."""
        if kind.kind == "param" and kind.name == param.name:
            return True, True
        binding = self.bound.get(param.name)
        if binding is None:
            if self._mentions(kind, param):
                return False, False
            self.bound[param.name] = kind
            return True, False
        if same(kind, binding):
            return True, True
        if not self._fits(kind, binding):
            return False, True
        wider = widest(kind, binding)
        if not self._mentions(wider, param):
            self.bound[param.name] = wider
        return True, True

    def _mentions(self, kind: CelType, param: CelType) -> bool:
        """Tell whether a type holds a parameter; binding it to that type would have no end."""
        if kind.kind == "param":
            if kind.name == param.name:
                return True
            binding = self.bound.get(kind.name)
            return binding is not None and self._mentions(binding, param)
        return any(self._mentions(part, param) for part in kind.params)


def widest(left: CelType, right: CelType) -> CelType:
    """Return the more general of two types that fit each other."""
    return left if _at_least_as_wide(left, right) else right


def _at_least_as_wide(left: CelType, right: CelType) -> bool:
    """Tell whether every value of `right` is one of `left` (cel-go isEqualOrLessSpecific)."""
    if left.kind in ("dyn", "param"):
        return True
    if right.kind in ("dyn", "param") or left.kind != right.kind:
        return False
    if left.kind == "type":
        return True
    if left.name != right.name or len(left.params) != len(right.params):
        return False
    return all(map(_at_least_as_wide, left.params, right.params))

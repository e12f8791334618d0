"""Where a value is declared in a schema, and the size that the schema gives it.

Rules: cel-go checker/cost.go (exprPaths, entrySizeEstimate, localVar); sizeEstimator of
k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/compilation.go.
"""

from __future__ import annotations

from typing import NamedTuple

from ..celtypes import CelType
from .ranges import CostRange


class FieldPath:
    """The names that lead to a value: a variable, then fields, @items, @keys, @values.

    A value that an expression computes has no path, and what is below it has one that begins with
    the field or with @items. The first name is never looked at: the size of such a value is that
    of `self`, which is part of what Kubernetes accepts.

    Upstream a path is a slice, and a longer path may share its array: appending a name to one path
    twice changes the first result, where the array has room. Sizes looked up later differ, so the
    array and its growth are kept here.
    """

    __slots__ = ("_array", "_length")

    def __init__(self, array: list[str], length: int) -> None:
        """View the first `length` names of an array, of which the rest is room."""
        self._array = array
        self._length = length

    @classmethod
    def of(cls, name: str) -> FieldPath:
        """Return the path of a variable."""
        return cls([name], 1)

    @classmethod
    def append(cls, path: FieldPath | None, name: str) -> FieldPath:
        """Return `path` with one more name, in the same array if that has room."""
        if path is None:
            return cls.of(name)
        array, length = path._array, path._length
        if length == len(array):
            array = array + [""] * length
        array[length] = name
        return cls(array, length + 1)

    def below(self, name: str) -> FieldPath:
        """Return a copy of this path with one more name."""
        return FieldPath([*self.names(), name], self._length + 1)

    def names(self) -> list[str]:
        """Return the names."""
        return self._array[: self._length]


class EntrySizes(NamedTuple):
    """The sizes of the keys (or positions) and of the values in a list or map."""

    container: str
    key: CostRange
    value: CostRange

    def either(self, other: EntrySizes) -> EntrySizes:
        """Return the sizes in a container that may be one or the other."""
        return EntrySizes(
            self.container, self.key.either(other.key), self.value.either(other.value)
        )


class LocalVariable(NamedTuple):
    """What is known of a variable that a macro declares."""

    path: FieldPath | None
    size: CostRange | None
    entries: EntrySizes | None


def declared_size(root: CelType | None, path: FieldPath) -> CostRange | None:
    """Return the size that a schema gives to the value at a path, None for a path out of it."""
    kind = root
    for name in path.names()[1:]:
        if kind is None:
            return None
        if name in ("@items", "@values"):
            kind = kind.params[-1] if kind.kind in ("list", "map") else None
        elif name == "@keys":
            kind = kind.params[0] if kind.kind == "map" else None
        else:
            field = kind.fields.get(name)
            kind = None if field is None else field.type
    return None if kind is None else CostRange(0, kind.max_elements or 0)

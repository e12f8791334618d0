"""Finds the overloads of a function and reads their signatures.

Each library module holds a table ROWS, one row per overload: function name, signature,
implementation and, where it is not 1, the cost (a number, or a key of costs.COSTS). The checker
and the compiler both work from these rows; nothing else says what functions there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from .celtypes import SCALARS, CelType, list_of, map_of, opaque, optional_of, type_of

Implementation = Callable[..., Any]
Row = tuple[str, str, Implementation] | tuple[str, str, Implementation, int | str]

# Loaded with the first expression.
COMMON = ("conversions", "lists", "operators", "optionals", "text", "times")
# Loaded when an expression names one of their functions.
# fmt: off
RARE: dict[str, tuple[str, ...]] = {
    "admission": ("allowed", "check", "error", "errored", "fieldSelector", "group",
                  "jsonpatch.escapeKey", "labelSelector", "name", "namespace", "path", "reason",
                  "resource", "serviceAccount", "subresource"),
    "formats": ("format.byte", "format.date", "format.datetime", "format.dns1035Label",
                "format.dns1035LabelPrefix", "format.dns1123Label", "format.dns1123LabelPrefix",
                "format.dns1123Subdomain", "format.dns1123SubdomainPrefix", "format.labelValue",
                "format.named", "format.qualifiedName", "format.uri", "format.uuid", "validate"),
    "network": ("cidr", "containsCIDR", "containsIP", "family", "ip", "ip.isCanonical", "isCIDR",
                "isGlobalUnicast", "isIP", "isLinkLocalMulticast", "isLinkLocalUnicast",
                "isLoopback", "isUnspecified", "masked", "prefixLength", "string"),
    "quantity": ("add", "asApproximateFloat", "asInteger", "compareTo", "isGreaterThan",
                 "isInteger", "isLessThan", "isQuantity", "quantity", "sign", "sub"),
    "semver": ("compareTo", "isGreaterThan", "isLessThan", "isSemver", "major", "minor", "patch",
               "semver"),
    "url": ("getEscapedPath", "getHost", "getHostname", "getPort", "getQuery", "getScheme",
            "isURL", "url"),
}
# Types that may be named in an expression, besides the standard ones: `type(x) == net.IP`. Those
# of Kubernetes that are object types upstream have no such names.
NAMED_TYPES = ("net.CIDR", "net.IP")
# fmt: on
_PARTS = re.compile(r"[\w.]+|[(),]|->")


class Overload:
    """One way to call a function, read from its row.

    `params` begins with the target's type when it is a method; `cost` is a number or the name of
    a cost rule.
    """

    __slots__ = ("call", "cost", "function", "generic", "method", "params", "result")

    def __init__(self, row: Row) -> None:
        """Read a row's signature."""
        self.function = row[0]
        self.call = row[2]
        self.cost: int | str = row[3] if len(row) == 4 else 1
        params, result, self.method = _signature(row[1])
        self.params = params
        self.result = result
        self.generic = any(_has_param(kind) for kind in params) or _has_param(result)


def _has_param(kind: CelType) -> bool:
    return kind.kind == "param" or any(_has_param(part) for part in kind.params)


@cache
def overloads_of(function: str) -> tuple[Overload, ...]:
    """Return the overloads of a function in the order of their tables; none when unknown."""
    rows = list(_common_rows().get(function, ()))
    for library, functions in RARE.items():
        if function in functions:
            rows.extend(row for row in rows_of(library) if row[0] == function)
    return tuple(Overload(row) for row in rows)


def rows_of(library: str) -> tuple[Row, ...]:
    """Return the table of a library module."""
    table: tuple[Row, ...] = import_module(f".library.{library}", __package__).ROWS
    return table


@cache
def _common_rows() -> dict[str, list[Row]]:
    rows_by_function: dict[str, list[Row]] = {}
    for library in COMMON:
        for row in rows_of(library):
            rows_by_function.setdefault(row[0], []).append(row)
    return rows_by_function


def _signature(text: str) -> tuple[tuple[CelType, ...], CelType, bool]:
    """Read `(int, A) -> A` or, for methods, `string.(int) -> string`."""
    target, _, rest = text.partition(".(")
    parts = _PARTS.findall(f"({rest}" if rest else text)[::-1]
    params: list[CelType] = [parse_type(target)] if rest else []
    parts.pop()
    while parts[-1] != ")":
        if parts[-1] == ",":
            parts.pop()
        params.append(_read_type(parts))
    parts.pop()
    parts.pop()
    return tuple(params), _read_type(parts), bool(rest)


def parse_type(text: str) -> CelType:
    """Return the type that a text such as `map(string, list(int))` names.

    One capital letter is a type parameter, a name with a dot an opaque type.
    """
    return _read_type(_PARTS.findall(text)[::-1])


def _read_type(parts: list[str]) -> CelType:
    name = parts.pop()
    params: list[CelType] = []
    if parts and parts[-1] == "(":
        parts.pop()
        while parts[-1] != ")":
            if parts[-1] == ",":
                parts.pop()
            params.append(_read_type(parts))
        parts.pop()
    if name in SCALARS:
        return SCALARS[name]
    if name in _GENERIC:
        return _GENERIC[name](*params)
    return CelType("param", name) if len(name) == 1 else opaque(name)


_GENERIC: dict[str, Callable[..., CelType]] = {
    "list": list_of,
    "map": map_of,
    "optional": optional_of,
    "type": type_of,
}

"""Compiles a schema into a tree that runs, and words what a run finds.

A `Program` is immutable once built and shared by content: ten thousand workspaces bound to one
export run the same one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from kcpfast._core import schema as core
from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import (
    MAX_TEXT,
    Cause,
    field_duplicate,
    field_invalid,
    field_not_supported,
    field_required,
    field_too_long,
    field_too_many,
    field_type_invalid,
)
from kcpfast.schema.facets import FACETS, Check
from kcpfast.schema.ratchet import Ratchet

if TYPE_CHECKING:
    from kcpfast.schema.rules import RulePlace

TYPE_CODES = {
    "array": core.ARRAY,
    "boolean": core.BOOLEAN,
    "integer": core.INTEGER,
    "number": core.NUMBER,
    "object": core.OBJECT,
    "string": core.STRING,
}
TYPE_NAMES = {code: name for name, code in TYPE_CODES.items()} | {
    core.INT_OR_STRING: "integer,string"
}
MAX_DEFINITION_DEPTH = 200


class SchemaTooDeep(ValueError):
    """The schema is nested beyond what any object may be."""


class Program:
    """A compiled schema.

    `root` is the Node of the whole object, `weight` how many times as long as with a plain schema
    it may take to validate one. `rules` compiles the CEL rules at their first use; it
    is None for a schema without any.
    """

    __slots__ = ("_place", "_source", "root", "weight")

    def __init__(
        self, root: core.SchemaNode, source: Mapping[str, Any] | None, weight: float = 1.0
    ) -> None:
        """Wrap a compiled tree; `source` is the schema, if it has rules."""
        self.root = root
        self.weight = weight
        self._source = source
        self._place: RulePlace | None = None

    @property
    def has_rules(self) -> bool:
        """Tell whether any place has CEL rules."""
        return self._source is not None

    def rules(self) -> RulePlace | None:
        """Return the CEL rules, compiled; None where there are none."""
        if self._place is None and self._source is not None:
            from kcpfast.schema.rules import place_of  # noqa: PLC0415 - few schemas have rules

            self._place = place_of(self._source, resource=True)
        return self._place

    def prune(self, value: Any, *, default: bool = True) -> list[str]:
        """Drop unknown fields, fill defaults, both in place; return the paths that were dropped."""
        report = core.Report(True, default, False)
        core.run(self.root, value, report)
        unknown: list[str] = report.unknown
        return unknown

    def validate(self, value: Any, old: Any = None) -> list[Cause]:
        """Return what is wrong with a value, in the words of Kubernetes; CEL rules not included.

        What was wrong in `old` already and has not been touched is let through (KEP-4008).
        """
        errors = _errors(self.root, value)
        if not errors:
            return []
        if old is not None:
            errors = self._of_today(errors, value, old)
        return _worded(errors)

    def _of_today(self, errors: list[Any], value: Any, old: Any) -> list[Any]:
        """Return the errors that are about what has been touched."""
        past = Ratchet(self.root, value, old)
        found = [each for each in errors if not past.is_old(each)]
        if found or len(errors) < core.MAX_SCHEMA_ERRORS:
            return found
        # As many as are kept are old: behind them there may be one that is not.
        errors = _errors(self.root, value, _ALL)
        return list(
            islice((each for each in errors if not past.is_old(each)), core.MAX_SCHEMA_ERRORS)
        )


def compile_schema(schema: Mapping[str, Any], *, meta: core.SchemaNode | None = None) -> Program:
    """Compile an OpenAPI v3 schema as a CRD holds it.

    `meta` is put in the place of `metadata`, of the object itself and of embedded ones. Raises
    SchemaTooDeep, or ValueError for a bad pattern.
    """
    compiler = SchemaCompiler({}, typed=False, meta=meta)
    program = compiler.program(schema)
    if meta is not None:
        text = compiler.program({"type": "string"}).root
        own = (schema.get("properties") or {}).get("metadata") or {}
        program.root.properties.update(
            {"apiVersion": text, "kind": text, "metadata": _restricted(meta, own)}
        )
    return program


def _restricted(meta: core.SchemaNode, schema: Mapping[str, Any]) -> core.SchemaNode:
    """Return ObjectMeta with what a schema may add to it: restrictions of the names."""
    restrictions = compile_schema({"type": "object", "properties": schema.get("properties") or {}})
    named = {
        name: node
        for name, node in restrictions.root.properties.items()
        if name in ("name", "generateName") and node.checks
    }
    if not named:
        return meta
    restricted = core.SchemaNode()
    restricted.type, restricted.typed = meta.type, meta.typed
    restricted.properties = meta.properties | named
    return restricted


# So many branches cost as much again as the values themselves; so many characters of a rule do.
_BRANCHES, _CHARACTERS = 16, 64
_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|map|filter|transform\w+|sortBy)\s*\(")
_MANY = 1e6


def expression_weight(*sources: str) -> float:
    """Return how many times as long as reading an object it may take to evaluate expressions.

    One that loops within a loop may take as long as its budget lasts, whatever it is about.
    """
    if any(len(_LOOP.findall(source)) > 1 for source in sources):
        return _MANY
    return sum(map(len, sources)) / _CHARACTERS


class SchemaCompiler:
    """Compiles schemas that share definitions; each definition is compiled once.

    `refs` are the definitions that `$ref`s name. `typed` gives objects the manners of Go structs:
    nulls and empty lists and maps vanish.
    """

    def __init__(
        self, refs: Mapping[str, Any], *, typed: bool, meta: core.SchemaNode | None = None
    ) -> None:
        """Begin with what is shared."""
        self._refs = refs
        self._typed = typed
        self._meta = meta
        self._shared: dict[str, core.SchemaNode] = {}
        self._has_rules = False
        self._weight = 1.0

    def program(self, schema: Mapping[str, Any]) -> Program:
        """Compile one schema; see compile_schema."""
        self._has_rules = False
        self._weight = 1.0
        root = self._node(schema, 0)
        return Program(root, schema if self._has_rules else None, self._weight)

    def _node(self, schema: Mapping[str, Any], depth: int) -> core.SchemaNode:
        if depth > MAX_DEFINITION_DEPTH:
            raise SchemaTooDeep(f"the schema is nested more than {MAX_DEFINITION_DEPTH} levels")
        reference = _reference(schema)
        if not reference:
            return self._fill(core.SchemaNode(), schema, depth)
        # A definition is compiled once, and registered first: definitions may hold themselves.
        known = self._shared.get(reference)
        if known is None:
            known = self._shared[reference] = core.SchemaNode()
            self._fill(known, self._refs[reference], depth)
            if self._typed and reference.endswith(".resource.Quantity"):
                known.type = core.INT_OR_STRING  # Go takes a number for a quantity too
        return known

    def _fill(
        self, node: core.SchemaNode, schema: Mapping[str, Any], depth: int
    ) -> core.SchemaNode:
        node.typed = self._typed
        node.nullable = bool(schema.get("nullable"))
        node.type = _type_of(schema)
        node.keep_unknown = _keeps_unknown(schema, self._typed)
        node.embedded = bool(schema.get("x-kubernetes-embedded-resource"))
        shapeless = node.type == core.ANY and node.keep_unknown
        node.keep_empty = shapeless or (
            node.type == core.OBJECT and "additionalProperties" not in schema
        )
        self._add_children(node, schema, depth)
        node.required = tuple(schema.get("required") or ())
        node.checks = self._checks(schema, depth)
        for rule in schema.get("x-kubernetes-validations") or ():
            self._has_rules = True
            texts = (rule.get("rule") or "", rule.get("messageExpression") or "")
            self._weight += expression_weight(*texts)
        if schema.get("x-kubernetes-list-type") == "map":
            node.list_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        return node

    def _add_children(self, node: core.SchemaNode, schema: Mapping[str, Any], depth: int) -> None:
        properties = dict(schema.get("properties") or {})
        if node.embedded:
            for name in ("apiVersion", "kind"):
                properties.setdefault(name, {"type": "string"})
            properties["metadata"] = {"type": "object", _PRESERVE: True}
        node.properties = {name: self._node(each, depth + 1) for name, each in properties.items()}
        if node.embedded and self._meta is not None:
            node.properties["metadata"] = self._meta
        node.defaults = {
            name: (_maker(each["default"]), len(msgspec.json.encode(each["default"])))
            for name, each in properties.items()
            if "default" in each
        }
        additional = schema.get("additionalProperties")
        if isinstance(additional, Mapping):
            node.additional = self._node(additional, depth + 1)
        elif additional is True:
            node.keep_unknown = True
        items = schema.get("items")
        if isinstance(items, Mapping):
            node.items = self._node(items, depth + 1)

    def _checks(self, schema: Mapping[str, Any], depth: int) -> tuple[Check, ...]:
        made = [make(schema) for key, make in FACETS.items() if schema.get(key) is not None]
        checks = [check for check in made if check is not None]
        for key, combine in _COMBINED.items():
            if schema.get(key) and not (key == "allOf" and _reference(schema)):
                branches = schema[key] if key != "not" else [schema[key]]
                self._weight += len(branches) / _BRANCHES
                checks.append(combine([self._branch(each, depth + 1) for each in branches]))
        return tuple(checks)

    def _branch(self, schema: Mapping[str, Any], depth: int) -> core.SchemaNode:
        """Compile a schema below allOf, anyOf, oneOf or not: it validates and never prunes."""
        node = self._node(schema, depth)
        if "type" not in schema:
            node.type = core.ANY
        return node


def _reference(schema: Mapping[str, Any]) -> str:
    """Return the definition that a schema stands for: `$ref`, or `allOf` with one."""
    reference = schema.get("$ref")
    if reference is None and len(schema.get("allOf") or ()) == 1:
        reference = schema["allOf"][0].get("$ref")
    return str(reference).rpartition("/")[2] if reference else ""


_PRESERVE = "x-kubernetes-preserve-unknown-fields"


def _type_of(schema: Mapping[str, Any]) -> int:
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return core.INT_OR_STRING
    return TYPE_CODES.get(schema.get("type", ""), core.ANY)


def _keeps_unknown(schema: Mapping[str, Any], typed: bool) -> bool:
    if schema.get(_PRESERVE):
        return True
    if typed:  # an opaque value of a built-in kind (RawExtension, FieldsV1, JSON)
        return "properties" not in schema and "additionalProperties" not in schema
    return "type" not in schema and "properties" not in schema


def _maker(default: Any) -> Callable[[], Any]:
    """Return what makes a fresh default: containers are made anew, as they may be changed later."""
    if not isinstance(default, dict | list):
        return lambda: default
    if not default:
        return type(default)
    if len(msgspec.json.encode(default)) < 200:
        return lambda: copy_json(default)
    encoded = msgspec.json.encode(default)
    return lambda: msgspec.json.decode(encoded)


# ------------------------------------------------------------------------- combinations

_ALL = 1 << 60


def _errors(node: core.SchemaNode, value: Any, most: int = core.MAX_SCHEMA_ERRORS) -> list[Any]:
    report = core.Report(False, False, True)
    report.most = most
    core.run(node, value, report)
    found: list[Any] = report.errors
    return found


def _shortest(found: list[list[Any]]) -> list[Any]:
    return min(found, key=lambda errors: len(errors))


def _all_of(branches: Sequence[core.SchemaNode]) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        found = [each for branch in branches for each in _errors(branch, value)]
        if found:
            errors.append(["", core.ALL_OF, value, None])
            errors.extend(found)

    return check


def _any_of(branches: Sequence[core.SchemaNode]) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        found = [_errors(branch, value) for branch in branches]
        if all(found):
            errors.append(["", core.ANY_OF, value, None])
            errors.extend(_shortest(found))

    return check


def _one_of(branches: Sequence[core.SchemaNode]) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        found = [_errors(branch, value) for branch in branches]
        valid = sum(not each for each in found)
        if valid != 1:
            errors.append(["", core.ONE_OF, value, valid])
        if not valid:
            errors.extend(_shortest(found))

    return check


def _not(branches: Sequence[core.SchemaNode]) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        if not _errors(branches[0], value):
            errors.append(["", core.NOT, value, None])

    return check


_COMBINED: dict[str, Callable[[Sequence[core.SchemaNode]], Check]] = {
    "allOf": _all_of,
    "anyOf": _any_of,
    "not": _not,
    "oneOf": _one_of,
}


# ------------------------------------------------------------------------- words


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    for name, kind in (("boolean", bool), ("string", str), ("integer", int), ("number", float)):
        if isinstance(value, kind):
            return name
    return "array" if isinstance(value, list) else "object"


def _bound(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _invalid(text: Callable[[Any], str]) -> Callable[[str, Any, Any], Cause]:
    return lambda path, value, detail: field_invalid(path, value, f"{path} in body {text(detail)}")


def _of_type(path: str, value: Any, detail: Any) -> Cause:
    wanted, given = TYPE_NAMES[detail], _json_type(value)
    return field_type_invalid(path, given, f'{path} in body must be of type {wanted}: "{given}"')


def _combined(text: str) -> Cause:
    """Return a cause without a field: upstream loses it for combinations of schemas."""
    return field_invalid("<nil>", "", text)


_COUNTS = {0: "none valid", 1: "one valid"}

ERROR_TEXTS: dict[int, Callable[[str, Any, Any], Cause]] = {
    core.TYPE: _of_type,
    core.REQUIRED: lambda path, _value, _detail: field_required(path),
    core.PATTERN: _invalid(lambda detail: f"should match '{detail}'"),
    core.ENUM: lambda path, value, detail: field_not_supported(
        path, value, [each if isinstance(each, str) else str(each) for each in detail]
    ),
    core.MAX_LENGTH: lambda path, _value, detail: field_too_long(path, detail),
    core.MIN_LENGTH: _invalid(lambda detail: f"should be at least {detail} chars long"),
    core.MAXIMUM: _invalid(
        lambda d: f"should be less than {'' if d[1] else 'or equal to '}{_bound(d[0])}"
    ),
    core.MINIMUM: _invalid(
        lambda d: f"should be greater than {'' if d[1] else 'or equal to '}{_bound(d[0])}"
    ),
    core.MULTIPLE: _invalid(lambda detail: f"should be a multiple of {_bound(detail)}"),
    core.MAX_ITEMS: lambda path, value, detail: field_too_many(path, len(value), detail),
    core.MIN_ITEMS: _invalid(lambda detail: f"should have at least {detail} items"),
    core.UNIQUE: _invalid(lambda _detail: "shouldn't contain duplicates"),
    core.MAX_PROPERTIES: lambda path, value, detail: field_too_many(path, len(value), detail),
    core.MIN_PROPERTIES: _invalid(lambda detail: f"should have at least {detail} properties"),
    core.FORMAT: lambda path, value, detail: field_type_invalid(
        path, value, f"{path} in body must be of type {detail}: {field_value(value)}"
    ),
    core.RANGE: lambda path, _value, detail: _combined(
        f"Checked value must be of type {detail[0]} "
        f"{f'with format {detail[1]}' if detail[1] else '(default format)'} in {path}"
    ),
    core.ALL_OF: lambda path, _value, _detail: _combined(
        f'"{path}" must validate all the schemas (allOf)'
    ),
    core.ANY_OF: lambda path, _value, _detail: _combined(
        f'"{path}" must validate at least one schema (anyOf)'
    ),
    core.ONE_OF: lambda path, _value, detail: _combined(
        f'"{path}" must validate one and only one schema (oneOf). Found '
        f"{_COUNTS.get(detail, f'{detail} valid alternatives')}"
    ),
    core.NOT: lambda path, _value, _detail: _combined(
        f'"{path}" must not validate the schema (not)'
    ),
    core.SAID: lambda path, _value, detail: detail._replace(field=path),
    core.DUPLICATE: lambda path, value, _detail: field_duplicate(path, value),
    core.TOO_DEEP: lambda path, _value, detail: field_too_many(path, detail + 1, detail),
}


def field_value(value: Any) -> str:
    """Return a value between double quotes, as go-openapi prints the offending one."""
    return msgspec.json.encode(value if isinstance(value, str) else str(value)).decode()


def _worded(errors: list[Any]) -> list[Cause]:
    """Word what was found, until there is more than anybody reads."""
    causes: list[Cause] = []
    size = 0
    for found in errors:
        causes.append(cause(*found))
        size += len(causes[-1].message)
        if size > MAX_TEXT:
            break
    return causes


def cause(path: str, code: int, value: Any, detail: Any) -> Cause:
    """Word one finding of a run."""
    return ERROR_TEXTS[code](path or "<nil>", value, detail)

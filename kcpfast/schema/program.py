"""Compiles a schema into a tree of nodes for the kernel (_core/schema.py).

A `Program` is immutable once built and shared by content: ten thousand workspaces bound to one
export run the same one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from kcpfast._core import schema as core
from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import Cause
from kcpfast.schema.error_texts import TYPE_CODES, causes_of
from kcpfast.schema.facets import FACETS, Check
from kcpfast.schema.ratchet import Ratchet

if TYPE_CHECKING:
    from kcpfast.schema.rules import RulePlace

MAX_DEFINITION_DEPTH = 200


class SchemaTooDeep(ValueError):
    """The schema is nested more than MAX_DEFINITION_DEPTH levels."""


class Program:
    """A compiled schema.

    `root` is the node of the whole object. `weight` estimates how long it takes to validate an
    object, as a multiple of what a schema without combinations and rules takes.
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
        """Return the CEL rules, compiled at the first call; None for a schema without any."""
        if self._place is None and self._source is not None:
            from kcpfast.schema.rules import place_of  # noqa: PLC0415 - few schemas have rules

            self._place = place_of(self._source, resource=True)
        return self._place

    def prune(self, value: Any, *, default: bool = True) -> list[str]:
        """Drop unknown fields in place and return their paths; fill defaults if `default`."""
        report = core.Report(True, default, False)
        core.run(self.root, value, report)
        unknown: list[str] = report.unknown
        return unknown

    def validate(self, value: Any, old: Any = None) -> list[Cause]:
        """Return the causes for refusing a value, those of CEL rules not included.

        `old` is the stored value: errors about parts as they are there are dropped (KEP-4008).
        """
        errors = _errors(self.root, value)
        if not errors:
            return []
        if old is not None:
            errors = self._of_today(errors, value, old)
        return causes_of(errors)

    def _of_today(self, errors: list[Any], value: Any, old: Any) -> list[Any]:
        """Return the errors about values that the update has changed, at most MAX_SCHEMA_ERRORS."""
        ratchet = Ratchet(self.root, value, old)
        new_errors = [error for error in errors if not ratchet.is_old(error)]
        if new_errors or len(errors) < core.MAX_SCHEMA_ERRORS:
            return new_errors
        # The run stopped at the limit and all of its errors are old: a new one may follow them.
        errors = _errors(self.root, value, _ALL)
        later = (error for error in errors if not ratchet.is_old(error))
        return list(islice(later, core.MAX_SCHEMA_ERRORS))


def compile_schema(schema: Mapping[str, Any], *, meta: core.SchemaNode | None = None) -> Program:
    """Compile an OpenAPI v3 schema as a CRD holds it.

    `meta` is the compiled ObjectMeta: it stands for `metadata` of the object and of embedded
    objects. Raises SchemaTooDeep, or ValueError for a pattern that does not compile.
    """
    compiler = SchemaCompiler({}, typed=False, meta=meta)
    program = compiler.program(schema)
    if meta is not None:
        text = compiler.program({"type": "string"}).root
        own = (schema.get("properties") or {}).get("metadata") or {}
        type_meta = {"apiVersion": text, "kind": text}
        program.root.properties.update({**type_meta, "metadata": _restricted(meta, own)})
    return program


def _restricted(meta: core.SchemaNode, schema: Mapping[str, Any]) -> core.SchemaNode:
    """Return ObjectMeta with the checks of name and generateName that a schema adds."""
    added = compile_schema({"type": "object", "properties": schema.get("properties") or {}})
    checked = {
        name: node
        for name, node in added.root.properties.items()
        if name in ("name", "generateName") and node.checks
    }
    if not checked:
        return meta
    restricted = core.SchemaNode()
    restricted.type, restricted.typed = meta.type, meta.typed
    restricted.properties = meta.properties | checked
    return restricted


# As many branches of combinations, or characters of rules, as double the time of a validation.
_BRANCHES, _CHARACTERS = 16, 64
_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|map|filter|transform\w+|sortBy)\s*\(")
_MANY = 1e6


def expression_weight(*sources: str) -> float:
    """Return how long expressions may take to evaluate, in units of validating a plain object.

    A loop within a loop may run until the cost budget is spent, whatever the size of the object.
    """
    if any(len(_LOOP.findall(source)) > 1 for source in sources):
        return _MANY
    return sum(map(len, sources)) / _CHARACTERS


class Decoding(Protocol):
    """What completes the nodes of built-in definitions with what Go's decoder does."""

    def add_decoder(self, node: core.SchemaNode, definition: str) -> None:
        """Let a definition be decoded as its Go type is."""

    def add_zero(self, node: core.SchemaNode, schema: Mapping[str, Any]) -> None:
        """Say what a null in a map or a list stands for."""


class SchemaCompiler:
    """Compiles schemas that share definitions; each definition is compiled once.

    `refs` holds the definitions by the name that a `$ref` ends with. `typed` is for built-in kinds,
    which kube-apiserver decodes into Go structs: nulls and empty lists and maps vanish.
    """

    def __init__(
        self,
        refs: Mapping[str, Any],
        *,
        typed: bool,
        meta: core.SchemaNode | None = None,
        decoding: Decoding | None = None,
    ) -> None:
        """Take the definitions, the compiled ObjectMeta of embedded objects, and Go's types."""
        self._refs = refs
        self._typed = typed
        self._meta = meta
        self._decoding = decoding
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
        node = self._shared.get(reference)
        if node is None:
            # Registered before it is filled: a definition may refer to itself.
            node = self._shared[reference] = core.SchemaNode()
            self._fill(node, self._refs[reference], depth)
            if self._decoding is not None:
                self._decoding.add_decoder(node, reference)
        return node

    def _fill(
        self, node: core.SchemaNode, schema: Mapping[str, Any], depth: int
    ) -> core.SchemaNode:
        node.typed = self._typed
        node.nullable = bool(schema.get("nullable"))
        node.type = _type_of(schema)
        node.keep_unknown = _keeps_unknown(schema, self._typed)
        node.embedded = bool(schema.get("x-kubernetes-embedded-resource"))
        any_value = node.type == core.ANY and node.keep_unknown
        struct = node.type == core.OBJECT and "additionalProperties" not in schema
        node.keep_empty = any_value or struct
        self._add_children(node, schema, depth)
        node.required = tuple(schema.get("required") or ())
        node.checks = self._checks(schema, depth)
        if self._decoding is not None:
            self._decoding.add_zero(node, schema)
        elif "default" in schema and not node.nullable:
            node.zero = _maker(schema["default"])  # for a null in a list or a map
        for rule in schema.get("x-kubernetes-validations") or ():
            self._has_rules = True
            sources = (rule.get("rule") or "", rule.get("messageExpression") or "")
            self._weight += expression_weight(*sources)
        if schema.get("x-kubernetes-list-type") == "map":
            node.list_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        return node

    def _add_children(self, node: core.SchemaNode, schema: Mapping[str, Any], depth: int) -> None:
        properties = dict(schema.get("properties") or {})
        if node.embedded:
            for name in ("apiVersion", "kind"):
                properties.setdefault(name, {"type": "string"})
            properties["metadata"] = {"type": "object", _PRESERVE: True}
        node.properties = {}
        node.defaults = {}
        for name, child in properties.items():
            node.properties[name] = self._node(child, depth + 1)
            if "default" in child:
                default = child["default"]
                node.defaults[name] = (_maker(default), len(msgspec.json.encode(default)))
        if node.embedded and self._meta is not None:
            node.properties["metadata"] = self._meta
        additional = schema.get("additionalProperties")
        if isinstance(additional, Mapping):
            node.additional = self._node(additional, depth + 1)
        elif additional is True:
            node.keep_unknown = True
        items = schema.get("items")
        if isinstance(items, Mapping):
            if schema.get(_PRESERVE):
                # Upstream's skipPrune goes through lists: their items keep unknown fields.
                items = {**items, _PRESERVE: True}
            node.items = self._node(items, depth + 1)

    def _checks(self, schema: Mapping[str, Any], depth: int) -> tuple[Check, ...]:
        checks: list[Check] = []
        for keyword, make in FACETS.items():
            check = make(schema) if schema.get(keyword) is not None else None
            if check is not None:
                checks.append(check)
        for keyword, combine in _COMBINED.items():
            if not schema.get(keyword):
                continue
            if keyword == "allOf" and _reference(schema):
                continue  # that is how OpenAPI v3 writes a reference with a description or default
            branches = [schema["not"]] if keyword == "not" else schema[keyword]
            self._weight += len(branches) / _BRANCHES
            checks.append(combine([self._branch(branch, depth + 1) for branch in branches]))
        return tuple(checks)

    def _branch(self, schema: Mapping[str, Any], depth: int) -> core.SchemaNode:
        """Compile a schema below allOf, anyOf, oneOf or not: it validates and never prunes."""
        node = self._node(schema, depth)
        if "type" not in schema:
            node.type = core.ANY
        return node


def _reference(schema: Mapping[str, Any]) -> str:
    """Return the name of the definition that a schema refers to, "" if it is no reference.

    A reference is a `$ref`, or an `allOf` with nothing but one.
    """
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
    """Return a function that makes a default; each object gets its own containers."""
    if not isinstance(default, dict | list):
        return lambda: default
    if not default:
        return type(default)
    encoded = msgspec.json.encode(default)
    # Below this many bytes a copy is faster than decoding.
    if len(encoded) < 200:
        return lambda: copy_json(default)
    return lambda: msgspec.json.decode(encoded)


# ------------------------------------------------------------------------- combinations

_ALL = 1 << 60


def _errors(node: core.SchemaNode, value: Any, most: int = core.MAX_SCHEMA_ERRORS) -> list[Any]:
    """Return the first `most` errors of a value as `[path, code, value, detail]`."""
    report = core.Report(False, False, True)
    report.most = most
    core.run(node, value, report)
    errors: list[Any] = report.errors
    return errors


def _shortest(branch_errors: list[list[Any]]) -> list[Any]:
    """Return the errors of the branch that fits best, which go-openapi reports as well."""
    return min(branch_errors, key=len)


def _all_of(branches: Sequence[core.SchemaNode]) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        branch_errors = [error for branch in branches for error in _errors(branch, value)]
        if branch_errors:
            errors.append(["", core.ALL_OF, value, None])
            errors.extend(branch_errors)

    return check


def _any_of(branches: Sequence[core.SchemaNode]) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        branch_errors = [_errors(branch, value) for branch in branches]
        if all(branch_errors):
            errors.append(["", core.ANY_OF, value, None])
            errors.extend(_shortest(branch_errors))

    return check


def _one_of(branches: Sequence[core.SchemaNode]) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        branch_errors = [_errors(branch, value) for branch in branches]
        valid = branch_errors.count([])
        if valid != 1:
            errors.append(["", core.ONE_OF, value, valid])
        if not valid:
            errors.extend(_shortest(branch_errors))

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

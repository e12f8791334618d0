"""Checks the schema of a CRD version: that it is structural, its keywords and its defaults.

Rules and texts are those of k8s.io/apiextensions-apiserver, validateCustomResourceDefinition-
Validation of pkg/apis/apiextensions/validation. CEL rules are checked in `rule_checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kcpfast.meta.errors import Cause, field_forbidden, field_invalid
from kcpfast.schema.defaults import check_defaults
from kcpfast.schema.formats import is_known
from kcpfast.schema.openapi import check_keywords
from kcpfast.schema.pattern import is_large
from kcpfast.schema.program import MAX_DEFINITION_DEPTH
from kcpfast.schema.structure import check_structure, first_unsupported

Schema = Mapping[str, Any]

MAX_LARGE_PATTERNS = 20
# What a root schema may say besides its type if the status is a subresource, in upstream's words.
_ROOT_FIELDS = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength "
    "MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties "
    "ExternalDocs Example XPreserveUnknownFields XValidations"
)
_ROOT_KEYWORDS = frozenset(
    [name[0].lower() + name[1:] for name in _ROOT_FIELDS.split()]
    + ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"]
)


def check_schema(schema: Schema, field: str, *, status: bool = False) -> list[Cause]:
    """Return the causes for refusing the schema of a whole object; `field` is its own path.

    `status` tells that the kind has a status subresource.
    """
    if too_deep(schema):
        message = f"must not be nested more than {MAX_DEFINITION_DEPTH} levels"
        return [field_invalid(field, "", message)]
    if _has_too_many_large(schema):
        message = f"must have at most {MAX_LARGE_PATTERNS} patterns whose programs are large"
        return [field_forbidden(field, message)]
    causes = _check_root(schema, field) if status else []
    if schema.get("nullable"):
        causes.append(field_forbidden(f"{field}.nullable", "nullable cannot be true at the root"))
    unsupported = first_unsupported(schema)
    if not unsupported:
        causes += check_structure(schema, field) or check_defaults(schema, field)
    causes += check_keywords(schema, field)
    if unsupported and not causes:
        causes.append(field_invalid(field, "", unsupported))
    return causes


def _check_root(schema: Schema, field: str) -> list[Cause]:
    """Check the root of a schema from which that of the status is taken."""
    for keyword, value in schema.items():
        if value in (None, "", False, [], {}):
            continue
        if keyword == "type" and value != "object":
            message = 'only "object" is allowed as the type at the root of the schema if the status'
            return [field_invalid(f"{field}.type", value, f"{message} subresource is enabled")]
        if keyword not in _ROOT_KEYWORDS:
            message = f"only [{_ROOT_FIELDS}] fields are allowed at the root of the schema if the "
            message += "status subresource is enabled"
            return [field_invalid(field, schema, message)]
    return []


def _has_too_many_large(schema: Schema) -> bool:
    """Tell whether a schema has more than MAX_LARGE_PATTERNS patterns that are slow to compile.

    A large pattern takes some 20 ms, on the event loop.
    """
    pending: list[Any] = [schema]
    large = 0
    while pending and large <= MAX_LARGE_PATTERNS:
        value = pending.pop()
        pattern = value.get("pattern") if isinstance(value, dict) else None
        if isinstance(pattern, str) and is_large(pattern):
            large += 1
        pending += _containers_in(value)
    return large > MAX_LARGE_PATTERNS


def too_deep(schema: Any, limit: int = 3 * MAX_DEFINITION_DEPTH) -> bool:
    """Tell whether decoded JSON is nested more than `limit` levels.

    The checks here and the compiler recurse; a deeper schema would end in a RecursionError.
    """
    level = [schema]
    for _ in range(limit):
        below: list[Any] = []
        for value in level:
            below += _containers_in(value)
        if not below:
            return False
        level = below
    return True


def _containers_in(value: Any) -> list[Any]:
    """Return the objects and arrays directly in a container."""
    children = value.values() if isinstance(value, dict) else value
    return [child for child in children if isinstance(child, dict | list)]


def unknown_formats(schema: Schema) -> list[str]:
    """Return the formats in a schema that are not known for their type, and so not validated."""
    names = []
    name = schema.get("format") or ""
    if name and not is_known(schema.get("type") or "", name):
        names.append(name)
    children = [*(schema.get("properties") or {}).values()]
    children += [schema.get("items"), schema.get("additionalProperties"), schema.get("not")]
    for keyword in ("allOf", "anyOf", "oneOf"):
        children += schema.get(keyword) or ()
    for child in children:
        if isinstance(child, Mapping):
            names += unknown_formats(child)
    return names

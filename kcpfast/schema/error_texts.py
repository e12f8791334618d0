"""Words the errors of a validation: from `[path, code, value, detail]` to the cause of a Status.

Texts are those of k8s.io/kube-openapi/pkg/validation/errors, as k8s.io/apiextensions-apiserver,
pkg/apiserver/validation, turns them into field errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from kcpfast._core import schema as core
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
    expected, actual = TYPE_NAMES[detail], _json_type(value)
    message = f'{path} in body must be of type {expected}: "{actual}"'
    return field_type_invalid(path, actual, message)


def _not_in_enum(path: str, value: Any, allowed: Any) -> Cause:
    names = [choice if isinstance(choice, str) else str(choice) for choice in allowed]
    return field_not_supported(path, value, names)


def _of_range(path: str, _value: Any, detail: Any) -> Cause:
    kind, name = detail
    form = f"with format {name}" if name else "(default format)"
    return _combined(f"Checked value must be of type {kind} {form} in {path}")


def _limit_text(comparison: str) -> Callable[[Any], str]:
    """Return what words (limit, strict) as `should be less than or equal to 3`."""

    def text(detail: Any) -> str:
        limit, strict = detail
        or_equal = "" if strict else "or equal to "
        return f"should be {comparison} than {or_equal}{_bound(limit)}"

    return text


def _format_mismatch(path: str, value: Any, name: Any) -> Cause:
    message = f"{path} in body must be of type {name}: {field_value(value)}"
    return field_type_invalid(path, value, message)


def _one_of_text(path: str, _value: Any, valid: Any) -> Cause:
    alternatives = _COUNTS.get(valid, f"{valid} valid alternatives")
    message = f'"{path}" must validate one and only one schema (oneOf). Found {alternatives}'
    return _combined(message)


def _combined(text: str) -> Cause:
    """Return a cause without a field: upstream loses it for combinations of schemas."""
    return field_invalid("<nil>", "", text)


def _multiple(path: str, factor: Any) -> str:
    if factor <= 0:
        return f"factor MultipleOf declared for {path} must be positive: {factor}"
    return f"{path} in body should be a multiple of {_bound(factor)}"


_COUNTS = {0: "none valid", 1: "one valid"}

ERROR_TEXTS: dict[int, Callable[[str, Any, Any], Cause]] = {
    core.TYPE: _of_type,
    core.REQUIRED: lambda path, _value, _detail: field_required(path),
    core.PATTERN: _invalid(lambda detail: f"should match '{detail}'"),
    core.ENUM: _not_in_enum,
    core.MAX_LENGTH: lambda path, _value, detail: field_too_long(path, detail),
    core.MIN_LENGTH: _invalid(lambda detail: f"should be at least {detail} chars long"),
    core.MAXIMUM: _invalid(_limit_text("less")),
    core.MINIMUM: _invalid(_limit_text("greater")),
    core.MULTIPLE: lambda path, value, detail: field_invalid(path, value, _multiple(path, detail)),
    core.MAX_ITEMS: lambda path, value, detail: field_too_many(path, len(value), detail),
    core.MIN_ITEMS: _invalid(lambda detail: f"should have at least {detail} items"),
    core.UNIQUE: _invalid(lambda _detail: "shouldn't contain duplicates"),
    core.MAX_PROPERTIES: lambda path, value, detail: field_too_many(path, len(value), detail),
    core.MIN_PROPERTIES: _invalid(lambda detail: f"should have at least {detail} properties"),
    core.FORMAT: _format_mismatch,
    core.RANGE: _of_range,
    core.ALL_OF: lambda path, _value, _detail: _combined(
        f'"{path}" must validate all the schemas (allOf)'
    ),
    core.ANY_OF: lambda path, _value, _detail: _combined(
        f'"{path}" must validate at least one schema (anyOf)'
    ),
    core.ONE_OF: _one_of_text,
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


def causes_of(errors: list[Any]) -> list[Cause]:
    """Return the causes for errors, until their texts are longer than anybody reads."""
    causes: list[Cause] = []
    size = 0
    for path, code, value, detail in errors:
        causes.append(cause(path, code, value, detail))
        size += len(causes[-1].message)
        if size > MAX_TEXT:
            break
    return causes


def cause(path: str, code: int, value: Any, detail: Any) -> Cause:
    """Return the cause for one error of a run, in the words of go-openapi or Kubernetes."""
    return ERROR_TEXTS[code](path or "<nil>", value, detail)

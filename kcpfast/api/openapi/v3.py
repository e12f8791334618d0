"""Writes a unit down as an OpenAPI 3.0 document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from kcpfast.api.openapi.custom import definitions_of
from kcpfast.api.openapi.definitions import REFERENCES, Definition, closure, published
from kcpfast.api.openapi.operations import DELETE_OPTIONS, Operation
from kcpfast.api.openapi.parameters import parameter_v3
from kcpfast.api.openapi.units import Unit

TEXTS = {200: "OK", 201: "Created", 202: "Accepted", 401: "Unauthorized"}
_PLACES = ("name", "namespace")
_encode = msgspec.json.Encoder().encode


def document(unit: Unit, info: dict[str, str]) -> bytes:
    """Return the document of a unit; `info` names the server and its version."""
    all_operations = sorted(unit.all_operations(), key=lambda item: item.path)
    all_definitions, own = published("v3"), own_definitions(unit, "v3")
    schemas = {name: all_definitions[name].json for name in needed(all_operations, own)}
    schemas |= {name: item.json for name, item in own.items()}
    return _encode(
        {
            "openapi": "3.0.0",
            "info": info,
            "paths": _paths(all_operations),
            "components": {"schemas": dict(sorted(schemas.items()))},
        }
    )


def own_definitions(unit: Unit, dialect: str) -> dict[str, Definition]:
    """Return the definitions of a unit's custom kinds; none can replace a built-in one."""
    all_definitions, definitions = published(dialect), {}
    for resource in unit.custom():
        definitions.update(definitions_of(resource, dialect))
    return {
        name: definition for name, definition in definitions.items() if name not in all_definitions
    }


def needed(all_operations: Iterable[Operation], own: Mapping[str, Definition]) -> list[str]:
    """Return the built-in definitions that operations and custom kinds refer to, at any depth."""
    names = {name for operation in all_operations for name in (operation.returns, operation.reads)}
    for definition in own.values():
        names.update(definition.references)
    return closure(names)


def placeholders(path: str) -> list[str]:
    """Return the parameters that stand in a path."""
    return [name for name in _PLACES if f"{{{name}}}" in path]


@cache
def _parameter(name: str) -> msgspec.Raw:
    return msgspec.Raw(_encode(parameter_v3(name)))


def _paths(all_operations: Iterable[Operation]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in all_operations:
        item = paths.setdefault(operation.path, {})
        item[operation.method] = _operation(operation)
        if operation.kind:
            item["parameters"] = [
                _parameter(name) for name in (*placeholders(operation.path), "pretty")
            ]
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    written: dict[str, Any] = {
        "tags": [operation.tag],
        "description": operation.text,
        "operationId": operation.name,
    }
    if operation.parameters:
        written["parameters"] = [_parameter(name) for name in operation.parameters]
    if operation.reads:
        content = _content(operation.reads, tuple(sorted(operation.consumes)))
        written["requestBody"] = {"content": content}
        if operation.reads != DELETE_OPTIONS:
            written["requestBody"]["required"] = True
    content = _content(operation.returns, tuple(sorted(operation.produces)))
    written["responses"] = {
        **{str(code): {"description": TEXTS[code], "content": content} for code in operation.codes},
        "401": {"description": TEXTS[401]},
    }
    if operation.kind:
        written |= marks(operation)
    return written


def marks(operation: Operation) -> dict[str, Any]:
    """Return the extensions that tell kubectl what an operation is about."""
    group, version, kind = operation.kind or ("", "", "")
    return {
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    }


def _content(definition: str, media: tuple[str, ...]) -> dict[str, Any]:
    schema = {"$ref": REFERENCES["v3"] + definition} if definition else {"type": "string"}
    return {media_type: {"schema": schema} for media_type in media}

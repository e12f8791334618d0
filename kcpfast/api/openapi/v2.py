"""Writes everything that a view serves down as one swagger 2.0 document.

The document is put together from parts, one for each unit, so that a workspace with a kind of its
own pays for that kind alone. A part is text: members of the document's objects, in JSON or in
protobuf.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from kcpfast.api.openapi import gnostic
from kcpfast.api.openapi.definitions import published
from kcpfast.api.openapi.operations import DELETE_OPTIONS, Operation
from kcpfast.api.openapi.parameters import PARAMETERS, parameter_v2
from kcpfast.api.openapi.units import Unit
from kcpfast.api.openapi.v3 import TEXTS, marks, needed, own_definitions, placeholders

_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
_REF = "#/definitions/"
_TOKEN = "BearerToken"
_SECURITY: dict[str, Any] = {
    "securityDefinitions": {
        _TOKEN: {
            "description": "A bearer token.",
            "type": "apiKey",
            "name": "authorization",
            "in": "header",
        }
    },
    "security": [{_TOKEN: []}],
}


class Part(NamedTuple):
    """What one unit adds: paths, definitions of its own, and built-in ones by name."""

    paths: bytes
    definitions: bytes
    needed: tuple[str, ...]


# ------------------------------------------------------------------------- JSON


def part(unit: Unit) -> Part:
    """Return the part of a unit in JSON."""
    all_operations = sorted(unit.all_operations(), key=lambda item: item.path)
    own = own_definitions(unit, "v2")
    return Part(
        _members(_paths(all_operations)),
        _members({name: item.json for name, item in own.items()}),
        tuple(needed(all_operations, own)),
    )


def document(parts: Sequence[Part], info: dict[str, str]) -> bytes:
    """Return the JSON document of these parts."""
    all_definitions = published("v2")
    shared = {name: all_definitions[name].json for name in _needed(parts)}
    definitions = [_members(shared), *(item.definitions for item in parts)]
    tail = {"parameters": {name: parameter_v2(name) for name in PARAMETERS}} | _SECURITY
    return b'{"swagger":"2.0","info":%b,"paths":{%b},"definitions":{%b},%b}' % (
        _encode(info),
        b",".join(item.paths for item in parts if item.paths),
        b",".join(item for item in definitions if item),
        _encode(tail)[1:-1],
    )


def _members(members: dict[str, Any]) -> bytes:
    return _encode(members)[1:-1]


def _needed(parts: Iterable[Part]) -> list[str]:
    return sorted({name for document_part in parts for name in document_part.needed})


def _paths(all_operations: Iterable[Operation]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in all_operations:
        item = paths.setdefault(operation.path, {})
        item[operation.method] = _operation(operation)
        if operation.kind:
            names = (*placeholders(operation.path), "pretty")
            item["parameters"] = [_reference(name) for name in names]
    return paths


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/parameters/{name}"}


def _operation(operation: Operation) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = []
    if operation.reads:
        body = {"name": "body", "in": "body", "schema": {"$ref": _REF + operation.reads}}
        parameters.append(body if operation.reads == DELETE_OPTIONS else body | {"required": True})
    parameters += [_reference(name) for name in operation.parameters]
    schema = {"$ref": _REF + operation.returns} if operation.returns else {"type": "string"}
    written: dict[str, Any] = {
        "description": operation.text,
        "consumes": list(operation.consumes),
        "produces": list(operation.produces),
        "schemes": ["https"],
        "tags": [operation.tag],
        "operationId": operation.name,
        "parameters": parameters,
        "responses": {
            **{
                str(code): {"description": TEXTS[code], "schema": schema}
                for code in operation.codes
            },
            "401": {"description": TEXTS[401]},
        },
    }
    return written | marks(operation) if operation.kind else written


# ------------------------------------------------------------------------- protobuf


def proto_part(document_part: Part) -> Part:
    """Return the same part in protobuf."""
    paths, definitions = (
        _decode(b"{%b}" % text) for text in (document_part.paths, document_part.definitions)
    )
    return Part(
        gnostic.encode("v2", "Paths", paths),
        gnostic.encode("v2", "Definitions", definitions),
        document_part.needed,
    )


def proto_document(parts: Sequence[Part], info: dict[str, str]) -> bytes:
    """Return the gnostic Document of these parts, which are in protobuf."""
    shared = [_proto_definition(name) for name in _needed(parts)]
    head: dict[str, Any] = {"swagger": "2.0", "info": info}
    tail = {"parameters": {name: parameter_v2(name) for name in PARAMETERS}} | _SECURITY
    return b"".join(
        (
            gnostic.encode("v2", "Document", head),
            gnostic.member(
                "v2", "Document", "paths", [document_part.paths for document_part in parts]
            ),
            gnostic.member(
                "v2",
                "Document",
                "definitions",
                [*shared, *(document_part.definitions for document_part in parts)],
            ),
            gnostic.encode("v2", "Document", tail),
        )
    )


@cache
def _proto_definition(name: str) -> bytes:
    schema = _decode(published("v2")[name].json)
    return gnostic.encode("v2", "Definitions", {name: schema})

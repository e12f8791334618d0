"""Rows made from what cells read are those made from whole objects."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from kcpfast.resources.columns import COLUMNS
from kcpfast.resources.definition import columns
from kcpfast.resources.resource import Column
from kcpfast.resources.rows import partials, rows
from tests.models import tables

V1 = "meta.k8s.io/v1"
NAMED: dict[str, Any] = {"kind": "K", "name": "n", "namespace": "d", "apiVersion": "v1"}
FULL: dict[str, Any] = {
    "apiVersion": "g/v1",
    "kind": "Kind",
    "metadata": {
        "resourceVersion": "7",
        "name": "web",
        "labels": {"a": "b"},
        "creationTimestamp": "2024-01-02T03:04:05Z",
    },
    "type": "Opaque",
    "data": {"a": "1", "b": {"c": "}"}},
    "binaryData": {"c": ""},
    "roleRef": NAMED,
    "subjects": [NAMED | {"kind": kind} for kind in ("User", "Group", "ServiceAccount")],
    "webhooks": [{}, {}],
    "spec": {
        "policyName": "p",
        "holderIdentity": "h",
        "signerName": "s",
        "username": "u",
        "expirationSeconds": 90,
        "mutations": [1],
        "validations": [1, 2],
        "paramKind": NAMED,
        "paramRef": NAMED,
        "replicas": 3,
    },
    "status": {
        "phase": "Active",
        "certificate": "x",
        "conditions": [{"type": "Approved"}],
        "hard": {"pods": "2", "limits.cpu": "1"},
        "used": {"pods": "1"},
    },
    "involvedObject": NAMED,
    "source": {"component": "c", "host": "h"},
    "reason": "r",
    "message": "m",
    "count": 3,
    "firstTimestamp": "2024-01-02T03:04:05Z",
}
BARE = {"metadata": {"name": 'é\\"}', "creationTimestamp": None}, "roleRef": NAMED}
ITEMS = json.dumps([FULL, BARE, FULL | {"metadata": {"name": "b"}}]).encode()
PATHS = (
    ".spec.replicas",
    ".metadata.labels.a",
    ".metadata.name",
    ".metadata",
    ".kind",
    "{.status.phase}",
    ".status['phase']",
    ".*",
    ".no.such",
    "not a path",
)
CUSTOM = {
    path: columns([{"name": "c", "type": "string", "jsonPath": path}, {**row}])
    for path in PATHS
    for row in [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
}
TABLES = {**COLUMNS, **CUSTOM, "none": (), "undeclared": columns(None)}


@pytest.mark.parametrize("include", ["", "Metadata", "Object", "None"])
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_rows_are_those_of_whole_objects(table: tuple[Column, ...], include: str) -> None:
    made = json.loads(msgspec.json.encode(rows(table, ITEMS, V1, include)))
    assert made == tables.rows(table, ITEMS, V1, include)


def test_metadata_goes_as_it_came() -> None:
    spaced = b'[{"metadata":{"name": "a" },"x":1}]'
    assert b'"metadata":{"name": "a" }' in msgspec.json.encode(partials(spaced, V1))
    made = json.loads(msgspec.json.encode(partials(ITEMS, V1)))
    assert made == [tables.partial(obj, V1) for obj in json.loads(ITEMS)]

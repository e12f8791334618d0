"""Protobuf of built-in kinds: what Go writes is read, what is written reads the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import kcpfast
from kcpfast.resources.builtin import BUILTIN
from kcpfast.resources.protobuf import decode, encode, encode_event
from kcpfast.resources.protobuf.decode import _fields

META: dict[str, Any] = {
    "name": "a",
    "namespace": "default",
    "uid": "0-1",
    "resourceVersion": "7",
    "generation": 3,
    "creationTimestamp": "2026-01-02T03:04:05Z",
    "labels": {"a": "b", "empty": ""},
    "ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "1", "controller": True}
    ],
    "managedFields": [{"manager": "m", "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}}}],
}
OBJECTS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "é"}, "binaryData": {"b": "AAE="}},
    {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"cpu": "1500m"}}},
    {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": {"name": "x"},
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "count": 2**31 - 1,
    },
    {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "spec": {"leaseTransitions": -1, "renewTime": "1969-12-31T23:59:59.500000Z"},
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
    },
    {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "u", "extra": {"scopes": ["a", "b"]}},
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "resourceNames": ["n"],
                        "operations": ["CREATE"],
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "resources": ["pods"],
                        "scope": "*",
                    }
                ]
            },
            "validations": [{"expression": "true"}],
        },
    },
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {
            "group": "e.com",
            "scope": "Cluster",
            "names": {"plural": "lamps", "kind": "Lamp"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "default": {"a": [1, "x", None]},
                            "additionalProperties": {"type": "string", "maxLength": 3},
                            "items": {"type": "number", "maximum": 1.5},
                            "enum": [1, "a"],
                        }
                    },
                }
            ],
        },
    },
    {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "1"}},
]


@pytest.mark.parametrize("obj", OBJECTS, ids=lambda obj: obj["kind"])
def test_object_survives(obj: dict[str, Any]) -> None:
    if obj["kind"] != "DeleteOptions":
        obj = {**obj, "metadata": META}
    assert decode(encode(obj)) == obj


@pytest.mark.parametrize("resource", BUILTIN, ids=lambda resource: resource.kind)
def test_every_kind_has_messages(resource: Any) -> None:
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "a"}}
    found = decode(encode(obj))
    assert found["metadata"] == {"name": "a"}
    listed = {"apiVersion": resource.api_version, "kind": resource.list_kind, "items": [obj] * 2}
    assert encode(listed).count(b"\x0a\x01a") == 2


def test_bootstrap_objects_survive() -> None:
    data = (Path(kcpfast.__file__).parent / "assets" / "bootstrap.json").read_bytes()
    checked = 0
    kinds = {(each.api_version, each.kind) for each in BUILTIN}
    for group in msgspec.json.decode(data).values():
        for obj in group if isinstance(group, list) else ():
            if isinstance(obj, dict) and (obj.get("apiVersion"), obj.get("kind")) in kinds:
                assert decode(encode(obj)) == obj
                checked += 1
    assert checked > 50


def test_event_of_a_watch_is_framed_by_its_length() -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    made = encode_event(b"ADDED", obj)
    assert int.from_bytes(made[:4], "big") == len(made) - 4
    parts = dict(_fields(made[4:]))
    assert parts[1] == b"ADDED"
    assert decode(dict(_fields(parts[2]))[1]) == obj


def test_status_has_a_message() -> None:
    status = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404,
              "details": {"name": "a", "causes": [{"field": "f"}]}}  # fmt: skip
    assert decode(encode(status)) == status


def test_kind_without_a_message_is_named() -> None:
    with pytest.raises(ValueError, match=r"e\.com/v1 Lamp"):
        encode({"apiVersion": "e.com/v1", "kind": "Lamp"})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (b"\x1a\x00\x22\x00", ""),  # Go writes what is empty, too
        (b"\x22\x23application/vnd.kubernetes.protobuf", ""),
        (b"\x1a\x04gzip", "contentEncoding 'gzip'"),
        (b"\x22\x10application/json", "contentType 'application/json'"),
        (b"\x18\x01", "malformed"),
    ],
)
def test_envelope_says_how_the_object_is_written(more: bytes, why: str) -> None:
    body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x00" + more
    if not why:
        assert decode(body) == {"apiVersion": "v1", "kind": "ConfigMap"}
        return
    with pytest.raises(ValueError, match=why):
        decode(body)

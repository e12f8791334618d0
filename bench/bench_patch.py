"""What patching and the record of fields cost, on an object of 1.5 KB and on a small one."""

from typing import Any

import pytest

from kcpfast.meta.copies import copy_json
from kcpfast.patch.json_patch import apply_json_patch
from kcpfast.patch.managed_fields import update_managers
from kcpfast.patch.managers import FieldWriter
from kcpfast.patch.merge_patch import apply_merge_patch
from kcpfast.patch.merge_type import merge_node
from kcpfast.patch.owned_fields import compare, fields_of
from kcpfast.patch.server_side_apply import apply
from kcpfast.patch.strategic import apply_strategic_patch

STRING = {"type": "string"}
MAP = {"type": "object", "additionalProperties": STRING}
ONE = FieldWriter("one", "example.com/v1", "2024-01-01T00:00:00Z")
TWO = ONE._replace(manager="two")


def keyed(key: str, *fields: str) -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"type": "object", "properties": dict.fromkeys((key, *fields), STRING)},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": key,
    }


SPEC = {
    "args": {"type": "array", "items": STRING},
    "env": keyed("name", "value"),
    "image": STRING,
    "labels": MAP,
    "replicas": {"type": "integer"},
    "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
CONDITIONS = keyed("type", "status", "reason", "message", "lastTransitionTime")
DEMO = merge_node(
    {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": SPEC},
            "status": {"type": "object", "properties": {"conditions": CONDITIONS, "phase": STRING}},
        },
    }
)
CONFIG_MAP = merge_node({"type": "object", "properties": {"data": MAP}})

SMALL = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "default", "uid": "u", "labels": {"a": "b"}},
    "data": {"k": "v", "l": "w"},
}
LARGE = {
    "apiVersion": "example.com/v1",
    "kind": "Demo",
    "metadata": {
        "name": "demo",
        "namespace": "default",
        "uid": "0" * 36,
        "resourceVersion": "12",
        "generation": 3,
        "creationTimestamp": "2024-01-01T00:00:00Z",
        "labels": {f"app.kubernetes.io/{each}": "demo" for each in range(4)},
        "annotations": {f"example.com/note-{each}": "some text" for each in range(3)},
        "finalizers": ["example.com/a"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "o", "uid": "1" * 36}],
    },
    "spec": {
        "args": ["a", "b"],
        "env": [{"name": f"VAR_{each}", "value": f"value {each}"} for each in range(8)],
        "image": "registry/image:1",
        "labels": {f"l{each}": "v" for each in range(4)},
        "replicas": 3,
        "template": {"a": {"b": {"c": 1}, "d": [1, 2]}},
    },
    "status": {
        "phase": "Ready",
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": "Ok",
                "message": "all good",
                "lastTransitionTime": "2024-01-01T00:00:00Z",
            }
            for kind in ("Ready", "Synced", "Healthy")
        ],
    },
}


def tracked(obj: Any, node: Any) -> Any:
    stored = copy_json(obj)
    stored["metadata"]["managedFields"] = update_managers(None, obj, node, ONE)
    return stored


def changed(obj: Any) -> Any:
    new = copy_json(obj)
    if "data" in new:
        new["data"]["k"] = "other"
    else:
        new["spec"]["replicas"] = 4
        new["status"]["conditions"][0]["status"] = "False"
    return new


OBJECTS = pytest.mark.parametrize(
    ("obj", "node"), [(SMALL, CONFIG_MAP), (LARGE, DEMO)], ids=["small", "large"]
)


@OBJECTS
def test_fields_of(benchmark: Any, obj: Any, node: Any) -> None:
    assert benchmark(fields_of, obj, node)


@OBJECTS
def test_compare(benchmark: Any, obj: Any, node: Any) -> None:
    assert benchmark(compare, obj, changed(obj), node)[0]


@OBJECTS
def test_managers_on_create(benchmark: Any, obj: Any, node: Any) -> None:
    assert benchmark(update_managers, None, obj, node, ONE)


@OBJECTS
def test_managers_on_update(benchmark: Any, obj: Any, node: Any) -> None:
    assert len(benchmark(update_managers, tracked(obj, node), changed(obj), node, TWO)) == 2


@OBJECTS
def test_managers_unchanged(benchmark: Any, obj: Any, node: Any) -> None:
    assert benchmark(update_managers, tracked(obj, node), copy_json(obj), node, TWO)


@OBJECTS
def test_apply_creates(benchmark: Any, obj: Any, node: Any) -> None:
    who = ONE._replace(api_version=obj["apiVersion"])
    assert benchmark(apply, None, obj, node, who).managed_fields


@OBJECTS
def test_apply_changes(benchmark: Any, obj: Any, node: Any) -> None:
    who = ONE._replace(api_version=obj["apiVersion"])
    live = apply(None, obj, node, who).object
    assert benchmark(apply, live, changed(obj), node, who).object != live


@OBJECTS
def test_apply_unchanged(benchmark: Any, obj: Any, node: Any) -> None:
    who = ONE._replace(api_version=obj["apiVersion"])
    live = apply(None, obj, node, who).object
    assert benchmark(apply, live, obj, node, who).object == live


def test_apply_drops_fields(benchmark: Any) -> None:
    live = apply(None, LARGE, DEMO, ONE).object
    fewer = copy_json(LARGE)
    fewer["spec"]["env"].pop()
    assert benchmark(apply, live, fewer, DEMO, ONE).object != live


def test_strategic(benchmark: Any) -> None:
    env = [{"name": "VAR_9", "value": "x"}, {"name": "VAR_1", "value": "y"}]
    patch = {"spec": {"replicas": 4, "env": env}, "metadata": {"finalizers": ["x"]}}
    assert len(benchmark(apply_strategic_patch, LARGE, patch, DEMO)["spec"]["env"]) == 9


def test_merge_patch(benchmark: Any) -> None:
    patch = {"spec": {"replicas": 4}}
    assert benchmark(apply_merge_patch, LARGE, patch)["spec"]["replicas"] == 4


def test_json_patch(benchmark: Any) -> None:
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 4}]
    assert benchmark(apply_json_patch, LARGE, operations)["spec"]["replicas"] == 4

"""A few kinds as small as their tests allow, and helpers to read managed fields by."""

from typing import Any

from kcpfast.patch.fieldset import FieldSet, path_text, paths
from kcpfast.patch.managers import FieldWriter
from kcpfast.patch.merge_type import merge_node

STRING = {"type": "string"}
MAP = {"type": "object", "additionalProperties": STRING}
OWNER = {
    "type": "object",
    "properties": {"name": STRING, "uid": STRING},
    "x-kubernetes-map-type": "atomic",
}
DEFINITIONS: dict[str, Any] = {
    "Conditions": {
        "type": "object",
        "properties": {
            "conditions": {
                "type": "array",
                "items": {"$ref": "#/definitions/Condition"},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
            "phase": STRING,
        },
    },
    "Condition": {"type": "object", "properties": {"type": STRING, "status": STRING}},
}

CONFIG_MAP = merge_node(
    {
        "type": "object",
        "properties": {"data": MAP, "immutable": {"type": "boolean"}},
        "x-kubernetes-group-version-kind": [{"kind": "ConfigMap"}],
    }
)
NAMESPACE = merge_node(
    {
        "type": "object",
        "properties": {"status": {"$ref": "#/definitions/Conditions"}},
        "x-kubernetes-group-version-kind": [{"kind": "Namespace"}],
    },
    DEFINITIONS,
)
SERVICE_ACCOUNT = merge_node(
    {
        "type": "object",
        "properties": {
            "imagePullSecrets": {"type": "array", "items": OWNER},
            "secrets": {
                "type": "array",
                "items": OWNER,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-patch-merge-key": "name",
            },
        },
    }
)
# A custom kind with one place of every sort.
WIDGET = merge_node(
    {
        "type": "object",
        "properties": {
            "atomicList": {"type": "array", "items": STRING},
            "atomicMap": {**MAP, "x-kubernetes-map-type": "atomic"},
            "count": {"type": "integer"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": STRING,
                        "set": {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
                        "value": {"type": "integer"},
                    },
                },
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            "map": MAP,
            "ports": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "port": {"type": "integer"},
                        "protocol": {"type": "string", "default": "TCP"},
                        "text": STRING,
                    },
                },
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["port", "protocol"],
            },
            "set": {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
            "struct": {"type": "object", "properties": {"a": STRING, "b": STRING}},
            "text": STRING,
        },
    }
)

Object = dict[str, Any]


def obj(**members: Any) -> Object:
    metadata = {"name": "x", **members.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "Widget", "metadata": metadata, **members}


def writer(manager: str, *, at: int = 0, subresource: str = "", version: str = "v1") -> FieldWriter:
    return FieldWriter(manager, version, f"2024-01-01T00:{at // 60:02}:{at % 60:02}Z", subresource)


def listed(fields: FieldSet) -> list[str]:
    """Return the members of a set in their order, as error texts show them."""
    return [path_text(path) for path in paths(fields)]


def owners(held: Object | list[Object]) -> dict[str, list[str]]:
    """Return manager (with "/subresource", and "*" if by update) -> its fields."""
    entries = held["metadata"].get("managedFields", []) if isinstance(held, dict) else held
    names = {}
    for entry in entries:
        name = "/".join(filter(None, (entry["manager"], entry.get("subresource"))))
        names[name + "*" * (entry["operation"] == "Update")] = listed(entry["fieldsV1"])
    return names


def content(held: Object) -> Object:
    """Return what an object has besides its envelope."""
    return {key: held[key] for key in held if key not in ("apiVersion", "kind", "metadata")}

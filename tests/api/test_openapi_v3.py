"""The v3 document of a group-version: what kubectl reads in it, and what kube-apiserver has."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from kcpfast.api.openapi import v3
from kcpfast.api.openapi.units import Unit
from tests.api.openapi_kinds import builtin, lamps

INFO = {"title": "kcpfast", "version": "v0"}
LAMPS = "/apis/light.example.com/v1/namespaces/{namespace}/lamps"
MAPS = "/api/v1/namespaces/{namespace}/configmaps"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
MERGES = ["application/apply-patch+yaml", "application/json-patch+json"]
MERGES += ["application/merge-patch+json"]


def document(unit: Unit) -> Any:
    return msgspec.json.decode(v3.document(unit, INFO))


CORE = document(builtin("api/v1"))
LIGHT = document(
    lamps(
        subresources={
            "status": {},
            "scale": {"specReplicasPath": ".spec.bulbs", "statusReplicasPath": ".status.bulbs"},
        }
    )
)


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"].removeprefix("#/components/schemas/")} if "$ref" in value else set()
    return own.union(*map(references, value.values()))


@pytest.mark.parametrize("found", [CORE, LIGHT])
def test_every_reference_has_its_definition(found: Any) -> None:
    assert references(found) == set(found["components"]["schemas"])


@pytest.mark.parametrize(
    ("found", "path", "methods"),
    [
        (CORE, "/api/v1/", ["get"]),
        (CORE, "/api/v1/configmaps", ["get"]),
        (CORE, MAPS, ["delete", "get", "post"]),
        (CORE, MAPS + "/{name}", ["delete", "get", "patch", "put"]),
        (CORE, "/api/v1/namespaces", ["get", "post"]),
        (CORE, "/api/v1/namespaces/{name}/finalize", ["put"]),
        (CORE, "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", ["post"]),
        (CORE, "/api/v1/watch/namespaces/{namespace}/configmaps/{name}", ["get"]),
        (LIGHT, "/apis/light.example.com/v1/lamps", ["get"]),
        (LIGHT, LAMPS, ["delete", "get", "post"]),
        (LIGHT, LAMPS + "/{name}/scale", ["get", "patch", "put"]),
        (LIGHT, LAMPS + "/{name}/status", ["get", "patch", "put"]),
        (LIGHT, "/apis/light.example.com/v1/", None),
        (LIGHT, "/apis/light.example.com/v1/watch/lamps", None),
    ],
)
def test_paths_have_the_methods_of_the_resource(found: Any, path: str, methods: Any) -> None:
    item = found["paths"].get(path)
    assert (sorted(set(item) - {"parameters"}) if item else None) == methods


@pytest.mark.parametrize(
    ("found", "path", "method", "name", "action"),
    [
        (CORE, MAPS, "get", "listCoreV1NamespacedConfigMap", "list"),
        (CORE, MAPS, "delete", "deleteCoreV1CollectionNamespacedConfigMap", "deletecollection"),
        (CORE, "/api/v1/configmaps", "get", "listCoreV1ConfigMapForAllNamespaces", "list"),
        (CORE, "/api/v1/namespaces/{name}/status", "get", "readCoreV1NamespaceStatus", "get"),
        (CORE, "/api/v1/watch/namespaces", "get", "watchCoreV1NamespaceList", "watchlist"),
        (LIGHT, LAMPS, "post", "createLightExampleComV1NamespacedLamp", "post"),
        (LIGHT, LAMPS + "/{name}/scale", "put",
         "replaceLightExampleComV1NamespacedLampScale", "put"),
    ],
)  # fmt: skip
def test_operations_are_named_after_kind(
    found: Any, path: str, method: str, name: str, action: str
) -> None:
    operation = found["paths"][path][method]
    assert (operation["operationId"], operation["x-kubernetes-action"]) == (name, action)


@pytest.mark.parametrize(
    ("found", "path", "kind", "media"),
    [
        (CORE, MAPS, ("", "v1", "ConfigMap"), [*MERGES, "application/strategic-merge-patch+json"]),
        (LIGHT, LAMPS, ("light.example.com", "v1", "Lamp"), MERGES),
    ],
)
def test_patch_tells_kubectl_what_it_needs(
    found: Any, path: str, kind: tuple[str, str, str], media: list[str]
) -> None:
    patch = found["paths"][path + "/{name}"]["patch"]
    marks = dict(zip(("group", "version", "kind"), kind, strict=True))
    assert patch["x-kubernetes-group-version-kind"] == marks
    assert list(patch["requestBody"]["content"]) == media
    names = ["dryRun", "fieldManager", "fieldValidation", "force"]
    assert [each["name"] for each in patch["parameters"]] == names


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        ("io.k8s.api.core.v1.ConfigMap", "metadata",
         {"allOf": [{"$ref": f"#/components/schemas/{META}ObjectMeta"}], "default": {}}),
        ("io.k8s.api.core.v1.ConfigMap", "immutable", {"type": "boolean"}),
        ("io.k8s.api.core.v1.ConfigMapList", "items",
         {"type": "array", "items": {
             "allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.ConfigMap"}],
             "default": {}}}),
        ("io.k8s.api.core.v1.Secret", "data",
         {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}}),
        (META + "OwnerReference", "uid", {"type": "string", "default": ""}),
        (META + "ObjectMeta", "finalizers",
         {"type": "array", "items": {"type": "string", "default": ""},
          "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}),
    ],
)  # fmt: skip
def test_fields_follow_the_conventions_of_v3(name: str, field: str, expected: Any) -> None:
    found = CORE["components"]["schemas"][name]["properties"][field]
    assert found.pop("description")
    assert found == expected


def test_quantity_is_text_or_a_number() -> None:
    schema = CORE["components"]["schemas"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]
    assert schema["oneOf"] == [{"type": "string"}, {"type": "number"}]


def test_nothing_is_created_of_what_is_being_deleted() -> None:
    assert "post" not in document(lamps(closing=True))["paths"][LAMPS]


def test_a_custom_kind_cannot_replace_a_built_in_definition() -> None:
    unit = lamps(group="meta.apis.pkg.apimachinery.k8s.io")
    served = unit.served[0]._replace(resource=_as_object_meta(unit))
    found = document(unit._replace(served=[served]))
    assert "annotations" in found["components"]["schemas"][META + "ObjectMeta"]["properties"]


def _as_object_meta(unit: Unit) -> Any:
    resource = unit.served[0].resource
    return replace(resource, names=resource.names._replace(kind="ObjectMeta"))

"""The v2 document of a whole workspace, in JSON and in protobuf."""

from typing import Any

import msgspec

from kcpfast.api.openapi import gnostic, v2
from tests.api.openapi_kinds import builtin, lamps

INFO = {"title": "kcpfast", "version": "v0"}
PARTS = [v2.part(builtin("api/v1")), v2.part(builtin("version")), v2.part(lamps())]
FOUND = msgspec.json.decode(v2.document(PARTS, INFO))
LAMP = "/apis/light.example.com/v1/namespaces/{namespace}/lamps/{name}"


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if "$ref" in value else set()
    return own.union(*map(references, value.values()))


def test_every_reference_leads_somewhere() -> None:
    places = {f"#/definitions/{name}" for name in FOUND["definitions"]}
    places |= {f"#/parameters/{name}" for name in FOUND["parameters"]}
    assert references(FOUND) <= places


def test_kinds_of_all_units_are_in_it() -> None:
    assert {"com.example.light.v1.Lamp", "io.k8s.api.core.v1.Secret"} <= set(FOUND["definitions"])
    assert {LAMP, "/version/", "/api/v1/namespaces/{name}"} <= set(FOUND["paths"])


def test_patch_of_a_custom_kind_takes_no_strategic_merge() -> None:
    patch = FOUND["paths"][LAMP]["patch"]
    assert patch["consumes"] == [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
    ]
    assert {"$ref": "#/parameters/fieldValidation"} in patch["parameters"]


def test_parts_in_protobuf_make_the_whole_in_protobuf() -> None:
    joined = v2.proto_document([v2.proto_part(part) for part in PARTS], INFO)
    whole = gnostic.encode("v2", "Document", FOUND)
    assert len(joined) == len(whole)
    assert sorted(joined) == sorted(whole)  # the same fields, definitions in another order

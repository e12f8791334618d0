"""What OpenAPI documents cost: made for the first time, and found again."""

from typing import Any

import pytest

from kcpfast.api.openapi import gnostic, v2, v3
from kcpfast.api.openapi.documents import Documents
from kcpfast.api.openapi.units import Unit, units, version_unit
from kcpfast.kcp.kinds import system_kinds
from kcpfast.registry.catalog import Served
from kcpfast.resources.builtin import BUILTIN
from kcpfast.resources.definition import encode, resources_of
from kcpfast.resources.resource import Origin

INFO = {"title": "kcpfast", "version": "v0"}


def workspace() -> dict[str, dict[str, list[Served]]]:
    """Return what a workspace without CRDs serves."""
    groups: dict[str, dict[str, list[Served]]] = {}
    for each in (*BUILTIN, *system_kinds().values()):
        versions = groups.setdefault(each.group, {})
        versions.setdefault(each.version, []).append(Served(each))
    return groups


def large_kind() -> Unit:
    """Return the unit of a custom kind with 500 described fields, three levels deep (77 KB)."""
    leaf = {"type": "string", "description": "One of many fields. " * 5}
    group = {"type": "object", "properties": {f"field{n}": leaf for n in range(25)}}
    spec = {"type": "object", "properties": {f"group{n}": group for n in range(20)}}
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "lamps", "kind": "Lamp"}
    found = {"group": "x.example.com", "names": names, "scope": "Cluster", "versions": [version]}
    resource = resources_of(found, Origin(encode(found)[0], ""))["v1"]
    return version_unit("x.example.com", "v1", [Served(resource)])


UNITS = units(workspace(), service=False)
LARGE = large_kind()


def index(made: Documents) -> list[str]:
    return [made.hash(unit) for unit in UNITS.values()]


def test_index_made(benchmark: Any) -> None:
    benchmark(lambda: index(Documents(INFO)))


def test_index_found(benchmark: Any) -> None:
    benchmark(index, Documents(INFO))


def test_v3_core_made(benchmark: Any) -> None:
    benchmark(v3.document, UNITS["api/v1"], INFO)


def test_v3_large_kind_made(benchmark: Any) -> None:
    benchmark(v3.document, LARGE, INFO)


def test_v3_found(benchmark: Any) -> None:
    made = Documents(INFO)
    benchmark(made.v3, UNITS["api/v1"])


@pytest.mark.parametrize("proto", [False, True])
def test_v2_made(benchmark: Any, proto: bool) -> None:
    benchmark(lambda: Documents(INFO).v2([*UNITS.values()], proto=proto))


@pytest.mark.parametrize("proto", [False, True])
def test_v2_made_for_one_more_kind(benchmark: Any, proto: bool) -> None:
    """Joins the parts that are there with one that is not."""
    made = Documents(INFO)
    made.v2([*UNITS.values()], proto=proto)
    parts = [made._part(unit, proto) for unit in UNITS.values()]
    write = v2.proto_document if proto else v2.document

    def join() -> bytes:
        own = v2.part(LARGE)
        return write([*parts, v2.proto_part(own) if proto else own], INFO)

    benchmark(join)


def test_protobuf_of_a_large_kind(benchmark: Any) -> None:
    found = v2.part(LARGE)
    assert gnostic.encode("v2", "Info", INFO)
    benchmark(v2.proto_part, found)

"""What documents are shared, and what is forgotten."""

import msgspec

from kcpfast.api.openapi.definitions import descriptions, published
from kcpfast.api.openapi.documents import Documents
from kcpfast.api.openapi.units import units
from kcpfast.meta.bounded import Bounded
from kcpfast.registry.catalog import CatalogRow, Served
from kcpfast.resources.builtin import definitions
from tests.api.openapi_kinds import builtin, lamp, lamps

INFO = {"title": "kcpfast", "version": "v0"}


def bound(workspace: int) -> Served:
    """Return the kind Lamp as one of many workspaces serves it that are bound to one export."""
    found = lamp()
    assert found.origin is not None
    return Served(found, CatalogRow("binding", f"binding-{workspace}", found.origin))


def test_workspaces_with_one_export_share_one_document() -> None:
    made = Documents(INFO)
    bodies = set()
    for workspace in range(1000):
        served = {"light.example.com": {"v1": [bound(workspace)]}}
        found = units(served, service=False)
        bodies.add(id(made.v3(found["apis/light.example.com/v1"]).body))
        bodies.add(id(made.v2([*found.values()]).body))
    assert len(bodies) == 2


def test_documents_depend_on_content_alone() -> None:
    made = Documents(INFO)
    assert made.hash(lamps()) == made.hash(lamps())
    assert made.hash(lamps()) != made.hash(lamps(subresources={"status": {}}))
    assert made.hash(lamps()) != made.hash(lamps(closing=True))
    assert made.hash(lamps()) == Documents(INFO).hash(lamps())


def test_both_encodings_have_one_hash() -> None:
    made, unit = Documents(INFO), builtin("api/v1")
    assert made.v3(unit).hash == made.v3(unit, proto=True).hash == made.hash(unit)


def test_cache_forgets_what_was_not_used_for_longest() -> None:
    cache: Bounded[bytes] = Bounded(3 * 1256, len)
    for key in (1, 2, 3, 1, 4):
        cache.get(key, lambda: bytes(1000))
    assert (len(cache), cache.size) == (3, 3 * 1256)
    assert cache.get(1, lambda: b"made anew") == bytes(1000)
    assert cache.get(2, lambda: b"made anew") == b"made anew"


def test_cache_returns_what_is_too_large_to_keep() -> None:
    cache: Bounded[bytes] = Bounded(10, len)
    assert cache.get(1, lambda: bytes(1000)) == bytes(1000)


def test_every_built_in_definition_is_described() -> None:
    found = {name: msgspec.json.decode(each.json) for name, each in published("v3").items()}
    assert [name for name, schema in found.items() if not schema.get("description")] == []


def test_every_description_is_of_a_field_that_exists() -> None:
    known = definitions()
    unknown = [
        (name, field)
        for name, texts in descriptions().items()
        if name in known
        for field in texts
        if field and field not in known[name]["properties"]
    ]
    assert unknown == []

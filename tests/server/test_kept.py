"""What is remembered is bounded in bytes, whatever one tenant makes the server look at."""

from __future__ import annotations

import json

import pytest

from kcpfast.api import route_cache
from kcpfast.auth import rbac
from kcpfast.kcp import exports, views
from kcpfast.kcp.views.apiexport import ApiExportView
from kcpfast.meta.user import Attributes
from kcpfast.registry.catalog import held_by, weight
from kcpfast.registry.derived import Kept
from kcpfast.schema import pattern, structural
from kcpfast.transport.messages import NO_PEER
from tests.api.test_route_cache import Client
from tests.fix_inside import Inside, Json
from tests.kcp.provider import EXPORTS, SCHEMAS, export, schema

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
LIMIT = 100_000


def definition(plural: str) -> Json:
    """Return a CRD of some 4 KB of its own."""
    fields = {f"{plural}{number}": {"type": "string"} for number in range(130)}
    found = {"openAPIV3Schema": {"type": "object", "properties": fields}}
    version = {"name": "v1", "served": True, "storage": True, "schema": found}
    names = {"plural": plural, "kind": plural.title(), "singular": plural, "listKind": "Many"}
    spec = {"group": "b.io", "scope": "Cluster", "names": names, "versions": [version]}
    return {"metadata": {"name": f"{plural}.b.io"}, "spec": spec}


async def test_plans_keep_no_more_resources_than_that(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_cache, "_MAX_HELD", 2 * LIMIT)
    client, known = Client(inside, NO_PEER), inside.running.server._routes
    for number in range(6):
        plural = f"lamps{number}"
        await inside.create(CRDS, definition(plural))
        await inside.settle()
        for _ in range(3):
            assert (await client.ask("GET", f"/apis/b.io/v1/{plural}/a"))[0] == 404
        kept = {entry.value.pattern.resource for entry in known._entries._entries.values()}
        assert 0 < sum(map(held_by, kept)) <= known._held <= 2 * LIMIT


async def test_views_and_offers_keep_no_more_than_that(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers: Kept[exports.Offer] = Kept(20_000, lambda offer: 15 * len(offer.data))
    monkeypatch.setattr(exports, "_OFFERS", offers)
    monkeypatch.setattr(views, "MAX_BYTES", 30_000)
    contents = views.remembered(inside.store)
    owner = inside.at.rpartition("/")[2]
    for number in range(6):
        plural = f"lamps{number}"
        await inside.create(SCHEMAS, schema(plural=plural))
        await inside.create(EXPORTS, export(f"{plural}.example.com", f"v1.{plural}"))
        await inside.settle()
        view = inside.running.server._front._services["apiexport"]((owner, f"{plural}.example.com"))
        assert isinstance(view, ApiExportView)
        view._parts = view._parts._replace(contents=contents)
        assert list(view.resources(owner))
        assert 0 < contents._weight <= 30_000
        assert offers.size <= 20_000 + 15 * 2000
    assert 0 < len(contents) < 6


async def test_grants_and_answers_are_kept_up_to_a_number_of_words(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rbac, "_MAX_WORDS", 2000)
    asked = rbac.Rbac(inside.parts.objects, inside.parts.objects.store)
    cluster = inside.at.rpartition("/")[2]
    wanted = Attributes("get", "", "v1", "configmaps", "", "default", "a")
    for number in range(8):
        names = [f"n{at}" for at in range(500)]
        rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": names}
        meta = {"metadata": {"name": f"r{number}"}}
        await inside.create(f"{RBAC}/clusterroles", meta | {"rules": [rule]})
        ref = {"apiGroup": GROUP, "kind": "ClusterRole", "name": f"r{number}"}
        who = {"apiGroup": GROUP, "kind": "User", "name": f"u{number}"}
        made = meta | {"roleRef": ref, "subjects": [who]}
        await inside.create(f"{RBAC}/clusterrolebindings", made)
        assert not asked.allowed(cluster, (rbac.Identity(f"u{number}", ()),), wanted)
        assert asked._grants._weight <= 2000
    answers, grants = len(asked._answers), len(asked._grants)
    assert answers == 8
    for number in range(8):
        who_asks = rbac.Identity(f"u{number}", ("g" * 3000,))
        assert not asked.allowed(cluster, (who_asks,), wanted)
    assert (len(asked._answers), len(asked._grants)) == (answers, grants)


WEIGHTS = [
    # a schema of a field, and how many times its text more it weighs than one without rules
    ({"type": "string", "description": "x" * 1000}, 0),
    ({"x-kubernetes-validations": [{"rule": "x" * 1000}]}, 150_000),
    ({"x-kubernetes-validations": [{"rule": '"' + "x" * 998 + "\\"}]}, 150_000),
]


@pytest.mark.parametrize(("field", "more"), WEIGHTS)
def test_rules_weigh_more_than_the_rest_of_a_definition(field: Json, more: int) -> None:
    data = json.dumps({"properties": {"a": field}}, separators=(",", ":")).encode()
    assert 25 * len(data) + more <= weight(data) <= 25 * len(data) + more * 1.01


LARGE = [rf"(\pL{{1,40}})x{number}" for number in range(30)]


def test_large_programs_of_patterns_are_not_kept_with_them() -> None:
    pattern._large.cache_clear()
    made = [pattern.compile_pattern(source) for source in LARGE]
    assert all(each.search(f"-éax{number}") for number, each in enumerate(made))
    assert not any(each.search("1x") for each in made)
    assert not any(each._linear for each in made)
    assert pattern._large.cache_info().currsize <= 8
    assert pattern.compile_pattern(r"(?:ab?)*(?:c)*").search("x" * 1000)


@pytest.mark.parametrize(("count", "right"), [(20, True), (21, False)])
def test_a_schema_has_not_many_large_patterns(count: int, right: bool) -> None:
    fields = {
        f"f{at}": {"type": "string", "pattern": text} for at, text in enumerate(LARGE[:count])
    }
    causes = structural.check_schema({"type": "object", "properties": fields}, "s")
    assert [each.field for each in causes] == ([] if right else ["s"])

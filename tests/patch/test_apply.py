"""Server-side apply: the recorded conversation with the server, then rule by rule."""

import json
from typing import Any

import pytest
from hypothesis import given

from kcpfast.meta.errors import ApiError
from kcpfast.patch.last_applied import LAST_APPLIED
from kcpfast.patch.managed_fields import update_managers
from kcpfast.patch.server_side_apply import Applied, apply
from kcpfast.patch.typed_merge import extract_items, merge_objects
from tests.models.patch import from_paths
from tests.patch import kinds
from tests.patch.kinds import WIDGET, Object, content, obj, owners, writer
from tests.patch.test_managed_fields import entry
from tests.patch.test_owned_fields import WIDGETS

Step = tuple[str, str, Any]


def play(steps: list[Step], node: Any = WIDGET) -> Object:
    """Return the object after some writes: (apply | force | update, manager, content)."""
    live: Object | None = None
    for turn, (how, manager, wanted) in enumerate(steps):
        who = writer(manager, at=turn)
        if how == "update":
            new = obj(**wanted)
            entries = update_managers(live, new, node, who)
            live = obj(**wanted, metadata={"managedFields": entries})
        else:
            live = apply(live, obj(**wanted), node, who, force=how == "force").object
    assert live is not None
    return live


def refused(live: Object | None, applied: Any, node: Any = WIDGET, manager: str = "me") -> ApiError:
    with pytest.raises(ApiError) as caught:
        apply(live, applied, node, writer(manager), kind="Widget")
    return caught.value


def data(**values: str) -> dict[str, Any]:
    return {"data": values}


RECORDED: list[tuple[list[Step], Any, dict[str, list[str]]]] = [
    ([("apply", "one", data(k="1", l="1"))], data(k="1", l="1"), {"one": [".data.k", ".data.l"]}),
    (
        [("apply", "one", data(k="1", l="1")), ("apply", "two", data(m="2"))],
        data(k="1", l="1", m="2"),
        {"one": [".data.k", ".data.l"], "two": [".data.m"]},
    ),
    (
        [
            ("apply", "one", data(k="1", l="1")),
            ("apply", "two", data(m="2")),
            ("force", "two", data(k="2")),
        ],
        data(k="2", l="1"),
        {"one": [".data.l"], "two": [".data.k"]},
    ),
    (
        [
            ("apply", "two", data(k="2")),
            ("apply", "one", data(l="1")),
            ("apply", "four", data(k="2")),
            ("apply", "one", data()),
        ],
        data(k="2"),
        {"four": [".data.k"], "two": [".data.k"], "one": [".data"]},
    ),
    (
        [
            ("apply", "one", data()),
            ("apply", "two", data(k="2")),
            ("update", "editor", data(k="9")),
        ],
        data(k="9"),
        {"one": [".data"], "editor*": [".data.k"]},
    ),
]


@pytest.mark.parametrize(("steps", "outcome", "owned"), RECORDED)
def test_recorded_conversation(steps: list[Step], outcome: Any, owned: Any) -> None:
    live = play(steps, kinds.CONFIG_MAP)
    assert (content(live), owners(live)) == (outcome, owned)


def test_entries_as_recorded() -> None:
    owner = {"name": "a", "uid": "1-1"}
    metadata = {"labels": {"l": "1"}, "finalizers": ["example.com/f"], "ownerReferences": [owner]}
    applied = apply(None, obj(metadata=metadata), kinds.CONFIG_MAP, writer("one"))
    fields: Any = {
        "f:finalizers": {'v:"example.com/f"': {}},
        "f:labels": {"f:l": {}},
        "f:ownerReferences": {'k:{"uid":"1-1"}': {}},
    }
    expected = entry("one", {"f:metadata": fields}, operation="Apply")
    assert applied.managed_fields == [expected]
    assert applied.object["metadata"]["managedFields"] == [expected]


def names(*each: str) -> list[Object]:
    return [{"name": name} for name in each]


def test_list_maps_as_recorded() -> None:
    live = play(
        [
            ("apply", "one", {"secrets": names("x", "y")}),
            ("apply", "two", {"secrets": names("z")}),
            ("apply", "one", {"secrets": names("y")}),
        ],
        kinds.SERVICE_ACCOUNT,
    )
    assert live["secrets"] == names("y", "z")
    assert owners(live) == {"one": ['.secrets[name="y"]'], "two": ['.secrets[name="z"]']}


CONFLICTS: list[tuple[list[Step], Any, str]] = [
    (
        [("apply", "one", data(k="1"))],
        data(k="2"),
        'Apply failed with 1 conflict: conflict with "one": .data.k',
    ),
    (
        [("update", "editor", data(k="9"))],
        data(k="2"),
        'Apply failed with 1 conflict: conflict with "editor" using v1: .data.k',
    ),
    (
        [("apply", "one", data(k="1")), ("apply", "two", data(m="2"))],
        data(k="2", m="3"),
        'Apply failed with 2 conflicts: conflicts with "one":\n- .data.k\n'
        'conflicts with "two":\n- .data.m',
    ),
]


@pytest.mark.parametrize(("steps", "applied", "message"), CONFLICTS)
def test_conflicts_as_recorded(steps: list[Step], applied: Any, message: str) -> None:
    error = refused(play(steps, kinds.CONFIG_MAP), obj(**applied), kinds.CONFIG_MAP)
    assert (error.code, error.reason, error.message) == (409, "Conflict", message)
    causes = error.status()["details"]["causes"]
    assert {cause["reason"] for cause in causes} == {"FieldManagerConflict"}
    assert [cause["field"] for cause in causes] == [f".data.{key}" for key in applied["data"]]


def test_conflict_names_the_subresource() -> None:
    fields: Any = {"f:text": {}}
    live = obj(text="a", metadata={"managedFields": [entry("st", fields, subresource="status")]})
    error = refused(live, obj(text="b"))
    assert error.causes[0].message == 'conflict with "st" with subresource "status" using v1'


NO_TYPE: list[tuple[Any, str]] = [
    ([], "an applied configuration must be an object"),
    ({"metadata": {}}, "invalid object type: /, Kind="),
    ({"apiVersion": "v1", "kind": "Secret"}, "invalid object type: /v1, Kind=Secret"),
    (
        {"apiVersion": "a/v2", "kind": "Widget"},
        "Incorrect version specified in apply patch. Specified patch version: a/v2, expected: v1",
    ),
    (obj(metadata={"managedFields": []}), "metadata.managedFields must be nil"),
    (obj(metadata={"managedFields": [{}]}), "metadata.managedFields must be nil"),
    ({"apiVersion": "v1", "kind": "Widget", "metadata": 1}, "metadata must be an object"),
]
PREFIX = "failed to create typed patch object (/x; /v1, Kind=Widget): "
NOT_TYPED: list[tuple[Any, str]] = [
    ({"frob": 1}, ".frob: field not declared in schema"),
    ({"struct": {"c": 1}}, ".struct.c: field not declared in schema"),
    ({"map": {"k": 1}}, ".map.k: expected string, got 1"),
    ({"count": "x"}, '.count: expected numeric (int or float), got "x"'),
    ({"count": True}, ".count: expected numeric (int or float), got true"),
    ({"struct": "x"}, '.struct: expected map, got "x"'),
    ({"set": {}}, ".set: expected list, got {}"),
    ({"atomicList": ["x", 1]}, ".atomicList[1]: expected string, got 1"),
    ({"set": ["x", "x"]}, '.set: duplicate entries for key [="x"]'),
    ({"items": names("y", "y")}, '.items: duplicate entries for key [name="y"]'),
    (
        {"items": [{"value": 1}]},
        '.items: element 0: associative list with keys has an element that omits key field "name" '
        "(and doesn't have default value)",
    ),
    (
        {"items": [{"name": "a", "value": "x"}], "text": 1},
        'errors:\n  .items[name="a"].value: expected numeric (int or float), got "x"\n'
        "  .text: expected string, got 1",
    ),
]


@pytest.mark.parametrize(("applied", "message"), NO_TYPE)
def test_refused_before_looking(applied: Any, message: str) -> None:
    error = refused(None, applied)
    assert (error.code, error.message) == (400, message)


@pytest.mark.parametrize(("applied", "message"), NOT_TYPED)
def test_refused_by_the_schema(applied: Any, message: str) -> None:
    error = refused(None, obj(**applied))
    assert (error.code, error.message) == (400, PREFIX + message)


def test_only_some_errors_are_listed() -> None:
    assert refused(None, obj(map=dict.fromkeys(map(str, range(99)), 1))).message.count("\n") == 20


# live, applied, merged: no ownership, only how lists and maps come together
MERGES: list[tuple[Any, Any, Any]] = [
    ({"map": {"k": "v"}}, {"map": None}, {"map": {"k": "v"}}),
    ({"map": {"k": "v"}}, {"map": {}}, {"map": {"k": "v"}}),
    ({"map": {}}, {"map": None}, {"map": None}),
    ({"text": "x"}, {"text": None}, {"text": None}),
    ({"atomicList": ["a", "a"]}, {"atomicList": ["b"]}, {"atomicList": ["b"]}),
    ({"atomicMap": {"a": "1"}}, {"atomicMap": {"b": "2"}}, {"atomicMap": {"b": "2"}}),
    ({"free": {"a": {"b": 1}}}, {"free": {"a": 5}}, {"free": {"a": 5}}),
    ({"free": {"a": 5}}, {"free": {"a": {"b": 1}}}, {"free": {"a": {"b": 1}}}),
    ({"free": {"a": [1], "b": 2}}, {"free": {"a": [2]}}, {"free": {"a": [2], "b": 2}}),
    ({"set": ["a", "b", "c"]}, {"set": []}, {"set": ["a", "b", "c"]}),
    ({"set": []}, {"set": ["a"]}, {"set": ["a"]}),
    ({"set": ["a", "b", "c"]}, {"set": ["a", "b"]}, {"set": ["a", "b", "c"]}),
    ({"set": ["a"]}, {"set": ["b"]}, {"set": ["a", "b"]}),
    ({"set": ["a", "b", "c", "d"]}, {"set": ["a", "x", "c", "y"]}, {"set": list("abxcdy")}),
    ({"set": ["a", "b", "c", "d"]}, {"set": ["a", "d", "c", "b"]}, {"set": list("adcb")}),
    ({"set": ["s", "a", "t", "b", "u"]}, {"set": ["b", "a"]}, {"set": list("stbua")}),
    ({"set": ["a", "a", "s"]}, {"set": ["a", "c"]}, {"set": ["a", "c", "s"]}),
    ({"set": ["a", "a", "c"]}, {"set": ["e"]}, {"set": ["a", "a", "c", "e"]}),
    (
        {"items": [{"name": "a", "value": 1}, {"name": "b", "value": 2}]},
        {"items": [{"name": "b", "set": ["x"]}]},
        {"items": [{"name": "a", "value": 1}, {"name": "b", "value": 2, "set": ["x"]}]},
    ),
    (
        {"items": [{"name": "a", "value": 1}, {"name": "a", "value": 2}]},
        {"items": [{"name": "a", "set": ["x"]}]},
        {"items": [{"name": "a", "set": ["x"]}]},
    ),
    (
        {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]},
        {"ports": [{"port": 80, "text": "x"}]},
        {
            "ports": [
                {"port": 80, "protocol": "TCP", "text": "x"},
                {"port": 80, "protocol": "UDP"},
            ]
        },
    ),
]


@pytest.mark.parametrize(("live", "applied", "merged"), MERGES)
def test_merge(live: Any, applied: Any, merged: Any) -> None:
    before = json.dumps([live, applied])
    assert merge_objects(live, applied, WIDGET) == merged
    assert json.dumps([live, applied]) == before


A = {"name": "a", "value": 1}
PRUNES: list[tuple[str, list[Step], Any, dict[str, list[str]]]] = [
    (
        "struct goes as a whole",
        [("apply", "one", {"struct": {"a": "x"}, "text": "t"}), ("apply", "one", {"text": "t"})],
        {"text": "t"},
        {"one": [".text"]},
    ),
    (
        "last field goes",
        [("apply", "one", {"text": "t"}), ("apply", "one", {})],
        {},
        {},
    ),
    (
        "updated sibling keeps the struct",
        [
            ("apply", "one", {"struct": {"a": "x"}}),
            ("update", "two", {"struct": {"a": "x", "b": "y"}}),
            ("apply", "one", {}),
        ],
        {"struct": {"b": "y"}},
        {"two*": [".struct.b"]},
    ),
    (
        "emptied struct stays where it is still claimed",
        [("apply", "one", {"struct": {"a": "x"}}), ("apply", "one", {"struct": {}})],
        {"struct": {}},
        {"one": [".struct"]},
    ),
    (
        "what another has taken over stays",
        [
            ("apply", "one", {"struct": {"a": "x"}}),
            ("update", "two", {"struct": {"a": "z"}}),
            ("apply", "one", {"struct": {}}),
        ],
        {"struct": {"a": "z"}},
        {"two*": [".struct.a"], "one": [".struct"]},
    ),
    (
        "shared value stays with the other",
        [("apply", "one", {"text": "t"}), ("apply", "two", {"text": "t"}), ("apply", "one", {})],
        {"text": "t"},
        {"two": [".text"]},
    ),
    (
        "item goes, though another has set something in it",
        [
            ("apply", "one", {"items": [A, {"name": "b"}]}),
            ("update", "two", {"items": [A, {"name": "b", "value": 2}]}),
            ("apply", "one", {"items": [A]}),
        ],
        {"items": [A]},
        {"one": ['.items[name="a"]', '.items[name="a"].name', '.items[name="a"].value']},
    ),
    (
        "item of two keeps the other's part",
        [
            ("apply", "one", {"items": [{"name": "a", "set": ["c"]}]}),
            ("apply", "two", {"items": [{"name": "a", "set": ["d"]}]}),
            ("apply", "one", {"items": []}),
        ],
        {"items": [{"name": "a", "set": ["d"]}]},
        {"two": ['.items[name="a"]', '.items[name="a"].name', '.items[name="a"].set[="d"]']},
    ),
    (
        "value in a set",
        [("apply", "one", {"set": ["a", "b", "c"]}), ("apply", "one", {"set": ["a", "c"]})],
        {"set": ["a", "c"]},
        {"one": ['.set[="a"]', '.set[="c"]']},
    ),
    (
        "entry in free form",
        [
            ("apply", "one", {"free": {"a": {"b": 1, "c": 1}}}),
            ("apply", "one", {"free": {"a": {"b": 1}}}),
        ],
        {"free": {"a": {"b": 1}}},
        {"one": [".free.a", ".free.a.b"]},
    ),
    (
        "duplicates by another writer stay",
        [
            ("apply", "one", {"items": [A, {"name": "b"}]}),
            ("update", "two", {"items": [A, A, {"name": "b"}]}),
            ("apply", "one", {"items": names("b")}),
        ],
        {"items": [A, A, {"name": "b"}]},
        {"one": ['.items[name="b"]', '.items[name="b"].name'], "two*": ['.items[name="a"]']},
    ),
]


@pytest.mark.parametrize(
    ("steps", "outcome", "owned"), [row[1:] for row in PRUNES], ids=[row[0] for row in PRUNES]
)
def test_what_is_no_longer_applied(steps: list[Step], outcome: Any, owned: Any) -> None:
    live = play(steps)
    assert (content(live), owners(live)) == (outcome, owned)


def test_fields_nobody_claims_stay() -> None:
    live = apply(None, obj(struct={"a": "x"}), WIDGET, writer("one")).object
    live["struct"]["b"] = live["text"] = "default"
    held = apply(live, obj(struct={"a": "y"}), WIDGET, writer("one")).object
    assert content(held) == {"struct": {"a": "y", "b": "default"}, "text": "default"}


def test_applying_again_changes_nothing() -> None:
    live = play([("apply", "one", {"text": "t", "set": ["a"]})])
    again = apply(live, obj(text="t", set=["a"]), WIDGET, writer("one", at=50))
    assert again.object == live


def test_joining_in_has_no_time() -> None:
    live = play([("apply", "one", {"text": "t"})])
    joined = apply(live, obj(text="t"), WIDGET, writer("four", at=50))
    assert "time" not in joined.managed_fields[0]
    assert owners(joined.object) == {"four": [".text"], "one": [".text"]}


def test_object_from_before_apply_has_one_owner() -> None:
    live = obj(text="t", count=1)
    error = refused(live, obj(text="u"))
    assert error.causes[0].message == 'conflict with "before-first-apply" using v1'
    held = apply(live, obj(text="t"), WIDGET, writer("one")).object
    assert owners(held) == {"one": [".text"], "before-first-apply*": [".count", ".text"]}


def test_appliers_have_one_entry_in_all_versions() -> None:
    live = play([("apply", "one", {"text": "t", "count": 1})])
    held = apply(
        live, {**obj(text="t"), "apiVersion": "v2"}, WIDGET, writer("one", version="v2")
    ).object
    assert (owners(held), held.get("count")) == ({"one": [".text"]}, None)
    assert held["metadata"]["managedFields"][0]["apiVersion"] == "v2"


def test_reset_fields_are_not_claimed() -> None:
    held = apply(
        None, obj(struct={"a": "x"}, text="t"), WIDGET, writer("one"), reset_fields={"f:struct": {}}
    )
    assert owners(held.managed_fields) == {"one": [".text"]}


def test_cluster_annotation_is_not_claimed() -> None:
    applied = obj(metadata={"annotations": {"kcp.io/cluster": "c"}}, text="t")
    assert owners(apply(None, applied, WIDGET, writer("one")).managed_fields) == {"one": [".text"]}


def test_live_items_without_keys() -> None:
    error = refused(obj(items=[{}]), obj(items=names("a")))
    assert (error.code, error.message[:34]) == (400, "failed to create typed live object")


def test_became_atomic_since() -> None:
    fields = from_paths([("f:atomicMap", "f:a")])
    live = obj(atomicMap={"a": "1"}, metadata={"managedFields": [entry("old", fields)]})
    assert refused(live, obj(atomicMap={"b": "2"})).causes[0].field == ".atomicMap"


class TestFromClientSideApply:
    """kubectl's own annotation is honoured for manager "kubectl" alone."""

    def live(self, last: Any, **members: Any) -> Object:
        metadata = {"annotations": {LAST_APPLIED: json.dumps(last)}}
        new = obj(metadata=metadata, **members)
        entries = update_managers(None, new, WIDGET, writer("kubectl-client-side-apply"))
        return obj(metadata={**metadata, "managedFields": entries}, **members)

    def apply(self, live: Object, manager: str = "kubectl", **members: Any) -> Applied:
        return apply(live, obj(**members), WIDGET, writer(manager))

    def test_own_fields_are_no_conflict(self) -> None:
        live = self.live(obj(text="a"), text="a", count=1)
        held = self.apply(live, text="b")
        assert held.object["text"] == "b"
        last = json.loads(held.object["metadata"]["annotations"][LAST_APPLIED])
        assert last == obj(text="b")
        assert ".text" not in owners(held.managed_fields)["kubectl-client-side-apply*"]

    @pytest.mark.parametrize(
        ("last", "manager"),
        [
            (obj(text="other"), "kubectl"),
            (obj(), "kubectl"),
            ({**obj(text="a"), "apiVersion": "v2"}, "kubectl"),
            (obj(text=1), "kubectl"),
            ("no object", "kubectl"),
            (obj(text="a"), "other"),
        ],
    )
    def test_other_fields_are(self, last: Any, manager: str) -> None:
        with pytest.raises(ApiError) as caught:
            self.apply(self.live(last, text="a"), manager, text="b")
        assert caught.value.code == 409

    def test_annotation_that_grew_too_large_goes(self) -> None:
        live = self.live(obj(text="a"), text="a")
        held = self.apply(live, text="b" * 300_000)
        assert LAST_APPLIED not in held.object["metadata"]["annotations"]


def test_extracted_items_bring_their_keys() -> None:
    value = {"items": [A, {"name": "b"}], "set": ["x", "y"], "map": {"k": "v"}, "text": "t"}
    element = 'k:{"name":"a"}'
    wanted = from_paths([("f:items", element, "f:value"), ("f:set", 'v:"y"'), ("f:map",)])
    assert extract_items(value, wanted, WIDGET) == {"items": [A], "set": ["y"], "map": {"k": "v"}}


@given(WIDGETS, WIDGETS)
def test_apply_twice_is_apply_once(first: Any, second: Any) -> None:
    live = apply(None, obj(**first), WIDGET, writer("one")).object
    once = apply(live, obj(**second), WIDGET, writer("two", at=1), force=True).object
    before = json.dumps(once)
    twice = apply(once, obj(**second), WIDGET, writer("two", at=2), force=True).object
    assert twice == once
    assert json.dumps(once) == before


@given(WIDGETS, WIDGETS)
def test_sole_applier_gets_what_it_states(first: Any, second: Any) -> None:
    live = apply(None, obj(**first), WIDGET, writer("one")).object
    held = apply(live, obj(**second), WIDGET, writer("one", at=1)).object
    assert content(held) == second


@given(WIDGETS, WIDGETS)
def test_what_is_forced_is_there(first: Any, second: Any) -> None:
    live = apply(None, obj(**first), WIDGET, writer("one")).object
    held = apply(live, obj(**second), WIDGET, writer("two"), force=True).object
    assert merge_objects(held, obj(**second), WIDGET) == held

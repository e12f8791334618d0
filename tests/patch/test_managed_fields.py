"""What creates, updates and patches do to managedFields."""

from typing import Any

import pytest
from hypothesis import given

from kcpfast.patch.fieldset import union
from kcpfast.patch.managed_fields import (
    MAX_UPDATE_MANAGERS,
    RESET_BY_MAIN,
    RESET_BY_STATUS,
    keep_times,
    update_managers,
)
from kcpfast.patch.managers import sent_managers, to_entries
from tests.models.patch import as_paths, places
from tests.patch.kinds import CONFIG_MAP, NAMESPACE, WIDGET, Object, listed, obj, owners, writer
from tests.patch.test_owned_fields import WIDGETS


def entry(manager: str, fields: Any, **more: Any) -> Object:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2024-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def write(old: Object | None, new: Object, manager: str, node: Any = WIDGET, **how: Any) -> Object:
    """Return `new` as it would be stored after a create or update."""
    reset = how.pop("reset", None)
    entries = update_managers(old, new, node, writer(manager, **how), reset_fields=reset)
    bare = {key: value for key, value in new["metadata"].items() if key != "managedFields"}
    return {**new, "metadata": bare | ({"managedFields": entries} if entries else {})}


def test_entry_as_recorded() -> None:
    created = write(None, obj(data={"k": "v"}), "vectors", CONFIG_MAP)
    assert created["metadata"]["managedFields"] == [
        entry("vectors", {"f:data": {".": {}, "f:k": {}}})
    ]
    assert list(created["metadata"]["managedFields"][0]) == list(entry("", {}))


def test_update_takes_and_drops_as_recorded() -> None:
    one = write(None, obj(data={"k": "v"}), "kubectl", CONFIG_MAP)
    two = write(one, obj(data={"k": "w"}), "me", CONFIG_MAP)
    assert owners(two) == {"kubectl*": [".data"], "me*": [".data.k"]}
    three = write(two, obj(data={"n": "w"}), "me", CONFIG_MAP)
    assert owners(three) == {"kubectl*": [".data"], "me*": [".data.n"]}


def test_status_entry_as_recorded() -> None:
    live = write(None, obj(status={"phase": "Active"}), "kcp", NAMESPACE)
    conditions = [{"type": "T", "status": "True", "lastTransitionTime": None}]
    new = obj(status={"phase": "Active", "conditions": conditions})
    held = write(live, new, "st", NAMESPACE, subresource="status")
    key = 'k:{"type":"T"}'
    item: Any = {".": {}, "f:lastTransitionTime": {}, "f:status": {}, "f:type": {}}
    assert held["metadata"]["managedFields"][1] == entry(
        "st", {"f:status": {"f:conditions": {".": {}, key: item}}}, subresource="status"
    )


def test_fields_that_are_nobodys() -> None:
    metadata = {
        "annotations": {"kcp.io/cluster": "c"},
        "creationTimestamp": "t",
        "generation": 1,
        "labels": {"l": "1"},
        "namespace": "n",
        "resourceVersion": "1",
        "uid": "u",
    }
    held = write(None, obj(metadata=metadata), "me")
    assert owners(held) == {"me*": [".metadata.labels", ".metadata.labels.l"]}
    assert write(None, obj(), "me")["metadata"].get("managedFields") is None


def test_unchanged_keeps_the_record_and_its_times() -> None:
    live = write(None, obj(set=["a", "b"]), "me", at=1)
    for again in (
        live,
        obj(set=["b", "a"]),
        obj(set=["a", "b"], metadata={"resourceVersion": "9"}),
    ):
        held = update_managers(live, again, WIDGET, writer("you", at=9))
        assert held == live["metadata"]["managedFields"]


def test_one_manager_in_several_roles() -> None:
    live = write(None, obj(text="a"), "me", at=1)
    live = write(live, obj(text="a", count=1), "me", at=2)
    live = write(live, obj(text="a", count=1, map={"k": "v"}), "me", at=3, version="v2")
    entries = live["metadata"]["managedFields"]
    assert [(each["apiVersion"], listed(each["fieldsV1"])) for each in entries] == [
        ("v1", [".count", ".text"]),
        ("v2", [".map", ".map.k"]),
    ]
    assert [each["time"][-3:] for each in entries] == ["02Z", "03Z"]


def test_manager_without_a_name() -> None:
    assert owners(write(None, obj(text="a"), "")) == {"unknown*": [".text"]}


def test_reset_fields_are_not_looked_at() -> None:
    new = obj(status={"phase": "x"}, spec={"a": 1}, metadata={"labels": {"l": "1"}})
    main = [".metadata.labels", ".metadata.labels.l", ".spec", ".spec.a"]
    assert owners(write(None, new, "me", NAMESPACE, reset=RESET_BY_MAIN)) == {"me*": main}
    held = write(None, new, "me", NAMESPACE, reset=RESET_BY_STATUS)
    assert owners(held) == {"me*": [".status.phase"]}


SENT = [entry("you", {"f:text": {}}, operation="Apply")]
# what the client sends as managedFields -> owners afterwards, on create and on update of text
SENT_CASES: list[tuple[Any, dict[str, list[str]], dict[str, list[str]]]] = [
    ([], {"me*": [".count", ".text"]}, {}),
    ([{}], {"me*": [".count", ".text"]}, {}),
    (None, {"me*": [".count", ".text"]}, {"me*": [".text"], "first*": [".count"]}),
    (SENT, {"me*": [".count", ".text"]}, {"me*": [".text"]}),
    ([{"manager": "x"}], {"me*": [".count", ".text"]}, {"me*": [".text"], "first*": [".count"]}),
    ("text", {"me*": [".count", ".text"]}, {"me*": [".text"], "first*": [".count"]}),
    (
        [entry("you", {"f:count": {}})],
        {"me*": [".count", ".text"]},
        {"you*": [".count"], "me*": [".text"]},
    ),
]


@pytest.mark.parametrize(("sent", "created", "updated"), SENT_CASES)
def test_what_clients_send(sent: Any, created: Any, updated: Any) -> None:
    new = obj(count=1, text="b", metadata={"managedFields": sent})
    assert owners(write(None, new, "me")) == created
    live = write(None, obj(count=1, text="a"), "first")
    assert owners(write(live, new, "me")) == updated
    by_status = write(live, new, "me", subresource="status")
    assert owners(by_status) == {"first*": [".count"], "me/status*": [".text"]}


def test_object_without_a_record_stays_without() -> None:
    assert update_managers(obj(text="a"), obj(text="b"), WIDGET, writer("me")) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"operation": "Patch"},
        {"apiVersion": ""},
        {"fieldsType": "FieldsV2"},
        {"fieldsV1": {"bad": {}}},
        {"fieldsV1": "x"},
        {"time": "yesterday"},
        {"time": "2024-01-01T00:00:00"},
        {"time": 5},
        {"manager": 5},
    ],
)
def test_malformed_entries_are_refused(broken: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        sent_managers([entry("x", {"f:a": {}}) | broken])


def test_sent_entries_are_brought_into_form() -> None:
    bare = entry("x", {"v:  2.0": {}})
    del bare["time"]
    assert to_entries(sent_managers([bare])) == [bare | {"fieldsV1": {"v:2": {}}}]
    sent = entry(
        "x", {'k:{"b": 1, "a": 2}': {".": {}}, "z:new": {}}, time="2024-01-01T01:00:00.5+01:00"
    )
    assert to_entries(sent_managers([sent])) == [entry("x", {'k:{"a":2,"b":1}': {}})]


def test_items_without_keys_leave_the_record_alone() -> None:
    live = write(None, obj(text="a"), "me")
    held = update_managers(live, obj(items=[{}]), WIDGET, writer("you"))
    assert held == live["metadata"]["managedFields"]


def test_oldest_updates_share_a_bucket() -> None:
    live = None
    for turn in range(MAX_UPDATE_MANAGERS + 3):
        held = {f"k{each}": "v" for each in range(turn + 1)}
        version = "v0" if turn == 0 else "v1"
        live = write(live, obj(map=held), f"m{turn}", at=turn, version=version)
    assert live is not None
    found = owners(live)
    assert len(found) == MAX_UPDATE_MANAGERS
    assert found["ancient-changes*"] == [f".map.k{each}" for each in range(1, 5)]
    assert found["m0*"] == [".map", ".map.k0"], "alone in its version"
    times = [each["time"] for each in live["metadata"]["managedFields"]]
    assert times == sorted(times)


def test_times_are_kept_where_nothing_else_changes() -> None:
    old = obj(text="a", metadata={"managedFields": [entry("x", {"f:text": {}})]})
    later = [entry("x", {"f:text": {}}, time="2025-01-01T00:00:00Z")]
    new = obj(text="a", metadata={"managedFields": later})
    assert keep_times(old, new) == old
    others = obj(text="a", metadata={"managedFields": [entry("y", {"f:text": {}})]})
    assert keep_times(old, others) is others
    assert keep_times(obj(), new) is new
    for other in ({**new, "text": "b"}, obj(text="a", metadata={"managedFields": later * 2})):
        expected = old["metadata"] if other["text"] == "a" else other["metadata"]
        assert keep_times(old, other)["metadata"] == expected


UNNAMED = WIDGETS.map(lambda widget: {key: widget[key] for key in widget if key != "text"})


@given(UNNAMED, UNNAMED, UNNAMED)
def test_every_change_has_its_writer(first: Any, second: Any, third: Any) -> None:
    one = write(None, obj(**first, text="tracked"), "one")
    two = write(one, obj(**second, text="tracked"), "two", at=1)
    three = write(two, obj(**third, text="tracked"), "three", at=2)
    there = places(third | {"text": "tracked"}, WIDGET)
    before = places(second | {"text": "tracked"}, WIDGET)
    held = {each["manager"]: each["fieldsV1"] for each in three["metadata"]["managedFields"]}
    everyone: Any = {}
    for fields in held.values():
        assert as_paths(fields) <= there.keys(), "what is absent is nobody's"
        everyone = union(everyone, fields)
    assert as_paths(everyone) == there.keys(), "what is there is somebody's"
    mine = as_paths(held.get("three", {}))
    for path, leaf in there.items():
        if path not in before or (leaf is not None and before[path] != leaf):
            assert path in mine

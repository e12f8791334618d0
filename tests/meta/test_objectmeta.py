"""What a client may say of an object's identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kcpfast.meta.errors import MAX_CAUSES, Cause
from kcpfast.meta.names import check_annotations, check_labels, dns_subdomain
from kcpfast.meta.objectmeta import (
    check_finalizers,
    check_meta,
    check_meta_update,
    generate_name,
    new_uid,
)

GOOD = {"name": "a", "namespace": "n"}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "1"}
NEW: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"name": ""}, ["name Required"]),
    ({"name": "A"}, ["name Invalid"]),
    ({"generateName": "a-"}, []),
    ({"generateName": "A"}, ["generateName Invalid"]),
    ({"namespace": ""}, ["namespace Required"]),
    ({"namespace": "N"}, ["namespace Invalid"]),
    ({"labels": {"a b": "c d"}}, ["labels Invalid", "labels Invalid"]),
    ({"annotations": {"A.io/x": "any text"}}, []),
    ({"annotations": {"a": "x" * 262144}}, ["annotations TooLong"]),
    ({"generation": -1}, ["generation Invalid"]),
    ({"ownerReferences": [OWNER]}, []),
    ({"ownerReferences": [{"name": "o"}]}, [
        "ownerReferences.apiVersion Invalid", "ownerReferences.kind Invalid",
        "ownerReferences.uid Invalid"]),
    ({"ownerReferences": [{**OWNER, "kind": "Event"}]}, ["ownerReferences Invalid"]),
    ({"ownerReferences": [{**OWNER, "controller": True}] * 2}, ["ownerReferences Invalid"]),
    ({"finalizers": ["orphan", "x.io/a"]}, []),
    ({"finalizers": ["plain"]}, []),
    ({"finalizers": ["no spaces"]}, ["finalizers[0] Invalid"]),
    ({"finalizers": ["orphan", "foregroundDeletion"]}, ["finalizers Invalid"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "wrong"), NEW)
def test_new_metadata_is_checked(change: dict[str, Any], wrong: list[str]) -> None:
    found = check_meta({**GOOD, **change}, dns_subdomain, namespaced=True)
    said = [f"{each.field} {each.reason.removeprefix('FieldValue')}" for each in found]
    assert said == [f"metadata.{each}" for each in wrong]


def test_cluster_scoped_objects_have_no_namespace() -> None:
    assert check_meta({"name": "a"}, dns_subdomain, namespaced=False) == []
    found = check_meta(GOOD, dns_subdomain, namespaced=False)
    assert [each.reason for each in found] == ["FieldValueForbidden"]


UPDATES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    # what is stored, what is changed of it, what is wrong (once by all kinds, once by each)
    ({}, {"labels": {"a": "b"}}, []),
    ({}, {"uid": "2"}, ["uid", "uid"]),
    ({}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}, ["deletionTimestamp"] * 2),
    ({"generation": 3}, {"generation": 2}, ["generation", "generation"]),
    ({"finalizers": ["x.io/a", "x.io/b"]}, {"finalizers": ["x.io/b", "x.io/c"]}, []),
    ({"deletionTimestamp": "t", "finalizers": ["x.io/a"]}, {"finalizers": []}, []),
    ({"deletionTimestamp": "t", "finalizers": ["x.io/a"]},
     {"finalizers": ["x.io/a", "x.io/b"]}, ["finalizers", "finalizers"]),
    ({}, {"labels": {"a b": ""}}, ["labels"]),
]  # fmt: skip


@pytest.mark.parametrize(("stored", "change", "wrong"), UPDATES)
def test_changed_metadata_is_checked(
    stored: dict[str, Any], change: dict[str, Any], wrong: list[str]
) -> None:
    old = {**GOOD, "uid": "1", **stored}
    found = check_meta_update({**old, **change}, old)
    assert [each.field for each in found] == [f"metadata.{each}" for each in wrong]


def test_generated_names_and_uids_are_what_clients_expect() -> None:
    made = {generate_name("x" * 70) for _ in range(100)}
    assert all(len(each) == 63 for each in made)
    assert len(made) > 90
    uids = [new_uid() for _ in range(100)]
    assert len(set(uids)) == 100
    assert all(len(each) == 36 and each[14] == "4" and each[19] in "89ab" for each in uids)


@pytest.mark.parametrize(
    ("check", "many"),
    [
        (check_finalizers, ["?"] * 3 * MAX_CAUSES),
        (check_labels, {f"-{n}": "?" for n in range(3 * MAX_CAUSES)}),
        (check_annotations, {f"-{n}": "" for n in range(3 * MAX_CAUSES)}),
    ],
)
def test_no_more_is_found_than_is_told(check: Callable[..., list[Cause]], many: Any) -> None:
    assert MAX_CAUSES < len(check(many, "metadata.x")) < MAX_CAUSES + 3

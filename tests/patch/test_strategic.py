"""Strategic merge patch: the recorded answers of the server, and the orders one by one."""

import json
from typing import Any

import pytest

from kcpfast.meta.errors import ApiError
from kcpfast.patch.merge_type import merge_node
from kcpfast.patch.strategic import apply_strategic_patch
from tests.patch.kinds import CONFIG_MAP, SERVICE_ACCOUNT, STRING

FINALIZERS = "$deleteFromPrimitiveList/finalizers"


def named(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


# Recorded: document, patch, outcome.
RECORDED: list[tuple[Any, Any, Any, Any]] = [
    (CONFIG_MAP, {"data": {"k": "v"}}, {"data": {"s": "1"}}, {"data": {"k": "v", "s": "1"}}),
    (
        CONFIG_MAP,
        {"metadata": {"finalizers": ["a"]}},
        {"metadata": {"finalizers": ["b"]}},
        {"metadata": {"finalizers": ["b", "a"]}},
    ),
    (
        CONFIG_MAP,
        {"metadata": {"name": "x", "finalizers": ["b", "a"]}},
        {"metadata": {FINALIZERS: ["a", "b"]}},
        {"metadata": {"name": "x"}},
    ),
    (
        CONFIG_MAP,
        {"data": {"k": "v"}},
        {"data": {"$patch": "replace", "only": "me"}},
        {"data": {"only": "me"}},
    ),
    (
        CONFIG_MAP,
        {"data": {"k": "v", "only": "you"}},
        {"data": {"$retainKeys": ["only"], "only": "me"}},
        {"data": {"only": "me"}},
    ),
    (
        SERVICE_ACCOUNT,
        {"secrets": named("one")},
        {"secrets": named("two")},
        {"secrets": named("two", "one")},
    ),
    (
        SERVICE_ACCOUNT,
        {"secrets": named("two", "one")},
        {"secrets": [{"name": "one", "$patch": "delete"}]},
        {"secrets": named("two")},
    ),
    (
        SERVICE_ACCOUNT,
        {"secrets": named("two")},
        {"secrets": named("three"), "$setElementOrder/secrets": named("three", "two")},
        {"secrets": named("three", "two")},
    ),
    (
        SERVICE_ACCOUNT,
        {"imagePullSecrets": named("a")},
        {"imagePullSecrets": named("b")},
        {"imagePullSecrets": named("b")},
    ),
]
LIST = {"type": "array", "items": {"type": "object"}, "x-kubernetes-patch-strategy": "merge"}
CONTAINERS = {
    **LIST,
    "items": {"type": "object", "properties": {"name": STRING, "args": {"type": "array"}}},
    "x-kubernetes-patch-merge-key": "name",
}
REPLACED = {
    "type": "object",
    "properties": {"a": STRING, "b": STRING},
    "x-kubernetes-patch-strategy": "replace",
}
POD = merge_node(
    {
        "type": "object",
        "properties": {
            "containers": CONTAINERS,
            "keyless": LIST,
            "plain": {"type": "object", "properties": {"a": STRING, "b": STRING}},
            "replaced": REPLACED,
            "values": {**LIST, "items": STRING},
        },
    }
)
ORDER = "$setElementOrder/containers"
# document, patch, outcome
ORDERS: list[tuple[Any, Any, Any]] = [
    ({}, {"plain": {"a": None, "b": "x"}}, {"plain": {"b": "x"}}),
    ({"plain": {"a": "x"}}, {"plain": {"a": None}}, {"plain": {}}),
    ({"plain": {"a": "x"}}, {"plain": None}, {}),
    ({"plain": {"a": "x"}}, {"plain": {"$patch": "delete"}}, {"plain": {}}),
    (
        {"plain": {"a": "x"}},
        {"plain": {"$patch": "merge", "b": "y"}},
        {"plain": {"a": "x", "b": "y"}},
    ),
    ({"plain": {"a": "x"}}, {"$patch": "replace", "values": ["v"]}, {"values": ["v"]}),
    ({"plain": {"a": "x"}}, {"$patch": "delete"}, {}),
    ({}, {"plain": {"$patch": "replace", "a": "x"}}, {"plain": {"a": "x"}}),
    ({"replaced": {"a": "x"}}, {"replaced": {"b": "y"}}, {"replaced": {"b": "y"}}),
    ({"values": ["a", "b"]}, {"values": ["b", "c"]}, {"values": ["a", "b", "c"]}),
    ({"values": "text"}, {"values": ["b", "b"]}, {"values": ["b"]}),
    ({"values": ["a", "b"]}, {"$deleteFromPrimitiveList/values": ["a"]}, {"values": ["b"]}),
    ({}, {"$deleteFromPrimitiveList/values": ["a"]}, {}),
    (
        {"values": ["a", "b"]},
        {
            "values": ["c"],
            "$deleteFromPrimitiveList/values": ["a"],
            "$setElementOrder/values": ["c", "b"],
        },
        {"values": ["c", "b"]},
    ),
    (
        {},
        {"containers": [{"name": "a", "$patch": "delete"}, {"name": "b"}]},
        {"containers": named("b")},
    ),
    (
        {"containers": [{"name": "a", "args": ["x"]}]},
        {"containers": [{"name": "a", "args": ["y"]}]},
        {"containers": [{"name": "a", "args": ["y"]}]},
    ),
    (
        {"containers": named("a", "b")},
        {"containers": [{"$patch": "replace"}, {"name": "c"}, {"name": "d"}]},
        {"containers": named("c", "d")},
    ),
    (
        {"containers": [{"name": "a", "args": ["x"]}, {"name": "b"}]},
        {"containers": [{"name": "a", "$patch": "merge", "x": 1}]},
        {"containers": [{"name": "a", "args": ["x"], "x": 1}, {"name": "b"}]},
    ),
    # The patch's own items in its order, the others where they were.
    (
        {"containers": named("a", "b", "c")},
        {"containers": named("c", "a")},
        {"containers": named("b", "c", "a")},
    ),
    (
        {"containers": named("a", "b", "c")},
        {ORDER: named("c", "b", "a")},
        {"containers": named("c", "b", "a")},
    ),
    (
        {"containers": named("a", "s", "b")},
        {"containers": named("n"), ORDER: named("b", "n", "a")},
        {"containers": named("s", "b", "n", "a")},
    ),
    ({}, {"containers": named("a", "b"), ORDER: named("a", "b")}, {"containers": named("a", "b")}),
    ({}, {ORDER: named("a")}, {}),
    # Duplicates in what is stored stay, and only the first is merged with.
    (
        {"containers": [{"name": "a", "x": 1}, {"name": "a", "x": 2}]},
        {"containers": [{"name": "a", "y": 3}]},
        {"containers": [{"name": "a", "x": 1, "y": 3}, {"name": "a", "x": 2}]},
    ),
    ({"unknown": {"a": [1]}}, {"unknown": {"a": [2], "b": 1}}, {"unknown": {"a": [2], "b": 1}}),
]
CASES = RECORDED + [(POD, *row) for row in ORDERS]


@pytest.mark.parametrize(("node", "document", "patch", "outcome"), CASES)
def test_patch(node: Any, document: Any, patch: Any, outcome: Any) -> None:
    before = json.dumps([document, patch])
    assert apply_strategic_patch(document, patch, node) == outcome
    assert json.dumps([document, patch]) == before


REFUSED: list[tuple[Any, int]] = [
    ([1], 400),
    ({"plain": {"$patch": "frob"}}, 400),
    ({"plain": {"$patch": None}}, 400),
    ({"plain": {"$retainKeys": "a"}}, 400),
    ({"plain": {"$retainKeys": ["a"], "b": "x"}}, 400),
    ({"$deleteFromPrimitiveList": ["a"]}, 400),
    ({"$deleteFromPrimitiveList/values": "a"}, 400),
    ({"$deleteFromPrimitiveList/values": [{}]}, 400),
    ({"$setElementOrder/values": "a"}, 400),
    ({"containers": [{"args": []}]}, 400),
    ({"containers": [{"name": {}}]}, 400),
    ({"containers": [{"name": "a", "$patch": "frob"}]}, 400),
    ({"containers": ["a"]}, 400),
    ({"keyless": [{"a": 1}]}, 400),
    ({"values": [["a"]]}, 422),
    ({"containers": named("a", "b"), ORDER: named("b", "a")}, 400),
    ({"containers": named("a", "b"), ORDER: named("a")}, 400),
]


@pytest.mark.parametrize(("patch", "code"), REFUSED)
def test_refused(patch: Any, code: int) -> None:
    document = {"values": ["v"], "containers": named("c"), "plain": {"a": "x"}}
    with pytest.raises(ApiError) as refused:
        apply_strategic_patch(document, patch, POD)
    assert refused.value.code == code


def test_result_shares_nothing() -> None:
    document, patch = {"keep": {"a": [1]}}, {"new": {"b": [2]}}
    patched = apply_strategic_patch(document, patch, POD)
    patched["keep"]["a"].append(3)
    patched["new"]["b"].append(3)
    assert (document, patch) == ({"keep": {"a": [1]}}, {"new": {"b": [2]}})

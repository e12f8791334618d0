"""RFC 6902: its own examples, and what kube-apiserver answers where it differs."""

import json
from typing import Any

import pytest

from kcpfast.meta.errors import ApiError
from kcpfast.patch.json_patch import apply_json_patch


def op(kind: str, path: str, *value: Any, **more: Any) -> dict[str, Any]:
    return {"op": kind, "path": path, **({"value": value[0]} if value else {}), **more}


GRASS = {"foo": ["all", "grass", "cows", "eat"]}
WALDO = {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}

# RFC 6902, appendix A: document, operation, outcome (None: refused). A.13 is the decoder's.
RFC_CASES = [
    ("A.1", {"foo": "bar"}, op("add", "/baz", "qux"), {"baz": "qux", "foo": "bar"}),
    ("A.2", {"foo": ["a", "c"]}, op("add", "/foo/1", "b"), {"foo": ["a", "b", "c"]}),
    ("A.3", {"baz": "qux", "foo": "bar"}, op("remove", "/baz"), {"foo": "bar"}),
    ("A.4", {"foo": ["a", "b", "c"]}, op("remove", "/foo/1"), {"foo": ["a", "c"]}),
    ("A.5", {"baz": "qux"}, op("replace", "/baz", "boo"), {"baz": "boo"}),
    (
        "A.6",
        WALDO,
        op("move", "/qux/thud", **{"from": "/foo/waldo"}),
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        "A.7",
        GRASS,
        op("move", "/foo/3", **{"from": "/foo/1"}),
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    ("A.8", {"baz": ["a", 2]}, op("test", "/baz/1", 2), {"baz": ["a", 2]}),
    ("A.9", {"baz": "qux"}, op("test", "/baz", "bar"), None),
    ("A.10", {"foo": 1}, op("add", "/child", {"a": {}}), {"foo": 1, "child": {"a": {}}}),
    ("A.11", {"foo": 1}, op("add", "/baz", 2, xyz=123), {"foo": 1, "baz": 2}),
    ("A.12", {"foo": "bar"}, op("add", "/baz/bat", "qux"), None),
    ("A.14", {"/": 9, "~1": 10}, op("test", "/~01", 10), {"/": 9, "~1": 10}),
    ("A.15", {"/": 9, "~1": 10}, op("test", "/~01", "10"), None),
    ("A.16", {"foo": ["bar"]}, op("add", "/foo/-", ["abc"]), {"foo": ["bar", ["abc"]]}),
]
SERVER_CASES = [
    ("replace-adds", {}, op("replace", "/a", 1), {"a": 1}),
    ("replace-missing-parent", {}, op("replace", "/a/b", 1), None),
    ("replace-past-end", {"a": [1]}, op("replace", "/a/1", 1), None),
    ("replace-all", {"a": 1}, op("replace", "", {"b": 2}), {"b": 2}),
    ("replace-all-by-scalar", {"a": 1}, op("replace", "", 2), None),
    ("add-no-value", {}, op("add", "/a"), {"a": None}),
    ("add-all", {"a": 1}, op("add", "", {}), None),
    ("add-at-end", {"a": [1]}, op("add", "/a/1", 2), {"a": [1, 2]}),
    ("add-past-end", {"a": [1]}, op("add", "/a/2", 2), None),
    ("add-negative", {"a": [1, 2]}, op("add", "/a/-1", 3), {"a": [1, 2, 3]}),
    ("add-below-scalar", {"a": "x"}, op("add", "/a/b", 1), None),
    ("add-below-null", {"a": None}, op("add", "/a/b", 1), None),
    ("add-empty-name", {"": {}}, op("add", "//b", 1), {"": {"b": 1}}),
    ("remove-missing", {"a": 1}, op("remove", "/b"), None),
    ("remove-negative", {"a": [1, 2]}, op("remove", "/a/-1"), {"a": [1]}),
    ("remove-all", {"a": 1}, op("remove", ""), None),
    ("index-leading-zero", {"a": [1, 2]}, op("remove", "/a/01"), None),
    ("index-dash", {"a": [1]}, op("remove", "/a/-"), None),
    ("index-huge", {"a": [1]}, op("remove", "/a/" + "9" * 5000), None),
    ("copy", {"a": [1]}, op("copy", "/b", **{"from": "/a"}), {"a": [1], "b": [1]}),
    ("copy-missing", {}, op("copy", "/b", **{"from": "/a"}), {"b": None}),
    ("copy-no-from", {"a": 1}, op("copy", "/b"), None),
    ("move-missing", {}, op("move", "/b", **{"from": "/a"}), None),
    ("move-into-itself", {"a": {}}, op("move", "/a/b", **{"from": "/a"}), None),
    ("test-missing-is-null", {}, op("test", "/a", None), {}),
    ("test-missing", {}, op("test", "/a", 1), None),
    ("test-all", {"a": [1.0]}, op("test", "", {"a": [1]}), {"a": [1.0]}),
    ("test-true-is-not-1", {"a": {"b": True}}, op("test", "/a", {"b": 1}), None),
    ("no-path", {}, {"op": "add", "value": 1}, None),
    ("path-without-slash", {"a": 1}, op("remove", "a"), None),
    ("unknown", {}, op("frobnicate", "/a"), None),
    ("op-no-text", {}, {"op": ["add"], "path": "/a"}, None),
]


@pytest.mark.parametrize(
    ("document", "operation", "outcome"),
    [case[1:] for case in RFC_CASES + SERVER_CASES],
    ids=[case[0] for case in RFC_CASES + SERVER_CASES],
)
def test_one_operation(document: Any, operation: Any, outcome: Any) -> None:
    before = json.dumps([document, operation])
    if outcome is None:
        with pytest.raises(ApiError) as refused:
            apply_json_patch(document, [operation])
        assert refused.value.code == 422
        assert refused.value.status()["details"] == {}
    else:
        assert apply_json_patch(document, [operation]) == outcome
    assert json.dumps([document, operation]) == before


def test_operations_build_on_each_other() -> None:
    value: dict[str, Any] = {}
    operations = [op("add", "/a", value), op("add", "/a/b", 1), op("copy", "/c", **{"from": "/a"})]
    operations += [op("add", "/c/d", 2), op("test", "/a", {"b": 1})]
    assert apply_json_patch({}, operations) == {"a": {"b": 1}, "c": {"b": 1, "d": 2}}
    assert value == {}


@pytest.mark.parametrize(
    ("operations", "code"),
    [({"op": "add"}, 400), ([1], 400), ("x", 400), ([op("test", "/a", None)] * 10_001, 413)],
)
def test_no_patch_at_all(operations: Any, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        apply_json_patch({}, operations)
    assert refused.value.code == code

"""RBAC: what a rule allows, and which rules cover which."""

from __future__ import annotations

from typing import Any

import pytest

from kcpfast.auth.rules import allows, uncovered
from kcpfast.meta.user import Attributes


def rule(verbs: str, groups: str = "", resources: str = "", names: str = "", urls: str = "") -> Any:
    keys = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    texts = (verbs, groups, resources, names, urls)
    found = {key: text.split(",") for key, text in zip(keys, texts, strict=True) if text}
    if resources:
        found.setdefault("apiGroups", [""])
    return found


GET = Attributes("get", "", "v1", "pods", "", "ns", "a")
LOG = GET._replace(subresource="log")
PATH = Attributes("get", path="/metrics/cadvisor")
ALLOWS = [
    (rule("get", resources="pods"), GET, True),
    (rule("*", "*", "*"), GET, True),
    (rule("list", resources="pods"), GET, False),
    (rule("get", "apps", "pods"), GET, False),
    (rule("get", resources="pods"), LOG, False),
    (rule("get", resources="pods/log"), LOG, True),
    (rule("get", resources="*/log"), LOG, True),
    (rule("get", resources="pods/*"), LOG, False),
    (rule("get", resources="*"), LOG, True),
    (rule("get", resources="pods", names="a,b"), GET, True),
    (rule("get", resources="pods", names="b"), GET, False),
    (rule("get", resources="pods", names="b"), GET._replace(name=""), False),
    (rule("get", urls="/metrics"), PATH, False),
    (rule("get", urls="/metrics/*"), PATH, True),
    (rule("get", urls="*"), PATH, True),
    (rule("get", "*", "*"), PATH, False),
    (rule("get", urls="*"), GET, False),
]


@pytest.mark.parametrize(("given", "wanted", "allowed"), ALLOWS)
def test_rule_allows(given: Any, wanted: Attributes, allowed: bool) -> None:
    assert allows(given, wanted) is allowed


COVERS = [
    # owned, wanted, are all of them covered?
    ([rule("*", "*", "*")], [rule("get,list", "a,b", "c,d/e", "f")], True),
    ([rule("get", resources="pods")], [rule("get", resources="pods", names="a")], True),
    ([rule("get", resources="pods", names="a")], [rule("get", resources="pods")], False),
    ([rule("get", resources="pods"), rule("list", resources="pods")],
     [rule("get,list", resources="pods")], True),
    ([rule("get", resources="pods")], [rule("get", resources="*")], False),
    ([rule("get", resources="pods")], [rule("*", resources="pods")], False),
    ([rule("get", resources="*")], [rule("get", resources="pods/log")], True),
    ([rule("get", urls="/a/*")], [rule("get", urls="/a/b,/a/*")], True),
    ([rule("get", urls="/a/b")], [rule("get", urls="/a/*")], False),
    ([], [], True),
]  # fmt: skip


@pytest.mark.parametrize(("owned", "wanted", "covered"), COVERS)
def test_rules_cover(owned: list[Any], wanted: list[Any], covered: bool) -> None:
    assert (uncovered(owned, wanted) == []) is covered

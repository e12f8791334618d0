"""RBAC: what a rule allows, and which rules cover which."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kcpfast.auth import covering
from kcpfast.auth.covering import Covering, TooManyRights, singles, uncovered
from kcpfast.auth.rules import allows
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


BARE = rule("get", resources="pods") | {"resourceNames": [""]}
# One that grants too much to be filed by single rights.
WIDE = rule("get", resources="pods") | {"resourceNames": ["", *map(str, range(70)), "a"]}
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
    # A rule for the name "" is one for requests without a name, not for all names.
    ([BARE], [rule("get", resources="pods")], False),
    ([BARE], [rule("get", resources="pods", names="a")], False),
    ([WIDE], [rule("get", resources="pods")], False),
    ([WIDE], [rule("get", resources="pods", names="a")], True),
    ([BARE | {"resourceNames": ["", "a"]}], [rule("get", resources="pods")], False),
    ([rule("get", resources="pods")], [BARE], True),
    ([rule("get", resources="pods")], [WIDE], True),
    ([], [], True),
]  # fmt: skip


@pytest.mark.parametrize(("owned", "wanted", "covered"), COVERS)
def test_rules_cover(owned: list[Any], wanted: list[Any], covered: bool) -> None:
    assert (uncovered(owned, wanted) == []) is covered


_WORDS = some.lists(some.sampled_from(["a", "b", "*", "a/s", "*/s"]), min_size=1, max_size=2)
_RULES = some.lists(
    some.fixed_dictionaries(
        {"verbs": _WORDS, "apiGroups": _WORDS, "resources": _WORDS},
        optional={"resourceNames": some.lists(some.sampled_from(["x", "y"]), max_size=2)},
    )
    | some.fixed_dictionaries(
        {
            "verbs": _WORDS,
            "nonResourceURLs": some.lists(some.sampled_from(["/a", "/a/*", "/*", "*"]), min_size=1),
        }
    ),
    max_size=4,
)


def missing(owned: list[Any], wanted: list[Any]) -> list[Attributes]:
    """The twin: every single right is compared with every rule, as kube-apiserver does."""
    return [
        single
        for rule in wanted
        for single in singles(rule)
        if not any(covers(each, single) for each in owned)
    ]


def covers(owned: Any, single: Attributes) -> bool:
    paths = owned.get("nonResourceURLs") or ()
    if not single.resource and single.path in paths:
        return single.verb in owned["verbs"] or "*" in owned["verbs"]
    star = single.resource == "*" and not single.subresource
    if star and "*" not in (owned.get("resources") or ()):
        return False
    return not (owned.get("resourceNames") and not single.name) and allows(owned, single)


@pytest.mark.parametrize("filed", [0, 64])
@given(owned=_RULES, wanted=_RULES)
def test_covering_is_as_comparing_all(filed: int, owned: list[Any], wanted: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(covering, "_FILED", filed)
        found = Covering(owned)
        assert [s for rule in wanted for s in singles(rule) if not found.covers(s)] == missing(
            owned, wanted
        )
        assert bool(uncovered(owned, wanted)) is bool(missing(owned, wanted))


def named(number: int) -> list[Any]:
    return [rule("get", resources="pods", names=f"n{n}") for n in range(number)]


def test_many_rules_cost_so_many_steps() -> None:
    owned = Covering(named(3000))
    assert owned.uncovered(named(3000)) == []
    assert owned.steps < 20 * 3000


WIDE = {
    name: [f"w{n}" for n in range(1000)] for name in ("verbs", "apiGroups", "resources", "names")
}
LONG: list[tuple[list[Any], list[Any]]] = [
    (named(3), [WIDE]),
    ([WIDE | {"verbs": ["v"]}] * 2, [WIDE]),
    ([WIDE | {"verbs": [f"v{n}", *WIDE["verbs"]]} for n in range(300)], [WIDE | {"verbs": ["w1"]}]),
]


@pytest.mark.parametrize(("owned", "wanted"), LONG)
def test_a_product_of_products_is_not_gone_through(owned: list[Any], wanted: list[Any]) -> None:
    found: list[Any] = []
    with contextlib.suppress(TooManyRights):
        found = uncovered(owned, wanted)
    assert len(found) <= covering.MAX_MISSING

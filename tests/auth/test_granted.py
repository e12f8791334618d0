"""What a role grants, filed: the same answers as rule by rule, and few steps for many rules."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kcpfast.auth import rbac
from kcpfast.auth.granted import Granted
from kcpfast.auth.rules import allows
from kcpfast.meta.user import Attributes
from tests.auth.test_rules import ALLOWS, rule
from tests.fix_inside import Inside

_RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.mark.parametrize(("written", "wanted", "allowed"), ALLOWS)
def test_a_role_of_one_rule(written: Any, wanted: Attributes, allowed: bool) -> None:
    assert Granted([written]).allows(wanted) is allowed


def _few(*words: str) -> Any:
    return some.lists(some.sampled_from(words), max_size=5, unique=True)


RULES = some.fixed_dictionaries(
    {
        "verbs": _few("get", "list", "watch", "*"),
        "apiGroups": _few("", "apps", "x", "*"),
        "resources": _few("pods", "pods/log", "*/log", "nodes", "*"),
        "resourceNames": some.none() | _few("a", "b", ""),
        "nonResourceURLs": some.none() | _few("/a", "/a/*", "*"),
    }
)
ASKED = [
    *(
        Attributes(verb, group, "v1", "pods", part, "", name)
        for verb, group, part, name in product(("get", "put"), ("", "z"), ("", "log"), ("", "a"))
    ),
    *(Attributes("get", path=path) for path in ("/a", "/a/b", "/c")),
]


@given(some.lists(RULES, max_size=4))
def test_filed_rules_answer_as_rule_by_rule(rules: list[Any]) -> None:
    granted = Granted(rules)
    for wanted in ASKED:
        assert granted.allows(wanted) is any(allows(each, wanted) for each in rules)


def test_many_rules_are_not_looked_at_in_turn() -> None:
    rules = [rule("get", resources="pods", names=f"n{n}") for n in range(10_000)]
    granted = Granted(rules)
    assert granted.allows(Attributes("get", "", "v1", "pods", "", "", "n77"))
    assert not granted.allows(Attributes("get", "", "v1", "pods", "", "", "other"))
    assert granted.steps == 0
    assert granted.words == 40_000


async def bind(inside: Inside, name: str, rules: list[Any], **subject: str) -> None:
    await inside.create(
        f"{inside.at}{_RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules}
    )
    who = {"kind": "User", "name": "robin", "apiGroup": "rbac.authorization.k8s.io"} | subject
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    await inside.create(
        f"{inside.at}{_RBAC}/clusterrolebindings",
        {"metadata": {"name": name}, "roleRef": ref, "subjects": [who]},
    )


async def test_what_is_looked_through_for_a_question_is_bounded(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role is filed once, whoever is bound to it; what is granted beyond the bound is nothing."""
    filed: list[int] = []
    make = Granted.__init__

    def counted(granted: Granted, rules: Any) -> None:
        filed.append(len(rules))
        make(granted, rules)

    for number in range(4):
        rules = [rule("get", resources="pods", names=f"a{number}-{n}") for n in range(100)]
        await bind(inside, f"role{number}", rules)
    cluster = inside.at.rpartition("/")[2]
    asked = rbac.Rbac(inside.parts.objects, inside.parts.objects.store)
    who = (rbac.Identity("robin", ()),)
    monkeypatch.setattr(Granted, "__init__", counted)
    monkeypatch.setattr(rbac, "MOST_WORDS", 1_100)

    def may(name: str) -> bool:
        return asked.allowed(cluster, who, Attributes("get", "", "v1", "pods", "", "x", name))

    assert sum(may(f"a{number}-7") for number in range(4)) == 2
    assert filed == [100, 100, 100]


async def test_a_role_has_no_more_words_than_can_be_filed(inside: Inside) -> None:
    rules = [rule("get", resources="pods", names=f"n{n}") for n in range(5_001)]
    role = {"metadata": {"name": "large"}, "rules": rules}
    answer = await inside.send("POST", f"{inside.at}{_RBAC}/clusterroles", role)
    assert answer.status == 422
    assert "rules: Too many: 20004: must have at most 20000 items" in answer.body["message"]

"""Does one set of RBAC rules cover another: RBAC's escalation check, for roles of any length.

kube-apiserver breaks the needed rules down to single rights and compares each with every owned rule
(Covers in k8s.io/component-helpers/auth/rbac/validation), which takes the product of both. Here an
owned rule that grants few single rights is filed by them, so that a right takes a few look-ups; a
rule that grants many is compared. After MAX_STEPS of either, the check ends with TooManyRights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from kcpfast.auth.rules import PolicyRule
from kcpfast.meta.user import Attributes

# Single rights of an owned rule that are filed; comparisons; rights that are told to be missing.
_FILED = 64
MAX_STEPS = 2_000_000
MAX_MISSING = 1000
_RESOURCE_MEMBERS = ("verbs", "apiGroups", "resources")


class TooManyRights(ValueError):
    """To compare the rules would take longer than a request may."""


class _Wide(NamedTuple):
    """A rule that grants many single rights; `names` None for all."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str] | None


class Covering:
    """Owned rules, ready to be asked; `steps` counts look-ups and comparisons."""

    def __init__(self, owned: Iterable[PolicyRule]) -> None:
        """File the rules."""
        self.steps = 0
        self._filed: set[tuple[str, str, str, str | None]] = set()
        self._wide: dict[_Wide, None] = {}
        self._paths: set[tuple[str, str]] = set()
        self._beginnings: dict[int, set[tuple[str, str]]] = {}
        for rule in owned:
            self._file(rule)

    def _file(self, rule: PolicyRule) -> None:
        for verb, path in product(rule.get("verbs") or (), rule.get("nonResourceURLs") or ()):
            self._step()
            self._paths.add((verb, path))
            if path.endswith("*"):
                beginning = path.rstrip("*")
                self._beginnings.setdefault(len(beginning), set()).add((verb, beginning))
        members = [rule.get(name) or () for name in _RESOURCE_MEMBERS]
        # A rule without names is filed under None: "" is a name, too, that of requests for none.
        names: Sequence[str | None] = rule.get("resourceNames") or (None,)
        self._step(sum(map(len, members)) + len(names))
        if prod(map(len, members)) * len(names) <= _FILED:
            self._filed.update(product(*members, names))
        else:
            only = frozenset(rule["resourceNames"]) if rule.get("resourceNames") else None
            verbs, groups, resources = map(frozenset, members)
            self._wide[_Wide(verbs, groups, resources, only)] = None

    def _step(self, number: int = 1) -> None:
        self.steps += number
        if self.steps > MAX_STEPS:
            raise TooManyRights("the rules hold more rights than can be compared")

    def uncovered(self, needed: Iterable[PolicyRule]) -> list[PolicyRule]:
        """Return the single rights of the needed rules that no owned rule covers, as rules.

        At most MAX_MISSING are returned. TooManyRights if the check takes more than MAX_STEPS.
        """
        missing: list[PolicyRule] = []
        for rule in needed:
            if self._covers_whole(rule):
                continue
            for single in singles(rule):
                if not self.covers(single):
                    missing.append(_compact(single))
                    if len(missing) >= MAX_MISSING:
                        return missing
        return missing

    def _covers_whole(self, rule: PolicyRule) -> bool:
        """Tell whether one owned rule covers all of a wanted one, by the sets it is made of."""
        members = [rule.get(name) or () for name in _RESOURCE_MEMBERS]
        self._step(sum(map(len, members)))
        if rule.get("nonResourceURLs") or not all(members):
            return False
        verbs, groups, resources = map(frozenset, members)
        if ("*", "*", "*", None) in self._filed:
            return True
        names = frozenset(rule.get("resourceNames") or ())
        for wide in self._wide:
            self._step(1 + len(verbs))
            if (
                _within(verbs, wide.verbs)
                and _within(groups, wide.groups)
                and _within(resources, wide.resources)
                and (wide.names is None or (bool(names) and names <= wide.names))
            ):
                return True
        return False

    def covers(self, single: Attributes) -> bool:
        """Tell whether an owned rule grants a single right."""
        if not single.resource:
            return self._covers_path(single.verb, single.path)
        resource = single.full_resource()
        resources = dict.fromkeys((resource, "*"))
        if single.subresource:
            resources[f"*/{single.subresource}"] = None
        verbs, groups = {single.verb, "*"}, {single.group, "*"}
        # What a rule without names grants is more than what one for the name "" does.
        names = {single.name or None, None}
        self._step(8)
        if any(right in self._filed for right in product(verbs, groups, resources, names)):
            return True
        for wide in self._wide:
            self._step()
            if (
                not verbs.isdisjoint(wide.verbs)
                and not groups.isdisjoint(wide.groups)
                and not wide.resources.isdisjoint(resources)
                and (wide.names is None or (single.name != "" and single.name in wide.names))
            ):
                return True
        return False

    def _covers_path(self, verb: str, path: str) -> bool:
        self._step(1 + len(self._beginnings))
        for granted_verb in (verb, "*"):
            if (granted_verb, path) in self._paths or (granted_verb, "*") in self._paths:
                return True
            if any(
                (granted_verb, path[:size]) in beginnings
                for size, beginnings in self._beginnings.items()
                if len(path) >= size
            ):
                return True
        return False


def _within(needed: frozenset[str], owned: frozenset[str]) -> bool:
    return "*" in owned or needed <= owned


def uncovered(owned: Sequence[PolicyRule], needed: Iterable[PolicyRule]) -> list[PolicyRule]:
    """Return the single rights of `needed` that `owned` does not cover; see Covering."""
    return Covering(owned).uncovered(needed)


def rights(rules: Iterable[PolicyRule]) -> int:
    """Return how many single rights rules grant, without going through them."""
    total = 0
    for rule in rules:
        count = [len(rule.get(name) or ()) for name in _RESOURCE_MEMBERS]
        total += prod(count) * max(len(rule.get("resourceNames") or ()), 1)
        total += count[0] * len(rule.get("nonResourceURLs") or ())
    return total


def singles(rule: PolicyRule) -> Iterator[Attributes]:
    """Yield what a rule grants as single requests: covering each of them is covering the rule."""
    verbs = rule.get("verbs") or ()
    for verb, path in product(verbs, rule.get("nonResourceURLs") or ()):
        yield Attributes(verb, path=path)
    names = rule.get("resourceNames") or ("",)
    resources = rule.get("resources") or ()
    for verb, group in product(verbs, rule.get("apiGroups") or ()):
        for resource, name in product(resources, names):
            kind, _, subresource = resource.partition("/")
            yield Attributes(verb, group, "", kind, subresource, "", name)


def _compact(single: Attributes) -> PolicyRule:
    if not single.resource:
        return {"nonResourceURLs": [single.path], "verbs": [single.verb]}
    rule: dict[str, Any] = {"apiGroups": [single.group], "resources": [single.full_resource()]}
    if single.name:
        rule["resourceNames"] = [single.name]
    return rule | {"verbs": [single.verb]}

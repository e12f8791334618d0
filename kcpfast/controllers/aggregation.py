"""Aggregated ClusterRoles: their rules are those of the roles that their selectors choose.

See https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles; upstream
it is k8s.io/kubernetes/pkg/controller/clusterroleaggregation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from kcpfast.auth.rbac import CLUSTER_ROLES
from kcpfast.controllers.removal import pages, weight
from kcpfast.controllers.runtime import DONE, Outcome
from kcpfast.meta.selectors import from_object, labels_test
from kcpfast.registry import index
from kcpfast.registry.objects import Change, Objects, Target, object_prefix
from kcpfast.registry.strategies.rbac import MOST_WORDS, words
from kcpfast.registry.values import decode, labels
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Item
from kcpfast.store.keys import place

Selects = Callable[[Mapping[str, str]], bool]
# How much of the chosen roles is read. Together they may hold far more than one role may: rules
# beyond MOST_WORDS, the most that a client may write into one role, are left out as well.
_MOST_BYTES = 3 * 1024 * 1024
# What a selector weighs while it is made a test; so many tests of an object take as long as it.
_PER_SELECTOR, _TESTS_AT_ONCE = 100, 100


class Aggregation:
    """Reconciles the aggregated roles of a cluster."""

    def __init__(self, objects: Objects) -> None:
        """Work on the registry."""
        self._objects = objects

    async def cluster(self, cluster: str, _name: str) -> Outcome:
        """Give every aggregated role of a cluster its rules.

        A role may be chosen by another and choose itself: what changes here asks for another round.
        """
        for _, key in self._objects.store.index_scan(index.aggregated(cluster)):
            target = Target(CLUSTER_ROLES, *place(key)[1:])
            await self._aggregate(target)
        return DONE

    async def _aggregate(self, target: Target) -> None:
        async def change(old: Object) -> Change:
            chosen = await self._choose(target, old)
            size = sum(len(item.value) for _, item in chosen)
            rules = await self._objects.aside.run(size, target.cluster, _rules, chosen)
            before = old.get("rules") or []
            if rules == before:
                return Change(old)
            return Change(old | {"rules": rules})

        await self._objects.adjust(target, change)

    async def _choose(self, target: Target, role: Object) -> list[tuple[int, Item]]:
        """Return the roles that an aggregated role's selectors choose, as `_chosen` does."""
        aggregation = role.get("aggregationRule") or {}
        selectors = aggregation.get("clusterRoleSelectors") or ()
        run, cluster = self._objects.aside.run, target.cluster
        tests = await run(_PER_SELECTOR * len(selectors), cluster, _tests, selectors)
        times = 1 + len(tests) // _TESTS_AT_ONCE
        own_key = target.key()
        chosen: list[tuple[int, Item]] = []
        for page in pages(self._objects, object_prefix(CLUSTER_ROLES, cluster)):
            # A role that chose itself would keep every rule that it ever had.
            others = [item for item in page if item.key != own_key]
            chosen += await run(times * weight(others), cluster, _chosen, others, tests)
        return chosen


def _tests(selectors: Sequence[Mapping[str, Any]]) -> list[Selects]:
    return [labels_test(from_object(selector)) for selector in selectors]


def _chosen(items: Sequence[Item], tests: Sequence[Selects]) -> list[tuple[int, Item]]:
    """Return the roles that selectors choose, each with the index of the first that does."""
    selected = []
    for item in items:
        role_labels = labels(item.value)
        for number, test in enumerate(tests):
            if test(role_labels):
                selected.append((number, item))
                break
    return selected


def _rules(chosen: Sequence[tuple[int, Item]]) -> list[dict[str, Any]]:
    """Return the rules of the roles that were chosen, each once, in the order of the selectors.

    A role is read once, however many selectors choose it; there are no more rules than may be
    written.
    """
    by_text: dict[bytes, dict[str, Any]] = {}
    size = total = 0
    for _, item in sorted(chosen, key=lambda pair: pair[0]):
        size += len(item.value)
        if size > _MOST_BYTES:
            break
        role = decode(CLUSTER_ROLES, item.revision, item.value)
        for rule in role.get("rules") or ():
            text = msgspec.json.encode(rule, order="deterministic")
            if text not in by_text:
                total += words(rule)
            if total > MOST_WORDS:
                return list(by_text.values())
            by_text[text] = rule
    return list(by_text.values())

"""Aggregated ClusterRoles: their rules are those of the roles that their selectors choose.

See https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from kcpfast.auth.rbac import CLUSTER_ROLES
from kcpfast.controllers.runtime import DONE, Outcome
from kcpfast.meta.selectors import from_object, matches
from kcpfast.registry import index
from kcpfast.registry.objects import Change, Objects, Target, object_prefix
from kcpfast.registry.values import decode, labels
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Index, Write
from kcpfast.store.keys import place


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
            found: list[dict[str, Any]] = []
            selectors = (old.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
            for rule in chain.from_iterable(self._rules(target, each) for each in selectors):
                if rule not in found:
                    found.append(rule)
            return Change(old if found == (old.get("rules") or []) else old | {"rules": found})

        await self._objects.adjust(target, change)

    def _rules(self, target: Target, selector: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the rules of other roles that a selector chooses, in the order of their names."""
        wanted = from_object(selector)
        for item in self._objects.store.scan(object_prefix(CLUSTER_ROLES, target.cluster)).items:
            if item.key != target.key() and matches(wanted, labels(item.value)):
                yield from decode(CLUSTER_ROLES, *item[1:]).get("rules") or ()


def consequences(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
    """File an aggregated role."""
    entry = index.aggregated(target.cluster, target.key())
    if new is not None and new.get("aggregationRule"):
        yield Index(entry, target.key())
    elif old is not None and old.get("aggregationRule"):
        yield Index(entry, None)


def chosen(role: Object) -> tuple[Any, ...]:
    """Return what of a role decides about aggregated ones, its own rules among them."""
    return role["metadata"].get("labels"), role.get("rules"), role.get("aggregationRule")

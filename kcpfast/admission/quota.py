"""ResourceQuota and the limit of objects in a workspace: exact, because the index counts.

What is claimed is reserved by the commit that claims it: the counter must still be below the limit
when the object is written. See https://kubernetes.io/docs/concepts/policy/resource-quotas/; here
only counts of objects exist. A quota in namespace `admin` with kcp's annotation holds for the
whole workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import msgspec

from kcpfast.admission.chain import CREATE, Plugin, Review
from kcpfast.meta.quantity import canonical, parse
from kcpfast.registry import index
from kcpfast.registry.derived import Derived
from kcpfast.registry.metadata import spec_of
from kcpfast.registry.objects import EVENT_STORAGE, UNCOUNTED_RESOURCE, Target
from kcpfast.registry.reader import Reader
from kcpfast.registry.strategies.quota import CLASSIC
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object, Resource
from kcpfast.store.contract import Below, Index, Write, number

QUOTAS = BY_PLACE["", "v1", "resourcequotas"]
WHOLE_NAMESPACE, WHOLE = "admin", "experimental.quota.kcp.io/cluster-scoped"
_MAX_PLACES = 8192
# A counter has 63 bits, a quantity may be larger.
_MOST = 1 << 62


class Quota(NamedTuple):
    """A quota as requests need it; `hard` are the amounts as they are shown, by name."""

    name: str
    whole: bool
    hard: dict[str, str]


def is_whole(quota: Object) -> bool:
    """Tell whether a ResourceQuota holds for its whole workspace."""
    meta = quota["metadata"]
    return meta.get("namespace") == WHOLE_NAMESPACE and (
        (meta.get("annotations") or {}).get(WHOLE) == "true"
    )


def counter(cluster: str, namespace: str, storage: bytes, *, whole: bool) -> bytes:
    """Return the key of what a quota counts by."""
    return index.total(cluster, storage) if whole else index.count(cluster, namespace, storage)


def names_of(resource: Resource) -> tuple[str, ...]:
    """Return the names under which a quota may limit a resource."""
    if resource.group:
        return (f"count/{resource.plural}.{resource.group}",)
    classic = (resource.plural,) if resource.plural in CLASSIC else ()
    return (*classic, f"count/{resource.plural}")


class Quotas:
    """The plugins."""

    def __init__(self, reader: Reader, object_limit: Callable[[str], int]) -> None:
        """Read quotas from the index; `object_limit` is a cluster's total, 0 for none."""
        self._store = reader
        self._quotas: Derived[tuple[str, str], tuple[Quota, ...]] = Derived(reader, _MAX_PLACES)
        self._object_limit = object_limit

    def plugins(self) -> list[Plugin]:
        """Return the plugins."""
        return [
            Plugin("core.kcp.io/LogicalClusterObjectCountLimit", self._check_total, (CREATE,)),
            Plugin("kubequota", self._check_quotas, (CREATE,)),
        ]

    def _check_total(self, review: Review) -> None:
        cluster = review.target.cluster
        limit = self._object_limit(cluster)
        if limit <= 0 or not _is_limited(review):
            return
        key = index.total(cluster)
        used = number(self._store.index_get(key))
        if used >= limit:
            raise review.refuse(
                f'logical cluster "{cluster}" has reached its total object count limit '
                f"({used}/{limit} objects); delete objects to free up capacity"
            )
        review.more.append(Below(key, limit))

    def _check_quotas(self, review: Review) -> None:
        cluster, namespace = review.target.cluster, review.target.namespace
        load = partial(self._load, cluster, namespace)
        for quota in self._quotas.get((cluster, namespace), load):
            self._claim(review, quota)

    def _load(self, cluster: str, namespace: str) -> tuple[Quota, ...]:
        quotas: list[Quota] = []
        for place in dict.fromkeys((namespace, "")):
            for key, data in self._store.index_scan(index.quota(cluster, place)):
                name = key.rpartition(b"\0")[2].decode()
                quotas.append(Quota(name, not place, msgspec.json.decode(data)))
        return tuple(quotas)

    def _claim(self, review: Review, quota: Quota) -> None:
        names = [name for name in names_of(review.resource) if name in quota.hard]
        if not names:
            return
        target = review.target
        storage = target.resource.storage
        key = counter(target.cluster, target.namespace, storage, whole=quota.whole)
        used = number(self._store.index_get(key))
        limits = {name: min(int(parse(quota.hard[name])[0]), _MOST) for name in names}
        exceeded = sorted(name for name in names if used >= limits[name])
        if exceeded:
            # Text: CheckRequest of k8s.io/apiserver/pkg/admission/plugin/resourcequota.
            limited = ",".join(f"{name}={quota.hard[name]}" for name in exceeded)
            raise review.refuse(
                f"exceeded quota: {quota.name}, requested: {_shown(exceeded, '1')}, "
                f"used: {_shown(exceeded, canonical(str(used)))}, "
                f"limited: {limited}"
            )
        # Requests that run at the same time all see room: the commit counts once more.
        review.more.append(Below(key, min(limits.values())))


def _is_limited(review: Review) -> bool:
    """Tell whether an object counts towards the limit of its workspace.

    Exempt are the objects that a workspace begins with, which creating it must not fail on, and
    events, which tell its user why it is full.
    """
    if review.resource.plural == UNCOUNTED_RESOURCE or review.resource.storage == EVENT_STORAGE:
        return False
    name = review.obj["metadata"].get("name")
    return (review.resource.plural, name) != ("clusterrolebindings", "workspace-admin")


def _shown(names: Iterable[str], value: str) -> str:
    return ",".join(f"{name}={value}" for name in names)


def limits(quota: Object) -> dict[str, str]:
    """Return the limits of a ResourceQuota that objects are counted against: none with scopes.

    Scopes choose pods or volume claims by what they are; no other object is in any of them.
    """
    spec = spec_of(quota)
    if spec.get("scopes") or spec.get("scopeSelector"):
        return {}
    return {name: str(amount) for name, amount in (spec.get("hard") or {}).items()}


def index_hook(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
    """File what a ResourceQuota limits, under the namespace that it holds for ("" = all)."""
    before, after = _entry(target, old), _entry(target, new)
    if before == after:
        return
    if before is not None:
        yield Index(before[0], None)
    if after is not None:
        yield Index(*after)


def _entry(target: Target, quota: Object | None) -> tuple[bytes, bytes] | None:
    """Return key and value of a quota in the index, None for one that does not exist."""
    if quota is None:
        return None
    namespace = "" if is_whole(quota) else target.namespace
    key = index.quota(target.cluster, namespace, target.name)
    return key, msgspec.json.encode(limits(quota))

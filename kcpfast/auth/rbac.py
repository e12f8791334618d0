"""RBAC over the index of subjects: an authorization is a few point reads.

A decision is remembered by cluster and dropped as soon as anything about RBAC is written there
(the `auth` stamp of that commit); writes in `system:admin`, whose roles may be bound everywhere,
drop all. The memory is bounded and holds only what was asked lately.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kcpfast.auth.rules import Rule, allows
from kcpfast.meta.cluster import SYSTEM_ADMIN
from kcpfast.meta.user import Attributes, split_service_account
from kcpfast.registry import index
from kcpfast.registry.objects import Objects, Target, target_of
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Batch, Index, Stamp, Write

GROUP = "rbac.authorization.k8s.io"
ROLES = BY_PLACE[GROUP, "v1", "roles"]
CLUSTER_ROLES = BY_PLACE[GROUP, "v1", "clusterroles"]
ROLE_BINDINGS = BY_PLACE[GROUP, "v1", "rolebindings"]
CLUSTER_ROLE_BINDINGS = BY_PLACE[GROUP, "v1", "clusterrolebindings"]
_BINDINGS = {each.storage: each for each in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS)}
_MAX_CLUSTERS = 4096
_MAX_ANSWERS = 50_000  # some 30 MB
_MAX_QUESTION = 1024


class Identity(NamedTuple):
    """A name and groups that count together; a user may act as several (scopes, warrants)."""

    name: str
    groups: tuple[str, ...]


class Grant(NamedTuple):
    """Rules that a binding gives, in one namespace or ("") everywhere."""

    namespace: str
    rules: Sequence[Rule]


class _Answers(dict[Hashable, Any]):
    """The answers about one cluster; `counted` of them are in the sum of all."""

    counted = 0


class Memory:
    """Remembers answers by cluster; see the module's text for when they are dropped."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._clusters: OrderedDict[str, _Answers] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        """Return about how many answers are remembered: each cluster's as of the last `of`."""
        return self._count

    def of(self, cluster: str) -> dict[Hashable, Any]:
        """Return the answers about a cluster, to be read and added to."""
        found = self._clusters.get(cluster)
        if found is None:
            found = self._clusters[cluster] = _Answers()
            if len(self._clusters) > _MAX_CLUSTERS:
                self._drop(next(iter(self._clusters)))
            return found
        self._clusters.move_to_end(cluster)
        if len(found) != found.counted:
            self._count += len(found) - found.counted
            found.counted = len(found)
            while self._count > _MAX_ANSWERS:
                self._drop(next(iter(self._clusters)))
        return found

    def _drop(self, cluster: str) -> None:
        found = self._clusters.pop(cluster, None)
        if found is not None:
            self._count -= found.counted
            found.clear()
            found.counted = 0

    def on_commit(self, batch: Batch) -> None:
        """Drop what a commit made doubtful."""
        for stamp in batch.stamps:
            if stamp.startswith(b"auth\0"):
                cluster = stamp[5:].decode()
                for each in list(self._clusters) if cluster == SYSTEM_ADMIN else [cluster]:
                    self._drop(each)


class Rbac:
    """Answers whether identities may do something in a cluster."""

    def __init__(self, objects: Objects, memory: Memory) -> None:
        """Read roles and bindings through the registry."""
        self._objects = objects
        self.memory = memory

    def allowed(self, cluster: str, identities: tuple[Identity, ...], wanted: Attributes) -> bool:
        """Tell whether any rule bound to any identity, in the cluster, allows a request."""
        known = self.memory.of(cluster)
        question = (identities, wanted)
        answer = known.get(question)
        if answer is None:
            grants = self.grants(cluster, identities, wanted.namespace)
            answer = any(allows(rule, wanted) for grant in grants for rule in grant.rules)
            # Anybody may ask about names of any length: what is long is not kept.
            if sum(map(len, wanted)) <= _MAX_QUESTION:
                known[question] = answer
        return bool(answer)

    def grants(
        self, cluster: str, identities: Iterable[Identity], namespace: str
    ) -> Iterator[Grant]:
        """Yield what bindings of a cluster give to identities, cluster-wide and in a namespace."""
        seen = set()
        for key in self._binding_keys(cluster, identities):
            if key in seen:
                continue
            seen.add(key)
            resource = _BINDINGS[key.partition(b"\0")[0]]
            target = target_of(resource, key)
            if target.namespace and target.namespace != namespace:
                continue
            binding = self._objects.find(target)
            if binding is not None:
                rules = self.rules(cluster, target.namespace, binding["roleRef"])
                yield Grant(target.namespace, rules or ())

    def _binding_keys(self, cluster: str, identities: Iterable[Identity]) -> Iterator[bytes]:
        for identity in identities:
            for kind, name in _subjects(identity):
                prefix = index.subject(cluster, kind, name)
                for _, key in self._objects.store.index_scan(prefix):
                    yield key

    def rules(self, cluster: str, namespace: str, role: dict[str, str]) -> Sequence[Rule] | None:
        """Return the rules of a roleRef; cluster roles are also looked for in system:admin.

        None if there is no such role.
        """
        found = self.own_rules(cluster, namespace, role)
        if found is None and role["kind"] != "Role":
            found = self.own_rules(SYSTEM_ADMIN, "", role)
        return found

    def own_rules(
        self, cluster: str, namespace: str, role: dict[str, str]
    ) -> Sequence[Rule] | None:
        """Return the rules of a role of this very cluster, None if there is no such role."""
        target = Target(CLUSTER_ROLES, cluster, "", role["name"])
        if role["kind"] == "Role":
            target = Target(ROLES, cluster, namespace, role["name"])
        found = self._objects.find(target)
        return None if found is None else found.get("rules") or ()


def _subjects(identity: Identity) -> Iterator[tuple[str, str]]:
    yield "User", identity.name
    account = split_service_account(identity.name)
    if account is not None:
        yield "ServiceAccount", f"{account[0]}/{account[1]}"
    for group in identity.groups:
        yield "Group", group


def binding_consequences(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
    """File a binding under its subjects."""
    before, after = _subject_keys(target, old), _subject_keys(target, new)
    yield from (Index(key, None) for key in before - after)
    yield from (Index(key, target.key()) for key in after - before)
    yield Stamp(index.auth(target.cluster))


def _subject_keys(target: Target, binding: Object | None) -> set[bytes]:
    keys = set()
    for subject in (binding or {}).get("subjects") or ():
        name = subject["name"]
        if subject["kind"] == "ServiceAccount":
            name = f"{subject.get('namespace') or target.namespace}/{name}"
        keys.add(index.subject(target.cluster, subject["kind"], name, target.key()))
    return keys


def role_consequences(target: Target, _old: Object | None, _new: Object | None) -> Iterable[Write]:
    """Make remembered decisions of the cluster doubtful."""
    yield Stamp(index.auth(target.cluster))


CONSEQUENCES = {
    (GROUP, "clusterrolebindings"): (binding_consequences,),
    (GROUP, "clusterroles"): (role_consequences,),
    (GROUP, "rolebindings"): (binding_consequences,),
    (GROUP, "roles"): (role_consequences,),
}

"""RBAC over the index of subjects: an authorization is a few point reads.

Decisions, and what somebody is granted, are remembered until a binding of theirs or a role that it
names changes. The caches are bounded and hold only what was asked lately.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kcpfast.auth.rules import Rule, allows
from kcpfast.meta.cluster import SYSTEM_ADMIN
from kcpfast.meta.user import Attributes, split_service_account
from kcpfast.registry import index
from kcpfast.registry.derived import Derived
from kcpfast.registry.objects import Objects, Target, target_of
from kcpfast.registry.reader import Reader
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Index, Write

GROUP = "rbac.authorization.k8s.io"
ROLES = BY_PLACE[GROUP, "v1", "roles"]
CLUSTER_ROLES = BY_PLACE[GROUP, "v1", "clusterroles"]
ROLE_BINDINGS = BY_PLACE[GROUP, "v1", "rolebindings"]
CLUSTER_ROLE_BINDINGS = BY_PLACE[GROUP, "v1", "clusterrolebindings"]
_BINDINGS = {each.storage: each for each in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS)}
_MAX_ANSWERS = 32_768  # some 20 MB
_MAX_GRANTS = 4096
_MAX_QUESTION = 1024


class Identity(NamedTuple):
    """A name and groups that count together; a user may act as several (scopes, warrants)."""

    name: str
    groups: tuple[str, ...]


_Who = tuple[str, tuple[Identity, ...], str]
_Question = tuple[str, tuple[Identity, ...], Attributes]


class Grant(NamedTuple):
    """Rules that a binding gives, in one namespace or ("") everywhere."""

    namespace: str
    rules: Sequence[Rule]


class Rbac:
    """Answers whether identities may do something in a cluster."""

    def __init__(self, objects: Objects, reader: Reader) -> None:
        """Read roles and bindings through the registry."""
        self._objects = objects
        self._answers: Derived[_Question, bool] = Derived(reader, _MAX_ANSWERS)
        self._grants: Derived[_Who, tuple[Grant, ...]] = Derived(reader, _MAX_GRANTS)

    def allowed(self, cluster: str, identities: tuple[Identity, ...], wanted: Attributes) -> bool:
        """Tell whether any rule bound to any identity, in the cluster, allows a request."""

        def answer() -> bool:
            grants = self.grants(cluster, identities, wanted.namespace)
            return any(allows(rule, wanted) for grant in grants for rule in grant.rules)

        # Anybody may ask about names of any length: what is long is not kept.
        if sum(map(len, wanted)) > _MAX_QUESTION:
            return answer()
        return self._answers.get((cluster, identities, wanted), answer)

    def grants(
        self, cluster: str, identities: tuple[Identity, ...], namespace: str
    ) -> tuple[Grant, ...]:
        """Return what bindings of a cluster give to identities, cluster-wide and in a namespace."""

        def find() -> tuple[Grant, ...]:
            return tuple(self._find(cluster, identities, namespace))

        if len(namespace) > _MAX_QUESTION:
            return find()
        return self._grants.get((cluster, identities, namespace), find)

    def _find(
        self, cluster: str, identities: Iterable[Identity], namespace: str
    ) -> Iterator[Grant]:
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


def _subject_keys(target: Target, binding: Object | None) -> set[bytes]:
    keys = set()
    for subject in (binding or {}).get("subjects") or ():
        name = subject["name"]
        if subject["kind"] == "ServiceAccount":
            name = f"{subject.get('namespace') or target.namespace}/{name}"
        keys.add(index.subject(target.cluster, subject["kind"], name, target.key()))
    return keys


CONSEQUENCES = {
    (GROUP, "clusterrolebindings"): (binding_consequences,),
    (GROUP, "rolebindings"): (binding_consequences,),
}

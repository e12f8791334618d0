"""RBAC over the index of role bindings by subject: a decision takes a few point reads.

Decisions and grants are cached until a binding of the user or a role that it refers to changes.
The caches are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from kcpfast.auth.granted import Granted
from kcpfast.auth.rules import PolicyRule
from kcpfast.meta.cluster import SYSTEM_ADMIN
from kcpfast.meta.user import Attributes, split_service_account
from kcpfast.registry import index
from kcpfast.registry.derived import Derived
from kcpfast.registry.objects import Objects, Target, object_prefix
from kcpfast.registry.reader import Reader
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Index, Write
from kcpfast.store.keys import place

RBAC_GROUP = "rbac.authorization.k8s.io"
ROLES = BY_PLACE[RBAC_GROUP, "v1", "roles"]
CLUSTER_ROLES = BY_PLACE[RBAC_GROUP, "v1", "clusterroles"]
ROLE_BINDINGS = BY_PLACE[RBAC_GROUP, "v1", "rolebindings"]
CLUSTER_ROLE_BINDINGS = BY_PLACE[RBAC_GROUP, "v1", "clusterrolebindings"]
_MAX_ANSWERS = 32_768  # some 20 MB
_MAX_GRANTS = 4096
_MAX_QUESTION, _MAX_IDENTITIES = 1024, 2048
# What is looked through for one question, and the words of all roles that are remembered.
MOST_BYTES, MOST_WORDS = 4 * 1024 * 1024, 50_000
# What it takes to read a binding, in words.
_BINDING_WORDS = 100
_MAX_WORDS = 500_000


class Identity(NamedTuple):
    """A name and groups that count together; a user may act as several (scopes, warrants)."""

    name: str
    groups: tuple[str, ...]


_Who = tuple[str, tuple[Identity, ...], str]
_Question = tuple[str, tuple[Identity, ...], Attributes]


class Grant(NamedTuple):
    """Rules that a binding gives, in one namespace or ("") everywhere."""

    namespace: str
    granted: Granted

    @property
    def rules(self) -> Sequence[PolicyRule]:
        """The rules as they are written."""
        return self.granted.rules


class _RoleRef(msgspec.Struct):
    kind: str = ""
    name: str = ""


class _Binding(msgspec.Struct):
    """What is read of a binding: not its subjects, which are filed."""

    roleRef: _RoleRef


class _Role(msgspec.Struct):
    """What is read of a role."""

    rules: list[dict[str, list[str] | None]] | None = None


_NOTHING = Granted(())
_decode_binding = msgspec.json.Decoder(_Binding).decode
_decode_role = msgspec.json.Decoder(_Role).decode


class Rbac:
    """Answers whether identities may do something in a cluster.

    One question reads bindings of at most MOST_BYTES and rules of at most MOST_WORDS. What is
    granted beyond that does not count. Cluster-wide bindings are read first.
    """

    def __init__(self, objects: Objects, reader: Reader) -> None:
        """Read roles and bindings through the registry."""
        self._objects = objects
        self._answers: Derived[_Question, bool] = Derived(reader, _MAX_ANSWERS)
        self._grants: Derived[_Who, tuple[Grant, ...]] = Derived(
            reader, _MAX_GRANTS, _weight_of_all, _MAX_WORDS
        )
        self._bindings: Derived[bytes, _Referring | None] = Derived(reader, _MAX_GRANTS)
        self._roles: Derived[bytes, Granted | None] = Derived(
            reader, _MAX_GRANTS, _weight, _MAX_WORDS
        )

    def allowed(self, cluster: str, identities: tuple[Identity, ...], request: Attributes) -> bool:
        """Tell whether any rule bound to any identity, in the cluster, allows a request."""

        def answer() -> bool:
            grants = self.grants(cluster, identities, request.namespace)
            return any(grant.granted.allows(request) for grant in grants)

        # Anybody may ask about names of any length, and as anybody: what is long is not kept.
        decision = self._answers.find((cluster, identities, request))
        if decision is not None:
            return decision
        if sum(map(len, request)) > _MAX_QUESTION or _length(identities) > _MAX_IDENTITIES:
            return answer()
        return self._answers.get((cluster, identities, request), answer)

    def grants(
        self, cluster: str, identities: tuple[Identity, ...], namespace: str
    ) -> tuple[Grant, ...]:
        """Return what bindings of a cluster give to identities, cluster-wide and in a namespace."""

        def find() -> tuple[Grant, ...]:
            return tuple(self._find(cluster, identities, namespace))

        remembered = self._grants.find((cluster, identities, namespace))
        if remembered is not None:
            return remembered
        if len(namespace) > _MAX_QUESTION or _length(identities) > _MAX_IDENTITIES:
            return find()
        return self._grants.get((cluster, identities, namespace), find)

    def _find(
        self, cluster: str, identities: Iterable[Identity], namespace: str
    ) -> Iterator[Grant]:
        size = words = 0
        for key in self._binding_keys(cluster, identities, namespace):
            binding = self._binding(key)
            if binding is None:
                continue
            binding_place = place(key)
            role = self._role_of(cluster, binding_place.namespace, binding.role) or _NOTHING
            size += binding.size
            words += _BINDING_WORDS + role.words
            # Fails closed: grants behind the bound are ignored, never assumed.
            if size > MOST_BYTES or words > MOST_WORDS:
                return
            yield Grant(binding_place.namespace, role)

    def _binding_keys(
        self, cluster: str, identities: Iterable[Identity], namespace: str
    ) -> Iterable[bytes]:
        """Return the keys of bindings that name one of the identities, each once.

        Those of the whole workspace come first, then those of the namespace.
        """
        in_whole, in_namespace = (
            object_prefix(CLUSTER_ROLE_BINDINGS, cluster),
            object_prefix(ROLE_BINDINGS, cluster, namespace),
        )
        everywhere: dict[bytes, None] = {}
        within: dict[bytes, None] = {}
        for identity in identities:
            for kind, name in _subjects(identity):
                prefix = index.subject(cluster, kind, name)
                for _, key in self._objects.store.index_scan(prefix):
                    if key.startswith(in_whole):
                        everywhere[key] = None
                    elif namespace and key.startswith(in_namespace):
                        within[key] = None
        return chain(everywhere, within)

    def _binding(self, key: bytes) -> _Referring | None:
        def read() -> _Referring | None:
            record = self._objects.store.get(key)
            if record is None:
                return None
            role = _decode_binding(_json(record.value)).roleRef
            return _Referring({"kind": role.kind, "name": role.name}, len(record.value))

        return self._bindings.get(key, read)

    def rules(
        self, cluster: str, namespace: str, role: dict[str, str]
    ) -> Sequence[PolicyRule] | None:
        """Return the rules of a roleRef; cluster roles are also looked for in system:admin.

        None if there is no such role.
        """
        granted = self._role_of(cluster, namespace, role)
        return None if granted is None else granted.rules

    def _role_of(self, cluster: str, namespace: str, role: dict[str, str]) -> Granted | None:
        granted = self._role(cluster, namespace, role)
        # kcp's bootstrap ClusterRoles are in system:admin only; pkg/authorization/
        # local_authorizer.go merges them into those of each workspace.
        if granted is None and role["kind"] != "Role":
            granted = self._role(SYSTEM_ADMIN, "", role)
        return granted

    def own_rules(
        self, cluster: str, namespace: str, role: dict[str, str]
    ) -> Sequence[PolicyRule] | None:
        """Return the rules of a role of this very cluster, None if there is no such role."""
        granted = self._role(cluster, namespace, role)
        return None if granted is None else granted.rules

    def _role(self, cluster: str, namespace: str, role: dict[str, str]) -> Granted | None:
        target = Target(CLUSTER_ROLES, cluster, "", role["name"])
        if role["kind"] == "Role":
            target = Target(ROLES, cluster, namespace, role["name"])

        def read() -> Granted | None:
            record = self._objects.record(target)
            if record is None:
                return None
            rules = _decode_role(_json(record.value)).rules or ()
            return Granted(rules)

        return self._roles.get(target.key(), read)


class _Referring(NamedTuple):
    """The role that a binding refers to, and the bytes of the binding."""

    role: dict[str, str]
    size: int


def _weight(role: Granted | None) -> int:
    return 1 if role is None else 1 + role.words


def _weight_of_all(grants: tuple[Grant, ...]) -> int:
    return 1 + sum(_weight(grant.granted) for grant in grants)


def _length(identities: Iterable[Identity]) -> int:
    """Return how long names and groups are together."""
    return sum(len(identity.name) + sum(map(len, identity.groups)) for identity in identities)


def _json(value: bytes) -> bytes:
    """Return the JSON of a stored object, as far as it is read here."""
    return b'{"metadata":{"resourceVersion":"' + value.partition(b"\0")[2]


def _subjects(identity: Identity) -> Iterator[tuple[str, str]]:
    yield "User", identity.name
    account = split_service_account(identity.name)
    if account is not None:
        yield "ServiceAccount", f"{account[0]}/{account[1]}"
    for group in identity.groups:
        yield "Group", group


def binding_index_hook(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
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


def aggregation_index_hook(
    target: Target, old: Object | None, new: Object | None
) -> Iterable[Write]:
    """File a ClusterRole that is aggregated."""
    entry = index.aggregated(target.cluster, target.key())
    if new is not None and new.get("aggregationRule"):
        yield Index(entry, target.key())
    elif old is not None and old.get("aggregationRule"):
        yield Index(entry, None)


def what_aggregation_reads(role: Object) -> tuple[Any, ...]:
    """Return what of a ClusterRole decides about aggregated ones, its own rules among them."""
    return role["metadata"].get("labels"), role.get("rules"), role.get("aggregationRule")


INDEX_HOOKS = {
    (RBAC_GROUP, "clusterrolebindings"): (binding_index_hook,),
    (RBAC_GROUP, "clusterroles"): (aggregation_index_hook,),
    (RBAC_GROUP, "rolebindings"): (binding_index_hook,),
}

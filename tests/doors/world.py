"""The tenants that the doors are tried with, built once; each try gets a copy of the store.

Two providers, three that may bind what they export, one workspace that waits for its initializer.
Every object is called `mk<number>x`: wherever such a name appears, somebody has learned of it.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kcpfast.meta.user import ADMIN_GROUP, AUTHENTICATED, MASTERS, User
from kcpfast.server import wire
from kcpfast.server.bootstrap import installation
from kcpfast.store.contract import Write
from kcpfast.store.memory import MemoryStore
from kcpfast.store.subscribers import Subscribers
from tests.fix_inside import CA, URL, Inside, Json
from tests.kcp.provider import BINDINGS, EXPORTS, SCHEMAS, schema

RBAC = "/apis/rbac.authorization.k8s.io/v1"
RBAC_GROUP = "rbac.authorization.k8s.io"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
NAMESPACES = ("default", "second")
TIERS: tuple[Json, ...] = ({}, {"tier": "a"}, {"tier": "b"})
TOKENS = {
    "admin": User("kcp-admin", "1", (ADMIN_GROUP, AUTHENTICATED)),
    "master": User("shard-admin", "2", (MASTERS, AUTHENTICATED)),
}


class Kind(NamedTuple):
    """A resource that questions are about."""

    group: str
    resource: str
    kind: str
    namespaced: bool = True
    builtin: bool = False
    parts: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The apiVersion of its objects."""
        return f"{self.group}/{self.release}" if self.group else "v1"

    @property
    def release(self) -> str:
        """The version alone."""
        return {"apis.kcp.io": "v1alpha2", "core.kcp.io": "v1alpha1"}.get(self.group, "v1")

    def path(self, namespace: str = "") -> str:
        """Return the path of its objects below a workspace."""
        start = f"/apis/{self.version}" if self.group else "/api/v1"
        inner = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{start}{inner}/{self.resource}"


LAMPS = Kind("x.example.com", "lanterns", "Lantern", parts=("status", "scale"))
ROOMS = Kind("x.example.com", "rooms", "Room", namespaced=False, parts=("status",))
DECKS = Kind("apps", "decks", "Deck", parts=("status",))
CRATES = Kind("z.example.com", "crates", "Crate", parts=("status",))
GADGETS = Kind("y.example.com", "gadgets", "Gadget", parts=("status",))
MAPS = Kind("", "configmaps", "ConfigMap", builtin=True)
SECRETS = Kind("", "secrets", "Secret", builtin=True)
ACCOUNTS = Kind("", "serviceaccounts", "ServiceAccount", builtin=True, parts=("token",))
BOUND = Kind("apis.kcp.io", "apibindings", "APIBinding", namespaced=False, builtin=True)
EXPORTED = Kind(
    "apis.kcp.io", "apiexports", "APIExport", namespaced=False, builtin=True, parts=("status",)
)
ITSELF = Kind("core.kcp.io", "logicalclusters", "LogicalCluster", namespaced=False, builtin=True)
KINDS = (LAMPS, ROOMS, DECKS, CRATES, GADGETS, MAPS, SECRETS, ACCOUNTS, EXPORTED)
# Whoever sees one of these words in discovery has learned that the resource is there.
PLURALS = tuple(each.resource for each in KINDS if not each.builtin)
SHOP, DEPOT = "root:shop", "root:depot"
OFFERS = {"lights": (SHOP, (LAMPS, ROOMS)), "sets": (SHOP, (DECKS,)), "boxes": (DEPOT, (CRATES,))}
BOUND_IN = ("root:home", "root:away", "root:baby", DEPOT)
SELECTORS = {"root:away": {"matchLabels": {"tier": "a"}}}
CLAIMED = (MAPS, SECRETS, ACCOUNTS, LAMPS, EXPORTED)


class Sorted(MemoryStore):
    """Keeps its index in order: here it is read a thousand times for each write."""

    _order: list[bytes] | None = None

    async def commit(self, writes: Sequence[Write]) -> int:
        """Forget the order while it changes."""
        self._order = None
        try:
            return await super().commit(writes)
        finally:
            self._order = sorted(self._index)

    def index_scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 0
    ) -> Sequence[tuple[bytes, bytes]]:
        """Return a range of the index."""
        if self._order is None:
            return super().index_scan(prefix, after, limit)
        begin = bisect_right(self._order, after) if after > prefix else 0
        begin = max(begin, bisect_left(self._order, prefix))
        found: list[tuple[bytes, bytes]] = []
        for at in range(begin, len(self._order)):
            key = self._order[at]
            if not key.startswith(prefix) or (limit and len(found) == limit):
                break
            found.append((key, self._index[key]))
        return found


class World(NamedTuple):
    """A store with tenants in it, and what one must know to speak to them."""

    store: MemoryStore
    clusters: dict[str, str]  # by path
    identity: str  # of the export of lamps
    tokens: dict[str, str]  # service account tokens, by the path of their workspace
    key: Path

    def copied(self) -> World:
        """Return a world that may be changed."""
        store = Sorted()
        for name, value in vars(self.store).items():
            setattr(store, name, Subscribers() if name == "_subscribers" else copy.copy(value))
        store._versions = {key: list(each) for key, each in self.store._versions.items()}
        return self._replace(store=store)


def serving(store: MemoryStore, key: Path, *, caches: bool = True) -> Inside:
    """Return a server over a store; its controllers are not started."""
    parts = wire.core(store, CA, caches=caches)
    return Inside(parts, wire.server(parts, wire.Settings(URL, CA, key, TOKENS)))


async def build(key: Path) -> World:
    """Return the world."""
    store = Sorted()
    parts = wire.core(store, CA)
    await store.commit(installation(parts.objects, URL))
    inside = serving(store, key)
    inside.running.controllers.start()
    try:
        return await _Builder(inside, store, key).world()
    finally:
        await inside.running.controllers.stop()


class _Builder:
    def __init__(self, inside: Inside, store: MemoryStore, key: Path) -> None:
        self.inside, self.store, self.key = inside, store, key
        self.clusters = {"root": "root"}
        self.made = 0

    async def world(self) -> World:
        for name in ("shop", "depot", "home", "away", "other"):
            await self.space(name)
        await self.create(SHOP, TYPES, waiting_type())
        await self.space("baby", type={"name": "slow", "path": SHOP})
        identity = await self.exports()
        for path in BOUND_IN:
            for name in OFFERS:
                await self.create(
                    path,
                    BINDINGS,
                    bound(name, name, answers_of(identity, "Accepted", SELECTORS.get(path))),
                )
        await self.inside.settle()
        for path in self.clusters:
            await self.create(path, CRDS, gadgets())
        await self.inside.settle()
        for path in list(self.clusters)[1:]:
            await self.fill(path)
        tokens = {path: await self.token(path) for path in ("root:home", DEPOT)}
        await self.inside.settle()
        return World(self.store, self.clusters, identity, tokens, self.key)

    async def create(self, path: str, below: str, obj: Json) -> Json:
        return await self.inside.create(f"/clusters/{path}{below}", obj, token="master")

    async def space(self, name: str, **spec: Any) -> None:
        where = await self.inside.workspace(name, **spec)
        self.clusters[f"root:{name}"] = where.rpartition("/")[2]

    async def exports(self) -> str:
        """Make schemas and exports, and return the identity of the one of lamps."""
        for path, kinds in OFFERS.values():
            for kind in kinds:
                await self.create(path, SCHEMAS, schema_of(kind))
        for name in ("lights", "sets"):
            await self.create(SHOP, EXPORTS, export_of(name))
        await self.inside.settle()
        made = await self.inside.get(f"/clusters/{SHOP}{EXPORTS}/lights")
        assert made is not None
        identity = str(made["status"]["identityHash"])
        await self.create(DEPOT, EXPORTS, export_of("boxes", claims_of(identity)))
        await self.inside.settle()
        return identity

    async def fill(self, path: str) -> None:
        """Give a workspace roles that let some in, and two objects of each kind it has."""
        for name, (rules, *subjects) in BASE.items():
            if name == "provider" and path not in (SHOP, DEPOT):
                continue
            await self.create(path, f"{RBAC}/clusterroles", role(name, rules))
            await self.create(path, f"{RBAC}/clusterrolebindings", granting(name, name, subjects))
        watches = {"verbs": ["watch", "deletecollection"], "apiGroups": ["*"], "resources": ["*"]}
        await self.create(path, f"{RBAC}/clusterroles", role("follow", [watches]))
        bob = granting("follow", "follow", [subject("User", "bob")], "RoleBinding")
        await self.create(path, f"{RBAC}/namespaces/default/rolebindings", bob)
        await self.create(path, f"{RBAC}/clusterroles", gathering())
        carol = granting("gathered", "gathered", [subject("User", "carol")])
        await self.create(path, f"{RBAC}/clusterrolebindings", carol)
        second = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "second"}}
        await self.create(path, "/api/v1/namespaces", second)
        robot = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
        await self.create(path, ACCOUNTS.path("default"), robot)
        for kind in KINDS:
            for namespace in NAMESPACES if kind.namespaced else ("",):
                for labels in TIERS[1:]:
                    await self.object(path, kind, namespace, labels)

    async def object(self, path: str, kind: Kind, namespace: str, labels: Json) -> None:
        self.made += 1
        obj = thing(kind, f"mk{self.made}x", labels)
        got = await self.inside.send(
            "POST", f"/clusters/{path}{kind.path(namespace)}", obj, token="master"
        )
        assert got.status in (201, 404), got.body

    async def token(self, path: str) -> str:
        where = f"{ACCOUNTS.path('default')}/robot/token"
        made = await self.create(path, where, {"spec": {"expirationSeconds": 1 << 30}})
        return str(made["status"]["token"])


# ------------------------------------------------------------------------- objects


def subject(kind: str, name: str) -> Json:
    """Return a subject of a binding; a service account is one of the namespace `default`."""
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": "default"}
    return {"kind": kind, "name": name, "apiGroup": RBAC_GROUP}


ENTER: Json = {"verbs": ["access"], "nonResourceURLs": ["/"]}
# What is granted from the beginning: rules, then to whom.
BASE: dict[str, list[Any]] = {
    "enter": [[ENTER], subject("Group", "team-a"), subject("User", "bob")],
    "use": [
        [
            {"verbs": ["*"], "apiGroups": ["x.example.com", "apps", ""], "resources": ["*"]},
            {
                "verbs": ["create"],
                "apiGroups": [RBAC_GROUP, "tenancy.kcp.io", "apis.kcp.io"],
                "resources": ["*"],
            },
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users", "groups"]},
        ],
        subject("Group", "team-a"),
        subject("ServiceAccount", "robot"),
    ],
    "change": [
        [
            {
                "verbs": ["get", "patch", "update"],
                "apiGroups": ["x.example.com", "apps", ""],
                "resources": ["*"],
            },
            {
                "verbs": ["delete", "list"],
                "apiGroups": ["x.example.com", "apps", ""],
                "resources": ["*"],
                "resourceNames": [f"mk{number}x" for number in range(1, 200, 3)],
            },
        ],
        subject("User", "bob"),
    ],
    "provider": [
        [
            ENTER,
            {"verbs": ["*"], "apiGroups": ["apis.kcp.io"], "resources": ["apiexports/content"]},
            {
                "verbs": ["initialize", "use"],
                "apiGroups": ["tenancy.kcp.io"],
                "resources": ["workspacetypes"],
            },
        ],
        subject("User", "bob"),
        subject("ServiceAccount", "robot"),
    ],
    "permitted": [
        [{"verbs": ["get", "list"], "apiGroups": ["x.example.com", "apps"], "resources": ["*"]}],
        subject("User", "apis.kcp.io:binding:bob"),
    ],
}


def role(name: str, rules: list[Json], labels: Json | None = None) -> Json:
    """Return a ClusterRole."""
    meta = {"name": name, "labels": labels or {}}
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": meta,
        "rules": rules,
    }


def gathering() -> Json:
    """Return a ClusterRole that gathers the rules of those labelled for it."""
    selectors = [{"matchLabels": {"gather": "yes"}}]
    return role("gathered", []) | {"aggregationRule": {"clusterRoleSelectors": selectors}}


def granting(name: str, to: str, subjects: list[Json], kind: str = "ClusterRoleBinding") -> Json:
    """Return a binding of a cluster role."""
    reference = {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": to}
    meta = {"apiVersion": f"{RBAC_GROUP}/v1", "kind": kind, "metadata": {"name": name}}
    return meta | {"roleRef": reference, "subjects": subjects}


def thing(kind: Kind, name: str, labels: Json | None = None) -> Json:
    """Return an object of a kind; its name is also in its content."""
    meta = {"name": name, "labels": labels or {}, "annotations": {"content": name}}
    obj: Json = {"apiVersion": kind.version, "kind": kind.kind, "metadata": meta}
    return obj if kind.builtin else obj | {"spec": {"size": 1}}


def names_of(kind: Kind) -> Json:
    singular = kind.kind.lower()
    names = {"plural": kind.resource, "singular": singular, "kind": kind.kind}
    return names | {"listKind": f"{kind.kind}List"}


def schema_of(kind: Kind) -> Json:
    """Return the APIResourceSchema of a kind."""
    made = schema(plural=kind.resource, names=names_of(kind), group=kind.group)
    made["spec"]["scope"] = "Namespaced" if kind.namespaced else "Cluster"
    made["spec"]["versions"][0]["subresources"] = subresources(kind)
    made["metadata"]["name"] = f"v1.{kind.resource}.{kind.group}"
    return made


def subresources(kind: Kind) -> Json:
    """Return the subresources of a kind as definitions name them."""
    paths = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    return {"status": {}} | ({"scale": paths} if "scale" in kind.parts else {})


def gadgets() -> Json:
    """Return the CRD that every workspace has for itself."""
    spec = schema_of(GADGETS)["spec"]
    version = spec["versions"][0]
    version["schema"] = {"openAPIV3Schema": version["schema"]}
    meta = {"name": f"{GADGETS.resource}.{GADGETS.group}"}
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**kind, "metadata": meta, "spec": spec}


def claims_of(identity: str, verbs: tuple[str, ...] = ("*",)) -> list[Json]:
    """Return what the export of crates claims."""
    found = []
    for kind in CLAIMED:
        claim: Json = {"group": kind.group, "resource": kind.resource, "verbs": list(verbs)}
        if not kind.builtin:
            claim["identityHash"] = identity
        found.append(claim)
    return found


def answers_of(identity: str, state: str = "Accepted", selector: Json | None = None) -> list[Json]:
    """Return how a binding answers those claims."""
    answer = {"state": state, "selector": selector or {"matchAll": True}}
    return [claim | answer for claim in claims_of(identity)]


def export_of(name: str, claims: list[Json] | None = None, *, policy: bool = False) -> Json:
    """Return an APIExport."""
    _, kinds = OFFERS[name]
    resources = [
        {"name": each.resource, "group": each.group, "schema": f"v1.{each.resource}.{each.group}"}
        for each in kinds
    ]
    spec: Json = {"resources": resources, "permissionClaims": claims or []}
    if policy:
        spec["maximalPermissionPolicy"] = {"local": {}}
    meta = {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport", "metadata": {"name": name}}
    return meta | {"spec": spec}


def bound(name: str, export: str, answers: list[Json]) -> Json:
    """Return an APIBinding."""
    reference = {"export": {"name": export, "path": OFFERS[export][0]}}
    spec: Json = {"reference": reference}
    if export == "boxes":
        spec["permissionClaims"] = answers
    meta = {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding", "metadata": {"name": name}}
    return meta | {"spec": spec}


def waiting_type() -> Json:
    """Return the type of a workspace that waits for its initializer."""
    rules = [{"verbs": ["*"], "apiGroups": ["", "x.example.com"], "resources": ["*"]}]
    spec: Json = {"initializer": True, "initializerPermissions": rules}
    spec |= {"extend": {"with": [{"name": "universal", "path": "root"}]}}
    meta = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType"}
    return {**meta, "metadata": {"name": "slow"}, "spec": spec}

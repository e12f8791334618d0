"""What happens in which order so that each row of the table of wakes is needed."""

from __future__ import annotations

from typing import Any

from tests.fix_inside import Json
from tests.kcp.provider import BINDINGS, EXPORTS, NAME, SCHEMAS, SLICES, binding, export, schema

OTHER = "y.example.com"
WORKSPACES = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMESPACES = "/api/v1/namespaces"
CONFIG_MAPS = f"{NAMESPACES}/default/configmaps"
SECRETS = f"{NAMESPACES}/kcp-system/secrets"
ACCOUNTS = f"{NAMESPACES}/default/serviceaccounts"
QUOTAS = f"{NAMESPACES}/default/resourcequotas"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
PARTITIONS = "/apis/topology.kcp.io/v1alpha1/partitions"
TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
CLAIMED = [
    {"group": "", "resource": "configmaps", "verbs": ["*"]},
    {"group": "", "resource": "secrets", "verbs": ["*"]},
]
A, B = "/clusters/root:a", "/clusters/root:b"
Step = tuple[str, str, Json | None]  # method (MERGE: a patch that is merged), path, body


def crd(plural: str, kind: str) -> Json:
    """Return a CRD of the group that is exported, too."""
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    shape = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": shape}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{NAME}"},
        "spec": {"group": NAME, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def endpoint_slice(path: str, of: str, partition: str = "") -> Json:
    """Return a slice."""
    spec: Json = {"export": {"path": path, "name": of}}
    return {
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIExportEndpointSlice",
        "metadata": {"name": "mine"},
        "spec": spec | ({"partition": partition} if partition else {}),
    }


def partition() -> Json:
    """Return a partition."""
    head = {"apiVersion": "topology.kcp.io/v1alpha1", "kind": "Partition"}
    return head | {"metadata": {"name": "p"}, "spec": {"selector": {}}}


def quota(hard: dict[str, str]) -> Json:
    """Return a quota of namespace default."""
    made = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}}
    return made | {"spec": {"hard": hard}}


def role(name: str, labels: dict[str, str], verbs: list[str], *, sums_up: bool) -> Json:
    """Return a ClusterRole; one that sums up has the rules of all that are labelled so."""
    meta = {"name": name, "labels": labels}
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": verbs}
    made: Json = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    chosen = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"in": "sum"}}]}}
    return made | {"metadata": meta} | (chosen if sums_up else {"rules": [rule]})


def workspace(name: str, kind: str, path: str = "root") -> Json:
    """Return a Workspace of a type, of root unless told otherwise."""
    spec = {"type": {"name": kind, "path": path}}
    made = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
    return made | {"metadata": {"name": name}, "spec": spec}


def kind_of_workspace(*exports: str) -> Json:
    """Return a type that brings bindings to exports of `a`."""
    head = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType"}
    brought = [{"path": "root:a", "export": each} for each in exports]
    spec = {"defaultAPIBindings": brought} if brought else {}
    return head | {"metadata": {"name": "mine"}, "spec": spec}


def account(name: str) -> list[Step]:
    """Return what makes a service account with a token that is kept in a Secret."""
    head = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token"}
    meta = {"name": "t", "annotations": {"kubernetes.io/service-account.name": name}}
    made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    return [
        ("POST", A + ACCOUNTS, made),
        ("POST", f"{A}{NAMESPACES}/default/secrets", head | {"metadata": meta}),
    ]


def made(at: str, path: str, *objects: Json) -> list[Step]:
    """Return steps that create objects."""
    return [("POST", at + path, obj) for obj in objects]


def gone(*paths: str) -> list[Step]:
    """Return steps that delete objects."""
    return [("DELETE", path, None) for path in paths]


def offer(*claims: Any) -> list[Step]:
    """Return what makes two exports of the same lamps in `a`."""
    both = [export(name, permissionClaims=list(claims)) for name in (NAME, OTHER)]
    return [*made(A, SCHEMAS, schema()), *made(A, EXPORTS, *both)]


def bind(name: str, of: str = NAME, *claims: Json) -> list[Step]:
    """Return what binds `b` to an export of `a`."""
    return made(B, BINDINGS, binding(name, "root:a", of, *claims))


def hold(*names: str) -> Step:
    """Return what gives the LogicalCluster of `b` these finalizers."""
    path = f"{B}/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
    return "MERGE", path, {"metadata": {"finalizers": list(names)}}


LAMP, BULB = f"{B}{CRDS}/lamps.{NAME}", f"{B}{CRDS}/bulbs.{NAME}"
SLICE = f"{A}{SLICES}/{NAME}"
# What there is before, and what happens then.
SCENES: dict[str, tuple[list[Step], list[Step]]] = {
    "a binding is made": (offer(), bind("one")),
    "a name is free": ([*offer(), *bind("one"), *bind("two", OTHER)], gone(f"{B}{BINDINGS}/one")),
    "a name is free for a CRD": (
        [*offer(), *bind("one"), *made(B, CRDS, crd("lamps", "Lamp"))],
        gone(f"{B}{BINDINGS}/one"),
    ),
    "nobody is bound": ([*offer(), *bind("one")], gone(f"{B}{BINDINGS}/one")),
    "conflicts come before the one that is bound": (
        [*offer(), *bind("one", OTHER), *bind("two")],
        gone(f"{B}{BINDINGS}/one"),
    ),
    "nothing is claimed": (
        [*offer(*CLAIMED), *bind("one", NAME, *CLAIMED)],
        gone(f"{B}{BINDINGS}/one"),
    ),
    "a CRD is made": ([], made(B, CRDS, crd("lamps", "Lamp"))),
    "a kind is free": (made(B, CRDS, crd("lamps", "Lamp"), crd("bulbs", "Lamp")), gone(LAMP)),
    "a CRD leaves its name to a binding": (
        [*offer(), *made(B, CRDS, crd("lamps", "Lamp")), *bind("one")],
        gone(LAMP),
    ),
    "an export is made": ([], offer()),
    "a slice is made": (offer(), made(B, SLICES, endpoint_slice("root:a", NAME))),
    "a slice is gone": (offer(), gone(SLICE)),
    "a schema comes late": (
        [*made(A, EXPORTS, export()), *bind("one")],
        made(A, SCHEMAS, schema()),
    ),
    "a schema is gone": ([*offer(), *bind("one")], gone(f"{A}{SCHEMAS}/v1.lamps.{NAME}")),
    "a partition comes late": (
        [*offer(), *made(A, SLICES, endpoint_slice("root:a", NAME, "p"))],
        made(A, PARTITIONS, partition()),
    ),
    "a type is made": ([], made(A, TYPES, kind_of_workspace())),
    "a default binding waits for its schema": (
        [
            *made(A, EXPORTS, export()),
            *made(A, TYPES, kind_of_workspace(NAME)),
            ("POST", WORKSPACES, workspace("c", "mine", "root:a")),
        ],
        made(A, SCHEMAS, schema()),
    ),
    "a workspace goes": ([], gone(f"{WORKSPACES}/b")),
    "a workspace waits for somebody else's finalizer": (
        [hold("example.com/held"), *gone(f"{WORKSPACES}/b")],
        [hold()],
    ),
    "a provider goes": (
        [*offer(), *bind("one"), *made(B, SLICES, endpoint_slice("root:a", OTHER))],
        gone(f"{WORKSPACES}/a"),
    ),
    "a provider goes that had no export": (
        [*bind("one"), *made(B, SLICES, endpoint_slice("root:a", OTHER))],
        [*gone(f"{WORKSPACES}/a"), ("POST", WORKSPACES, workspace("a", "organization")), *offer()],
    ),
    "a provider comes late": (
        [
            *made(B, BINDINGS, binding("one", "root:gone", NAME)),
            *made(B, SLICES, endpoint_slice("root:gone", NAME)),
        ],
        [
            ("POST", WORKSPACES, workspace("gone", "universal")),
            *made("/clusters/root:gone", SCHEMAS, schema()),
            *made("/clusters/root:gone", EXPORTS, export()),
        ],
    ),
    "a role changes that others sum up": (
        made(A, ROLES, role("all", {}, [], sums_up=True)),
        made(A, ROLES, role("one", {"in": "sum"}, ["get"], sums_up=False)),
    ),
    "a namespace goes": (
        made(A, NAMESPACES, {"metadata": {"name": "n"}}),
        gone(f"{A}{NAMESPACES}/n"),
    ),
    "a quota is made": ([], made(A, QUOTAS, quota({"configmaps": "9"}))),
    "a certificate is gone": ([], gone(f"{A}{CONFIG_MAPS}/kube-root-ca.crt")),
    "an account is gone": ([], gone(f"{A}{ACCOUNTS}/default")),
    "an account goes with its tokens": (account("mine"), gone(f"{A}{ACCOUNTS}/mine")),
    "an identity is gone": (offer(), gone(f"{A}{SECRETS}/{NAME}")),
}


# By kind and controller of a row: the scenes that go wrong without it.
NEEDED = {
    ("apibindings", "apibinding"): ("a binding is made",),
    ("apibindings", "apibinding-names"): ("a name is free",),
    ("apibindings", "crd-names"): ("a name is free for a CRD",),
    ("apibindings", "slices"): ("nobody is bound",),
    ("apibindings", "claims"): ("nothing is claimed",),
    ("apibindings", "logicalcluster"): ("a default binding waits for its schema",),
    ("customresourcedefinitions", "crd"): ("a CRD is made",),
    ("customresourcedefinitions", "crd-names"): ("a kind is free",),
    ("customresourcedefinitions", "apibinding-names"): ("a CRD leaves its name to a binding",),
    ("apiexports", "apiexport"): ("an export is made",),
    ("apiexportendpointslices", "slice"): ("a slice is made",),
    ("apiexportendpointslices", "apiexport"): ("a slice is gone",),
    ("apiresourceschemas", "schema"): ("a schema comes late", "a schema is gone"),
    ("partitions", "partition"): ("a partition comes late",),
    ("workspacetypes", "workspacetype"): ("a type is made",),
    ("workspaces", "workspace"): ("a workspace goes",),
    ("logicalclusters", "logicalcluster"): ("a workspace goes",),
    ("logicalclusters", "workspace"): ("a workspace waits for somebody else's finalizer",),
    ("logicalclusters", "departed"): ("a provider goes that had no export",),
    ("clusterroles", "aggregation"): ("a role changes that others sum up",),
    ("namespaces", "namespace"): ("a namespace goes",),
    ("resourcequotas", "quota"): ("a quota is made",),
    ("configmaps", "namespace-content"): ("a certificate is gone",),
    ("serviceaccounts", "namespace-content"): ("an account is gone",),
    ("serviceaccounts", "tokens"): ("an account goes with its tokens",),
    ("secrets", "identity"): ("an identity is gone",),
}

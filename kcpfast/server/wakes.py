"""Which reconciler looks at what when an object of a kind changes: one table.

A reconciler must be woken by everything that it reads. What it reads of objects stands here, as
rows "kind, what of it, controller, which of its items"; the marks go into the commit of the change.
Two rules hold for all kinds and stand with what they are about: whoever counts, owns or waits for
objects (`registry/objects.py`), and whoever uses a row of the catalog (`registry/catalog.py`). Who
waits for what no row can name, a workspace that may come to be at a path, says what was read
(`Again` in `controllers/runtime.py`). A test marks everything after any history, and nothing may
change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from kcpfast.admission.quota import is_whole
from kcpfast.auth.rbac import what_aggregation_reads
from kcpfast.auth.tokens import SECRETS
from kcpfast.controllers.workspaces import is_waiting
from kcpfast.kcp import bindings, claims
from kcpfast.kcp.clusters import LOGICAL_CLUSTER_NAME
from kcpfast.kcp.creation import ROOT_CA
from kcpfast.kcp.kinds import api_exports, endpoint_slices
from kcpfast.kcp.workspaces import is_complete
from kcpfast.registry import index
from kcpfast.registry.objects import IndexHook, Target
from kcpfast.resources.resource import Object
from kcpfast.store.contract import PutRevision, Write

Kind = tuple[str, str]
Item = tuple[str, str]  # the cluster and the name by which a reconciler knows its work
Seen = Callable[[Object], Any]
Items = Callable[[Target, Object], Iterable[Item]]

_BINDINGS = ("apis.kcp.io", "apibindings")
_CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")
_EXPORTS = ("apis.kcp.io", "apiexports")
_SLICES = ("apis.kcp.io", "apiexportendpointslices")
_CLUSTERS = ("core.kcp.io", "logicalclusters")

# Of which side of a change the items are: what an object is now, what it was, or both.
NOW, WAS, BOTH = "now", "was", "both"


class Wake(NamedTuple):
    """A row: if `seen` of an object of a kind changes, a controller looks at `items` again.

    `seen` of an object that is not there is None. `needs` is the beginning of an entry in the index
    without which nobody would be interested (see contract.PutRevision).
    """

    kind: Kind
    seen: Seen
    controller: str
    items: Items
    side: str = NOW
    needs: Callable[[str, str], bytes] | None = None


# ------------------------------------------------------------------------- what is seen


def _exists(_obj: Object) -> bool:
    return True


def _spec(obj: Object) -> Any:
    return obj.get("spec")


def _is_ending(obj: Object) -> bool | None:
    return "deletionTimestamp" in obj["metadata"] or None


def _spec_and_end(obj: Object) -> Any:
    return obj.get("spec"), _is_ending(obj)


def _of_export(export: Object) -> Any:
    meta, status = export["metadata"], export.get("status") or {}
    return (
        export.get("spec"),
        status.get("identityHash"),
        meta.get("annotations"),
        _is_ending(export),
    )


def _names(crd: Object) -> Any:
    return (crd.get("status") or {}).get("acceptedNames"), crd["spec"]["names"]


def _bound(binding: Object) -> Any:
    status = binding.get("status") or {}
    bound = status.get("boundResources") or ()
    # Of a schema in the place of another the names may be others, too.
    return [
        (resource["group"], resource["resource"], resource["schema"]["UID"]) for resource in bound
    ] or None


def _applied(binding: Object) -> Any:
    return (binding.get("status") or {}).get("appliedPermissionClaims") or None


def _consumes(binding: Object) -> Any:
    return (binding.get("status") or {}).get("apiExportClusterName")


def _lifecycle(logical: Object) -> Any:
    """None while nothing is to be waited for: as most are born."""
    status, ending = logical.get("status") or {}, _is_ending(logical)
    return None if status.get("phase") == "Ready" and not ending else (status, ending)


def _incomplete(binding: Object) -> bool | None:
    return None if is_complete(binding) else True


def _unsettled(workspace: Object) -> Any:
    """None while nothing is to be done: as most are born."""
    ending = _is_ending(workspace)
    spec = workspace.get("spec") if is_waiting(workspace) else None
    return (ending, spec) if ending or spec is not None else None


def _limits(quota: Object) -> Any:
    return quota.get("spec"), is_whole(quota)


# ------------------------------------------------------------------------- whose work it is


def _itself(target: Target, _obj: Object) -> Iterable[Item]:
    return [(target.cluster, target.name)]


def _its_workspace(target: Target, _obj: Object) -> Iterable[Item]:
    return [(target.cluster, "")]


def _its_cluster(target: Target, _obj: Object) -> Iterable[Item]:
    return [(target.cluster, LOGICAL_CLUSTER_NAME)]


def _its_namespace(target: Target, _obj: Object) -> Iterable[Item]:
    return [(target.cluster, target.namespace)]


def _group(target: Target, crd: Object) -> Iterable[Item]:
    return [(target.cluster, crd["spec"]["group"])]


def _groups(target: Target, binding: Object) -> Iterable[Item]:
    return [(target.cluster, group) for group, *_ in _bound(binding) or ()]


def _claimed(target: Target, binding: Object) -> Iterable[Item]:
    return [(target.cluster, claims.storage(claim).decode()) for claim in _applied(binding) or ()]


def _consumed(_target: Target, binding: Object) -> Iterable[Item]:
    owner, name = _consumes(binding), bindings.reference(binding).get("name") or ""
    return [(owner, name)] if owner else []


def _owner(_target: Target, logical: Object) -> Iterable[Item]:
    owner = (logical.get("spec") or {}).get("owner")
    return [(owner["cluster"], owner["name"])] if owner else []


def _filled(target: Target, obj: Object) -> Iterable[Item]:
    """Return the namespace of what every namespace has."""
    kept = target.name in ("default", ROOT_CA)
    return _its_namespace(target, obj) if kept else []


def _secret(target: Target, _obj: Object) -> Iterable[Item]:
    return [(target.cluster, f"{target.namespace}/{target.name}")]


def _account(target: Target, account: Object) -> Iterable[Item]:
    return [(target.cluster, f"{target.namespace}\0{account['metadata']['uid']}")]


def _quota_place(target: Target, quota: Object) -> Iterable[Item]:
    return [(target.cluster, "" if is_whole(quota) else target.namespace)]


def _aggregated(cluster: str, _name: str) -> bytes:
    return index.aggregated(cluster)


def _consumers_of(cluster: str, _name: str) -> bytes:
    return index.consumers_of(cluster)


def _slices_of(cluster: str, _name: str) -> bytes:
    return index.slices_of(cluster)


def _exports(cluster: str, _name: str) -> bytes:
    return index.count(cluster, "", api_exports().storage)


def _slices(cluster: str, _name: str) -> bytes:
    return index.count(cluster, "", endpoint_slices().storage)


def _secrets(cluster: str, name: str) -> bytes:
    return index.count(cluster, name.partition("\0")[0], SECRETS.storage)


WAKES = (
    # kind, what of it, who looks, at what
    Wake(_BINDINGS, _spec_and_end, "apibinding", _itself),
    Wake(_BINDINGS, _bound, "apibinding-names", _its_workspace, WAS),
    Wake(_BINDINGS, _bound, "crd-names", _groups, WAS),
    Wake(_BINDINGS, _consumes, "slices", _consumed, WAS),
    Wake(_BINDINGS, _exists, "claims", _claimed, WAS),
    Wake(_BINDINGS, _incomplete, "logicalcluster", _its_cluster, WAS),
    Wake(_CRDS, _spec_and_end, "crd", _itself),
    Wake(_CRDS, _names, "crd-names", _group, WAS),
    Wake(_CRDS, _names, "apibinding-names", _its_workspace, WAS),
    Wake(_EXPORTS, _of_export, "apiexport", _itself, BOTH),
    Wake(_SLICES, _spec, "slice", _itself),
    Wake(_SLICES, _exists, "apiexport", _itself, WAS, _exports),
    Wake(("apis.kcp.io", "apiresourceschemas"), _spec, "schema", _itself, BOTH, _exports),
    Wake(("topology.kcp.io", "partitions"), _exists, "partition", _itself, BOTH, _slices),
    Wake(("tenancy.kcp.io", "workspacetypes"), _exists, "workspacetype", _itself),
    Wake(("tenancy.kcp.io", "workspaces"), _unsettled, "workspace", _itself),
    Wake(_CLUSTERS, _lifecycle, "logicalcluster", _itself),
    Wake(_CLUSTERS, _exists, "workspace", _owner, WAS),
    Wake(_CLUSTERS, _exists, "departed", _its_workspace, WAS, _consumers_of),
    Wake(_CLUSTERS, _exists, "departed", _its_workspace, WAS, _slices_of),
    Wake(
        ("rbac.authorization.k8s.io", "clusterroles"),
        what_aggregation_reads,
        "aggregation",
        _its_workspace,
        BOTH,
        _aggregated,
    ),
    Wake(("", "namespaces"), _is_ending, "namespace", _itself),
    Wake(("", "resourcequotas"), _limits, "quota", _quota_place, BOTH),
    Wake(("", "configmaps"), lambda obj: obj.get("data"), "namespace-content", _filled, WAS),
    Wake(("", "serviceaccounts"), _exists, "namespace-content", _filled, WAS),
    Wake(("", "serviceaccounts"), _exists, "tokens", _account, WAS, _secrets),
    Wake(("", "secrets"), lambda obj: obj.get("data"), "identity", _secret, BOTH, _exports),
)


def index_hooks() -> dict[Kind, IndexHook]:
    """Return what sets the marks, by kind."""
    kinds = dict.fromkeys(row.kind for row in WAKES)
    return {kind: _setting([row for row in WAKES if row.kind == kind]) for kind in kinds}


def _setting(rows: list[Wake]) -> IndexHook:
    def index_hook(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
        for row in rows:
            if old is None and row.side == WAS:
                continue
            before = None if old is None else row.seen(old)
            after = None if new is None else row.seen(new)
            if before != after and (before is not None or row.side != WAS):
                yield from _marks(row, target, old, new)

    return index_hook


def _marks(row: Wake, target: Target, old: Object | None, new: Object | None) -> Iterator[Write]:
    sides = {NOW: (new,), WAS: (old,), BOTH: (old, new)}[row.side]
    items = [item for obj in sides if obj is not None for item in row.items(target, obj)]
    for item in dict.fromkeys(items):
        yield PutRevision(
            index.work_item(row.controller, *item), row.needs(*item) if row.needs else b""
        )

"""The fields by which the server decides who somebody is or what may be done: who may write them.

One table. Who may do anything in a workspace may write its objects, and with them what the server
itself believes: who made the workspace, where it stands, how far its life has come. So each such
field has owners. Anybody else leaves it as it is: what they leave out is put back, what they add or
change is refused (labels are put back, as in kcp), whatever the verb, the subresource or the view;
and what the server has filled in is compared once more behind the webhooks and policies of the
workspace. kcp guards fewer (README).

Not in the table, because an authorizer or a schema settles them for everybody but system:masters:
the status of APIBindings and APIExports (`authorizer.py`), of Workspaces and WorkspaceTypes (the
maximal permission policy of tenancy.kcp.io), references of APIBindings (a rule of their schema),
`kcp.io/cluster` and what else the server says of all objects (`registry/identity.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from kcpfast.admission.chain import CREATE, Plugin, Review
from kcpfast.kcp.authorizer import is_member
from kcpfast.kcp.bindings import API_BINDINGS_PLACE
from kcpfast.kcp.claims import LABEL as CLAIMED
from kcpfast.kcp.creation import DELETION_FINALIZER, TERMINATORS_FINALIZER
from kcpfast.kcp.lifecycle import INITIALIZER_LABEL, PHASE_LABEL, TERMINATOR_LABEL
from kcpfast.meta.user import (
    ADMIN_GROUP,
    BOOTSTRAPPER_GROUP,
    CLUSTER_ADMIN_GROUPS,
    LIFECYCLE_GROUPS,
    MASTERS,
)
from kcpfast.resources.resource import Object

GroupResource = tuple[str, str]
Values = dict[tuple[str, ...], Any]
CLUSTERS: GroupResource = ("core.kcp.io", "logicalclusters")
SPACES: GroupResource = ("tenancy.kcp.io", "workspaces")
SIGNING_REQUESTS: GroupResource = ("certificates.k8s.io", "certificatesigningrequests")
_ALL: GroupResource = ("*", "*")
# As in kcp, these stand for the server itself.
KEEPERS = (MASTERS, BOOTSTRAPPER_GROUP, *CLUSTER_ADMIN_GROUPS)
PLATFORM = (*KEEPERS, ADMIN_GROUP)


class OwnedField(NamedTuple):
    """A row: where a field is, which groups may write it, and what is decided by it.

    `path` names a member of an object; of annotations, labels and finalizers a key, or with `*` at
    its end all keys that begin so. `lifecycle`: an initializer or terminator takes itself off.
    """

    place: GroupResource
    path: tuple[str, ...]
    owners: tuple[str, ...]
    decides: str
    lifecycle: str = ""


def _annotation(
    place: GroupResource, key: str, owners: tuple[str, ...], decides: str
) -> OwnedField:
    return OwnedField(place, ("metadata", "annotations", key), owners, decides)


def _label(place: GroupResource, key: str, decides: str) -> OwnedField:
    return OwnedField(place, ("metadata", "labels", key), KEEPERS, decides)


def _finalizer(place: GroupResource, key: str, decides: str) -> OwnedField:
    return OwnedField(place, ("metadata", "finalizers", key), KEEPERS, decides)


_INITIALIZER, _TERMINATOR = LIFECYCLE_GROUPS
OWNED_FIELDS = (
    OwnedField(CLUSTERS, ("spec", "createdBy"), KEEPERS, "as whom initializers, terminators act"),
    OwnedField(CLUSTERS, ("spec", "owner"), PLATFORM, "which Workspace follows, and is let go"),
    OwnedField(CLUSTERS, ("spec", "directlyDeletable"), PLATFORM, "who may end a workspace"),
    OwnedField(CLUSTERS, ("spec", "initializers"), KEEPERS, "who works here before it is ready"),
    OwnedField(CLUSTERS, ("spec", "terminators"), KEEPERS, "who works here before it ends"),
    OwnedField(CLUSTERS, ("status", "phase"), PLATFORM, "who may enter, which limits hold"),
    OwnedField(CLUSTERS, ("status", "URL"), PLATFORM, "where clients are sent"),
    OwnedField(CLUSTERS, ("status", "initializers"), PLATFORM, "who may work here", _INITIALIZER),
    OwnedField(CLUSTERS, ("status", "terminators"), PLATFORM, "who may work here", _TERMINATOR),
    _annotation(CLUSTERS, "kcp.io/path", PLATFORM, "what names of types and exports mean here"),
    _annotation(CLUSTERS, "internal.*", KEEPERS, "type, names taken by bindings, sleep"),
    _annotation(CLUSTERS, "core.kcp.io/shard", KEEPERS, "where the workspace is"),
    _annotation(CLUSTERS, "core.kcp.io/max-total-objects", PLATFORM, "how much it may hold"),
    _annotation(CLUSTERS, "authorization.kcp.io/required-groups", PLATFORM, "who may enter"),
    _annotation(CLUSTERS, "experimental.tenancy.kcp.io/owner", KEEPERS, "who is shown as owner"),
    _label(CLUSTERS, INITIALIZER_LABEL + "*", "which initializer sees it"),
    _label(CLUSTERS, TERMINATOR_LABEL + "*", "which terminator sees it"),
    _label(CLUSTERS, PHASE_LABEL, "whether initializers and terminators see it"),
    _finalizer(CLUSTERS, DELETION_FINALIZER, "that content goes before the workspace"),
    _finalizer(CLUSTERS, TERMINATORS_FINALIZER, "that terminators have their turn"),
    _annotation(SPACES, "internal.*", KEEPERS, "which logical cluster, on which shard"),
    _annotation(SPACES, "core.kcp.io/shard", KEEPERS, "where the workspace is"),
    _annotation(SPACES, "authorization.kcp.io/required-groups", PLATFORM, "who may enter"),
    _annotation(SPACES, "experimental.tenancy.kcp.io/owner", KEEPERS, "who made the workspace"),
    _label(SPACES, PHASE_LABEL, "how far the workspace is"),
    _finalizer(SPACES, "core.kcp.io/logicalcluster", "that the logical cluster goes first"),
    _label(API_BINDINGS_PLACE, "internal.*", "which export sees the binding"),
    _finalizer(API_BINDINGS_PLACE, "apis.kcp.io/apibinding-finalizer", "that what it binds goes"),
)  # fmt: skip
# What other plugins write and settle; behind them it is changed no more. The first: of any kind.
_EVERYWHERE = _label(_ALL, CLAIMED + "*", "which exports see an object")
SETTLED = (
    _annotation(("apis.kcp.io", "apiexports"), "kcp.io/path", KEEPERS, "where an export is"),
    _annotation(("tenancy.kcp.io", "workspacetypes"), "kcp.io/path", KEEPERS, "where a type is"),
    _annotation(API_BINDINGS_PLACE, "kcp.io/path", KEEPERS, "where a binding is"),
    OwnedField(SIGNING_REQUESTS, ("spec", "username"), (), "who asks for a certificate"),
    OwnedField(SIGNING_REQUESTS, ("spec", "uid"), (), "who asks for a certificate"),
    OwnedField(SIGNING_REQUESTS, ("spec", "groups"), (), "who asks for a certificate"),
    OwnedField(SIGNING_REQUESTS, ("spec", "extra"), (), "who asks for a certificate"),
)
_KEYED = ("annotations", "labels", "finalizers")


def _by_place(table: Iterable[OwnedField]) -> dict[GroupResource, tuple[OwnedField, ...]]:
    by_place: dict[GroupResource, tuple[OwnedField, ...]] = {}
    for row in table:
        by_place[row.place] = (*by_place.get(row.place, ()), row)
    return by_place


_OF_PLACE = _by_place(OWNED_FIELDS)
_COMPARED = _by_place((*OWNED_FIELDS, *SETTLED))


def plugin() -> Plugin:
    """Return the plugin, which belongs at the beginning of the chain."""
    places = tuple(_OF_PLACE)
    return Plugin(
        "kcp.io/OwnedFields",
        _guard,
        places=places,
        subresources=None,
        mutates=True,
        once=True,  # see `kept`
    )


def _guard(review: Review) -> None:
    """Hold a request to what its user may write."""
    for row in _OF_PLACE[review.place]:
        if not is_member(review.user, review.target.cluster, row.owners):
            _hold(review, row)


def _hold(review: Review, row: OwnedField) -> None:
    obj, old = review.obj, _values(row, review.old or {})
    silent = review.operation == CREATE or "labels" in row.path
    for path, value in _values(row, obj).items():
        if old.get(path) == value or _takes_itself_off(review, row, old.get(path), value):
            continue
        if not silent:
            raise review.refuse(f"{_shown(path)} is immutable")
        _remove(obj, path)  # of a new object the server says it itself
    left = _values(row, obj)
    for path, value in old.items():
        if path not in left and not _takes_itself_off(review, row, value, []):
            _put_back(obj, path, value)


def kept(review: Review) -> Callable[[], None]:
    """Note what the server says of an object, before webhooks and policies may change it.

    What is returned is called behind them: ApiError if they have changed any of it.
    """
    noted = _all_values(review)

    def compare() -> None:
        values = _all_values(review)
        if values != noted:
            changed = [path for path in {**noted, **values} if noted.get(path) != values.get(path)]
            raise review.refuse(f"{_shown(changed[0])} may not be changed by admission")

    return compare


def _all_values(review: Review) -> Values:
    values: Values = {}
    if review.new is None:
        return values  # it is deleted
    labels = review.obj["metadata"].get("labels")
    if labels:
        for key in labels:
            if key.startswith(CLAIMED):
                values = _values(_EVERYWHERE, review.obj)
                break
    for row in _COMPARED.get(review.place, ()):
        # What has no owner is said once, at creation; afterwards it is put back behind admission.
        if row.owners or review.operation == CREATE:
            values |= _values(row, review.obj)
    return values


def _takes_itself_off(review: Review, row: OwnedField, before: Any, after: Any) -> bool:
    """Tell whether a list loses entries of those alone as whose controller the user acts."""
    if not row.lifecycle or not isinstance(before, list) or not isinstance(after, list):
        return False
    gone = [name for name in before if name not in after]
    if [name for name in before if name in after] != after:
        return False
    user, cluster = review.user, review.target.cluster
    return all(is_member(user, cluster, (row.lifecycle + name,)) for name in gone)


# ------------------------------------------------------------------------- members of objects


def _values(row: OwnedField, obj: Object) -> Values:
    """Return what an object says of a row, by path."""
    *parents, last = row.path
    holder: Any = obj
    for parent in parents:
        holder = holder.get(parent) if isinstance(holder, dict) else None
    if parents[-1:] == ["finalizers"]:
        return {row.path: True} if last in (holder or ()) else {}
    if not isinstance(holder, dict):
        return {}
    if last.endswith("*"):
        keys = (key for key in holder if key.startswith(last[:-1]))
        return {(*parents, key): holder[key] for key in keys}
    return {row.path: holder[last]} if last in holder else {}


def _put_back(obj: Object, path: tuple[str, ...], value: Any) -> None:
    *parents, last = path
    for parent in parents[:-1]:
        obj = obj.setdefault(parent, {})
    key = parents[-1]
    if key == "finalizers":
        obj[key] = [*(obj.get(key) or ()), last]
    else:
        obj[key] = {**(obj.get(key) or {}), last: value}


def _remove(obj: Object, path: tuple[str, ...]) -> None:
    *parents, last = path
    for parent in parents:
        obj = obj[parent]
    if isinstance(obj, list):
        obj.remove(last)
    else:
        del obj[last]


def _shown(path: Iterable[str]) -> str:
    *parents, last = path
    keyed = parents[-1] in _KEYED
    return ".".join(parents) + (f"[{last}]" if keyed else f".{last}")

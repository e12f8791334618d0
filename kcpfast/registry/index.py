"""The keys of the index: one function for each table of entries that writes carry along.

Every key begins with a word for its table. A value is what the next reader needs and no more.

    count       cluster, namespace, storage        -> number of objects
    total       cluster, storage                   -> number of objects ("" = of all storages)
    owner       cluster, owner's uid#, object key#  -> object key
    resource    cluster, group, plural             -> catalog row
    definition  hash                               -> definition (JSON)
    uses        definition hash                    -> number of catalog rows
    identity    identity, group, plural            -> origin of the newest definition bound
    awaits      cluster, owner's uid#               -> key of an owner that waits for dependents
    aggregated  cluster, role's key#               -> key of a role that is made up of others
    path        parent cluster, workspace name     -> cluster
    subject     cluster, kind and name#, binding key# -> binding key
    consumer    export's cluster, export, consumer, binding -> what the binding accepts
    slice       export's cluster, export, slice's cluster, slice -> (nothing)
    claim       cluster, storage, export's hash, binding# -> what an export may see of the storage
    labelled    label of an initializer or terminator, cluster -> (nothing)
    quota       cluster, namespace, name           -> limits ("" = for the whole cluster)
    waiting     cluster, namespace                 -> (nothing): its deletion waits for objects
    lives       object key#                        -> minute in which the object expires
    expires     minute, object key#                -> object key
    mark        controller, cluster, name          -> revision of the write that asked for work

What a client may make as long as it likes stands as a digest (#), because keys are bounded.
"""

from __future__ import annotations

import hashlib


def digest(text: str | bytes) -> str:
    """Return what stands for a text of any length in a key."""
    data = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()[:24]


def count(cluster: str, namespace: str, storage: bytes) -> bytes:
    """Objects of one storage in one namespace ("" for cluster-scoped ones)."""
    return f"count\0{cluster}\0{namespace}\0".encode() + storage


def counts(cluster: str, namespace: str | None = None) -> bytes:
    """The range of counters of a cluster, or of one namespace in it."""
    if namespace is None:
        return f"count\0{cluster}\0".encode()
    return f"count\0{cluster}\0{namespace}\0".encode()


def total(cluster: str, storage: bytes = b"") -> bytes:
    """Objects of one storage in the whole cluster; without a storage, of all of them."""
    return f"total\0{cluster}\0".encode() + storage


def owner(cluster: str, uid_digest: str, key: bytes = b"") -> bytes:
    """An object that names the owner with this uid; without a key, the range of them."""
    return owner_entry(cluster, f"{uid_digest}\0{digest(key) if key else ''}")


def owner_entry(cluster: str, name: str) -> bytes:
    """The same key from its last two parts, which are the name of a `dependent` work item."""
    return f"owner\0{cluster}\0{name}".encode()


def awaits(cluster: str, uid_digest: str) -> bytes:
    """An owner whose deletion waits for its dependents to go, or to be set free."""
    return f"awaits\0{cluster}\0{uid_digest}".encode()


def resource(cluster: str, group: str | None = None, plural: str = "") -> bytes:
    """The catalog row of a resource; without a group, the range of a cluster's rows."""
    if group is None:
        return f"resource\0{cluster}\0".encode()
    return f"resource\0{cluster}\0{group}\0{plural}".encode()


def definition(content: str) -> bytes:
    """A definition by its hash."""
    return f"definition\0{content}".encode()


def uses(content: str) -> bytes:
    """How many catalog rows point at a definition."""
    return f"uses\0{content}".encode()


def identity(value: str, group: str, plural: str) -> bytes:
    """The origin of what is bound with an identity."""
    return f"identity\0{value}\0{group}\0{plural}".encode()


def aggregated(cluster: str, key: bytes = b"") -> bytes:
    """A ClusterRole that is made up of others; without a key, the range of them."""
    return f"aggregated\0{cluster}\0{digest(key) if key else ''}".encode()


def path(parent: str, name: str) -> bytes:
    """The cluster of a workspace, by its parent's cluster and its name."""
    return f"path\0{parent}\0{name}".encode()


def subject(cluster: str, kind: str, name: str, key: bytes = b"") -> bytes:
    """A role binding that names a subject; without a key, the range of them."""
    who = digest(f"{kind}\0{name}")
    return f"subject\0{cluster}\0{who}\0{digest(key) if key else ''}".encode()


def consumer(cluster: str, export: str, consumer_cluster: str = "", binding: str = "") -> bytes:
    """A binding to an export; without a consumer, the range of all of them."""
    if not consumer_cluster:
        return f"consumer\0{cluster}\0{export}\0".encode()
    if not binding:
        return f"consumer\0{cluster}\0{export}\0{consumer_cluster}\0".encode()
    return f"consumer\0{cluster}\0{export}\0{consumer_cluster}\0{binding}".encode()


def consumers_of(cluster: str) -> bytes:
    """The range of bindings to any export of a cluster."""
    return f"consumer\0{cluster}\0".encode()


def slices_of(cluster: str) -> bytes:
    """The range of endpoint slices of any export of a cluster."""
    return f"slice\0{cluster}\0".encode()


def endpoint_slice(cluster: str, export: str, slice_cluster: str = "", name: str = "") -> bytes:
    """An endpoint slice of an export; without a slice, the range of all of them."""
    if not slice_cluster:
        return f"slice\0{cluster}\0{export}\0".encode()
    return f"slice\0{cluster}\0{export}\0{slice_cluster}\0{name}".encode()


def claim(cluster: str, storage: bytes, export: str = "", binding: str = "") -> bytes:
    """A claim that a consumer has accepted in a binding; without an export's hash, the range of a
    storage; without a binding, as all bindings to an export shared it in stores of before."""
    ending = f"\0{export}\0{digest(binding)}" if binding else f"\0{export}"
    return f"claim\0{cluster}\0".encode() + storage + ending.encode()


def labelled(label: str, cluster: str = "") -> bytes:
    """A LogicalCluster with a label of its lifecycle; without a cluster, the range of them."""
    return f"labelled\0{label}\0{cluster}".encode()


def quota(cluster: str, namespace: str, name: str = "") -> bytes:
    """A quota that holds for a namespace or ("") a whole cluster; without a name, all of them."""
    return f"quota\0{cluster}\0{namespace}\0{name}".encode()


def quotas(cluster: str) -> bytes:
    """The range of a cluster's quotas."""
    return f"quota\0{cluster}\0".encode()


def waiting(cluster: str, namespace: str) -> bytes:
    """A namespace, or ("") a whole cluster, whose deletion waits for objects to go."""
    return f"waiting\0{cluster}\0{namespace}\0".encode()


_OF_CLUSTER = (
    "aggregated", "awaits", "claim", "count", "owner", "path", "quota", "resource", "subject",
    "total",
)  # fmt: skip


def of_cluster(cluster: str) -> list[bytes]:
    """The ranges of all tables whose entries concern one cluster only: they go with it."""
    return [f"{table}\0{cluster}\0".encode() for table in _OF_CLUSTER]


def waits(cluster: str) -> bytes:
    """The range of deletions in a cluster that wait for objects to go."""
    return f"waiting\0{cluster}\0".encode()


def lives(key: bytes) -> bytes:
    """When an object expires."""
    return f"lives\0{digest(key)}".encode()


EXPIRES = b"expires\0"


def expires(minute: int, key: bytes) -> bytes:
    """An object that expires in a minute (Unix time in minutes)."""
    return EXPIRES + minute.to_bytes(8, "big") + digest(key).encode()


def expiry_minute(key: bytes) -> int:
    """Return the minute in a key of `expires`."""
    return int.from_bytes(key[len(EXPIRES) : len(EXPIRES) + 8], "big")


# Stored as `mark`: the word is in the data of existing stores and must not change.
def work_item(controller: str, cluster: str, name: str) -> bytes:
    """Work that a controller has to do."""
    return f"mark\0{controller}\0{cluster}\0{name}".encode()


WORK_ITEMS = b"mark\0"


def parse_work_item(key: bytes) -> tuple[str, str, str]:
    """Split the key of a work item into controller, cluster and name."""
    _, controller, cluster, name = key.decode().split("\0", 3)
    return controller, cluster, name

"""Keys of objects: made of storage, cluster, namespace and name, and taken apart again.

`<storage> NUL <cluster> NUL <namespace> NUL <name>`: the storage (`group/resource[:identity]`)
comes first, so that a list over all workspaces is one range, and a list in one is a shorter one.
LMDB keys end at 511 bytes and a snapshot key needs 9 of them; names that Kubernetes allows fit,
because a storage of more than 150 bytes is shortened to a digest.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

MAX_KEY = 500
_MAX_STORAGE = 150


class ObjectPlace(NamedTuple):
    """Where an object lives."""

    storage: bytes
    cluster: str
    namespace: str
    name: str


def storage_name(group: str, resource: str, identity: str = "") -> bytes:
    """Return the storage of a resource; `identity` is an APIExport's hash or `customresources`."""
    name = f"{group}/{resource}:{identity}" if identity else f"{group}/{resource}"
    # The beginning stays readable; the digest keeps two long names apart.
    if len(name) > _MAX_STORAGE:
        digest = hashlib.sha256(name.encode()).hexdigest()
        name = f"{name[: _MAX_STORAGE - 65]}~{digest}"
    return name.encode()


def object_key(storage: bytes, cluster: str, namespace: str, name: str) -> bytes:
    """Return the key of one object; ValueError if it cannot be a key."""
    key = storage + f"\0{cluster}\0{namespace}\0{name}".encode()
    # Danger: a NUL in a name would make it the key of an object somewhere else.
    if len(key) > MAX_KEY or key.count(0) != 3:
        raise ValueError("name is too long or holds a NUL")
    return key


def prefix(storage: bytes, cluster: str = "", namespace: str = "") -> bytes:
    """Return the range of a list: all clusters, one cluster, or one namespace of it."""
    if not cluster:
        return storage + b"\0"
    if not namespace:
        return storage + f"\0{cluster}\0".encode()
    return storage + f"\0{cluster}\0{namespace}\0".encode()


def place(key: bytes) -> ObjectPlace:
    """Split an object key into its coordinates."""
    storage, cluster, namespace, name = key.split(b"\0")
    return ObjectPlace(storage, cluster.decode(), namespace.decode(), name.decode())


def after(key_prefix: bytes) -> bytes:
    """Return the smallest key behind every key with this prefix (which ends in NUL)."""
    return key_prefix[:-1] + b"\1"

"""What is stored, read as it stands: every object decoded, by group and resource."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any, NamedTuple

from kcpfast.store.contract import Store

Json = dict[str, Any]


class Thing(NamedTuple):
    """An object, and which of the storages of its kind it is in (an identity, or "")."""

    group: str
    resource: str
    storage: str
    cluster: str
    namespace: str
    name: str
    revision: int
    obj: Json

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that somebody gave it: those of the server do not count."""
        given = self.obj["metadata"].get("labels") or {}
        return {key: given[key] for key in given if "internal.apis.kcp.io/" not in key}


class Export(NamedTuple):
    """Which APIExport."""

    cluster: str
    name: str


class Facts:
    """All stored objects, by group and resource."""

    _decoded: dict[tuple[bytes, int], Json]

    def __init__(self, store: Store, before: Facts | None = None) -> None:
        """Read the store; what `before` has decoded already is taken from there."""
        self._decoded = before._decoded if before is not None else {}
        self.revision = store.revision()
        self.things: dict[tuple[str, str], list[Thing]] = {}
        self._by_cluster: dict[tuple[str, str, str], list[Thing]] | None = None
        for key, revision, value in store.scan(b"").items:
            storage, cluster, namespace, name = key.decode().split("\0")
            kind, _, identity = storage.partition(":")
            group, _, resource = kind.rpartition("/")
            obj = self._decoded.get((key, revision))
            if obj is None:
                tail = value.partition(b"\0")[2].decode()
                obj = json.loads('{"metadata":{"resourceVersion":"' + str(revision) + tail)
                self._decoded[key, revision] = obj
            thing = Thing(group, resource, identity, cluster, namespace, name, revision, obj)
            self.things.setdefault((group, resource), []).append(thing)

    def mixed(self, before: Facts, kinds: Iterable[tuple[str, str]], named: str) -> Facts:
        """Return these facts with the objects of some kinds as they were before.

        Those whose name begins so: others are what rights depend on.
        """
        found = copy(self)
        found._by_cluster, found.things = None, dict(self.things)
        for kind in kinds:
            now = [each for each in self.all(*kind) if not each.name.startswith(named)]
            then = [each for each in before.all(*kind) if each.name.startswith(named)]
            found.things[kind] = now + then
        return found

    def all(self, group: str, resource: str, cluster: str = "") -> list[Thing]:
        """Return the objects of a resource, of all clusters or one."""
        if not cluster:
            return self.things.get((group, resource), [])
        if self._by_cluster is None:
            self._by_cluster = {}
            for kind, things in self.things.items():
                for each in things:
                    self._by_cluster.setdefault((*kind, each.cluster), []).append(each)
        return self._by_cluster.get((group, resource, cluster), [])

    def one(self, group: str, resource: str, cluster: str, name: str) -> Json | None:
        """Return an object that is in no namespace."""
        for each in self.all(group, resource, cluster):
            if (each.namespace, each.name) == ("", name):
                return each.obj
        return None

"""Ends namespaces, and keeps in each what every namespace has."""

from __future__ import annotations

from functools import partial

from kcpfast.admission.chain import Deletions
from kcpfast.auth.tokens import ACCOUNTS
from kcpfast.controllers.removal import Remaining, contents, remove
from kcpfast.controllers.runtime import DONE, Again, Outcome
from kcpfast.kcp.creation import CONFIG_MAPS, NAMESPACES, ROOT_CA, Maker, root_ca
from kcpfast.registry import index
from kcpfast.registry.metadata import Condition, find_condition, keep_transition_time, spec_of
from kcpfast.registry.objects import Objects, Target
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Conflict, Index

_RETRY = 1.0


class NamespaceController:
    """Reconciles namespaces that are being deleted, and the content they are born with."""

    def __init__(self, objects: Objects, ca: str, deletions: Deletions) -> None:
        """Work on the registry; `ca` is the server's certificate authority (PEM)."""
        self._objects = objects
        self._deleter = deletions.by("namespace-controller")
        self._ca = ca

    async def namespace(self, cluster: str, name: str) -> Outcome:
        """Delete what is in a namespace that is being deleted, then let it go."""
        target = Target(NAMESPACES, cluster, "", name)
        namespace_object = await self._objects.read(target)
        if namespace_object is None or "deletionTimestamp" not in namespace_object["metadata"]:
            return DONE
        await self._objects.store.commit([Index(index.waiting(cluster, name), b"")])
        remaining, listed = Remaining(), contents(self._objects, cluster, name)
        await remove(self._objects, cluster, listed, remaining, self._deleter)
        if remaining.resources:
            await self._objects.transition(target, partial(_show_remaining, remaining))
            remaining.raise_refused()
            return Again(_RETRY)
        await self._objects.store.commit([Index(index.waiting(cluster, name), None)])
        await self._objects.transition(target, _release)
        return DONE

    async def content(self, cluster: str, name: str) -> Outcome:
        """Give a namespace back its service account and CA certificate, if they are missing."""
        target = Target(NAMESPACES, cluster, "", name)
        namespace_object = await self._objects.read(target)
        if namespace_object is None or "deletionTimestamp" in namespace_object["metadata"]:
            return DONE
        maker = Maker(self._objects, cluster)
        if self._objects.record(Target(ACCOUNTS, cluster, name, "default")) is None:
            maker.account(name)
        config = Target(CONFIG_MAPS, cluster, name, ROOT_CA)
        held = await self._objects.read(config)
        if held is None:
            maker.root_ca(name, self._ca)
        elif held.get("data") != {"ca.crt": self._ca}:
            await self._objects.transition(config, self._restore)
        if maker.writes:
            try:
                await self._objects.store.commit(maker.writes)
            except Conflict:
                return Again(0.0)
        return DONE

    def _restore(self, config_map: Object) -> None:
        config_map["data"] = root_ca(config_map["metadata"]["namespace"], self._ca)["data"]


def _release(namespace: Object) -> None:
    """Remove the finalizer of Kubernetes, which stands in the spec of a namespace."""
    finalizers = spec_of(namespace).get("finalizers") or ()
    left = [finalizer for finalizer in finalizers if finalizer != "kubernetes"]
    namespace["spec"] = {"finalizers": left} if left else {}


def _show_remaining(remaining: Remaining, namespace: Object) -> None:
    """Set the conditions that say what a namespace still waits for."""
    conditions = _conditions(remaining)
    for condition in conditions:
        keep_transition_time(condition, find_condition(namespace, condition["type"]))
    namespace.setdefault("status", {})["conditions"] = conditions


def _conditions(remaining: Remaining) -> list[Condition]:
    held = bool(remaining.finalizers)
    return [
        _condition("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered",
                   "All resources successfully discovered"),
        _condition("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
                   "All legacy kube types successfully parsed"),
        _condition(
            "NamespaceDeletionContentFailure",
            "True" if remaining.refused else "False",
            "ContentDeletionFailed" if remaining.refused else "ContentDeleted",
            remaining.refused_text() if remaining.refused
            else "All content successfully deleted, may be waiting on finalization",
        ),
        _condition("NamespaceContentRemaining", "True", "SomeResourcesRemain",
                   remaining.resources_text()),
        _condition(
            "NamespaceFinalizersRemaining",
            "True" if held else "False",
            "SomeFinalizersRemain" if held else "ContentHasNoFinalizers",
            remaining.finalizers_text("namespace") if held
            else "All content-preserving finalizers finished",
        ),
    ]  # fmt: skip


def _condition(kind: str, status: str, reason: str, message: str) -> Condition:
    return {
        "lastTransitionTime": "",
        "message": message,
        "reason": reason,
        "status": status,
        "type": kind,
    }

"""Ends workspaces: the Workspace waits for its LogicalCluster, that for all that is in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

from kcpfast.admission.chain import Deletions
from kcpfast.controllers.removal import Remaining, StoredRange, contents, in_order, remove, sweep
from kcpfast.controllers.runtime import DONE, Again, Outcome
from kcpfast.kcp import conditions, creation
from kcpfast.kcp.clusters import TYPE_ANNOTATION, target
from kcpfast.kcp.kinds import Exported
from kcpfast.kcp.lifecycle import relabel, set_initializers, set_phase
from kcpfast.kcp.types import TypeRefused, WorkspaceType
from kcpfast.kcp.workspaces import (
    BINDINGS_INITIALIZER,
    WORKSPACE_FINALIZER,
    WORKSPACES_PLACE,
    Workspaces,
)
from kcpfast.meta.cluster import CLUSTER_ANNOTATION, PATH_ANNOTATION
from kcpfast.meta.copies import copy_json
from kcpfast.registry import index, values
from kcpfast.registry.identity import begin_deletion
from kcpfast.registry.metadata import (
    annotations_of,
    find_condition,
    remove_finalizer,
    spec_of,
    status_of,
)
from kcpfast.registry.objects import Change, Objects, Target, is_finished
from kcpfast.registry.reader import Notes
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Clear, Conflict, Index, Put, Write

_RETRY = 1.0
_BIND_RETRY = 5.0
_UNSCHEDULED = 60.0
_SWEPT = 400
# The stage after which nothing is left but bindings and who may do what.
_SWEEPING = 2
_ASKING = index.work_item("workspace", "", "")[:-1]


class WorkspaceController:
    """Reconciles Workspaces and LogicalClusters that are being deleted or initialized."""

    def __init__(
        self, objects: Objects, kinds: Exported, workspaces: Workspaces, deletions: Deletions
    ) -> None:
        """Work on the registry; `workspaces` completes what was born without all its bindings."""
        self._objects = objects
        self._deleter = deletions.by("logicalcluster-deletion")
        self._kinds = kinds
        self._workspaces = workspaces

    # ------------------------------------------------------------------------- Workspace

    async def workspace(self, cluster: str, name: str) -> Outcome:
        """Schedule a Workspace that waits for a shard; let one that is being deleted take its
        logical cluster along."""
        workspace_target = Target(self._kinds.workspaces, cluster, "", name)
        workspace_object = await self._objects.read(workspace_target)
        if workspace_object is None:
            return DONE
        if "deletionTimestamp" not in workspace_object["metadata"]:
            return await self._schedule(workspace_target) if is_waiting(workspace_object) else DONE
        inner = spec_of(workspace_object).get("cluster") or ""
        logical = await self._objects.read(target(inner)) if inner else None
        if logical is None or not _is_of(logical, workspace_target, workspace_object):
            await self._objects.transition(workspace_target, _release)
            return DONE
        if "deletionTimestamp" not in logical["metadata"]:
            # Its own admission is not asked: the deletion of its Workspace was admitted.
            await self._objects.transition(target(inner), _begin_end)
        return DONE

    async def _schedule(self, workspace_target: Target) -> Outcome:
        outcome: Outcome = DONE

        async def change(old: Object) -> Change:
            nonlocal outcome
            outcome = DONE
            with Notes(self._objects.store) as notes:
                if not is_waiting(old):
                    return Change(old)
                new, more = copy_json(old), list[Write]()
                if self._workspaces.has_shard(old):
                    more = self._workspaces.schedule_late(workspace_target.cluster, new)
            if not more:  # woken by the Shard, the type, or what its owner may
                outcome = Again(_UNSCHEDULED, notes.basis())
            return Change(new, more)

        await self._objects.adjust(workspace_target, change)
        return outcome

    def _end_along(self, workspace_target: Target, workspace: Object) -> Sequence[Write]:
        """Return what lets the logical cluster of a nested Workspace end with the asking for it."""
        resource = workspace_target.resource
        inner = spec_of(workspace).get("cluster")
        if (resource.group, resource.plural) != WORKSPACES_PLACE or not inner:
            return ()
        logical = target(inner)
        record = self._objects.record(logical)
        if record is None:
            return ()
        old = values.decode(logical.resource, *record)
        if "deletionTimestamp" in old["metadata"] or not _is_of(old, workspace_target, workspace):
            return ()
        new = copy_json(old)
        _begin_end(new)
        put = Put(logical.key(), values.encode(logical.resource, new), record.revision)
        return [put, *self._objects.index_writes(logical, old, new)]

    # ------------------------------------------------------------------------- LogicalCluster

    async def logical_cluster(self, cluster: str, _name: str) -> Outcome:
        """Carry a LogicalCluster on: out of Initializing, or towards its end."""
        logical = await self._objects.read(target(cluster))
        if logical is None:
            return DONE
        if "deletionTimestamp" in logical["metadata"]:
            return await self._delete(cluster, logical)
        if BINDINGS_INITIALIZER in (status_of(logical).get("initializers") or ()):
            return await self._bind(cluster, logical)
        await self._advance(cluster, logical)
        return DONE

    async def _bind(self, cluster: str, logical: Object) -> Outcome:
        """Bind what the type asks for, once all of it can be had."""
        annotations = logical["metadata"]["annotations"]
        path, _, name = annotations[TYPE_ANNOTATION].rpartition(":")
        kind = self._workspaces.types.at(path, name)
        own = annotations.get(PATH_ANNOTATION) or cluster
        if kind is None:
            return Again(_BIND_RETRY)
        incomplete, missing = await self._ask_for_all(cluster, own, kind)
        if incomplete:
            show = partial(_show_incomplete, incomplete)
            await self._objects.transition(target(cluster), show)
        if missing:
            return Again(_BIND_RETRY)
        if incomplete:
            return DONE  # a binding that is bound asks for the next step itself

        await self._objects.transition(target(cluster), _finish_binding)
        return DONE  # what changed asks for the next step itself

    async def _ask_for_all(
        self, cluster: str, own: str, kind: WorkspaceType
    ) -> tuple[list[str], bool]:
        """Ask for the bindings that a type brings and that are not there; return the names of those
        that are not bound yet, and whether an export is missing."""
        incomplete, missing = [], False
        try:
            exports = self._workspaces.default_bindings(kind)
        except TypeRefused:
            return [], True
        for export in exports:
            asked = self._workspaces.ask_for(cluster, own, export)
            missing = missing or asked.is_missing
            if asked.writes:
                with contextlib.suppress(Conflict):  # somebody made it meanwhile
                    await self._objects.store.commit(list(asked.writes))
            else:
                await asyncio.sleep(0)  # others have their turn
            if not (asked.is_complete or asked.is_missing):
                incomplete.append(asked.name)
        return incomplete, missing

    async def _advance(self, cluster: str, logical: Object) -> None:
        status = status_of(logical)
        if status.get("phase") == "Initializing" and not status.get("initializers"):
            await self._objects.transition(target(cluster), _become_ready)
            logical = self._objects.load(target(cluster))
        await self._mirror(logical)

    async def _delete(self, cluster: str, logical: Object) -> Outcome:
        if status_of(logical).get("terminators"):
            await self._mirror(logical)
            return DONE
        if await self._sweep(cluster, logical, _SWEPT):
            return DONE
        store, waiting = self._objects.store, index.waiting(cluster, "")
        if store.index_get(waiting) is None:
            # From here on, what goes wakes this reconciler.
            await store.commit([Index(waiting, b"")])
        remaining = Remaining()

        def must_ask(content: StoredRange) -> bool:
            return self._deleter.must_ask(content.target(cluster))

        stages = in_order(list(contents(self._objects, cluster)), must_ask)
        for number, stage in enumerate(stages):
            await remove(self._objects, cluster, stage, remaining, self._deleter, self._end_along)
            if remaining.refused or (remaining.resources and number >= _SWEEPING):
                break  # refused content keeps its namespace; what has finalizers waits beside
            if number == _SWEEPING and await self._sweep(cluster, logical):
                return DONE
        await self._say(cluster, remaining)
        remaining.raise_refused()
        children = remaining.finalizers.get(WORKSPACE_FINALIZER, 0)
        is_woken = children == sum(remaining.resources.values()) > 0
        return DONE if is_woken and len(remaining.finalizers) == 1 else Again(_RETRY)

    async def _sweep(self, cluster: str, logical: Object, most: int = 0) -> bool:
        """Remove all there is, and the LogicalCluster with it; tell whether that is gone.

        Nothing happens if something has to be waited for, or comes in between.
        """
        writes = sweep(self._objects, cluster, self._deleter.must_ask_others, most)
        if writes is None:
            return False
        last = self._last_writes(cluster, logical)
        try:
            await self._objects.store.commit([*writes, *last])
        except Conflict:
            return False
        return bool(last)

    def _last_writes(self, cluster: str, old: Object) -> list[Write]:
        """Return what removes a LogicalCluster, if it is as it was, and releases its Workspace.

        Nothing if it has finalizers of others.
        """
        logical_target = target(cluster)
        ours = (creation.DELETION_FINALIZER, creation.TERMINATORS_FINALIZER)
        if any(name not in ours for name in old["metadata"].get("finalizers") or ()):
            return []
        carried, releasing = (
            self._objects.index_writes(logical_target, old, None),
            self._releasing(cluster, old),
        )
        if releasing:
            carried = [write for write in carried if not write.key.startswith(_ASKING)]
        return [
            Put(logical_target.key(), None, int(old["metadata"]["resourceVersion"])),
            *carried,
            *releasing,
            Clear(index.waits(cluster)),
        ]

    def _releasing(self, cluster: str, logical: Object) -> list[Write]:
        """Return what releases the Workspace of a LogicalCluster, if it is being deleted.

        Otherwise, and if it is not released in this commit, it is asked to look itself.
        """
        owner = spec_of(logical).get("owner")
        if not owner:
            return []
        workspace_target = Target(self._kinds.workspaces, owner["cluster"], "", owner["name"])
        record = self._objects.record(workspace_target)
        if record is None:
            return []
        old = values.decode(workspace_target.resource, *record)
        mine = spec_of(old).get("cluster") == cluster
        if not mine or "deletionTimestamp" not in old["metadata"]:
            return []
        new = old | {"metadata": dict(old["metadata"])}
        remove_finalizer(new["metadata"], WORKSPACE_FINALIZER)
        gone = is_finished(new)
        value = None if gone else values.encode(workspace_target.resource, new, record.value)
        carried = self._objects.index_writes(workspace_target, old, None if gone else new)
        return [Put(workspace_target.key(), value, record.revision), *carried]

    async def _say(self, cluster: str, remaining: Remaining) -> None:
        """Say on a LogicalCluster, and on its Workspace, what is still there."""
        await self._objects.transition(target(cluster), partial(_show_remaining, remaining))
        logical = await self._objects.read(target(cluster))
        if logical is not None:
            await self._mirror(logical)

    async def _mirror(self, logical: Object) -> None:
        """Show phase, initializers and conditions of a LogicalCluster on its Workspace."""
        owner = spec_of(logical).get("owner")
        if not owner:
            return
        workspace_target = Target(self._kinds.workspaces, owner["cluster"], "", owner["name"])

        def show(workspace: Object) -> None:
            if _is_of(logical, workspace_target, workspace):
                _copy_status(logical, workspace)

        await self._objects.transition(workspace_target, show)


def _release(workspace: Object) -> None:
    remove_finalizer(workspace["metadata"], WORKSPACE_FINALIZER)


def _finish_binding(logical: Object) -> None:
    """Take a LogicalCluster whose bindings are bound off the list of who waits for them."""
    waiting = status_of(logical).get("initializers") or ()
    set_initializers(logical, [name for name in waiting if name != BINDINGS_INITIALIZER])
    for kind in ("APIBindingsInitialized", "APIBindingsReconciled"):
        conditions.mark_true(logical, kind)
    relabel(logical)


def _show_incomplete(names: Sequence[str], logical: Object) -> None:
    text = f"APIBinding(s) not yet fully bound: {', '.join(sorted(names))}"
    reason = "WaitingOnAPIBindings"
    conditions.mark_false(logical, "APIBindingsInitialized", reason, text, "Info")


def _become_ready(logical: Object) -> None:
    set_phase(logical, "Ready")
    set_initializers(logical, ())
    relabel(logical)


def _show_remaining(remaining: Remaining, logical: Object) -> None:
    """Say on a LogicalCluster that is being deleted what is still in it."""
    text = remaining.resources_text()
    if remaining.finalizers:
        text += "; " + remaining.finalizers_text("logical cluster")
    reason, severity = "SomeResourcesRemain", "Info"
    if remaining.refused:
        text += "; " + remaining.refused_text()
        reason, severity = "ContentDeletionFailed", "Error"
    set_phase(logical, "Deleting")
    conditions.mark_false(logical, "WorkspaceContentDeleted", reason, text, severity)


def _copy_status(logical: Object, workspace: Object) -> None:
    """Copy to a Workspace what it shows of its LogicalCluster."""
    status = status_of(logical)
    set_phase(workspace, status.get("phase", ""))
    for key in ("initializers", "terminators"):
        if status.get(key):
            workspace["status"][key] = status[key]
        else:
            workspace["status"].pop(key, None)
    for kind in ("WorkspaceInitialized", "WorkspaceContentDeleted"):
        condition = find_condition(logical, kind)
        if condition is not None:
            conditions.put(workspace, condition)
    _shorten_owner(workspace)


def is_waiting(workspace: Object) -> bool:
    """Tell whether a Workspace was not scheduled yet; one that is mounted never is."""
    spec = spec_of(workspace)
    return not (spec.get("cluster") or spec.get("mount"))


def _is_of(logical: Object, workspace_target: Target, workspace: Object) -> bool:
    """Tell whether a logical cluster and a Workspace name each other: neither is believed alone."""
    owner = spec_of(logical).get("owner") or {}
    named = spec_of(workspace).get("cluster")
    cluster = annotations_of(logical).get(CLUSTER_ANNOTATION)
    place = (owner.get("cluster"), owner.get("name"), owner.get("uid"))
    uid = workspace["metadata"]["uid"]
    return named == cluster and place == (workspace_target.cluster, workspace_target.name, uid)


def _begin_end(logical: Object) -> None:
    """Mark a LogicalCluster as being deleted."""
    begin_deletion(logical)
    waits = bool(status_of(logical).get("terminators"))
    set_phase(logical, "Terminating" if waits else "Deleting")
    relabel(logical)


def _shorten_owner(workspace: Object) -> None:
    """Once a Workspace is Ready, only the name of its owner stays on it."""
    annotations = annotations_of(workspace)
    if workspace["status"]["phase"] == "Ready" and creation.OWNER_ANNOTATION in annotations:
        annotations[creation.OWNER_ANNOTATION] = creation.short_owner(
            annotations[creation.OWNER_ANNOTATION]
        )

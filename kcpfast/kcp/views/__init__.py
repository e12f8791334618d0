"""Virtual workspaces: each a filter over the registry plus an authorizer, not another server."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.types import Types
from kcpfast.kcp.views.apiexport import MAX_BYTES, MAX_CONTENTS, ApiExportView, ExportContent
from kcpfast.kcp.views.apiexport import Contents as Contents
from kcpfast.kcp.views.apiexport import ViewDependencies as ViewDependencies
from kcpfast.kcp.views.base import View
from kcpfast.kcp.views.lifecycle import INITIALIZING, TERMINATING, Kind, LifecycleView
from kcpfast.kcp.views.workspace import WorkspaceView
from kcpfast.meta.errors import no_such_resource
from kcpfast.registry.derived import Derived
from kcpfast.registry.reader import Reader


def remembered(reader: Reader) -> Contents:
    """Return the cache of what exports show."""
    return Derived(reader, MAX_CONTENTS, ExportContent.size, MAX_BYTES)


Service = Callable[[tuple[str, ...]], View]


def services(
    parts: ViewDependencies, workspace: WorkspaceView, clusters: Clusters, types: Types
) -> Mapping[str, Service]:
    """Return what finds a view by the path segments behind /services/<name>/."""

    def apiexport(segments: tuple[str, ...]) -> View:
        if len(segments) < 2:
            raise no_such_resource()
        return ApiExportView(parts, segments[0], segments[1])

    def of_kind(kind: Kind) -> Service:
        def service(segments: tuple[str, ...]) -> View:
            name = segments[0] if segments else ""
            return LifecycleView(kind, name, workspace, clusters, types)

        return service

    return {
        "apiexport": apiexport,
        "initializingworkspaces": of_kind(INITIALIZING),
        "terminatingworkspaces": of_kind(TERMINATING),
    }

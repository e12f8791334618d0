"""The home workspace: `workspaces/~` in root is everybody's own, made when first asked for.

Homes go by the names of users. Service accounts have none: those of all workspaces bear the same
names, and would share one (as they do with kcp).
"""

from __future__ import annotations

import contextlib

from kcpfast.api import answer
from kcpfast.api.context import Api, Call, Handler
from kcpfast.api.verbs.read import get
from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.effective import is_account
from kcpfast.kcp.workspaces import Workspaces
from kcpfast.meta.cluster import ROOT, home_name
from kcpfast.meta.errors import ApiError, forbidden
from kcpfast.meta.user import Attributes, User
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Conflict
from kcpfast.transport.messages import Response, Stream

HOME_NAME = "~"
_GROUP, _PLURAL = "tenancy.kcp.io", "workspaces"
_UNFINISHED = ("", "Scheduling", "Initializing")  # phases of a home that cannot be used yet
_SHOWN_STATUS = ("conditions", "initializers", "phase")


def handlers(
    workspaces: Workspaces, clusters: Clusters
) -> dict[tuple[str, str, str, str], Handler]:
    """Return what serves a get of workspaces, homes included."""

    async def get_workspace(api: Api, call: Call) -> Response | Stream:
        if call.route.name != HOME_NAME or call.cluster != ROOT:
            return await get(api, call)
        if is_account(call.user):
            raise forbidden(_PLURAL, _GROUP, HOME_NAME, "service accounts have no home workspace")
        cluster = home_name(call.user.name)
        logical_cluster = clusters.logical_cluster(cluster)
        if logical_cluster is None:
            _check_may_create(workspaces, call)
            with contextlib.suppress(Conflict):  # another request of the user was faster
                await api.objects.store.commit(workspaces.home(cluster, call.user))
            logical_cluster = clusters.logical_cluster(cluster)
        if _is_of_another(clusters, cluster, call.user):
            raise _not_permitted()
        if logical_cluster is None or logical_cluster["status"]["phase"] in _UNFINISHED:
            raise _not_yet()
        return answer.respond_json(call, 200, _workspace(logical_cluster, cluster))

    return {(_GROUP, _PLURAL, "", "get"): get_workspace}


def _is_of_another(clusters: Clusters, cluster: str, user: User) -> bool:
    """Tell whether a home is not the user's: another had this name, or one with the same hash."""
    state = clusters.state(cluster)
    if state is None:
        return False
    owner = state.home_of[0]
    if not owner:
        return False
    return owner != user.name or state.is_home_of_another(user)


def _check_may_create(workspaces: Workspaces, call: Call) -> None:
    attributes = Attributes("create", _GROUP, "v1alpha1", _PLURAL, name=HOME_NAME)
    if not workspaces.authorizer.allows(call.user, ROOT, attributes):
        raise _not_permitted()


def _not_permitted() -> ApiError:
    return forbidden(_PLURAL, _GROUP, HOME_NAME, "workspace access not permitted")


def _not_yet() -> ApiError:
    error = ApiError("", "Creating the home workspace", code=429)
    error.plain = True
    error.headers.append((b"Retry-After", b"1"))
    return error


def _workspace(logical_cluster: Object, cluster: str) -> Object:
    """Return the Workspace that stands for a home: nothing of it is stored."""
    status = logical_cluster["status"]
    shown_status = {key: status[key] for key in _SHOWN_STATUS if key in status}
    return {
        "apiVersion": f"{_GROUP}/v1alpha1",
        "kind": "Workspace",
        "metadata": {
            "name": "cluster",
            "creationTimestamp": logical_cluster["metadata"]["creationTimestamp"],
        },
        "spec": {"URL": status.get("URL", ""), "cluster": cluster},
        "status": shown_status,
    }

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
from kcpfast.meta.user import Attributes
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Conflict
from kcpfast.transport.messages import Response, Stream

HOME_NAME = "~"
_GROUP, _PLURAL = "tenancy.kcp.io", "workspaces"


def handlers(making: Workspaces, clusters: Clusters) -> dict[tuple[str, str, str, str], Handler]:
    """Return what serves a get of workspaces, homes included."""

    async def get_workspace(api: Api, call: Call) -> Response | Stream:
        if call.route.name != HOME_NAME or call.cluster != ROOT:
            return await get(api, call)
        if is_account(call.user):
            raise forbidden(_PLURAL, _GROUP, HOME_NAME, "service accounts have no home workspace")
        cluster = home_name(call.user.name)
        found = clusters.logical_cluster(cluster)
        if found is None:
            _check_may_create(making, call)
            with contextlib.suppress(Conflict):  # another request of the user was faster
                await api.objects.store.commit(making.home(cluster, call.user))
            found = clusters.logical_cluster(cluster)
        state = clusters.state(cluster)
        owner = state.home_of[0] if state is not None else ""
        # Another may have had this name, or have one with the same hash.
        if (
            state is not None
            and owner
            and (owner != call.user.name or state.is_home_of_another(call.user))
        ):
            raise _not_permitted()
        if found is None or found["status"]["phase"] in ("", "Scheduling", "Initializing"):
            raise _not_yet()
        return answer.respond_json(call, 200, _workspace(found, cluster))

    return {(_GROUP, _PLURAL, "", "get"): get_workspace}


def _check_may_create(making: Workspaces, call: Call) -> None:
    wanted = Attributes("create", _GROUP, "v1alpha1", _PLURAL, name=HOME_NAME)
    if not making.authorizer.allows(call.user, ROOT, wanted):
        raise _not_permitted()


def _not_permitted() -> ApiError:
    return forbidden(_PLURAL, _GROUP, HOME_NAME, "workspace access not permitted")


def _not_yet() -> ApiError:
    error = ApiError("", "Creating the home workspace", code=429)
    error.plain = True
    error.headers.append((b"Retry-After", b"1"))
    return error


def _workspace(found: Object, cluster: str) -> Object:
    """Return the Workspace that stands for a home: nothing of it is stored."""
    status = found["status"]
    shown = {key: status[key] for key in ("conditions", "initializers", "phase") if key in status}
    return {
        "apiVersion": f"{_GROUP}/v1alpha1",
        "kind": "Workspace",
        "metadata": {
            "name": "cluster",
            "creationTimestamp": found["metadata"]["creationTimestamp"],
        },
        "spec": {"URL": status.get("URL", ""), "cluster": cluster},
        "status": shown,
    }

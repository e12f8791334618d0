"""Views of initializers and terminators act with what their caller may, and here the owner."""

from __future__ import annotations

from typing import Any

import pytest

from kcpfast.kcp.clusters import target
from kcpfast.kcp.effective import acting_for, identities, warrant_of
from kcpfast.meta.user import AUTHENTICATED, MASTERS, User
from kcpfast.registry.objects import Change
from kcpfast.resources.resource import Object
from tests.auth.test_impersonation import ADMINS, Tenant
from tests.fix_inside import Inside, Json
from tests.kcp.provider import BINDINGS, Market, binding
from tests.kcp.test_admission import CLUSTERS, TYPES, workspace_type

SPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
CONTROLLER = "carl"


class Lifecycle:
    """A type whose controller is `carl`, and a workspace of it that `owner` has made."""

    def __init__(self, inside: Inside, word: str) -> None:
        self.inside, self.word = inside, word
        self.cluster = ""

    async def begin(self, owner: str) -> None:
        verb = {"initializer": "initialize", "terminator": "terminate"}[self.word]
        base = {"with": [{"name": "universal", "path": "root"}]}
        await self.inside.create(TYPES, workspace_type("slow", extend=base, **{self.word: True}))
        types = {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspacetypes"]}
        await Tenant(self.inside, CONTROLLER, self.inside.at).may(types | {"verbs": [verb]})
        await Tenant(self.inside, owner, self.inside.at).may(
            types | {"verbs": ["use"]},
            {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspaces"], "verbs": ["*"]},
        )
        path = (await self.inside.get(f"{CLUSTERS}/cluster") or {})["metadata"]["annotations"]
        obj = {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "kind": "Workspace",
            "metadata": {"name": "new"},
            "spec": {"type": {"name": "slow", "path": path["kcp.io/path"]}},
        }
        made = await self.inside.create(SPACES, obj, user=owner)
        self.cluster = made["spec"]["cluster"]
        await self.inside.settle()
        if self.word == "terminator":
            await self.inside.delete(f"{SPACES}/new", user=owner)

    @property
    def view(self) -> str:
        home = self.inside.at.rpartition("/")[2]
        kind = "initializing" if self.word == "initializer" else "terminating"
        return f"/services/{kind}workspaces/{home}:slow/clusters/{self.cluster}"

    async def ask(self, method: str, path: str, body: Any = None, user: str = CONTROLLER) -> int:
        return (await self.inside.send(method, self.view + path, body, user=user)).status


@pytest.fixture(params=["initializer", "terminator"])
def lifecycle(inside: Inside, request: pytest.FixtureRequest) -> Lifecycle:
    return Lifecycle(inside, request.param)


async def forge(inside: Inside, cluster: str, info: Json) -> None:
    """Have an object say that somebody else made a workspace, as if a guard had failed."""

    async def change(old: Object) -> Change:
        return Change(old | {"spec": old["spec"] | {"createdBy": info}})

    await inside.objects.update(target(cluster), change)


async def test_it_works_where_the_owner_may(inside: Inside, lifecycle: Lifecycle) -> None:
    await lifecycle.begin("ann")
    assert await lifecycle.ask("GET", "/api/v1/namespaces") == 200
    assert await lifecycle.ask("GET", "/api/v1/namespaces", user="eve") == 403


@pytest.mark.parametrize("group", ADMINS)
async def test_what_an_object_says_gives_no_privileges(
    inside: Inside, lifecycle: Lifecycle, group: str
) -> None:
    await lifecycle.begin("ann")
    await forge(inside, lifecycle.cluster, {"username": "eve", "groups": [group, AUTHENTICATED]})
    assert await lifecycle.ask("GET", "/api/v1/namespaces") == 403
    status = {"status": {"phase": "Bound"}}
    path = f"{BINDINGS}/tenancy.kcp.io/status"
    assert await lifecycle.ask("PATCH", path, status) in (403, 415)


@pytest.mark.parametrize("owner", ["ann", "kcp-admin"])
@pytest.mark.parametrize(("caller", "status"), [(False, 403), (True, 201)])
async def test_elsewhere_it_is_the_caller_who_must_be_allowed(
    inside: Inside, owner: str, caller: bool, status: int
) -> None:
    """To bind to a private export is for the controller to be allowed; the owner's right is not
    lent to it."""
    market = Market(inside)
    await market.open()
    bind = {"apiGroups": ["apis.kcp.io"], "resources": ["apiexports"], "verbs": ["bind"]}
    await Tenant(inside, owner, market.shop).may(bind)
    if caller:
        await Tenant(inside, CONTROLLER, market.shop).may(bind)
    lifecycle = Lifecycle(inside, "initializer")
    await lifecycle.begin(owner)
    assert await lifecycle.ask("POST", BINDINGS, binding("b", "root:shop")) == status


def test_whom_a_view_acts_as() -> None:
    caller = User("carl", groups=("staff", AUTHENTICATED))
    extra = {"authorization.kcp.io/warrant": [warrant_of(User("x", groups=(MASTERS,)))]}
    info = {"username": "ann", "groups": [MASTERS, "team", AUTHENTICATED], "extra": extra}
    acting = acting_for(info, caller, "c")
    assert [tuple(each) for each in identities(acting, "c")] == [
        ("ann", ("team", AUTHENTICATED)),
        ("carl", ("staff", AUTHENTICATED)),
    ]
    assert [tuple(each) for each in identities(acting, "d")] == [
        ("system:anonymous", (AUTHENTICATED, "system:cluster:c")),
        ("carl", ("staff", AUTHENTICATED)),
    ]


async def test_initializers_are_not_for_the_admin_to_take_off(inside: Inside) -> None:
    lifecycle = Lifecycle(inside, "initializer")
    await lifecycle.begin("ann")
    path = f"/clusters/{lifecycle.cluster}{CLUSTERS}/cluster/status"
    body: Json = {"status": {"initializers": []}}
    media = "application/merge-patch+json"
    got = await inside.send("PATCH", path, body, media=media, user="ann")
    assert (got.status, got.body["message"].rpartition(": ")[2]) == (
        403, "status.initializers is immutable",
    )  # fmt: skip
    through = f"{lifecycle.view}{CLUSTERS}/cluster/status"
    got = await inside.send("PATCH", through, body, media=media, user=CONTROLLER)
    assert got.status == 200
    assert got.body["status"]["initializers"] == []

"""Workspaces that wait for somebody: initializers, terminators, exports that are not there yet."""

import pytest

from kcpfast.auth.authenticate import _digest
from kcpfast.meta.user import AUTHENTICATED, User
from tests.fix_inside import Inside, Json
from tests.kcp.provider import BINDINGS, EXPORTS, NAME, SCHEMAS, export, schema
from tests.kcp.test_views import pages, spied, watched
from tests.models.consistency import problems

TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
SPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
CLUSTER = "/apis/core.kcp.io/v1alpha1/logicalclusters"
UNIVERSAL = {"extend": {"with": [{"name": "universal", "path": "root"}]}}


async def make_type(inside: Inside, name: str, **spec: object) -> None:
    await inside.create(
        inside.at + TYPES,
        {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "kind": "WorkspaceType",
            "metadata": {"name": name},
            "spec": {**UNIVERSAL, **spec},
        },
    )


async def make_space(inside: Inside, name: str, kind: str) -> Json:
    made = await inside.create(
        inside.at + SPACES,
        {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "kind": "Workspace",
            "metadata": {"name": name},
            "spec": {"type": {"name": kind}},
        },
    )
    await inside.settle()
    return made


async def phase(inside: Inside, name: str) -> str:
    found = await inside.get(f"{inside.at}{SPACES}/{name}")
    return str(found["status"]["phase"]) if found else "gone"


def view(inside: Inside, word: str, kind: str, where: str) -> str:
    cluster = inside.at.rpartition("/")[2]
    return f"/services/{word}workspaces/{cluster}:{kind}/clusters/{where}"


@pytest.mark.parametrize("permissions", [None, [{"verbs": ["get"], "apiGroups": [""],
                                                 "resources": ["namespaces"]}]])  # fmt: skip
async def test_an_initializer_works_in_a_workspace_until_it_is_done(
    inside: Inside, permissions: object
) -> None:
    more = {} if permissions is None else {"initializerPermissions": permissions}
    await make_type(inside, "slow", initializer=True, **more)
    made = await make_space(inside, "late", "slow")
    inner = made["spec"]["cluster"]
    assert await phase(inside, "late") == "Initializing"
    own = view(inside, "initializing", "slow", inner)
    seen = await inside.send("GET", view(inside, "initializing", "slow", "*") + CLUSTER)
    assert [each["metadata"]["annotations"]["kcp.io/cluster"] for each in seen.body["items"]] == [
        inner
    ]
    statuses = [
        (await inside.send("GET", own + path)).status
        for path in ("/api/v1/namespaces/default", "/api/v1/namespaces/default/secrets")
    ]
    assert statuses == ([200, 200] if permissions is None else [200, 403])
    status = own + CLUSTER + "/cluster/status"
    wrong = await inside.send(
        "PATCH", status, {"status": {"phase": "Ready"}}, media="application/merge-patch+json"
    )
    assert wrong.status == 422
    await inside.patch(status, {"status": {"initializers": []}})
    await inside.settle()
    assert await phase(inside, "late") == "Ready"
    late = await inside.send("GET", own + "/api/v1/namespaces/default")
    assert late.status == 403


async def test_a_terminator_holds_the_end_up(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_type(inside, "sticky", terminator=True)
    made = await make_space(inside, "end", "sticky")
    inner = made["spec"]["cluster"]
    assert await phase(inside, "end") == "Ready"
    everywhere = view(inside, "terminating", "sticky", "*") + CLUSTER
    assert await pages(inside, everywhere, 0) == []
    await inside.delete(f"{inside.at}{SPACES}/end")
    assert await phase(inside, "end") == "Terminating"
    read = spied(inside, monkeypatch)
    assert await pages(inside, everywhere, 0) == [f"{inner} cluster"]
    assert await watched(inside, everywhere) == [f"{inner} cluster"]
    assert read == {inner}, "and no other cluster is looked at"
    own = view(inside, "terminating", "sticky", inner)
    await inside.patch(own + CLUSTER + "/cluster/status", {"status": {"terminators": []}})
    await inside.settle(hurry=True)
    assert await phase(inside, "end") == "gone"


async def test_a_workspace_waits_for_the_exports_of_its_type(inside: Inside) -> None:
    path = (await inside.get(f"{inside.at}{CLUSTER}/cluster") or {})["metadata"]["annotations"][
        "kcp.io/path"
    ]
    await make_type(inside, "shop", defaultAPIBindings=[{"path": path, "export": NAME}])
    await make_space(inside, "early", "shop")
    assert await phase(inside, "early") == "Initializing"
    await inside.create(inside.at + SCHEMAS, schema())
    await inside.create(inside.at + EXPORTS, export())
    await inside.settle()
    await inside.settle(hurry=True)
    assert await phase(inside, "early") == "Ready"
    made = await make_space(inside, "late", "shop")
    assert made["status"]["phase"] == "Ready"
    bound = await inside.send("GET", f"/clusters/{made['spec']['cluster']}{BINDINGS}")
    names = sorted(each["metadata"]["name"].rpartition("-")[0] for each in bound.body["items"])
    assert names == ["tenancy.kcp.io", "topology.kcp.io", NAME]


async def test_everybody_has_a_home_of_their_own(inside: Inside) -> None:
    path = f"/clusters/root{SPACES}/~"
    homes = [(await inside.send("GET", path, user=name)).body for name in ("ann", "ann", "bob")]
    clusters = [home["spec"]["cluster"] for home in homes]
    assert clusters[0] == clusters[1] != clusters[2]
    spaces = f"/clusters/{clusters[0]}/api/v1/namespaces"
    assert (await inside.send("GET", spaces, user="ann")).status == 200
    assert (await inside.send("GET", spaces, user="bob")).status == 403
    assert (
        await inside.send("GET", "/clusters/user:ann/api/v1/namespaces", user="ann")
    ).status == (200)


@pytest.mark.parametrize("how", ["token", "impersonated"])
async def test_service_accounts_of_all_workspaces_share_no_home(inside: Inside, how: str) -> None:
    """They bear the same names in all of them."""
    path, who = f"/clusters/root{SPACES}/~", {"user": "system:serviceaccount:default:default"}
    if how == "token":
        account = "/api/v1/namespaces/default/serviceaccounts/default/token"
        who = {"token": (await inside.create(account, {}))["status"]["token"]}
    got = await inside.send("GET", path, **who)
    assert got.status == 403
    assert "service accounts have no home workspace" in got.body["message"]


async def test_a_home_is_not_for_the_next_of_the_same_name(inside: Inside) -> None:
    path = f"/clusters/root{SPACES}/~"
    tokens = inside.running.server._front._authenticator._tokens
    tokens[_digest("ann")] = User("ann", "7", (AUTHENTICATED,))
    home = (await inside.send("GET", path, token="ann")).body["spec"]["cluster"]
    inside_of_it = f"/clusters/{home}/api/v1/namespaces"
    for uid, status in (("7", 200), ("8", 403), ("", 200)):
        tokens[_digest("ann")] = User("ann", uid, (AUTHENTICATED,))
        assert (await inside.send("GET", path, token="ann")).status == status
        assert (await inside.send("GET", inside_of_it, token="ann")).status == status


async def test_a_sleeping_cluster_answers_nobody(inside: Inside) -> None:
    asleep = {"metadata": {"annotations": {"core.kcp.io/inactive": "true"}}}
    await inside.patch(f"{inside.at}{CLUSTER}/cluster", asleep)
    refused = await inside.send("GET", f"{inside.at}/api/v1/namespaces")
    assert refused.status == 403
    assert "logical cluster is marked inactive" in refused.body["message"]
    awake = {"metadata": {"annotations": {"core.kcp.io/inactive": None}}}
    await inside.patch(f"{inside.at}{CLUSTER}/cluster", awake)
    assert (await inside.send("GET", f"{inside.at}/api/v1/namespaces")).status == 200


async def test_of_two_default_bindings_of_a_name_the_first_has_it(inside: Inside) -> None:
    """The other waits for the name, and the workspace for the other; no row is counted twice."""
    cluster = inside.at.rpartition("/")[2]
    await inside.create(inside.at + SCHEMAS, schema())
    await inside.create(inside.at + SCHEMAS, schema("v2"))
    await inside.create(inside.at + EXPORTS, export("first.example.com"))
    await inside.create(inside.at + EXPORTS, export("second.example.com", "v2.lamps"))
    await inside.settle()
    names = ("first.example.com", "second.example.com")
    brought = [{"path": cluster, "export": name} for name in names]
    await make_type(inside, "twice", defaultAPIBindings=brought)
    made = await make_space(inside, "both", "twice")
    await inside.settle(hurry=True)
    inner = f"/clusters/{made['spec']['cluster']}"
    bound = (await inside.get(inner + BINDINGS) or {})["items"]
    found = {each["spec"]["reference"]["export"]["name"]: each["status"]["phase"] for each in bound}
    assert {name: found[name] for name in names} == dict(
        zip(names, ("Bound", "Binding"), strict=True)
    )
    assert await phase(inside, "both") == "Initializing"
    logical = await inside.get(f"{inner}{CLUSTER}/cluster") or {}
    told = [each for each in logical["status"]["conditions"] if each["status"] == "False"]
    assert [(each["type"], each["reason"]) for each in told][:1] == [
        ("APIBindingsInitialized", "WaitingOnAPIBindings")
    ]
    assert problems(inside.store, settled=True) == []
    await inside.delete(f"{inside.at}{SPACES}/both")
    await inside.settle(hurry=True)
    assert await phase(inside, "both") == "gone"
    assert problems(inside.store, settled=True) == []


SHARD = "/clusters/root/apis/core.kcp.io/v1alpha1/shards/root"
CLOSED = "experimental.core.kcp.io/unschedulable"


@pytest.mark.parametrize("how", ["the shard opens", "the location changes"])
async def test_a_workspace_is_scheduled_when_there_is_a_shard_for_it(
    inside: Inside, how: str
) -> None:
    spec: Json
    if how == "the shard opens":
        await inside.patch(SHARD, {"metadata": {"annotations": {CLOSED: "true"}}})
        spec = {"type": {"name": "universal", "path": "root"}}
    else:
        selector = {"selector": {"matchLabels": {"no": "where"}}}
        spec = {"type": {"name": "universal", "path": "root"}, "location": selector}
    head = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
    await inside.create(inside.at + SPACES, head | {"metadata": {"name": "late"}, "spec": spec})
    await inside.settle()
    assert await phase(inside, "late") == "Unavailable"
    if how == "the shard opens":
        await inside.patch(SHARD, {"metadata": {"annotations": {CLOSED: None}}})
    else:
        await inside.patch(f"{inside.at}{SPACES}/late", {"spec": {"location": None}})
    await inside.settle()
    assert await phase(inside, "late") == "Ready"
    made = await inside.get(f"{inside.at}{SPACES}/late") or {}
    inner = await inside.get(f"/clusters/{made['spec']['cluster']}{CLUSTER}/cluster") or {}
    assert inner["spec"]["owner"]["uid"] == made["metadata"]["uid"]
    assert inner["spec"]["createdBy"]["username"]
    assert problems(inside.store, settled=True) == []


async def test_who_may_not_use_the_type_any_more_gets_no_workspace_later(inside: Inside) -> None:
    """What was asked when the Workspace was made is asked anew when it is scheduled."""
    await inside.patch(SHARD, {"metadata": {"annotations": {CLOSED: "true"}}})
    await make_type(inside, "mine")
    await make_space(inside, "late", "mine")
    assert await phase(inside, "late") == "Unavailable"
    await inside.delete(f"{inside.at}{TYPES}/mine")
    await inside.patch(SHARD, {"metadata": {"annotations": {CLOSED: None}}})
    await inside.settle()
    found = await inside.get(f"{inside.at}{SPACES}/late") or {}
    assert found["status"]["phase"] == "Unavailable"
    assert "cluster" not in found["spec"]
    await make_type(inside, "mine")
    await inside.settle()
    assert await phase(inside, "late") == "Ready"

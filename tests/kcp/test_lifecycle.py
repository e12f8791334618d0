"""Workspaces that wait for somebody: initializers, terminators, exports that are not there yet."""

import pytest

from kcpfast.auth.authenticate import _digest
from kcpfast.meta.user import AUTHENTICATED, User
from tests.fix_inside import Inside, Json
from tests.kcp.provider import BINDINGS, EXPORTS, NAME, SCHEMAS, export, schema
from tests.kcp.test_views import pages, spied, watched

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

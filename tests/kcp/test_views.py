"""Who sees what through a virtual workspace."""

import pytest

from tests.fix_inside import CONFIG_MAPS, Inside
from tests.kcp.provider import ALL_LAMPS, BINDINGS, LAMPS, READ, Market, lamp

CONTROLLER = "system:serviceaccount:default:controller"


@pytest.fixture
async def market(inside: Inside) -> Market:
    market = Market(inside)
    await market.open(READ)
    return market


async def grant(inside: Inside, where: str, user: str, *verbs: str) -> None:
    """Let a user of the provider see the content of its export."""
    rbac = f"{where}/apis/rbac.authorization.k8s.io/v1/"
    version = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    rules = [
        {"apiGroups": ["apis.kcp.io"], "resources": ["apiexports/content"], "verbs": list(verbs)},
        {"nonResourceURLs": ["/"], "verbs": ["access"]},
    ]
    meta = {"metadata": {"name": "content"}}
    await inside.create(
        rbac + "clusterroles", {**version, "kind": "ClusterRole", **meta, "rules": rules}
    )
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "content",
    }
    bound = {"kind": "ClusterRoleBinding", **meta, "roleRef": reference, "subjects": [subject]}
    await inside.create(rbac + "clusterrolebindings", {**version, **bound})


async def test_what_is_claimed_is_seen_as_far_as_it_is_granted(
    market: Market, inside: Inside
) -> None:
    home, away = await market.consumer("home", READ), await market.consumer("away")
    await inside.create(home + LAMPS, lamp("desk"))
    other = await inside.workspace("other")
    status = {
        ("GET", "*", ALL_LAMPS): 200,
        ("GET", "*", "/api/v1/configmaps"): 200,
        ("GET", "*", "/api/v1/secrets"): 404,
        ("GET", "*", f"{LAMPS}/desk"): 404,
        ("GET", home, f"{LAMPS}/desk"): 200,
        ("DELETE", home, f"{LAMPS}/desk"): 200,
        ("GET", home, CONFIG_MAPS): 200,
        ("DELETE", home, f"{CONFIG_MAPS}/kube-root-ca.crt"): 403,
        ("GET", home, "/api/v1/namespaces/default/secrets"): 403,
        ("GET", home, BINDINGS): 200,
        ("DELETE", home, f"{BINDINGS}/lamps"): 403,
        ("GET", away, CONFIG_MAPS): 403,
        ("GET", away, LAMPS): 200,
        ("GET", other, LAMPS): 403,
        ("GET", market.shop, LAMPS): 403,
    }
    found = {
        asked: (await inside.send(asked[0], market.seen(asked[1], asked[2]))).status
        for asked in status
    }
    assert found == status


async def test_only_bindings_to_the_export_are_shown(market: Market, inside: Inside) -> None:
    await market.consumer("home")
    found = await inside.send("GET", market.seen("*", BINDINGS))
    assert [each["metadata"]["name"] for each in found.body["items"]] == ["lamps"]


@pytest.mark.parametrize(
    ("verbs", "status"), [(("get", "list"), (200, 200, 403)), (("*",), (200, 200, 201)), ((), None)]
)
async def test_the_content_of_an_export_is_granted_by_verb(
    market: Market, inside: Inside, verbs: tuple[str, ...], status: tuple[int, ...] | None
) -> None:
    home = await market.consumer("home")
    if verbs:
        await grant(inside, market.shop, "dora", *verbs)
    asked = (("GET", "*", ALL_LAMPS), ("GET", home, LAMPS), ("POST", home, LAMPS))
    found = [
        (
            await inside.send(
                method,
                market.seen(where, path),
                lamp("new") if method == "POST" else None,
                user="dora",
            )
        ).status
        for method, where, path in asked
    ]
    assert tuple(found) == (status or (403, 403, 403))


async def test_an_export_that_is_not_there_has_no_view(inside: Inside) -> None:
    for path in ("/services/apiexport/root/nosuch/clusters/*/api", "/services/apiexport/x"):
        assert (await inside.send("GET", path)).status == 404

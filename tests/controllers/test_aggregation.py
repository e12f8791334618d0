"""Aggregated ClusterRoles follow the roles that they choose."""

from typing import Any

from kcpfast.meta.cluster import SYSTEM_ADMIN
from tests.fix_inside import Inside, Json

ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def rule(*resources: str) -> Json:
    return {"apiGroups": ["x.example.com"], "resources": list(resources), "verbs": ["get"]}


def role(name: str, *rules: Json, chooses: Json | None = None, **labels: str) -> Json:
    made: Json = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels},
        "rules": list(rules),
    }
    if chooses is not None:
        made["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": chooses}]}
    return made


async def rules(inside: Inside, name: str) -> list[Any]:
    await inside.settle()
    found = await inside.get(f"{ROLES}/{name}")
    assert found is not None
    return [each["resources"] for each in found["rules"] or ()]


async def test_rules_follow(inside: Inside) -> None:
    await inside.create(ROLES, role("b", rule("bs"), rule("cs"), to="sum"))
    await inside.create(ROLES, role("sum", chooses={"to": "sum"}))
    assert await rules(inside, "sum") == [["bs"], ["cs"]]
    await inside.create(ROLES, role("a", rule("as"), rule("bs"), to="sum"))
    await inside.create(ROLES, role("z", rule("zs"), to="other"))
    assert await rules(inside, "sum") == [["as"], ["bs"], ["cs"]]
    await inside.patch(f"{ROLES}/b", {"rules": [rule("ds")]})
    assert await rules(inside, "sum") == [["as"], ["bs"], ["ds"]]
    await inside.patch(f"{ROLES}/b", {"metadata": {"labels": {"to": None}}})
    assert await rules(inside, "sum") == [["as"], ["bs"]]
    await inside.patch(f"{ROLES}/sum", {"rules": [rule("mine")]})
    assert await rules(inside, "sum") == [["as"], ["bs"]], "the controller has the last word"
    await inside.delete(f"{ROLES}/a")
    assert await rules(inside, "sum") == []
    await inside.patch(f"{ROLES}/sum", {"aggregationRule": None, "rules": [rule("mine")]})
    assert await rules(inside, "sum") == [["mine"]]


async def test_sums_of_sums(inside: Inside) -> None:
    await inside.create(ROLES, role("all", chooses={"to": "all"}))
    await inside.create(ROLES, role("sum", chooses={"to": "sum"}, to="all"))
    await inside.create(ROLES, role("a", rule("as"), to="sum"))
    assert await rules(inside, "all") == [["as"]]


async def test_roles_of_the_installation(inside: Inside) -> None:
    inside.at = f"/clusters/{SYSTEM_ADMIN}"
    before = {}
    for name in ("admin", "edit", "view"):
        got = await inside.send("GET", f"{ROLES}/{name}", token="master")
        assert got.body["metadata"]["resourceVersion"] == "1", "they begin as they must be"
        before[name] = len(got.body["rules"])
    mine = role("mine", rule("mine"))
    mine["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] = "true"
    await inside.create(ROLES, mine, token="master")
    await inside.settle()
    for name, count in before.items():
        got = await inside.send("GET", f"{ROLES}/{name}", token="master")
        assert len(got.body["rules"]) == count + 1

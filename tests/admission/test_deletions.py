"""What controllers delete: admission is asked as if somebody had sent the request."""

from collections.abc import Awaitable, Callable

import pytest

from kcpfast.admission.chain import Deleter, Review
from kcpfast.admission.policies import ValidatingPolicies
from kcpfast.transport.messages import Request, Response
from tests.admission.registering import BASE, binding, register, rule, validating
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import BINDINGS, LAMPS, Market, lamp

SPACES = "/api/v1/namespaces"
DANGLING = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": "nobody"}
WORKSPACES = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POLICY = f"{BASE}/validatingadmissionpolicies/p"
WHO = "system:serviceaccount:kube-system:"


def no_deletion(
    expression: str = "oldObject.metadata.name == 'free'", plural: str = "configmaps", **more: str
) -> tuple[Json, Json]:
    rules = [rule(plural, more.get("group", ""), operations=["DELETE"])]
    match = {"resourceRules": rules}
    return validating(expression, matchConstraints=match), binding("Validating")


async def names(inside: Inside, path: str = CONFIG_MAPS) -> list[str]:
    found = await inside.get(path)
    listed = [each["metadata"]["name"] for each in (found or {"items": []})["items"]]
    return [name for name in listed if name != "kube-root-ca.crt"]


async def hand_over(inside: Inside, path: str, *owners: Json) -> None:
    references = list(owners) or [DANGLING]
    await inside.patch(path, {"metadata": {"ownerReferences": references}})
    await inside.settle()


def owner(obj: Json) -> Json:
    meta = obj["metadata"]
    head = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "blockOwnerDeletion": True}
    return head | {"name": meta["name"], "uid": meta["uid"]}


async def by_dangling(inside: Inside) -> None:
    for name in ("free", "held"):
        await hand_over(inside, f"{CONFIG_MAPS}/{name}")


def by_owner(propagation: str) -> Callable[[Inside], Awaitable[None]]:
    async def delete(inside: Inside) -> None:
        secrets = f"{SPACES}/default/secrets"
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "owner"}}
        made = await inside.create(secrets, head)
        for name in ("held", "free"):
            await hand_over(inside, f"{CONFIG_MAPS}/{name}", owner(made))
        await inside.delete(f"{secrets}/owner?propagationPolicy={propagation}")

    return delete


@pytest.mark.parametrize("late", [False, True], ids=["policy first", "reference first"])
@pytest.mark.parametrize(
    "delete",
    [by_dangling, by_owner("Background"), by_owner("Foreground")],
    ids=["dangling", "background", "foreground"],
)
async def test_garbage_is_not_collected_against_a_policy(
    inside: Inside, delete: Callable[[Inside], Awaitable[None]], *, late: bool
) -> None:
    hold = {"finalizers": ["example.com/hold"]} if late else {}
    if not late:
        await register(inside, *no_deletion())
    for name in ("free", "held"):
        await inside.create(CONFIG_MAPS, config_map(name, **hold))
    if late:
        await register(inside, *no_deletion())
        for name in ("free", "held"):
            await inside.patch(f"{CONFIG_MAPS}/{name}", {"metadata": {"finalizers": None}})
    await delete(inside)
    assert await names(inside) == ["held"]
    found = await inside.get(f"{CONFIG_MAPS}/held")
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    await inside.settle(hurry=True)
    assert await names(inside) == ["held"], "it is tried again, and refused again"
    await inside.delete(POLICY)
    await inside.settle(hurry=True)
    await inside.settle()
    assert await names(inside) == []


@pytest.mark.parametrize("name", ["default", "kube-system"])
async def test_protected_namespaces_are_not_garbage(inside: Inside, name: str) -> None:
    await hand_over(inside, f"{SPACES}/{name}")
    found = await inside.get(f"{SPACES}/{name}")
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    assert (await inside.send("DELETE", f"{SPACES}/{name}")).status == 403


async def test_a_namespace_waits_for_what_may_not_go_and_tells(inside: Inside) -> None:
    space = f"{SPACES}/n"
    await inside.create(
        SPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    )
    for name in ("a", "free", "z"):
        await inside.create(f"{space}/configmaps", config_map(name))
    await register(inside, *no_deletion("oldObject.metadata.name in ['free', 'kube-root-ca.crt']"))
    await inside.delete(space)
    found = await inside.get(space)
    assert found is not None
    said = {each["type"]: each for each in found["status"]["conditions"]}
    failure = said["NamespaceDeletionContentFailure"]
    assert (failure["status"], failure["reason"]) == ("True", "ContentDeletionFailed")
    assert "ValidatingAdmissionPolicy 'p'" in failure["message"]
    remaining = said["NamespaceContentRemaining"]["message"]
    assert "configmaps. has 2 resource instances" in remaining
    assert await names(inside, f"{space}/configmaps") == ["a", "z"]
    await inside.delete(POLICY)
    await inside.settle(hurry=True)
    assert await inside.get(space) is None


@pytest.mark.parametrize(
    "reads", ["request.userInfo.username", "request.options.propagationPolicy"]
)
async def test_policies_see_who_deletes_and_how(inside: Inside, reads: str) -> None:
    wanted = WHO + "generic-garbage-collector" if "user" in reads else "Background"
    await register(inside, *no_deletion(f"{reads} == '{wanted}'"))
    await inside.create(CONFIG_MAPS, config_map("x"))
    assert (await inside.send("DELETE", f"{CONFIG_MAPS}/x")).status == 422
    await hand_over(inside, f"{CONFIG_MAPS}/x")
    assert await names(inside) == []


async def test_controllers_are_told_from_who_takes_their_name(inside: Inside) -> None:
    """A provider that lets the collector delete need not let its consumers' administrators."""
    market = Market(inside)
    await market.open()
    at = await market.consumer("c")
    await inside.create(at + LAMPS, lamp("one"))
    name = WHO + "generic-garbage-collector"
    expression = f"request.userInfo.username == '{name}' && !has(request.userInfo.extra)"
    await register(inside, *no_deletion(expression, "lamps", group="x.example.com"), at=market.shop)
    headers = {b"authorization": b"Bearer admin", b"impersonate-user": name.encode()}
    asked = Request("DELETE", f"{at}{LAMPS}/one", "", headers, b"")
    got = await inside.running.server.serve(asked)
    assert isinstance(got, Response)
    assert got.status == 422
    await hand_over(inside, f"{at}{LAMPS}/one")
    assert await names(inside, at + LAMPS) == []


async def by_reference(inside: Inside, at: str) -> None:
    await hand_over(inside, f"{at}{LAMPS}/one")


async def by_binding(inside: Inside, at: str) -> None:
    await inside.delete(f"{at}{BINDINGS}/lamps")
    found = await inside.get(f"{at}{BINDINGS}/lamps")
    assert found is not None
    said = {each["type"]: each for each in found["status"]["conditions"]}
    assert said["BindingResourceDeleteSuccess"]["reason"] == "ResourceDeletionFailed"


async def by_workspace(inside: Inside, at: str) -> None:
    found = await inside.get(WORKSPACES)
    assert found is not None
    cluster = at.rpartition("/")[2]
    name = next(
        each["metadata"]["name"] for each in found["items"] if each["spec"]["cluster"] == cluster
    )
    await inside.delete(f"{WORKSPACES}/{name}")
    ending = await inside.get(f"{WORKSPACES}/{name}")
    assert ending is not None
    said = {each["type"]: each for each in ending["status"]["conditions"]}
    assert said["WorkspaceContentDeleted"]["reason"] == "ContentDeletionFailed"
    assert "ValidatingAdmissionPolicy 'p'" in said["WorkspaceContentDeleted"]["message"]


@pytest.mark.parametrize("delete", [by_reference, by_binding, by_workspace])
async def test_what_is_bound_obeys_its_provider(
    inside: Inside, delete: Callable[[Inside, str], Awaitable[None]]
) -> None:
    market = Market(inside)
    await market.open()
    at = await market.consumer("c")
    await inside.create(at + LAMPS, lamp("one"))
    await register(inside, *no_deletion("false", "lamps", group="x.example.com"), at=market.shop)
    await delete(inside, at)
    assert await names(inside, at + LAMPS) == ["one"]
    await inside.delete(market.shop + POLICY)
    for _ in range(3):
        await inside.settle(hurry=True)
    assert (await inside.send("GET", f"{at}{LAMPS}/one")).status in (403, 404)


@pytest.mark.parametrize("plural", ["configmaps", "*"])
async def test_a_workspace_ends_in_spite_of_its_own_policies(inside: Inside, plural: str) -> None:
    await inside.create(CONFIG_MAPS, config_map("held", finalizers=["example.com/hold"]))
    group = "*" if plural == "*" else ""
    await register(inside, *no_deletion("false", plural, group=group))
    await inside.delete(f"{WORKSPACES}/ws")
    await inside.patch(f"{CONFIG_MAPS}/held", {"metadata": {"finalizers": None}})
    await inside.settle(hurry=True)
    assert await inside.get(f"{WORKSPACES}/ws") is None


async def test_a_policy_that_waits_does_not_keep_the_rest_of_its_workspace(inside: Inside) -> None:
    hold = {"finalizers": ["example.com/hold"]}
    offered, bound = no_deletion("oldObject.metadata.name != 'held'", "secrets")
    offered["metadata"] |= hold
    await register(inside, offered, bound)
    await inside.create(CONFIG_MAPS, config_map("free"))
    await inside.delete(f"{WORKSPACES}/ws")
    assert await names(inside) == []
    await inside.patch(POLICY, {"metadata": {"finalizers": None}})
    await inside.settle(hurry=True)
    assert await inside.get(f"{WORKSPACES}/ws") is None


async def test_a_crd_waits_for_instances_that_may_not_go(inside: Inside) -> None:
    await inside.create(CRDS, crd())
    await inside.settle()
    bulbs = "/apis/crd.example.com/v1/bulbs"
    head = {"apiVersion": "crd.example.com/v1", "kind": "Bulb", "metadata": {"name": "b"}}
    await inside.create(bulbs, head)
    await register(inside, *no_deletion("false", "bulbs", group="crd.example.com"))
    await inside.delete(f"{CRDS}/bulbs.crd.example.com")
    found = await inside.get(f"{CRDS}/bulbs.crd.example.com")
    assert found is not None
    said = {each["type"]: each["reason"] for each in found["status"]["conditions"]}
    assert said["Terminating"] == "InstanceDeletionFailed"
    assert await names(inside, bulbs) == ["b"]
    await inside.delete(POLICY)
    await inside.settle(hurry=True)
    assert await inside.get(f"{CRDS}/bulbs.crd.example.com") is None


def crd() -> Json:
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "bulbs.crd.example.com"},
        "spec": {
            "group": "crd.example.com",
            "names": {
                "plural": "bulbs",
                "singular": "bulb",
                "kind": "Bulb",
                "listKind": "BulbList",
            },
            "scope": "Cluster",
            "versions": [version],
        },
    }


@pytest.mark.parametrize("operations", [None, ["CREATE", "UPDATE"], ["DELETE"]])
async def test_who_registers_nothing_for_deletions_is_not_asked(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, operations: list[str] | None
) -> None:
    asked: list[str] = []
    ask = Deleter.ask

    async def counted(self: Deleter, *args: object) -> object:
        asked.append(str(args[0]))
        return await ask(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Deleter, "ask", counted)
    if operations is not None:
        match = {"resourceRules": [rule(operations=operations)]}
        await register(inside, validating("true", matchConstraints=match), binding("Validating"))
    made = await inside.create(CONFIG_MAPS, config_map("owner"))
    for number in range(70):
        meta = {"ownerReferences": [owner(made)]}
        await inside.create(CONFIG_MAPS, config_map(f"c{number}", **meta))
    await inside.delete(f"{CONFIG_MAPS}/owner")
    assert await names(inside) == []
    assert len(asked) == (70 if operations == ["DELETE"] else 0)


async def test_a_refusal_that_is_told_is_not_tried_again_at_once(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said on a namespace wakes its controller: it is not to go round and round."""
    runs: list[str] = []
    run = ValidatingPolicies.run

    def counted(self: ValidatingPolicies, registered: object, review: Review) -> None:
        runs.append(review.name)
        run(self, registered, review)  # type: ignore[arg-type]

    monkeypatch.setattr(ValidatingPolicies, "run", counted)
    space = f"{SPACES}/n"
    await inside.create(
        SPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    )
    await inside.create(f"{space}/configmaps", config_map("held"))
    rules = {"resourceRules": [rule(operations=["DELETE"])]}
    # The message is another at each attempt.
    text = {"expression": "false", "messageExpression": "string(oldObject.metadata.uid)"}
    await register(inside, validating(text, matchConstraints=rules), binding("Validating"))
    await inside.delete(space)
    assert runs.count("held") == 1

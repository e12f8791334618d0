"""Mutating policies: what they make of an object, and what they may not."""

from typing import Any

import pytest

from tests.admission.registering import binding, policy, register, rule
from tests.fix_inside import CONFIG_MAPS, Answer, Inside, Json, config_map


def applies(expression: str) -> Json:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def patches(expression: str) -> Json:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def mutating(*mutations: Json, **spec: Any) -> Json:
    usual: Json = {"reinvocationPolicy": "Never"}
    return policy("Mutating", mutations=list(mutations), **(usual | spec))


async def offer(inside: Inside, **meta: Any) -> Answer:
    return await inside.send("POST", f"{CONFIG_MAPS}?dryRun=All", config_map("x", **meta))


LABEL = "Object{metadata: Object.metadata{labels: {'a': 'b'}}}"


@pytest.mark.parametrize(
    ("mutations", "labels", "data"),
    [
        ([applies(LABEL)], {"a": "b", "own": "1"}, {"k": "v"}),
        ([applies("Object{data: {'k': 'w', 'l': string(object.metadata.name)}}")], {"own": "1"},
         {"k": "w", "l": "x"}),
        ([applies("Object{data: {'n': '1'}}"), applies("Object{data: {'m': object.data.n + '2'}}")],
         {"own": "1"}, {"k": "v", "n": "1", "m": "12"}),
        ([patches("[JSONPatch{op: 'add', path: '/data/n', value: '1'}]")], {"own": "1"},
         {"k": "v", "n": "1"}),
        ([patches("has(object.data) ? [JSONPatch{op: 'remove', path: '/data'}] : []")],
         {"own": "1"}, None),
        ([patches("[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('x/y'),"
                  " value: 'z'}]")], {"own": "1", "x/y": "z"}, {"k": "v"}),
    ],
)  # fmt: skip
async def test_what_becomes_of_an_object(
    inside: Inside, mutations: list[Json], labels: Json, data: Json | None
) -> None:
    await register(inside, mutating(*mutations), binding("Mutating"))
    obj = config_map("x", labels={"own": "1"}) | {"data": {"k": "v"}}
    made = await inside.create(CONFIG_MAPS, obj)
    assert (made["metadata"]["labels"], made.get("data")) == (labels, data)
    kept = await inside.get(f"{CONFIG_MAPS}/x")
    assert kept == made


@pytest.mark.parametrize(
    ("mutation", "told"),
    [
        (applies("Object{metadata: Object.wrong{name: 'y'}}"), "type mismatch: unexpected type"),
        (applies("Object{colour: 'red'}"), "error applying patch: failed to create typed patch"),
        (
            applies("Object{metadata: Object.metadata{managedFields: []}}"),
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps "
            "or structs: .metadata.managedFields",
        ),
        (patches("[JSONPatch{op: 'test', path: '/data', value: 1}]"), "error applying patch: "),
        (patches("[JSONPatch{op: 'add', path: '/metadata', value: 1}]"), None),
        (applies("Object{data: {'n': object.no}}"), "expression 'Object{data"),
    ],
)
@pytest.mark.parametrize("fails", ["Fail", "Ignore"])
async def test_what_cannot_be_made(
    inside: Inside, mutation: Json, told: str | None, fails: str
) -> None:
    await register(inside, mutating(mutation, failurePolicy=fails), binding("Mutating"))
    got = await offer(inside)
    if told is None:
        assert (got.status, got.body["reason"]) == (500, "InternalError")
    elif fails == "Ignore":
        assert got.status == 201
    else:
        start = f"policy 'p' with binding 'b' denied request: {told}"
        assert (got.status, got.body["reason"]) == (403, "Invalid")
        assert got.body["message"].startswith(start)


async def test_parameters_conditions_and_variables(inside: Inside) -> None:
    limits = config_map("limits", labels={"kind": "limits"}) | {"data": {"max": "1"}}
    await inside.create(CONFIG_MAPS, limits)
    offered = mutating(
        applies("Object{data: {'max': variables.max}}"),
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        variables=[{"name": "max", "expression": "params.data.max"}],
        matchConditions=[{"name": "new", "expression": "!has(object.data)"}],
    )
    reference = {"name": "limits", "parameterNotFoundAction": "Deny"}
    await register(inside, offered, binding("Mutating", paramRef=reference))
    assert (await offer(inside)).body["data"] == {"max": "1"}
    obj = config_map("y") | {"data": {"own": "2"}}
    assert (await inside.create(CONFIG_MAPS, obj))["data"] == {"own": "2"}


@pytest.mark.parametrize(("again", "count"), [("Never", "1"), ("IfNeeded", "11")])
async def test_looking_again_at_what_others_change(inside: Inside, again: str, count: str) -> None:
    grow = (
        "Object{data: {'n': (has(object.data) && 'n' in object.data ? object.data.n : '') + '1'}}"
    )
    first = mutating(applies(grow), name="a", reinvocationPolicy=again)
    idle = mutating(applies(LABEL), name="b", reinvocationPolicy="IfNeeded")
    await register(inside, first, binding("Mutating", "a", "a"), idle)
    assert (await offer(inside)).body["data"] == {"n": "1"}, "nobody changed anything since"
    await register(inside, binding("Mutating", "b", "b"))
    assert (await offer(inside)).body["data"] == {"n": count}


async def test_what_is_made_is_validated(inside: Inside) -> None:
    await register(
        inside, mutating(applies("Object{data: {'not a key': ''}}")), binding("Mutating")
    )
    got = await offer(inside)
    assert (got.status, got.body["reason"]) == (422, "Invalid")


async def test_updates(inside: Inside) -> None:
    await inside.create(CONFIG_MAPS, config_map("x"))
    rules = {"resourceRules": [rule(operations=["UPDATE"])]}
    count = "Object{data: {'before': string(has(oldObject.data))}}"
    await register(inside, mutating(applies(count), matchConstraints=rules), binding("Mutating"))
    for before in ("false", "true"):
        got = await inside.patch(f"{CONFIG_MAPS}/x", {"metadata": {"labels": {"n": before}}})
        assert got["data"] == {"before": before}


async def test_a_scale_is_what_its_policies_see(inside: Inside) -> None:
    numbers = {"type": "object", "properties": {"n": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"spec": numbers, "status": numbers}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}
        },
    }
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "fleets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "fleets", "kind": "Fleet"},
            "versions": [version],
        },
    }
    await inside.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    await inside.settle()
    fleets = "/apis/example.com/v1/namespaces/default/fleets"
    fleet = {"apiVersion": "example.com/v1", "kind": "Fleet", "metadata": {"name": "x"}}
    await inside.create(fleets, fleet | {"spec": {"n": 1}})
    rules = {"resourceRules": [rule("fleets/scale", "example.com")]}
    most = "request.kind.kind == 'Scale' && object.spec.replicas > 3"
    offered = mutating(
        applies("Object{spec: Object.spec{replicas: 3}}"),
        matchConstraints=rules,
        matchConditions=[{"name": "most", "expression": most}],
    )
    await register(inside, offered, binding("Mutating"))
    for wanted, made in ((2, 2), (9, 3)):
        got = await inside.patch(f"{fleets}/x/scale", {"spec": {"replicas": wanted}})
        assert got["spec"]["replicas"] == made
    kept = await inside.get(f"{fleets}/x")
    assert kept is not None
    assert kept["spec"] == {"n": 3}

"""Validating policies: what they see, whom they concern, what becomes of a request."""

from typing import Any

import pytest

from tests.admission.registering import BASE, binding, path_of, register, rule, validating
from tests.fix_inside import CONFIG_MAPS, Answer, Inside, Json, config_map
from tests.kcp.provider import LAMPS, Market, lamp

SPACES = "/api/v1/namespaces"
SECRETS = f"{SPACES}/default/secrets"


async def offer(inside: Inside, obj: Json | None = None, **options: Any) -> Answer:
    made = obj or config_map("x", labels={"team": "a"})
    return await inside.send("POST", f"{CONFIG_MAPS}?dryRun=All", made, **options)


def why(got: Answer) -> str:
    return str(got.body.get("message", "")).partition("denied request: ")[2]


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("object.metadata.name == 'x'", None),
        ("object.metadata.name == 'y'", "failed expression: object.metadata.name == 'y'"),
        ("oldObject == null && request.operation == 'CREATE'", None),
        ("request.userInfo.username == 'kcp-admin' && request.dryRun", None),
        ("request.name == 'x' && request.namespace == 'default'", None),
        ("request.resource.resource == 'configmaps' && request.kind.kind == 'ConfigMap'", None),
        ("request.options.kind == 'CreateOptions'", None),
        ("!has(request.subResource)", None),
        ("namespaceObject.metadata.name == 'default'", None),
        ("namespaceObject.metadata.creationTimestamp < timestamp('2100-01-01T00:00:00Z')", None),
        ("variables.team == 'a' && variables.long", None),
        ("variables.broken", "expression 'variables.broken' resulted in error: composited"),
        ("object.spec.n > 1", "expression 'object.spec.n > 1' resulted in error: no such key"),
        ("authorizer.group('').resource('configmaps').namespace('default').check('create')"
         ".allowed()", None),
        ("authorizer.requestResource.check('create').allowed()", None),
        ("authorizer.serviceAccount('default', 'default').requestResource", "?"),
        ("!authorizer.serviceAccount('default', 'nobody').group('').resource('secrets')"
         ".check('get').allowed()", None),
        ("authorizer.path('/healthz').check('get').allowed()", None),
    ],
)  # fmt: skip
async def test_what_expressions_see(inside: Inside, expression: str, told: str | None) -> None:
    variables = [
        {"name": "team", "expression": "object.metadata.labels.team"},
        {"name": "long", "expression": "size(variables.team) == 1"},
        {"name": "broken", "expression": "object.data.x == 'x'"},
    ]
    offered = validating(expression, variables=variables)
    if told == "?":
        assert (await inside.send("POST", path_of(offered), offered)).status == 422
        return
    await register(inside, offered, binding("Validating"))
    got = await offer(inside)
    if told is None:
        assert got.status == 201, got.body
    else:
        assert (got.status, got.body["reason"]) == (422, "Invalid")
        assert why(got).startswith(told)


@pytest.mark.parametrize(
    ("validation", "told", "status"),
    [
        ({"message": "no"}, "no", 422),
        ({"message": "no", "reason": "Forbidden"}, "no", 403),
        ({"reason": "RequestEntityTooLarge", "message": "no"}, "no", 413),
        ({"messageExpression": "'not ' + object.metadata.name"}, "not x", 422),
        ({"messageExpression": "object.no", "message": "no"}, None, 0),
        ({"messageExpression": "string(object.no)", "message": "no"}, "no", 422),
        ({"messageExpression": "' '", "message": "no"}, "no", 422),
        ({"messageExpression": "'a\\nb'"}, "failed expression: 1 > 2", 422),
    ],
)
async def test_how_a_refusal_is_worded(
    inside: Inside, validation: Json, told: str | None, status: int
) -> None:
    offered = validating({"expression": "1 > 2"} | validation)
    if told is None:
        assert (await inside.send("POST", path_of(offered), offered)).status == 422
        return
    await register(inside, offered, binding("Validating"))
    got = await offer(inside)
    assert (got.status, why(got)) == (status, told)
    assert got.body["message"].startswith('configmaps "x" is forbidden: ValidatingAdmissionPolicy')


@pytest.mark.parametrize(
    ("matching", "concerned"),
    [
        ({}, True),
        ({"resourceRules": [rule(operations=["UPDATE"])]}, False),
        ({"resourceRules": [rule(operations=["*"])]}, True),
        ({"resourceRules": [rule(apiVersions=["v2"])]}, False),
        ({"resourceRules": [rule("*", "*")]}, True),
        ({"resourceRules": [rule("*/*")]}, True),
        ({"resourceRules": [rule("configmaps/*")]}, True),
        ({"resourceRules": [rule("configmaps/status")]}, False),
        ({"resourceRules": [rule(scope="Cluster")]}, False),
        ({"resourceRules": [rule(scope="Namespaced")]}, True),
        ({"resourceRules": [rule(resourceNames=["y"])]}, False),
        ({"resourceRules": [rule(resourceNames=["x", "y"])]}, True),
        ({"excludeResourceRules": [rule(resourceNames=["x"])]}, False),
        ({"objectSelector": {"matchLabels": {"team": "a"}}}, True),
        ({"objectSelector": {"matchLabels": {"team": "b"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "n"}}}, False),
    ],
)
@pytest.mark.parametrize("by", ["policy", "binding"])
async def test_whom_it_concerns(
    inside: Inside, matching: Json, by: str, *, concerned: bool
) -> None:
    wanted = {"resourceRules": [rule()]} | matching
    first = wanted if by == "policy" else {"resourceRules": [rule("*", "*", apiVersions=["*"])]}
    second: Json = {} if by == "policy" else {"matchResources": wanted}
    await register(
        inside, validating("false", matchConstraints=first), binding("Validating", **second)
    )
    assert (await offer(inside)).status == (422 if concerned else 201)


async def test_updates_and_deletes(inside: Inside) -> None:
    await inside.create(CONFIG_MAPS, config_map("x"))
    rules = {"resourceRules": [rule(operations=["UPDATE", "DELETE"])]}
    check = "oldObject.metadata.name == 'x' && (object == null) == (request.operation == 'DELETE')"
    told = "request.options.?propagationPolicy.orValue('') != 'Orphan'"
    await register(inside, validating(check, told, matchConstraints=rules), binding("Validating"))
    await inside.patch(f"{CONFIG_MAPS}/x", {"data": {"a": "b"}})
    got = await inside.send("DELETE", f"{CONFIG_MAPS}/x?propagationPolicy=Orphan")
    assert got.status == 422
    await inside.delete(f"{CONFIG_MAPS}/x")


@pytest.mark.parametrize(
    ("conditions", "fails", "status"),
    [
        (["object.metadata.name == 'x'"], "Fail", 422),
        (["object.metadata.name == 'y'"], "Fail", 201),
        (["object.no == 1"], "Fail", 422),
        (["object.no == 1"], "Ignore", 201),
        (["object.no == 1", "false"], "Fail", 201),
        (["true", "object.no == 1"], "Ignore", 201),
    ],
)
async def test_match_conditions(
    inside: Inside, conditions: list[str], fails: str, status: int
) -> None:
    listed = [{"name": f"c{n}", "expression": each} for n, each in enumerate(conditions)]
    offered = validating("false", matchConditions=listed, failurePolicy=fails)
    await register(inside, offered, binding("Validating"))
    assert (await offer(inside)).status == status


@pytest.mark.parametrize(("fails", "status"), [("Fail", 422), ("Ignore", 201)])
async def test_an_error_is_what_the_failure_policy_says(
    inside: Inside, fails: str, status: int
) -> None:
    offered = validating("object.no == 1", failurePolicy=fails)
    await register(inside, offered, binding("Validating"))
    assert (await offer(inside)).status == status


async def test_actions(inside: Inside) -> None:
    offered = validating({"expression": "false", "message": "no"})
    await register(inside, offered, binding("Validating", validationActions=["Warn", "Audit"]))
    got = await offer(inside)
    assert got.status == 201
    text = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"
    assert (b"Warning", f'299 - "{text}"'.encode()) in got.headers
    await register(inside, binding("Validating", "c"))
    got = await offer(inside)
    assert got.status == 422
    assert (b"Warning", f'299 - "{text}"'.encode()) in got.headers, "whatever else is said"


KIND = {"apiVersion": "v1", "kind": "ConfigMap"}


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ({"name": "limits", "namespace": "default"}, "max 1"),
        ({"name": "limits"}, "max 1"),
        ({"name": "none"}, None),
        ({"name": "none", "parameterNotFoundAction": "Deny"}, "failed to configure binding: no"),
        ({"selector": {"matchLabels": {"limits": "yes"}}}, "max 1"),
        ({"selector": {"matchLabels": {"limits": "no"}}}, None),
        (None, "failed expression: params != null && params.data.max != '1'"),
    ],
)
async def test_parameters(inside: Inside, reference: Json | None, told: str | None) -> None:
    limits = config_map("limits", labels={"limits": "yes"}) | {"data": {"max": "1"}}
    await inside.create(CONFIG_MAPS, limits)
    rules = {"resourceRules": [rule("secrets")]}
    check = {
        "expression": "params != null && params.data.max != '1'",
        "messageExpression": "'max ' + params.data.max",
    }
    offered = validating(check, paramKind=KIND, matchConstraints=rules)
    more: Json = {}
    if reference is not None:
        more["paramRef"] = {"parameterNotFoundAction": "Allow"} | reference
    await register(inside, offered, binding("Validating", **more))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    got = await inside.send("POST", f"{SECRETS}?dryRun=All", secret)
    if told is None:
        assert got.status == 201
    else:
        assert why(got).startswith(told)


@pytest.mark.parametrize(
    ("kind", "reference", "told"),
    [
        ({"apiVersion": "x.example.com/v1", "kind": "X"}, {"name": "x"}, "not known"),
        ({"apiVersion": "v1", "kind": "Namespace"}, {"name": "x", "namespace": "n"}, "must not be"),
    ],
)
async def test_parameters_that_cannot_be_had(
    inside: Inside, kind: Json, reference: Json, told: str
) -> None:
    reference = reference | {"parameterNotFoundAction": "Allow"}
    await register(
        inside, validating("true", paramKind=kind), binding("Validating", paramRef=reference)
    )
    assert told in why(await offer(inside))


async def test_it_ends_with_its_binding(inside: Inside) -> None:
    await register(inside, validating("false"))
    assert (await offer(inside)).status == 201, "without a binding it has no effect"
    await register(inside, binding("Validating"))
    assert (await offer(inside)).status == 422
    await inside.delete(f"{BASE}/validatingadmissionpolicybindings/b")
    assert (await offer(inside)).status == 201


async def test_nobody_is_locked_out(inside: Inside) -> None:
    everything = {"resourceRules": [rule("*/*", "*", apiVersions=["*"], operations=["*"])]}
    await register(inside, validating("false", matchConstraints=everything), binding("Validating"))
    assert (await offer(inside)).status == 422
    await inside.delete(f"{BASE}/validatingadmissionpolicies/p")
    assert (await offer(inside)).status == 201


async def test_other_versions_and_groups_of_a_kind(inside: Inside) -> None:
    rules = {"resourceRules": [rule("events", "events.k8s.io")]}
    check = "request.requestKind.group == '' && object.note == 'hello'"
    await register(inside, validating("!(" + check + ")", matchConstraints=rules))
    await register(inside, binding("Validating"))
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "ConfigMap", "name": "x", "namespace": "default"},
        "message": "hello",
    }
    path = f"{SPACES}/default/events?dryRun=All"
    assert (await inside.send("POST", path, event)).status == 422
    exact = {"spec": {"matchConstraints": {"matchPolicy": "Exact"}}}
    await inside.patch(f"{BASE}/validatingadmissionpolicies/p", exact)
    assert (await inside.send("POST", path, event)).status == 201


async def test_bound_resources_obey_their_provider(inside: Inside) -> None:
    market = Market(inside)
    await market.open()
    home = await market.consumer("home")
    rules = {"resourceRules": [rule("lamps", "*", apiVersions=["*"])]}
    offered = validating("object.spec.size > 5", matchConstraints=rules)
    await register(inside, offered, binding("Validating"), at=home)
    await inside.create(home + LAMPS, lamp("desk", 1))
    await register(inside, offered, binding("Validating"), at=market.shop)
    got = await inside.send("POST", home + LAMPS, lamp("small", 1))
    assert (got.status, got.body["reason"]) == (422, "Invalid")

"""Webhooks over real TLS: what they are told, and what their answers do."""

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trustme

from kcpfast.admission import webhooks
from kcpfast.transport.account import Account
from kcpfast.transport.messages import Request, Response
from tests.admission.registering import BASE, hooks, register, rule
from tests.fix_inside import CONFIG_MAPS, Answer, Inside, Json, config_map
from tests.kcp.provider import LAMPS, Market, lamp

Answers = Callable[[Json], Json]


class Called:
    """A webhook server: what it was asked, and how it answers, by path."""

    def __init__(self, authority: trustme.CA) -> None:
        self.asked: list[Json] = []
        self.answers: dict[str, Answers | bytes | None] = {}
        self.url = ""
        self.gate: asyncio.Barrier | None = None
        self.ca = b64encode(authority.cert_pem.bytes()).decode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
        sent = json.loads(await reader.readexactly(length))
        path = head.split(" ")[1].partition("?")[0]
        self.asked.append(sent["request"] | {"path": path, "version": sent["apiVersion"]})
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.get(path)
        if isinstance(answer, bytes):
            writer.write(answer)
        elif answer is not None:
            response = {"uid": sent["request"]["uid"], "allowed": True} | answer(sent["request"])
            body = json.dumps(
                {"kind": "AdmissionReview", "apiVersion": sent["apiVersion"], "response": response}
            ).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        else:
            await reader.read()  # never: until the caller gives up
        writer.close()

    def hook(self, path: str = "/ok", **more: Any) -> Json:
        usual = {
            "name": "h.example.com",
            "clientConfig": {"url": self.url + path, "caBundle": self.ca},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "rules": [rule()],
        }
        return usual | more


@pytest.fixture
async def called(authority: trustme.CA) -> AsyncIterator[Called]:
    found = Called(authority)
    found.answers["/ok"] = lambda request: {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=context)
    found.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()
    await server.wait_closed()


async def offer(inside: Inside, query: str = "", **meta: Any) -> Answer:
    return await inside.send("POST", CONFIG_MAPS + query, config_map("x", **meta))


def patch(*operations: Json) -> Answers:
    encoded = b64encode(json.dumps(operations).encode()).decode()
    return lambda request: {"patchType": "JSONPatch", "patch": encoded}


def add(path: str, value: Any) -> Json:
    return {"op": "add", "path": path, "value": value}


async def test_what_a_webhook_is_told(inside: Inside, called: Called) -> None:
    everything = [rule(operations=["*"])]
    await register(inside, hooks("Validating", called.hook(rules=everything)))
    made = await inside.create(CONFIG_MAPS, config_map("x"))
    await inside.patch(f"{CONFIG_MAPS}/x", {"data": {"a": "b"}})
    await inside.delete(f"{CONFIG_MAPS}/x")
    create, update, delete = called.asked
    assert create["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert create["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert (create["name"], create["namespace"], create["operation"]) == ("x", "default", "CREATE")
    assert create["userInfo"]["username"] == "kcp-admin"
    assert (create["dryRun"], create["options"]["kind"]) == (False, "CreateOptions")
    assert create["object"]["metadata"]["uid"] == made["metadata"]["uid"]
    assert create["object"]["metadata"]["annotations"]["kcp.io/cluster"]
    assert (create["oldObject"], create["version"]) == (None, "admission.k8s.io/v1")
    assert (update["object"]["data"], update["oldObject"].get("data")) == ({"a": "b"}, None)
    assert (delete["object"], delete["oldObject"]["data"]) == (None, {"a": "b"})


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        ({"message": "no", "code": 418, "reason": "Teapot"}, 418, ": no"),
        ({"reason": "Forbidden"}, 400, ": Forbidden"),
        ({}, 400, " without explanation"),
        ({"code": 200, "message": "no"}, 400, ": no"),
    ],
)
@pytest.mark.parametrize("kind", ["Validating", "Mutating"])
async def test_a_refusal(
    inside: Inside, called: Called, kind: str, status: Json, code: int, told: str
) -> None:
    called.answers["/no"] = lambda request: {"allowed": False, "status": status}
    await register(inside, hooks(kind, called.hook("/no")))
    got = await offer(inside)
    assert got.status == code
    assert got.body["message"] == f'admission webhook "h.example.com" denied the request{told}'
    assert got.body.get("reason", "") == status.get("reason", "")


BROKEN: dict[str, Answers | bytes] = {
    "/500": b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    "/empty": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "/nothing": b"",
    "/nonsense": b"hello\r\n\r\n",
    "/uid": lambda request: {"uid": "another"},
    "/patch": lambda request: {"patch": "eA=="},
}


@pytest.mark.parametrize("path", BROKEN)
@pytest.mark.parametrize("fails", ["Fail", "Ignore"])
async def test_an_answer_that_is_none(
    inside: Inside, called: Called, path: str, fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    called.answers |= BROKEN
    await register(inside, hooks("Mutating", called.hook(path, failurePolicy=fails)))
    got = await offer(inside)
    assert got.status == (500 if fails == "Fail" else 201)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert 'failed calling webhook "h.example.com"' in caplog.text
    if fails == "Fail":
        text = 'Internal error occurred: failed calling webhook "h.example.com": '
        assert got.body["message"].startswith(text)


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ({"url": "https://127.0.0.1:1/x"}, "failed to call webhook: Post"),
        ({"service": {"name": "s", "namespace": "n"}}, "there are no services: n/s"),
        ({"url": "{}/ok"}, "certificate verify failed"),
    ],
)
async def test_nobody_there(inside: Inside, called: Called, client: Json, told: str) -> None:
    if "url" in client:
        client = {"url": client["url"].format(called.url)}
    await register(inside, hooks("Validating", called.hook(clientConfig=client)))
    got = await offer(inside)
    assert got.status == 500
    assert told in got.body["message"]
    await register(inside, hooks("Mutating", called.hook(), name="fine"))
    await inside.delete(f"{BASE}/validatingwebhookconfigurations/hooks")
    assert (await offer(inside)).status == 201


async def test_one_that_never_answers(inside: Inside, called: Called) -> None:
    called.answers["/never"] = None
    await register(inside, hooks("Validating", called.hook("/never", timeoutSeconds=1)))
    got = await offer(inside)
    assert (got.status, "deadline" in got.body["message"]) == (500, True)


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
@pytest.mark.parametrize(("what", "most"), [("MAX_CALLS", 2), ("MAX_BYTES", 2200)])
async def test_calls_that_wait_are_bounded(
    inside: Inside,
    called: Called,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    what: str,
    most: int,
) -> None:
    """And who fills one up gets round it no more than others who are not concerned."""
    monkeypatch.setattr(webhooks, what, most)
    called.gate = asyncio.Barrier(3)
    await register(inside, hooks("Validating", called.hook(failurePolicy=policy)))
    first = [asyncio.create_task(offer(inside)) for _ in range(2)]
    while len(called.asked) < 2:  # noqa: ASYNC110 - what is waited for happens on this loop
        await asyncio.sleep(0.001)
    third = await offer(inside)
    assert (third.status, third.body["reason"]) == (429, "TooManyRequests")
    secrets = CONFIG_MAPS.replace("configmaps", "secrets")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
    assert (await inside.send("POST", secrets, secret)).status == 201
    await called.gate.wait()
    assert sorted([each.status for each in await asyncio.gather(*first)]) == [201, 409]
    called.gate = None
    assert (await offer(inside)).status == 409, "there is room again"


async def test_what_a_call_holds_is_charged_to_the_request(inside: Inside, called: Called) -> None:
    called.answers["/long"] = b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90_000
    await register(inside, hooks("Validating", called.hook("/long")))

    class Owner:
        def cut(self) -> bool:
            raise AssertionError

    for ceiling, status in ((100_000, 429), (500_000, 429), (5_000_000, 500)):
        account = Account(ceiling)
        headers = {b"authorization": b"Bearer admin", b"content-type": b"application/json"}
        body = json.dumps(config_map("x")).encode()
        request = Request("POST", inside.at + CONFIG_MAPS, "", headers, body)
        request.holder = account.open(Owner(), "client")
        answer = await inside.running.server.serve(request)
        assert isinstance(answer, Response)
        assert answer.status == status
        assert (account.most > 900_000) is (status == 500)


async def test_patches_follow_each_other(inside: Inside, called: Called) -> None:
    called.answers["/one"] = patch(add("/data", {"n": "1"}))
    called.answers["/two"] = patch({"op": "test", "path": "/data/n", "value": "1"},
                                   add("/data/m", "2"), add("/nonsense", 1))  # fmt: skip
    one, two = called.hook("/one", name="a.b.c"), called.hook("/two", name="b.c.d")
    await register(inside, hooks("Mutating", two, name="z"), hooks("Mutating", one, name="a"))
    made = await inside.create(CONFIG_MAPS, config_map("x"))
    assert made["data"] == {"n": "1", "m": "2"}
    assert "nonsense" not in made
    assert [each["path"] for each in called.asked] == ["/one", "/two"]


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([add("/metadata/name", "y")], 201),
        ([add("/kind", "Secret")], 500),
        ([add("/data", 1)], 500),
        ([{"op": "remove", "path": "/none"}], 500),
        ([{"op": "replace", "path": "", "value": 1}], 500),
        ([add("/data", {"not a key": ""})], 422),
    ],
)
async def test_what_a_patch_may_do(
    inside: Inside, called: Called, operations: list[Json], code: int
) -> None:
    called.answers["/patch"] = patch(*operations)
    await register(inside, hooks("Mutating", called.hook("/patch")))
    assert (await offer(inside)).status == code


async def test_asked_again_after_others(inside: Inside, called: Called) -> None:
    called.answers["/late"] = patch(add("/data", {"late": "1"}))
    first = called.hook("/ok", name="a.b.c", reinvocationPolicy="IfNeeded")
    again = called.hook("/ok", name="b.c.d")
    late = called.hook("/late", name="c.d.e", reinvocationPolicy="IfNeeded")
    await register(inside, hooks("Mutating", first, again, late))
    await offer(inside)
    asked = [(each["path"], each["object"].get("data")) for each in called.asked]
    assert asked == [("/ok", None), ("/ok", None), ("/late", None), ("/ok", {"late": "1"})]


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({"rules": [rule("secrets")]}, False),
        ({"rules": []}, False),
        ({"objectSelector": {"matchLabels": {"a": "b"}}}, True),
        ({"objectSelector": {"matchLabels": {"a": "c"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"a": "b"}}}, False),
        ({"matchConditions": [{"name": "c", "expression": "object.metadata.name == 'x'"}]}, True),
        ({"matchConditions": [{"name": "c", "expression": "request.dryRun"}]}, False),
    ],
)
async def test_whom_it_concerns(inside: Inside, called: Called, more: Json, *, asked: bool) -> None:
    await register(inside, hooks("Validating", called.hook(**more)))
    assert (await offer(inside, labels={"a": "b"})).status == 201
    assert bool(called.asked) is asked


@pytest.mark.parametrize(("fails", "status"), [("Fail", 403), ("Ignore", 201)])
async def test_a_condition_without_a_value(
    inside: Inside, called: Called, fails: str, status: int
) -> None:
    conditions = [{"name": "c", "expression": "object.none == 1"}]
    hook = called.hook(matchConditions=conditions, failurePolicy=fails)
    await register(inside, hooks("Validating", hook))
    assert (await offer(inside)).status == status
    assert called.asked == []


async def test_warnings_and_dry_runs(inside: Inside, called: Called) -> None:
    called.answers["/warn"] = lambda request: {"warnings": ["careful"]}
    await register(inside, hooks("Validating", called.hook("/warn", sideEffects="NoneOnDryRun")))
    got = await offer(inside, "?dryRun=All")
    assert (got.status, called.asked[0]["dryRun"]) == (201, True)
    assert (b"Warning", b'299 - "careful"') in got.headers


async def test_older_reviews(inside: Inside, called: Called) -> None:
    called.answers["/old"] = lambda request: {"uid": None, "patch": b64encode(b"[]").decode()}
    versions = ["v3", "v1beta1", "v1"]
    await register(inside, hooks("Mutating", called.hook("/old", admissionReviewVersions=versions)))
    assert (await offer(inside)).status == 201
    assert called.asked[0]["version"] == "admission.k8s.io/v1beta1"


async def test_all_validating_ones_are_asked_at_once(inside: Inside, called: Called) -> None:
    called.gate = asyncio.Barrier(2)
    first, second = called.hook(name="a.b.c"), called.hook(name="b.c.d")
    await register(inside, hooks("Validating", first, second))
    assert (await offer(inside)).status == 201
    assert len(called.asked) == 2


async def test_bound_resources_ask_their_provider(inside: Inside, called: Called) -> None:
    market = Market(inside)
    await market.open()
    home = await market.consumer("home")
    rules = [rule("lamps", "*", apiVersions=["*"])]
    called.answers["/grow"] = patch(add("/spec/size", 7))
    await register(inside, hooks("Mutating", called.hook("/grow", rules=rules)), at=market.shop)
    await register(inside, hooks("Validating", called.hook("/no", rules=rules)), at=home)
    made = await inside.create(home + LAMPS, lamp("desk", 1))
    assert made["spec"]["size"] == 7
    cluster = called.asked[0]["object"]["metadata"]["annotations"]["kcp.io/cluster"]
    assert cluster == home.removeprefix("/clusters/")
    assert [each["path"] for each in called.asked] == ["/grow"]


# Refusals that are not of the types of a Status: what is none is a failure of the webhook.
ODD: list[tuple[Json, int, str]] = [
    ({"status": {"code": 10**9, "message": "no"}}, 599, "denied the request: no"),
    ({"status": {"code": -1, "message": "no"}}, 400, "denied the request: no"),
    ({"status": {"details": {"causes": [{"field": None}], "retryAfterSeconds": 3}}}, 400, "denied"),
    ({"status": {"code": "many"}}, 500, "received invalid webhook response"),
    ({"status": {"message": ["no"]}}, 500, "received invalid webhook response"),
    ({"status": {"details": {"causes": [1]}}}, 500, "received invalid webhook response"),
    ({"status": {"details": {"retryAfterSeconds": "soon"}}}, 500, "received invalid"),
    ({"status": "no"}, 500, "received invalid webhook response"),
    ({"warnings": "w"}, 500, "received invalid webhook response"),
    ({"auditAnnotations": {"a": 1}}, 500, "received invalid webhook response"),
    ({"allowed": "no"}, 500, "received invalid webhook response"),
]


@pytest.mark.parametrize(("given", "code", "text"), ODD)
async def test_a_refusal_is_of_its_types(
    inside: Inside, called: Called, given: Json, code: int, text: str
) -> None:
    called.answers["/odd"] = lambda request: {"allowed": False} | given
    await register(inside, hooks("Validating", called.hook("/odd")))
    got = await offer(inside)
    assert (got.status, got.body["code"]) == (code, code)
    assert text in got.body["message"]


@pytest.mark.parametrize("answer", [{"allowed": False}, None], ids=["no", "broken"])
async def test_a_controller_asks_again_what_was_refused(
    inside: Inside, called: Called, answer: Json | None
) -> None:
    refusal: Answers | bytes = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    if answer is not None:
        refusal = lambda request: answer  # noqa: E731 - as an answer
    called.answers["/ok"] = refusal
    await register(inside, hooks("Validating", called.hook(rules=[rule(operations=["DELETE"])])))
    dangling = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": "nobody"}
    await inside.create(CONFIG_MAPS, config_map("x", ownerReferences=[dangling]))
    await inside.settle()
    for _ in range(2):
        assert await inside.get(f"{CONFIG_MAPS}/x") is not None
        await inside.settle(hurry=True)
    told = called.asked[0]
    assert told["userInfo"]["username"].endswith("kube-system:generic-garbage-collector")
    assert told["oldObject"]["kind"] == "ConfigMap"
    assert told["options"]["preconditions"] == {"uid": told["oldObject"]["metadata"]["uid"]}
    assert len(called.asked) == 3
    called.answers["/ok"] = lambda request: {}
    await inside.settle(hurry=True)
    assert await inside.get(f"{CONFIG_MAPS}/x") is None

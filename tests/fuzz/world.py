"""The server that is fuzzed: without sockets, with something of every kind in it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kcpfast.meta.user import MASTERS, User
from kcpfast.resources.builtin import BUILTIN, definitions
from kcpfast.server import wire
from kcpfast.server.bootstrap import installation
from kcpfast.store.memory import MemoryStore
from kcpfast.transport.heads import head
from kcpfast.transport.messages import Request, Response, Stream
from tests.fix_inside import CA, CONFIG_MAPS, TOKENS, URL, Inside, config_map
from tests.fuzz.choices import Choices
from tests.fuzz.grammar import NAMES, Places, Sent, built, request
from tests.fuzz.pipe import exchange
from tests.fuzz.samples import SAMPLES
from tests.kcp.provider import READ, Market

GADGET = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.g.example.com"},
    "spec": {
        "group": "g.example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.size",
                        "statusReplicasPath": ".status.size",
                        "labelSelectorPath": ".status.selector",
                    },
                },
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {"name": "Any", "type": "string", "jsonPath": ".spec.any"},
                    {"name": "When", "type": "date", "jsonPath": ".spec.when"},
                ],
                "selectableFields": [{"jsonPath": ".spec.text"}],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer"},
                                    "text": {"type": "string", "maxLength": 100},
                                    "when": {"type": "string", "format": "date-time"},
                                    "any": {"x-kubernetes-preserve-unknown-fields": True},
                                    "either": {"x-kubernetes-int-or-string": True},
                                    "set": {
                                        "type": "array",
                                        "maxItems": 50,
                                        "x-kubernetes-list-type": "set",
                                        "items": {"type": "string", "maxLength": 50},
                                    },
                                    "map": {
                                        "type": "array",
                                        "maxItems": 50,
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["k"],
                                        "items": {
                                            "type": "object",
                                            "required": ["k"],
                                            "properties": {
                                                "k": {"type": "string"},
                                                "v": {"type": "integer"},
                                            },
                                        },
                                    },
                                    "embedded": {
                                        "type": "object",
                                        "x-kubernetes-embedded-resource": True,
                                        "x-kubernetes-preserve-unknown-fields": True,
                                    },
                                },
                                "x-kubernetes-validations": [
                                    {
                                        "rule": "!has(self.size) || self.size < 1000",
                                        "messageExpression": "'is ' + 'large'",
                                    },
                                    {"rule": "!has(self.text) || self.text != 'x'"},
                                ],
                            },
                            "status": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer"},
                                    "selector": {"type": "string"},
                                },
                            },
                        },
                    }
                },
            }
        ],
    },
}


# What is not offered at a place (as by kcp), and what did not come in the time that was given.
_MEANT = (501, 504)


class Finding(NamedTuple):
    """Something that must not be: what was sent, and what is wrong with the answer to it."""

    sent: Sent
    why: str


class Faults(logging.Handler):
    """Keeps the faults that are logged: a reconciler's are answered to nobody."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(logging.Formatter().format(record))

    def taken(self) -> list[str]:
        """Return what came since the last call."""
        texts, self.texts = self.texts, []
        return texts


class _Drain:
    """A reader of a stream that takes everything."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.chunks.append(data)

    def pending(self) -> int:
        return 0

    def when_drained(self, callback: Callable[[], None]) -> None:
        callback()

    async def drained(self) -> bool:
        return True

    def close(self) -> None:
        pass

    def cut(self) -> None:
        pass


class World:
    """A server with a provider, a consumer, a workspace of its own kinds, and accounts."""

    def __init__(self, inside: Inside, places: Places) -> None:
        self.inside = inside
        self.places = places
        self.faults = Faults()
        self.counts = {"valid": 0, "all": 0}

    async def ask(self, data: bytes) -> Finding | None:
        """Send the request that some bytes stand for; return what is wrong with the answer."""
        choices = Choices(data)
        if choices.chance(15):
            return await self._exchange(choices)
        sent = request(choices, self.places)
        asked = Request(sent.method, sent.path, sent.query, dict(sent.headers), sent.body)
        why = ""
        try:
            answer = await self.inside.running.server.serve(asked)
            why = well_formed(answer)
            status = answer.status if isinstance(answer, Response) else 200
            self.counts["all"] += 1
            self.counts["valid"] += status < 400
        except Exception as error:
            why = f"serve raises {error!r}"
        return await self._found(sent, why)

    async def _exchange(self, choices: Choices) -> Finding | None:
        """Do the same over a connection, HTTP included."""
        sent, why = await exchange(self.inside.running.server.serve, choices, self.places)
        return await self._found(sent, why)

    async def _found(self, sent: Sent, why: str) -> Finding | None:
        """Let the controllers finish; return what was wrong, and what they found faulty."""
        await self.inside.settle()
        faults = self.faults.taken()
        if faults:
            why = "\n".join([why, *faults])
        return Finding(sent, why) if why else None


def well_formed(answer: Response | Stream) -> str:
    """Return what is wrong with an answer, "" if nothing is."""
    status = answer.status if isinstance(answer, Response) else 200
    head(status, answer.content_type, answer.headers, answer.lines)
    if isinstance(answer, Stream):
        answer.start(_Drain())()
        return ""
    if status >= 500 and status not in _MEANT:
        return f"{status} {answer.body[:3000]!r}"
    if answer.content_type.startswith(b"application/json") and answer.body:
        found = msgspec.json.decode(answer.body)
        if status >= 400 and (found.get("kind"), found.get("code")) != ("Status", status):
            return f"no Status: {answer.body[:300]!r}"
    return ""


async def world(account_key: Path) -> World:
    """Return a new server with its inhabitants."""
    store = MemoryStore()
    parts = wire.core(store, CA)
    await store.commit(installation(parts.objects, URL))
    tokens = TOKENS | {"jane": User("jane", "3", ("system:authenticated",))}
    tokens["master"] = User("shard-admin", "2", (MASTERS, "system:authenticated"))
    running = wire.server(parts, wire.Settings(URL, CA, account_key, tokens))
    running.controllers.start()
    inside = Inside(parts, running)
    market = Market(inside)
    await market.open(READ)
    consumer = await market.consumer("consumer", READ)
    own = await inside.workspace("own")
    await inside.create(own + "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", GADGET)
    await inside.settle()
    accounts = f"{own}/api/v1/namespaces/default/serviceaccounts"
    made = await inside.send(
        "POST",
        accounts,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}},
    )
    assert made.status in (201, 409)
    await inside.create(own + CONFIG_MAPS, config_map("a"))
    issued = await inside.create(
        f"{accounts}/default/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )
    clusters = (consumer, own, "/clusters/root", "/clusters/root:shop", market.shop)
    views = (
        f"{market.view}/clusters/*",
        market.seen(consumer, ""),
        "/services/initializingworkspaces/root:universal/clusters/*",
        "/services/terminatingworkspaces/root:universal/clusters/*",
        "/clusters/*",
        "/clusters/system:admin",
        "",
    )
    everybody = ("master", "admin", "jane", issued["status"]["token"], "", "nobody")
    for at in clusters[:2]:
        await _furnish(inside, at)
    found = World(inside, Places(clusters[:3], views, everybody, _schemas(inside, consumer)))
    logging.getLogger("kcpfast").addHandler(found.faults)
    found.faults.taken()
    return found


async def _furnish(inside: Inside, at: str) -> None:
    """Make the objects that the grammar names."""
    for sample in SAMPLES:
        middle = "/namespaces/default/" if sample.namespaced else "/"
        for name in NAMES if sample.stored else ():
            obj = built(sample, name)
            path = f"{at}{sample.base}{middle}{sample.plural}"
            await inside.send("POST", path, obj, token="master")
    await inside.settle()


def _schemas(inside: Inside, cluster: str) -> dict[tuple[str, str], Any]:
    """Return the schemas of the samples' kinds."""
    found: dict[tuple[str, str], Any] = {}
    for each in BUILTIN:
        base = f"/apis/{each.group}/v1" if each.group else "/api/v1"
        found[base, each.plural] = definitions()[str(each.schema)]
    name = cluster.rpartition("/")[2]
    for sample in SAMPLES:
        if "kcp.io" in sample.base:
            group, _, version = sample.base.removeprefix("/apis/").partition("/")
            served = inside.catalog.find(name, group, version, sample.plural)
            if served is not None:
                found[sample.base, sample.plural] = served.resource.schema
    return found


async def leave(found: World) -> None:
    """Stop a server."""
    logging.getLogger("kcpfast").removeHandler(found.faults)
    await found.inside.running.controllers.stop()
    found.inside.store.close()

"""What a provider changes is seen in every view at once, and by those who watch."""

from __future__ import annotations

import pytest

from kcpfast.transport.messages import Stream
from tests.api.test_verbs import Lines
from tests.fix_inside import Inside, Json
from tests.kcp.provider import (
    BINDINGS,
    EXPORTS,
    LAMPS,
    NAME,
    SCHEMAS,
    Market,
    binding,
    export,
    lamp,
    schema,
)


@pytest.fixture
async def market(inside: Inside) -> Market:
    market = Market(inside)
    await market.open()
    return market


BROKER = "y.example.com"


def colourful() -> Json:
    """Return the schema of lamps with one field more."""
    made = schema("v2")
    fields = made["spec"]["versions"][0]["schema"]["properties"]
    more = {"colour": {"type": "string"}}
    fields["spec"] = fields["spec"] | {"properties": fields["spec"]["properties"] | more}
    return made


async def publish(market: Market, inside: Inside) -> None:
    """Let the provider export lamps by the new schema."""
    await inside.create(market.shop + SCHEMAS, colourful())
    resources = export(NAME, "v2.lamps")["spec"]["resources"]
    await inside.patch(f"{market.shop}{EXPORTS}/{NAME}", {"spec": {"resources": resources}})
    await inside.settle()


@pytest.mark.parametrize("view", ["own", "claimed", "workspace"])
async def test_a_new_schema_is_served_wherever_it_is_seen(
    market: Market, inside: Inside, view: str
) -> None:
    """By the provider, by a broker that claims it by identity, and where it is bound."""
    offered = await inside.get(f"{market.shop}{EXPORTS}/{NAME}")
    assert offered is not None
    identity = offered["status"]["identityHash"]
    claim = {"group": NAME, "resource": "lamps", "verbs": ["*"], "identityHash": identity}
    broker = await inside.workspace("broker")
    made = export(BROKER, permissionClaims=[claim]) | {"spec": {"permissionClaims": [claim]}}
    await inside.create(broker + EXPORTS, made)
    await inside.settle()
    home = await market.consumer("home")
    await inside.create(home + BINDINGS, binding("broker", "root:broker", BROKER, claim))
    await inside.settle()
    cluster = broker.rpartition("/")[2]
    at = {
        "own": market.seen(home, ""),
        "claimed": f"/services/apiexport/{cluster}/{BROKER}/clusters/{home.rpartition('/')[2]}",
        "workspace": home,
    }[view]

    async def kept(name: str) -> object:
        lit = lamp(name)
        lit["spec"]["colour"] = "red"
        return (await inside.create(at + LAMPS, lit))["spec"].get("colour")

    async def described() -> bool:
        found = await inside.send("GET", f"{at}/openapi/v3/apis/{NAME}/v1")
        return "colour" in str(found.body)

    before = [await kept("a"), await described()]
    await publish(market, inside)
    assert [before, await kept("b"), await described()] == [[None, False], "red", True]


async def test_a_watch_through_a_view_ends_with_what_it_shows(
    market: Market, inside: Inside
) -> None:
    home = await market.consumer("home")
    got = await inside.send_raw("GET", market.seen(home, f"{LAMPS}?watch=true"))
    assert isinstance(got, Stream)
    lines = Lines()
    got.start(lines)
    await publish(market, inside)
    assert lines.closed

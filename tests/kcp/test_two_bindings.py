"""Two bindings of a workspace to one export: what one of them grants does not hang on the other."""

from __future__ import annotations

import pytest

from kcpfast.kcp.claims import LABEL
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import BINDINGS, EXPORTS, NAME, binding, export

CLAIM = {"group": "", "resource": "configmaps", "verbs": ["*"]}


def selecting(name: str, value: str) -> Json:
    """Return a binding that lets the provider have the ConfigMaps labelled with a value."""
    answer = CLAIM | {"selector": {"matchLabels": {"k": value}}}
    return binding(name, "root:shop", NAME, answer)


class Shop:
    """A provider that only claims, and a workspace with a ConfigMap for each of two bindings."""

    def __init__(self, inside: Inside) -> None:
        self.inside, self.place, self.view = inside, "", ""

    async def open(self) -> None:
        shop = await self.inside.workspace("shop")
        offer = export() | {"spec": {"permissionClaims": [CLAIM]}}
        await self.inside.create(shop + EXPORTS, offer)
        self.place = await self.inside.workspace("c")
        cluster = self.place.rpartition("/")[2]
        owner = shop.rpartition("/")[2]
        self.view = f"/services/apiexport/{owner}/{NAME}/clusters/{cluster}"
        for value in "ab":
            await self.inside.create(
                self.place + CONFIG_MAPS, config_map(value, labels={"k": value})
            )

    async def bind(self, name: str) -> None:
        await self.inside.create(self.place + BINDINGS, selecting(f"of-{name}", name))
        await self.inside.settle()

    async def seen(self) -> list[str]:
        answer = await self.inside.send("GET", f"{self.view}/api/v1/configmaps")
        return [item["metadata"]["name"] for item in answer.body.get("items") or ()]

    async def labelled(self) -> list[str]:
        answer = await self.inside.send("GET", self.place + CONFIG_MAPS)
        labels = {item["metadata"]["name"]: item["metadata"].get("labels") or {}
                  for item in answer.body["items"]}  # fmt: skip
        return [
            name for name, found in labels.items() if any(key.startswith(LABEL) for key in found)
        ]


@pytest.fixture
async def shop(inside: Inside) -> Shop:
    opened = Shop(inside)
    await opened.open()
    return opened


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
@pytest.mark.parametrize(("first", "second"), ["ab", "ba"])
@pytest.mark.parametrize("gone", "ab")
async def test_each_shows_what_it_grants(shop: Shop, first: str, second: str, gone: str) -> None:
    await shop.bind(first)
    assert await shop.seen() == await shop.labelled() == [first]
    await shop.bind(second)
    assert await shop.seen() == await shop.labelled() == ["a", "b"]
    await shop.inside.delete(f"{shop.place}{BINDINGS}/of-{gone}")
    left = [name for name in "ab" if name != gone]
    assert await shop.seen() == await shop.labelled() == left
    await shop.inside.delete(f"{shop.place}{BINDINGS}/of-{left[0]}")
    assert await shop.seen() == await shop.labelled() == []


@pytest.mark.parametrize(("value", "status"), [("a", 201), ("b", 201), ("c", 403)])
async def test_the_selector_of_one_is_enough(shop: Shop, value: str, status: int) -> None:
    for name in "ab":
        await shop.bind(name)
    obj = config_map("new", labels={"k": value})
    answer = await shop.inside.send("POST", shop.view + CONFIG_MAPS, obj)
    assert answer.status == status, answer.body

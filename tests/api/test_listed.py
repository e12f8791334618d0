"""Long lists go out in pieces, and say what they would have said whole."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from kcpfast.api import listing
from kcpfast.api.verbs import listed
from kcpfast.transport.account import Account
from kcpfast.transport.messages import Request, Response, Stream
from tests.fix_inside import CONFIG_MAPS, Inside, config_map

COUNT = 40
JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def rows(text: bytes) -> Any:
    """Decode a Table; the age of an object is another when it is asked again."""
    table = json.loads(text)
    for row in table["rows"]:
        row["cells"].pop()
    return table


class Reader:
    """A sink whose reader takes `most` chunks (None = all) before it stops to read."""

    def __init__(self, most: int | None = None) -> None:
        self.chunks: list[bytes] = []
        self.done = asyncio.Event()
        self.is_cut = False
        self.goes_on = asyncio.Event()
        self._most = most

    def write(self, data: bytes) -> None:
        self.chunks.append(data)

    def pending(self) -> int:
        return 0

    def when_drained(self, callback: Callable[[], None]) -> None:
        raise AssertionError("nobody calls back")

    async def drained(self) -> bool:
        if self._most is not None and len(self.chunks) >= self._most:
            await self.goes_on.wait()
        return True

    def close(self) -> None:
        self.done.set()

    def cut(self) -> None:
        self.is_cut = True
        self.done.set()


class Owner:
    """Of a request that is refused, and not cut off."""

    def cut(self) -> bool:
        raise AssertionError


@pytest.fixture
async def filled(inside: Inside) -> Inside:
    for number in range(COUNT):
        labels = {"odd": str(number % 2)}
        obj = config_map(f"o-{number:02}", labels=labels) | {
            "data": {"a": "é\u0085\u2028\ufeff" * 30}
        }
        await inside.create(CONFIG_MAPS, obj)
    return inside


async def ask(inside: Inside, query: str, accept: str, method: str = "GET", **more: str) -> Any:
    headers = {b"accept": accept.encode(), b"authorization": b"Bearer admin"}
    headers |= {name.encode(): value.encode() for name, value in more.items()}
    path = inside.at + CONFIG_MAPS
    return await inside.running.server.serve(Request(method, path, query, headers))


async def read(answer: Response | Stream, reader: Reader) -> bytes:
    assert isinstance(answer, Stream)
    answer.start(reader)
    await reader.done.wait()
    return b"".join(reader.chunks)


def small(monkeypatch: pytest.MonkeyPatch, size: int = 1500) -> None:
    for module, name in ((listing, "PIECE"), (listed, "PIECE"), (listed, "LONG_PIECE")):
        monkeypatch.setattr(module, name, size)


FORMS = [
    # accept, query, decoder
    (JSON, "", json.loads),
    (JSON, "labelSelector=odd%3D1", json.loads),
    (JSON, "fieldSelector=metadata.name!%3Do-07", json.loads),
    (JSON, "limit=35", json.loads),
    (JSON, "limit=15&labelSelector=odd%3D1", json.loads),
    (JSON, "limit=40", json.loads),
    (JSON, "pretty=true", bytes),
    (JSON, "pretty=true&limit=30", json.loads),
    (TABLE, "", rows),
    (TABLE, "includeObject=Object&limit=30", rows),
    (PARTIAL, "", json.loads),
    (PARTIAL, "limit=30&labelSelector=odd", json.loads),
    ("application/yaml", "", yaml.safe_load),
    ("application/yaml", "limit=30", yaml.safe_load),
    (PROTOBUF, "", bytes),
    (PROTOBUF, "limit=30", bytes),
    (PROTOBUF + ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "", bytes),
]


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
@pytest.mark.parametrize(("accept", "query", "decode"), FORMS)
async def test_pieces_are_the_whole(
    filled: Inside,
    monkeypatch: pytest.MonkeyPatch,
    accept: str,
    query: str,
    decode: Callable[[bytes], Any],
) -> None:
    whole = await ask(filled, query, accept)
    small(monkeypatch)
    answer, reader = await ask(filled, query, accept), Reader()
    text = await read(answer, reader)
    assert not reader.is_cut
    assert len(reader.chunks) > 2
    assert decode(text) == decode(whole.body)
    assert answer.content_type == whole.content_type
    zipped = await ask(filled, query, accept, **{"accept-encoding": "gzip"})
    assert (b"Content-Encoding", b"gzip") in zipped.headers
    assert decode(gzip.decompress(await read(zipped, Reader()))) == decode(text)


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
@pytest.mark.parametrize("accept", [JSON, TABLE, PROTOBUF])
async def test_pieces_are_of_one_revision(
    filled: Inside, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """Whatever is written while a client reads: here objects change, come and go."""
    whole = await ask(filled, "", accept)
    small(monkeypatch)
    reader = Reader(most=2)
    reading = asyncio.create_task(read(await ask(filled, "", accept), reader))
    await asyncio.sleep(0)
    await filled.patch(f"{CONFIG_MAPS}/o-30", {"data": {"b": "new"}})
    await filled.delete(f"{CONFIG_MAPS}/o-31")
    await filled.create(CONFIG_MAPS, config_map("o-311"))
    reader.goes_on.set()
    decode = rows if accept == TABLE else bytes
    assert decode(await reading) == decode(whole.body)


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
async def test_list_is_torn_off_when_its_revision_is_forgotten(
    filled: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    reader = Reader(most=2)
    reading = asyncio.create_task(read(await ask(filled, "", JSON), reader))
    await asyncio.sleep(0)
    await filled.patch(f"{CONFIG_MAPS}/o-30", {"data": {"b": "new"}})
    await filled.store.compact(filled.store.revision())
    reader.goes_on.set()
    await reading
    assert reader.is_cut


async def test_nothing_is_read_ahead_of_a_client_that_reads_nothing(
    filled: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    asked: list[int] = []
    join = filled.store.join

    def counting(*arguments: Any) -> Any:
        asked.append(1)
        return join(*arguments)

    monkeypatch.setattr(filled.store, "join", counting)
    reader = Reader(most=1)
    answer = await ask(filled, "", JSON)
    assert isinstance(answer, Stream)
    stop = answer.start(reader)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(reader.chunks), len(asked)) == (1, 1)
    stop()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not reader.done.is_set()


async def test_compressor_is_charged_while_a_list_is_sent(
    filled: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has no room for it is cut off before anything is sent."""
    small(monkeypatch)
    account = Account(100_000)
    headers = {b"accept-encoding": b"gzip", b"authorization": b"Bearer admin"}
    request = Request("GET", filled.at + CONFIG_MAPS, "", headers)
    request.holder = account.open(Owner(), "client")
    reader = Reader()
    assert await read(await filled.running.server.serve(request), reader) == b""
    assert reader.is_cut
    assert account.held == 0


@pytest.mark.parametrize("accept", [JSON, TABLE, PROTOBUF, "application/yaml"])
@pytest.mark.parametrize("query", ["", "labelSelector=odd%3D1"])
async def test_what_has_gathered_is_charged_while_it_waits(
    filled: Inside, monkeypatch: pytest.MonkeyPatch, accept: str, query: str
) -> None:
    """For its turn, and then to be sent; who has no room for it is refused."""
    small(monkeypatch, 5000)
    monkeypatch.setattr(listing, "PIECE", 1500)
    headers = {b"accept": accept.encode(), b"authorization": b"Bearer admin"}
    answers, most = [], []
    for ceiling in (1 << 20, 2000):
        account = Account(ceiling)
        request = Request("GET", filled.at + CONFIG_MAPS, query, headers)
        request.holder = account.open(Owner(), "client")
        answers.append(await filled.running.server.serve(request))
        most.append(account.most)
        assert account.held == 0
        if isinstance(answers[-1], Stream):
            reader = Reader(0)
            answers[-1].start(reader)
            await asyncio.sleep(0)
            assert (account.held >= 5000) is (accept != PROTOBUF), "that begins anew"
            reader.goes_on.set()
            await reader.done.wait()
            assert account.held == 0
    assert isinstance(answers[0], Stream)
    assert isinstance(answers[1], Response)
    assert answers[1].status == 429
    assert most[0] >= 5000
    assert most[1] <= 2000


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
async def test_deletecollection_answers_in_pieces(
    filled: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads((await ask(filled, "labelSelector=odd%3D1", JSON)).body)["items"]
    small(monkeypatch)
    answer = await ask(filled, "labelSelector=odd%3D1", JSON, "DELETE")
    assert json.loads(await read(answer, Reader()))["items"] == before
    others = "fieldSelector=metadata.name!%3Dkube-root-ca.crt"
    left = json.loads(await read(await ask(filled, others, JSON), Reader()))
    names = [each["metadata"]["name"] for each in left["items"]]
    assert names == [f"o-{number:02}" for number in range(0, COUNT, 2)]

"""Watches over real stores: what is told, in which order, until when, and to whom no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kcpfast.meta.bounded import noted
from kcpfast.store.contract import Batch, Event, Put, Store
from kcpfast.watch import feed, hub
from kcpfast.watch.feed import Feed
from kcpfast.watch.frames import FrameForm, Interest
from kcpfast.watch.hub import Hub, Watch


class Reader:
    """A sink that takes everything, or, while `slow`, nothing."""

    def __init__(self) -> None:
        self.text, self.waiting = b"", b""
        self.slow = self.closed = self.is_cut = False
        self._callback: Callable[[], None] | None = None

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.waiting += data
        if not self.slow:
            self.take()

    def take(self) -> None:
        self.text, self.waiting = self.text + self.waiting, b""
        if self._callback is not None:
            asyncio.get_running_loop().call_soon(self._callback)
            self._callback = None

    def pending(self) -> int:
        return len(self.waiting)

    def when_drained(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        if not self.slow:
            self.take()

    async def drained(self) -> bool:
        return True

    def close(self) -> None:
        self.take()
        self.closed = True

    def cut(self) -> None:
        self.waiting = b""
        self.is_cut = self.closed = True

    def events(self) -> list[str]:
        """Return what came: `TYPE what` for each event."""
        found = [json.loads(line) for line in self.text.splitlines()]
        return [f"{each['type']} {_what(each['object'])}" for each in found]


def _what(obj: Any) -> str:
    if isinstance(obj, dict):
        return f"{obj['reason']} {obj['code']}" if "reason" in obj else f"{obj['at']} {obj['end']}"
    return str(obj)


def render(revision: int, value: bytes) -> bytes:
    return json.dumps(f"{value.decode()}@{revision}").encode()


def bookmark(revision: int, ended: bool) -> bytes:
    return json.dumps({"at": revision, "end": ended}).encode()


FORM = FrameForm("plain", render, bookmark)


class World:
    """A store and its hub."""

    def __init__(self, store: Store) -> None:
        self.store, self.hub = store, Hub()
        store.subscribe(self.hub.on_commit)

    async def put(self, key: str, value: str | None) -> None:
        await self.store.commit([Put(key.encode(), value.encode() if value else None)])

    def watch(
        self, prefix: str = "a\0", after: int | None = None, seconds: float = 60, **more: Any
    ) -> tuple[Reader, Callable[[], None]]:
        reader = more.pop("reader", None) or Reader()
        test = more.pop("test", None)
        opened = Watch(
            more.pop("form", FORM),
            Interest(prefix.encode(), test, more.pop("alive", None)),
            reader,
            bookmarks=more.pop("bookmarks", False),
        )
        end = Feed(self.hub, self.store, opened, after=after, seconds=seconds).start()
        return reader, end


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    found = World(store)
    yield found
    found.hub.close()


async def turn(times: int = 5) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110 - what is waited for happens on this loop
        await asyncio.sleep(0)


async def test_watch_tells_what_there_is_then_what_happens(world: World) -> None:
    await world.put("a\0x", "1")
    await world.put("b\0x", "1")
    reader, end = world.watch(bookmarks=True)
    assert reader.events() == ["ADDED 1@1", "BOOKMARK 2 True"]
    await world.put("a\0x", "2")
    await world.put("a\0y", "1")
    await world.put("a\0x", None)
    await turn()
    assert reader.events()[2:] == ["MODIFIED 2@3", "ADDED 1@4", "DELETED 2@5"]
    end()
    await world.put("a\0x", "3")
    await turn()
    assert len(reader.events()) == 5


@pytest.mark.parametrize("after", range(6))
async def test_watch_resumes_anywhere_without_gap_or_repeat(world: World, after: int) -> None:
    told = ["ADDED 1@1", "MODIFIED 2@2", "DELETED 2@3", "ADDED 3@4", "MODIFIED 4@5"]
    for value in ("1", "2", None, "3"):
        await world.put("a\0x", value)
    reader, _ = world.watch(after=after)
    await world.put("a\0x", "4")
    await turn()
    assert reader.events() == told[after:]


async def test_watch_from_the_future_hears_of_nothing_earlier(world: World) -> None:
    reader, _ = world.watch(after=2)
    for value in ("1", "2", "3"):
        await world.put("a\0x", value)
    await turn()
    assert reader.events() == ["MODIFIED 3@3"]


async def test_commits_while_a_watch_is_fed_are_told_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_OBJECTS", 2)
    monkeypatch.setattr(feed, "_ENTRIES", 1)
    for name in "klmno":
        await world.put(f"a\0{name}", "1")
    slow = Reader()
    slow.slow = True
    world.watch(reader=slow, bookmarks=True)
    await world.put("a\0k", "2")
    await world.put("a\0z", "1")
    await world.put("a\0n", None)
    slow.slow = False
    slow.take()
    await turn(20)
    await world.put("a\0z", "2")
    await turn()
    listed = [f"ADDED 1@{revision}" for revision in range(1, 6)]
    since = ["MODIFIED 2@6", "ADDED 1@7", "DELETED 1@8", "MODIFIED 2@9"]
    assert slow.events() == [*listed, "BOOKMARK 5 True", *since]


@pytest.mark.parametrize(("what", "limit"), [("_OBJECTS", 2), ("_BYTES", 20)])
@pytest.mark.parametrize("after", [None, 0])
async def test_nothing_is_read_ahead_of_a_reader_that_waits(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str, limit: int, after: int | None
) -> None:
    monkeypatch.setattr(feed, what, limit)
    monkeypatch.setattr(feed, "_ENTRIES", 2)
    for name in "klmno":
        await world.put(f"a\0{name}", "1")
    slow = Reader()
    slow.slow = True
    _, end = world.watch(reader=slow, after=after)
    await turn()
    assert slow.waiting.count(b"\n") == 2
    end()
    slow.take()
    await turn()
    assert len(slow.events()) == 2


async def test_filter_turns_changes_into_comings_and_goings(world: World) -> None:
    reader, _ = world.watch(test=lambda _key, value: value.startswith(b"y"))
    for value in ("n1", "y1", "y2", "n2", "n3", "y3", None):
        await world.put("a\0x", value)
    await turn()
    assert reader.events() == ["ADDED y1@2", "MODIFIED y2@3", "DELETED y2@4", "ADDED y3@6",
                               "DELETED y3@7"]  # fmt: skip


@pytest.mark.parametrize(
    ("prefix", "hears"),
    [("s\0", 4), ("s\0c\0", 3), ("s\0c\0n\0", 2), ("s\0c\0n\0x", 1), ("s\0other\0", 0)],
)
async def test_watch_hears_of_its_range_only(world: World, prefix: str, hears: int) -> None:
    reader, _ = world.watch(prefix, after=0)
    for key in ("s\0c\0n\0x", "s\0c\0n\0y", "s\0c\0m\0x", "s\0d\0n\0x"):
        await world.put(key, "1")
    await turn()
    assert len(reader.events()) == hears


async def test_watch_too_old_is_told_so_and_ended(world: World) -> None:
    for value in ("1", "2", "3"):
        await world.put("a\0x", value)
    await world.store.compact(2)
    reader, _ = world.watch(after=1)
    assert (reader.events(), reader.closed) == (["ERROR Expired 410"], True)


async def test_reader_that_does_not_keep_up_is_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_PENDING", 200)
    slow, _ = world.watch(after=0)
    quick, _ = world.watch(after=0)
    slow.slow = True
    for number in range(20):
        await world.put("a\0x", f"{number:02}")
        await turn(2)
    assert slow.is_cut, "what waits is dropped, the stream's last word is 410"
    assert len(quick.events()) == 20
    assert not quick.closed


async def test_watch_ends_after_its_time_with_a_bookmark(world: World) -> None:
    await world.put("a\0x", "1")
    reader, _ = world.watch(after=1, seconds=0, bookmarks=True)
    await until(lambda: reader.closed)
    assert reader.events() == ["BOOKMARK 1 False"]


async def test_bookmarks_come_to_who_wants_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BOOKMARK_SECONDS", 0.001)
    monkeypatch.setattr(hub, "TICK_SECONDS", 0.001)
    wanting, _ = world.watch("a\0", after=0, bookmarks=True)
    silent, _ = world.watch("a\0", after=0)
    await world.put("b\0x", "1")
    await until(lambda: wanting.events()[-2:] == ["BOOKMARK 1 False"] * 2)
    assert set(wanting.events()) <= {"BOOKMARK 0 False", "BOOKMARK 1 False"}
    assert silent.events() == []


async def test_watches_of_one_form_share_what_is_made(world: World) -> None:
    made = []

    def counted(revision: int, value: bytes) -> bytes:
        made.append(revision)
        return render(revision, value)

    form = FrameForm("counted", counted, bookmark)
    readers = [world.watch(after=0, form=form)[0] for _ in range(10)]
    await world.put("a\0x", "1")
    await turn()
    assert made == [1]
    assert all(reader.events() == ["ADDED 1@1"] for reader in readers)


async def test_who_joins_in_the_middle_of_a_burst_hears_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_SLICE", 2)
    monkeypatch.setattr(hub, "_SHORTEST_PAUSE", 0.0)
    readers = []
    for number in range(12):
        readers += [world.watch(after=number)[0] for _ in range(3)]
        await world.put("a\0x", f"{number}")
        if number % 4 == 3:
            await turn(number)
    await until(lambda: all(len(each.events()) >= 1 for each in readers))
    await until(lambda: len(readers[0].events()) == 12)
    told = readers[0].events()
    assert told == ["ADDED 0@1", *(f"MODIFIED {at}@{at + 1}" for at in range(1, 12))]
    await until(lambda: len(readers[-1].events()) == 1)
    assert [each.events() for each in readers] == [told[at // 3 :] for at in range(36)]


async def test_bytes_are_joined_once_for_many(world: World) -> None:
    given: list[bytes] = []

    class Keeping(Reader):
        def write(self, data: bytes) -> None:
            given.append(data)

    for _ in range(3):
        world.watch(after=0, reader=Keeping())
    await world.store.commit([Put(b"a\0x", b"1"), Put(b"a\0y", b"1")])
    await turn()
    assert len({id(data) for data in given}) == 1
    assert [data.count(b"\n") for data in given] == [2, 2, 2]


async def test_who_has_left_gets_nothing_more(world: World) -> None:
    (first, _), (second, leave) = world.watch(after=0), world.watch(after=0)
    world.hub.on_commit(Batch([Event(1, b"a\0x", b"1", None)], ()))
    leave()
    await turn()
    assert (first.events(), second.events()) == (["ADDED 1@1"], [])


async def test_a_bookmark_may_be_the_first_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BOOKMARK_SECONDS", 0.001)
    monkeypatch.setattr(hub, "TICK_SECONDS", 0.001)
    then = FrameForm("then", render, bookmark)
    first = FrameForm(
        "first", lambda _revision, _value: b'"first"', lambda *_: b'"columns"', then=then
    )
    reader, _ = world.watch(after=0, form=first, bookmarks=True)
    await until(lambda: len(reader.events()) > 1)
    await world.put("a\0x", "1")
    await until(lambda: "ADDED 1@1" in reader.events())
    assert reader.events()[0] == "BOOKMARK columns"
    assert set(reader.events()[1:]) <= {"BOOKMARK 0 False", "ADDED 1@1", "BOOKMARK 1 False"}


async def test_watch_that_cannot_show_an_object_spoils_nobody_elses_day(world: World) -> None:
    def broken(_revision: int, _value: bytes) -> bytes:
        raise KeyError("no such member")

    form = FrameForm("broken", broken, bookmark)
    failing, _ = world.watch(after=0, form=form)
    fine, _ = world.watch(after=0)
    await world.put("a\0x", "1")
    await turn()
    assert (failing.events(), failing.closed) == (["ERROR InternalError 500"], True)
    assert fine.events() == ["ADDED 1@1"]
    listing, _ = world.watch(form=form)
    assert (listing.events(), listing.closed) == (["ERROR InternalError 500"], True)


async def test_first_event_may_have_another_form(world: World) -> None:
    then = FrameForm("then", render, bookmark)
    first = FrameForm(
        "first", lambda revision, value: render(revision, b"first " + value), bookmark, then=then
    )
    reader, _ = world.watch(after=0, form=first)
    for value in ("1", "2"):
        await world.put("a\0x", value)
    await turn()
    assert reader.events() == ["ADDED first 1@1", "MODIFIED 2@2"]


@pytest.mark.parametrize("fed", [True, False])
async def test_watch_ends_when_what_it_shows_is_gone(world: World, fed: bool) -> None:
    living = [fed]
    reader, _ = world.watch(after=0, alive=lambda: bool(living[0]))
    other, _ = world.watch(after=0)
    living[0] = False
    world.hub.end_dead()
    assert [reader.closed, other.closed] == [True, False]
    assert reader.events() == []


async def test_many_tests_take_turns_and_read_a_value_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one event costs is cut into turns, and nobody is told late, twice or in disorder."""
    monkeypatch.setattr(hub, "_TURN_SECONDS", 0.0)  # each turn puts the event to one group
    read: list[bytes] = []

    def look(text: bytes) -> bytes:
        read.append(text)
        return text

    def wanted(_key: bytes, value: bytes) -> bool:
        return noted(value, "text", look) != b"0"

    await world.put("a\0x", "1")
    readers = [world.watch(test=wanted)[0] for _ in range(40)]
    read.clear()
    await world.put("a\0x", "2")
    await world.put("a\0x", "3")
    late, _ = world.watch(test=wanted)
    assert world.hub.published < 3
    await until(lambda: world.hub.published == 3)
    await world.put("a\0x", "4")
    await until(lambda: world.hub.published == 4)
    await turn()
    told = [f"MODIFIED {n}@{n}" for n in (2, 3, 4)]
    assert [each.events() for each in readers] == [["ADDED 1@1", *told]] * 40
    assert late.events() == ["ADDED 3@3", told[-1]]
    # Each of three values is read as the new one of an event and as the old one of the next.
    assert len(read) <= 2 * 3 + 2


async def test_a_backlog_ends_the_watches_it_waits_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_TURN_SECONDS", 0.0)
    monkeypatch.setattr(hub, "_BACKLOG", 100)
    plain, _ = world.watch()
    tested = [world.watch(test=lambda _key, _value: True)[0] for _ in range(40)]
    values = [b"%d" % number * 30 for number in range(8)]
    events = [Event(at + 1, b"a\0x", value, None) for at, value in enumerate(values)]
    world.hub.on_commit(Batch(events, []))
    await until(lambda: world.hub.published == 8)
    await turn()
    assert len(plain.events()) == 8
    assert any(each.closed for each in tested)
    assert all(each.closed is (each.events()[-1] == "ERROR Expired 410") for each in tested)

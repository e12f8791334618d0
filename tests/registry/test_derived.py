"""What is remembered is what reading it now would say, and is not worked out again for nothing."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from kcpfast._core.generations import Generations
from kcpfast.registry.derived import Derived, Shared
from kcpfast.registry.reader import Notes, Reader
from kcpfast.store.contract import (
    Check,
    Clear,
    Conflict,
    Count,
    ForgetRevision,
    Index,
    Joining,
    Put,
    PutRevision,
    Store,
    Write,
)
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.memory import MemoryStore
from kcpfast.store.writer import Commit

Read = Callable[[Store], object]
_FORM = Joining(b"", b"", lambda revision: (b"", b""))
READS: dict[str, Read] = {
    "an object": lambda store: store.get(b"g/r\0c\0n\0a"),
    "an object of nobody": lambda store: store.get(b"g/r\0c\0n\0z"),
    "a namespace": lambda store: store.scan(b"g/r\0c\0n\0").items,
    "a cluster": lambda store: store.scan(b"g/r\0c\0").items,
    "a resource": lambda store: store.scan(b"g/r\0").items,
    "a page": lambda store: store.scan(b"g/r\0c\0", b"g/r\0c\0n\0a", 1).items,
    "a part of a name": lambda store: store.scan(b"g/r\0c\0n\0a").items,
    "a list as JSON": lambda store: getattr(store.join(b"g/r\0c\0", b"", 0, _FORM), "body", b""),
    "an entry": lambda store: store.index_get(b"path\0c\0a"),
    "an entry of nobody": lambda store: store.index_get(b"path\0c\0z"),
    "a short entry": lambda store: store.index_get(b"path"),
    "a deep entry": lambda store: store.index_get(b"deep\0c\0a\0b\0c\0d"),
    "deep entries": lambda store: list(store.index_scan(b"deep\0c\0a\0b\0c\0")),
    "entries": lambda store: list(store.index_scan(b"path\0c\0")),
    "a table": lambda store: list(store.index_scan(b"path\0")),
    "the index": lambda store: list(store.index_scan(b"")),
    "the revision": lambda store: store.revision(),
    "the log": lambda store: store.changes(0).events,
}
OBJECTS = st.sampled_from([b"g/r\0c\0n\0a", b"g/r\0c\0n\0z", b"g/r\0c\0m\0a", b"g/r\0d\0n\0a"])
ENTRIES = st.sampled_from(
    [b"path\0c\0a", b"path\0c\0z", b"path\0d\0a", b"path", b"deep\0c\0a\0b\0c\0d", b"deep\0c\0a"]
)
RANGES = st.sampled_from([b"path\0c\0", b"path\0", b"path\0c\0a", b"deep\0c\0a\0", b"p", b""])
VALUES = st.none() | st.sampled_from([b"1", b"2"])
WRITES: st.SearchStrategy[Write] = st.one_of(
    st.builds(Put, OBJECTS, VALUES),
    st.builds(Index, ENTRIES, VALUES),
    st.builds(Clear, RANGES.filter(bool)),
    st.builds(Count, st.just(b"path\0c\0a"), st.integers(-1, 1)),
    st.builds(PutRevision, ENTRIES, RANGES),
    st.builds(ForgetRevision, ENTRIES, st.integers(0, 9)),
    st.builds(Check, OBJECTS, st.integers(0, 1)),
)


class Remembering(RuleBasedStateMachine):
    """Answers, answers made of answers, and their twin, which reads."""

    @initialize(disk=st.booleans(), names=st.sampled_from([16, 1 << 18]))
    def open(self, disk: bool, names: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.store: Store = LmdbStore(Path(self.folder.name)) if disk else MemoryStore()
        self.reader = Reader(self.store)
        self.reader.generations = Generations(7, names)
        self.inner: Derived[str, object] = Derived(self.reader, 6)
        self.outer: Derived[tuple[str, ...], list[object]] = Derived(self.reader, 4)

    @rule(writes=st.lists(WRITES, max_size=3, unique_by=lambda write: write.key))
    def commit(self, writes: list[Write]) -> None:
        try:
            self.loop.run_until_complete(self.store.commit(writes))
        except Conflict:
            return

    @rule(asked=st.lists(st.sampled_from(sorted(READS)), min_size=1, max_size=4))
    def ask(self, asked: list[str]) -> None:
        def compute() -> list[object]:
            head, *rest = asked  # one is read by itself, the others are asked for
            return [READS[head](self.reader), *map(self.of, rest)]

        wanted = [READS[each](self.store) for each in asked]
        assert self.outer.get(tuple(asked), compute) == wanted

    @rule(name=st.sampled_from(sorted(READS)))
    def ask_one(self, name: str) -> None:
        assert self.of(name) == READS[name](self.store)

    def of(self, name: str) -> object:
        return self.inner.get(name, lambda: READS[name](self.reader))

    def teardown(self) -> None:
        self.store.close()
        self.loop.close()
        self.folder.cleanup()


Remembering.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRemembering = Remembering.TestCase


class Counting:
    """A cache whose computations are counted."""

    def __init__(self, store: Store, *, remembers: bool = True, most: int = 100) -> None:
        self.reader = Reader(store, remembers=remembers)
        self.derived: Derived[str, object] = Derived(self.reader, most)
        self.made: list[str] = []

    def get(self, name: str) -> object:
        def compute() -> object:
            self.made.append(name)
            return READS[name](self.reader)

        return self.derived.get(name, compute)


@pytest.mark.parametrize(
    ("read", "write", "again"),
    [
        ("an object", Put(b"g/r\0c\0n\0a", b"2"), True),
        ("an object", Put(b"g/r\0c\0n\0ab", b"2"), False),
        ("an object", Put(b"g/r\0c\0n\0", b"2"), False),
        ("an object of nobody", Put(b"g/r\0c\0n\0z", b"2"), True),
        ("a namespace", Put(b"g/r\0c\0n\0new", b"2"), True),
        ("a namespace", Put(b"g/r\0c\0m\0new", b"2"), False),
        ("a cluster", Put(b"g/r\0d\0n\0a", b"2"), False),
        ("a cluster", Put(b"g/s\0c\0n\0a", b"2"), False),
        ("a resource", Put(b"g/r\0d\0n\0a", b"2"), True),
        ("an entry", Index(b"path\0c\0a", b"2"), True),
        ("an entry", Index(b"path\0c\0b", b"2"), False),
        ("an entry", Clear(b"path\0c\0"), True),
        ("an entry", Clear(b"path\0d\0"), False),
        ("an entry", Clear(b"total\0c\0"), False),
        ("entries", Clear(b"path\0c\0a"), True),
        ("entries", Clear(b"path\0d\0"), False),
        ("entries", Count(b"path\0c\0n", 1), True),
        ("entries", ForgetRevision(b"path\0c\0n", 1), True),
        ("a table", PutRevision(b"path\0e\0x"), True),
        ("a short entry", Index(b"path\0c\0a", b"2"), False),
    ],
)
async def test_only_what_was_read_counts(
    store: Store, read: str, write: Write, again: bool
) -> None:
    counting = Counting(store)
    await store.commit([Put(b"g/r\0c\0n\0a", b"1"), Index(b"path\0c\0a", b"1")])
    for _ in range(2):
        counting.get(read)
    await store.commit([write])
    for _ in range(2):
        assert counting.get(read) == READS[read](store)
    assert counting.made == [read] * (2 if again else 1)


async def test_an_answer_of_answers_depends_on_what_they_read(store: Store) -> None:
    counting = Counting(store)
    outer: Derived[str, object] = Derived(counting.reader, 9)

    def ask() -> object:
        return outer.get("", lambda: counting.get("an object"))

    for value in (b"1", b"2"):
        await store.commit([Put(b"g/r\0c\0n\0a", value)])
        counting.get("an object")  # known before the outer one asks
        for _ in range(2):
            assert ask() == READS["an object"](store)
        await store.commit([Put(b"g/r\0c\0n\0z", value)])
        ask()
    assert counting.made == ["an object"] * 2


async def test_an_error_is_passed_on_and_what_led_to_it_is_depended_on(store: Store) -> None:
    reader = Reader(store)
    inner: Derived[str, object] = Derived(reader, 9)
    outer: Derived[str, object] = Derived(reader, 9)

    def find() -> object:
        if reader.get(b"g/r\0c\0n\0a") is None:
            raise LookupError
        return "found"

    def forgiving() -> object:
        try:
            return inner.get("", find)
        except LookupError:
            return "missing"

    assert outer.get("", forgiving) == "missing"
    with pytest.raises(LookupError):
        inner.get("", find)
    await store.commit([Put(b"g/r\0c\0n\0a", b"1")])
    assert outer.get("", forgiving) == "found"


async def test_what_is_kept_is_bounded(store: Store) -> None:
    counting = Counting(store, most=3)
    for name in sorted(READS):
        counting.get(name)
        assert len(counting.derived) <= 3
    reader = Reader(store)
    names: Derived[int, object] = Derived(reader, 5000)
    reader.generations = Generations(7, 1024)
    for at in range(5000):
        names.get(at, lambda at=at: reader.get(b"g/r\0c\0n\0%d" % at))  # type: ignore[misc]
        assert len(reader.generations) <= 512


async def test_a_switch_turns_all_off(store: Store) -> None:
    counting = Counting(store, remembers=False)
    for _ in range(3):
        counting.get("an object")
    shared: Shared[object] = Shared(counting.reader, 1000, lambda _: 1)
    answers = iter("abc")
    assert [shared.get(lambda: "same", lambda: next(answers)) for _ in "abc"] == ["a", "b", "c"]
    assert len(counting.made) == 3
    assert not len(counting.derived)


async def test_fingerprint_and_content_are_of_one_moment(tmp_path: Path) -> None:
    store, loop = LmdbStore(tmp_path), asyncio.get_running_loop()
    await store.commit([Index(b"path\0c\0a", b"1")])
    reader = Reader(store)
    shared: Shared[object] = Shared(reader, 1000, lambda _: 1)

    def fingerprint() -> bytes | None:
        read = reader.index_get(b"path\0c\0a")
        if read == b"1":  # somebody commits between the two
            store._writer.outcomes(
                [Commit([Index(b"path\0c\0a", b"2")], loop, loop.create_future())]
            )
        return read

    wanted = [b"1", b"2"]
    assert [
        shared.get(fingerprint, lambda: reader.index_get(b"path\0c\0a")) for _ in "12"
    ] == wanted
    derived: Derived[str, object] = Derived(reader, 9)
    with Notes(reader):
        before = derived.get("", lambda: reader.index_get(b"path\0c\0a"))
        write = Index(b"path\0c\0a", b"3")
        store._writer.outcomes([Commit([write], loop, loop.create_future())])
        assert before == reader.index_get(b"path\0c\0a") == b"2"
    store.close()

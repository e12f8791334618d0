"""Random histories: LMDB must answer every question as the plain store in memory does."""

import asyncio
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kcpfast.store.contract import (
    Below,
    Check,
    Clear,
    Compacted,
    Conflict,
    Count,
    Index,
    Page,
    Put,
    PutRevision,
    Write,
)
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.memory import MemoryStore

KEYS = st.sampled_from([b"r\0c\0n\0a", b"r\0c\0n\0a-b", b"r\0c\0n\0b", b"r\0d\0n\0a", b"s\0c\0\0a"])
PREFIXES = st.sampled_from([b"r\0", b"r\0c\0", b"r\0c\0n\0", b"s\0", b""])
AFTER = KEYS | st.just(b"")
VALUES = st.none() | st.binary(max_size=3)
EXPECTATIONS = st.none() | st.integers(0, 5)
INDEX_KEYS = st.sampled_from([b"i\0a", b"i\0b"])
WRITES: st.SearchStrategy[Write] = st.one_of(
    st.builds(Put, KEYS, VALUES, EXPECTATIONS),
    st.builds(Put, KEYS, VALUES),
    st.builds(Check, KEYS, st.integers(0, 5)),
    st.builds(Index, INDEX_KEYS, VALUES),
    st.builds(Clear, st.just(b"i") | INDEX_KEYS),
    st.builds(Count, st.just(b"n"), st.integers(-2, 2)),
    st.builds(Below, st.just(b"n"), st.integers(-1, 2)),
    st.builds(PutRevision, INDEX_KEYS, INDEX_KEYS | st.just(b"")),
)


class Twins(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.fast, self.plain = LmdbStore(Path(self.folder.name)), MemoryStore()

    @rule(writes=st.lists(WRITES, max_size=4, unique_by=lambda write: write.key))
    def commit(self, writes: list[Write]) -> None:
        answers = []
        for store in (self.fast, self.plain):
            try:
                answers.append(repr(self.loop.run_until_complete(store.commit(writes))))
            except Conflict as conflict:
                answers.append(str(conflict))
        assert answers[0] == answers[1]

    @rule(back=st.integers(0, 3))
    def compact(self, back: int) -> None:
        for store in (self.fast, self.plain):
            self.loop.run_until_complete(store.compact(max(0, store.revision() - back)))

    @rule()
    def reopen(self) -> None:
        self.fast.close()
        self.fast = LmdbStore(Path(self.folder.name))

    @rule(
        prefix=PREFIXES,
        after=AFTER,
        limit=st.integers(0, 3),
        back=st.integers(0, 9),
        budget=st.integers(0, 60),
    )
    def scan(self, prefix: bytes, after: bytes, limit: int, back: int, budget: int) -> None:
        at = max(0, self.plain.revision() - back)
        if after and not after.startswith(prefix):
            after = b""
        pages: list[Page | None] = []
        for store in (self.fast, self.plain):
            try:
                pages.append(store.scan(prefix, after, limit, at, budget))
            except Compacted:
                pages.append(None)
        if at and at < self.plain.compacted():
            pages[1] = None  # the plain store notices only when it meets an object
        assert pages[0] == pages[1]

    @invariant()
    def same_changes_and_index(self) -> None:
        after = self.plain.compacted()
        assert self.fast.changes(after) == self.plain.changes(after)
        assert self.fast.index_scan(b"") == self.plain.index_scan(b"")
        assert self.fast.revision() == self.plain.revision()

    def teardown(self) -> None:
        self.fast.close()
        self.loop.close()
        self.folder.cleanup()


Twins.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestTwins = Twins.TestCase

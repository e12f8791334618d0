"""What every store promises."""

import asyncio
from pathlib import Path

import pytest

from kcpfast.store import check
from kcpfast.store.contract import (
    EXISTS,
    Batch,
    Below,
    Check,
    Clear,
    Compacted,
    Conflict,
    Count,
    Discard,
    Empty,
    Event,
    ForgetRevision,
    Index,
    Item,
    Joined,
    Joining,
    Present,
    Put,
    PutRevision,
    Store,
    StoreError,
    StoreFailed,
    Write,
    number,
)
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.memory import MemoryStore
from kcpfast.store.writer import Commit


def names(store: Store, prefix: bytes, **options: int | bytes) -> list[bytes]:
    return [item.key for item in store.scan(prefix, **options).items]  # type: ignore[arg-type]


async def test_commit_gives_all_its_writes_one_revision(store: Store) -> None:
    assert await store.commit([Put(b"a", b"1"), Put(b"b", b"2")]) == 1
    assert await store.commit([Put(b"a", b"3"), Put(b"b", None)]) == 2
    assert store.get(b"a") == (2, b"3")
    assert store.get(b"b") is None
    assert store.get(b"b", at_revision=1) == (1, b"2")
    assert store.revision() == store.published() == 2


@pytest.mark.parametrize(
    ("writes", "key", "current"),
    [
        ([Put(b"a", b"x", 0)], b"a", 1),
        ([Put(b"a", b"x", 7)], b"a", 1),
        ([Put(b"new", b"x", 3)], b"new", 0),
        ([Put(b"other", b"x"), Check(b"a", 0)], b"a", 1),
        ([Index(b"i", b"x"), Check(b"gone", 1)], b"gone", 0),
        ([Index(b"i", b"x"), Check(b"gone", EXISTS)], b"gone", 0),
        ([Put(b"other", b"x"), Empty(b"full\0")], b"full\0", EXISTS),
        ([Put(b"other", b"x"), Present(b"full\0y")], b"full\0y", 0),
        ([Put(b"other", b"x"), Below(b"none", 0)], b"none", 0),
    ],
)
async def test_a_failed_expectation_writes_nothing(
    store: Store, writes: list[Write], key: bytes, current: int
) -> None:
    await store.commit([Put(b"a", b"1"), Index(b"full\0x", b"")])
    with pytest.raises(Conflict) as raised:
        await store.commit(writes)
    assert (raised.value.key, raised.value.current) == (key, current)
    assert names(store, b"") == [b"a"]
    assert store.index_scan(b"") == [(b"full\0x", b"")]
    assert store.revision() == 1


LONG = b"k" * 600
ODD: dict[str, list[Write]] = {
    "an object twice": [Put(b"a", b"1"), Put(b"a", b"2")],
    "deleted twice": [Put(b"a", None), Put(b"a", None)],
    "made and deleted": [Put(b"new", b"1"), Put(b"new", None)],
    "deleted and made": [Put(b"a", None), Put(b"a", b"2")],
    "discarded beside another": [Discard(b"a"), Put(b"new", b"1")],
    "no key": [Put(b"", b"1")],
    "no key to delete": [Put(b"", None)],
    "no index key": [Index(b"", b"1")],
    "no key to check": [Check(b"", 0)],
    "nothing to clear": [Clear(b"")],
    "a long key": [Put(LONG, b"1")],
    "no room for the revision": [Put(b"k" * 503, b"1")],
    "a long index key": [Index(LONG, b"1")],
    "a long counter": [Count(LONG, 1)],
    "a long stamp": [PutRevision(LONG)],
    "a counter too high": [Count(b"high", 1)],
    "a counter too low": [Count(b"low", -1)],
    "more than a counter holds": [Count(b"n", 1 << 70)],
    "less than a counter holds": [Count(b"n", -(1 << 70))],
}


@pytest.mark.parametrize("what", ODD)
async def test_odd_writes_are_refused_and_hurt_nobody(store: Store, what: str) -> None:
    most = (1 << 63) - 1
    await store.commit([Put(b"a", b"1"), Count(b"high", most), Count(b"low", -most - 1)])
    before = store.index_scan(b"")
    good, odd = store.commit([Put(b"b", b"2")]), store.commit([Index(b"i", b"x"), *ODD[what]])
    done = await asyncio.gather(good, odd, return_exceptions=True)
    assert done[0] == 2
    assert isinstance(done[1], StoreError)
    assert not isinstance(done[1], StoreFailed)
    assert (names(store, b""), store.index_scan(b"")) == ([b"a", b"b"], before)
    assert [event.key for event in store.changes(0).events] == [b"a", b"b"]
    assert await store.commit([Put(b"c", b"3")]) == 3


EDGES: list[list[list[Write]]] = [
    [[]],
    [[Put(b"a", b"")], [], [Put(b"a", b"")], [Put(b"a", None)]],
    [[Put(b"a", b"x" * 3_000_000)], [Put(b"a", b"y" * 2_000_000)], [Put(b"a", None)]],
    [[Put(b"k" * 502, b"1")], [Put(b"k" * 502, b"2")], [Put(b"k" * 502, None)]],
    [[Index(b"k" * 511, b"1"), Put(LONG, None), Index(LONG, None), Check(LONG, 0), Empty(LONG)]],
    [[Put(b"a", b"0")], [Check(b"a", 1), Put(b"a", b"1", 1)], [Put(b"a", b"2", 1 << 70)]],
    [[Count(b"n", -5)], [Count(b"n", 0)], [Count(b"n", 5)]],
    [[Index(b"a", b"1"), Index(b"a", None), Index(b"a", b"3"), Clear(b"a"), Index(b"ab", b"4")]],
    [[Index(b"i%05d" % at, b"v") for at in range(8000)], [Clear(b"i0")]],
    [[PutRevision(b"s")], [ForgetRevision(b"s", -(1 << 70))], [ForgetRevision(b"s", 1 << 70)]],
]


@pytest.mark.parametrize("commits", EDGES)
async def test_writes_at_the_edge_come_to_the_same(
    commits: list[list[Write]], tmp_path: Path
) -> None:
    seen: list[object] = []
    disk = LmdbStore(tmp_path)
    for each in (disk, MemoryStore()):
        told: list[object] = []

        def note(batch: Batch, told: list[object] = told) -> None:
            told.append((list(batch.events), [*batch.revision_keys]))

        each.subscribe(note)
        done = [await asyncio.gather(each.commit(some), return_exceptions=True) for some in commits]
        snapshots = [
            list(each.scan(b"", at_revision=at).items) for at in range(1, each.revision() + 1)
        ]
        shown = [[type(one) if isinstance(one, Conflict) else one for one in row] for row in done]
        seen.append((shown, told, snapshots, [*each.index_scan(b"")], [*each.changes(0).events]))
    disk.close()
    assert seen[0] == seen[1]
    assert check.examine(tmp_path).problems == []


async def test_expectations_that_hold(store: Store) -> None:
    await store.commit([Put(b"a", b"1", 0)])
    await store.commit([Put(b"a", b"2", 1), Check(b"zzz", 0), Empty(b"none")])
    await store.commit([Put(b"a", None, 2)])
    assert store.get(b"a") is None
    assert await store.commit([Put(b"a", None)]) == 3, "deleting nothing is no write"


async def test_lists_are_ranges_in_key_order(store: Store) -> None:
    await store.commit([Put(key, b"v") for key in (b"a\0x", b"a\0y", b"a\0z", b"b\0x", b"a-b\0x")])
    assert names(store, b"a\0") == [b"a\0x", b"a\0y", b"a\0z"]
    assert names(store, b"a\0", after=b"a\0x") == [b"a\0y", b"a\0z"]
    assert names(store, b"a\0", after=b"a\0x", limit=1) == [b"a\0y"]
    assert names(store, b"c\0") == []


async def test_an_older_snapshot_is_exact(store: Store) -> None:
    for key in (b"a", b"b", b"c"):
        await store.commit([Put(b"k\0" + key, b"1")])
    await store.commit([Put(b"k\0b", b"2"), Put(b"k\0a", None), Put(b"k\0bb", b"2")])
    await store.commit([Put(b"k\0b", None), Put(b"k\0a", b"3")])
    expected = {
        1: [b"a1"],
        2: [b"a1", b"b1"],
        3: [b"a1", b"b1", b"c1"],
        4: [b"b2", b"bb2", b"c1"],
        5: [b"a3", b"bb2", b"c1"],
    }
    for at, want in expected.items():
        page = store.scan(b"k\0", at_revision=at)
        assert [item.key[2:] + item.value for item in page.items] == want
        assert page.revision == at
        assert [i.key for i in store.scan(b"k\0", b"k\0a", 1, at).items] == [
            b"k\0" + pair[:-1] for pair in want if pair[:-1] > b"a"
        ][:1]


async def test_changes_tell_each_write_with_what_it_replaced(store: Store) -> None:
    await store.commit([Put(b"a", b"1"), Put(b"b", b"1")])
    await store.commit([Put(b"a", b"2")])
    await store.commit([Put(b"a", None)])
    await store.commit([Put(b"a", b"4")])
    events = [
        Event(1, b"a", b"1", None),
        Event(1, b"b", b"1", None),
        Event(2, b"a", b"2", b"1"),
        Event(3, b"a", None, b"2"),
        Event(4, b"a", b"4", None),
    ]
    assert store.changes(0).events == events
    assert store.changes(2) == (4, events[3:])
    assert store.changes(0, limit=1) == (1, events[:2]), "a commit is never torn"
    assert store.changes(0, prefix=b"b") == (4, events[1:2])
    assert store.changes(1, limit=2, prefix=b"b") == (3, [])
    assert store.changes(9) == (9, [])


@pytest.mark.parametrize(
    ("prefix", "after", "limit", "joined"),
    [
        (b"a\0", b"", 0, (3, b"3[<1:x,<2:]", 2, b"")),
        (b"a\0", b"", 1, (3, b"3[<1:x]", 1, b"a\0one")),
        (b"a\0", b"", 2, (3, b"3[<1:x,<2:]", 2, b"")),
        (b"a\0", b"a\0one", 5, (3, b"3[<2:]", 1, b"")),
        (b"c\0", b"", 0, (3, b"3[]", 0, b"")),
        (b"b\0", b"", 0, None),
        (b"", b"", 2, (3, b"3[<1:x,<2:]", 2, b"a\0two")),
    ],
)
async def test_a_list_is_joined(
    store: Store, prefix: bytes, after: bytes, limit: int, joined: Joined | None
) -> None:
    for key, value in ((b"a\0one", b"v:x"), (b"a\0two", b"v:"), (b"b\0odd", b"w:x")):
        await store.commit([Put(key, value)])
    form = Joining(b"v", b"<", lambda revision: (b"%d[" % revision, b"]"))
    assert store.join(prefix, after, limit, form) == joined


async def test_a_long_list_is_joined(store: Store) -> None:
    await store.commit([Put(b"a\0%04d" % at, b"v" + b"x" * 3 * at) for at in range(500)])
    form = Joining(b"v", b"<", lambda _revision: (b"", b""))
    joined = store.join(b"a\0", b"", 0, form)
    assert joined is not None
    assert joined.body == b",".join(b"<1" + b"x" * 3 * at for at in range(500))


FORM = Joining(b"v", b"<", lambda revision: (b"", b""))


@pytest.mark.parametrize("budget", [1, 30, 100, 1 << 20])
async def test_what_is_long_is_read_in_pieces(store: Store, budget: int) -> None:
    values = [b"v" + b"x" * (at % 7) for at in range(20)]
    await store.commit([Put(b"a\0%04d" % at, value) for at, value in enumerate(values)])
    joined: list[bytes] = []
    scanned: list[Item] = []
    after, pieces = b"", 0
    while True:
        part = store.join(b"a\0", after, 0, FORM, budget)
        page = store.scan(b"a\0", after, budget=budget)
        assert part is not None
        assert part.length == len(page.items)
        joined, scanned, pieces = [*joined, part.body], [*scanned, *page.items], pieces + 1
        assert sum(len(item.key) + len(item.value) for item in page.items[:-1]) < budget
        if not part.last:
            break
        after = part.last
    assert b",".join(joined) == b",".join(b"<1" + value[1:] for value in values)
    assert [item.value for item in scanned] == values
    assert (pieces == 1) is (budget == 1 << 20)


@pytest.mark.parametrize(
    ("write", "known"),
    [
        (Put(b"a\0x", b"v2"), False),
        (Put(b"a\0x", None), False),
        (Put(b"a\0y", b"v"), False),
        (Put(b"b\0y", b"v"), True),
        (Index(b"a\0x", b"v"), True),
    ],
)
async def test_a_list_goes_on_only_as_it_began(store: Store, write: Write, known: bool) -> None:
    begun = await store.commit([Put(b"a\0x", b"v")])
    assert store.join(b"a\0", b"", 0, FORM, since=begun) is not None
    await store.commit([write])
    assert (store.join(b"a\0", b"", 0, FORM, since=begun) is not None) is known


async def test_a_list_does_not_go_on_when_the_log_is_forgotten(store: Store) -> None:
    for value in (b"v1", b"v2"):
        await store.commit([Put(b"b", value)])
    await store.compact(2)
    assert store.join(b"a\0", b"", 0, FORM, since=1) is None


async def test_changes_are_read_in_pieces(store: Store) -> None:
    for at in range(6):
        await store.commit([Put(b"a%d" % at, b"x" * 10), Put(b"b%d" % at, b"")])
    found: list[Event] = []
    after = 0
    while after < 6:
        upto, events = store.changes(after, budget=20)
        assert upto - after == 2
        found, after = [*found, *events], upto
    assert found == store.changes(0).events


async def test_compaction_forgets_the_past_and_nothing_else(store: Store) -> None:
    for value in (b"1", b"2", b"3", b"4"):
        await store.commit([Put(b"a", value)])
    await store.compact(2)
    assert store.compacted() == 2
    assert store.get(b"a", at_revision=2) == (2, b"2")
    assert store.get(b"a") == (4, b"4")
    assert [event.revision for event in store.changes(2).events] == [3, 4]
    for read in (lambda: store.changes(1), lambda: store.get(b"a", at_revision=1)):
        with pytest.raises(Compacted):
            read()
    with pytest.raises(Compacted):
        store.scan(b"a", at_revision=1)


async def test_the_log_knows_when_it_was_written(store: Store) -> None:
    assert store.logged_before(1 << 60) == 0
    await store.commit([Put(b"a", b"1")])
    await store.commit([Put(b"a", b"2")])
    assert store.logged_before(1 << 60) == 2
    assert store.logged_before(1) == 0
    await store.compact(1)
    assert store.logged_before(1) == 1


async def test_counters_add_up_and_vanish_at_zero(store: Store) -> None:
    for delta in (2, 3, -1):
        await store.commit([Count(b"n", delta)])
    assert number(store.index_get(b"n")) == 4
    await store.commit([Count(b"n", -4)])
    assert store.index_get(b"n") is None
    assert store.revision() == 0, "the index takes no revisions"


async def test_a_limit_holds_however_many_want_in(store: Store) -> None:
    async def enter(number: int) -> bool:
        try:
            await store.commit([Put(b"%d" % number, b"x"), Below(b"n", 3), Count(b"n", 1)])
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*(enter(n) for n in range(9)))) == 3
    assert number(store.index_get(b"n")) == len(names(store, b"")) == 3


async def test_a_stamp_is_removed_only_by_who_saw_it(store: Store) -> None:
    await store.commit([Put(b"a", b"1"), PutRevision(b"mark")])
    await store.commit([Put(b"a", b"2"), PutRevision(b"mark")])
    await store.commit([ForgetRevision(b"mark", 1)])
    assert number(store.index_get(b"mark")) == 2
    await store.commit([ForgetRevision(b"mark", 2)])
    assert store.index_get(b"mark") is None


async def test_a_range_of_the_index_is_cleared(store: Store) -> None:
    await store.commit([Index(key, b"x") for key in (b"a\0", b"a\0one", b"a\0two", b"b\0")])
    await store.commit([Index(b"a\0new", b""), Clear(b"a\0"), Clear(b"none"), Index(b"a\0z", b"")])
    assert [key for key, _ in store.index_scan(b"")] == [b"a\0z", b"b\0"]


async def test_a_stamp_may_depend_on_what_there_is(store: Store) -> None:
    heard: list[bytes] = []
    store.subscribe(lambda batch: heard.extend(batch.revision_keys))
    await store.commit([Put(b"a", b"1"), PutRevision(b"no", b"list\0"), Index(b"list\0x", b"")])
    await store.commit([Put(b"a", b"2"), PutRevision(b"yes", b"list\0")])
    await store.commit([Index(b"list\0x", None), PutRevision(b"late", b"list\0")])
    assert heard == [b"yes"]
    assert [store.index_get(key) for key in (b"no", b"late")] == [None, None]


async def test_subscribers_hear_in_order_before_the_writer_does(store: Store) -> None:
    heard: list[int] = []
    stamps: list[bytes] = []

    def listen(batch: Batch) -> None:
        heard.extend(event.revision for event in batch.events)
        stamps.extend(batch.revision_keys)

    store.subscribe(listen)

    async def write(number: int) -> None:
        revision = await store.commit([Put(b"%d" % number, b"x"), PutRevision(b"s%d" % number)])
        assert revision in heard

    await asyncio.gather(*(write(n) for n in range(50)))
    assert heard == list(range(1, 51))
    assert len(stamps) == 50


async def test_subscribers_are_told_of_all_that_is_written(store: Store) -> None:
    heard: list[Write] = []
    store.subscribe(lambda batch: heard.extend(batch.writes))
    wanted: list[Write] = [Index(b"i", b"x"), Clear(b"i"), Count(b"n", 1), ForgetRevision(b"s", 1)]
    for write in wanted:
        await store.commit([write])
    with pytest.raises(Conflict):
        await store.commit([Index(b"i", b"y"), Check(b"a", 1)])
    assert heard == wanted, "also of what changes the index alone, not of what was refused"


async def test_what_is_held_is_of_one_moment(tmp_path: Path) -> None:
    store, loop = LmdbStore(tmp_path), asyncio.get_running_loop()
    await store.commit([Put(b"a", b"1"), Index(b"i", b"1")])
    writes: list[Write] = [Put(b"a", b"2"), Index(b"i", b"2")]
    with store.hold():
        store._writer.outcomes([Commit(writes, loop, loop.create_future())])
        assert (store.get(b"a"), store.index_get(b"i")) == ((1, b"1"), b"1")
        assert store.scan(b"").revision == 1
    assert (store.get(b"a"), store.index_get(b"i")) == ((2, b"2"), b"2")
    store.close()


async def test_what_cannot_be_written_fails_alone(store: Store) -> None:
    if not isinstance(store, LmdbStore):
        pytest.skip("only a disk has limits")
    writes = ([Put(b"a", b"1")], [Put(b"k" * 600, b"1")], [Put(b"b", b"1")])
    done = await asyncio.gather(*map(store.commit, writes), return_exceptions=True)
    assert [type(each) for each in done] == [int, StoreError, int]
    await store.commit([Put(b"c", b"1", 0), Below(b"n", 1 << 80)])


async def test_the_map_grows_while_it_is_used(tmp_path: Path) -> None:
    small = LmdbStore(tmp_path, map_size=1 << 20)
    for at in range(8):
        await small.commit([Put(b"k%d" % at, bytes(500_000))])
    assert len(small.scan(b"k").items) == 8
    small.close()

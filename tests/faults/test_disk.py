"""Every call to the disk fails in turn, or the power is cut there: what was acknowledged is there.

After each the directory opens, is whole, and holds every acknowledged write; of one that was not
acknowledged all or nothing. The library that does it is faults.c.
"""

from __future__ import annotations

import errno
import lzma
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kcpfast.store.contract import Conflict, Count, Full, Index, Put, StoreError, Write
from tests.faults.disk import (
    ALL,
    CUT,
    FAIL,
    GONE,
    KILL,
    KINDS,
    Content,
    Disk,
    Ended,
    Plan,
    after,
    build,
    content_of,
    put,
)

OLD = Path(__file__).parent.parent / "store" / "data" / "format2.mdb.xz"
# The store begins on a map of 1 MiB: the large ones make it grow.
COMMITS: list[list[Write]] = [
    put("a"),
    [Put(b"k\0a", b"v2"), Index(b"i\0a", b"x"), Count(b"n", 1)],
    put("large", 500_000),
    [Put(b"k\0a", None), Count(b"n", 2)],
    put("larger", 700_000),
    [Index(b"i\0a", None)],
    put("last"),
]
COMPACT_AT = 3
# Of what takes long a part is tried; make soak tries all.
MORE = int(os.environ.get("KCPFAST_FAULTS", "1"))
STEP = 5 if MORE == 1 else 1


@pytest.fixture
def folders() -> Iterator[Path]:
    """Where nothing is waited for: these tests are about what is written, not how durably."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    opened = Disk(build(tmp_path_factory.mktemp("faults")))
    yield opened
    opened.close()


def work(disk: Disk) -> list[list[Write]]:
    """Write; return what was acknowledged, up to the first that was not."""
    done: list[list[Write]] = []
    for at, writes in enumerate(COMMITS):
        if at == COMPACT_AT and isinstance(disk.ask("compact", 1), Ended):
            return done
        said = disk.ask("commit", writes)
        if not isinstance(said, int):
            return done
        done.append(writes)
    return done


def possible(done: list[list[Write]], commits: Sequence[list[Write]] = COMMITS) -> list[Content]:
    """Return what a store may hold: what was acknowledged, perhaps with the next."""
    return [after(done), after(commits[: len(done) + 1])]


CUTS = [(CUT, ALL, errno.EIO, 0), (KILL, ALL, errno.EIO, 0)]
FAILURES = [
    (FAIL, KINDS[kind], error, more)
    for kind, error, more in (
        ("write", errno.EIO, 0),
        ("write", errno.ENOSPC, 0),
        ("write", errno.ENOSPC, 1000),
        ("sync", errno.EIO, 0),
        ("truncate", errno.EIO, 0),
        ("map", errno.ENOMEM, 0),
        ("claim", errno.ENOSPC, 1000),
        ("claim", errno.EOPNOTSUPP, 1000),
    )
]


@pytest.mark.timeout(60 * MORE)
@pytest.mark.parametrize(("what", "kinds", "error", "more"), [*CUTS, *FAILURES])
def test_each_call_of_work(
    disk: Disk, folders: Path, what: int, kinds: int, error: int, more: int
) -> None:
    at, last = 1, 0
    while last == 0 or at <= last:
        folder = folders / str(at)
        folder.mkdir()
        assert disk.open(folder) == 0
        disk.shut()
        plan = Plan(what, kinds, at, more, error, at)
        said = disk.open(folder, plan)
        done = work(disk) if said == 0 else []
        alive = said == 0 and (what == FAIL or len(done) == len(COMMITS))
        if alive and disk.shut() < at:
            last = at
            assert len(done) == len(COMMITS)
        assert content_of(folder) in possible(done)
        at += STEP
    assert at > 1 + STEP or kinds == KINDS["truncate"]


@pytest.mark.parametrize("what", [CUT, KILL, FAIL])
def test_each_call_of_a_first_start(disk: Disk, folders: Path, what: int) -> None:
    """What was left is nothing or all: the next start works."""
    for at in range(1, 1000):
        folder = folders / str(at)
        folder.mkdir()
        said = disk.open(folder, Plan(what, ALL, at, seed=at))
        counted = disk.shut() if isinstance(said, int) else at
        assert said == 0 or isinstance(said, StoreError) or said == Ended(GONE)
        assert disk.open(folder) == 0
        assert disk.ask("commit", put("a")) == 1
        disk.shut()
        if counted < at:
            break
    assert at > 5


@pytest.mark.parametrize("what", [CUT, KILL, FAIL])
def test_each_call_of_a_migration(disk: Disk, folders: Path, what: int) -> None:
    data = lzma.decompress(OLD.read_bytes())
    (folders / "data.mdb").write_bytes(data)
    assert isinstance(disk.open(folders), int)
    disk.shut()
    wanted = content_of(folders)
    # All but the calls of the middle, which all fill the new file.
    for at in [*range(1, 12), *range(12, 400, 23)]:
        folder = folders / str(at)
        folder.mkdir()
        (folder / "data.mdb").write_bytes(data)
        said = disk.open(folder, Plan(what, ALL, at, seed=at))
        counted = disk.shut() if isinstance(said, int) else at
        assert content_of(folder) == wanted
        if counted < at:
            break
    assert at > 12


def test_a_full_disk_is_worked_on(disk: Disk, folders: Path) -> None:
    """Nothing new fits; what is there can be deleted; then everything goes on."""
    assert disk.open(folders) == 0
    for at in range(40):
        assert disk.ask("commit", put(str(at), 200_000)) == at + 1
    disk.ask("faults", tuple(Plan(FAIL, KINDS["claim"], 1, 1 << 30, errno.ENOSPC)))
    at = 40
    while isinstance(said := disk.ask("commit", put(str(at), 200_000)), int):
        at += 1
    assert isinstance(said, Full)
    assert disk.ask("state").full
    for each in range(30):
        assert isinstance(disk.ask("commit", [Put(b"k\0%d" % each, None)]), int)
    assert disk.ask("compact", at + 30) is None
    assert isinstance(disk.ask("commit", put("new", 200_000)), int), "what was freed is used"
    disk.shut()
    assert len(content_of(folders)[0]) == at - 30 + 1


KEYS = st.sampled_from([b"k\0a", b"k\0b", b"k\0c"])
WRITES: st.SearchStrategy[Write] = st.one_of(
    st.builds(Put, KEYS, st.none() | st.sampled_from([0, 3, 9, 100_000]).map(bytes)),
    st.builds(Put, KEYS, st.just(b"x"), st.integers(0, 9)),
    st.builds(Index, st.sampled_from([b"i\0a", b"i\0b"]), st.none() | st.binary(max_size=3)),
    st.builds(Count, st.just(b"n"), st.integers(-2, 2)),
)
COMMIT = st.lists(WRITES, min_size=1, max_size=3, unique_by=lambda write: write.key)
PLANS = st.builds(
    Plan,
    st.sampled_from([FAIL, FAIL, KILL, CUT, CUT]),
    st.just(ALL) | st.sampled_from(sorted(KINDS.values())),
    st.integers(1, 12),
    st.sampled_from([0, 0, 1, 1000]),
    st.sampled_from([errno.EIO, errno.ENOSPC, errno.ENOMEM]),
    st.integers(0, 1 << 16),
)


class Faulty(RuleBasedStateMachine):
    """Any history with any faults: after each the store holds what was acknowledged."""

    disk: Disk

    def __init__(self) -> None:
        super().__init__()
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.folder = tempfile.TemporaryDirectory(dir=memory)
        self.done: list[list[Write]] = []
        # What was asked for and not acknowledged: nobody knows, until the store is opened again.
        self.open: list[list[Write]] = []
        self.alive = True
        assert self.disk.open(Path(self.folder.name)) == 0

    def _ended(self, said: object) -> bool:
        if isinstance(said, Ended):
            assert said == Ended(GONE)
            self.alive = False
        return not self.alive

    @precondition(lambda self: self.alive)
    @rule(plan=PLANS)
    def faults(self, plan: Plan) -> None:
        self.disk.ask("faults", tuple(plan))

    @precondition(lambda self: self.alive)
    @rule(writes=COMMIT)
    def commit(self, writes: list[Write]) -> None:
        said = self.disk.ask("commit", writes)
        if not self._ended(said) and isinstance(said, int):
            assert not self.open or self.open[-1] is not writes
            self.done += [writes]
        elif self._ended(said) or not isinstance(said, Conflict):
            self.open.append(writes)
            self._restart()

    @precondition(lambda self: self.alive)
    @rule(back=st.integers(0, 3))
    def compact(self, back: int) -> None:
        said = self.disk.ask("compact", max(0, len(self.done) - back))
        if self._ended(said) or isinstance(said, StoreError):
            self._restart()

    def _restart(self) -> None:
        """Open the store anew, without faults, and compare."""
        if self.alive:
            self.disk.shut()
        found = content_of(Path(self.folder.name))
        done = [self.done, [*self.done, *self.open]]
        assert found in [after(each) for each in done]
        self.done = done[found != after(self.done)]
        self.open = []
        assert self.disk.open(Path(self.folder.name)) == found[2]
        self.alive = True

    @rule()
    def restart(self) -> None:
        self._restart()

    def teardown(self) -> None:
        self._restart()
        self.disk.shut()
        self.folder.cleanup()


@pytest.mark.timeout(120 * MORE)
def test_any_history_with_any_faults(disk: Disk) -> None:
    Faulty.disk = disk
    options = settings(max_examples=20 * MORE, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(Faulty, settings=options)

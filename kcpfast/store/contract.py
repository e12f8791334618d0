"""What a store is: the contract that LMDB and memory fulfil and one test suite checks.

Two key spaces. *Objects* have a modification revision, a change log and snapshots at older
revisions. The *index* holds the index_hooks of object writes (counters, owners, paths, marks ...):
plain keys and values, written in the same commit, never seen by a watch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

EXISTS = -1


class StoreError(Exception):
    """The store cannot do what was asked (disk full, I/O error, closed, foreign format)."""


class Conflict(StoreError):
    """An expectation failed; nothing of that commit was written.

    `key` is the object key, `current` its modification revision now (0 = it does not exist).
    """

    def __init__(self, key: bytes, current: int) -> None:
        """Keep what was found instead."""
        super().__init__(f"{key!r} is at revision {current}")
        self.key = key
        self.current = current


def fails(expect: int | None, actual: int) -> bool:
    """Tell whether an object at revision `actual` (0 = none) is not as expected."""
    if expect is None:
        return False
    return not actual if expect == EXISTS else actual != expect


class Compacted(StoreError):
    """The revision asked for is older than what is kept."""


class Corrupted(StoreError):
    """What is stored under a key is not what was written there."""

    def __init__(self, key: bytes) -> None:
        """Name the key, its parts joined by bars."""
        spelled = key.decode(errors="backslashreplace").replace("\0", "|")
        super().__init__(f"the stored value of {spelled!r} is damaged: its checksum does not match")
        self.key = key


class Full(StoreError):
    """There is no room on the disk for what makes or enlarges an object.

    Deletions and what controllers note down go on: they have a reserve.
    """


class StoreFailed(StoreError):
    """The store has given up for good; only a new start may help."""


class StoreState(NamedTuple):
    """How a store is: why it has failed, why its disk is short ("" = it is not), whether full."""

    failed: str = ""
    short: str = ""
    full: bool = False


class Put(NamedTuple):
    """Writes an object; `value` None deletes it.

    `expect`: the modification revision it must have, 0 = must not exist, None = any.
    """

    key: bytes
    value: bytes | None
    expect: int | None = None


class Discard(NamedTuple):
    """Deletes an object whose value is damaged; Conflict if it is not there, or whole.

    The only object of its commit. What it was nobody can tell: who has seen an older revision must
    list again, so the store has forgotten all that lies below.
    """

    key: bytes


class Check(NamedTuple):
    """Writes nothing; fails the commit unless the object has this modification revision.

    `expect` EXISTS asks for any revision but none.
    """

    key: bytes
    expect: int


class Empty(NamedTuple):
    """Writes nothing; fails the commit if the index has an entry with this prefix."""

    key: bytes


class Present(NamedTuple):
    """Writes nothing; fails the commit unless the index has an entry with this key."""

    key: bytes


class Below(NamedTuple):
    """Writes nothing; fails the commit unless a counter is below `limit` before it.

    What is reserved by a commit that counts and looks in one cannot be exceeded by another.
    """

    key: bytes
    limit: int


class Index(NamedTuple):
    """Writes an index entry; `value` None deletes it."""

    key: bytes
    value: bytes | None


class Clear(NamedTuple):
    """Deletes all index entries with a prefix, as the writes of the commit in front left them."""

    key: bytes


class Count(NamedTuple):
    """Adds `delta` to a counter of the index (8 bytes, big endian); a counter at 0 is removed.

    StoreError if the sum does not fit into 8 bytes.
    """

    key: bytes
    delta: int


class PutRevision(NamedTuple):
    """Writes the revision of this commit into the index (8 bytes, big endian).

    With `when` it does so only if the index has an entry with that prefix, as the writes of the
    commit in front of it have left it.
    """

    key: bytes
    when: bytes = b""


class ForgetRevision(NamedTuple):
    """Deletes a revision that was put; one newer than `seen` stays, without an error."""

    key: bytes
    seen: int


Write = (
    Put
    | Discard
    | Check
    | Empty
    | Present
    | Below
    | Index
    | Clear
    | Count
    | PutRevision
    | ForgetRevision
)


class Record(NamedTuple):
    """An object as stored: its modification revision and its value."""

    revision: int
    value: bytes


class Item(NamedTuple):
    """An object of a list."""

    key: bytes
    revision: int
    value: bytes


class Page(NamedTuple):
    """A list and the revision at which it was true.

    `last` is the key of its last object if it ends there because of a limit or budget: there may
    be more behind it.
    """

    revision: int
    items: Sequence[Item]
    last: bytes = b""


class Joining(NamedTuple):
    """How values become JSON: what follows `known` in a value follows `head` and its revision.

    `around(revision)` tells what stands before and behind all of them.
    """

    known: bytes
    head: bytes
    around: Callable[[int], tuple[bytes, bytes]]


class Joined(NamedTuple):
    """A list as JSON: its revision, the objects joined by commas, and their number.

    `last` is the key of the last one if there are more behind it, else empty.
    """

    revision: int
    body: bytes
    length: int
    last: bytes


class Event(NamedTuple):
    """One object write: `value` None = deleted, `previous` None = created.

    Neither = what was damaged is discarded, and nobody knows what it was.
    """

    revision: int
    key: bytes
    value: bytes | None
    previous: bytes | None


def is_discarded(event: Event) -> bool:
    """Tell whether a damaged object was discarded."""
    return event.value is None and event.previous is None


def event_size(event: Event) -> int:
    """Return the bytes that an event holds in memory, about."""
    return len(event.key) + len(event.value or b"") + len(event.previous or b"")


class Changes(NamedTuple):
    """Events, and the revision up to which the log was looked through for them."""

    upto: int
    events: Sequence[Event]


class Batch(NamedTuple):
    """What subscribers are told after a commit: events, and the keys whose revision was put.

    `writes` are all that the commit was asked to write, whether it changed anything or not.
    """

    events: Sequence[Event]
    revision_keys: Sequence[bytes]
    writes: Sequence[Write] = ()


Subscriber = Callable[[Batch], None]


class Store(Protocol):
    """Reads are plain functions of microseconds; a write is one awaited commit."""

    def revision(self) -> int:
        """Return the revision of the newest commit on disk."""

    def published(self) -> int:
        """Return the newest revision that subscribers were told of; `changes` ends there."""

    def compacted(self) -> int:
        """Return the oldest revision that reads `at_revision` and `changes` can still serve."""

    def hold(self) -> AbstractContextManager[None]:
        """Let all reads see one state while a `with` lasts, which must not wait for anything."""

    def get(self, key: bytes, at_revision: int = 0) -> Record | None:
        """Return an object now (0), or as it was `at_revision`; Compacted if that is too old."""

    def scan(
        self,
        prefix: bytes,
        after: bytes = b"",
        limit: int = 0,
        at_revision: int = 0,
        budget: int = 0,
    ) -> Page:
        """Return objects in key order: with `prefix`, behind `after`, `limit` (0 = all).

        Nothing is read behind the object with which keys and values come to `budget` bytes (0 =
        any number): who reads a long range in pieces holds no more than that and one object.
        """

    def join(
        self,
        prefix: bytes,
        after: bytes,
        limit: int,
        form: Joining,
        budget: int = 0,
        since: int = 0,
    ) -> Joined | None:
        """Return the objects of a range, as `scan` does, as JSON.

        None if there is a value that does not begin with what the form knows; given `since`, also
        if anything in the range was written behind that revision, or so much elsewhere that it
        would take long to know: the pieces of one list are to be of one revision.
        """

    def index_get(self, key: bytes) -> bytes | None:
        """Return an index entry."""

    def index_scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 0
    ) -> Sequence[tuple[bytes, bytes]]:
        """Return index entries in key order, as `scan` does for objects."""

    def changes(self, after: int, limit: int = 0, prefix: bytes = b"", budget: int = 0) -> Changes:
        """Return events above revision `after` of keys with `prefix`, whole commits only.

        About `limit` events (0 = all) are looked at, whatever their keys, and no commit is read
        once the values of those before it come to `budget` bytes (0 = any number). Raises Compacted
        if some of them are no longer kept.
        """

    async def commit(self, writes: Sequence[Write]) -> int:
        """Write all or nothing under one new revision and return it, once it is durable.

        No object may be written twice, no key be empty or longer than LMDB's are (StoreError).

        A commit without a Put takes no revision and returns the current one. Raises Conflict if
        an expectation fails and StoreError if the write cannot be made durable.
        """

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` for each commit in revision order, before the commit returns.

        One that raises hurts nobody: the others are told, the commit returns, the fault is counted.
        """

    def state(self) -> StoreState:
        """Return how the store is, as far as is known."""

    async def probe(self) -> None:
        """Write something durably and read it back; StoreError if that does not work."""

    def clock(self) -> int:
        """Return the store's own time (milliseconds).

        It began as the time of day, runs while the store is open, and never jumps: ages are
        measured by it.
        """

    def logged_before(self, milliseconds: int) -> int:
        """Return the newest revision that was written before a time of the store's clock.

        The oldest that is still served, if all the log is younger.
        """

    async def compact(self, upto: int) -> None:
        """Forget what only revisions below `upto` need."""

    async def let_go(self) -> None:
        """Give back memory that only mirrors the disk."""

    def close(self) -> None:
        """Finish queued commits and release the files."""


def number(value: bytes | None) -> int:
    """Return a counter or revision as read from the index; 0 where there is none."""
    return int.from_bytes(value, "big", signed=True) if value else 0


def number_bytes(value: int) -> bytes:
    """Return the 8 bytes of a counter or revision; they sort as the numbers do."""
    return value.to_bytes(8, "big", signed=True)

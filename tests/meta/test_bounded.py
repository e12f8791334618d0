"""A cache that is bounded in bytes and forgets what was not used for longest."""

from __future__ import annotations

import pytest

from kcpfast.meta import bounded
from kcpfast.meta.bounded import Bounded, kept_if_short


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Bounded[bytes]:
    monkeypatch.setattr(bounded, "_OVERHEAD", 0)
    return Bounded(10, len)


def test_cache_forgets_what_was_not_used_for_longest(cache: Bounded[bytes]) -> None:
    for key in "abc":
        cache.get(key, lambda: b"xxxx")
    cache.get("b", lambda: b"never made again")
    made = []
    cache.get("a", lambda: made.append("a") or b"xxxx")  # type: ignore[func-returns-value]
    cache.get("b", lambda: made.append("b") or b"xxxx")  # type: ignore[func-returns-value]
    assert made == ["a"]
    assert (len(cache), cache.size) == (2, 8)


def test_cache_keeps_one_entry_whatever_its_size(cache: Bounded[bytes]) -> None:
    assert cache.get("a", lambda: b"x" * 100) == b"x" * 100
    assert len(cache) == 1
    cache.get("b", lambda: b"x")
    assert (len(cache), cache.size) == (1, 1)


def test_cache_keeps_nothing_of_what_could_not_be_made(cache: Bounded[bytes]) -> None:
    def fail() -> bytes:
        raise LookupError

    with pytest.raises(LookupError):
        cache.get("a", fail)
    assert (len(cache), cache.get("a", lambda: b"x")) == (0, b"x")


def test_all_caches_take_their_part_where_there_is_not_room_for_all(
    cache: Bounded[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "_ALL", 100)
    monkeypatch.setattr(bounded._Share, "of_all", 1.0)
    for room, kept in ((1000, 2), (100, 2), (50, 1), (100, 2)):
        bounded.fit(room)
        for key in "abc":
            cache.get((room, key), lambda: b"xxxx")
        assert len(cache) == kept


def test_what_is_made_twice_is_counted_once(cache: Bounded[bytes]) -> None:
    """By two threads, or because what makes it asks for it."""
    assert cache.get("a", lambda: cache.get("a", lambda: b"xxx") + b"x") == b"xxxx"
    assert (len(cache), cache.size) == (1, 4)


def test_what_is_long_is_made_each_time() -> None:
    made: list[str] = []

    @kept_if_short(2, 3)
    def size(text: str, *, more: int = 0) -> int:
        made.append(text)
        return len(text) + more

    for text in ("abc", "abc", "abcd", "abcd"):
        assert size(text, more=1) == len(text) + 1
    assert made == ["abc", "abcd", "abcd"]

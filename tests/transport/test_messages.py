"""What a request says in its headers is the same text, whichever way it is asked for."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from kcpfast.transport.messages import Request


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        ("jürgen".encode(), "jürgen"),
        ("名前".encode(), "名前"),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_value_is_utf8_however_it_is_asked_for(value: bytes, text: str) -> None:
    request = Request("GET", "/", headers={b"impersonate-user": value})
    assert request.header(b"impersonate-user") == text
    assert request.header_values(b"impersonate-user") == [text]


async def test_work_in_turns_is_not_done_for_who_is_gone() -> None:
    request, done = Request("GET", "/"), list[int]()
    waiting = asyncio.ensure_future(request.in_turn(lambda: done.append(1)))
    await asyncio.sleep(0)
    request.gone = True
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not done


async def test_what_fails_in_its_turn_leaves_nothing() -> None:
    class Large:
        pass

    kept: list[Any] = []

    def work() -> None:
        large = Large()
        kept.append(weakref.ref(large))
        raise LookupError(repr(large))

    gc.disable()
    try:
        with pytest.raises(LookupError):
            await Request("GET", "/").in_turn(work)
        assert kept[0]() is None
    finally:
        gc.enable()

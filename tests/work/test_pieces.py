"""JSON decoded in pieces is what it is when decoded at once, errors included."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from kcpfast.work import pieces

_NAMES = some.sampled_from(["a", 'b"', "c\\", "dé", ",]}"])
_LEAVES = (
    some.none() | some.booleans() | some.integers(-9, 9) | some.text('é\\",]}[{:', max_size=30)
)
VALUES = some.recursive(
    _LEAVES,
    lambda inner: some.lists(inner, max_size=7) | some.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=40,
)
SPOILT = some.tuples(some.integers(0, 400), some.sampled_from([b"", b",", b"]", b"}", b'"', b"[ "]))


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """Texts of a few bytes are long already."""
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(pieces, "_WHOLE", 20)
        patching.setattr(pieces, "_PIECE", 8)
        yield


def outcome(decode: Callable[[bytes], Any], text: bytes) -> str:
    try:
        return repr(decode(text))
    except msgspec.DecodeError:
        return "error"


@given(VALUES, some.sampled_from([None, 1]), some.none() | SPOILT)
def test_pieces_are_as_the_whole(value: Any, indent: int | None, spoilt: Any) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    if spoilt is not None:
        at, put = spoilt
        text = text[:at] + put + text[at + 1 :]
    assert outcome(pieces.decode, text) == outcome(msgspec.json.decode, text)


ERRORS = [b"[1,2,3,4,5,6,7,8,9,10,x]", b'{"a":1,"b":2,"c":3,"d":[1,2,3,4,5,6,7,8,9,x]}']


@pytest.mark.parametrize("text", ERRORS)
def test_errors_tell_the_place_in_the_whole(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError, match=rf"\(byte {text.index(b'x')}\)"):
        pieces.decode(text)


def test_no_piece_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    decode = pieces._decode

    def counted(text: bytes) -> Any:
        lengths.append(len(text))
        return decode(text)

    monkeypatch.setattr(pieces, "_decode", counted)
    value = {"a": [[n] * 3 for n in range(200)], "b": {f"k{n}": {"c": n} for n in range(100)}}
    assert pieces.decode(json.dumps(value).encode()) == value
    assert max(lengths) < 40


@pytest.mark.parametrize("inner", [b"/", b"\\n", b"\\\\ab"])
def test_a_long_name_is_soon_read_over(inner: bytes) -> None:
    text = b'"%b":1' % (inner * (2_000_000 // len(inner)))
    begun = time.process_time()
    assert pieces._behind_name(text, 0, len(text)) == len(text) - 1
    assert pieces._behind_name(text, 0, len(text) - 2) == 0
    assert time.process_time() - begun < 0.06

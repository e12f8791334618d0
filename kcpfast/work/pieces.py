"""JSON of megabytes decoded in pieces.

A decoder holds the interpreter lock until it is done: a body of three megabytes takes it for a
tenth of a second, in whatever thread. Here such a text is cut between the items of its outermost
containers, and the lock can change hands after each piece.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec

from kcpfast._core.jsonscan import cuts

_WHOLE = 256 * 1024
_PIECE = 64 * 1024
# Containers that stand in one another without a sibling of any size: none of a real object do.
_MAX_LEVELS = 24
_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
_PLACE = re.compile(r"\(byte (\d+)\)")
_SPACE = b" \n\t\r"


def decode(text: bytes) -> Any:
    """Return what a JSON text says, as msgspec decodes it; DecodeError or RecursionError."""
    if len(text) <= _WHOLE:
        return _decode(text)
    inner = text.rstrip(_SPACE)
    return _within(inner, len(text) - len(text.lstrip(_SPACE)), len(inner), 0)


def _within(text: bytes, start: int, end: int, level: int) -> Any:
    """Decode the one value between two places."""
    if end - start <= _PIECE or level > _MAX_LEVELS:
        return _part(text[start:end], start, 0)
    whole = text if end == len(text) else text[:end]
    places = cuts(whole, start, _PIECE)
    if not places or places[-1] != end - 1 or (text[start] == 91) is not (text[end - 1] == 93):
        return _part(text[start:end], start, 0)
    if text[start] == 91:
        return _items(text, places, level)
    return _members(text, places, level)


def _items(text: bytes, places: list[int], level: int) -> list[Any]:
    items: list[Any] = []
    for start, end in pairwise(places):
        stop = end if end == places[-1] else end - 1  # without the comma
        if stop - start > 2 * _PIECE:  # a single item
            inner = _skip(text, start, stop)
            items.append(_within(text, inner, _trimmed(text, stop), level + 1))
        else:
            items += _part(b"[%b]" % _some(text, start, stop, len(places)), start, 1)
    return items


def _members(text: bytes, places: list[int], level: int) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for start, end in pairwise(places):
        stop = end if end == places[-1] else end - 1  # without the comma
        behind = _behind_name(text, start, stop) if stop - start > 2 * _PIECE else 0
        if behind:  # a single member
            name = next(iter(_part(b"{%b0}" % text[start:behind], start, 1)))
            inner = _skip(text, behind, stop)
            members[name] = _within(text, inner, _trimmed(text, stop), level + 1)
        else:
            members.update(_part(b"{%b}" % _some(text, start, stop, len(places)), start, 1))
    return members


# Never back again: a name may have megabytes, and nobody can interrupt a match.
_NAME = re.compile(rb'\s*+"[^"\\]*+(?:\\.[^"\\]*+)*+"\s*+:', re.DOTALL)


def _behind_name(text: bytes, start: int, stop: int) -> int:
    name = _NAME.match(text, start, stop)
    return name.end() if name is not None else 0


def _some(text: bytes, start: int, stop: int, places: int) -> bytes:
    """Return a piece: between two commas there must be something."""
    piece = text[start:stop]
    if places > 2 and not piece.strip(_SPACE):
        raise msgspec.DecodeError(f"JSON is malformed: invalid character (byte {stop})")
    return piece


def _skip(text: bytes, start: int, stop: int) -> int:
    while start < stop and text[start] in _SPACE:
        start += 1
    return start


def _trimmed(text: bytes, stop: int) -> int:
    while text[stop - 1] in _SPACE:
        stop -= 1
    return stop


def _part(text: bytes, start: int, added: int) -> Any:
    """Decode a piece; an error tells the place in the whole text."""
    try:
        return _decode(text)
    except msgspec.DecodeError as error:
        words = str(error)
        position = _PLACE.search(words)
        if position is None:
            raise
        place = int(position[1]) + start - added
        raise msgspec.DecodeError(_PLACE.sub(f"(byte {place})", words)) from None

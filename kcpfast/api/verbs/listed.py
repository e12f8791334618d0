"""How a list is written: in one piece if it is short, else as it is read.

A long list goes out in chunks, each written when the client has read the one before: it waits in
the store, and not in memory. Where a page ends is known only at its end: the metadata of a long
page stand behind its objects, where the order of members means nothing. Protobuf wants to be told
first how long all of it is: such a list is walked twice, both times as of one revision.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from kcpfast.api import answer
from kcpfast.api.answer import MEDIA, Shape
from kcpfast.api.context import Api, Call
from kcpfast.api.listing import LONG_PIECE, PIECE, Piece, Walk, first_meta, list_meta
from kcpfast.api.negotiate import JSON, PROTOBUF, YAML
from kcpfast.api.selection import Selection
from kcpfast.meta.errors import ApiError
from kcpfast.registry import values
from kcpfast.transport.messages import Response, Sink, Stream, TooMuch

LOG = logging.getLogger("kcpfast.api")
# What a compressor holds.
_COMPRESSOR = 300 * 1024
_WITH_HEADER = 31
Meta = dict[str, Any]


class Listing(NamedTuple):
    """A list that was asked for."""

    api: Api
    call: Call
    selected: Selection
    shown: Shape

    def part(self, piece: Piece) -> bytes:
        """Return the JSON of some of its objects, joined by commas, in the form asked for."""
        items = piece.joined
        if items is None:
            render = values.render if self.shown.named else values.render_item
            items = b",".join([render(self.shown.resource, *item[1:]) for item in piece.items])
        return self.shown.several(items) if items else b""

    def meta(self, walked: Walk) -> Meta:
        """Return the metadata, once it was walked."""
        return self.shown.list_meta(list_meta(self.api, self.call, self.selected, walked))

    def early_meta(self, walked: Walk) -> Meta | None:
        """Return the metadata of a list that has no further page, None if it may have one."""
        if walked.limited:
            return None
        return self.shown.list_meta(first_meta(self.call, walked.revision))


async def answer_list(listing: Listing, walked: Walk) -> Response | Stream:
    """Answer with what is walked; others have their turn between its pieces.

    While it waits, for a turn or to be sent, it is charged with what has gathered.
    """
    request = listing.call.request
    holder, held = request.holder, 0
    parts: list[bytes] = []
    part = listing.part(walked.step())
    try:
        while True:
            if part:
                parts.append(part)
            if walked.done:
                body = listing.shown.around(listing.meta(walked), b",".join(parts))
                return answer.respond(listing.call, listing.shown.form, 200, body)
            if not holder.take(len(part)):
                raise TooMuch
            held += len(part)
            if held >= PIECE:
                return await _in_pieces(listing, walked, parts)
            part = await request.in_turn(lambda: listing.part(walked.step()))
    finally:
        holder.give(held)


async def _in_pieces(listing: Listing, walked: Walk, parts: list[bytes]) -> Stream:
    call = listing.call
    media, texts = await _written(listing, walked, parts)
    gathered = sum(map(len, parts))
    headers, zipped = list(call.headers), answer.takes_gzip(call)
    if zipped:
        headers += answer.ZIPPED

    def start(sink: Sink) -> Callable[[], None]:
        sending = _send(call, sink, walked, texts, gathered, zipped=zipped)
        task = asyncio.get_running_loop().create_task(sending)

        def stop() -> None:
            task.cancel()

        return stop

    return Stream(start, MEDIA[media], headers)


def _parts(listing: Listing, walked: Walk, parts: list[bytes]) -> Iterator[bytes]:
    """Yield the objects of a list, none of them twice: those read already, then the others."""
    yield _taken(parts)
    while not walked.done:
        yield listing.part(walked.step())


def _taken(parts: list[bytes]) -> bytes:
    """Return what has gathered, and keep nothing of it.

    Here and below nothing that is yielded has a name: a generator keeps what its names stand for
    until it goes on, and that is when the client has read it.
    """
    joined = b",".join(parts)
    parts.clear()
    return joined


def _after_comma(part: bytes) -> bytes:
    return b"," + part if part else b""


async def _written(
    listing: Listing, walked: Walk, gathered: list[bytes]
) -> tuple[str, Iterator[bytes]]:
    """Return the media type of a list and its text in pieces; `gathered` is used or emptied."""
    media = listing.shown.form.media
    if media == PROTOBUF:
        found = await _protobuf(listing, walked, gathered)
        if found is not None:
            return PROTOBUF, found
        media = JSON
    parts = _parts(listing, walked, gathered)
    if media == YAML:
        return YAML, _flow(_json(listing, walked, parts))
    if listing.call.parameter("pretty") not in ("", "0", "false"):
        return media, _pretty(listing, walked, parts)
    return media, _json(listing, walked, parts)


async def _send(
    call: Call, sink: Sink, walked: Walk, texts: Iterator[bytes], gathered: int, *, zipped: bool
) -> None:
    """Send a list as fast as it is read; what cannot be sent to its end is torn off.

    `gathered` are the bytes that it begins with.
    """
    holder, held = call.request.holder, _COMPRESSOR if zipped else 0
    if not holder.take(held + gathered):
        sink.cut()
        return
    try:
        compress = zlib.compressobj(1, zlib.DEFLATED, _WITH_HEADER) if zipped else None
        while (text := await call.request.in_turn(lambda: next(texts, None))) is not None:
            if compress:
                text = await asyncio.to_thread(compress.compress, text)
            if gathered:
                holder.give(gathered)
                gathered = 0
            if text:
                sink.write(text)
            del text  # who sends it holds it
            quick = not sink.pending() and not call.request.is_crowded()
            walked.piece = LONG_PIECE if quick else PIECE
            if not await sink.drained():
                return
        if compress:
            sink.write(compress.flush())
        sink.close()
    except ApiError as error:
        LOG.info("a list of %s is torn off: %s", call.route.plural, error)
        sink.cut()
    except Exception:
        LOG.exception("a list of %s is torn off", call.route.plural)
        sink.cut()
    finally:
        holder.give(held + gathered)


def _json(listing: Listing, walked: Walk, parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a list around its parts."""
    meta = listing.early_meta(walked)
    yield listing.shown.before(meta) + next(parts)
    yield from map(_after_comma, parts)
    yield listing.shown.behind(listing.meta(walked) if meta is None else None)


def _flow(texts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a list as YAML: in flow style, which is JSON."""
    from kcpfast.api.yamltext import flow  # noqa: PLC0415 - few clients ask for YAML

    yield from map(flow, texts)
    yield b"\n"


def _pretty(listing: Listing, walked: Walk, parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a list with line breaks and indentation: each part as in a list of its own."""
    shown, meta = listing.shown, listing.early_meta(walked)
    mark = b"    0\n"
    yield msgspec.json.format(shown.around(meta, b"0"), indent=2).rpartition(mark)[0]
    yield _indented(next(parts))
    yield from map(_indented_after_comma, parts)
    last = shown.around(listing.meta(walked), b"0", late=meta is None)
    yield b"\n" + msgspec.json.format(last, indent=2).rpartition(mark)[2]


def _indented(part: bytes) -> bytes:
    text = msgspec.json.format(b'{"":[%b]}' % part, indent=2)
    return text[text.index(b"[\n") + 2 : text.rindex(b"\n  ]")]


def _indented_after_comma(part: bytes) -> bytes:
    return b",\n" + _indented(part) if part else b""


async def _protobuf(
    listing: Listing, walked: Walk, gathered: list[bytes]
) -> Iterator[bytes] | None:
    """Return a list in protobuf, None if no message of its objects is known."""
    from kcpfast.resources.protobuf import ListWriter  # noqa: PLC0415 - typed clients only

    shown = listing.shown
    kind, version = shown.list_kind
    try:
        writer = ListWriter(version, kind)
    except ValueError:
        return None
    gathered.clear()  # all of it is read again
    first = walked.again(shown.joining())
    size = 0
    while not first.done:
        size += await listing.call.request.in_turn(
            lambda: len(writer.items(listing.part(first.step())))
        )
    meta = writer.meta(listing.meta(first))
    before, behind = writer.envelope(size + len(meta))

    def texts(second: Walk) -> Iterator[bytes]:
        yield before + meta
        while not second.done:
            yield writer.items(listing.part(second.step()))
        yield behind

    return texts(walked.again(shown.joining()))

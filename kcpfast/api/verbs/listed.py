"""How a list is written: in one piece if it is short, else as it is read.

A long list goes out in chunks, each written when the client has read the one before: it waits in
the store, and not in memory. Where a page ends is known only at its end: the metadata of a long
page stand behind its objects, where the order of members means nothing. Protobuf wants to be told
first how long all of it is: such a list is walked twice, both times as of one revision.

Many small objects are made ready in the turn in which they are read, a large one beside the loop.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from kcpfast.api import answer
from kcpfast.api.answer import MEDIA, Shape
from kcpfast.api.context import Api, Call
from kcpfast.api.listing import LONG_PIECE, PIECE, Piece, Unsifted, Walk, first_meta, list_meta
from kcpfast.api.negotiate import JSON, PROTOBUF, YAML
from kcpfast.api.selection import Selection
from kcpfast.meta.errors import ApiError
from kcpfast.registry import values
from kcpfast.store.contract import Joined
from kcpfast.transport.messages import Response, Sink, Stream, TooMuch

T = TypeVar("T")
LOG = logging.getLogger("kcpfast.api")
# What a compressor holds.
_COMPRESSOR = 300 * 1024
_WITH_HEADER = 31
Meta = dict[str, Any]


class Listing(NamedTuple):
    """A request for a list: what it selects, and the form of the answer."""

    api: Api
    call: Call
    selected: Selection
    shape: Shape

    def part(self, piece: Piece) -> bytes:
        """Return the JSON of a piece's objects, joined by commas, in the form of the answer."""
        items = piece.joined
        if items is None:
            render = values.render if self.shape.named else values.render_item
            items = b",".join([render(self.shape.resource, *item[1:]) for item in piece.items])
        return self.shape.several(items) if items else b""

    async def following(self, walked: Walk, make: Callable[[bytes], T]) -> T:
        """Read the next piece in this request's turn; return what `make` makes of its JSON."""

        def step() -> T | Unsifted:
            read = walked.read()
            is_long = read.is_large and not self._copies(read)
            return read if is_long else make(self.part(walked.sift(read)))

        batch = await self.call.request.in_turn(step)
        return await self.beside(walked, batch, make) if isinstance(batch, Unsifted) else batch

    async def beside(self, walked: Walk, read: Unsifted, make: Callable[[bytes], T]) -> T:
        """Return what `make` makes of the JSON of a large piece, rendered beside the loop."""
        if self._copies(read):
            return make(self.part(walked.sift(read)))
        size = self.shape.resource.weigh(read.size)
        return await self._charged(read, size, lambda: make(self.part(walked.sift(read))))

    async def _charged(self, read: Unsifted, size: int, step: Callable[[], T]) -> T:
        """Run a step beside the loop; the request is charged with its memory meanwhile.

        TooMuch if there is no room for it.
        """
        holder, held = self.call.request.holder, read.growth()
        if not holder.take(held):
            raise TooMuch
        try:
            return await self.api.aside.run(size, self.call.user.name, step)
        finally:
            holder.give(held)

    def _copies(self, read: Unsifted) -> bool:
        return isinstance(read.page, Joined) and self.writes_as_stored()

    async def piece(self, walked: Walk) -> Piece:
        """Read the next piece in this request's turn."""

        def step() -> Piece | Unsifted:
            read = walked.read()
            return read if read.is_large else walked.sift(read)

        batch = await self.call.request.in_turn(step)
        if isinstance(batch, Piece):
            return batch
        return await self._charged(batch, batch.size, lambda: walked.sift(batch))

    def writes_as_stored(self) -> bool:
        """Tell whether the JSON of objects is sent as it is."""
        form = self.shape.form
        return form.media == JSON and not form.kind and not answer.is_pretty(self.call)

    def meta(self, walked: Walk) -> Meta:
        """Return the metadata of the list, once its page was read to the end."""
        return self.shape.list_meta(list_meta(self.api, self.call, self.selected, walked))

    def early_meta(self, walked: Walk) -> Meta | None:
        """Return the metadata of a list that has no further page, None if it may have one."""
        if walked.limited:
            return None
        return self.shape.list_meta(first_meta(self.call, walked.revision))


class Text(NamedTuple):
    """How a list is written in a media type: around its parts, and each of them.

    `part` is told whether anything stands before; `copies` that it takes no time.
    """

    media: str
    before: bytes
    part: Callable[[bytes, bool], bytes]
    behind: Callable[[], bytes]
    copies: bool = False


async def answer_list(listing: Listing, walked: Walk) -> Response | Stream:
    """Answer with what is walked; others have their turn between its pieces.

    While it waits, for a turn or to be sent, it is charged with what has gathered.
    """
    holder, held = listing.call.request.holder, 0
    parts: list[bytes] = []
    read = walked.read()
    if read.is_large:
        part = await listing.beside(walked, read, bytes)
    else:
        part = listing.part(walked.sift(read))
    del read  # nobody holds what was read but its part
    try:
        while True:
            if part:
                parts.append(part)
            if walked.done and (held + len(part) < PIECE or listing.writes_as_stored()):
                body = listing.shape.around(listing.meta(walked), b",".join(parts))
                return answer.respond(listing.call, listing.shape.form, 200, body)
            if not holder.take(len(part)):
                raise TooMuch
            held += len(part)
            if held >= PIECE:
                return await _in_pieces(listing, walked, parts)
            part = await listing.following(walked, bytes)
    finally:
        holder.give(held)


async def _in_pieces(listing: Listing, walked: Walk, parts: list[bytes]) -> Stream:
    call = listing.call
    text, walked = await _text(listing, walked, parts)
    gathered, sending = sum(map(len, parts)), _Sending(listing, walked, parts, text)
    headers, zipped = list(call.headers), answer.takes_gzip(call)
    if zipped:
        headers += answer.ZIPPED

    def start(sink: Sink) -> Callable[[], None]:
        work = _send(call, sink, sending, gathered, zipped=zipped)
        task = asyncio.get_running_loop().create_task(work)

        def stop() -> None:
            task.cancel()

        return stop

    return Stream(start, MEDIA[text.media], headers)


class _Sending:
    """The text of a list, chunk by chunk; a chunk is not kept once it was returned."""

    def __init__(self, listing: Listing, walked: Walk, parts: list[bytes], text: Text) -> None:
        self.walked = walked
        self._listing, self._parts, self._text = listing, parts, text
        self._is_begun = self._is_over = self._has_parts = False

    @property
    def has_gathered(self) -> bool:
        """Whether parts that were read before wait to be sent."""
        return bool(self._parts)

    async def next(self) -> bytes | None:
        """Return the next chunk, None at the end."""
        if not self._is_begun:
            self._is_begun = True
            return self._text.before
        if self._parts:
            joined = b",".join(self._parts)
            self._parts.clear()
            size = 0 if self._text.copies else len(joined)
            who = self._listing.call.user.name
            return await self._listing.api.aside.run(size, who, self._write, joined)
        if not self.walked.done:
            return await self._listing.following(self.walked, self._write)
        if self._is_over:
            return None
        self._is_over = True
        return self._text.behind()

    def _write(self, part: bytes) -> bytes:
        if not part:
            return b""
        is_first, self._has_parts = not self._has_parts, True
        return self._text.part(part, is_first)


async def _send(call: Call, sink: Sink, sending: _Sending, gathered: int, *, zipped: bool) -> None:
    """Send a list as fast as it is read; what cannot be sent to its end is torn off.

    `gathered` are the bytes of what was read already.
    """
    holder, held = call.request.holder, _COMPRESSOR if zipped else 0
    if not holder.take(held + gathered):
        sink.cut()
        return
    try:
        compress = zlib.compressobj(1, zlib.DEFLATED, _WITH_HEADER) if zipped else None
        while (text := await sending.next()) is not None:
            if compress:
                text = await asyncio.to_thread(compress.compress, text)
            if gathered and not sending.has_gathered:
                holder.give(gathered)
                gathered = 0
            if text:
                sink.write(text)
            del text  # who sends it holds it
            quick = not sink.pending() and not call.request.is_crowded()
            sending.walked.piece = LONG_PIECE if quick else PIECE
            if not await sink.drained():
                return
        if compress:
            sink.write(compress.flush())
        sink.close()
    except (ApiError, TooMuch) as error:
        message = str(error) or "there is no room for it"
        LOG.info("a list of %s is torn off: %s", call.route.plural, message)
        sink.cut()
    except Exception:
        LOG.exception("a list of %s is torn off", call.route.plural)
        sink.cut()
    finally:
        holder.give(held + gathered)


async def _text(listing: Listing, walked: Walk, gathered: list[bytes]) -> tuple[Text, Walk]:
    """Return how a list is written, and what is to be walked from here on.

    Where all is to be read again `gathered` is emptied.
    """
    media = listing.shape.form.media
    if media == PROTOBUF:
        protobuf = await _protobuf(listing, walked, gathered)
        if protobuf is not None:
            return protobuf
        media = JSON
    if media == YAML:
        return _flow(_json(listing, walked, media)), walked
    if answer.is_pretty(listing.call):
        return _pretty(listing, walked), walked
    return _json(listing, walked, media), walked


def _json(listing: Listing, walked: Walk, media: str) -> Text:
    shape, meta = listing.shape, listing.early_meta(walked)

    def part(text: bytes, is_first: bool) -> bytes:
        return text if is_first else b"," + text

    def behind() -> bytes:
        return shape.behind(listing.meta(walked) if meta is None else None)

    return Text(media, shape.before(meta), part, behind, copies=True)


def _flow(text: Text) -> Text:
    """Return a list as YAML: in flow style, which is JSON."""
    from kcpfast.api.yamltext import flow  # noqa: PLC0415 - few clients ask for YAML

    return Text(
        YAML,
        flow(text.before),
        lambda part, is_first: flow(text.part(part, is_first)),
        lambda: flow(text.behind()) + b"\n",
    )


def _pretty(listing: Listing, walked: Walk) -> Text:
    """Return a list with line breaks and indentation: each part as in a list of its own."""
    shape, meta = listing.shape, listing.early_meta(walked)
    mark = b"    0\n"

    def part(text: bytes, is_first: bool) -> bytes:
        return _indented(text) if is_first else b",\n" + _indented(text)

    def behind() -> bytes:
        last = shape.around(listing.meta(walked), b"0", late=meta is None)
        return b"\n" + msgspec.json.format(last, indent=2).rpartition(mark)[2]

    before = msgspec.json.format(shape.around(meta, b"0"), indent=2).rpartition(mark)[0]
    return Text(JSON, before, part, behind)


def _indented(part: bytes) -> bytes:
    text = msgspec.json.format(b'{"":[%b]}' % part, indent=2)
    return text[text.index(b"[\n") + 2 : text.rindex(b"\n  ]")]


async def _protobuf(
    listing: Listing, walked: Walk, gathered: list[bytes]
) -> tuple[Text, Walk] | None:
    """Return a list in protobuf, None if no message of its objects is known."""
    from kcpfast.resources.protobuf import ListWriter  # noqa: PLC0415 - typed clients only

    shape = listing.shape
    kind, version = shape.list_kind
    try:
        writer = ListWriter(version, kind)
    except ValueError:
        return None
    gathered.clear()
    first = walked.again(shape.joining())
    size = 0
    while not first.done:
        size += await listing.following(first, lambda part: len(writer.items(part)))
    meta = writer.meta(listing.meta(first))
    before, behind = writer.envelope(size + len(meta))
    text = Text(PROTOBUF, before + meta, lambda part, _: writer.items(part), lambda: behind)
    return text, walked.again(shape.joining())

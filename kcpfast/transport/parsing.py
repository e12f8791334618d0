"""From bytes to requests, by an HTTP parser: one of these lives while a message is being read.

What could be read as two different requests by two parsers (RFC 9112 sections 6.1, 6.3 and 11.2)
is refused, and so is what is larger than a server should hold. Who sends is not known before all is
there: what has come of a message is charged to the connection.
"""

from __future__ import annotations

import re
from typing import Protocol

import httptools

from kcpfast.transport.account import Holder
from kcpfast.transport.messages import Peer, Request

MAX_BODY = 3 * 1024 * 1024
MAX_HEAD = 64 * 1024
# A header takes so much more than its text; what is smaller than a step is not charged.
_HEADER, _STEP = 200, 16 * 1024
FULL = "Too many requests, please try again later."
_REQUEST_LINE = re.compile(rb"[A-Z-]+ /\S* HTTP/1\.[01]\r\n")

_OTHER_VERSION = re.compile(rb"[A-Z-]+ \S+ HTTP/[02-9]\.[0-9]\r\n")
_UNSUPPORTED = "unsupported protocol version"


class MalformedRequest(Exception):
    """What was sent is no request: the status code of the answer, and why."""

    def __init__(self, code: int, reason: str) -> None:
        """Keep the code."""
        super().__init__(reason)
        self.code = code


class MessageReader(Protocol):
    """Who reads: told of how far a message is, and given each that is whole."""

    peer: Peer

    def head_begun(self) -> None:
        """Hear that a message begins."""

    def body_begun(self) -> None:
        """Hear that its headers are there, and good."""

    def received(self, request: Request) -> None:
        """Take a request."""


class Reading:
    """A parser and what it has told so far.

    `begun`: some of a message has come; `in_head`: its headers are not complete; `expects`: its
    body waits to be asked for; `upgrade`: it wants another protocol, which it will not get.
    """

    def __init__(self, owner: MessageReader, holder: Holder) -> None:
        """Read for a connection; what a message holds is charged to its holder."""
        self._owner = owner
        self._holder = holder
        self._parser = httptools.HttpRequestParser(self)
        self._whole = self.begun = self.upgrade = False
        self._size = self._charged = 0
        self._begin()

    def feed(self, data: bytes) -> None:
        """Read on; Refused for what is no request."""
        self._whole = False
        try:
            self._parser.feed_data(data)
            if self.in_head and not self._whole:
                # Of a header that is not complete the parser says nothing yet.
                self._partial += len(data)
                self._count(len(data))
                _check_head(self._partial)
        except httptools.HttpParserUpgrade:
            self.upgrade = True
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            raise (
                cause if isinstance(cause, MalformedRequest) else MalformedRequest(400, str(cause))
            ) from None
        except httptools.HttpParserInvalidMethodError:
            code = 405 if _REQUEST_LINE.match(data) and not self._whole else 400
            raise MalformedRequest(code, "unknown method") from None
        except httptools.HttpParserError as error:
            if _OTHER_VERSION.match(data) and not self._whole:
                raise MalformedRequest(505, _UNSUPPORTED) from None
            raise MalformedRequest(400, f"malformed request: {error}") from None

    def _begin(self) -> None:
        self.in_head = True
        self.expects = False
        self._partial = self._head_size = 0
        self.release()

    def release(self) -> None:
        """Forget what has come, and give back what it is charged with."""
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()
        self._holder.give(self._charged)
        self._size = self._charged = 0

    def end(self) -> None:
        """Forget everything: nothing more is fed.

        By hand: the parser knows this by its callbacks, and a collector may come much later.
        """
        self.release()
        del self._parser, self._owner

    def _count(self, size: int) -> None:
        """Count what a message holds; 429 if there is no room for it."""
        self._size += size
        more = self._size - self._charged
        if more >= _STEP:
            if not self._holder.take(more):
                raise MalformedRequest(429, FULL)
            self._charged += more

    # ------------------------------------------------------------------- the parser calls

    def on_message_begin(self) -> None:
        """Start a new request."""
        self._begin()
        self.begun = True
        self._owner.head_begun()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        if self._parser.get_method() == b"PRI":  # the parser would wait for the rest of the preface
            raise MalformedRequest(505, "HTTP/2 is not spoken here")
        self._url += url
        self._count(len(url))
        _check_head(len(self._url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        key = name.lower()
        self._head_size += len(name) + len(value) + 4
        self._count(len(name) + len(value) + _HEADER)
        _check_head(self._head_size + len(self._url))
        seen = self._headers.get(key)
        if seen is None:
            self._headers[key] = value
        elif key in (b"content-length", b"transfer-encoding", b"host"):
            raise MalformedRequest(400, f"header {key.decode('latin-1')} given twice")
        else:
            self._headers[key] = seen + b"\n" + value

    def on_headers_complete(self) -> None:
        """Check what frames the body before any of it is read."""
        self.in_head = False
        headers = self._headers
        if not self._parser.get_http_version().startswith("1."):  # as net/http of Go
            raise MalformedRequest(505, _UNSUPPORTED)
        if b"transfer-encoding" in headers:
            if b"content-length" in headers:
                raise MalformedRequest(400, "both Content-Length and Transfer-Encoding given")
            if headers[b"transfer-encoding"].lower() != b"chunked":
                raise MalformedRequest(400, "unsupported Transfer-Encoding")
        elif int(headers.get(b"content-length") or b"0") > MAX_BODY:
            raise MalformedRequest(413, f"limit is {MAX_BODY}")
        if b"host" not in headers and self._parser.get_http_version() == "1.1":
            raise MalformedRequest(400, "missing required Host header")
        self.expects = headers.get(b"expect", b"").lower() == b"100-continue"
        self._owner.body_begun()

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if len(self._body) + len(data) > MAX_BODY:
            raise MalformedRequest(413, f"limit is {MAX_BODY}")
        self._count(len(data))
        self._body += data

    def on_message_complete(self) -> None:
        """Hand the finished request over."""
        parser = self._parser
        path, _, query = self._target().partition("?")
        body = bytes(self._body)
        method = parser.get_method().decode("latin-1")
        request = Request(method, path, query, self._headers, body, self._owner.peer)
        # What is to be upgraded is answered as HTTP/1.1, and then closed.
        request.keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        request.version = parser.get_http_version()
        request.held, self._charged = self._charged, 0
        self._begin()
        self.begun, self._whole = False, True
        self._owner.received(request)

    def _target(self) -> str:
        target = self._url.decode("latin-1")
        if target.startswith("/"):
            return target
        _, separator, rest = target.partition("://")  # absolute form, RFC 9112 section 3.2.2
        if not separator:
            raise MalformedRequest(400, "malformed request target")
        return "/" + rest.partition("/")[2]


def _check_head(size: int) -> None:
    if size > MAX_HEAD:
        raise MalformedRequest(431, "the request's headers are too large")

"""The heads of messages: status lines and headers. Only here are header lines made.

What stands in a header may come from a stranger: a deprecation warning of a CRD, the Audit-Id of a
request, the path of a redirect. A line that is made here is one line, whatever that was.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus

from kcpfast.transport.messages import Header

_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Control characters and DEL become spaces, as Go's net/http writes line breaks.
_SPACED = bytes(32 if byte < 32 or byte == 127 else byte for byte in range(256))


def line(name: bytes, value: bytes) -> bytes:
    """Return a header as a line, line break included; control characters in it become spaces.

    ValueError for a name that is no token (RFC 9110 section 5.6.2): names are never a stranger's.
    """
    return _beginning(name) + value.translate(_SPACED) + b"\r\n"


@lru_cache(maxsize=256)
def _beginning(name: bytes) -> bytes:
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a header")
    return name + b": "


def http_date(seconds: float) -> str:
    """Return Unix time as headers have it (RFC 9110 section 5.6.7)."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))


class _DatedHead:
    """How answers begin, made once a second: the Date is in it."""

    def __init__(self) -> None:
        self._second = 0
        self._made: dict[tuple[int, bytes], bytes] = {}

    def get(self, status: int, content_type: bytes) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._made.clear()
        lines = self._made.get((status, content_type))
        if lines is None:
            date = line(b"Date", http_date(now).encode())
            media = line(b"Content-Type", content_type) if content_type else b""
            lines = self._made[status, content_type] = _LINES[status] + date + media
        return lines


_BEGUN = _DatedHead()


def head(status: int, content_type: bytes, headers: Sequence[Header], lines: bytes) -> bytes:
    """Return status line and headers up to, not including, those that frame the body.

    `lines` are headers as `line` made them.
    """
    begun = _BEGUN.get(status, content_type)
    if not headers:
        return begun + lines
    return b"".join((begun, lines, *[line(name, value) for name, value in headers]))

"""The heads of answers: status lines and headers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus

from kcpfast.transport.messages import Header

_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


def http_date(seconds: float) -> str:
    """Return Unix time as headers have it (RFC 9110 section 5.6.7)."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))


class _Begun:
    """How answers begin, made once a second: the Date is in it."""

    def __init__(self) -> None:
        self._second = 0
        self._made: dict[tuple[int, bytes], bytes] = {}

    def get(self, status: int, content_type: bytes) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._made.clear()
        found = self._made.get((status, content_type))
        if found is None:
            date = b"Date: " + http_date(now).encode() + b"\r\n"
            media = b"Content-Type: " + content_type + b"\r\n" if content_type else b""
            found = self._made[status, content_type] = _LINES[status] + date + media
        return found


_BEGUN = _Begun()


def head(status: int, content_type: bytes, headers: Sequence[Header], lines: bytes) -> bytes:
    """Return status line and headers up to, not including, those that frame the body."""
    begun = _BEGUN.get(status, content_type)
    if not headers:
        return begun + lines
    return b"".join((begun, lines, *[name + b": " + value + b"\r\n" for name, value in headers]))

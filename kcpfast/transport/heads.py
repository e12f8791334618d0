"""The heads of answers: status lines and headers."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from kcpfast.transport.messages import Header

_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class _Clock:
    """The Date header, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = b"Date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
        return self._line


_CLOCK = _Clock()


def head(status: int, content_type: bytes, headers: tuple[Header, ...] | list[Header]) -> bytes:
    """Return status line and headers up to, not including, those that frame the body."""
    parts = [_LINES[status], _CLOCK.line()]
    if content_type:
        parts.append(b"Content-Type: " + content_type + b"\r\n")
    parts += [name + b": " + value + b"\r\n" for name, value in headers]
    return b"".join(parts)

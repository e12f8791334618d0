"""What a request says in its headers is the same text, whichever way it is asked for."""

from __future__ import annotations

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

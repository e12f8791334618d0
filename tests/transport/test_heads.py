"""What is recognized by its bytes is what an HTTP parser finds in them; its twin is the parser."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kcpfast._core.heads import cut


class Twin:
    """What httptools makes of bytes; `found` holds the messages that are whole."""

    def __init__(self, data: bytes) -> None:
        self.found: list[Any] = []
        self.parser = httptools.HttpRequestParser(self)
        self.url, self.body, self.headers = b"", b"", dict[bytes, bytes]()
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        path, _, query = self.url.partition(b"?")
        self.found.append((self.parser.get_method(), path, query, self.body))


TOKENS = b"GET|POST|DELETE|HEAD| | /|/a|/|?|a=b|%2f|#|+|\n|\r|\0|\x80|abc|abcabc|3".split(b"|")
LINES = [
    b" HTTP/1.1",
    b" HTTP/1.0",
    b"",
    b"Host: a",
    b"X: y",
    b"X:\r\n y",
    b"Content-Length: 3",
    b"Content-Length: 03",
    b"Content-Length: ",
    b"content-length: 3",
    b"Transfer-Encoding: chunked",
]
PIECES = st.sampled_from([*TOKENS, *(line + b"\r\n" for line in LINES)])
TEXTS = st.lists(PIECES, max_size=12).map(b"".join)
HEADS = st.lists(PIECES.filter(lambda piece: piece.endswith(b"\r\n")), max_size=4).map(b"".join)
WHOLE = st.builds(
    lambda target, head, body: b"POST /" + target + b" HTTP/1.1\r\n" + head + b"\r\n" + body,
    st.lists(PIECES, max_size=3).map(b"".join),
    HEADS,
    st.sampled_from([b"", b"abc", b"abcabc", b"3\r\nabc\r\n0\r\n\r\n"]),
)


@given(TEXTS | WHOLE)
@example(b"PUT /a/b?c=d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
@example(b"GET / HTTP/1.1\r\n\r\n")
def test_what_is_cut_is_one_request_to_the_parser_too(data: bytes) -> None:
    found = cut(data)
    if found is None:
        return
    try:
        twin = Twin(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return  # and so its headers will never be known
    if b"transfer-encoding" in twin.headers:
        return  # nor these
    sized = b"content-length" in twin.headers
    if sized is not found.sized:
        return  # nor these
    parts = (found.method.encode(), found.path.encode(), found.query, found.body)
    assert twin.found == [parts]
    assert found.line + found.name == found.method.encode() + b" " + found.path.encode()
    assert found.line.endswith(b"/")
    assert b"/" not in found.name


CUT = [
    # request, is it cut?
    (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", True),
    (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", True),
    (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", False),
    (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcd", False),
    (b"POST /a HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\nabc", False),
    (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", False),
    (b"GET /a HTTP/1.1\r\nHost: a\r\n", False),
    (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", False),
    (b"GET /%61 HTTP/1.1\r\nHost: a\r\n\r\n", False),
    (b"GET /a  HTTP/1.1\r\nHost: a\r\n\r\n", False),
    (b"get /a HTTP/1.1\r\nHost: a\r\n\r\n", False),
    (b" GET /a HTTP/1.1\r\nHost: a\r\n\r\n", False),
    (b"", False),
    (b"GET", False),
    (b"GET ", False),
    (b"GET /", False),
]


@pytest.mark.parametrize(("data", "whole"), CUT)
def test_only_the_plainest_form_is_cut(data: bytes, whole: bool) -> None:
    assert (cut(data) is not None) is whole
    for size in range(len(data) if whole else 0):
        early = cut(data[:size])  # a head whose body is to come is never known as it stands
        assert early is None or b"ontent-" in early.block


def test_the_length_is_no_part_of_the_block() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nAccept: b\r\n\r\n%b"
    for body in (b"a", b"abc", b"x" * 1000):
        found = cut(head % (len(body), body))
        assert found is not None
        assert found.block == b"\r\nHost: a\r\nAccept: b\r\n\r\n"

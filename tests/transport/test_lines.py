"""A header line is one line, whatever strangers wrote into it; there is one maker of them."""

import re
from http import HTTPStatus
from pathlib import Path

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcpfast.transport.heads import head, line
from kcpfast.transport.outgoing import _head

ROOMS = Path(__file__).parents[2] / "kcpfast"
EVIL = [
    b"a\r\nSet-Cookie: b",
    b"a\nb",
    b"a\rb",
    b"\r\n\r\nHTTP/1.1 200 OK",
    b"\0\x01\x1f\x7f",
    b"a\tb\x0b\x0c",
    "é\u2028\x85".encode(),
]
VALUES = st.sampled_from(EVIL) | st.binary(max_size=30)


class Parsed:
    """The headers that an HTTP parser finds."""

    def __init__(self, data: bytes, kind: type = httptools.HttpResponseParser) -> None:
        self.found: list[tuple[bytes, bytes]] = []
        self.url, self.messages = b"", 0
        kind(self).feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.found.append((name, value))

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_message_complete(self) -> None:
        self.messages += 1


@given(st.lists(VALUES, max_size=5))
def test_an_answer_has_the_headers_that_were_meant(values: list[bytes]) -> None:
    headers = [(b"X-%d" % at, value) for at, value in enumerate(values)]
    lines = b"".join(line(b"Y-" + name, value) for name, value in headers)
    whole = head(200, b"text/a", headers, lines) + line(b"Content-Length", b"0") + b"\r\n"
    parsed = Parsed(whole)
    names = [name for name, _ in parsed.found]
    twice = [b"Y-" + name for name, _ in headers] + [name for name, _ in headers]
    assert names == [b"Date", b"Content-Type", *twice, b"Content-Length"]
    assert not [value for _, value in parsed.found if re.search(rb"[\x00-\x1f\x7f]", value)]


@given(VALUES)
def test_what_is_printed_stays(value: bytes) -> None:
    kept = re.sub(rb"[\x00-\x1f\x7f]", b" ", value)
    assert line(b"X", value) == b"X: " + kept + b"\r\n"


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"\x80", b"a\0"])
def test_a_name_is_a_token(name: bytes) -> None:
    with pytest.raises(ValueError, match="no name of a header"):
        line(name, b"a")


@pytest.mark.parametrize("kind", EVIL)
def test_a_media_type_is_no_exception(kind: bytes) -> None:
    for status in [each for each in HTTPStatus if each >= 200]:
        found = Parsed(head(status, kind, (), line(b"Content-Length", b"0")) + b"\r\n").found
        assert len(found) == 3


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_a_request_to_a_webhook_is_one_request(host: str, path: str, value: str) -> None:
    parsed = Parsed(_head(host, "/" + path, 0, {"X": value}), httptools.HttpRequestParser)
    assert [name for name, _ in parsed.found] == [b"Host", b"Content-Length", b"X", b"Connection"]
    assert parsed.messages == 1
    assert re.fullmatch(rb"/[!-~]*", parsed.url)


def test_nobody_else_writes_lines_of_a_head() -> None:
    """Line breaks of HTTP stand where heads and chunks are framed or read, and nowhere else."""
    framing = {
        "_core/heads.py", "cli/client/http1.py", "transport/connection.py", "transport/heads.py",
        "transport/outgoing.py", "transport/parsing.py", "transport/secure.py",
        "transport/sink.py",
    }  # fmt: skip
    found = {
        str(path.relative_to(ROOMS))
        for path in ROOMS.rglob("*.py")
        if re.search(r'\\r\\n|": " *\+', path.read_text())
    }
    assert found - framing == set()

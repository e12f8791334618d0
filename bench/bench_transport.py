"""What one request costs the connection itself: parsed, given to a `serve` that knows, answered."""

from __future__ import annotations

from typing import Any

import pytest
import uvloop

from bench.inside import CONFIG_MAPS, config_map, repeated
from kcpfast.transport.messages import Request, Response

HEADERS = (
    "Host: 127.0.0.1:6443\r\nUser-Agent: bench/1.0 (linux/amd64)\r\n"
    "Accept: application/json\r\nAuthorization: Bearer 0123456789\r\nAccept-Encoding: gzip\r\n"
)
BODY = config_map("web")
GET = f"GET {CONFIG_MAPS}/web HTTP/1.1\r\n{HEADERS}\r\n".encode()
POST = (
    f"POST {CONFIG_MAPS} HTTP/1.1\r\n{HEADERS}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
)
LONG = Response(200, b"x" * 8_000_000)
SHORT = Response(200, BODY)
_TIMES = 64


def answered(text: bytes, answer: Response, times: int) -> Any:
    """Return what sends a request many times over one connection, and how many bytes come back."""

    async def serve(_request: Request) -> Response:
        return answer

    return repeated(serve, text, times, uvloop.new_event_loop())


@pytest.mark.parametrize("text", [GET, POST], ids=["get", "post"])
def test_request(benchmark: Any, text: bytes) -> None:
    """A request parsed and answered with 1 KB."""
    benchmark.extra_info["times"] = _TIMES
    assert benchmark(answered(text, SHORT, _TIMES)) > _TIMES * len(BODY)


def test_long_answer(benchmark: Any) -> None:
    """A request parsed and answered with 8 MB."""
    assert benchmark(answered(GET, LONG, 1)) > len(LONG.body)

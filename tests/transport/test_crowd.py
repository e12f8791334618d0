"""A thousand connections that misbehave in every way at once: what they hold stays below a ceiling.

All of the transport but the ciphers and the network; bench/overload.py measures a whole server.
"""

from __future__ import annotations

import asyncio
import ssl
from itertools import cycle, islice
from typing import Any, cast

from kcpfast.transport.account import CONNECTION_BYTES, Account
from kcpfast.transport.connection import Connection, Service
from kcpfast.transport.secure import Tls
from kcpfast.transport.turns import Turns
from tests.fix_tls import Tls as Keys
from tests.transport.test_account import MISBEHAVIOR
from tests.transport.test_connection import get
from tests.transport.wire import Echo, refuse

CEILING = 32 << 20  # half of 64 MiB: allocation may waste the other half
CROWD = 1000
HIGH = 64 * 1024


class Plain:
    """In the place of TLS: what goes in comes out."""

    def __init__(self, inward: ssl.MemoryBIO, outward: ssl.MemoryBIO) -> None:
        self._inward, self._outward = inward, outward

    def do_handshake(self) -> None:
        """There is nothing to agree on."""

    def read(self, size: int) -> bytes:
        return self._inward.read(size)

    def write(self, data: bytes) -> int:
        return self._outward.write(data)

    def unwrap(self) -> None:
        """Say nothing."""


class Network(asyncio.Transport):
    """The other end; it takes nothing unless it `reads`."""

    def __init__(self, tls: Tls, address: str, *, reads: bool) -> None:
        super().__init__({"peername": (address, 1)})
        self.got, self.closed, self.most = b"", False, 0
        self._tls, self._reads = tls, reads

    def write(self, data: Any) -> None:
        self.writelines([data])

    def writelines(self, parts: Any) -> None:
        before = len(self.got)
        self.got = b"" if self._reads and self.got.endswith(b"? 0") else self.got
        self.got += b"".join(parts)
        self.most = max(self.most, len(self.got))
        if not self._reads and before <= HIGH < len(self.got):
            self._tls.pause_writing()

    def get_write_buffer_size(self) -> int:
        return 0 if self._reads else len(self.got)

    def pause_reading(self) -> None:
        """It sends what it sends."""

    def resume_reading(self) -> None:
        """It does so anyway."""

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._tls.connection_lost, None)


def opened(keys: Keys, service: Service, account: Account, address: str, *, reads: bool) -> Tls:
    tls = Tls(keys.server, lambda: Connection(service), 30.0, account, service.turns)
    tls._tls = cast("Any", Plain(tls._in, tls._out))
    tls.connection_made(Network(tls, address, reads=reads))
    return tls


async def send(tls: Tls, data: bytes) -> None:
    """Send as much as is taken: nothing to who has hung up."""
    for start in range(0, len(data), HIGH):
        if tls._lower is None or tls._lower.closed:
            return
        tls.data_received(data[start : start + HIGH])
    await asyncio.sleep(0)


async def test_a_thousand_connections_stay_below_the_ceiling(tls: Keys) -> None:
    echo, account = Echo(), Account(CEILING)
    service = Service(echo.serve, refuse, set(), {}, Turns())
    good = opened(tls, service, account, "good", reads=True)
    answers = {"answers that nobody reads": get(b"/large") * 3}
    ways = [b"", get(b"/stream"), *(MISBEHAVIOR | answers).values()]
    crowd = []
    for number, way in enumerate(islice(cycle(ways), CROWD)):
        crowd.append(opened(tls, service, account, "bad", reads=False))
        await send(crowd[-1], way or b"G")
        if number % 20 == 0:
            for sink in echo.sinks:
                sink.write(b"x" * 100_000)
            await send(good, get(b"/good"))
            await asyncio.sleep(0)
            assert good._lower.got.endswith(b"GET /good? 0"), "the other client is served"
    assert account.most <= CEILING
    assert account.held <= CEILING
    assert account.cuts > CROWD // 4
    assert good.holder.held == CONNECTION_BYTES
    # What waits below TLS is bounded by itself.
    assert max(each._lower.most for each in crowd if each._lower is not None) <= 3 * HIGH
    for each in (*crowd, good):
        each.abort()
    echo.released.set()
    while account.held:  # noqa: ASYNC110 - what is waited for happens on this loop
        await asyncio.sleep(0)

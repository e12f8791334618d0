"""Has missing certificates made beside the start, by a process that is forked for it.

The library that makes them takes 13 MB and a tenth of a second, which the server itself does not
want to spend. The fork comes before anything heavy is imported and before there are threads.

The start waits for the server's certificate alone. RSA keys take up to a second, and nobody can use
the other files before they are there: the client CA and the key of service accounts come later.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from functools import partial

from kcpfast.server.flags import Config, advertised
from kcpfast.server.lock import Lock, StartError

_READY = b"."
_SAID = 512
_Step = Callable[[], None]


class Provisioning:
    """What is being made: at first what the server shows, then what it verifies others by."""

    def __init__(self, config: Config, lock: Lock) -> None:
        """Begin with what is missing; nothing is begun if nothing is."""
        urgent, later = _steps(config)
        self._pid = 0
        if not (urgent or later):
            return
        self._pipe, pipe = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            lock.leave()
            _make(pipe, urgent, later)
        os.close(pipe)

    def wait_for_certificate(self) -> None:
        """Return once the server's certificate is there; StartError if it could not be made."""
        said = os.read(self._pipe, 1) if self._pid else _READY
        if said != _READY:
            raise _failed(said + os.read(self._pipe, _SAID))

    async def finish(self) -> None:
        """Return once all is made; StartError if something could not be made."""
        if not self._pid:
            return
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._pipe, ended.set)
        await ended.wait()
        loop.remove_reader(self._pipe)
        said = os.read(self._pipe, _SAID)
        os.close(self._pipe)
        _, status = os.waitpid(self._pid, 0)  # noqa: ASYNC222 - it has just ended
        self._pid = 0
        if status:
            raise _failed(said)

    def end(self) -> None:
        """Make no more: whoever is not finished goes with the server. The next start goes on."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _failed(said: bytes) -> StartError:
    reason = said.decode(errors="replace") or "the process that makes them ended"
    return StartError(f"keys and certificates could not be made: {reason}")


def _steps(config: Config) -> tuple[list[_Step], list[_Step]]:
    """Return how to make what is missing: what the start waits for, and what may come later."""
    urgent: list[_Step] = []
    if not config.certificate.exists():
        urgent.append(partial(_server, config))
    later: list[_Step] = []
    if not config.account_key.exists():
        later.append(partial(_account_key, config))
    if not config.client_ca.exists():
        later.append(partial(_client_ca, config))
    return urgent, later


def _make(pipe: int, urgent: list[_Step], later: list[_Step]) -> None:
    """Make everything, tell when the urgent is there or what went wrong, and end this process."""
    code = 1
    try:
        for step in urgent:
            step()
        with contextlib.suppress(BrokenPipeError):  # the server may have failed meanwhile
            os.write(pipe, _READY)
        os.nice(10)  # the server has begun to serve
        for step in later:
            step()
        code = 0
    except Exception as error:
        with contextlib.suppress(OSError):
            os.write(pipe, f"{type(error).__name__}: {error}".replace("\n", " ").encode()[:_SAID])
    finally:
        os._exit(code)


def _server(config: Config) -> None:
    from kcpfast.server.certificates import make_server  # noqa: PLC0415 - not in the server

    hosts = [advertised(config.bind_address), "localhost", "127.0.0.1", "::1"]
    hosts += [config.external_hostname, os.uname().nodename]
    hosts.append(config.base_url.partition("://")[2].partition("/")[0].rpartition(":")[0])
    make_server(config.certificate, config.key, [host for host in hosts if host])


def _client_ca(config: Config) -> None:
    from kcpfast.server.certificates import make_client_ca  # noqa: PLC0415 - not in the server

    make_client_ca(config.client_ca, config.client_ca.with_suffix(".key"))


def _account_key(config: Config) -> None:
    from kcpfast.server.certificates import make_account_key  # noqa: PLC0415 - not in the server

    make_account_key(config.account_key)

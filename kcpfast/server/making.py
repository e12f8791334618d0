"""Has missing certificates made beside the start, by a process that is forked for it.

The library that makes them takes 13 MB and a tenth of a second, which the server itself does not
want to spend. The fork comes before anything heavy is imported and before there are threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial

from kcpfast.server.flags import Config, advertised
from kcpfast.server.lock import Lock, StartError

_READY = b"."
_Step = Callable[[], None]


class Making:
    """What is being made: at first certificates, then the key of service accounts."""

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

    def wait_for_certificates(self) -> None:
        """Return once all certificates are there; StartError if they could not be made."""
        if self._pid and os.read(self._pipe, 1) != _READY:
            raise StartError("the certificates could not be made")

    async def finish(self) -> None:
        """Return once all is made; StartError if something could not be made."""
        if not self._pid:
            return
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._pipe, ended.set)
        await ended.wait()
        loop.remove_reader(self._pipe)
        os.close(self._pipe)
        _, status = os.waitpid(self._pid, 0)  # noqa: ASYNC222 - it has just ended
        if status:
            raise StartError("the key of service accounts could not be made")


def _steps(config: Config) -> tuple[list[_Step], list[_Step]]:
    """Return how to make what is missing: what the start waits for, and what may come later."""
    urgent: list[_Step] = []
    if not config.certificate.exists():
        urgent.append(partial(_server, config))
    if not config.client_ca.exists():
        urgent.append(partial(_client_ca, config))
    return urgent, [] if config.account_key.exists() else [partial(_account_key, config)]


def _make(pipe: int, urgent: list[_Step], later: list[_Step]) -> None:
    """Make everything, tell when what is urgent is there, and end this process."""
    code = 1
    try:
        for step in urgent:
            step()
        with contextlib.suppress(BrokenPipeError):  # the server may have failed meanwhile
            os.write(pipe, _READY)
        for step in later:
            step()
        code = 0
    except Exception:
        sys.excepthook(*sys.exc_info())
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

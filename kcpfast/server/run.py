"""Starts a server and stops it: the order of things, and what is said on the way."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from kcpfast import atomic
from kcpfast.api.limits.seats import Limits
from kcpfast.api.serve import Server
from kcpfast.meta import bounded
from kcpfast.meta.user import User
from kcpfast.server import memory, wire
from kcpfast.server.bootstrap import installation
from kcpfast.server.files import admin_tokens, kubeconfig
from kcpfast.server.flags import Config
from kcpfast.server.lock import StartError
from kcpfast.server.maintenance import Maintenance
from kcpfast.server.provisioning import Provisioning
from kcpfast.store.contract import Corrupted, StoreError
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.opening import look_through
from kcpfast.telemetry import inspection, log
from kcpfast.transport.account import Account
from kcpfast.transport.connection import HEADER_SECONDS, Connection, Service
from kcpfast.transport.messages import Response
from kcpfast.transport.secure import Tls
from kcpfast.transport.tls import server_context
from kcpfast.transport.turns import Turns
from kcpfast.watch.hub import Hub

_DRAIN_SECONDS = 3.0
_MEMORY_OF_A_WATCH = 64 * 1024
_LAST_WORDS_SECONDS = 3.0
_BACKLOG = 1024
_LEAST_SPACE = 64 * 1024
# Objects made, less objects gone, before the collector goes through the youngest. Writes in flight
# hold more than Python's own 700 together: they were gone through again and again, for a tenth of
# what a write costs. So many take less than a millisecond.
_YOUNG_OBJECTS = 10_000


def run(
    config: Config, provisioning: Provisioning, started: float, *, unclean: bool = False
) -> None:
    """Run a server until it is told to stop; StartError if it cannot begin, or cannot go on.

    `started` is when the process was started, as time.monotonic tells; `unclean` says that the
    last one on the directory was not stopped, but ended.
    """
    log.begin(config.verbosity, config.log_format)
    stop_tracing = _begin_tracing(config.tracing) if config.tracing is not None else None
    # A damaged page of LMDB's own ends the process by a signal: it shall say where it was.
    faulthandler.enable()
    try:
        uvloop.run(_serve(config, provisioning, started, unclean))
    except (OSError, StoreError) as error:
        raise StartError(f"cannot work on {config.root}: {_why(error, config.root)}") from None
    finally:
        if stop_tracing is not None:
            stop_tracing()


def _begin_tracing(path: Path) -> Callable[[], None]:
    """Trace requests as a file says; return what ends that. StartError says what is wrong."""
    from kcpfast.meta.yamltext.reader import read  # noqa: PLC0415 - only with the flag
    from kcpfast.telemetry import tracing  # noqa: PLC0415 - only with the flag

    try:
        tracer = tracing.Tracer(tracing.parse(read(path.read_bytes())))
    except (OSError, ValueError, tracing.TracingError) as error:
        raise StartError(f"--tracing-config-file: {error}") from None
    inspection.REQUESTS.trace(tracer.export)
    return tracer.stop


def _why(error: Exception, root: Path) -> str:
    """Return what an error is about; LMDB calls a disk that is full an input/output error."""
    disk = os.statvfs(root)
    full = disk.f_bavail * disk.f_frsize < _LEAST_SPACE
    return f"no space left on the disk ({error})" if full else str(error)


async def _serve(config: Config, provisioning: Provisioning, started: float, unclean: bool) -> None:
    heap, store, listener = memory.Heap(), _open_store(config.root, unclean), _Listener()
    try:
        tokens = admin_tokens(config.token_store)
        if config.token_file is not None:
            tokens |= _read_tokens(config.token_file)
        provisioning.wait_for_certificate()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        # For a moment it still says why, to whoever asks for its health.
        store.when_failed(partial(_end_soon, loop, stop))
        context = _tls(config)
        certificate = config.certificate.read_bytes()
        ca = certificate.decode()
        url = config.url(await listener.bind(config, context))
        parts = wire.core(store, ca)
        if store.revision() == 0:
            await store.commit(installation(parts.objects, url))
        settings = wire.Settings(
            url, ca, config.account_key, tokens, config.max_objects, _limits(config)
        )
        running = wire.server(parts, settings)
        listener.account.ceiling = _ceiling(config)
        bounded.fit(listener.account.ceiling // 2)
        running.controllers.start()
        upkeep = Maintenance(store, parts.objects, heap.tidy)
        upkeep.start()
        listener.account.tidy = heap.tidy_growth
        try:
            await listener.start(running.server)
            content = kubeconfig(url, certificate, tokens).encode()
            atomic.write(config.kubeconfig, content, durable=False)
            _announce(config, url, time.monotonic() - started)
            gc.freeze()
            gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
            gc.enable()
            await provisioning.finish()
            _trust(context, config)
            _advise(config)
            await stop.wait()
        finally:
            await listener.stop(running.hub)
            await upkeep.stop()
            await running.controllers.stop()
        if store.state().failed:
            raise StartError(store.state().failed)
    finally:
        listener.close()
        store.close()


def _end_soon(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, _reason: str) -> None:
    loop.call_later(_LAST_WORDS_SECONDS, stop.set)


def _open_store(root: Path, unclean: bool) -> LmdbStore:
    folder = root / "store"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if unclean:
            look_through(folder)
        return LmdbStore(folder)
    except Corrupted as error:
        raise StartError(f"cannot open the store in {folder}: {error}") from None
    except StoreError as error:
        raise StartError(_why(error, root)) from None
    except OSError as error:
        raise StartError(f"cannot use {folder}: {error.strerror}") from None


def _read_tokens(path: Path) -> dict[str, User]:
    from kcpfast.auth.tokens import read_token_file  # noqa: PLC0415 - only with the flag

    try:
        return read_token_file(path)
    except (OSError, ValueError) as error:
        raise StartError(f"--token-auth-file: {error}") from None


def _limits(config: Config) -> Limits:
    watches = config.max_memory // _MEMORY_OF_A_WATCH
    return Limits(config.max_requests, config.max_mutating, watches)


def _ceiling(config: Config) -> int:
    try:
        return memory.ceiling(config.max_memory)
    except ValueError as error:
        raise StartError(f"--max-memory: {error}") from None


def _tls(config: Config) -> ssl.SSLContext:
    keys = [config.key] + [config.account_key] * config.account_key.exists()
    for path in (config.certificate, *keys):
        try:
            held = path.read_bytes()
        except OSError as error:
            raise StartError(f"cannot use {path}: {error.strerror}") from None
        if path in keys and b"PRIVATE KEY-----" not in held:
            raise StartError(f"cannot use {path}: it holds no private key")
    try:
        return server_context(config.certificate, config.key, config.client_ca)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(map(str, (config.certificate, config.key, config.client_ca)))
        raise StartError(f"cannot use the certificates: {error} ({files})") from None


def _trust(context: ssl.SSLContext, config: Config) -> None:
    """Verify clients by a CA that was made while the server served already."""
    if not context.get_ca_certs():
        try:
            context.load_verify_locations(config.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise StartError(f"cannot use the certificates: {error}") from None


class _Listener:
    """The listening socket and the connections it has accepted."""

    def __init__(self) -> None:
        self.account = Account()
        self._open: set[Connection] = set()
        self._server: asyncio.AbstractServer | None = None
        self._service: Service | None = None

    async def bind(self, config: Config, context: ssl.SSLContext) -> int:
        """Listen without accepting yet, so that the port is known; StartError if it is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: self._tls(context),
                _resolvable(config.bind_address),
                config.port,
                backlog=_BACKLOG,
                start_serving=False,
            )
        except OSError as error:
            from kcpfast.server.ports import cannot_listen  # noqa: PLC0415 - hardly ever needed

            raise cannot_listen(config.bind_address, config.port, error) from None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _tls(self, context: ssl.SSLContext) -> Tls:
        assert self._service is not None
        service = self._service
        make = partial(Connection, service)
        return Tls(context, make, HEADER_SECONDS, self.account, service.turns)

    async def start(self, server: Server) -> None:
        """Begin to accept."""
        assert self._server is not None
        self._service = Service(server.serve, _refuse, self._open, {}, Turns())
        await self._server.start_serving()

    def close(self) -> None:
        """Listen no more, whatever has happened."""
        if self._server is not None:
            self._server.close()

    async def stop(self, hub: Hub) -> None:
        """Accept nothing new, end the watches, let running requests finish for a moment."""
        assert self._server is not None
        self._server.close()
        hub.close()
        for connection in list(self._open):
            connection.drain()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self._open and time.monotonic() < deadline:  # noqa: ASYNC110 - only at the end
            await asyncio.sleep(0.02)
        for connection in list(self._open):
            if connection.transport is not None:
                connection.transport.abort()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._server.wait_closed(), 1.0)


def _resolvable(host: str) -> Any:
    """Return a host as bytes: for text the loop reads the tables of international names first."""
    return [host.encode()] if host and host.isascii() else host


def _refuse(code: int, text: str) -> Response:
    """Return the answer to what is no request."""
    from kcpfast.api.answer import not_understood  # noqa: PLC0415 - only for what is malformed

    return not_understood(code, text)


def _announce(config: Config, url: str, seconds: float) -> None:
    for name in config.later:
        print(f"kcpfast: --{name} is accepted, but not at work yet", file=sys.stderr)
    print(f"kcpfast is ready at {url} after {seconds * 1000:.0f} ms", flush=True)


def _advise(config: Config) -> None:
    """Say what may be done now; every file that a start makes is there."""
    print(f"  export KUBECONFIG={config.kubeconfig}")
    print("Then, for example:")
    print("  kubectl ws tree")
    print("  kubectl create workspace my-team --enter")
    print("  kubectl api-resources", flush=True)

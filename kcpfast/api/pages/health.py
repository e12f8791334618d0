"""Paths that are about the server, not about objects: health, version, metrics, the index."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from platform import machine, python_implementation, python_version

import msgspec

from kcpfast.api.answer import plain
from kcpfast.api.context import Api
from kcpfast.api.steps.stages import Authorized
from kcpfast.store.contract import Store, StoreError
from kcpfast.telemetry import inspection
from kcpfast.transport.messages import Response

CHECKS = ("ping", "log", "etcd", "informer-sync")
_STORE = "etcd"
# What a probe of the store came to is believed for so long, and waited for so long.
_FRESH_SECONDS, _PATIENCE_SECONDS = 1.0, 5.0
_STUCK_SECONDS = {"readyz": _PATIENCE_SECONDS, "livez": 30.0, "healthz": 30.0}
_HEALTH = ("healthz", "livez", "readyz")
_INDEX = (
    "/.well-known/openid-configuration",
    "/api",
    "/api/v1",
    "/apis",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openid/v1/jwks",
    "/readyz",
    "/version",
)

_ABOUT_THE_SERVER = "shard-level endpoint not available at workspace scope\n"
_EXPOSITION = "kcpfast.telemetry.exposition"
KUBERNETES = (1, 36)
HealthPage = Callable[[Authorized], Response]


def version_info(own: str) -> dict[str, str]:
    """Return the body of /version; `own` is kcpfast's version."""
    major, minor = (str(part) for part in KUBERNETES)
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(KUBERNETES[1] - 1),
        "gitVersion": f"v{major}.{minor}.0+kcpfast-{own}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"{python_implementation().lower()}{python_version()}",
        "compiler": "cython",
        "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine(), machine()) }",
    }


class Health:
    """What the health paths say: whether the store works, as far as it was just tried.

    The format is that of a kube-apiserver (k8s.io/apiserver/pkg/server/healthz), except that the
    reason of a failure is told: there is nothing in it that is nobody's business. `/readyz` fails
    while nothing can be written, and before that when the disk is short; `/livez` and `/healthz`
    fail when only a new start may help.
    """

    def __init__(self, store: Store) -> None:
        """Begin without having tried."""
        self._store = store
        self._task: asyncio.Task[None] | None = None
        self._begun = self._ended = -math.inf
        self._result = ""

    async def answer(self, _api: Api, authorized: Authorized) -> Response:
        """Answer a health path: ok, one check of it, or with ?verbose all of them by name."""
        path, slash, check = authorized.route.rest.strip("/").partition("/")
        if slash and check not in CHECKS:
            return plain(404, "404 page not found\n", authorized.headers)
        excluded = authorized.parameters.get("exclude", [])
        asks_store = check == _STORE if slash else _STORE not in excluded
        trouble = await self._trouble(path) if asks_store else ""
        status = 500 if trouble else 200
        if slash:
            text = f"internal server error: {trouble}\n" if trouble else "ok"
        elif trouble or "verbose" in authorized.parameters:
            verdict = "failed" if trouble else "passed"
            text = "\n".join([*_lines(excluded, trouble), f"{path} check {verdict}", ""])
        else:
            text = "ok"
        return plain(status, text, authorized.headers)

    async def _trouble(self, path: str) -> str:
        """Return what is wrong with the store, as a path tells it ("" = nothing)."""
        loop = asyncio.get_running_loop()
        if self._task is None and loop.time() - self._ended >= _FRESH_SECONDS:
            self._begun = loop.time()
            self._task = loop.create_task(self._probe(loop))
        task = self._task
        if path == "readyz" and task is not None:
            await asyncio.wait({task}, timeout=_PATIENCE_SECONDS)
        state = self._store.state()
        if state.failed:
            return state.failed
        waited = loop.time() - self._begun
        if self._task is not None and waited >= _STUCK_SECONDS[path]:
            return f"the store has not answered for {waited:.0f} s"
        if path != "readyz":
            return ""
        return self._result or state.short

    async def _probe(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await self._store.probe()
            self._result = ""
        except StoreError as error:
            self._result = str(error)
        finally:
            self._ended, self._task = loop.time(), None


def _lines(excluded: Sequence[str], trouble: str) -> Iterator[str]:
    """Yield what is said of all checks."""
    for check in CHECKS:
        if check in excluded:
            yield f"[+]{check} excluded: ok"
        elif check == _STORE and trouble:
            yield f"[-]{check} failed: {trouble}"
        else:
            yield f"[+]{check} ok"


def is_health(path: str) -> bool:
    """Tell whether a path is about health."""
    return path.lstrip("/").partition("/")[0] in _HEALTH


def _of_server(page: HealthPage) -> HealthPage:
    """Return a page about the whole server, which a workspace does not have."""

    def answer(authorized: Authorized) -> Response:
        if authorized.route.cluster is not None:
            return plain(501, _ABOUT_THE_SERVER, authorized.headers)
        return page(authorized)

    return answer


async def metrics(api: Api, authorized: Authorized) -> Response:
    """Answer /metrics."""
    if authorized.route.cluster is not None:
        return plain(501, _ABOUT_THE_SERVER, authorized.headers)
    await api.aside.load(_EXPOSITION)
    from kcpfast.telemetry import exposition  # noqa: PLC0415 - for who asks

    return Response(200, exposition.exposition(), exposition.CONTENT_TYPE, authorized.headers)


def _debug(authorized: Authorized) -> Response:
    """Answer below /debug/pprof."""
    from kcpfast.api.pages import debug  # noqa: PLC0415 - for who looks for a fault

    return debug.page(authorized)


def _slow_requests(authorized: Authorized) -> Response:
    """Answer with the last requests that took long, the latest first."""
    requests = [record._asdict() for record in reversed(inspection.REQUESTS.slow)]
    return _json(authorized, {"thresholdSeconds": inspection.SLOW_SECONDS, "items": requests})


def _stuck_items(authorized: Authorized) -> Response:
    """Answer with the work items that do not come to an end, the oldest first."""
    read = inspection.STUCK_ITEMS.read
    items = [item._asdict() for item in read()] if read is not None else []
    return _json(authorized, {"items": items})


def index(authorized: Authorized) -> Response:
    """Answer / with the paths there are."""
    return _json(authorized, {"paths": list(_INDEX)})


def _json(authorized: Authorized, obj: object) -> Response:
    """Return JSON, whatever the client accepts: these answers are no API objects."""
    return Response(200, msgspec.json.encode(obj), b"application/json", authorized.headers)


def pages(own_version: str) -> Mapping[str, HealthPage]:
    """Return the handlers of exact paths."""
    version = version_info(own_version)
    return {
        "/": index,
        "/debug/pprof": _of_server(_debug),
        "/debug/pprof/goroutine": _of_server(_debug),
        "/debug/pprof/heap": _of_server(_debug),
        "/debug/requests/slow": _of_server(_slow_requests),
        "/debug/workitems/stuck": _of_server(_stuck_items),
        "/version": lambda authorized: _json(authorized, version),
    }

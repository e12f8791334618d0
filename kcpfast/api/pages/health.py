"""Paths that are about the server, not about objects: health, version, metrics, the index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from platform import machine, python_implementation, python_version

import msgspec

from kcpfast.api.answer import plain
from kcpfast.api.context import Call
from kcpfast.telemetry.metrics import exposition
from kcpfast.transport.messages import Response

CHECKS = ("ping", "log", "etcd", "informer-sync")
_HEALTH = ("healthz", "livez", "readyz")
_METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
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

KUBERNETES = (1, 36)
Page = Callable[[Call], Response]


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


def health(call: Call) -> Response:
    """Answer a health path: ok, one check of it, or with ?verbose all of them by name."""
    parts = call.route.rest.strip("/").split("/")
    if len(parts) == 2:
        if parts[1] not in CHECKS:
            return plain(404, "404 page not found\n", call.headers)
        return plain(200, "ok", call.headers)
    if "verbose" in call.parameters:
        excluded = call.parameters.get("exclude", [])
        lines = [
            f"[+]{check} excluded: ok" if check in excluded else f"[+]{check} ok"
            for check in CHECKS
        ]
        return plain(200, "\n".join([*lines, f"{parts[0]} check passed", ""]), call.headers)
    return plain(200, "ok", call.headers)


def is_health(path: str) -> bool:
    """Tell whether a path is about health."""
    return path.lstrip("/").partition("/")[0] in _HEALTH


def _of_server(page: Page) -> Page:
    """Return a page about the whole server, which a workspace does not have."""

    def answer(call: Call) -> Response:
        if call.route.cluster is not None:
            text = "shard-level endpoint not available at workspace scope\n"
            return plain(501, text, call.headers)
        return page(call)

    return answer


def metrics(call: Call) -> Response:
    """Answer /metrics."""
    return Response(200, exposition(), _METRICS_TYPE, call.headers)


def _debug(call: Call) -> Response:
    """Answer below /debug/pprof."""
    from kcpfast.api.pages import debug  # noqa: PLC0415 - for who looks for a fault

    return debug.page(call)


def index(call: Call) -> Response:
    """Answer / with the paths there are."""
    return _json(call, {"paths": list(_INDEX)})


def _json(call: Call, obj: object) -> Response:
    """Return JSON, whatever the client accepts: these answers are no API objects."""
    return Response(200, msgspec.json.encode(obj), b"application/json", call.headers)


def pages(own_version: str) -> Mapping[str, Page]:
    """Return the handlers of exact paths."""
    version = version_info(own_version)
    return {
        "/": index,
        "/debug/pprof": _of_server(_debug),
        "/debug/pprof/goroutine": _of_server(_debug),
        "/debug/pprof/heap": _of_server(_debug),
        "/metrics": _of_server(metrics),
        "/version": lambda call: _json(call, version),
    }

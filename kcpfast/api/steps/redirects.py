"""Redirects from paths that are not clean, as Go's ServeMux answers them (net/http/server.go)."""

from __future__ import annotations

from posixpath import normpath
from urllib.parse import quote

from kcpfast.api.steps.stages import Received
from kcpfast.transport.messages import Response


def redirect(received: Received) -> Response | None:
    """Return a 307 to the clean form of a path with dots or doubled slashes, None if clean."""
    path = received.route.rest
    if "//" not in path and "/." not in path:
        return None
    clean = _clean(path)
    if clean == path:
        return None
    from html import escape  # noqa: PLC0415 - few paths are not clean

    query = f"?{received.request.query}" if received.request.query else ""
    location = quote(clean) + query
    body = f'<a href="{escape(location)}">Temporary Redirect</a>.\n\n'
    headers = [*received.headers, (b"Location", location.encode())]
    return Response(307, body.encode(), b"text/html; charset=utf-8", headers)


def _clean(path: str) -> str:
    clean = "/" + normpath(path).lstrip("/")
    if path.endswith("/") and clean != "/":
        return clean + "/"
    return clean

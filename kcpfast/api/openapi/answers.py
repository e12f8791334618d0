"""Answers below /openapi, with the headers that let clients keep what they have.

See https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition and
KEP-2896 (https://kep.k8s.io/2896).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

import kcpfast
from kcpfast.api.answer import plain
from kcpfast.api.context import Api
from kcpfast.api.discovery import grouped
from kcpfast.api.negotiate import clauses
from kcpfast.api.pages.health import version_info
from kcpfast.api.steps.stages import Authorized, Located
from kcpfast.registry.derived import Shared
from kcpfast.registry.reader import Reader
from kcpfast.transport.heads import http_date
from kcpfast.transport.messages import Header, Response
from kcpfast.work.aside import LONG, Aside

if TYPE_CHECKING:
    from kcpfast.api.openapi.documents import Document, Documents
    from kcpfast.api.openapi.units import Unit

_JSON = b"application/json"
_PROTO = b"application/com.github.proto-openapi.spec.%b.v1.0+protobuf"
_UNITS_BYTES = 64 * 1024  # what units hold on to, and nobody else does
_KEPT_BYTES = 8 * _UNITS_BYTES
_YEAR = 365 * 24 * 3600
_VARY = (b"Vary", b"Accept")


class OpenApi:
    """Answers below /openapi."""

    def __init__(self, reader: Reader, aside: Aside | None = None) -> None:
        """Make documents when the first is asked for; `aside` is where `serve` makes them."""
        self._aside = aside or Aside()
        self._made: Documents | None = None
        # Few, because they hold on to all that they describe; who asks for one asks for several.
        self._known: Shared[Mapping[str, Unit]] = Shared(
            reader, _KEPT_BYTES, lambda _units: _UNITS_BYTES
        )

    async def serve(self, _api: Api, authorized: Authorized) -> Response:
        """Answer with a document: that of a thousand kinds is not made on the loop.

        All that is kept of documents is used in that other thread only.
        """
        answer = await self._aside.run(LONG, authorized.user.name, self.answer, authorized)
        return answer or plain(404, "404 page not found\n", authorized.headers)

    def answer(self, located: Located) -> Response | None:
        """Return the document, None for other paths."""
        path = located.route.rest.rstrip("/")
        if path == "/openapi/v2":
            return self._v2(located)
        if path == "/openapi/v3":
            return self._index(located)
        if path.startswith("/openapi/v3/"):
            return self._v3(located, path.removeprefix("/openapi/v3/"))
        return None

    @property
    def _documents(self) -> Documents:
        if self._made is None:
            from kcpfast.api.openapi.documents import Documents  # noqa: PLC0415 - not at start

            version = version_info(kcpfast.__version__)["gitVersion"]
            self._made = Documents({"title": "kcpfast", "version": version})
        return self._made

    def _units(self, located: Located) -> Mapping[str, Unit]:
        """Return what there is to describe; the store is read on the loop's thread."""
        return self._aside.on_loop(self._served, located)

    def _served(self, located: Located) -> Mapping[str, Unit]:
        from kcpfast.api.openapi.units import units  # noqa: PLC0415 - not at start

        view, cluster = located.view, located.cluster
        service = bool(located.route.service)
        return self._known.get(
            lambda: (type(view), view.fingerprint(cluster)),
            lambda: units(grouped(view, cluster), service=service),
        )

    # --------------------------------------------------------------------- the three answers

    def _index(self, located: Located) -> Response:
        from kcpfast.api.openapi.units import listed  # noqa: PLC0415 - not at start

        documents, prefix = self._documents, _prefix(located)
        paths = {
            unit.name: {"serverRelativeURL": _url(prefix, unit.name, documents.hash(unit))}
            for unit in self._units(located).values()
            if listed(unit)
        }
        body = msgspec.json.encode({"paths": paths})
        etag = hashlib.sha256(body).hexdigest().upper()
        return _kept_or_sent(located, body, _JSON, [(b"Etag", b'"%b"' % etag.encode())])

    def _v3(self, located: Located, name: str) -> Response:
        proto = _wants_proto(located, b"v3")
        if proto is None:
            return Response(406, b"", b"", [_VARY])
        unit = self._units(located).get(name)
        if unit is None:  # kube-apiserver, too, has nothing to say and says it with 200
            return Response(200, b"", b"", [_VARY])
        document = self._documents.v3(unit, proto=proto)
        media = _PROTO % b"v3" if proto else _JSON
        given = located.parameter("hash")
        if given and given != document.hash:
            # As recorded of kcp, which forgets the workspace here.
            location = _url("", name, document.hash).encode()
            headers = [_VARY, (b"Etag", _etag(document)), (b"Location", location)]
            return Response(301, b"", media, headers)
        if given:
            _allow_caching(located)
        return _kept_or_sent(located, document.body, media, [_VARY, *_validators(document)])

    def _v2(self, located: Located) -> Response:
        proto = _wants_proto(located, b"v2")
        if proto is None:
            return Response(406, b"", b"", [_VARY])
        zipped = "gzip" in located.request.header(b"accept-encoding")
        units = list(self._units(located).values())
        document = self._documents.v2(units, proto=proto, zipped=zipped)
        media = _PROTO % b"v2" if proto else _JSON
        headers: list[Header] = [(b"Vary", b"Accept-Encoding"), _VARY, *_validators(document)]
        if zipped:
            headers.append((b"Content-Encoding", b"gzip"))
        return _kept_or_sent(located, document.body, media, headers)


def _wants_proto(located: Located, version: bytes) -> bool | None:
    """Tell whether protobuf is the first acceptable form, None if neither form is."""
    kind = (_PROTO % version).decode()
    old = kind.replace(".v1.0+", "@v1.0+")
    for clause in clauses(located.request.header(b"accept") or "*/*"):
        if clause.media in ("application/json", "application/*", "*/*"):
            return False
        if clause.media in (kind, old):
            return True
    return None


def _prefix(located: Located) -> str:
    """Return what stands before /openapi/v3 in the request, as the client wrote it."""
    segments = located.request.path.split("/")
    count = len(segments) - located.route.rest.count("/")
    return "/".join(segments[:count])


def _url(prefix: str, name: str, digest: str) -> str:
    return f"{prefix}/openapi/v3/{name}?hash={digest}"


def _etag(document: Document) -> bytes:
    return b'"%b"' % document.hash.encode()


def _validators(document: Document) -> list[Header]:
    modified = http_date(document.created).encode()
    return [(b"Etag", _etag(document)), (b"Last-Modified", modified)]


def _allow_caching(located: Located) -> None:
    """Let everybody keep the answer for a year: its URL names its content."""
    expires = http_date(time.time() + _YEAR).encode()
    located.headers += [(b"Cache-Control", b"public, immutable"), (b"Expires", expires)]


def _kept_or_sent(located: Located, body: bytes, media: bytes, headers: list[Header]) -> Response:
    """Return the body, or 304 if the client has it.

    Only If-None-Match counts: a workspace may come to share a document that was made before the
    one it had, which If-Modified-Since would take for unchanged.
    """
    etag = next(value for name, value in headers if name == b"Etag").decode()
    known_etags = located.request.header(b"if-none-match")
    tags = [tag.strip().removeprefix("W/") for tag in known_etags.split(",")]
    if etag in tags or "*" in tags:
        return Response(304, b"", b"", headers)
    return Response(200, body, media, headers)

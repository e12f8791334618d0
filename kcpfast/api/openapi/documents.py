"""Makes the documents and keeps them, encoded, by content.

Workspaces that serve the same share everything here, and nothing is here because a workspace
exists: both caches are bounded in bytes and may lose any entry at any moment.
"""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from kcpfast.api.openapi import gnostic, v2, v3
from kcpfast.api.openapi.units import Unit
from kcpfast.api.openapi.v2 import Part
from kcpfast.meta.bounded import Bounded

_BODIES = 32 * 1024 * 1024
_HASHES = 4 * 1024 * 1024
_decode = msgspec.json.Decoder().decode


class Document(NamedTuple):
    """An encoded document; `hash` names its content, `created` is when, in seconds."""

    body: bytes
    hash: str
    created: int


class Documents:
    """All documents of a server."""

    def __init__(self, info: dict[str, str], limit: int = _BODIES) -> None:
        """Begin with none; `info` goes into each, `limit` bytes are kept at most."""
        self._info = info
        self._bodies: Bounded[Document] = Bounded(limit, lambda entry: len(entry.body))
        self._parts: Bounded[Part] = Bounded(
            limit // 2, lambda entry: len(entry.paths) + len(entry.definitions)
        )
        self._hashes: Bounded[str] = Bounded(_HASHES, len)

    def hash(self, unit: Unit) -> str:
        """Return the hash of a unit's v3 document, which is made to know it."""
        return self._hashes.get(unit.key, lambda: self.v3(unit).hash)

    def v3(self, unit: Unit, *, proto: bool = False) -> Document:
        """Return the v3 document of a unit, in JSON or protobuf; both have the same hash."""
        if not proto:
            return self._bodies.get(
                ("v3", unit.key), lambda: _document(v3.document(unit, self._info))
            )

        def encoded() -> Document:
            plain = self.v3(unit)
            return plain._replace(body=gnostic.encode("v3", "Document", _decode(plain.body)))

        return self._bodies.get(("v3 proto", unit.key), encoded)

    def v2(self, units: Sequence[Unit], *, proto: bool = False, zipped: bool = False) -> Document:
        """Return the v2 document of all units, in JSON or protobuf, compressed if asked for."""
        key = (proto, hashlib.blake2b(b"\0".join(unit.key for unit in units)).digest())
        if zipped:
            return self._bodies.get(("v2 gzip", *key), lambda: _zipped(self.v2(units, proto=proto)))
        write = v2.proto_document if proto else v2.document

        def joined() -> Document:
            return _document(write([self._part(unit, proto) for unit in units], self._info))

        return self._bodies.get(("v2", *key), joined)

    def _part(self, unit: Unit, proto: bool) -> Part:
        make: Callable[[], Part] = lambda: v2.part(unit)  # noqa: E731
        if not proto:
            return self._parts.get((False, unit.key), make)
        return self._parts.get((True, unit.key), lambda: v2.proto_part(self._part(unit, False)))


def _document(body: bytes) -> Document:
    return Document(body, hashlib.sha256(body).hexdigest().upper(), int(time.time()))


def _zipped(plain: Document) -> Document:
    return plain._replace(body=gzip.compress(plain.body, 6, mtime=0))

"""What form an answer takes: read from the Accept header.

See https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from kcpfast.meta.errors import not_acceptable

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_OFFERED = (JSON, YAML)
_TRANSFORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_META_VERSIONS = ("v1", "v1beta1")


class Form(NamedTuple):
    """A media type, and what the object is to be turned into ("" = as it is)."""

    media: str = JSON
    kind: str = ""
    version: str = "v1"


class Clause(NamedTuple):
    """One alternative of an Accept header."""

    media: str
    parameters: dict[str, str]
    quality: float


@lru_cache(maxsize=256)
def clauses(accept: str) -> tuple[Clause, ...]:
    """Split an Accept header into alternatives, best first (RFC 9110 section 12.5.1)."""
    found = []
    for part in accept.split(","):
        media, *rest = (piece.strip() for piece in part.split(";"))
        parameters = dict(piece.partition("=")[::2] for piece in rest)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        if media:
            found.append(Clause(media.lower(), parameters, quality))
    return tuple(sorted(found, key=lambda clause: -clause.quality))


@lru_cache(maxsize=512)
def negotiate(accept: str, *, builtin: bool, transforms: bool = True) -> Form:
    """Return the first acceptable form; NotAcceptable if there is none.

    Built-in kinds are read as protobuf but answered in JSON, which every client that asks for
    protobuf decodes by its Content-Type; `transforms` tells whether the answer may become a Table
    or metadata.
    """
    for clause in clauses(accept or "*/*"):
        media = JSON if clause.media in ("*/*", "application/*") else clause.media
        if media not in _OFFERED:
            continue
        kind = clause.parameters.get("as", "")
        if not kind:
            return Form(media)
        group = clause.parameters.get("g", "meta.k8s.io")
        version = clause.parameters.get("v", "v1")
        known = kind in _TRANSFORMS and group == "meta.k8s.io" and version in _META_VERSIONS
        if transforms and known:
            return Form(media, kind, version)
    if builtin and PROTOBUF in accept and "as=" not in accept:
        return Form(JSON)
    raise not_acceptable((*_OFFERED, PROTOBUF) if builtin else _OFFERED)

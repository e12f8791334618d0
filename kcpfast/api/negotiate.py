"""What form an answer takes: read from the Accept header.

See https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from __future__ import annotations

from typing import NamedTuple

from kcpfast.meta.bounded import kept_if_short
from kcpfast.meta.errors import ApiError, not_acceptable

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_OFFERED = (JSON, YAML, PROTOBUF)
_META_VERSIONS = ("v1", "v1beta1")
_MANY = ("list", "watch", "deletecollection")


class MediaForm(NamedTuple):
    """A media type, and what the object is to be turned into ("" = as it is)."""

    media: str = JSON
    kind: str = ""
    version: str = "v1"


class Clause(NamedTuple):
    """One alternative of an Accept header."""

    media: str
    parameters: dict[str, str]
    quality: float


@kept_if_short(256)
def clauses(accept: str) -> tuple[Clause, ...]:
    """Split an Accept header into alternatives, best first (RFC 9110 section 12.5.1)."""
    parsed = []
    for part in accept.split(","):
        media, *rest = (piece.strip() for piece in part.split(";"))
        parameters = dict(piece.partition("=")[::2] for piece in rest)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        if media:
            parsed.append(Clause(media.lower(), parameters, quality))
    return tuple(sorted(parsed, key=lambda clause: -clause.quality))


@kept_if_short(512)
def negotiate(accept: str, *, builtin: bool, verb: str = "", transforms: bool = True) -> MediaForm:
    """Return the first acceptable form; NotAcceptable if there is none.

    Objects are answered in protobuf to who prefers it; lists and watches only to who takes nothing
    else: their JSON need not be made, it is what is stored. `transforms` tells whether the answer
    may become a Table or metadata.
    """
    forms = [form for form in _forms(accept or "*/*", builtin, transforms) if form is not None]
    if not forms:
        raise _none_acceptable(accept, builtin)
    first = forms[0]
    if first.media == PROTOBUF and verb in _MANY:
        for form in forms:
            if form.media == JSON and form.kind == first.kind:
                return form
    _check_number(first.kind, verb)
    return first


def _forms(accept: str, builtin: bool, transforms: bool) -> list[MediaForm | None]:
    return [_form(clause, builtin, transforms) for clause in clauses(accept)]


def _form(clause: Clause, builtin: bool, transforms: bool) -> MediaForm | None:
    media = JSON if clause.media in ("*/*", "application/*") else clause.media
    if media not in _OFFERED:
        return None
    kind = clause.parameters.get("as", "")
    if not kind:
        return MediaForm(media) if builtin or media != PROTOBUF else None
    group = clause.parameters.get("g", "meta.k8s.io")
    version = clause.parameters.get("v", "v1")
    if not transforms or group != "meta.k8s.io" or version not in _META_VERSIONS:
        return None
    if kind == "Table" and media == PROTOBUF:
        return None
    kinds = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
    return MediaForm(media, kind, version) if kind in kinds else None


def _check_number(kind: str, verb: str) -> None:
    """Raise NotAcceptable for a list asked for as one object's metadata, and the reverse."""
    if not verb or not kind.startswith("Partial") or verb == "watch":
        return
    if (kind == "PartialObjectMetadataList") is not (verb in _MANY):
        thing = "a list" if verb in _MANY else "not a list"
        text = f"you requested {kind}, but the requested object is {thing}"
        raise ApiError("NotAcceptable", text)


def _none_acceptable(accept: str, builtin: bool) -> ApiError:
    error = not_acceptable(_OFFERED if builtin else _OFFERED[:2])
    if any("as" in clause.parameters for clause in clauses(accept)):
        error.details = None
    return error

"""Answers: a stored object or a list of them in the form that the client asked for."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from kcpfast.api.context import Api, Call
from kcpfast.api.negotiate import JSON, PROTOBUF, YAML, MediaForm, negotiate
from kcpfast.api.steps.stages import Received
from kcpfast.meta.cluster import CLUSTER_ANNOTATION
from kcpfast.meta.errors import ApiError, bad_request, method_not_allowed, too_many_requests
from kcpfast.registry import values
from kcpfast.registry.objects import Saved
from kcpfast.resources.resource import Resource
from kcpfast.resources.rows import partials, rows
from kcpfast.store.contract import Joining
from kcpfast.transport.messages import Response
from kcpfast.work import pieces
from kcpfast.work.aside import SMALL

MEDIA = {JSON: b"application/json", YAML: b"application/yaml", PROTOBUF: PROTOBUF.encode()}
_COMPRESS_FROM = 128 * 1024  # as kube-apiserver
ZIPPED = ((b"Content-Encoding", b"gzip"), (b"Vary", b"Accept-Encoding"))
_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_encode = msgspec.json.Encoder().encode
LOG = logging.getLogger("kcpfast.api")


class Shape(NamedTuple):
    """How objects of one resource are shown: `one` makes the JSON of a single object."""

    form: MediaForm
    resource: Resource
    include: str = ""

    def one(self, revision: int, value: bytes) -> bytes:
        """Return the JSON of one stored object, as an answer to get or create."""
        if not self.form.kind:
            return values.render(self.resource, revision, value)
        return self._transformed(revision, value, columns=True)

    def event(self, revision: int, value: bytes) -> bytes:
        """Return the JSON of one object in a watch (a Table's columns are sent once)."""
        if not self.form.kind:
            return values.render(self.resource, revision, value)
        return self._transformed(revision, value, columns=False)

    def _transformed(self, revision: int, value: bytes, *, columns: bool) -> bytes:
        items = b"[%b]" % values.render(self.resource, revision, value)
        if self.form.kind == "Table":
            return _encode(table(self, items, {"resourceVersion": str(revision)}, columns=columns))
        return _encode(partials(items, self.version)[0])

    @property
    def version(self) -> str:
        """The version of what objects are turned into."""
        return f"meta.k8s.io/{self.form.version}"

    @property
    def named(self) -> bool:
        """Whether each object of a list has kind and apiVersion: built-in ones have not."""
        return self.form.kind == "Table" and self.include == "Object"

    def joining(self) -> Joining | None:
        """Return how stored values become a list, None if they must be looked at one by one."""
        if self.resource.from_storage is not None:
            return None
        head = self.resource.head if self.named else self.resource.item_head
        return Joining(values.header(self.resource), head, lambda _revision: (b"", b""))

    @property
    def list_kind(self) -> tuple[str, str]:
        """The kind and the version of a list."""
        if self.form.kind == "Table":
            return "Table", self.version
        if self.form.kind:
            return "PartialObjectMetadataList", self.version
        return self.resource.list_kind, self.resource.api_version

    def list_meta(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Return the metadata of a list as this form of it has them."""
        if self.form.kind and not meta.get("continue"):
            return {key: value for key, value in meta.items() if key != "continue"}
        return meta

    def before(self, meta: dict[str, Any] | None) -> bytes:
        """Return what stands before the objects of a list; `meta` None stand behind them."""
        kind, version = self.list_kind
        head: dict[str, Any] = {"kind": kind, "apiVersion": version}
        if meta is not None:
            head["metadata"] = meta
        if self.form.kind == "Table":
            head["columnDefinitions"] = _columns(self.resource)
            return _encode(head)[:-1] + b',"rows":['
        return _encode(head)[:-1] + b',"items":['

    def several(self, items: bytes) -> bytes:
        """Return objects of a list, JSON joined by commas, in this form."""
        if not self.form.kind:
            return items
        if self.form.kind == "Table":
            table_rows = rows(self.resource.columns, b"[%b]" % items, self.version, self.include)
            return _encode(table_rows)[1:-1]
        return _encode(partials(b"[%b]" % items, self.version))[1:-1]

    def behind(self, meta: dict[str, Any] | None) -> bytes:
        """Return what stands behind the objects of a list: its metadata, or (None) only the end."""
        return b"]}" if meta is None else b'],"metadata":%b}' % _encode(meta)

    def around(self, meta: dict[str, Any] | None, parts: bytes, *, late: bool = False) -> bytes:
        """Return a list; `late`: its metadata stand behind the objects."""
        early, late_meta = (None, meta) if late else (meta, None)
        return b"%b%b%b" % (self.before(early), parts, self.behind(late_meta))


def shape(call: Call, resource: Resource) -> Shape:
    """Return how the client wants objects of a resource; NotAcceptable if that cannot be."""
    facts = call.facts
    if facts.shape is None:
        facts.shape = _shape(call, resource)
    return facts.shape


def _shape(call: Call, resource: Resource) -> Shape:
    include = call.parameter("includeObject")
    accept, verb = call.request.header(b"accept"), call.attributes.verb
    form = negotiate(accept, builtin=resource.builtin, verb=verb)
    if form.kind == "Table" and include not in ("", "None", "Metadata", "Object"):
        raise bad_request(f'unrecognized includeObject value: "{include}"')
    return Shape(form, resource, include)


def table(shape: Shape, items: bytes, meta: dict[str, Any], *, columns: bool) -> dict[str, Any]:
    """Return a Table with a row for each object of a JSON array."""
    resource = shape.resource
    return {
        "kind": "Table",
        "apiVersion": shape.version,
        "metadata": meta,
        "columnDefinitions": _columns(resource) if columns else [],
        "rows": rows(resource.columns, items, shape.version, shape.include),
    }


def _columns(resource: Resource) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in resource.columns
    ]


def respond(received: Received, form: MediaForm, status: int, body: bytes) -> Response:
    """Return a response with a JSON body, turned into the media type that was asked for."""
    media = MEDIA[form.media]
    if form.media == YAML:
        body = to_yaml(body)
    elif form.media == PROTOBUF:
        media, body = to_protobuf(body)
    elif is_pretty(received):
        body = msgspec.json.format(body, indent=2)
    return Response(status, body, media, received.headers)


async def saved(api: Api, call: Call, shape: Shape, stored: Saved, status: int) -> Response:
    """Return the answer to a write: the object as it is now."""
    if len(stored.value) > SMALL:
        return await _large(api, call, shape, stored, status)
    return _saved(call, shape, stored, status)


async def read_large(api: Api, call: Call, shape: Shape, revision: int, value: bytes) -> Response:
    """Return the answer to a read of one object of more than SMALL bytes, as it is stored."""
    return await _large(api, call, shape, Saved({}, revision, value), 200)


async def _large(api: Api, call: Call, shape: Shape, stored: Saved, status: int) -> Response:
    """Return an answer that goes over a large object: beside the loop, unless it is as stored."""
    form, resource = shape.form, shape.resource
    is_plain_json = form.media == JSON and not form.kind and not is_pretty(call)
    is_as_stored = stored.revision > 0 and resource.from_storage is None
    size = 0
    if not (is_plain_json and is_as_stored):
        size = resource.weigh(len(stored.value))
    if size > SMALL:
        call.claim(stored.value)
    return await api.aside.run(size, call.user.name, _saved, call, shape, stored, status)


def _saved(call: Call, shape: Shape, stored: Saved, status: int) -> Response:
    revision, value = stored.revision, stored.value
    body = shape.one(revision, value) if revision else _unsaved(shape, stored)
    return respond(call, shape.form, status, body)


def is_pretty(received: Received) -> bool:
    """Tell whether JSON is wanted with line breaks and indentation."""
    return received.parameter("pretty") not in ("", "0", "false")


def _unsaved(shape: Shape, stored: Saved) -> bytes:
    """Return the JSON of an object that a dry run made.

    A new one is not in any cluster yet, and says so by having neither resourceVersion nor the
    annotation of its cluster.
    """
    obj, form = stored.obj, shape.form
    if "resourceVersion" not in obj["metadata"]:
        obj = obj | {"metadata": _without_cluster(obj["metadata"])}
    if not form.kind:
        return _encode(obj)
    items = _encode([obj])
    if form.kind == "Table":
        return _encode(table(shape, items, {}, columns=True))
    return _encode(partials(items, shape.version)[0])


def _without_cluster(meta: dict[str, Any]) -> dict[str, Any]:
    """Return metadata without the annotation of the cluster, and without annotations if empty."""
    annotations = dict(meta["annotations"])
    annotations.pop(CLUSTER_ANNOTATION, None)
    meta = meta | {"annotations": annotations}
    if not annotations:
        del meta["annotations"]
    return meta


def respond_json(received: Received, status: int, obj: Any) -> Response:
    """Return a response with an object that has no alternative forms but YAML."""
    form = negotiate(received.request.header(b"accept"), builtin=True, transforms=False)
    return respond(received, form, status, _encode(obj))


def to_yaml(body: bytes) -> bytes:
    """Turn JSON into YAML."""
    from kcpfast.api.yamltext import write_yaml  # noqa: PLC0415 - few clients ask for YAML

    return write_yaml(body)


def to_protobuf(body: bytes) -> tuple[bytes, bytes]:
    """Return media type and body of JSON turned into protobuf; JSON stays where none is known."""
    from kcpfast.resources.protobuf import encode  # noqa: PLC0415 - typed clients only

    try:
        return MEDIA[PROTOBUF], encode(pieces.decode(body))
    except ValueError:
        return MEDIA[JSON], body


def refusal(received: Received | None, error: ApiError) -> Response:
    """Return the answer to a request that was refused. It cannot fail, whatever was refused."""
    try:
        return _refusal(received, error)
    except Exception as fault:
        LOG.error("a refusal that cannot be worded", exc_info=fault)
        status = ApiError("InternalError", "Internal error occurred: no text").status()
        return Response(500, _encode(status), MEDIA[JSON])


def _refusal(received: Received | None, error: ApiError) -> Response:
    common_headers = received.headers if received is not None else []
    if error.plain:
        return plain(error.code, error.message, [*error.headers, *common_headers])
    headers = [*error.headers, *_retry_after(error), *common_headers]
    accept = received.request.header(b"accept") if received is not None else ""
    media, body = MEDIA[JSON], _status(error)
    wanted_media = JSON
    if "yaml" in accept or "protobuf" in accept:  # else it is not looked at: it may be wrong
        wanted_media = negotiable(accept).media
    if wanted_media == YAML:
        media, body = MEDIA[YAML], to_yaml(body)
    elif wanted_media == PROTOBUF:
        media, body = to_protobuf(body)
    return Response(error.code, body, media, headers)


def _retry_after(error: ApiError) -> list[tuple[bytes, bytes]]:
    details = error.details or {}
    seconds = details.get("retryAfterSeconds")
    if isinstance(seconds, int) and seconds > 0:
        return [(b"Retry-After", b"%d" % seconds)]
    return []


def _status(error: ApiError) -> bytes:
    """Return the Status of an error; what no JSON can hold stands in it as text."""
    try:
        return _encode(error.status())
    except (UnicodeError, OverflowError, TypeError, ValueError, RecursionError):
        return _encode(_speakable(error.status()))


def _speakable(value: Any) -> Any:
    """Return a value in which JSON can hold all: no halves of characters, no boundless numbers."""
    if isinstance(value, dict):
        return {str(_speakable(key)): _speakable(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_speakable(member) for member in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and abs(value) < 1 << 63:
        return value
    return str(value).encode("utf-8", "replace").decode()


_REASONS = {
    400: "BadRequest",
    413: "RequestEntityTooLarge",
    500: "InternalError",
    503: "ServiceUnavailable",
}


def not_understood(code: int, text: str) -> Response:
    """Return the answer to what came over a connection and is no request."""
    if code == 405:
        return refusal(None, method_not_allowed())
    if code == 429:
        return refusal(None, too_many_requests())
    return refusal(None, ApiError(_REASONS.get(code, ""), text, code=code))


def negotiable(accept: str) -> MediaForm:
    """Return the form for an error: JSON where nothing else can be had."""
    try:
        return negotiate(accept, builtin=True, transforms=False)
    except ApiError:
        return MediaForm(JSON)


def compressible(received: Received, response: Response) -> bool:
    """Tell whether an answer is to be compressed: large, and for who takes gzip."""
    if len(response.body) < _COMPRESS_FROM or response.status != 200:
        return False
    return takes_gzip(received)


def takes_gzip(received: Received) -> bool:
    """Tell whether a client takes what is compressed."""
    return _TAKES_GZIP.search(received.request.header(b"accept-encoding")) is not None


async def compressed(received: Received, response: Response) -> Response:
    """Compress an answer, in a thread: nobody else waits for it. TooMuch if there is no room."""
    received.request.claim(2 * len(response.body))
    headers = [*response.headers, *ZIPPED]
    body = await asyncio.to_thread(gzip.compress, response.body, 1, mtime=0)
    return response._replace(body=body, headers=headers)


def plain(status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> Response:
    """Return a plain text answer, as the non-resource paths give."""
    nosniff = (b"X-Content-Type-Options", b"nosniff")
    return Response(status, text.encode(), b"text/plain; charset=utf-8", [*headers, nosniff])

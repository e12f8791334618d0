"""The stored form of objects: the bytes that clients receive, cut at the resourceVersion.

A value is `<header> NUL <tail>`. The tail is the object's JSON from behind the digits of its
resourceVersion; in front of it goes the served version's head. So no read decodes anything, the
revision need not be known when the value is written, and another version without conversion is
another head. The header tells the storage version and, for kinds with a schema of their own, the
schema the object was written under: where that is not the schema it is read with, the object is
decoded, pruned and defaulted as a Kubernetes server would at every read.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from kcpfast._core.jsonscan import container_end
from kcpfast.resources.resource import Object, Resource
from kcpfast.work import pieces

_encode = msgspec.json.Encoder().encode
_LARGE = 256 * 1024
_OPEN = len('{"metadata":{')


def header(resource: Resource) -> bytes:
    """Return the header of values that this resource writes, NUL included."""
    compiled = resource.compiled
    if compiled.header is None:
        version = resource.storage_version.encode()
        if resource.builtin:
            compiled.header = version + b"\0"
        else:
            schema = msgspec.json.encode(resource.schema, order="sorted")
            digest = hashlib.sha256(schema).hexdigest()[:8].encode()
            compiled.header = version + b"#" + digest + b"\0"
    return compiled.header


def encode(resource: Resource, obj: Object, old: bytes = b"") -> bytes:
    """Return the value of an object in the resource's own version.

    A resource without a header of its own keeps that of the `old` value.
    """
    if resource.to_storage is not None:
        obj = resource.to_storage(obj)
    meta = obj["metadata"]
    if "resourceVersion" in meta:
        meta = {key: value for key, value in meta.items() if key != "resourceVersion"}
    # Metadata must come first: the tail is what stands behind `{"metadata":{`.
    body = {"metadata": meta} | {
        key: value for key, value in obj.items() if key not in ("metadata", "apiVersion", "kind")
    }
    value_header = header(resource) or old[: old.index(0) + 1]
    return b'%b",%b' % (value_header, _encode(body)[_OPEN:])


def is_copied(resource: Resource, value: bytes) -> bool:
    """Tell whether the JSON of a stored object is a copy of its bytes: it is not decoded."""
    return resource.from_storage is None and value.startswith(
        resource.compiled.header or header(resource)
    )


def render(resource: Resource, revision: int, value: bytes) -> bytes:
    """Return the JSON of a stored object as clients of this resource receive it."""
    own_header = resource.compiled.header or header(resource)
    if value.startswith(own_header) and resource.from_storage is None:
        return b"%b%d%b" % (resource.head, revision, value[len(own_header) :])
    return msgspec.json.encode(decode(resource, revision, value))


def render_item(resource: Resource, revision: int, value: bytes) -> bytes:
    """Return the JSON of a stored object as an item of a list (built-in kinds leave out kind)."""
    own_header = resource.compiled.header or header(resource)
    if value.startswith(own_header) and resource.from_storage is None:
        return b"%b%d%b" % (resource.item_head, revision, value[len(own_header) :])
    obj = decode(resource, revision, value)
    if resource.builtin:
        del obj["kind"], obj["apiVersion"]
    return msgspec.json.encode(obj)


def decode(resource: Resource, revision: int, value: bytes) -> Object:
    """Return a stored object decoded, in the resource's version."""
    value_header, _, tail = value.partition(b"\0")
    obj: Object = pieces.decode(b"%b%d%b" % (resource.head, revision, tail))
    if resource.from_storage is not None:
        obj["apiVersion"] = resource.storage_version
        obj = resource.from_storage(obj)
        obj["apiVersion"] = resource.api_version
    elif not resource.builtin and value_header != header(resource)[:-1]:
        # Written under another schema: what this one does not know must not be served.
        resource.program.prune(obj)
    return obj


def metadata(value: bytes) -> dict[str, Any]:
    """Return only the metadata of a stored object, without its resourceVersion."""
    tail = value.partition(b"\0")[2]
    if len(tail) > _LARGE:
        meta: dict[str, Any] = pieces.decode(_only_metadata(tail))
    else:
        decoded: _Only = _decode_metadata(b'{"metadata":{"resourceVersion":"' + tail)
        meta = decoded.metadata
    del meta["resourceVersion"]
    return meta


def _only_metadata(tail: bytes) -> bytes:
    """Return the JSON of the metadata alone.

    A decoder would read everything behind the metadata, too. For megabytes that takes tens of
    milliseconds, during which no other thread has the interpreter.
    """
    return b'{"resourceVersion":"%b' % tail[: container_end(tail, 1) + 1]


class _Only(msgspec.Struct):
    metadata: dict[str, Any]


_decode_metadata = msgspec.json.Decoder(_Only).decode


def is_deleted(value: bytes) -> bool:
    """Tell whether a stored object has a deletionTimestamp."""
    # The search alone could be wrong: the word may stand in a spec or an annotation.
    return b'"deletionTimestamp"' in value and "deletionTimestamp" in metadata(value)


class _Labels(msgspec.Struct):
    labels: dict[str, str] = {}


class _OnlyLabels(msgspec.Struct):
    metadata: _Labels


_decode_labels = msgspec.json.Decoder(_OnlyLabels).decode


def labels(value: bytes) -> dict[str, str]:
    """Return only the labels of a stored object."""
    tail = value.partition(b"\0")[2]
    if len(tail) > _LARGE:
        return metadata(value).get("labels") or {}
    decoded: dict[str, str] = _decode_labels(
        b'{"metadata":{"resourceVersion":"' + tail
    ).metadata.labels
    return decoded

"""Request bodies: from bytes to a decoded object that its kind's schema has gone over."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from kcpfast._core.jsonscan import duplicates
from kcpfast.api.context import Call
from kcpfast.api.negotiate import JSON, PROTOBUF, YAML
from kcpfast.meta.errors import (
    ApiError,
    bad_request,
    field_invalid,
    invalid,
    unsupported_media_type,
)
from kcpfast.registry.typed import MAX_OBJECT_DEPTH, check_depth, check_head, conform, conform_part
from kcpfast.resources.resource import Object, Resource
from kcpfast.work import pieces

_JSON = JSON.encode()
# Strict errors in an answer, as sigs.k8s.io/json limits them.
_MOST_STRICT = 100


def media_type(call: Call, default: str = JSON) -> str:
    """Return the media type of the body, without parameters."""
    given = call.request.headers.get(b"content-type")
    if not given or given == _JSON:
        return JSON if given else default
    return call.request.header(b"content-type").partition(";")[0].strip().lower() or default


def parse(call: Call, *, protobuf: bool) -> tuple[Any, bool]:
    """Return the decoded body, and whether it was JSON text; ApiError 400 or 415 if it cannot."""
    media = media_type(call)
    body = call.request.body
    if media == JSON:
        return parse_json(body), True
    if media == YAML:
        return parse_yaml(body), False
    if media == PROTOBUF and protobuf:
        from kcpfast.resources.protobuf import decode  # noqa: PLC0415 - typed clients only

        try:
            obj = decode(body)
        except (ValueError, RecursionError) as error:
            raise bad_request(f"the body is not protobuf: {error}") from None
        check_depth(obj)
        return obj, False
    supported = [JSON, YAML, PROTOBUF] if protobuf else [JSON, YAML]
    raise unsupported_media_type(media, supported)


def parse_json(body: bytes) -> Any:
    """Decode JSON; BadRequest if it is not."""
    try:
        value = pieces.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None
    if body.count(b"{") + body.count(b"[") > MAX_OBJECT_DEPTH:
        check_depth(value)
    return value


def parse_yaml(body: bytes) -> Any:
    """Decode YAML as sigs.k8s.io/yaml does; BadRequest if it is not."""
    from kcpfast.meta.yamltext.reader import read  # noqa: PLC0415 - few clients send YAML

    if body.lstrip()[:1] == b"{":
        with contextlib.suppress(ApiError):
            return parse_json(body)  # which is YAML, and is what most clients call so
    try:
        value = read(body)
    except ValueError as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from None
    check_depth(value)
    return value


def read_object(call: Call, resource: Resource, validation: str, new: bool = False) -> Object:
    """Return the object in the body: pruned, defaulted, and of the right kind.

    `new` is for a create. What its schema does not know is refused (`validation` Strict), warned
    of (Warn) or dropped.
    """
    obj, is_json = parse(call, protobuf=resource.builtin)
    check_type(resource, obj)
    if new:
        drop_status(resource, obj)
    repeated: list[str] = []
    if is_json and validation != "Ignore":
        repeated = duplicates(call.request.body)
    unknown = conform(resource, obj)  # prunes and defaults
    report(call, resource, validation, repeated, unknown)
    return dict(obj)


def drop_status(resource: Resource, obj: Object) -> None:
    """Remove the status of a new object of a custom kind that has a status subresource.

    The strategies of built-in kinds do so themselves.
    """
    if resource.status and not resource.builtin:
        obj.pop("status", None)


def check_type(resource: Resource, obj: Any) -> None:
    """Check apiVersion and kind, fill them in where a built-in kind leaves them out."""
    version, kind = check_head(obj)
    if kind == resource.kind and version == resource.api_version:
        return
    if resource.builtin:
        version, kind = version or resource.api_version, kind or resource.kind
        if (version, kind) != (resource.api_version, resource.kind):
            raise _not_handled(resource, version, kind)
        obj["apiVersion"], obj["kind"] = version, kind
        return
    if not kind:
        raise bad_request("Object 'Kind' is missing in the body")
    if version != resource.api_version:
        given_version = version or None
        text = (
            f"the API version in the data ({given_version}) does not match the expected API version"
        )
        raise bad_request(f"{text} ({resource.api_version})")
    if kind != resource.kind:
        meta = obj.get("metadata")
        name = meta.get("name", "") if isinstance(meta, dict) else ""
        cause = field_invalid("kind", kind, f"must be {resource.kind}")
        raise invalid(kind, resource.group, name if isinstance(name, str) else "", [cause])


def _not_handled(resource: Resource, group_version: str, kind: str) -> ApiError:
    return bad_request(
        f'{kind} in version "{group_version}" cannot be handled as a {resource.kind}: the object '
        f"provided is not a {resource.api_version} {resource.kind}"
    )


def read_part(call: Call, definition: str, kind: str, api_version: str) -> Object:
    """Return the body of a request about something that is no resource: options, a TokenRequest.

    BadRequest if it is of another kind, or of other types than the built-in definition.
    """
    obj, _ = parse(call, protobuf=True)
    version, given = check_head(obj)
    if (version or api_version, given or kind) != (api_version, kind):
        given_version = version or api_version
        raise bad_request(f'{given} in version "{given_version}" cannot be handled as a {kind}')
    obj["apiVersion"], obj["kind"] = api_version, kind
    conform_part(definition, kind, api_version.rpartition("/")[2], obj)
    return dict(obj)


def report(
    call: Call, resource: Resource, validation: str, repeated: list[str], unknown: list[str]
) -> None:
    """Refuse or warn of fields that stand twice or that nobody knows (KEP-2885)."""
    if validation == "Ignore" or not (repeated or unknown):
        return
    texts = [f'duplicate field "{path}"' for path in repeated]
    texts += [f'unknown field "{path}"' for path in unknown]
    del texts[_MOST_STRICT:]
    if validation == "Strict":
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: strict decoding error: {', '.join(texts)}"
        )
    call.warnings += texts

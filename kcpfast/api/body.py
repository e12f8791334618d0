"""Request bodies: from bytes to a decoded object that its kind's schema has gone over."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

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
# Bytes of a body that an error shows: as transformDecodeError does, and of one without a kind.
_SUMMARY, _SHOWN = 30, 2000


def media_type(call: Call, default: str = JSON) -> str:
    """Return the media type of the body, without parameters."""
    given = call.request.headers.get(b"content-type")
    if not given or given == _JSON:
        return JSON if given else default
    return call.request.header(b"content-type").partition(";")[0].strip().lower() or default


class Parsed(NamedTuple):
    """A decoded body. `repeated` names the fields that stand twice, `errors` is that for Strict."""

    value: Any
    repeated: Sequence[str] = ()
    errors: Sequence[str] = ()


def parse(call: Call, kind: str, *, protobuf: bool, strict: bool = False) -> Parsed:
    """Return the decoded body, which should be of a kind; ApiError 400 or 415 if it cannot be.

    `strict` asks for the fields that stand twice.
    """
    media = media_type(call)
    body = call.request.body
    if media == JSON:
        value = parse_json(body, kind)
        texts = [f'duplicate field "{path}"' for path in duplicates(body)] if strict else ()
        return Parsed(value, texts, texts)
    if media == YAML:
        return _parse_yaml(body, kind, strict=strict)
    if media == PROTOBUF and protobuf:
        from kcpfast.resources.protobuf import decode  # noqa: PLC0415 - typed clients only

        try:
            obj = decode(body)
        except (ValueError, RecursionError) as error:
            raise bad_request(f"the body is not protobuf: {error}") from None
        check_depth(obj)
        return Parsed(obj)
    supported = [JSON, YAML, PROTOBUF] if protobuf else [JSON, YAML]
    raise unsupported_media_type(media, supported)


def parse_json(body: bytes, kind: str = "") -> Any:
    """Decode JSON, of what should be a kind; BadRequest if it is none."""
    try:
        value = decode_json(body)
    except ValueError as error:
        message = f"couldn't get version/kind; json parse error: {error}"
        raise unrecognized(kind, message, body) from None
    if body.count(b"{") + body.count(b"[") > MAX_OBJECT_DEPTH:
        check_depth(value)
    return value


def decode_json(body: bytes) -> Any:
    """Decode JSON; ValueError, in the words of Go's decoder, if it is none."""
    try:
        return pieces.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _decode_broken(body)


def _decode_broken(body: bytes) -> Any:
    """Decode JSON whose characters are broken, as Go does; ValueError for all else."""
    from kcpfast.api import gojson  # noqa: PLC0415 - only for what is no JSON

    try:
        return pieces.decode(gojson.repaired(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = gojson.complaint(body)
        if not message:
            number = gojson.large_number(body)
            message = f"json: cannot unmarshal number {number} into Go value of type float64"
            message = message if number else str(error)
    except RecursionError:
        message = "exceeded max depth"
    raise ValueError(message)


def unrecognized(kind: str, message: str, body: bytes) -> ApiError:
    """Return the refusal of a body that does not even say what it is.

    Source: apiserver/pkg/endpoints/handlers/rest.go, transformDecodeError.
    """
    if not kind:
        return bad_request(message)
    shown = body[:_SUMMARY]
    summary = shown.decode("utf-8", "replace") if shown[:1] == b"{" else shown.hex()
    if len(body) > _SUMMARY:
        summary += " ..."
    summary = summary or "<empty>"
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind}): {message} ({summary})"
    )


def _parse_yaml(body: bytes, kind: str, *, strict: bool) -> Parsed:
    """Decode YAML as sigs.k8s.io/yaml does; BadRequest if it is not."""
    try:
        parsed = read_yaml(body, strict=strict)
    except ValueError as error:
        message = str(error) if kind else f"error converting YAML to JSON: {error}"
        raise unrecognized(kind, message, body) from None
    check_depth(parsed.value, numbers=True)  # sigs.k8s.io/yaml makes JSON of it first
    return parsed


def read_yaml(body: bytes, *, strict: bool) -> Parsed:
    """Read YAML; ValueError, in the words of goyaml, if it is none. Its depth is not checked."""
    from kcpfast.meta.yamltext.reader import read  # noqa: PLC0415 - few clients send YAML

    if body.lstrip()[:1] == b"{":
        with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            value = pieces.decode(body)  # which is YAML, and is what most clients call so
            if not strict or not duplicates(body):
                return Parsed(value)
    repeated: list[str] | None = [] if strict else None
    value = read(body, repeated)
    if not repeated:
        return Parsed(value)
    del repeated[_MOST_STRICT:]
    lines = "".join(f"\n  {text}" for text in repeated)
    return Parsed(value, repeated, [f"yaml: unmarshal errors:{lines}"])


def read_object(call: Call, resource: Resource, validation: str, new: bool = False) -> Object:
    """Return the object in the body: pruned, defaulted, and of the right kind.

    `new` is for a create. What its schema does not know is refused (`validation` Strict), warned
    of (Warn) or dropped.
    """
    strict = validation != "Ignore"
    parsed = parse(call, resource.kind, protobuf=resource.builtin, strict=strict)
    obj = parsed.value
    if obj is None and resource.builtin:
        obj = {}  # as Go decodes null into a struct
    check_type(resource, obj, call.request.body)
    if new:
        drop_status(resource, obj)
    unknown = conform(resource, obj)  # prunes and defaults
    report(call, resource, validation, parsed, unknown)
    return dict(obj)


def drop_status(resource: Resource, obj: Object) -> None:
    """Remove the status of a new object of a custom kind that has a status subresource.

    The strategies of built-in kinds do so themselves.
    """
    if resource.status and not resource.builtin:
        obj.pop("status", None)


def check_type(resource: Resource, obj: Any, body: bytes) -> None:
    """Check apiVersion and kind, fill them in where a built-in kind leaves them out.

    `body` is the text that the object was in, or something like it.
    """
    try:
        version, kind = check_head(obj) if obj is not None else ("", "")
    except ApiError as error:
        raise unrecognized(resource.kind, error.message, body) from None
    if kind == resource.kind and version == resource.api_version:
        return
    if resource.builtin:
        version, kind = version or resource.api_version, kind or resource.kind
        if (version, kind) != (resource.api_version, resource.kind):
            raise _not_handled(resource, version, kind)
        obj["apiVersion"], obj["kind"] = version, kind
        return
    if not kind:
        text = body[:_SHOWN].decode("utf-8", "replace")
        raise unrecognized(resource.kind, f"Object 'Kind' is missing in '{text}'", body)
    if version != resource.api_version:
        text = f"the API version in the data ({version}) does not match the expected API version"
        raise bad_request(f"{text} ({resource.api_version})")
    if kind != resource.kind:
        meta = obj.get("metadata")
        name = meta.get("name", "") if isinstance(meta, dict) else ""
        cause = field_invalid("kind", kind, f"must be {resource.kind}")
        raise invalid(kind, resource.group, name if isinstance(name, str) else "", [cause])


def _not_handled(resource: Resource, group_version: str, kind: str) -> ApiError:
    version = group_version.rpartition("/")[2]
    message = (
        f'no kind "{kind}" is registered for version "{group_version}" in scheme '
        f'"pkg/runtime/scheme.go:111"'
    )
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {message}'
    )


def read_part(call: Call, definition: str, kind: str, api_version: str) -> Object:
    """Return the body of a request about something that is no resource: options, a TokenRequest.

    BadRequest if it is of another kind, or of other types than the built-in definition.
    """
    obj = parse(call, kind, protobuf=True).value
    version, given = check_head(obj)
    if (version or api_version, given or kind) != (api_version, kind):
        given_version = version or api_version
        raise bad_request(f'{given} in version "{given_version}" cannot be handled as a {kind}')
    obj["apiVersion"], obj["kind"] = api_version, kind
    conform_part(definition, kind, api_version.rpartition("/")[2], obj)
    return dict(obj)


def report(
    call: Call, resource: Resource, validation: str, parsed: Parsed, unknown: list[str]
) -> None:
    """Refuse or warn of fields that stand twice or that nobody knows (KEP-2885)."""
    if validation == "Ignore" or not (parsed.repeated or unknown):
        return
    fields = [f'unknown field "{path}"' for path in unknown]
    if validation == "Strict":
        texts = [*parsed.errors, *fields][:_MOST_STRICT]
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: strict decoding error: {', '.join(texts)}"
        )
    call.warnings += [*parsed.repeated, *fields][:_MOST_STRICT]

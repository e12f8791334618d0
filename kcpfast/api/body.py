"""Request bodies: from bytes to a decoded object that its kind's schema has gone over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from kcpfast._core import schema as core
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
from kcpfast.resources.resource import Object, Resource
from kcpfast.schema.program import TYPE_NAMES

_decode_json: Callable[[bytes], Any] = msgspec.json.Decoder().decode


def media_type(call: Call, default: str = JSON) -> str:
    """Return the media type of the body, without parameters."""
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
            return decode(body), False
        except ValueError as error:
            raise bad_request(f"the body is not protobuf: {error}") from None
    supported = [JSON, YAML, PROTOBUF] if protobuf else [JSON, YAML]
    raise unsupported_media_type(media, supported)


def parse_json(body: bytes) -> Any:
    """Decode JSON; BadRequest if it is not."""
    try:
        return _decode_json(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None


def parse_yaml(body: bytes) -> Any:
    """Decode YAML 1.1, as sigs.k8s.io/yaml does; BadRequest if it is not."""
    from kcpfast.api.yamltext import YamlError, read_yaml  # noqa: PLC0415 - few clients send YAML

    if body.lstrip()[:1] == b"{":
        with contextlib.suppress(ApiError):
            return parse_json(body)  # which is YAML, and is what most clients call so
    try:
        return read_yaml(body)
    except YamlError as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from None


def read_object(call: Call, resource: Resource, validation: str, *, new: bool = False) -> Object:
    """Return the object in the body: pruned, defaulted, and of the right kind.

    `new` is for a create. What its schema does not know is refused (`validation` Strict), warned
    of (Warn) or dropped.
    """
    obj, is_json = parse(call, protobuf=resource.builtin)
    check_type(resource, obj)
    if new and resource.status and not resource.builtin:
        obj.pop("status", None)  # it is the status subresource's to write
    repeated = duplicates(call.request.body) if is_json and validation != "Ignore" else []
    unknown = conform(resource, obj)
    report(call, resource, validation, repeated, unknown)
    return dict(obj)


def check_type(resource: Resource, obj: Any) -> None:
    """Check apiVersion and kind, fill them in where a built-in kind leaves them out."""
    if not isinstance(obj, dict):
        raise bad_request("couldn't get version/kind; json parse error: the body is no object")
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if resource.builtin:
        given = (version or resource.api_version, kind or resource.kind)
        if given != (resource.api_version, resource.kind):
            raise _not_handled(resource, given)
        obj["apiVersion"], obj["kind"] = given
        return
    if not kind:
        raise bad_request("Object 'Kind' is missing in the body")
    if version != resource.api_version:
        text = f"the API version in the data ({version}) does not match the expected API version"
        raise bad_request(f"{text} ({resource.api_version})")
    if kind != resource.kind:
        meta = obj.get("metadata")
        name = meta.get("name", "") if isinstance(meta, dict) else ""
        cause = field_invalid("kind", kind, f"must be {resource.kind}")
        raise invalid(str(kind), resource.group, name, [cause])


def _not_handled(resource: Resource, given: tuple[Any, Any]) -> ApiError:
    group_version, kind = given
    return bad_request(
        f'{kind} in version "{group_version}" cannot be handled as a {resource.kind}: the object '
        f"provided is not a {resource.api_version} {resource.kind}"
    )


def conform(resource: Resource, obj: Object) -> list[str]:
    """Prune and default an object in place; return the paths of unknown fields.

    What Go could not decode (a wrong type in a built-in kind, or in anybody's metadata) is 400.
    """
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    root = resource.program.root
    found = core.Report(True, not resource.builtin, resource.builtin)
    core.run(root, obj, found)
    _refuse_types(resource, found.errors, "")
    if not resource.builtin:
        of_meta = core.Report(False, False, True)
        core.run(root.properties["metadata"], obj["metadata"], of_meta)
        _refuse_types(resource, of_meta.errors, "metadata")
    unknown: list[str] = found.unknown
    return unknown if resource.builtin else sorted(unknown)


def _refuse_types(resource: Resource, errors: list[Any], prefix: str) -> None:
    for path, code, value, detail in errors:
        if code == core.TOO_DEEP:
            raise bad_request("the object is nested too deeply")
        whole = f"{prefix}.{path}" if prefix and path else prefix or path
        _refuse_type(resource, whole, code, value, detail)


def _refuse_type(resource: Resource, path: str, code: int, value: Any, detail: Any) -> None:
    if code not in (core.TYPE, core.FORMAT, core.RANGE):
        return
    wanted = TYPE_NAMES[detail] if code == core.TYPE else detail
    if code == core.RANGE:
        wanted = detail[1] or detail[0]
    raise bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        f"json: cannot unmarshal {_go_kind(value)} into Go struct field {resource.kind}.{path} of "
        f"type {wanted}"
    )


def _go_kind(value: Any) -> str:
    for kind, name in ((bool, "bool"), (str, "string"), (int, "number"), (float, "number")):
        if isinstance(value, kind):
            return name
    return "array" if isinstance(value, list) else "object"


def report(
    call: Call, resource: Resource, validation: str, repeated: list[str], unknown: list[str]
) -> None:
    """Refuse or warn of fields that stand twice or that nobody knows (KEP-2885)."""
    if validation == "Ignore" or not (repeated or unknown):
        return
    texts = [f'duplicate field "{path}"' for path in repeated]
    texts += [f'unknown field "{path}"' for path in unknown]
    if validation == "Strict":
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: strict decoding error: {', '.join(texts)}"
        )
    call.warnings += texts

"""patch: PATCH with a JSON patch, a merge patch, a strategic merge patch, or an apply."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from kcpfast._core.jsonscan import duplicates
from kcpfast.api import answer
from kcpfast.api.body import Parsed, check_type, decode_json, drop_status, media_type, read_yaml
from kcpfast.api.context import Api, Call
from kcpfast.api.fields import reset_fields, writer
from kcpfast.api.options import WriteOptions, write_options
from kcpfast.api.verbs.pipeline import change_object, create_object
from kcpfast.api.verbs.update import check_names, check_version, create_or_change
from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import (
    ApiError,
    bad_request,
    conflict,
    field_forbidden,
    field_invalid,
    field_required,
    invalid,
    unsupported_media_type,
)
from kcpfast.registry.merging import node_of
from kcpfast.registry.objects import Saved
from kcpfast.registry.typed import check_depth, check_head, check_metadata, conform, go_kind
from kcpfast.resources.resource import Object, Resource
from kcpfast.transport.messages import Response

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_SHOWN = 2000  # characters of a patch that an error quotes


async def patch(api: Api, call: Call) -> Response:
    """Change an object by the patch in the body, and answer 200 with it.

    An apply to an object that is not there creates it (201). 415 for a kind of patch that the
    resource does not take, 404 if there is nothing to patch.
    """
    resource = call.resource
    shape = answer.shape(call, resource)
    options = write_options(call, "PatchOptions")
    media = media_type(call, default="")
    kinds = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
    if resource.builtin:
        kinds.insert(2, STRATEGIC_PATCH)
    if media not in kinds:
        raise _unsupported(media, kinds, builtin=resource.builtin)
    _check_options(call, options, applies=media == APPLY_PATCH)
    if media == APPLY_PATCH:
        return await _apply(api, call, options, shape)
    body = await api.aside.run(call.weigh(), call.user.name, _parse, call, options, media)

    def change(old: Object) -> Object:
        return _patched(call, options, media, body, old)

    saved = await change_object(api, call, options, change)
    return await answer.saved(api, call, shape, saved, 200)


def _unsupported(media: str, kinds: list[str], *, builtin: bool) -> ApiError:
    error = unsupported_media_type(media, kinds)
    error.details = {} if builtin else None
    return error


def _check_options(call: Call, options: WriteOptions, *, applies: bool) -> None:
    causes = []
    if applies and not options.manager:
        message = "is required for apply patch"
        causes.append(field_required("fieldManager", message))
    if not applies and "force" in call.parameters:
        causes.append(field_forbidden("force", "may not be specified for non-apply patch"))
    if causes:
        raise invalid("PatchOptions", "meta.k8s.io", "", causes)


def _parse(call: Call, options: WriteOptions, media: str) -> Any:
    """Return the decoded patch; BadRequest, in the words of Go's decoder, if it is none."""
    body = call.request.body
    try:
        value = decode_json(body)
        _check_shape(value, media)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from None
    check_depth(value)
    if options.validation != "Ignore":
        prefix = "json patch " if media == JSON_PATCH else ""
        _report(call, options, [f'{prefix}duplicate field "{path}"' for path in duplicates(body)])
    return [] if value is None and media == JSON_PATCH else value


def _check_shape(value: Any, media: str) -> None:
    """Raise ValueError for what Go would not decode into a patch."""
    if value is None:
        return
    if media != JSON_PATCH:
        if not isinstance(value, dict):
            raise ValueError(_unfit(value, "value of type map[string]interface {}"))
        return
    if not isinstance(value, list):
        raise ValueError(_unfit(value, "value of type []handlers.jsonPatchOp"))
    for operation in value:
        if not isinstance(operation, dict):
            raise ValueError(_unfit(operation, "value of type handlers.jsonPatchOp"))
        for key in ("op", "from", "path"):
            text = operation.get(key)
            if text is not None and not isinstance(text, str):
                raise ValueError(_unfit(text, f"struct field jsonPatchOp.{key} of type string"))


def _unfit(value: Any, where: str) -> str:
    return f"json: cannot unmarshal {go_kind(value)} into Go {where}"


def _patched(call: Call, options: WriteOptions, media: str, body: Any, old: Object) -> Object:
    resource = call.resource
    if media == JSON_PATCH:
        from kcpfast.patch.json_patch import apply_json_patch  # noqa: PLC0415 - one of four

        new = apply_json_patch(old, body)
    elif media == MERGE_PATCH:
        from kcpfast.patch.merge_patch import apply_merge_patch  # noqa: PLC0415 - one of four

        new = apply_merge_patch(old, body)
    else:
        from kcpfast.patch.strategic import apply_strategic_patch  # noqa: PLC0415 - one of four

        new = apply_strategic_patch(old, body, node_of(resource))
    new = copy_json(new)
    unknown = _conformed(resource, new)
    _report(call, options, [f'unknown field "{path}"' for path in unknown])
    _check_kept(call, new, old)
    return dict(new)


def _conformed(resource: Resource, new: Any) -> list[str]:
    """Prune and default what a patch made; return the fields that the schema does not know.

    Invalid, with the patched object in it, if it cannot be decoded any more.
    """
    try:
        check_type(resource, new, b"")
        return conform(resource, new)
    except ApiError as error:
        if error.reason != "BadRequest":
            raise
        text = msgspec.json.encode(new).decode()[:_SHOWN]
        raise invalid("", "", "", [field_invalid("patch", text, error.message)]) from None


def _report(call: Call, options: WriteOptions, texts: list[str]) -> None:
    if not texts or options.validation == "Ignore":
        return
    if options.validation == "Strict":
        patch_text = call.request.body.decode("utf-8", "replace")[:_SHOWN]
        message = f"strict decoding error: {', '.join(texts)}"
        raise invalid("", "", "", [field_invalid("patch", patch_text, message)])
    call.warnings += texts


def _check_kept(call: Call, new: Object, old: Object) -> None:
    """Check that a patch leaves an object's name alone, and meets the stored object it names."""
    meta, was = new["metadata"], old["metadata"]
    check_names(call, new)
    meta.setdefault("resourceVersion", was["resourceVersion"])
    check_version(call.resource, new, old)


# ------------------------------------------------------------------------- apply


async def _apply(api: Api, call: Call, options: WriteOptions, shape: answer.Shape) -> Response:
    if call.route.subresource:
        saved = await _apply_to_existing(api, call, options)
        return await answer.saved(api, call, shape, saved, 200)
    saved, code = await create_or_change(
        api,
        call,
        partial(_apply_to_nothing, api, call, options),
        partial(_apply_to_existing, api, call, options),
    )
    return await answer.saved(api, call, shape, saved, code)


def _configuration(call: Call, options: WriteOptions) -> tuple[Any, Parsed]:
    """Return the configuration to apply, and the body that it was in."""
    try:
        parsed = read_yaml(call.request.body, strict=options.validation != "Ignore")
    except ValueError as error:
        message = f"error decoding YAML: error converting YAML to JSON: {error}"
        raise bad_request(message) from None
    configuration = parsed.value
    check_depth(configuration)
    check_head(configuration)
    check_metadata(call.resource, configuration)
    name = configuration["metadata"].get("name") or ""
    if name and name != call.route.name:
        raise bad_request(
            f"metadata.name must match the name on the URL: {name} != {call.route.name}"
        )
    configuration["metadata"]["name"] = call.route.name
    return configuration, parsed


def _report_repeated(call: Call, options: WriteOptions, parsed: Parsed) -> None:
    """Refuse or warn of fields of a configuration that stand twice, once it could be applied."""
    if options.validation == "Strict" and parsed.errors:
        text = f"error strict decoding YAML: error converting YAML to JSON: {parsed.errors[0]}"
        raise bad_request(text)
    call.warnings += parsed.repeated


async def _apply_to_existing(api: Api, call: Call, options: WriteOptions) -> Saved:
    from kcpfast.patch.server_side_apply import apply  # noqa: PLC0415 - one of four

    resource = call.resource

    def change(old: Object) -> Object:
        configuration, parsed = _configuration(call, options)
        applied = apply(
            old,
            configuration,
            node_of(resource),
            writer(call, options),
            kind=resource.kind,
            force=options.force,
            reset_fields=reset_fields(resource, call.route.subresource),
        )
        new = applied.object
        _report_repeated(call, options, parsed)
        unknown = conform(resource, new)
        _report(call, options, [f'unknown field "{path}"' for path in unknown])
        check_version(resource, new, old)
        return new

    return await change_object(api, call, options, change, applied=True)


async def _apply_to_nothing(api: Api, call: Call, options: WriteOptions) -> Saved:
    from kcpfast.patch.server_side_apply import apply  # noqa: PLC0415 - one of four

    resource = call.resource

    def decode() -> Object:
        configuration, parsed = _configuration(call, options)
        applied = apply(
            None,
            configuration,
            node_of(resource),
            writer(call, options),
            kind=resource.kind,
            reset_fields=reset_fields(resource, ""),
        )
        drop_status(resource, applied.object)
        _report_repeated(call, options, parsed)
        unknown = conform(resource, applied.object)
        _report(call, options, [f'unknown field "{path}"' for path in unknown])
        _check_no_uid(call, applied.object)
        return applied.object

    return await create_object(api, call, options, call.target, decode, applied=True)


def _check_no_uid(call: Call, obj: Object) -> None:
    """Check that an object which is not there is not meant to be a certain one: it is gone."""
    uid = obj["metadata"].get("uid")
    if uid:
        message = (
            f"uid mismatch: the provided object specified uid {uid}, and no existing object was "
            f"found"
        )
        raise conflict(call.resource.plural, call.resource.group, call.route.name, message)

"""The scale subresource of kinds that have one: three numbers of an object, as autoscaling/v1.

See https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#scale-subresource
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kcpfast.api import answer
from kcpfast.api.body import media_type, parse, parse_json
from kcpfast.api.context import Api, Call, Handler
from kcpfast.api.options import write_options
from kcpfast.api.verbs.pipeline import change_object
from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import (
    field_invalid,
    internal,
    invalid,
    not_found,
    unsupported_media_type,
)
from kcpfast.patch.json_patch import apply_json_patch
from kcpfast.patch.merge_patch import apply_merge_patch
from kcpfast.registry.typed import check_head, conform_part
from kcpfast.resources.resource import Object, ScalePaths
from kcpfast.resources.scale import scale_of, set_replicas
from kcpfast.transport.messages import Response

_PATCHES = {
    "application/json-patch+json": apply_json_patch,
    "application/merge-patch+json": apply_merge_patch,
}


def _paths(call: Call) -> ScalePaths:
    paths = call.resource.scale
    assert paths is not None
    return paths


def _shown(call: Call, obj: Object) -> Object:
    """Return the Scale of an object; InternalError while its spec holds no replicas."""
    try:
        return scale_of(obj, _paths(call))
    except LookupError as error:
        raise internal(str(error.args[0])) from None


async def _get(api: Api, call: Call) -> Response:
    resource, obj = call.resource, api.objects.load(call.target)
    if not call.sees_object(obj):
        raise not_found(resource.plural, resource.group, call.route.name)
    return answer.respond_json(call, 200, _shown(call, obj))


async def _write(api: Api, call: Call) -> Response:
    options = write_options(call, "UpdateOptions")
    media = media_type(call)
    patching = call.attributes.verb == "patch"
    if patching and media not in _PATCHES:
        raise unsupported_media_type(media, list(_PATCHES))
    size, who = len(call.request.body), call.user.name
    if patching:
        body = await api.aside.run(size, who, parse_json, call.request.body)
    else:
        parsed = await api.aside.run(size, who, parse, call, "Scale", protobuf=False)
        body = parsed.value
    paths = _paths(call)

    def change(old: Object) -> Object:
        after = body
        if patching:
            before = scale_of(old, paths, usual=0)
            after = _PATCHES[media](before, body)
        new: Object = copy_json(old)
        set_replicas(new, paths, _replicas(call, after))
        return new

    saved = await change_object(api, call, options, change)
    return answer.respond_json(call, 200, _shown(call, saved.obj))


def _replicas(call: Call, scale: Any) -> int:
    """Return the replicas that a Scale asks for; ApiError 400 or 422 if it is not valid."""
    check_head(scale)
    conform_part("Scale", "Scale", "v1", scale)
    spec = scale.get("spec") or {}
    replicas = int(spec.get("replicas") or 0)
    if replicas < 0:
        resource, field = call.resource, _paths(call).spec
        cause = field_invalid(field, replicas, "should be a non-negative integer")
        raise invalid(resource.kind, resource.group, call.route.name, [cause])
    return replicas


SCALE: Mapping[str, Handler] = {"get": _get, "patch": _write, "update": _write}

"""update: PUT of an object, or of a part of one (status, finalize, approval)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from kcpfast.api import answer
from kcpfast.api.body import read_object
from kcpfast.api.context import Api, Call
from kcpfast.api.options import WriteOptions, write_options
from kcpfast.api.verbs.create import check_open
from kcpfast.api.verbs.pipeline import change_object, create_object
from kcpfast.meta.errors import MODIFIED, ApiError, bad_request, conflict, field_invalid, invalid
from kcpfast.meta.texts import unsigned
from kcpfast.registry.objects import Saved
from kcpfast.registry.strategies import strategy
from kcpfast.resources.resource import Object, Resource
from kcpfast.transport.messages import Response


async def update(api: Api, call: Call) -> Response:
    """Replace an object by the one in the body, and answer 200 with it.

    409 if the body carries a resourceVersion or uid that is not the stored one. Of some kinds an
    object that is not there is created, and the answer is 201.
    """
    resource = call.resource
    shape = answer.shape(call, resource)
    options = write_options(call, "UpdateOptions")
    if strategy(resource).created_by_update and not call.route.subresource:
        saved, code = await create_or_change(
            api, call, partial(_create, api, call, options), partial(_replace, api, call, options)
        )
        return await answer.saved(api, call, shape, saved, code)
    saved = await _replace(api, call, options)
    return await answer.saved(api, call, shape, saved, 200)


async def create_or_change(
    api: Api,
    call: Call,
    create: Callable[[], Awaitable[Saved]],
    change: Callable[[], Awaitable[Saved]],
) -> tuple[Saved, int]:
    """Change the object that a call is about, or create it; return it with the status code.

    Forbidden if the user may not create it. BadRequest if others create and delete it meanwhile.
    """
    for _ in range(2):
        if api.objects.record(call.target) is not None:
            return await change(), 200
        call.check_may("create")
        check_open(call)
        try:
            return await create(), 201
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
    raise bad_request("the object comes and goes")


def _create(api: Api, call: Call, options: WriteOptions) -> Awaitable[Saved]:
    resource = call.resource

    def decode() -> Object:
        obj = read_object(call, resource, options.validation, True)
        check_names(call, obj)
        uid = obj["metadata"].get("uid")
        if uid:  # kube-apiserver takes it for a precondition (registry/rest/update.go)
            message = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
            raise conflict(resource.plural, resource.group, call.route.name, message)
        obj["metadata"].pop("resourceVersion", None)
        return obj

    return create_object(api, call, options, call.target, decode)


def _replace(api: Api, call: Call, options: WriteOptions) -> Awaitable[Saved]:
    resource = call.resource

    def replace(old: Object) -> Object:
        obj = read_object(call, resource, options.validation)
        check_names(call, obj)
        _check_uid(resource, obj, old)
        check_version(resource, obj, old)
        return obj

    return change_object(api, call, options, replace)


def check_names(call: Call, obj: Object) -> None:
    """Check that an object has the name and the namespace of the path.

    Source: apiserver/pkg/endpoints/handlers/rest.go, checkName.
    """
    meta, given = obj["metadata"], call.route.name
    name = meta.get("name") or ""
    if not name:
        raise bad_request(
            f"the name of the object ({given} based on URL) was undeterminable: name must be "
            f"provided"
        )
    if name != given:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({given})"
        )
    namespace = meta.get("namespace") or ""
    if call.resource.namespaced and namespace not in ("", call.route.namespace):
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _check_uid(resource: Resource, obj: Object, old: Object) -> None:
    """Check that a new object, if it has a uid, is meant for the stored one."""
    uid, was = obj["metadata"].get("uid") or "", old["metadata"]
    if uid and uid != was["uid"]:
        message = (
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {was['uid']}"
        )
        raise conflict(resource.plural, resource.group, was["name"], message)


def check_version(resource: Resource, obj: Object, old: Object) -> None:
    """Check the resourceVersion of a new object against the stored one."""
    meta, was = obj["metadata"], old["metadata"]
    name = was["name"]
    version = meta.get("resourceVersion") or ""
    try:
        unsigned(version or "0")
    except ValueError as error:
        cause = field_invalid("metadata.resourceVersion", version, str(error))
        raise invalid(resource.kind, resource.group, name, [cause]) from None
    if not version and not resource.builtin:
        cause = field_invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(resource.plural, resource.group, name, [cause])
    if version not in ("", "0", was["resourceVersion"]):
        raise conflict(resource.plural, resource.group, name, MODIFIED)

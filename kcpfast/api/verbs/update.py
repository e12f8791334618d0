"""update: PUT of an object, or of a part of one (status, finalize, approval)."""

from __future__ import annotations

from kcpfast.api import answer
from kcpfast.api.body import read_object
from kcpfast.api.context import Api, Call
from kcpfast.api.options import write_options
from kcpfast.api.verbs.pipeline import change_object
from kcpfast.meta.errors import MODIFIED, bad_request, conflict, field_invalid, invalid
from kcpfast.meta.texts import unsigned
from kcpfast.resources.resource import Object, Resource
from kcpfast.transport.messages import Response


async def update(api: Api, call: Call) -> Response:
    """Replace an object by the one in the body, and answer 200 with it.

    409 if the body carries a resourceVersion or uid that is not the stored one.
    """
    resource = call.resource
    shape = answer.shape(call, resource)
    options = write_options(call, "UpdateOptions")

    def replace(old: Object) -> Object:
        obj = read_object(call, resource, options.validation)
        _check_names(call, obj)
        _check_uid(resource, obj, old)
        check_version(resource, obj, old)
        return obj

    saved = await change_object(api, call, options, replace)
    return await answer.saved(api, call, shape, saved, 200)


def _check_names(call: Call, obj: Object) -> None:
    meta = obj["metadata"]
    name = meta.get("name") or ""
    if name != call.route.name:
        if not name:
            raise bad_request("the name of the object must be given in its metadata")
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL "
            f"({call.route.name})"
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

"""create: POST of a new object."""

from __future__ import annotations

from kcpfast.api import answer
from kcpfast.api.body import parse_json, read_object
from kcpfast.api.context import Api, Call
from kcpfast.api.options import write_options
from kcpfast.api.steps.stages import Received, Resolved
from kcpfast.api.verbs.pipeline import create_object
from kcpfast.meta.errors import bad_request, forbidden, method_not_allowed
from kcpfast.resources.resource import Object
from kcpfast.transport.messages import Response
from kcpfast.work.aside import SMALL


async def create(api: Api, call: Call) -> Response:
    """Store the object in the body, and answer 201 with it.

    ApiError 400 for a body that cannot be decoded or contradicts the path, 403 from admission,
    409 if the name is taken, 422 if the object is not valid.
    """
    resource = call.resource
    if call.route.name and resource.builtin:
        raise method_not_allowed()
    shape = answer.shape(call, resource)
    options = write_options(call, "CreateOptions")

    def decode() -> Object:
        obj = read_object(call, resource, options.validation, True)
        _check_new_metadata(call, obj)
        return obj

    target = call.target._replace(name="")  # the name is the one in the body
    saved = await create_object(api, call, options, target, decode)
    return await answer.saved(api, call, shape, saved, 201)


def _check_new_metadata(call: Call, obj: Object) -> None:
    """Raise BadRequest for a resourceVersion, or for a namespace that is not the path's."""
    meta = obj["metadata"]
    if meta.get("resourceVersion") not in (None, "", "0"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    if not call.resource.namespaced:
        return
    namespace = meta.get("namespace") or ""
    if namespace not in ("", call.route.namespace):
        raise bad_request(
            f"the namespace of the provided object does not match the namespace sent on the "
            f"request ({namespace} != {call.route.namespace})"
        )


def check_open(resolved: Resolved) -> None:
    """Refuse to create what is served only until the last object of it is gone."""
    entry, resource = resolved.served.row, resolved.resource
    if entry is None or not entry.closing:
        return
    if entry.source != "crd":
        raise method_not_allowed()
    message = "create not allowed while custom resource definition is terminating"
    raise forbidden(resource.plural, resource.group, _name_to_create(resolved), message)


def _name_to_create(received: Received) -> str:
    """Return the name of the object that a request would create, "" if it does not say.

    A large body is not decoded for a refusal.
    """
    name: str = received.route.name
    body_bytes = received.request.body
    if name or not 0 < len(body_bytes) <= SMALL:
        return name
    body = parse_json(body_bytes)
    meta = body.get("metadata") if isinstance(body, dict) else None
    sent = meta.get("name") if isinstance(meta, dict) else ""
    return sent if isinstance(sent, str) else ""

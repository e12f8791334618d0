"""create: POST of a new object."""

from __future__ import annotations

from kcpfast.admission.chain import CREATE, Review
from kcpfast.api import answer
from kcpfast.api.body import parse_json, read_object
from kcpfast.api.context import Api, Call
from kcpfast.api.fields import manage
from kcpfast.api.options import write_options
from kcpfast.api.validation import check_new
from kcpfast.meta.errors import bad_request, forbidden, method_not_allowed
from kcpfast.registry.identity import assign_identity
from kcpfast.registry.objects import Change
from kcpfast.registry.strategies import strategy
from kcpfast.resources.resource import Object
from kcpfast.transport.messages import Response


async def create(api: Api, call: Call) -> Response:
    """Store the object in the body, and answer 201 with it.

    ApiError 400 for a body that cannot be decoded or contradicts the path, 403 from admission,
    409 if the name is taken, 422 if the object is not valid.
    """
    resource = call.resource
    if call.route.name and resource.builtin:
        raise method_not_allowed()
    shown = answer.shape(call, resource)
    options = write_options(call, "CreateOptions")
    target = call.target

    aside, who, weight = api.aside.run, call.user.name, call.weigh()

    def finish(obj: Object) -> list[str]:
        strategy(resource).prepare_create(obj)
        manage(call, obj, None, options)
        return check_new(resource, obj)

    async def prepare() -> Change:
        call.warnings.clear()
        obj = await aside(weight, who, read_object, call, resource, options.validation, True)
        if obj["metadata"].get("resourceVersion") not in (None, "", "0"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        given = obj["metadata"].get("namespace") or ""
        if resource.namespaced and given not in ("", target.namespace):
            raise bad_request(
                f"the namespace of the provided object does not match the namespace sent on the "
                f"request ({given} != {target.namespace})"
            )
        assign_identity(resource, obj, call.cluster, target.namespace)
        call.admit(obj, None)
        review = Review(CREATE, target, call.admitted, obj, None)
        review.dry_run, review.options = options.dry_run, options.shown
        review.warnings, review.claim = call.warnings, call.request.claim
        review.size = len(call.request.body)
        await api.admission.mutate(review)
        call.warnings += await aside(weight, who, finish, obj)
        await api.admission.validate(review)
        return Change(obj, review.more, size=review.size)

    target = target._replace(name="")
    saved = await api.objects.create(target, prepare, dry_run=options.dry_run, who=who)
    return await answer.saved(api, call, shown, saved, 201)


def check_open(call: Call) -> None:
    """Refuse to create what is served only until the last of it is gone."""
    row = call.served.row if call.served is not None else None
    if row is None or not row.closing:
        return
    if row.source != "crd":
        raise method_not_allowed()
    why = "create not allowed while custom resource definition is terminating"
    raise forbidden(call.resource.plural, call.resource.group, _named(call), why)


def _named(call: Call) -> str:
    """Return the name of the object that a request would create, "" if it does not tell."""
    known: str = call.route.name
    if known or not call.request.body:
        return known
    body = parse_json(call.request.body)
    meta = body.get("metadata") if isinstance(body, dict) else None
    name = meta.get("name") if isinstance(meta, dict) else ""
    return name if isinstance(name, str) else ""

"""update: PUT of an object, or of a part of one (status, finalize, approval)."""

from __future__ import annotations

from collections.abc import Callable

from kcpfast.admission.chain import UPDATE, Review
from kcpfast.api import answer
from kcpfast.api.body import read_object
from kcpfast.api.context import Api, Call
from kcpfast.api.fields import manage
from kcpfast.api.options import WriteOptions, write_options
from kcpfast.api.validation import check_changed
from kcpfast.api.verbs.parts import merge_part
from kcpfast.meta.cluster import CLUSTER_ANNOTATION
from kcpfast.meta.errors import MODIFIED, bad_request, conflict, field_invalid, invalid, not_found
from kcpfast.meta.texts import unsigned
from kcpfast.registry.identity import carry_over, count_generation
from kcpfast.registry.objects import Change, Revising
from kcpfast.registry.strategies import strategy
from kcpfast.resources.resource import Object, Resource
from kcpfast.transport.messages import Response

Make = Callable[[Object], Object]


async def update(api: Api, call: Call) -> Response:
    """Replace an object by the one in the body, and answer 200 with it.

    409 if the body carries a resourceVersion or uid that is not the stored one.
    """
    resource = call.resource
    shown = answer.shape(call, resource)
    options = write_options(call, "UpdateOptions")

    def make(old: Object) -> Object:
        obj = read_object(call, resource, options.validation)
        _check_names(call, obj)
        _check_uid(resource, obj, old)
        check_version(resource, obj, old)
        return obj

    change = changing(api, call, options, make)
    saved = await api.objects.revise(
        call.target, change, dry_run=options.dry_run, who=call.user.name, claim=call.claim
    )
    return await answer.saved(api, call, shown, saved, 200)


def changing(
    api: Api, call: Call, options: WriteOptions, make: Make, *, managed: bool = True
) -> Revising:
    """Return how an object becomes what `make` wants of it: admitted, validated, accounted for.

    `managed` False leaves managedFields as `make` made them.
    """
    resource, part = call.resource, call.route.subresource

    aside, who = api.aside.run, call.user.name

    def finish(new: Object, old: Object) -> list[str]:
        prepare = strategy(resource)
        if part:
            prepare.prepare_status(new, old)
        else:
            prepare.prepare_update(new, old)
        count_generation(resource, new, old)
        if managed:
            manage(call, new, old, options)
        return check_changed(resource, new, old)

    async def change(old: Object, size: int) -> Change:
        call.warnings.clear()
        if not call.sees_object(old):
            raise not_found(resource.plural, resource.group, call.route.name)
        weight = call.weigh(size)
        new = merge_part(resource, part, await aside(weight, who, make, old), old)
        homeless = not _knows_cluster(new, old)
        carry_over(resource, new, old)
        call.admit(new, old)
        review = Review(UPDATE, call.target, call.admitted, new, old)
        review.subresource = part
        review.dry_run, review.options = options.dry_run, options.shown
        review.warnings, review.claim = call.warnings, call.request.claim
        review.size = size + len(call.request.body)
        await api.admission.mutate(review)
        call.warnings += await aside(weight, who, finish, new, old)
        await api.admission.validate(review)
        return Change(new, review.more, homeless, review.size)

    return change


def _knows_cluster(new: Object, old: Object) -> bool:
    """Tell whether an object says which cluster it is of; in kcp, one that does not is written."""
    given = (new["metadata"].get("annotations") or {}).get(CLUSTER_ANNOTATION)
    return bool(given == old["metadata"]["annotations"][CLUSTER_ANNOTATION])


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
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {was['uid']}"
        raise conflict(resource.plural, resource.group, was["name"], why)


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

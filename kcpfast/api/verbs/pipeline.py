"""The write pipeline: what happens to an object between the body of a request and the store.

Every verb that creates, changes or deletes an object goes through one of the functions below. The
nested function `attempt` holds the steps in their order, which is kube-apiserver's (its
endpoints/handlers and registry/generic/registry/store.go). The store calls it again when another
write came in between, so no step may keep anything of an earlier attempt. Creating and changing are
no coroutines of their own: they return the store's, which is one frame less for each of its steps.

What a subresource may change of an object is described in
https://kubernetes.io/docs/reference/using-api/api-concepts/ and, for custom resources,
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#subresources
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from kcpfast.admission.chain import CREATE, DELETE, UPDATE, Review, WriteRequest
from kcpfast.api.context import Api, Call
from kcpfast.api.fields import keep_owners, keep_time_of_owners, manage
from kcpfast.api.options import DeleteOptions, WriteOptions
from kcpfast.api.validation import check_changed, check_new
from kcpfast.meta.cluster import CLUSTER_ANNOTATION
from kcpfast.meta.errors import not_found
from kcpfast.registry.identity import assign_identity, carry_over, count_generation
from kcpfast.registry.objects import Change, Saved, Target
from kcpfast.registry.strategies import strategy
from kcpfast.resources.resource import Object, Resource
from kcpfast.store.contract import Write

# Returns the object of a request: decoded, pruned, defaulted, its name and namespace checked.
Decode = Callable[[], Object]
# Returns what a request makes of the stored object that it is given, which it leaves as it is.
ChangeObject = Callable[[Object], Object]


def create_object(
    api: Api,
    call: Call,
    options: WriteOptions,
    target: Target,
    decode: Decode,
    *,
    applied: bool = False,
) -> Awaitable[Saved]:
    """Create an object, and return it as it is stored.

    `applied` says that `decode` has recorded in managedFields who owns what (server-side apply).
    ApiError 403 from admission, 409 if the name is taken, 422 if the object is not valid, and
    whatever `decode` raises.
    """
    resource, who, weight = call.resource, call.user.name, call.weigh()
    run_aside, admission = api.aside.run, api.admission
    earlier_warnings = len(call.warnings)

    def own(obj: Object) -> None:
        strategy(resource).prepare_create(obj)
        if not applied:
            manage(call, obj, None, options)

    def validate(review: Review, owners: Any) -> list[str]:
        obj = review.obj
        if not review.rewritten:
            return check_new(resource, obj)
        strategy(resource).prepare_create(obj)
        return keep_owners(obj, owners) + check_new(resource, obj)

    async def attempt() -> Change:
        del call.warnings[earlier_warnings:]
        obj = await run_aside(weight, who, decode)
        assign_identity(resource, obj, call.cluster, target.namespace)
        call.admit(obj, None)
        # Before admission: what that sets belongs to nobody.
        await run_aside(weight, who, own, obj)
        owners = obj["metadata"].get("managedFields")
        request = _write_request(call, options)
        review = Review(CREATE, target, request, obj, None, len(call.request.body))
        await admission.mutate(review)
        call.warnings += await run_aside(weight, who, validate, review, owners)
        await admission.validate(review)
        return Change(obj, review.more, size=review.size)

    return api.objects.create(target, attempt, dry_run=options.dry_run, who=who)


def change_object(
    api: Api, call: Call, options: WriteOptions, change: ChangeObject, *, applied: bool = False
) -> Awaitable[Saved]:
    """Change the object that a call is about, and return it as it is stored.

    `applied` says that `change` has recorded in managedFields who owns what (server-side apply).
    ApiError 403 from admission, 404 if there is no such object, 422 if it is not valid
    afterwards, and whatever `change` raises.
    """
    resource, target, subresource = call.resource, call.target, call.route.subresource
    run_aside, admission, who = api.aside.run, api.admission, call.user.name
    earlier_warnings = len(call.warnings)

    def prepare(new: Object, old: Object) -> None:
        if subresource:
            strategy(resource).prepare_status(new, old)
        else:
            strategy(resource).prepare_update(new, old)

    def own(new: Object, old: Object) -> None:
        prepare(new, old)
        if not applied:
            manage(call, new, old, options)

    def validate(review: Review, old: Object, owners: Any) -> list[str]:
        new, warnings = review.obj, []
        if review.rewritten:
            prepare(new, old)
            warnings = keep_owners(new, owners)
        count_generation(resource, new, old)
        keep_time_of_owners(new, old)
        return warnings + check_changed(resource, new, old)

    async def attempt(old: Object, size: int) -> Change:
        del call.warnings[earlier_warnings:]
        if not call.sees_object(old):
            raise not_found(resource.plural, resource.group, target.name)
        weight = call.weigh(size)
        changed = await run_aside(weight, who, change, old)
        new = merge_part(resource, subresource, changed, old)
        # kcp writes an object whose body lacks the annotation, even if nothing else changes.
        always = _cluster_annotation(new) != _cluster_annotation(old)
        carry_over(resource, new, old)
        call.admit(new, old)
        await run_aside(weight, who, own, new, old)
        owners = new["metadata"].get("managedFields")
        request = _write_request(call, options)
        review = Review(UPDATE, target, request, new, old, size + len(call.request.body))
        await admission.mutate(review)
        call.warnings += await run_aside(weight, who, validate, review, old, owners)
        await admission.validate(review)
        return Change(new, review.more, always, review.size)

    return api.objects.revise(target, attempt, dry_run=options.dry_run, who=who, claim=call.claim)


async def admit_deletion(
    api: Api, call: Call, options: DeleteOptions, target: Target, old: Object, size: int = 0
) -> Sequence[Write]:
    """Ask admission about a deletion; return the writes that belong into the same commit.

    `size` is the number of bytes of the stored object. ApiError 403 if admission refuses.
    """
    review = Review(DELETE, target, _write_request(call, options), None, old, size)
    await api.admission.mutate(review)
    await api.admission.validate(review)
    return review.more


def _write_request(call: Call, options: WriteOptions | DeleteOptions) -> WriteRequest:
    """Return what admission is told of the request itself."""
    return WriteRequest(
        call.admitted,
        call.route.subresource,
        options.dry_run,
        options.shown,
        call.warnings,
        call.request.claim,
    )


def _cluster_annotation(obj: Object) -> Any:
    annotations = obj["metadata"].get("annotations") or {}
    return annotations.get(CLUSTER_ANNOTATION)


# ------------------------------------------------------------------------- subresources


def merge_part(resource: Resource, subresource: str, new: Object, old: Object) -> Object:
    """Return the object to store: from `new` what the subresource may write, the rest from `old`.

    The subresource "" is the object itself. `new` may be changed, `old` is not.
    """
    if subresource in ("", "scale"):
        return _keep_status(new, old) if resource.status else new
    if subresource == "status":
        return _replace_member(resource, new, old, "status")
    if subresource == "approval":
        return _replace_conditions(new, old)
    return _replace_member(resource, new, old, "spec")  # finalize


def _keep_status(new: Object, old: Object) -> Object:
    if "status" in old:
        new["status"] = old["status"]
    else:
        new.pop("status", None)
    return new


def _replace_member(resource: Resource, new: Object, old: Object, member: str) -> Object:
    merged: dict[str, Any] = dict(old)
    if member in new:
        merged[member] = new[member]
    else:
        merged.pop(member, None)
    meta = dict(new["metadata"] if resource.builtin else old["metadata"])
    if "managedFields" in new["metadata"]:
        meta["managedFields"] = new["metadata"]["managedFields"]
    merged["metadata"] = meta
    return merged


def _replace_conditions(new: Object, old: Object) -> Object:
    merged = dict(old)
    new_status = new.get("status") or {}
    old_status = old.get("status") or {}
    merged["status"] = old_status | {"conditions": new_status.get("conditions") or []}
    merged["metadata"] = dict(new["metadata"])
    return merged

"""delete and deletecollection: objects go at once, or wait for their finalizers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import msgspec

from kcpfast.api import answer
from kcpfast.api.body import parse
from kcpfast.api.context import Api, Call
from kcpfast.api.listing import walk
from kcpfast.api.options import (
    DeleteOptions,
    delete_options,
    precondition_failed,
    refused_for_many,
)
from kcpfast.api.selection import selection
from kcpfast.api.verbs.listed import Listing, answer_list
from kcpfast.api.verbs.pipeline import admit_deletion
from kcpfast.meta.errors import ApiError, not_found
from kcpfast.registry.deletion import deleted
from kcpfast.registry.objects import Change, Saved, Target, target_of
from kcpfast.registry.typed import check_head, conform_part
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Item
from kcpfast.transport.messages import Response, Stream
from kcpfast.work.aside import LARGE

# Deletions of one request that are under way at the same time; of no more than LARGE bytes.
_AT_ONCE = 16
_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"


async def delete(api: Api, call: Call) -> Response:
    """Delete one object. The answer is a Status if it is gone, the object if it waits."""
    resource = call.resource
    shape = answer.shape(call, resource)
    options = await _options(api, call)
    uid = ""
    if options.ignore:
        from kcpfast.api.verbs.discard import delete_unread  # noqa: PLC0415 - for damage

        await delete_unread(api, call, options)
    else:
        saved, gone = await _delete_one(api, call, call.target, options)
        if not gone:
            return await answer.saved(api, call, shape, saved, 200)
        uid = saved.obj["metadata"]["uid"]
    details = {
        "name": call.route.name,
        "group": resource.group,
        "kind": resource.plural,
        "uid": uid,
    }
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }
    body = msgspec.json.encode(status)
    return answer.respond(call, shape.form, 200, body)


async def _options(api: Api, call: Call) -> DeleteOptions:
    """Return the DeleteOptions of a request, read beside the loop if they are long."""
    size = len(call.request.body)
    return await api.aside.run(size, call.user.name, _read_options, call)


def _read_options(call: Call) -> DeleteOptions:
    if not call.request.body:
        return delete_options(call, {})
    body = parse(call, "DeleteOptions", protobuf=True).value
    check_head(body)
    conform_part(_OPTIONS, "DeleteOptions", "v1", body)
    return delete_options(call, dict(body))


async def _delete_one(
    api: Api, call: Call, target: Target, options: DeleteOptions
) -> tuple[Saved, bool]:
    resource, who = target.resource, call.user.name
    gone = False

    async def change(old: Object, size: int) -> Change:
        nonlocal gone
        if not call.sees_object(old):
            raise not_found(resource.plural, resource.group, target.name)
        _check_preconditions(call, options, old)
        more = await admit_deletion(api, call, options, target, old, size)
        new = await api.aside.run(size, who, deleted, resource, old, options.propagation)
        gone = new is None
        return Change(new, more)

    saved = await api.objects.revise(
        target, change, dry_run=options.dry_run, who=who, claim=call.claim
    )
    return saved, gone


def _check_preconditions(call: Call, options: DeleteOptions, old: Object) -> None:
    meta = old["metadata"]
    if options.uid and options.uid != meta["uid"]:
        raise precondition_failed(call, "UID", options.uid, meta["uid"])
    version = meta["resourceVersion"]
    if options.resource_version and options.resource_version != version:
        raise precondition_failed(call, "ResourceVersion", options.resource_version, version)


async def delete_collection(api: Api, call: Call) -> Response | Stream:
    """Delete what the request selects, and answer with the list of it.

    Some are deleted at the same time, so that they share a commit; others have their turn before
    the next. The first error ends it, once those that were begun have come to their end.
    """
    shape = answer.shape(call, call.resource)
    options = await _options(api, call)
    if options.ignore:
        raise refused_for_many()
    selected = selection(call, api.aside)
    listing, walked = Listing(api, call, selected, shape), walk(api, call, selected)
    while not walked.done:
        for keys in _batches((await listing.piece(walked)).items):
            await call.request.in_turn(int)
            await _delete_some(api, call, keys, options)
    # As they were when the first of them was still there.
    return await answer_list(listing, walked.again(None))


async def _delete_some(api: Api, call: Call, keys: Sequence[bytes], options: DeleteOptions) -> None:
    """Delete objects at the same time; raise the error of the first that cannot be deleted."""
    deleting = [_delete_one(api, call, target_of(call.resource, key), options) for key in keys]
    outcomes = await asyncio.gather(*deleting, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    errors = [failure for failure in failures if not _is_not_found(failure)]
    del outcomes, failures  # an error knows this frame, which is to know none that is raised
    if errors:
        raise errors.pop(0)


def _is_not_found(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.reason == "NotFound"


def _batches(items: Sequence[Item]) -> Iterator[list[bytes]]:
    """Yield the keys of what is deleted at the same time: some small ones, or a large one."""
    keys: list[bytes] = []
    size = 0
    for item in items:
        if len(keys) == _AT_ONCE or (keys and size + len(item.value) > LARGE):
            yield keys
            keys, size = [], 0
        keys.append(item.key)
        size += len(item.value)
    if keys:
        yield keys

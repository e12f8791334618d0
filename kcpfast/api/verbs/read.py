"""get: one object, or its status or scale."""

from __future__ import annotations

from kcpfast.api import answer
from kcpfast.api.context import Api, Call
from kcpfast.api.listing import check_not_ahead, check_version
from kcpfast.meta.errors import not_found
from kcpfast.transport.messages import Response
from kcpfast.work.aside import SMALL


async def get(api: Api, call: Call) -> Response:
    """Answer with the object as it is stored; NotFound if there is none."""
    resource = call.resource
    shape = answer.shape(call, resource)
    target = call.target
    revision = check_version(call.parameter("resourceVersion"))
    if revision:
        check_not_ahead(revision, api.objects.store.revision())
    key = target.key()
    record = api.objects.store.get(key)
    if record is None or not call.sees(key, record.value):
        raise not_found(resource.plural, resource.group, call.route.name)
    if len(record.value) > SMALL:
        return await answer.read_large(api, call, shape, *record)
    return answer.respond(call, shape.form, 200, shape.one(*record))

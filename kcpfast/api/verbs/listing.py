"""list: the objects of a resource, in pages."""

from __future__ import annotations

from kcpfast.api import answer
from kcpfast.api.context import Api, Call
from kcpfast.api.listing import walk
from kcpfast.api.selection import selection
from kcpfast.api.verbs.listed import Listing, answer_list
from kcpfast.telemetry.metrics import LISTS
from kcpfast.transport.messages import Response, Stream


async def list_objects(api: Api, call: Call) -> Response | Stream:
    """Answer with the objects that the request selects."""
    shape = answer.shape(call, call.resource)
    LISTS.add(call.resource.group, call.resource.plural)
    selected = selection(call, api.aside)
    walked = walk(api, call, selected, shape.joining())
    return await answer_list(Listing(api, call, selected, shape), walked)

"""list: the objects of a resource, in pages."""

from __future__ import annotations

from kcpfast.api import answer
from kcpfast.api.context import Api, Call
from kcpfast.api.listing import page
from kcpfast.api.selection import selection
from kcpfast.telemetry.metrics import count_list
from kcpfast.transport.messages import Response


async def list_objects(api: Api, call: Call) -> Response:
    """Answer with the objects that the request selects."""
    shown = answer.shape(call, call.resource)
    count_list(call.resource.group, call.resource.plural)
    found = page(api, call, selection(call), shown.joining(), shown.opening)
    body = answer.list_body(shown, found)
    return answer.respond(call, shown.form, 200, body)

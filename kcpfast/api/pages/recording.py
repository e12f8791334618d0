"""What is kept of an answered request that was slow, or is traced."""

from __future__ import annotations

import time

from kcpfast._core.routing import Route
from kcpfast.api.context import Call
from kcpfast.meta.user import MASTERS
from kcpfast.telemetry.inspection import RequestRecord
from kcpfast.transport.messages import Request, Response, Stream


def record_of(
    request: Request, call: Call | None, answer: Response | Stream, marks: tuple[float, float]
) -> RequestRecord:
    """Return the record of a request that was answered just now.

    `call` is None for a path that names nothing. `marks` are readings of `time.perf_counter`: when
    work on the request began, and when it was understood.
    """
    begun, understood = marks
    ended = time.perf_counter()
    waited = call.waited if call is not None else 0.0
    parts = {
        "understand": understood - begun,
        "wait": waited,
        "serve": ended - understood - waited,
    }
    uri = f"{request.path}?{request.query}" if request.query else request.path
    user = call.user if call is not None else None
    return RequestRecord(
        ended=time.time(),
        seconds=ended - begun,
        parts=parts,
        method=request.method,
        verb=call.attributes.verb if call is not None else "",
        uri=uri,
        template=_template(call.route) if call is not None else "",
        user=user.name if user is not None else "",
        user_agent=request.header(b"user-agent"),
        status=answer.status if isinstance(answer, Response) else 200,
        trace=request.header(b"traceparent"),
        trusted=user is not None and MASTERS in user.groups,
    )


def _template(route: Route) -> str:
    """Return a resource's path without names, as kube-apiserver names spans; "" if it is none.

    See getSpanNameFromRequestInfo in k8s.io/apiserver/pkg/endpoints/filters/traces.go.
    """
    if not route.plural:
        return ""
    words = ["", "apis", route.group] if route.group else ["", "api"]
    words.append(route.version)
    if route.namespace:
        words += ["namespaces", "{:namespace}"]
    words.append(route.plural)
    if route.name:
        words.append("{:name}")
    if route.subresource:
        words.append(route.subresource)
    return "/".join(words)

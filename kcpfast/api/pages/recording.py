"""What is kept of an answered request that was slow, or is traced."""

from __future__ import annotations

import time

from kcpfast._core.routing import Route
from kcpfast.api.context import Call, PageRequest
from kcpfast.api.steps.stages import Authenticated, Received, user_of, verb_of
from kcpfast.meta.user import MASTERS, MONITORING, User
from kcpfast.telemetry.inspection import RequestRecord
from kcpfast.transport.messages import Request, Response, Stream


def record_of(
    request: Request,
    stage: Received | None,
    answer: Response | Stream,
    marks: tuple[float, float],
) -> RequestRecord:
    """Return the record of a request that was answered just now.

    `stage` is the last that it reached, None for a path that names nothing. `marks` are readings of
    `time.perf_counter`: when work on the request began, and when it was understood.
    """
    begun, understood = marks
    ended = time.perf_counter()
    waited = stage.waited if isinstance(stage, Call | PageRequest) else 0.0
    parts = {
        "understand": understood - begun,
        "wait": waited,
        "serve": ended - understood - waited,
    }
    uri = f"{request.path}?{request.query}" if request.query else request.path
    user = stage.user if isinstance(stage, Authenticated) else None
    return RequestRecord(
        ended=time.time(),
        seconds=ended - begun,
        parts=parts,
        method=request.method,
        verb=verb_of(stage),
        uri=uri,
        template=_template(stage.route) if stage is not None else "",
        user=user_of(stage),
        user_agent=request.header(b"user-agent"),
        status=answer.status if isinstance(answer, Response) else 200,
        trace=request.header(b"traceparent"),
        trusted=user is not None and may_continue_trace(user),
    )


def may_continue_trace(user: User) -> bool:
    """Tell whether a user decides which trace a request belongs to, and so whether it is sampled.

    See notSystemPrivilegedGroup in k8s.io/apiserver/pkg/endpoints/filters/traces.go.
    """
    return MASTERS in user.groups or MONITORING in user.groups


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

"""What every request has in common once there is an answer: its headers, counters and log line."""

from __future__ import annotations

import logging
from itertools import count

from kcpfast._core.schema import Overgrown
from kcpfast.api.answer import refusal
from kcpfast.api.steps.stages import Identified, Received, Resolved, user_of, verb_of
from kcpfast.meta.errors import ApiError, entity_too_large, internal, no_room, too_many_requests
from kcpfast.meta.objectmeta import new_uid
from kcpfast.meta.warning import warning_values
from kcpfast.store.contract import Full, StoreError
from kcpfast.telemetry.log import NAMED_VALUES, Verbatim, quoted
from kcpfast.telemetry.metrics import ANSWERED_REQUESTS, REQUEST_SECONDS
from kcpfast.transport.heads import line
from kcpfast.transport.messages import Request, Response, Stream, TooMuch

LOG = logging.getLogger("kcpfast.api")

# As kube-apiserver's metrics call them.
_COUNTED_VERBS = {
    "create": "POST",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
    "get": "GET",
    "list": "LIST",
    "patch": "PATCH",
    "update": "PUT",
    "watch": "WATCH",
}
_AUDIT_ID = b"Audit-Id"
# The id of a request that brought none: unique, not random.
_COUNTED_ID = line(_AUDIT_ID, new_uid()[:24].encode() + b"%012x")
_COUNTED = count(1)
_NO_CACHE = line(b"Cache-Control", b"no-cache, private")
_FLOW = b"".join(
    line(b"X-Kubernetes-Pf-%b-Uid" % name, b"00000000-0000-4000-8000-00000000000%d" % number)
    for name, number in ((b"Flowschema", 1), (b"Prioritylevel", 2))
)


def finish(stage: Received, answer: Response | Stream) -> Response | Stream:
    """Return an answer with the headers that each has: warnings, audit id, caching, flow."""
    if isinstance(stage, Resolved) and stage.warnings:
        stage.headers += [(b"Warning", value) for value in warning_values(stage.warnings)]
    media, headers = answer.content_type, answer.headers
    if stage.headers:
        missing = [pair for pair in stage.headers if pair not in headers]
        headers = [*headers, *missing] if missing else headers
    lines = _audit_line(stage.request)
    if not headers or not any(name == b"Cache-Control" for name, _ in headers):
        lines += _NO_CACHE
    # A kube-apiserver classifies a request after impersonation, before authorization.
    if isinstance(stage, Identified):
        lines += _FLOW
    if isinstance(answer, Stream):
        return Stream(answer.start, media, headers, lines, answer.last)
    return Response(answer.status, answer.body, media, headers, lines)


def _audit_line(request: Request) -> bytes:
    """Return the header with the id that a client gave its request (the first), or one of ours."""
    audit_id = request.headers.get(b"audit-id")
    if audit_id:
        return line(_AUDIT_ID, audit_id.partition(b"\n")[0])
    return _COUNTED_ID % next(_COUNTED)


def refuse(request: Request, stage: Received | None, error: Exception) -> Response | Stream:
    """Return the answer to a request that came to an error, a fault of our own included.

    `stage` is the last that it reached, None if not even its path could be read.
    """
    answer = refusal(stage, _api_error(request, error))
    try:
        return answer if stage is None else finish(stage, answer)
    except Exception as fault:
        LOG.error("%s %s", request.method, quoted(request.path), exc_info=fault)
        return answer


def _api_error(request: Request, error: Exception) -> ApiError:
    """Return what a client is told of an error; what is our fault is logged."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Overgrown):
        return entity_too_large(str(error))
    if isinstance(error, TooMuch):
        return too_many_requests()
    if isinstance(error, StoreError):
        LOG.error("%s %s: %s", request.method, quoted(request.path), error)
        return no_room(str(error)) if isinstance(error, Full) else internal(str(error))
    LOG.error("%s %s", request.method, quoted(request.path), exc_info=error)
    return internal(f"{type(error).__name__}: {error}")


def count_request(stage: Received, answer: Response | Stream, seconds: float) -> None:
    """Count a request: under its group only if that is of something served."""
    if isinstance(stage, Resolved):
        verb, group = stage.attributes.verb, stage.served.resource.group
    else:
        verb, group = verb_of(stage), ""
    verb = _COUNTED_VERBS.get(verb, "OTHER")
    ANSWERED_REQUESTS.add(verb, group, _status(answer))
    REQUEST_SECONDS.observe(seconds, verb, group)


def log_request(
    request: Request, stage: Received | None, answer: Response | Stream, seconds: float
) -> None:
    """Write the line of an answered request (of a watch: that has begun), as httplog does."""
    uri = f"{request.path}?{request.query}" if request.query else request.path
    fields: dict[str, str | int | Verbatim] = {
        "verb": verb_of(stage),
        "method": request.method,
        "URI": uri,
        "latency": Verbatim(f"{seconds * 1000:.3f}ms"),
        "user": user_of(stage),
        "userAgent": request.header(b"user-agent"),
        "srcIP": request.peer.address,
        "resp": _status(answer),
    }
    LOG.info("HTTP", extra={NAMED_VALUES: fields})


def _status(answer: Response | Stream) -> int:
    return answer.status if isinstance(answer, Response) else 200

"""The request line: what happens to every request, in order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from itertools import count
from posixpath import normpath
from time import perf_counter
from urllib.parse import quote

from kcpfast._core.generations import Basis
from kcpfast._core.routing import Route, route
from kcpfast._core.schema import Overgrown
from kcpfast.api.answer import compressed, compressible, plain, refusal
from kcpfast.api.context import Api, Call, Handler
from kcpfast.api.discovery import Discovery
from kcpfast.api.front import Front
from kcpfast.api.limits.growth import LARGE_BODY, growth
from kcpfast.api.limits.seats import Seats
from kcpfast.api.openapi import OpenApi
from kcpfast.api.options import boolean, in_time, time_limit
from kcpfast.api.pages.health import Health, HealthPage, is_health, metrics, pages
from kcpfast.api.pages.recording import record_of
from kcpfast.api.route_cache import RouteCache
from kcpfast.api.verbs.create import check_open, create
from kcpfast.api.verbs.delete import delete, delete_collection
from kcpfast.api.verbs.listing import list_objects
from kcpfast.api.verbs.patch import patch
from kcpfast.api.verbs.read import get
from kcpfast.api.verbs.update import update
from kcpfast.api.verbs.watch import watch
from kcpfast.auth.authenticate import bearer
from kcpfast.auth.tokens import signed, unverified_cluster
from kcpfast.meta.errors import (
    ApiError,
    bad_request,
    entity_too_large,
    expired,
    internal,
    method_not_allowed,
    no_room,
    no_such_resource,
    not_found,
    too_many_requests,
)
from kcpfast.meta.names import path_segment
from kcpfast.meta.objectmeta import new_uid
from kcpfast.meta.selectors import SelectorError, parse_fields
from kcpfast.meta.user import Attributes
from kcpfast.meta.warning import warning_values
from kcpfast.registry.reader import Notes, Reader
from kcpfast.resources.builtin import BUILTIN
from kcpfast.store.contract import Full, StoreError
from kcpfast.telemetry import inspection
from kcpfast.telemetry.log import NAMED_VALUES, Verbatim, quoted
from kcpfast.telemetry.metrics import ANSWERED_REQUESTS, REQUEST_SECONDS
from kcpfast.transport.heads import line
from kcpfast.transport.messages import Request, Response, Stream, TooMuch
from kcpfast.watch.hub import Watch
from kcpfast.watch.rights import Right

LOG = logging.getLogger("kcpfast.api")
_REQUESTS = inspection.REQUESTS

VERB_HANDLERS: Mapping[str, Handler] = {
    "create": create,
    "delete": delete,
    "deletecollection": delete_collection,
    "get": get,
    "list": list_objects,
    "patch": patch,
    "update": update,
    "watch": watch,
}
_METHODS = {
    # method: verb on an object, verb on a collection
    "DELETE": ("delete", "deletecollection"),
    "GET": ("get", "list"),
    "HEAD": ("get", "list"),
    "PATCH": ("patch", "patch"),
    "POST": ("create", "create"),
    "PUT": ("update", "update"),
}
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
_READS = frozenset(("GET", "HEAD"))
# What most writes need sooner or later; a start does without.
_FOR_WRITES = ("re2", "kcpfast.schema.cel.whole", "kcpfast.admission.policies")
_AUDIT_ID = b"Audit-Id"
# The id of a request that brought none: unique, not random.
_COUNTED_ID = line(_AUDIT_ID, new_uid()[:24].encode() + b"%012x")
_COUNTED = count(1)
_NO_CACHE = line(b"Cache-Control", b"no-cache, private")
_FLOW = b"".join(
    line(b"X-Kubernetes-Pf-%b-Uid" % name, b"00000000-0000-4000-8000-00000000000%d" % number)
    for name, number in ((b"Flowschema", 1), (b"Prioritylevel", 2))
)


class Server:
    """Serves requests; `serve` is what the transport is given."""

    def __init__(self, api: Api, front: Front, reader: Reader, seats: Seats) -> None:
        """Take what wire has put together."""
        self._api = api
        self._front = front
        self._reader = reader
        self._seats = seats
        self._discovery = Discovery(reader)
        # Whether what is needed for what is written is loaded.
        self._writes = False
        self._openapi = OpenApi(reader, api.aside)
        self._plans = RouteCache(reader)
        self._logs = LOG.isEnabledFor(logging.INFO)
        self._pages: Mapping[str, HealthPage] = pages(api.version)
        self._health = Health(api.objects.store)

    async def serve(self, request: Request) -> Response | Stream:
        """Answer a request; whatever goes wrong below becomes a Status here. It raises nothing."""
        call: Call | None = None
        found: Handler | Response
        answer: Response | Stream
        begun = understood = perf_counter()
        try:
            if (
                len(request.body) > LARGE_BODY or b"*" in request.body
            ):  # it may be YAML with aliases
                request.claim(growth(request.body, request.header(b"content-type")))
            known = self._plans.find(request)
            if known is not None:
                call, found = known
            else:
                call = Call(request, _route(request))
                if signed(bearer(request)):
                    await self._api.authenticator.accounts.ready()
                found = self._step_by_step(call)
            request.holder.join(call.flow)
            understood = perf_counter()
            if isinstance(found, Response):
                answer = found
            elif found is get:  # waits for nothing
                answer = await found(self._api, call)
            else:
                answer = await self._in_its_turn(call, found)
            # OpenAPI documents come compressed as they are kept, or not at all.
            if (
                isinstance(answer, Response)
                and compressible(call, answer)
                and not call.route.rest.startswith("/openapi/")
            ):
                answer = await compressed(call, answer)
            answer = _finish(call, answer)
        except Exception as error:
            answer = _refused(request, call, error)
        self._observe(request, call, answer, (begun, understood))
        return answer

    def _observe(
        self,
        request: Request,
        call: Call | None,
        answer: Response | Stream,
        marks: tuple[float, float],
    ) -> None:
        """Count, log and trace an answered request; `marks` are those of `record_of`."""
        seconds = perf_counter() - marks[0]
        if call is not None:
            _count(call, answer, seconds)
        if self._logs:
            _log(request, call, answer, seconds)
        if seconds >= _REQUESTS.threshold:
            _REQUESTS.note(record_of(request, call, answer, marks))

    async def _in_its_turn(self, call: Call, handler: Handler) -> Response | Stream:
        """Serve a call that has found a seat; ApiError 429 if there is none."""
        if not self._writes and call.request.method not in _READS:
            await self._api.aside.load(*_FOR_WRITES)
            self._writes = True
        seat = call.once("seat", partial(self._seats.of, call))
        if seat is None:
            return await handler(self._api, call)
        if not seat.pool.enter(seat):
            waiting = perf_counter()
            await seat.pool.wait(seat)
            call.waited = perf_counter() - waiting
        try:
            answer = await handler(self._api, call)
        except BaseException:
            seat.leave()
            raise
        if isinstance(answer, Stream):
            return seat.keep(answer)
        seat.leave()
        return answer

    def _step_by_step(self, call: Call) -> Handler | Response:
        """Return what serves a request that is allowed, or the answer where no verb does."""
        call.attributes = _attributes(call)
        with Notes(self._reader) as notes:
            found = self._prepare(call)
            lasting = call.request.cut is not None and self._front.is_lasting(call)
            named = lasting and self._front.allows_all_names(call)
        if call.served is None or isinstance(found, Response):
            return found
        if call.attributes.verb == "watch":
            call.right = self._right(call, notes)
        elif lasting:
            self._plans.remember(call, found, notes, named=named)
        return found

    def _right(self, call: Call, notes: Notes) -> Right[Watch]:
        """Return what a watch is allowed by; all that is kept is who asks, and for what."""
        request, who = call.request, _credentials(call.request)
        asked = Request(request.method, request.path, "", who, b"", request.peer.anywhere())
        key = (tuple(who.items()), asked.peer, request.path, call.attributes, call.cluster)
        renew = partial(self._renew, asked, call.attributes, call.cluster)
        return Right(key, call.flow, notes.basis(), renew)

    def _renew(self, request: Request, attributes: Attributes, cluster: str) -> Basis:
        """Ask about a watch again; ApiError if it would not begin now, or would elsewhere."""
        call = Call(request, _route(request))
        call.attributes = attributes
        with Notes(self._reader) as notes:
            found = self._prepare(call)
        if isinstance(found, Response):
            raise no_such_resource()
        if call.cluster != cluster:
            raise expired("the workspace at this path is another one; list again")
        return notes.basis()

    def _prepare(self, call: Call) -> Handler | Response:
        """Return what serves a request that is allowed, or the answer where no verb does."""
        self._front.locate(call)
        self._front.authenticate(call)
        call.authenticated = True
        self._front.authorize(call)
        limit = time_limit(call)
        found = self._understand(call)
        if limit is None or isinstance(found, Response):
            return found
        return _limited(found, limit)

    def _understand(self, call: Call) -> Handler | Response:
        """Return what serves a call, or the answer where that is none of the verbs."""
        route_ = call.route
        if "//" in route_.rest or "/." in route_.rest:
            moved = _moved(call)
            if moved is not None:
                return moved
        if not route_.plural:
            return self._page(call)
        assert call.view is not None
        call.served = call.view.find(
            call.cluster, route_.group, route_.version, route_.plural, route_.identity
        )
        if call.served is None:
            return _missing(call)
        if bool(route_.namespace) is not call.resource.namespaced and _misplaced(call):
            return plain(404, "404 page not found\n", call.headers)
        if call.resource.deprecation:
            call.warnings.append(call.resource.deprecation)
        usual = _handler(call)
        special = (route_.group, route_.plural, route_.subresource, call.attributes.verb)
        return self._api.handlers.get(special, usual)

    def _page(self, call: Call) -> Handler | Response:
        path = call.route.rest
        if is_health(path):
            return self._health.answer
        if path.startswith("/openapi/"):
            return self._openapi.serve
        if path.rstrip("/") == "/metrics":
            return metrics
        page = self._pages.get(path if path == "/" else path.rstrip("/"))
        if page is not None:
            return page(call)
        found = self._discovery.answer(call) or self._front.page(call)
        return found or plain(404, "404 page not found\n", call.headers)


def _error_of(request: Request, error: Exception) -> ApiError:
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


def _refused(request: Request, call: Call | None, error: Exception) -> Response | Stream:
    """Return the answer to a request that came to an error, a fault of our own included."""
    answer = refusal(call, _error_of(request, error))
    try:
        return answer if call is None else _finish(call, answer)
    except Exception as fault:
        LOG.error("%s %s", request.method, quoted(request.path), exc_info=fault)
        return answer


def _log(request: Request, call: Call | None, answer: Response | Stream, seconds: float) -> None:
    """Write the line of an answered request (of a watch: that has begun), as httplog does."""
    uri = f"{request.path}?{request.query}" if request.query else request.path
    fields: dict[str, str | int | Verbatim] = {
        "verb": call.attributes.verb if call is not None else "",
        "method": request.method,
        "URI": uri,
        "latency": Verbatim(f"{seconds * 1000:.3f}ms"),
        "user": call.user.name if call is not None else "",
        "userAgent": request.header(b"user-agent"),
        "srcIP": request.peer.address,
        "resp": answer.status if isinstance(answer, Response) else 200,
    }
    LOG.info("HTTP", extra={NAMED_VALUES: fields})


def _limited(handler: Handler, seconds: float) -> Handler:
    async def serve(api: Api, call: Call) -> Response | Stream:
        return await in_time(handler(api, call), seconds)

    return serve


def _credentials(request: Request) -> dict[bytes, bytes]:
    """Return the headers that say who asks, sorted by name."""
    return {
        name: value
        for name, value in sorted(request.headers.items())
        if name == b"authorization" or name.startswith(b"impersonate-")
    }


def _missing(call: Call) -> Response:
    """Answer for a resource that is not served: as discovery does for its group-version."""
    view, wanted = call.view, (call.route.group, call.route.version)
    assert view is not None
    for each in () if call.route.identity else BUILTIN:
        if (each.group, each.version) == wanted and view.find(call.cluster, *wanted, each.plural):
            raise no_such_resource()
    return plain(404, "404 page not found\n", call.headers)


def _route(request: Request) -> Route:
    try:
        found: Route = route(request.path)
    except ValueError:
        raise no_such_resource() from None
    if found.cluster is None and not found.service:
        # A service account's token names its workspace: in-cluster clients know no prefix.
        found.cluster = unverified_cluster(bearer(request)) or None
    return found


def _audit_line(request: Request) -> bytes:
    """Return the header with the id that a client gave its request (the first), or one of ours."""
    given = request.headers.get(b"audit-id")
    if given:
        return line(_AUDIT_ID, given.partition(b"\n")[0])
    return _COUNTED_ID % next(_COUNTED)


def _attributes(call: Call) -> Attributes:
    found, method = call.route, call.request.method
    if not found.plural:
        return Attributes(method.lower(), path=found.rest)
    on_object, on_collection = _METHODS.get(method, (method.lower(), method.lower()))
    verb, name = (on_object, found.name) if found.name else (on_collection, "")
    if verb == "list":
        verb = "watch" if boolean(call.parameter("watch")) else verb
        name = _only_name(call.parameter("fieldSelector"))
    if found.watch:
        if method not in ("GET", "HEAD") or found.subresource:
            raise no_such_resource()
        verb = "watch"
    return Attributes(
        verb,
        found.group,
        found.version,
        found.plural,
        found.subresource,
        found.namespace,
        name,
    )


def _only_name(selector: str) -> str:
    """Return the one name that a field selector lets through, "" if it is not about one.

    A list of one name is authorized as that object: who may see it may wait for it.
    """
    if "metadata.name" not in selector:
        return ""
    try:
        terms = parse_fields(selector)
    except SelectorError:
        return ""  # the verb will say so
    names = [term.value for term in terms if term.field == "metadata.name" and term.equal]
    return names[0] if names and not path_segment(names[0]) else ""


def _moved(call: Call) -> Response | None:
    """Redirect from a path with dots or doubled slashes in it, as Go's ServeMux does."""
    from html import escape  # noqa: PLC0415 - few paths are not clean

    path = call.route.rest
    clean = "/" + normpath(path).lstrip("/")
    if path.endswith("/") and clean != "/":
        clean += "/"
    if clean == path:
        return None
    query = f"?{call.request.query}" if call.request.query else ""
    location = quote(clean) + query
    body = f'<a href="{escape(location)}">Temporary Redirect</a>.\n\n'
    headers = [*call.headers, (b"Location", location.encode())]
    return Response(307, body.encode(), b"text/html; charset=utf-8", headers)


def _misplaced(call: Call) -> bool:
    """Tell whether a path has a namespace where it may not, or none where it must.

    ApiError for built-in kinds, whose paths a kube-apiserver knows one by one.
    """
    resource, found = call.resource, call.route
    if found.namespace and found.plural == "namespaces":
        return False
    if resource.namespaced and call.attributes.verb in ("list", "watch"):
        return False
    if not resource.builtin:
        return True
    if resource.namespaced and not found.name:
        raise method_not_allowed()
    raise no_such_resource()


def _handler(call: Call) -> Handler:
    """Return what serves a verb of a resource; 404 or 405 where nothing does."""
    resource, found, verb = call.resource, call.route, call.attributes.verb
    allowed = resource.verbs
    if found.subresource:
        sub = resource.subresources.get(found.subresource)
        if sub is None and resource.builtin:
            raise no_such_resource()
        if sub is None:
            raise not_found(resource.plural, resource.group, found.name)
        allowed = sub.verbs
    if verb not in allowed or call.request.method == "HEAD":
        raise method_not_allowed()
    if verb == "create":
        check_open(call)
    if verb in ("update", "patch") and not found.name:
        raise method_not_allowed() if resource.builtin else bad_request("name must be provided")
    if found.subresource == "scale":
        from kcpfast.api.verbs.scale import SCALE  # noqa: PLC0415 - few kinds scale

        return SCALE[verb]
    return VERB_HANDLERS[verb]


def _count(call: Call, answer: Response | Stream, seconds: float) -> None:
    """Count a request: under its group only if that is of something served."""
    verb = _COUNTED_VERBS.get(call.attributes.verb, "OTHER")
    group = call.served.resource.group if call.served is not None else ""
    ANSWERED_REQUESTS.add(verb, group, answer.status if isinstance(answer, Response) else 200)
    REQUEST_SECONDS.observe(seconds, verb, group)


def _finish(call: Call, answer: Response | Stream) -> Response | Stream:
    if call.warnings:
        call.headers += [(b"Warning", value) for value in warning_values(call.warnings)]
    media, headers = answer.content_type, answer.headers
    status = answer.status if isinstance(answer, Response) else 200
    if call.headers:
        missing = [pair for pair in call.headers if pair not in headers]
        headers = [*headers, *missing] if missing else headers
    lines = _audit_line(call.request)
    if not headers or not any(name == b"Cache-Control" for name, _ in headers):
        lines += _NO_CACHE
    if call.authenticated:
        lines += _FLOW
    if isinstance(answer, Stream):
        return Stream(answer.start, media, headers, lines, answer.last)
    return Response(status, answer.body, media, headers, lines)

"""The request line: what happens to every request, in order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from time import perf_counter

from kcpfast._core.generations import Basis
from kcpfast.api.answer import compressed, compressible, plain
from kcpfast.api.context import Api, Call, Handler, PageHandler, PageRequest, Settled, Understood
from kcpfast.api.discovery import Discovery
from kcpfast.api.limits.growth import LARGE_BODY, growth
from kcpfast.api.limits.seats import Seats
from kcpfast.api.openapi import OpenApi
from kcpfast.api.options import in_time, time_limit
from kcpfast.api.pages.health import Health, HealthPage, is_health, metrics, pages
from kcpfast.api.pages.recording import record_of
from kcpfast.api.route_cache import RouteCache
from kcpfast.api.steps.finishing import LOG, count_request, finish, log_request, refuse
from kcpfast.api.steps.front import Front
from kcpfast.api.steps.redirects import redirect
from kcpfast.api.steps.routing import (
    attributes_of,
    check_group_version,
    handler_of,
    is_misplaced,
    receive,
)
from kcpfast.api.steps.stages import Authorized, Progress, Received, Resolved, Routed
from kcpfast.api.verbs.read import get
from kcpfast.auth.authenticate import bearer
from kcpfast.auth.tokens import signed
from kcpfast.meta.errors import expired, no_such_resource
from kcpfast.meta.user import Attributes
from kcpfast.registry.reader import Notes, Reader
from kcpfast.telemetry import inspection
from kcpfast.transport.messages import Request, Response, Stream
from kcpfast.watch.hub import Watch
from kcpfast.watch.rights import Right

_REQUESTS = inspection.REQUESTS
_READS = frozenset(("GET", "HEAD"))
# What most writes need sooner or later; a start does without.
_FOR_WRITES = ("re2", "kcpfast.schema.cel.whole", "kcpfast.admission.policies")


class Server:
    """Serves requests; `serve` is what the transport is given."""

    def __init__(self, api: Api, front: Front, reader: Reader, seats: Seats) -> None:
        """Take what wire has put together."""
        self._api = api
        self._front = front
        self._reader = reader
        self._seats = seats
        self._discovery = Discovery(reader)
        # Whether the modules that writes need are loaded.
        self._ready_for_writes = False
        self._openapi = OpenApi(reader, api.aside)
        self._routes = RouteCache(reader)
        self._logs = LOG.isEnabledFor(logging.INFO)
        self._pages: Mapping[str, HealthPage] = pages(api.version)
        self._health = Health(api.objects.store)

    async def serve(self, request: Request) -> Response | Stream:
        """Answer a request; whatever goes wrong below becomes a Status here. It raises nothing."""
        progress = Progress()
        answer: Response | Stream
        begun = perf_counter()
        understood_at = 0.0
        try:
            # A small body may be YAML whose aliases make it large.
            if len(request.body) > LARGE_BODY or b"*" in request.body:
                request.claim(growth(request.body, request.header(b"content-type")))
            understood: Understood | None = self._routes.find(request)
            if understood is None:
                if signed(bearer(request)):
                    await self._api.authenticator.accounts.ready()
                understood = self._understand(request, progress)
            else:
                progress.stage = understood
            request.holder.join(understood.flow)
            if isinstance(understood, Call) and understood.handler is get:
                answer = await get(self._api, understood)  # it waits for nothing: no seat
            elif isinstance(understood, Settled):
                answer = understood.answer
            else:
                understood_at = perf_counter()
                answer = await self._in_its_turn(understood)
            # OpenAPI documents come compressed as they are kept, or not at all.
            if (
                isinstance(answer, Response)
                and compressible(understood, answer)
                and not understood.route.rest.startswith("/openapi/")
            ):
                answer = await compressed(understood, answer)
            answer = finish(understood, answer)
        except Exception as error:
            answer = refuse(request, progress.stage, error)
        self._observe(request, progress.stage, answer, (begun, understood_at or begun))
        return answer

    def _observe(
        self,
        request: Request,
        stage: Received | None,
        answer: Response | Stream,
        marks: tuple[float, float],
    ) -> None:
        """Count, log and trace an answered request; `marks` are those of `record_of`."""
        seconds = perf_counter() - marks[0]
        if stage is not None:
            count_request(stage, answer, seconds)
        if self._logs:
            log_request(request, stage, answer, seconds)
        if seconds >= _REQUESTS.threshold:
            _REQUESTS.note(record_of(request, stage, answer, marks))

    async def _in_its_turn(self, understood: Call | PageRequest) -> Response | Stream:
        """Serve a request that has found a seat; ApiError 429 if there is none."""
        if not self._ready_for_writes and understood.request.method not in _READS:
            await self._api.aside.load(*_FOR_WRITES)
            self._ready_for_writes = True
        seat = understood.seat
        if seat is None:
            return await understood.serve(self._api)
        if not seat.pool.enter(seat):
            waiting = perf_counter()
            await seat.pool.wait(seat)
            understood.waited = perf_counter() - waiting
        try:
            answer = await understood.serve(self._api)
        except BaseException:
            seat.leave()
            raise
        if isinstance(answer, Stream):
            return seat.keep(answer)
        seat.leave()
        return answer

    def _understand(self, request: Request, progress: Progress) -> Understood:
        """Return an allowed request with what serves it, and remember that if it lasts."""
        lasting = named = False
        with Notes(self._reader) as notes:
            understood = self._steps(request, progress)
            if isinstance(understood, Call) and request.cut is not None:
                lasting = self._front.is_lasting(understood)
                named = lasting and self._front.allows_all_names(understood)
        if not isinstance(understood, Call):
            return understood
        if understood.attributes.verb == "watch":
            understood.right = self._right(understood, notes)
        elif lasting:
            self._routes.remember(understood, notes, named=named)
        return understood

    def _steps(
        self, request: Request, progress: Progress, attributes: Attributes | None = None
    ) -> Understood:
        """Take a request through all steps; ApiError from the first that refuses it.

        `attributes` are for a request that is asked about again, without its query.
        """
        received = progress.reach(receive(request))
        routed = progress.reach(Routed(received, attributes or attributes_of(received)))
        located = progress.reach(self._front.locate(routed))
        authenticated = progress.reach(self._front.authenticate(located))
        identified = progress.reach(self._front.identify(authenticated))
        authorized = progress.reach(self._front.authorize(identified))
        return progress.reach(self._find(authorized, progress))

    def _find(self, authorized: Authorized, progress: Progress) -> Understood:
        """Return a request with what serves it, or with its answer."""
        limit = time_limit(authorized)
        moved = redirect(authorized)
        if moved is not None:
            return Settled(authorized, moved)
        if not authorized.route.plural:
            return self._find_page(authorized, limit)
        path = authorized.route
        served = authorized.view.find(
            authorized.cluster, path.group, path.version, path.plural, path.identity
        )
        if served is None:
            check_group_version(authorized)
            return _nothing(authorized)
        if is_misplaced(authorized, served):
            return _nothing(authorized)
        resolved = progress.reach(Resolved(authorized, served))
        usual = handler_of(resolved)
        special = (path.group, path.plural, path.subresource, authorized.attributes.verb)
        handler = self._api.handlers.get(special, usual)
        if limit is not None:
            handler = _limited(handler, limit)
        return Call(resolved, handler, self._seats.of(resolved))

    def _find_page(self, authorized: Authorized, limit: float | None) -> PageRequest | Settled:
        page = self._page(authorized)
        if isinstance(page, Response):
            return Settled(authorized, page)
        handler = page if limit is None else _limited_page(page, limit)
        return PageRequest(authorized, handler, self._seats.of(authorized))

    def _page(self, authorized: Authorized) -> PageHandler | Response:
        """Return the answer to a path that is no resource, or what serves it."""
        path = authorized.route.rest
        if is_health(path):
            return self._health.answer
        if path.startswith("/openapi/"):
            return self._openapi.serve
        if path.rstrip("/") == "/metrics":
            return metrics
        page = self._pages.get(path if path == "/" else path.rstrip("/"))
        if page is not None:
            return page(authorized)
        answer = self._discovery.answer(authorized) or self._front.page(authorized)
        return answer or _nothing(authorized).answer

    # ------------------------------------------------------------------------- watches

    def _right(self, call: Call, notes: Notes) -> Right[Watch]:
        """Return what a watch is allowed by, with which it is asked about again.

        Only credentials, path and attributes are kept: a request holds a body and a connection.
        """
        request, attributes, cluster = call.request, call.attributes, call.cluster
        credentials, peer = _credentials(request), request.peer.anywhere()
        question = Request(request.method, request.path, "", credentials, b"", peer)
        sender = tuple(credentials.items())
        key = (sender, peer, request.path, attributes, cluster)
        renew = partial(self._renew, question, attributes, cluster)
        return Right(key, call.flow, notes.basis(), renew)

    def _renew(self, request: Request, attributes: Attributes, cluster: str) -> Basis:
        """Ask again whether a watch is allowed; return what the answer rests on.

        ApiError if it would be refused now, or would be of another cluster.
        """
        with Notes(self._reader) as notes:
            understood = self._steps(request, Progress(), attributes)
        if not isinstance(understood, Call):
            raise no_such_resource()
        if understood.cluster != cluster:
            raise expired("the workspace at this path is another one; list again")
        return notes.basis()


def _nothing(authorized: Authorized) -> Settled:
    return Settled(authorized, plain(404, "404 page not found\n", authorized.headers))


def _limited(handler: Handler, seconds: float) -> Handler:
    async def serve(api: Api, call: Call) -> Response | Stream:
        return await in_time(handler(api, call), seconds)

    return serve


def _limited_page(handler: PageHandler, seconds: float) -> PageHandler:
    async def serve(api: Api, page: Authorized) -> Response | Stream:
        return await in_time(handler(api, page), seconds)

    return serve


def _credentials(request: Request) -> dict[bytes, bytes]:
    """Return the headers that say who asks, sorted by name."""
    return {
        name: value
        for name, value in sorted(request.headers.items())
        if name == b"authorization" or name.startswith(b"impersonate-")
    }

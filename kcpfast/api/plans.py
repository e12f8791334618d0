"""Remembers what requests came to, up to the verb that serves them.

A client that goes on asking for the same kind of thing with the same headers is located,
authenticated, authorized and understood once; after that only the name and the body differ. All
of it is forgotten as soon as anything is written that could change an answer (`auth` stamps: roles,
workspaces, what they serve), so it is never older than the store.
"""

from __future__ import annotations

from typing import NamedTuple

from kcpfast._core.heads import Cut, Heads
from kcpfast._core.routing import Route, renamed
from kcpfast.api.context import Call, Handler
from kcpfast.meta.user import Attributes
from kcpfast.registry import index
from kcpfast.store.contract import Batch
from kcpfast.transport.messages import Request

_MAX_PLANS = 8192
_VERBS = ("create", "delete", "get", "list", "patch", "update")
_Key = tuple[Heads, bytes, bytes]


class Plan(NamedTuple):
    """What was understood of a request; `named` tells whether it holds for every name."""

    pattern: Call
    handler: Handler
    named: bool

    def call(self, request: Request, cut: Cut) -> Call:
        """Return the call that another request like the first is."""
        call = self.pattern.again(request)
        if self.named:
            name = cut.name.decode("ascii")
            call.route = renamed(call.route, name)
            verb, group, version, resource, _, namespace, _, _ = call.attributes
            call.attributes = Attributes(verb, group, version, resource, "", namespace, name)
        return call


class Plans:
    """The memory; bounded."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._plans: dict[_Key, Plan] = {}

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._plans)

    def find(self, cut: Cut) -> Plan | None:
        """Return the plan of a request; None if it must be gone through step by step."""
        heads, line, name, query = cut.heads, cut.line, cut.name, cut.query
        plans = self._plans
        if not name or name[0] == 46:  # a path that is redirected or names a folder
            return None
        return plans.get((heads, line, query)) or plans.get((heads, line + name, query))

    def remember(self, call: Call, handler: Handler, *, named: bool) -> None:
        """Remember a call that was allowed; `named` if any other name would have been, too."""
        cut, verb = call.request.cut, call.attributes.verb
        if cut is None or not cut.name or verb not in _VERBS or ":" in call.route.plural:
            return
        if verb == "list" and cut.query:
            return  # pages and revisions: the next is another
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        named = named and _ends_with_name(call.route)
        line = cut.line if named else cut.line + cut.name
        pattern = call.again(_NOTHING)
        pattern.known = {}
        self._plans[cut.heads, line, cut.query] = Plan(pattern, handler, named)

    def on_commit(self, batch: Batch) -> None:
        """Forget everything if a commit made anything doubtful."""
        if self._plans and any(stamp.startswith(_DOUBT) for stamp in batch.stamps):
            self._plans.clear()


_DOUBT = index.auth("")
_NOTHING = Request("", "")


def _ends_with_name(route: Route) -> bool:
    """Tell whether a path ends with an object's name, and would with any other name."""
    return bool(route.name) and not route.subresource and route.plural != "namespaces"

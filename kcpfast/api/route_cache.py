"""Remembers the calls that requests came to, so that the next like them skips all steps.

A client that goes on asking for the same kind of thing with the same headers is located,
authenticated, authorized and understood once; after that only the name and the body differ. An
entry is forgotten as soon as anything changes that was read for it (roles, workspaces, what they
serve), so it is never older than the store. What others write elsewhere leaves it alone.
"""

from __future__ import annotations

from typing import NamedTuple

from kcpfast._core.heads import FastRequest, HeaderBlock
from kcpfast._core.routing import Route, renamed
from kcpfast.api.context import Call
from kcpfast.meta.bounded import allowed
from kcpfast.meta.user import Attributes
from kcpfast.registry.catalog import held_by
from kcpfast.registry.derived import Derived
from kcpfast.registry.reader import Notes, Reader
from kcpfast.resources.resource import Resource
from kcpfast.transport.messages import Request

_MAX_ENTRIES = 8192
# Bytes that the custom resources which entries keep may take.
_MAX_HELD = 128 << 20
# Bytes of a path and its query; a longer one is not worth its place.
_MAX_TARGET = 1024
_VERBS = ("create", "delete", "get", "list", "patch", "update")
_STATUS = b"status"
_Key = tuple[HeaderBlock, bytes, bytes, bytes]


class RouteEntry(NamedTuple):
    """A call to repeat; `named` tells whether it may be repeated for every object's name."""

    pattern: Call
    named: bool

    def call(self, request: Request, cut: FastRequest) -> Call:
        """Return the call of another request like the first."""
        pattern = self.pattern
        if not self.named:
            return pattern.again(request, pattern.route, pattern.attributes)
        name = _around_name(cut)[1].decode("ascii")
        verb, group, version, resource, part, namespace, _, _ = pattern.attributes
        attributes = Attributes(verb, group, version, resource, part, namespace, name)
        return pattern.again(request, renamed(pattern.route, name), attributes)


def _around_name(cut: FastRequest) -> tuple[bytes, bytes, bytes]:
    """Split a request line into what is before the object's name, the name, and a subresource.

    The only subresource that is looked for is `status`; it is empty for all others.
    """
    if cut.name != _STATUS:
        return cut.line, cut.name, b""
    line, _, name = cut.line[:-1].rpartition(b"/")
    return line + b"/", name, _STATUS


class RouteCache:
    """Route entries by header block, path and query; bounded in number and in bytes.

    Entries keep the resources that they are about: when those take too much, all are forgotten.
    """

    def __init__(self, reader: Reader) -> None:
        """Begin empty; `reader` tells what entries were read from, and when that changes."""
        self._reader = reader
        self._forget()

    def _forget(self) -> None:
        self._entries: Derived[_Key, RouteEntry] = Derived(self._reader, _MAX_ENTRIES)
        self._resources: set[int] = set()
        self._held = 0

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def find(self, request: Request) -> Call | None:
        """Return the call that a request is; None if nothing is known of it."""
        cut = request.cut
        if cut is None or not cut.name:
            return None
        entry = self._entry(cut)
        return entry.call(request, cut) if entry is not None else None

    def _entry(self, cut: FastRequest) -> RouteEntry | None:
        heads, query, entries = cut.heads, cut.query, self._entries
        line, name, part = _around_name(cut)
        if name[:1] not in (b"", b"."):  # dots in paths are redirected
            entry = entries.find((heads, line, part, query))
            if entry is not None:
                return entry
        return entries.find((heads, cut.line + cut.name, b"", query))

    def remember(self, call: Call, notes: Notes, *, named: bool) -> None:
        """Remember a call that was allowed; `named` if any other name would have been, too.

        `notes` are of all that was read to find that out.
        """
        cut, verb = call.request.cut, call.attributes.verb
        if cut is None or not cut.name or verb not in _VERBS or call.route.identity:
            return
        if verb == "list" and cut.query:
            return  # pages and revisions: the next is another
        if len(cut.path) + len(cut.query) > _MAX_TARGET:
            return
        named = named and _is_named(call.route)
        line, _, part = _around_name(cut) if named else (cut.line + cut.name, b"", b"")
        self._hold(call.resource)
        # Without the request, which holds a body and a connection.
        pattern = call.again(_NOTHING, call.route, call.attributes)
        key = (cut.heads, line, part, cut.query)
        self._entries.keep(key, RouteEntry(pattern, named), notes)

    def _hold(self, resource: Resource) -> None:
        """Count a resource that an entry is going to keep, once."""
        if not resource.size or id(resource) in self._resources:
            return
        if self._held + held_by(resource) > allowed(_MAX_HELD):
            self._forget()
        self._resources.add(id(resource))
        self._held += held_by(resource)


_NOTHING = Request("", "")


def _is_named(route: Route) -> bool:
    """Tell whether a path means the same with every object's name.

    The name has to stand where `_around_name` looks for it.
    """
    if not route.name or route.plural == "namespaces":
        return False
    return route.subresource == "status" or (not route.subresource and route.name != "status")

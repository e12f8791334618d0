"""Runs the plugins that may change or refuse an object, in order.

A plugin is a row: a name, the operations and resources it looks at, and a plain function that
raises ApiError to refuse. Mutating plugins run before an object is validated, validating ones
after. A function may return an awaitable where it must ask somebody else (a webhook).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from kcpfast.meta.errors import ApiError, forbidden
from kcpfast.meta.user import User
from kcpfast.registry.objects import Target
from kcpfast.resources.resource import Object, Resource
from kcpfast.store.contract import Write

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


def _free(_size: int) -> None:
    """Take what is claimed: nobody counts it."""


class Review:
    """What a plugin sees of a request; it may change `new`, add to `more` and `warnings`.

    `new` is None for a delete, `old` for a create. `more` are writes of the same commit, `options`
    those of the request as the API shows them, `audit` annotations for the audit event, `size` the
    bytes of the objects, about. `claim` is told of the memory that a plugin takes, before it does;
    it raises what refuses the request if there is none.
    """

    __slots__ = (
        "audit",
        "claim",
        "dry_run",
        "more",
        "new",
        "old",
        "operation",
        "options",
        "size",
        "subresource",
        "target",
        "user",
        "warnings",
    )

    def __init__(
        self,
        operation: str,
        target: Target,
        user: User,
        new: Object | None,
        old: Object | None,
    ) -> None:
        """Begin a review."""
        self.operation = operation
        self.target = target
        self.user = user
        self.new = new
        self.old = old
        self.subresource = ""
        self.size = 0
        self.dry_run = False
        self.options: Callable[[], dict[str, Any]] = dict
        self.more: list[Write] = []
        self.audit: dict[str, str] = {}
        self.warnings: list[str] = []
        self.claim: Callable[[int], None] = _free

    @property
    def resource(self) -> Resource:
        """The resource of the object."""
        return self.target.resource

    @property
    def place(self) -> tuple[str, str]:
        """Group and plural of the resource."""
        return self.target.resource.group, self.target.resource.plural

    @property
    def name(self) -> str:
        """The name of the object."""
        name = (self.new or {}).get("metadata", {}).get("name") or self.target.name
        return str(name)

    @property
    def obj(self) -> Object:
        """The object as it is to become."""
        assert self.new is not None
        return self.new

    def refuse(self, why: str) -> ApiError:
        """Return the 403 with which admission refuses; `why` completes the sentence."""
        group, plural = self.place
        return forbidden(plural, group, self.name, why)


Run = Callable[[Review], Awaitable[None] | None]


class Plugin(NamedTuple):
    """One row of the chain.

    `places` are the (group, plural) it looks at, None for all; `subresources` the subresources
    ("" = the object itself, None for all).
    """

    name: str
    run: Run
    operations: tuple[str, ...] = (CREATE, UPDATE)
    places: tuple[tuple[str, str], ...] | None = None
    subresources: tuple[str, ...] | None = ("",)
    mutates: bool = False

    def looks_at(self, place: tuple[str, str], operation: str, subresource: str) -> bool:
        """Tell whether what happens to a part of a resource concerns this plugin."""
        return (
            operation in self.operations
            and (self.places is None or place in self.places)
            and (self.subresources is None or subresource in self.subresources)
        )


class Admission:
    """The chain."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        """Take the plugins in their order."""
        self._mutating = _Rows([plugin for plugin in plugins if plugin.mutates])
        self._validating = _Rows([plugin for plugin in plugins if not plugin.mutates])

    async def mutate(self, review: Review) -> None:
        """Let the mutating plugins change the object; ApiError if one refuses."""
        for run in self._mutating.concerned(review):
            pending = run(review)
            if pending is not None:
                await pending

    async def validate(self, review: Review) -> None:
        """Let the validating plugins look at the finished object; ApiError if one refuses."""
        for run in self._validating.concerned(review):
            pending = run(review)
            if pending is not None:
                await pending


class _Rows:
    """Plugins, looked up by what they look at; places that no plugin names share one answer."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = plugins
        self._named = {place for plugin in plugins for place in plugin.places or ()}
        self._known: dict[tuple[tuple[str, str], str, str], tuple[Run, ...]] = {}

    def concerned(self, review: Review) -> tuple[Run, ...]:
        place = review.place if review.place in self._named else _OTHER
        question = (place, review.operation, review.subresource)
        found = self._known.get(question)
        if found is None:
            found = tuple(each.run for each in self._plugins if each.looks_at(*question))
            self._known[question] = found
        return found


# Stands for every resource that no plugin names.
_OTHER = ("", "")

"""Runs the plugins that may change or refuse an object, in order.

Requests ask the chain themselves. Controllers that delete on somebody's behalf (garbage collection,
the end of a namespace, a binding or a workspace) ask it through a `Deleter`: upstream they send
requests, too, so that nothing is deleted that a policy or webhook forbids.

A plugin is a row: a name, the operations and resources it looks at, and a plain function that
raises ApiError to refuse. Mutating plugins run before an object is validated, validating ones
after. A function may return an awaitable where it must ask somebody else (a webhook).

Webhooks and policies are registered by tenants, and change an object behind the mutating plugins.
So those are asked once more about what it has become, as a kube-apiserver does (reinvocation):
what one of them has checked or filled in holds of what is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from kcpfast.meta.errors import ApiError, forbidden
from kcpfast.meta.user import AUTHENTICATED, SERVICE_ACCOUNTS, User, service_account
from kcpfast.registry import values
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.objects import Target
from kcpfast.resources.resource import Object, Resource
from kcpfast.store.contract import Write
from kcpfast.work.aside import Aside

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


def _free(_size: int) -> None:
    """Take what is claimed: nobody counts it."""


class WriteRequest(NamedTuple):
    """What admission is told of the request behind a write.

    `options` returns the request's options as an object (a CreateOptions, DeleteOptions ...).
    Plugins append to `warnings`, which the answer carries. `claim` takes a number of bytes that a
    plugin is about to use; it raises TooMuch if there is no room for them.
    """

    user: User
    subresource: str = ""
    dry_run: bool = False
    options: Callable[[], dict[str, Any]] = dict
    warnings: list[str] | None = None
    claim: Callable[[int], None] = _free


class Review:
    """What a plugin sees of a write; it may change `new`, add to `more`, `audit` and `warnings`.

    `new` is None for a delete, `old` for a create. `more` are writes of the same commit, `audit`
    annotations for the audit event, `size` the bytes of the objects, about. `rewritten` tells
    whether a webhook or policy has changed `new`. The rest is of the request (`WriteRequest`).
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
        "rewritten",
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
        request: WriteRequest,
        new: Object | None,
        old: Object | None,
        size: int = 0,
    ) -> None:
        """Take everything that is known of a write before the first plugin sees it."""
        self.operation = operation
        self.target = target
        self.new = new
        self.old = old
        self.size = size
        self.user, self.subresource, self.dry_run, self.options, warnings, self.claim = request
        self.warnings: list[str] = [] if warnings is None else warnings
        self.more: list[Write] = []
        self.audit: dict[str, str] = {}
        self.rewritten = False

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

    def refuse(self, message: str) -> ApiError:
        """Return the 403 with which admission refuses; `message` completes its sentence."""
        group, plural = self.place
        return forbidden(plural, group, self.name, message)


Run = Callable[[Review], Awaitable[None] | None]


class Plugin(NamedTuple):
    """One row of the chain.

    `places` are the (group, plural) it looks at, None for all; `subresources` the subresources
    ("" = the object itself, None for all). One that mutates is asked again about an object that
    webhooks or policies have changed, unless `once`: what it says is compared behind them.
    """

    name: str
    run: Run
    operations: tuple[str, ...] = (CREATE, UPDATE)
    places: tuple[tuple[str, str], ...] | None = None
    subresources: tuple[str, ...] | None = ("",)
    mutates: bool = False
    once: bool = False

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
        deleting = [plugin for plugin in plugins if DELETE in plugin.operations]
        self._deletions = {place for plugin in deleting for place in plugin.places or ()}
        mutating = [plugin for plugin in plugins if plugin.mutates]
        self._mutating = _Rows(mutating)
        self._once_more = _Rows([plugin for plugin in mutating if not plugin.once])
        self._validating = _Rows([plugin for plugin in plugins if not plugin.mutates])

    async def mutate(self, review: Review) -> None:
        """Let the mutating plugins change the object; ApiError if one refuses."""
        for run in self._mutating.concerned(review):
            pending = run(review)
            if pending is not None:
                await pending
        if review.rewritten:
            for run in self._once_more.concerned(review):
                pending = run(review)
                if pending is not None:
                    await pending

    def guards(self, place: tuple[str, str]) -> bool:
        """Tell whether a plugin looks at deletions of this resource in particular."""
        return place in self._deletions

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
        runs = self._known.get(question)
        if runs is None:
            runs = tuple(plugin.run for plugin in self._plugins if plugin.looks_at(*question))
            self._known[question] = runs
        return runs


# Stands for every resource that no plugin names.
_OTHER = ("", "")


# ------------------------------------------------------------------------- controllers

_ASKED_AT_ONCE = 64
_BOUND = ":"


class DeletionRefused(Exception):
    """Admission does not let a controller delete an object.

    It is to be asked again, later and later: after `longest` seconds at last.
    """

    def __init__(self, message: str, longest: float = 60.0) -> None:
        """Take what the refusal says."""
        super().__init__(message)
        self.longest = longest


class Deletions:
    """Has controllers ask the chain; `registers` tells whether a workspace has registered anything
    that looks at the deletion of a resource."""

    def __init__(
        self,
        admission: Admission,
        catalog: Catalog,
        aside: Aside,
        registers: Callable[[Target], bool],
    ) -> None:
        """Find resources in the catalog as they are served; decode beside the loop."""
        self.admission, self.aside, self.registers = admission, aside, registers
        self._catalog = catalog
        self.asking: Counter[str] = Counter()

    def by(self, controller: str) -> Deleter:
        """Return what a controller asks with: policies know it by its service account's name."""
        namespace = "kube-system"
        groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
        return Deleter(self, User(service_account(namespace, controller), groups=groups))

    def served(self, target: Target) -> Target:
        """Return a stored object's target as its workspace serves it, itself if none does."""
        resource, storage = target.resource, target.resource.storage
        place = (resource.group, resource.plural)
        resource_served = self._catalog.stored(target.cluster, *place)
        if resource_served is not None and resource_served.storage == storage:
            return target._replace(resource=resource_served)
        _, _, identity = storage.decode().partition(_BOUND)
        origin = self._catalog.by_identity(identity, *place) if identity else None
        versions = self._catalog.from_origin(origin) if origin is not None else {}
        return target._replace(resource=next(iter(versions.values()), resource))


class Deleter:
    """Asks for one controller."""

    def __init__(self, deletions: Deletions, user: User) -> None:
        """Ask as this user."""
        self._deletions = deletions
        self._user = user

    def must_ask(self, target: Target) -> bool:
        """Tell whether anybody looks at the deletion of a stored object, by kind and workspace."""
        served = self._deletions.served(target)
        place = (served.resource.group, served.resource.plural)
        return self._deletions.admission.guards(place) or self._deletions.registers(served)

    def must_ask_others(self, target: Target) -> bool:
        """Tell whether the workspace of an APIExport looks at deletions of a resource it exports.

        False for resources that are not bound, and where export and binding share a workspace.
        """
        if _BOUND.encode() not in target.resource.storage:
            return False
        served = self._deletions.served(target)
        origin = served.resource.origin
        owner = origin.export_cluster if origin is not None else ""
        return owner not in ("", target.cluster) and self._deletions.registers(served)

    async def ask(
        self, target: Target, revision: int, value: bytes, propagation: str = ""
    ) -> list[Write]:
        """Return the writes that belong to the commit of a deletion; DeletionRefused if denied.

        Also refused is a deletion in a workspace where `_ASKED_AT_ONCE` others wait for webhooks:
        each of them holds a decoded object in memory.
        """
        parts, served = self._deletions, self._deletions.served(target)
        if parts.asking[target.cluster] >= _ASKED_AT_ONCE:
            raise DeletionRefused("too many deletions wait for admission")
        size = len(value)
        old = await parts.aside.run(
            size, target.cluster, values.decode, served.resource, revision, value
        )
        options = partial(_options, old["metadata"]["uid"], propagation)
        request = WriteRequest(self._user, options=options)
        review = Review(DELETE, served, request, None, old, size)
        parts.asking[target.cluster] += 1
        try:
            await parts.admission.mutate(review)
            await parts.admission.validate(review)
        except ApiError as error:
            raise DeletionRefused(error.message) from error
        finally:
            parts.asking[target.cluster] -= 1
            if not parts.asking[target.cluster]:
                del parts.asking[target.cluster]
        return review.more


def _options(uid: str, propagation: str) -> dict[str, Any]:
    """Return the DeleteOptions that a controller sends upstream."""
    head = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}
    asked = {"propagationPolicy": propagation} if propagation else {}
    return head | {"preconditions": {"uid": uid}} | asked

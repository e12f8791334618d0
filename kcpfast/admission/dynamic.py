"""Admission that workspaces register themselves: policies, then webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from kcpfast.admission.chain import CREATE, DELETE, UPDATE, Plugin, Review
from kcpfast.admission.evaluation import Decide
from kcpfast.admission.matching import Matcher
from kcpfast.admission.registered import (
    ADMISSION_GROUP,
    GROWTH,
    PLACES,
    Policy,
    Registered,
    Registry,
    Unmade,
)
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.objects import Objects, Target
from kcpfast.registry.reader import Reader
from kcpfast.work.aside import SMALL

if TYPE_CHECKING:
    from kcpfast.admission.mutations import MutatingPolicies
    from kcpfast.admission.params import Params
    from kcpfast.admission.policies import ValidatingPolicies
    from kcpfast.admission.rewriting import Seen
    from kcpfast.admission.webhooks import Webhooks

_ALL = (CREATE, UPDATE, DELETE)
_PLACES = tuple((ADMISSION_GROUP, plural) for plural in PLACES)
# Notes what a review's object may not lose; what it returns raises ApiError if it has.
Kept = Callable[[Review], Callable[[], None]]
# Bytes that an expression costs even of nothing.
_LEAST = 256


class Dynamic:
    """The two plugins."""

    def __init__(
        self, objects: Objects, catalog: Catalog, reader: Reader, decide: Decide, kept: Kept
    ) -> None:
        """Read what is registered through the registry; `decide` answers for the authorizer.

        What is judged beside the loop asks the loop for everything that is not in the request.
        `kept` guards what webhooks and policies may not change.
        """
        self._kept = kept
        self._objects, self._catalog, self._aside = objects, catalog, objects.aside
        self._decide: Decide = lambda user, cluster, attributes: self._aside.on_loop(
            decide, user, cluster, attributes
        )
        self._matcher = Matcher(objects, catalog)
        self._registry = Registry(objects, reader)

    # What follows is loaded by the first workspace that has registered anything.

    @cached_property
    def _params(self) -> Params:
        from kcpfast.admission.params import Params  # noqa: PLC0415 - see above

        return Params(self._objects, self._catalog)

    @cached_property
    def _mutating(self) -> MutatingPolicies:
        from kcpfast.admission.mutations import MutatingPolicies  # noqa: PLC0415 - see above

        return MutatingPolicies(self._matcher, self._params, self._decide)

    @cached_property
    def _validating(self) -> ValidatingPolicies:
        from kcpfast.admission.policies import ValidatingPolicies  # noqa: PLC0415 - see above

        return ValidatingPolicies(self._matcher, self._params, self._decide)

    @cached_property
    def _webhooks(self) -> Webhooks:
        from kcpfast.admission.webhooks import Webhooks  # noqa: PLC0415 - see above

        return Webhooks(self._matcher, self._decide, self._aside)

    def plugins(self) -> list[Plugin]:
        """Return the plugins; they belong at the end of the chain, before quotas."""
        return [
            Plugin(
                "apis.kcp.io/Mutating",
                self._mutate,
                _ALL,
                subresources=None,
                mutates=True,
                once=True,
            ),
            Plugin("apis.kcp.io/Validating", self._validate, _ALL, subresources=None),
            Plugin("RegisteredBytes", self._registry.limit, places=_PLACES),
        ]

    def looks_at_deletion(self, target: Target) -> bool:
        """Tell whether anything is registered that may look at the deletion of a resource."""
        registered = self._registry.at(target)
        if registered is None:
            return False
        return isinstance(registered, Unmade) or registered.deletes

    def _mutate(self, review: Review) -> Awaitable[None] | None:
        registered = self._registry.of(review)
        if registered is None:
            return None
        if isinstance(registered, Unmade):
            return self._once_made(registered, review, self._mutate_by)
        return self._mutate_by(registered, review)

    async def _once_made(
        self,
        unmade: Unmade,
        review: Review,
        step: Callable[[Registered, Review], Awaitable[None] | None],
    ) -> None:
        """Go on with what is registered when it is ready to run."""
        review.claim(GROWTH * unmade.size)
        registered = await self._aside.run(unmade.size, review.user.name, unmade.make)
        pending = step(registered, review)
        if pending is not None:
            await pending

    def _mutate_by(self, registered: Registered, review: Review) -> Awaitable[None] | None:
        from kcpfast.admission.rewriting import Seen  # noqa: PLC0415 - see above

        seen, compare = Seen(), self._kept(review)
        weight = _weight(registered.mutating_policies, review)
        if weight > SMALL or registered.mutating_hooks:
            return self._mutate_in_turns(registered, review, seen, weight, compare)
        self._mutating.run(registered, review, seen)
        seen.again = True
        self._mutating.run(registered, review, seen)
        compare()
        return None

    async def _mutate_in_turns(
        self,
        registered: Registered,
        review: Review,
        seen: Seen,
        weight: int,
        compare: Callable[[], None],
    ) -> None:
        """Let policies and webhooks change the object; who wants to look again does so once."""
        run, who = self._aside.run, review.user.name
        hooks = registered.mutating_hooks
        await run(weight, who, self._mutating.run, registered, review, seen)
        if hooks:
            await self._webhooks.mutate(hooks, review, seen)
        seen.again = True
        await run(weight, who, self._mutating.run, registered, review, seen)
        if hooks:
            await self._webhooks.mutate(hooks, review, seen)
        compare()

    def _validate(self, review: Review) -> Awaitable[None] | None:
        registered = self._registry.of(review)
        if registered is None:
            return None
        if isinstance(registered, Unmade):
            return self._once_made(registered, review, self._validate_by)
        return self._validate_by(registered, review)

    def _validate_by(self, registered: Registered, review: Review) -> Awaitable[None] | None:
        weight = _weight(registered.validating_policies, review)
        if weight > SMALL or registered.validating_hooks:
            return self._validate_in_turns(registered, review, weight)
        self._validating.run(registered, review)
        return None

    async def _validate_in_turns(self, registered: Registered, review: Review, weight: int) -> None:
        who, hooks = review.user.name, registered.validating_hooks
        await self._aside.run(weight, who, self._validating.run, registered, review)
        if hooks:
            await self._webhooks.validate(hooks, review)


def _weight(policies: Sequence[Policy], review: Review) -> int:
    """Return what policies cost a request, as Aside asks."""
    if not policies:
        return 0
    weight = sum(policy.weight for policy in policies) * (review.size + _LEAST)
    return int(weight) + sum(policy.cost for policy in policies)

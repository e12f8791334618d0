"""Admission that workspaces register themselves: policies, then webhooks."""

from __future__ import annotations

from collections.abc import Awaitable

from kcpfast.admission.chain import CREATE, DELETE, UPDATE, Plugin, Review
from kcpfast.admission.evaluation import Decide
from kcpfast.admission.matching import Matcher
from kcpfast.admission.mutations import MutatingPolicies
from kcpfast.admission.params import Params
from kcpfast.admission.policies import ValidatingPolicies
from kcpfast.admission.registered import Registered, Registry, Remembered
from kcpfast.admission.rewriting import Seen
from kcpfast.admission.webhooks import Webhooks
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.objects import Objects

_ALL = (CREATE, UPDATE, DELETE)


class Dynamic:
    """The two plugins."""

    def __init__(
        self, objects: Objects, catalog: Catalog, remembered: Remembered, decide: Decide
    ) -> None:
        """Read what is registered through the registry; `decide` answers for the authorizer."""
        matcher, params = Matcher(objects, catalog), Params(objects, catalog)
        self._registry = Registry(objects, remembered)
        self._mutating = MutatingPolicies(matcher, params, decide)
        self._validating = ValidatingPolicies(matcher, params, decide)
        self._webhooks = Webhooks(matcher, decide)

    def plugins(self) -> list[Plugin]:
        """Return the plugins; they belong at the end of the chain, before quotas."""
        return [
            Plugin("apis.kcp.io/Mutating", self._mutate, _ALL, subresources=None, mutates=True),
            Plugin("apis.kcp.io/Validating", self._validate, _ALL, subresources=None),
        ]

    def _mutate(self, review: Review) -> Awaitable[None] | None:
        registered = self._registry.of(review)
        if registered is None:
            return None
        seen = Seen()
        self._mutating.run(registered, review, seen)
        if registered.mutating_hooks:
            return self._ask_to_mutate(registered, review, seen)
        seen.again = True
        self._mutating.run(registered, review, seen)
        return None

    async def _ask_to_mutate(self, registered: Registered, review: Review, seen: Seen) -> None:
        """Ask the webhooks; who wants to see what others have changed is asked once more."""
        await self._webhooks.mutate(registered.mutating_hooks, review, seen)
        seen.again = True
        self._mutating.run(registered, review, seen)
        await self._webhooks.mutate(registered.mutating_hooks, review, seen)

    def _validate(self, review: Review) -> Awaitable[None] | None:
        registered = self._registry.of(review)
        if registered is None:
            return None
        self._validating.run(registered, review)
        hooks = registered.validating_hooks
        return self._webhooks.validate(hooks, review) if hooks else None

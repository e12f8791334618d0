"""Admission that workspaces register themselves: policies, then webhooks."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import cached_property
from typing import TYPE_CHECKING

from kcpfast.admission.chain import CREATE, DELETE, UPDATE, Plugin, Review
from kcpfast.admission.evaluation import Decide
from kcpfast.admission.matching import Matcher
from kcpfast.admission.registered import Registered, Registry
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.objects import Objects
from kcpfast.registry.reader import Reader

if TYPE_CHECKING:
    from kcpfast.admission.mutations import MutatingPolicies
    from kcpfast.admission.params import Params
    from kcpfast.admission.policies import ValidatingPolicies
    from kcpfast.admission.rewriting import Seen
    from kcpfast.admission.webhooks import Webhooks

_ALL = (CREATE, UPDATE, DELETE)


class Dynamic:
    """The two plugins."""

    def __init__(self, objects: Objects, catalog: Catalog, reader: Reader, decide: Decide) -> None:
        """Read what is registered through the registry; `decide` answers for the authorizer."""
        self._objects, self._catalog, self._decide = objects, catalog, decide
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

        return Webhooks(self._matcher, self._decide)

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
        from kcpfast.admission.rewriting import Seen  # noqa: PLC0415 - see above

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

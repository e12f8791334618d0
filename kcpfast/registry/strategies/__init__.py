"""What each built-in kind adds to create, update and delete: a row of pure functions for each.

`prepare_*` change the object before it is validated (defaults, what a client may not set);
`validate*` return what is wrong with it. A kind without a row is stored as its schema allows.
"""

from __future__ import annotations

from collections.abc import Mapping

from kcpfast.registry.strategies import (
    admissionregistration,
    certificates,
    coordination,
    core,
    crd,
    events,
    quota,
    rbac,
)
from kcpfast.registry.strategies.base import DEFAULT_STRATEGY, Strategy
from kcpfast.resources.resource import Resource

STRATEGIES: Mapping[tuple[str, str], Strategy] = {
    **admissionregistration.STRATEGIES,
    **certificates.STRATEGIES,
    **coordination.STRATEGIES,
    **core.STRATEGIES,
    **crd.STRATEGIES,
    **events.STRATEGIES,
    **quota.STRATEGIES,
    **rbac.STRATEGIES,
}


def strategy(resource: Resource) -> Strategy:
    """Return the strategy of a resource."""
    return STRATEGIES.get((resource.group, resource.plural), DEFAULT_STRATEGY)

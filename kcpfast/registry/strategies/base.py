"""The shape of a strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kcpfast.meta.errors import Cause
from kcpfast.resources.resource import Object


def _nothing(_obj: Object) -> None:
    pass


def _nothing_of_two(_new: Object, _old: Object) -> None:
    pass


def _valid(_obj: Object) -> list[Cause]:
    return []


def _valid_change(_new: Object, _old: Object) -> list[Cause]:
    return []


def _silent(_new: Object, _old: Object | None) -> list[str]:
    return []


class Strategy(NamedTuple):
    """What a kind does to its objects.

    `prepare_status` is called for the status subresource, after all but status was put back;
    `prepare_delete` once the deletion has begun. `warn` returns what the client is told of a new
    object, or of a changed one and what it was. `owns` False: a deletion has no propagation policy.
    `created_by_update` is upstream's AllowCreateOnUpdate: a PUT creates what is not there.
    `qualified_finalizers`: finalizers need a domain in front (custom resources have no strategy).
    """

    prepare_create: Callable[[Object], None] = _nothing
    prepare_update: Callable[[Object, Object], None] = _nothing_of_two
    prepare_status: Callable[[Object, Object], None] = _nothing_of_two
    prepare_delete: Callable[[Object, Object], None] = _nothing_of_two
    validate: Callable[[Object], list[Cause]] = _valid
    validate_update: Callable[[Object, Object], list[Cause]] = _valid_change
    warn: Callable[[Object, Object | None], list[str]] = _silent
    owns: bool = True
    created_by_update: bool = False
    qualified_finalizers: bool = True


DEFAULT_STRATEGY = Strategy()


def default(obj: Object, **values: object) -> None:
    """Set members that an object does not have."""
    for key, value in values.items():
        obj.setdefault(key, value)

"""Who owns which fields: keeps metadata.managedFields up to date (KEP-555)."""

from __future__ import annotations

from typing import Any

from kcpfast.api.context import Call
from kcpfast.api.options import WriteOptions, default_manager
from kcpfast.meta.objectmeta import now
from kcpfast.patch.managed_fields import (
    RESET_BY_MAIN,
    RESET_BY_STATUS,
    keep_times,
    update_managers,
)
from kcpfast.patch.managers import FieldWriter, sent_managers
from kcpfast.registry.merging import node_of
from kcpfast.resources.resource import Object, Resource


def writer(call: Call, options: WriteOptions) -> FieldWriter:
    """Return the field manager of a write: that of its options, else of its User-Agent."""
    manager = options.manager or _default_manager(call)
    return FieldWriter(manager, call.resource.api_version, now(), call.route.subresource)


def _default_manager(call: Call) -> str:
    facts = call.facts
    if facts.manager is None:
        facts.manager = default_manager(call)
    return facts.manager


def reset_fields(resource: Resource, subresource: str) -> Any:
    """Return the fields that writes to a subresource ignore: nobody comes to own them by it."""
    if subresource == "status":
        return RESET_BY_STATUS
    return RESET_BY_MAIN if resource.status else None


def manage(call: Call, new: Object, old: Object | None, options: WriteOptions) -> None:
    """Set managedFields of `new`, in place, to who owns what after this write (KEP-555)."""
    resource = call.resource
    entries = update_managers(
        old,
        new,
        node_of(resource),
        writer(call, options),
        reset_fields=reset_fields(resource, call.route.subresource),
    )
    meta = new["metadata"]
    if entries:
        meta["managedFields"] = entries
    else:
        meta.pop("managedFields", None)


def keep_owners(new: Object, owners: Any) -> list[str]:
    """Put the record of owners back if a webhook has left one that cannot be read.

    `owners` is what it was before admission; return what the client is warned of. Source:
    apiserver/pkg/endpoints/handlers/fieldmanager/admission.go.
    """
    meta = new["metadata"]
    left = meta.get("managedFields")
    if left == owners:
        return []
    try:
        sent_managers(left or [])
    except (ValueError, OverflowError, RecursionError) as error:
        if owners:
            meta["managedFields"] = owners
        else:
            del meta["managedFields"]
        return [
            ".metadata.managedFields was in an invalid state after admission; this could be caused "
            "by an outdated mutating admission controller; please fix your requests: "
            f"{error}"
        ]
    return []


def keep_time_of_owners(new: Object, old: Object) -> None:
    """Leave the times in the record of owners alone, in place, if nothing else is different."""
    kept = keep_times(old, new)
    if kept is not new:
        new["metadata"]["managedFields"] = kept["metadata"]["managedFields"]

"""delete of what cannot be read: an object whose stored value is damaged.

The option `ignoreStoreReadErrorWithClusterBreakingPotential` and its rules are upstream's, of the
feature AllowUnsafeMalformedObjectDeletion (corrupt_obj_deleter.go, handlers/delete.go).
"""

from __future__ import annotations

from typing import Any

from kcpfast.api.context import Api, Call
from kcpfast.api.options import IGNORE, DeleteOptions
from kcpfast.api.verbs.pipeline import admit_deletion
from kcpfast.meta.errors import ApiError, field_invalid, forbidden, invalid, not_found
from kcpfast.meta.user import MASTERS
from kcpfast.registry.discarding import BREAKING, discard, is_readable
from kcpfast.registry.objects import Target

_VERB = "unsafe-delete-ignore-read-errors"


async def delete_unread(api: Api, call: Call, options: DeleteOptions) -> None:
    """Delete a damaged object, whatever its finalizers were, if the user may do that.

    Invalid if it can be read. Admission is told its name: there is nothing else to tell.
    """
    target = call.target
    _check_may(call, target)
    if call.scope().labels:  # nobody knows whether the view would show it
        raise not_found(target.resource.plural, target.resource.group, target.name)
    if not is_readable(api.objects, target):
        await admit_deletion(api, call, options, target, _known_of(target))
        if await discard(api.objects, target):
            return
    message = "is exclusively used to delete corrupt object(s), try again by removing this option"
    causes = [field_invalid(IGNORE, True, message)]
    raise invalid(target.resource.plural, target.resource.group, target.name, causes)


def _check_may(call: Call, target: Target) -> None:
    plural, group, name = target.resource.plural, target.resource.group, target.name
    denied = f'not permitted to do "{_VERB}", reason: '
    try:
        call.check_may(_VERB)
    except ApiError as error:
        raise forbidden(plural, group, name, denied + "access denied") from error
    if (group, plural) in BREAKING and MASTERS not in call.user.groups:
        raise forbidden(plural, group, name, denied + f"of {plural} only {MASTERS} may do it")


def _known_of(target: Target) -> dict[str, Any]:
    meta = {"name": target.name, "uid": "", "resourceVersion": ""}
    if target.namespace:
        meta["namespace"] = target.namespace
    resource = target.resource
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}

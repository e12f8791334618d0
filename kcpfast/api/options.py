"""The options of requests: query parameters and DeleteOptions, checked as upstream checks them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from kcpfast.api.context import Call
from kcpfast.api.steps.stages import Received
from kcpfast.meta.duration import parse_duration
from kcpfast.meta.errors import (
    MAX_CAUSES,
    ApiError,
    Cause,
    bad_request,
    field_invalid,
    field_not_supported,
    invalid,
)
from kcpfast.meta.texts import signed

T = TypeVar("T")
_LONGEST = 60.0
_VALIDATION = ("", "Ignore", "Warn", "Strict")
_PROPAGATION = ("Orphan", "Background", "Foreground")
IGNORE = "ignoreStoreReadErrorWithClusterBreakingPotential"
# Options that cannot be given together with IGNORE: nothing of the object can be read.
_NOT_IGNORING = (
    "dryRun",
    "propagationPolicy",
    "orphanDependents",
    "gracePeriodSeconds",
    "preconditions",
)


class WriteOptions(NamedTuple):
    """CreateOptions, UpdateOptions or PatchOptions."""

    dry_run: bool
    manager: str
    validation: str
    force: bool = False
    kind: str = "UpdateOptions"

    def shown(self) -> dict[str, Any]:
        """Return them as an object, as admission is told of them."""
        given = {
            "dryRun": ["All"] if self.dry_run else None,
            "fieldManager": self.manager,
            "fieldValidation": self.validation,
            "force": self.force if self.kind == "PatchOptions" else None,
        }
        head = {"kind": self.kind, "apiVersion": "meta.k8s.io/v1"}
        return head | {key: value for key, value in given.items() if value}


def write_options(call: Call, kind: str) -> WriteOptions:
    """Read the options of a create, update or patch; `kind` names them in an error."""
    facts = call.facts
    if facts.options is None:
        facts.options = _write_options(call, kind)
    return facts.options


def _write_options(call: Call, kind: str) -> WriteOptions:
    causes = dry_run_causes(call.parameters.get("dryRun", []))
    manager = call.parameter("fieldManager")
    if len(manager) > 128:
        causes.append(
            Cause("FieldValueTooLong", "Too long: may not be more than 128 bytes", "fieldManager")
        )
    if not manager.isprintable():
        causes.append(
            field_invalid("fieldManager", manager, "should only contain printable characters")
        )
    validation = call.parameter("fieldValidation")
    if validation not in _VALIDATION:
        causes.append(field_not_supported("fieldValidation", validation, _VALIDATION))
    if causes:
        raise invalid(kind, "meta.k8s.io", "", causes)
    return WriteOptions(
        "All" in call.parameters.get("dryRun", ()),
        manager,
        validation or "Warn",
        boolean(call.parameter("force")),
        kind,
    )


def default_manager(call: Call) -> str:
    """Return the field manager of a request that names none: its User-Agent's first word."""
    agent = call.request.header(b"user-agent")
    return agent.partition("/")[0][:128] or "unknown"


def dry_run_causes(values: list[str]) -> list[Cause]:
    """Check the values of dryRun; nobody is told of more than MAX_CAUSES."""
    unknown = (value for value in values if value not in ("All", ""))
    return [field_not_supported("dryRun", value, ["All"]) for value in islice(unknown, MAX_CAUSES)]


def boolean(text: str) -> bool:
    """Read a boolean query parameter as upstream does: only 0 and false are false."""
    return text.lower() not in ("", "0", "false")


def integer(received: Received, name: str) -> int:
    """Read an integer query parameter; BadRequest if it is none."""
    text = received.parameter(name)
    if not text:
        return 0
    try:
        return signed(text)
    except ValueError as error:
        raise bad_request(str(error)) from None


def time_limit(received: Received) -> float | None:
    """Return the seconds that the client gives its request, at most a minute; None for no limit.

    As with a kube-apiserver, 0 asks for what is usual; BadRequest for what is no duration.
    """
    text = received.parameter("timeout")
    if not text:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise bad_request(f"invalid timeout specified in the request URL - {error}") from None
    return min(seconds, _LONGEST) if seconds > 0 else None


async def in_time(acting: Awaitable[T], seconds: float) -> T:
    """Wait for an answer for a time; ApiError 504 if there is none until then."""
    try:
        return await asyncio.wait_for(acting, seconds)
    except TimeoutError:
        text = "Timeout: request did not complete within the allotted timeout"
        raise ApiError("Timeout", text, details={}) from None


class DeleteOptions(NamedTuple):
    """DeleteOptions; `propagation` is Orphan, Background, Foreground or "" (the kind's default).

    `uid` and `resource_version` are preconditions, "" for none. `ignore` asks for the deletion of
    an object that cannot be read.
    """

    dry_run: bool
    propagation: str
    uid: str
    resource_version: str
    ignore: bool = False

    def shown(self) -> dict[str, Any]:
        """Return them as an object, as admission is told of them."""
        preconditions = {"uid": self.uid, "resourceVersion": self.resource_version}
        given = {
            "dryRun": ["All"] if self.dry_run else None,
            "preconditions": {key: value for key, value in preconditions.items() if value},
            "propagationPolicy": self.propagation,
            IGNORE: self.ignore or None,
        }
        head = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}
        return head | {key: value for key, value in given.items() if value}


def delete_options(call: Call, body: dict[str, Any]) -> DeleteOptions:
    """Read DeleteOptions from a body (empty if none was sent) and the query."""
    kind = body.get("kind", "DeleteOptions")
    if kind != "DeleteOptions":
        raise bad_request(f"the body is a {kind}, expected DeleteOptions")
    if not body:
        body = _from_query(call)
    causes = dry_run_causes(list(body.get("dryRun") or ()))
    propagation, orphan = body.get("propagationPolicy") or "", body.get("orphanDependents")
    if propagation and orphan is not None:
        message = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(field_invalid("propagationPolicy", propagation, message))
    if propagation and propagation not in _PROPAGATION:
        supported = [*_PROPAGATION, "nil"]
        causes.append(field_not_supported("propagationPolicy", propagation, supported))
    ignore = bool(body.get(IGNORE))
    causes += [
        field_invalid(IGNORE, True, f"cannot be set together with .{name}")
        for name in _NOT_IGNORING
        if ignore and body.get(name) not in (None, [])
    ]
    if causes:
        raise invalid("DeleteOptions", "meta.k8s.io", "", causes)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    preconditions = body.get("preconditions") or {}
    return DeleteOptions(
        bool(body.get("dryRun")),
        propagation,
        preconditions.get("uid") or "",
        preconditions.get("resourceVersion") or "",
        ignore,
    )


def refused_for_many() -> ApiError:
    """422 for a collection of which what cannot be read is to be deleted."""
    message = "is not allowed with DELETECOLLECTION, try again after removing the option"
    return invalid("DeleteOptions", "meta.k8s.io", "", [field_invalid(IGNORE, True, message)])


def _from_query(call: Call) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if call.parameter("propagationPolicy"):
        options["propagationPolicy"] = call.parameter("propagationPolicy")
    if call.parameters.get("dryRun"):
        options["dryRun"] = call.parameters["dryRun"]
    if call.parameter("orphanDependents"):
        options["orphanDependents"] = boolean(call.parameter("orphanDependents"))
    if call.parameter("gracePeriodSeconds"):
        options["gracePeriodSeconds"] = integer(call, "gracePeriodSeconds")
    if call.parameter(IGNORE):
        options[IGNORE] = boolean(call.parameter(IGNORE))
    return options


def precondition_failed(call: Call, what: str, expected: str, stored: str) -> ApiError:
    """409 for a precondition that does not hold."""
    resource = call.resource
    text = (
        f'Operation cannot be fulfilled on {resource.kind} "{call.route.name}": the {what} in the '
        f"precondition ({expected}) does not match the {what} in record ({stored}). "
        "The object might have been deleted and then recreated"
    )
    details = {"name": call.route.name}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.kind
    return ApiError("Conflict", text, details=details)

"""The one error type on the wire: raised anywhere below `serve`, caught there once.

Reasons, codes and texts follow k8s.io/apimachinery/pkg/api/errors and
pkg/util/validation/field, because clients match on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

REASON_CODES = {
    "AlreadyExists": 409,
    "BadRequest": 400,
    "Conflict": 409,
    "Expired": 410,
    "Forbidden": 403,
    "InsufficientStorage": 507,
    "InternalError": 500,
    "Invalid": 422,
    "MethodNotAllowed": 405,
    "NotAcceptable": 406,
    "NotFound": 404,
    "RequestEntityTooLarge": 413,
    "ServiceUnavailable": 503,
    "Timeout": 504,
    "TooManyRequests": 429,
    "Unauthorized": 401,
    "UnsupportedMediaType": 415,
}


# Bounds of an answer, in causes and characters: a body of megabytes may be wrong in every byte.
MAX_CAUSES = 1000
MAX_TEXT = 512 * 1024


class Cause(NamedTuple):
    """One entry of `Status.details.causes`."""

    reason: str
    message: str
    field: str

    def text(self) -> str:
        """Return the form that goes into a Status message: `field: message`."""
        return f"{self.field}: {self.message}" if self.field else self.message


class ApiError(Exception):
    """A refusal as a Kubernetes Status.

    `reason` is a key of REASON_CODES (or "" with `code` given), `details` the members of
    StatusDetails that are set, `causes` its causes, `headers` further response headers. What is
    beyond MAX_CAUSES and MAX_TEXT is left out.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        causes: Sequence[Cause] = (),
        code: int = 0,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """Keep what the Status will say."""
        if isinstance(message, str) and len(message) > MAX_TEXT:
            message = f"{message[:MAX_TEXT]} ..."
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.details = details
        self.causes = readable(causes)
        self.code = code or REASON_CODES[reason]
        self.headers = list(headers)
        self.continue_ = ""
        # kcp answers some requests with the message as plain text, without a Status.
        self.plain = False

    def status(self) -> dict[str, Any]:
        """Return the Status object, in the field order of Kubernetes."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_} if self.continue_ else {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None or self.causes:
            details = dict(self.details or {})
            if self.causes:
                details["causes"] = [
                    {key: value for key, value in cause._asdict().items() if value}
                    for cause in self.causes
                ]
            body["details"] = details
        body["code"] = self.code
        return body


def readable(causes: Sequence[Cause]) -> list[Cause]:
    """Return the causes that fit into an answer; the first one always does."""
    kept: list[Cause] = []
    size = 0
    for cause in causes[:MAX_CAUSES]:
        size += len(str(cause.message))
        if size > MAX_TEXT and kept:
            break
        kept.append(cause)
    return kept


def _named(resource: str, group: str, name: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": resource}
    return {key: value for key, value in details.items() if value}


def qualified(resource: str, group: str) -> str:
    """Return `resource.group`, or the bare resource of the core group."""
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, group: str, name: str) -> ApiError:
    """404 for one object; `resource` is the plural."""
    message = f'{qualified(resource, group)} "{name}" not found'
    return ApiError("NotFound", message, details=_named(resource, group, name))


def no_such_resource() -> ApiError:
    """404 for a resource that is not served here (details stay empty, as upstream)."""
    text = "the server could not find the requested resource"
    return ApiError("NotFound", text, details={})


def already_exists(resource: str, group: str, name: str) -> ApiError:
    """409 for a create of what is there."""
    message = f'{qualified(resource, group)} "{name}" already exists'
    return ApiError("AlreadyExists", message, details=_named(resource, group, name))


def conflict(resource: str, group: str, name: str, detail: str) -> ApiError:
    """409 for a write against an outdated state; `detail` completes the sentence."""
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {detail}'
    return ApiError("Conflict", message, details=_named(resource, group, name))


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def forbidden(resource: str, group: str, name: str, detail: str) -> ApiError:
    """403 by admission or authorization; `detail` completes the sentence."""
    if not resource:
        return ApiError("Forbidden", f"forbidden: {detail}", details={})
    subject = qualified(resource, group) + (f' "{name}"' if name else "")
    details = _named(resource, group, name)
    return ApiError("Forbidden", f"{subject} is forbidden: {detail}", details=details)


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 with the causes; the message lists them as upstream does (one bare, many in brackets)."""
    causes = readable(causes)
    texts = list(dict.fromkeys(cause.text() for cause in causes))
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    message = f'{qualified(kind, group)} "{name}" is invalid'
    if texts:
        message += f": {listed}"
    return ApiError("Invalid", message, details=_named(kind, group, name), causes=causes)


def bad_request(message: str) -> ApiError:
    """400 with a text."""
    return ApiError("BadRequest", message)


def method_not_allowed(verb: str = "") -> ApiError:
    """405: the resource exists but not this verb of it."""
    text = "the server does not allow this method on the requested resource"
    if verb:
        text = f"{verb} is not supported on this resource"
    return ApiError("MethodNotAllowed", text, details={})


def unauthorized() -> ApiError:
    """401: credentials were given and are wrong."""
    return ApiError("Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    """410: the revision asked for is no longer held."""
    return ApiError("Expired", message)


def unsupported_media_type(given: str, supported: Sequence[str]) -> ApiError:
    """415: the body's type is not one that this resource decodes."""
    text = (
        f"the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(supported)}"
    )
    if not given:
        text = "no Content-Type was given"
    return ApiError("UnsupportedMediaType", text)


def too_many_requests() -> ApiError:
    """429: there is no room now; the client is to try again after a second."""
    text = "Too many requests, please try again later."
    return ApiError("TooManyRequests", text, details={"retryAfterSeconds": 1})


def not_acceptable(supported: Sequence[str]) -> ApiError:
    """406: nothing the client accepts can be made."""
    text = f"only the following media types are accepted: {', '.join(supported)}"
    return ApiError("NotAcceptable", text, details={})


def internal(message: str) -> ApiError:
    """500: our fault."""
    text = f"Internal error occurred: {message}"
    details = {"causes": [{"message": message}]}
    return ApiError("InternalError", text, details=details)


def entity_too_large(message: str) -> ApiError:
    """413: what is sent, or what it becomes, is more than an object may be."""
    return ApiError("RequestEntityTooLarge", message)


def no_room(message: str) -> ApiError:
    """507: the disk is full. Kubernetes has no reason that says so; the code is of RFC 4918."""
    return ApiError("InsufficientStorage", message)


# ---------------------------------------------------------------- causes, one function each


def go_value(value: object) -> str:
    """Return a value as Kubernetes prints it in field errors: strings quoted, the rest as JSON."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def field_required(field: str, detail: str = "") -> Cause:
    """A value must be given."""
    message = "Required value" + (f": {detail}" if detail else "")
    return Cause("FieldValueRequired", message, field)


# Stands for a value that the message must not show.
OMITTED = object()


def field_invalid(field: str, value: object, detail: str) -> Cause:
    """A value is not acceptable; `detail` says why."""
    quoted = "" if value is OMITTED else f" {go_value(value)}:"
    return Cause("FieldValueInvalid", f"Invalid value:{quoted} {detail}", field)


def field_type_invalid(field: str, value: object, detail: str) -> Cause:
    """A value is of another type than the schema says."""
    return Cause("FieldValueTypeInvalid", f"Invalid value: {go_value(value)}: {detail}", field)


def field_forbidden(field: str, detail: str) -> Cause:
    """A field may not be set, or not be changed."""
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", field)


def field_duplicate(field: str, value: object) -> Cause:
    """A value stands twice in a set or map list."""
    quoted = "" if value is OMITTED else f": {go_value(value)}"
    return Cause("FieldValueDuplicate", f"Duplicate value{quoted}", field)


def field_not_supported(field: str, value: object, supported: Sequence[str]) -> Cause:
    """A value is outside an enumeration."""
    listed = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in supported)
    message = f"Unsupported value: {go_value(value)}: supported values: {listed}"
    return Cause("FieldValueNotSupported", message, field)


def field_too_long(field: str, limit: int, unit: str = "bytes") -> Cause:
    """A string or object is over its limit."""
    message = f"Too long: may not be more than {limit} {unit}"
    return Cause("FieldValueTooLong", message, field)


def field_too_many(field: str, count: int, limit: int) -> Cause:
    """A list or map has more than `limit` members."""
    message = f"Too many: {count}: must have at most {limit} items"
    return Cause("FieldValueTooMany", message, field)

"""Lists in pages: continue tokens, resource versions, consistent snapshots.

See https://kubernetes.io/docs/reference/using-api/api-concepts/ (resource versions, chunks).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from kcpfast.api.context import Api, Call
from kcpfast.api.options import integer
from kcpfast.api.selection import Selection
from kcpfast.meta.errors import (
    ApiError,
    Cause,
    bad_request,
    expired,
    field_forbidden,
    field_not_supported,
    invalid,
)
from kcpfast.registry import index
from kcpfast.store.contract import Compacted, Item, Joining, Store, number
from kcpfast.store.ranges import scan_within

_MATCHES = ("Exact", "NotOlderThan")
_BATCH = 1000
Opening = Callable[[dict[str, Any]], bytes | None]


class Token(NamedTuple):
    """Where a list goes on: the snapshot's revision (-1 = whatever is newest), key, items left."""

    revision: int
    after: bytes
    left: int


class Page(NamedTuple):
    """One page of a list and its metadata: its objects, or in their place the JSON of them.

    `whole`: that JSON is the list itself, and not only the array in it.
    """

    items: Sequence[Item]
    meta: dict[str, Any]
    joined: bytes | None = None
    whole: bool = False


class _Found(NamedTuple):
    """What was read: `last` is the key that a next page begins behind, empty if there is none."""

    items: Sequence[Item]
    revision: int
    length: int
    last: bytes
    joined: bytes | None = None


class _Encoded(msgspec.Struct):
    """A token as kube-apiserver writes it, with `left` added.

    `start` is the last key sent, behind the prefix of the list, with a NUL to come after it.
    """

    v: str
    rv: int
    start: str
    left: int = -1


_TOKEN_VERSION = "meta.k8s.io/v1"
_decode_token = msgspec.json.Decoder(_Encoded).decode


def encode_token(token: Token, prefix: bytes) -> str:
    """Return a continue token for a list of the keys with a prefix."""
    start = token.after[len(prefix) :].decode() + "\0"
    found = _Encoded(_TOKEN_VERSION, token.revision, start, token.left)
    return urlsafe_b64encode(msgspec.json.encode(found)).decode().rstrip("=")


def decode_token(text: str, prefix: bytes) -> Token:
    """Read a continue token of such a list; BadRequest if it is none."""
    try:
        found = _decode_token(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.MsgspecError):
        raise bad_request(f"continue key is not valid: {text[:50]}") from None
    start = found.start.removesuffix("\0").encode()
    if found.v != _TOKEN_VERSION or not start or not found.rv:
        raise bad_request("continue key is not valid: it says not where to go on")
    return Token(found.rv, prefix + start, found.left)


def check_version(text: str) -> int:
    """Read a resourceVersion parameter; Invalid or BadRequest if it is none."""
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise bad_request(f'Invalid value: "{text[:50]}": invalid resource version')
    return int(text)


def check_not_ahead(wanted: int, current: int) -> None:
    """Refuse a resourceVersion of the future."""
    if wanted > current:
        raise too_large(wanted, current)


def check_list_options(call: Call) -> None:
    """Refuse combinations of options that mean nothing (422 ListOptions)."""
    match, version = call.parameter("resourceVersionMatch"), call.parameter("resourceVersion")
    causes: list[Cause] = []
    integer(call, "timeoutSeconds")
    if call.parameter("sendInitialEvents"):
        why = "sendInitialEvents is forbidden for list"
        causes.append(field_forbidden("sendInitialEvents", why))
    if match:
        field = "resourceVersionMatch"
        if call.parameter("continue"):
            why = "resourceVersionMatch is forbidden when continue is provided"
            causes.append(field_forbidden(field, why))
        elif not version:
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            causes.append(field_forbidden(field, why))
        if match not in _MATCHES:
            causes.append(field_not_supported(field, match, [*_MATCHES, ""]))
        elif match == "Exact" and version == "0":
            why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            causes.append(field_forbidden(field, why))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)


def too_large(wanted: int, current: int) -> ApiError:
    """504 for a resourceVersion of the future; clients know the cause and retry."""
    cause = Cause("ResourceVersionTooLarge", "Too large resource version", "")
    return ApiError(
        "Timeout",
        f"Too large resource version: {wanted}, current: {current}",
        details={"retryAfterSeconds": 1},
        causes=[cause],
    )


def page(
    api: Api,
    call: Call,
    selected: Selection,
    form: Joining | None = None,
    opening: Opening = lambda _meta: None,
) -> Page:
    """Return the page of a list that a request asks for.

    `form` asks for the JSON of the objects; it is given where that can be had without looking at
    them. `opening` makes of the list's metadata what stands before them, if they are sent so.
    """
    check_list_options(call)
    limit = max(integer(call, "limit"), 0)
    text = call.parameter("continue")
    if call.parameter("resourceVersion") == "0":
        limit = 0  # a kube-apiserver answers this from its cache, which knows no pages
    if text and call.parameter("resourceVersion") not in ("", "0"):
        why = "specifying resource version is not allowed when using continue"
        raise bad_request(why)
    store = api.objects.store
    token = _token(call, text, selected.prefix, store)
    whole = not limit and opening({}) is not None
    if whole and form is not None:
        # All there is: its metadata can be told before it is read.
        form = form._replace(around=lambda at: (opening(_first_meta(call, at)) or b"", b"]}"))
    try:
        found = _join(store, selected, token, limit, form) or _read(store, selected, token, limit)
    except Compacted:
        raise _expired(token, selected.prefix) from None
    meta = _meta(api, call, selected, token, found)
    return Page(found.items, meta, found.joined, whole and found.joined is not None)


def _token(call: Call, text: str, prefix: bytes, store: Store) -> Token:
    if text:
        token = decode_token(text, prefix)
        check_not_ahead(token.revision, store.revision())
        return token
    return Token(_snapshot(call, store), b"", -1)


def _snapshot(call: Call, store: Store) -> int:
    """Return the revision to list at, 0 for the newest."""
    wanted = check_version(call.parameter("resourceVersion"))
    if not wanted:
        return 0
    current = store.revision()
    check_not_ahead(wanted, current)
    if call.parameter("resourceVersionMatch") == "Exact":
        return wanted
    if call.parameter("limit") and not call.parameter("resourceVersionMatch"):
        return wanted
    return 0


def _join(
    store: Store, selected: Selection, token: Token, limit: int, form: Joining | None
) -> _Found | None:
    """Return the objects as JSON where all of a range is wanted, as it is now."""
    if form is None or selected.test is not None:
        return None
    found = store.join(selected.prefix, token.after, limit, form)
    if found is None or token.revision not in (-1, 0, found.revision):
        return None
    return _Found((), found.revision, found.length, found.last, found.body)


def _read(store: Store, selected: Selection, token: Token, limit: int) -> _Found:
    """Return the objects that pass the test."""
    revision, test = max(token.revision, 0), selected.test
    kept: list[Item] = []
    after = token.after
    step = _BATCH if limit and test is not None else limit + 1 if limit else 0
    while True:
        if selected.ranges is None:
            found = store.scan(selected.prefix, after, step, revision)
        else:
            found = scan_within(store, selected.ranges, after, step, revision)
        revision = found.revision
        if test is None:
            kept += found.items
        else:
            kept += [item for item in found.items if test(item.key, item.value)]
        if limit and len(kept) > limit:
            return _Found(kept[:limit], revision, limit, kept[limit - 1].key)
        if not step or len(found.items) < step:
            return _Found(kept, revision, len(kept), b"")
        after = found.items[-1].key


def _first_meta(call: Call, revision: int) -> dict[str, Any]:
    """Return the metadata of a list that has no further page."""
    meta: dict[str, Any] = {} if call.resource.builtin else {"continue": ""}
    meta["resourceVersion"] = str(revision)
    return meta


def _meta(api: Api, call: Call, selected: Selection, token: Token, found: _Found) -> dict[str, Any]:
    meta = _first_meta(call, found.revision)
    if not found.last:
        return meta
    left = token.left
    if selected.test is None:
        total = left if left >= 0 else _count(api, call)
        left = max(total - found.length, 1)
        meta["remainingItemCount"] = left
    meta["continue"] = encode_token(Token(found.revision, found.last, left), selected.prefix)
    return meta


def _count(api: Api, call: Call) -> int:
    """Return how many objects there are in the range of a list."""
    store, resource = api.objects.store, call.resource
    namespace = call.route.namespace if resource.namespaced else ""
    if call.cluster != "*" and (namespace or not resource.namespaced):
        return number(store.index_get(index.count(call.cluster, namespace, resource.storage)))
    ending = b"\0" + resource.storage
    counters = store.index_scan(index.counts(call.cluster)) if call.cluster != "*" else ()
    return sum(number(value) for key, value in counters if key.endswith(ending))


def _expired(token: Token, prefix: bytes) -> ApiError:
    """410 for a snapshot that is gone; the token in it goes on without a consistent snapshot."""
    error = expired(
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted "
        "between the time the first chunk was returned and now may show up in the list."
    )
    if token.after:
        error.continue_ = encode_token(Token(-1, token.after, -1), prefix)
    return error

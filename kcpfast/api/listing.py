"""Lists in pages: continue tokens, resource versions, consistent snapshots.

A page is read in pieces, and nobody holds more than one of them: long lists are sent as they are
read. All pieces are of one revision. That is the newest of them as long as nothing was written in
the range of the list meanwhile, which the log tells; after that they are read as of it.

See https://kubernetes.io/docs/reference/using-api/api-concepts/ (resource versions, chunks).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from kcpfast.api.context import Api, Call
from kcpfast.api.limits.growth import growth
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
from kcpfast.store.contract import Compacted, Item, Joined, Joining, Page, Store, number
from kcpfast.store.ranges import scan_within
from kcpfast.work.aside import LARGE

_MATCHES = ("Exact", "NotOlderThan")
# So many bytes of objects are read, and held, at once; or so many while the client takes them as
# fast as they are read, and nobody else waits.
PIECE, LONG_PIECE = 128 * 1024, 512 * 1024


class ContinueToken(NamedTuple):
    """Where the next page of a list begins: behind the key `after`, at a revision (-1 = newest).

    `left` is the number of items from there on, -1 if it is not known.
    """

    revision: int
    after: bytes
    left: int


class Piece(NamedTuple):
    """Some of the objects of a list, or in their place the JSON of them, joined by commas."""

    items: Sequence[Item]
    joined: bytes | None
    length: int


class Unsifted(NamedTuple):
    """What was read for a piece, before the test of the selection is made of its objects."""

    page: Page | Joined

    @property
    def is_large(self) -> bool:
        """Whether going over it takes long: an object is large, or there are many as JSON."""
        if isinstance(self.page, Joined):
            return len(self.page.body) > PIECE + LARGE
        return any(len(item.value) > LARGE for item in self.page.items)

    @property
    def size(self) -> int:
        """The number of bytes that were read."""
        if isinstance(self.page, Joined):
            return len(self.page.body)
        return sum(len(item.value) for item in self.page.items)

    def growth(self) -> int:
        """Return the bytes of memory that working on what was read takes at most."""
        if isinstance(self.page, Joined):
            return growth(self.page.body, "")
        return sum(growth(item.value, "") for item in self.page.items)


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


def encode_token(token: ContinueToken, prefix: bytes) -> str:
    """Return a continue token for a list of the keys with a prefix."""
    start = token.after[len(prefix) :].decode() + "\0"
    encoded = _Encoded(_TOKEN_VERSION, token.revision, start, token.left)
    return urlsafe_b64encode(msgspec.json.encode(encoded)).decode().rstrip("=")


def decode_token(text: str, prefix: bytes) -> ContinueToken:
    """Read a continue token of such a list; BadRequest if it is none."""
    try:
        token = _decode_token(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.MsgspecError):
        raise bad_request(f"continue key is not valid: {text[:50]}") from None
    start = token.start.removesuffix("\0").encode()
    if token.v != _TOKEN_VERSION or not start or not token.rv:
        raise bad_request("continue key is not valid: it says not where to go on")
    return ContinueToken(token.rv, prefix + start, token.left)


def check_version(text: str) -> int:
    """Read a resourceVersion parameter; Invalid or BadRequest if it is none."""
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise bad_request(f'Invalid value: "{text[:50]}": invalid resource version')
    return int(text)


def check_not_ahead(revision: int, current: int) -> None:
    """Raise a 504 for a resourceVersion that is greater than the current revision."""
    if revision > current:
        raise too_large(revision, current)


def check_list_options(call: Call) -> None:
    """Refuse combinations of options that mean nothing (422 ListOptions)."""
    match, version = call.parameter("resourceVersionMatch"), call.parameter("resourceVersion")
    causes: list[Cause] = []
    integer(call, "timeoutSeconds")
    if call.parameter("sendInitialEvents"):
        message = "sendInitialEvents is forbidden for list"
        causes.append(field_forbidden("sendInitialEvents", message))
    if match:
        field = "resourceVersionMatch"
        if call.parameter("continue"):
            message = "resourceVersionMatch is forbidden when continue is provided"
            causes.append(field_forbidden(field, message))
        elif not version:
            message = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            causes.append(field_forbidden(field, message))
        if match not in _MATCHES:
            causes.append(field_not_supported(field, match, [*_MATCHES, ""]))
        elif match == "Exact" and version == "0":
            message = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            causes.append(field_forbidden(field, message))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)


def too_large(revision: int, current: int) -> ApiError:
    """Return a 504 for a resourceVersion of the future: client-go knows its cause and retries."""
    cause = Cause("ResourceVersionTooLarge", "Too large resource version", "")
    return ApiError(
        "Timeout",
        f"Too large resource version: {revision}, current: {current}",
        details={"retryAfterSeconds": 1},
        causes=[cause],
    )


class Walk:
    """One page of a list, read piece by piece, all of it as it was at one revision.

    `revision` is known from the first piece on; `done`: there is no further piece; `last` is then
    the key behind which a next page begins, empty if there is none. `piece` may be set: about how
    many bytes the next piece has.
    """

    def __init__(
        self,
        store: Store,
        selected: Selection,
        token: ContinueToken,
        limit: int,
        form: Joining | None,
    ) -> None:
        """Begin where a token says; `form` asks the store for JSON if no object needs a test."""
        self._store, self._selected, self._limit, self._begun = store, selected, limit, token
        self._form = form if selected.test is None and selected.ranges is None else None
        self.revision = self._seen = max(token.revision, 0)
        self.length, self.done, self.last = 0, False, b""
        self._after, self._sent = token.after, b""
        self.piece = PIECE

    @property
    def limited(self) -> bool:
        """Whether there may be a next page."""
        return bool(self._limit)

    @property
    def left(self) -> int:
        """The number of objects from this page on, as its token has it; -1 if it is not known."""
        return self._begun.left

    def again(self, form: Joining | None) -> Walk:
        """Return a walk over the same objects, as they were at the same revision."""
        token = self._begun._replace(revision=self.revision)
        return Walk(self._store, self._selected, token, self._limit, form)

    def step(self) -> Piece:
        """Return the next piece; see `read`."""
        return self.sift(self.read())

    def read(self) -> Unsifted:
        """Read for the next piece; ApiError 410 if what the page was read from is gone."""
        try:
            return Unsifted(self._join() or self._scan())
        except Compacted:
            raise _expired(self._after, self._selected.prefix) from None

    def _join(self) -> Joined | None:
        """Read JSON, as long as the range is as it was at the revision; None from then on."""
        if self._form is None:
            return None
        left = self._limit and self._limit - self.length
        joined = self._store.join(
            self._selected.prefix, self._after, left, self._form, self.piece, self._seen
        )
        if joined is None:
            self._form = None
            return None
        self.revision, self._seen = self.revision or joined.revision, joined.revision
        return joined

    def _scan(self) -> Page:
        left = self._limit and self._limit - self.length
        page = self._read(left + 1 if left and self._selected.test is None else 0)
        self.revision = page.revision
        return page

    def sift(self, read: Unsifted) -> Piece:
        """Return as the next piece what was read, without the objects that do not pass the test.

        It touches nothing but this walk, and may be called beside the loop.
        """
        page = read.page
        if isinstance(page, Page):
            return self._sift(page)
        self.length += page.length
        self._after = self._sent = page.last
        self.done = not page.last or bool(self._limit and self.length == self._limit)
        if self.done:
            self.last = page.last
        return Piece((), page.body, page.length)

    def _sift(self, page: Page) -> Piece:
        test, left = self._selected.test, self._limit and self._limit - self.length
        items = page.items
        if test is not None:
            items = [item for item in items if test(item.key, item.value)]
        self._after = page.last
        self.done = not page.last
        if self._limit and len(items) > left:
            items, self.done = items[:left], True
            self.last = items[-1].key if items else self._sent
        if items:
            self._sent = items[-1].key
        self.length += len(items)
        return Piece(items, None, len(items))

    def _read(self, limit: int) -> Page:
        prefix, ranges = self._selected.prefix, self._selected.ranges
        if ranges is None:
            return self._store.scan(prefix, self._after, limit, self.revision, self.piece)
        return scan_within(self._store, ranges, self._after, limit, self.revision, self.piece)


def walk(api: Api, call: Call, selected: Selection, form: Joining | None = None) -> Walk:
    """Return the walk over the page of a list that a request asks for.

    `form` asks for the JSON of the objects; it is given where that can be had without looking at
    them.
    """
    check_list_options(call)
    limit = max(integer(call, "limit"), 0)
    text = call.parameter("continue")
    if call.parameter("resourceVersion") == "0":
        limit = 0  # a kube-apiserver answers this from its cache, which knows no pages
    if text and call.parameter("resourceVersion") not in ("", "0"):
        message = "specifying resource version is not allowed when using continue"
        raise bad_request(message)
    store = api.objects.store
    return Walk(store, selected, _token(call, text, selected.prefix, store), limit, form)


def _token(call: Call, text: str, prefix: bytes, store: Store) -> ContinueToken:
    if text:
        token = decode_token(text, prefix)
        check_not_ahead(token.revision, store.revision())
        return token
    return ContinueToken(_snapshot(call, store), b"", -1)


def _snapshot(call: Call, store: Store) -> int:
    """Return the revision to list at, 0 for the newest."""
    revision = check_version(call.parameter("resourceVersion"))
    if not revision:
        return 0
    current = store.revision()
    check_not_ahead(revision, current)
    if call.parameter("resourceVersionMatch") == "Exact":
        return revision
    if call.parameter("limit") and not call.parameter("resourceVersionMatch"):
        return revision
    return 0


def first_meta(call: Call, revision: int) -> dict[str, Any]:
    """Return the metadata of a list that has no further page."""
    meta: dict[str, Any] = {} if call.resource.builtin else {"continue": ""}
    meta["resourceVersion"] = str(revision)
    return meta


def list_meta(api: Api, call: Call, selected: Selection, walked: Walk) -> dict[str, Any]:
    """Return the metadata of a page that was walked to its end."""
    meta = first_meta(call, walked.revision)
    if not walked.last:
        return meta
    left = walked.left
    if selected.test is None:
        total = left if left >= 0 else _count(api, call)
        left = max(total - walked.length, 1)
        meta["remainingItemCount"] = left
    meta["continue"] = encode_token(
        ContinueToken(walked.revision, walked.last, left), selected.prefix
    )
    return meta


def _count(api: Api, call: Call) -> int:
    """Return how many objects there are in the range of a list."""
    store, resource, cluster = api.objects.store, call.resource, call.cluster
    if cluster == "*":
        return 0  # nobody counts across workspaces
    namespace = call.route.namespace if resource.namespaced else ""
    if namespace or not resource.namespaced:
        counter = index.count(cluster, namespace, resource.storage)
        return number(store.index_get(counter))
    of_resource = b"\0" + resource.storage
    counters = store.index_scan(index.counts(cluster))
    return sum(number(value) for key, value in counters if key.endswith(of_resource))


def _expired(after: bytes, prefix: bytes) -> ApiError:
    """410 for a snapshot that is gone; the token in it goes on without a consistent snapshot."""
    error = expired(
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted "
        "between the time the first chunk was returned and now may show up in the list."
    )
    if after:
        error.continue_ = encode_token(ContinueToken(-1, after, -1), prefix)
    return error

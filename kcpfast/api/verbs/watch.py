"""watch: what happens to the objects of a resource, as it happens.

Resuming, bookmarks and initial events: https://kubernetes.io/docs/reference/using-api/api-concepts/
(efficient detection of changes, streaming lists; KEP-3157).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec

from kcpfast.api import answer
from kcpfast.api.context import Api, Call
from kcpfast.api.listing import check_not_ahead, check_version
from kcpfast.api.negotiate import JSON, PROTOBUF, YAML
from kcpfast.api.options import boolean, integer
from kcpfast.api.selection import selection
from kcpfast.kcp.claims import hides
from kcpfast.kcp.clusters import falls_asleep
from kcpfast.kcp.kinds import api_bindings, logical_clusters
from kcpfast.meta.errors import (
    Cause,
    field_forbidden,
    field_not_supported,
    invalid,
    not_acceptable,
)
from kcpfast.registry import index
from kcpfast.registry.values import is_copied
from kcpfast.resources.rows import partials
from kcpfast.store.contract import Batch
from kcpfast.store.keys import place, prefix
from kcpfast.transport.messages import Sink, Stream
from kcpfast.watch.feed import Feed
from kcpfast.watch.frames import FrameForm, Interest, json_line
from kcpfast.watch.hub import EXPIRED, Hub, Watch
from kcpfast.work import pieces

MIN_SECONDS = 1800
_END = "k8s.io/initial-events-end"


async def watch(api: Api, call: Call) -> Stream:
    """Answer with a stream of events; it ends after timeoutSeconds (by default 30 to 60 min), with
    the token by which it was asked for, or when it is allowed no more.

    410 in an ERROR event if the resourceVersion is no longer held.
    """
    shape = answer.shape(call, call.resource)
    if shape.form.media == YAML:
        raise not_acceptable(["application/json", "application/json;stream=watch"])
    selected = selection(call, api.aside)
    revision = check_version(call.parameter("resourceVersion"))
    after = _begin(api, call, revision)
    left = api.authenticator.seconds_left(call.request)
    timeout = min(_seconds(integer(call, "timeoutSeconds")), left)
    bookmarks = boolean(call.parameter("allowWatchBookmarks"))
    form = _form(shape)

    def start(sink: Sink) -> Callable[[], None]:
        interest = Interest(
            selected.prefix, selected.test, _alive(call), selected.clusters, call.user.name
        )
        opened = Watch(form, interest, sink, bookmarks=bookmarks)
        if call.right is not None:
            api.hub.guard(opened, call.right)
            call.right = None  # others may have the same one
        store = api.objects.store
        feed = Feed(api.hub, store, opened, after=after, seconds=timeout, ranges=selected.ranges)
        return feed.start()

    protobuf = shape.form.media == PROTOBUF
    media = f"{PROTOBUF};stream=watch" if protobuf else JSON
    return Stream(start, media.encode(), call.headers, last=form.frame(b"ERROR", EXPIRED))


def _seconds(asked: int) -> float:
    """Return how long a watch lasts that asks for so many seconds, 0 for what is usual.

    As with a kube-apiserver it is a Go Duration: int64 nanoseconds, of which too many run over.
    """
    nanoseconds = asked * 10**9 & 0xFFFF_FFFF_FFFF_FFFF
    if nanoseconds >> 63:
        return 0.0
    return nanoseconds / 1e9 or int(MIN_SECONDS * (1 + random.random()))


def _alive(call: Call) -> Callable[[], bool] | None:
    """Return what tells whether a resource of a CRD or binding is still served as it is now.

    What is written under another schema cannot be shown by this one: the client begins anew.
    """
    path, view, origin = call.route, call.view, call.resource.origin
    if origin is None:
        return None

    def alive() -> bool:
        served = view.find(call.cluster, path.group, path.version, path.plural, path.identity)
        return served is not None and served.resource.origin == origin

    return alive


def ending(hub: Hub) -> Callable[[Batch], None]:
    """Return a subscriber of commits that ends watches.

    It ends those of a resource when a definition falls out of use somewhere, those that show a
    cluster when that is put to sleep (as kcp does), and those of views of a cluster when a binding
    takes back a claim that it had accepted.
    """
    definitions = index.work_item("definitions", "", "")
    clusters = prefix(logical_clusters().storage)
    bindings = prefix(api_bindings().storage)

    def on_commit(batch: Batch) -> None:
        if any(key.startswith(definitions) for key in batch.revision_keys):
            hub.end_dead()
        for event in batch.events:
            key, old, new = event.key, event.previous, event.value
            if key.startswith(clusters) and falls_asleep(old, new):
                hub.end_of(place(key).cluster)
            elif key.startswith(bindings) and hides(old, new):
                hub.expire_views(place(key).cluster)

    return on_commit


def _begin(api: Api, call: Call, revision: int) -> int | None:
    """Return behind which revision a watch begins, None for one that begins with what there is.

    Invalid where sendInitialEvents and resourceVersionMatch do not go together; 504 for a list of
    the future (events of the future are waited for).
    """
    match = call.parameter("resourceVersionMatch")
    given = "sendInitialEvents" in call.parameters
    initial = boolean(call.parameter("sendInitialEvents"))
    continues = bool(call.parameter("continue"))
    if not (given or match or revision):  # as SetListOptionsDefaults of apimachinery has it
        given, initial, match = True, True, "NotOlderThan"
    causes = _match_causes(match, given=given, continues=continues)
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)
    if not initial:
        return revision or api.objects.store.published()
    check_not_ahead(revision, api.objects.store.revision())
    return None


def _match_causes(match: str, *, given: bool, continues: bool) -> list[Cause]:
    field, expected = "resourceVersionMatch", "NotOlderThan"
    causes = []
    if given and match != expected:
        message = f"sendInitialEvents requires setting resourceVersionMatch to {expected}"
        causes.append(field_forbidden(field, message))
    if match and not given:
        message = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(field_forbidden(field, message))
    if match and match != expected:
        causes.append(field_not_supported(field, match, [expected]))
    if match and continues:
        message = "resourceVersionMatch is forbidden when continue is provided"
        causes.append(field_forbidden(field, message))
    return causes


def _form(shape: answer.Shape) -> FrameForm:
    """Return how a watch wants objects; a Table's columns come with its first event only."""
    is_json = shape.form.media != PROTOBUF and not shape.form.kind

    def copies(value: bytes) -> bool:
        return is_json and is_copied(shape.resource, value)

    frame = _protobuf_frame if shape.form.media == PROTOBUF else json_line

    def form(
        render: Callable[[int, bytes], bytes], *, first: bool, then: FrameForm | None
    ) -> FrameForm:
        key = (shape.resource, shape.form, shape.include, first)

        def mark(revision: int, ended: bool) -> bytes:
            return _bookmark(shape, revision, ended, columns=first)

        return FrameForm(key, render, mark, frame, then, copies)

    if shape.form.kind != "Table":
        return form(shape.one, first=False, then=None)
    return form(shape.one, first=True, then=form(shape.event, first=False, then=None))


def _protobuf_frame(kind: bytes, obj: bytes) -> bytes:
    from kcpfast.resources.protobuf import encode_event  # noqa: PLC0415 - typed clients only

    return encode_event(kind, pieces.decode(obj))


def _bookmark(shape: answer.Shape, revision: int, ended: bool, *, columns: bool) -> bytes:
    """Return the JSON of a bookmark, which has a resourceVersion and nothing else.

    `ended` marks the end of the initial events; a Table may have its columns with it.
    """
    meta: dict[str, Any] = {"resourceVersion": str(revision)}
    if ended:
        meta["annotations"] = {_END: "true"}
    resource, form = shape.resource, shape.form
    obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
    text = msgspec.json.encode(obj)
    if not form.kind:
        return text
    bookmark: Any
    items = b"[%b]" % text
    if form.kind == "Table":
        list_meta = {"resourceVersion": str(revision)}
        bookmark = answer.table(shape, items, list_meta, columns=columns)
    else:
        bookmark = partials(items, shape.version)[0]
    return msgspec.json.encode(bookmark)

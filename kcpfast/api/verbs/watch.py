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
from kcpfast.api.listing import check_version, too_large
from kcpfast.api.negotiate import YAML
from kcpfast.api.options import boolean, integer
from kcpfast.api.selection import Selection, selection
from kcpfast.meta.errors import (
    Cause,
    expired,
    field_forbidden,
    field_not_supported,
    invalid,
    not_acceptable,
)
from kcpfast.store.contract import Compacted, Event
from kcpfast.transport.messages import Sink, Stream
from kcpfast.watch.hub import Form, Interest, Watch, change_of, frame

MIN_SECONDS = 1800
_END = "k8s.io/initial-events-end"


async def watch(api: Api, call: Call) -> Stream:
    """Answer with a stream of events; it ends after timeoutSeconds (by default 30 to 60 min).

    410 in an ERROR event if the resourceVersion is no longer held, 504 if it is of the future.
    """
    shown = answer.shape(call, call.resource)
    if shown.form.media == YAML:
        raise not_acceptable(["application/json", "application/json;stream=watch"])
    selected = selection(call)
    initial = _wants_initial(call)
    after = check_version(call.parameter("resourceVersion"))
    timeout = integer(call, "timeoutSeconds") or int(MIN_SECONDS * (1 + random.random()))
    current = api.objects.store.revision()
    if after > current:
        raise too_large(after, current)
    bookmarks = boolean(call.parameter("allowWatchBookmarks"))
    form = _form(shown)

    def start(sink: Sink) -> Callable[[], None]:
        interest = Interest(selected.prefix, selected.test)
        opened = Watch(form, interest, sink, bookmarks=bookmarks)
        try:
            if initial or not after:
                told = _send_current(api, opened, selected, shown, mark=initial or bookmarks)
            else:
                told = _send_missed(api, opened, selected, after)
        except Compacted:
            text = f"too old resource version: {after} ({api.objects.store.compacted()})"
            sink.write(frame(b"ERROR", msgspec.json.encode(expired(text).status())))
            sink.close()
            return lambda: None
        return api.hub.open(opened, told, timeout)

    return Stream(start, b"application/json", call.headers)


def _wants_initial(call: Call) -> bool:
    """Read sendInitialEvents; Invalid where it, or resourceVersionMatch, is out of place."""
    match = call.parameter("resourceVersionMatch")
    causes: list[Cause] = []
    given = "sendInitialEvents" in call.parameters
    if given and not match:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(field_forbidden("resourceVersionMatch", why.replace("forbidden", "required")))
    elif match and not given:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(field_forbidden("resourceVersionMatch", why))
    elif match and match != "NotOlderThan":
        causes.append(field_not_supported("resourceVersionMatch", match, ["NotOlderThan"]))
    if call.parameter("continue"):
        causes.append(field_forbidden("continue", "continue is forbidden for watch"))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)
    return given and boolean(call.parameter("sendInitialEvents"))


def _form(shown: answer.Shape) -> Form:
    resource = shown.resource
    key = (resource, shown.form, shown.include)
    return Form(key, shown.event, lambda revision, ended: _bookmark(shown, revision, ended))


def _bookmark(shown: answer.Shape, revision: int, ended: bool) -> bytes:
    meta: dict[str, Any] = {"resourceVersion": str(revision)}
    if ended:
        meta["annotations"] = {_END: "true"}
    resource = shown.resource
    if shown.form.kind == "PartialObjectMetadata":
        head = {"kind": shown.form.kind, "apiVersion": f"meta.k8s.io/{shown.form.version}"}
    else:
        head = {"kind": resource.kind, "apiVersion": resource.api_version}
    mark = head | {"metadata": meta}
    if shown.form.kind == "Table":
        table = answer.table(shown, [], {"resourceVersion": str(revision)}, columns=False)
        row = {"cells": [None] * len(resource.columns), "object": mark}
        return msgspec.json.encode(table | {"rows": [row]})
    return msgspec.json.encode(mark)


def _send_current(
    api: Api, opened: Watch, selected: Selection, shown: answer.Shape, *, mark: bool
) -> int:
    """Send what there is as ADDED events, and a bookmark that says so; return its revision."""
    page = api.objects.store.scan(selected.prefix)
    test, first = selected.test, True
    for key, revision, value in page.items:
        if test is not None and not test(key, value):
            continue
        made = shown.one(revision, value) if first else shown.event(revision, value)
        opened.queue(frame(b"ADDED", made))
        first = False
    if mark and opened.bookmarks:
        made = opened.form.bookmark(page.revision, True)
        opened.queue(frame(b"BOOKMARK", made))
    opened.flush()
    return page.revision


def _send_missed(api: Api, opened: Watch, selected: Selection, after: int) -> int:
    """Send what was logged after a revision; return the newest revision looked at."""
    store = api.objects.store
    for event in store.changes(after):
        if event.key.startswith(selected.prefix):
            _send(opened, event)
    opened.flush()
    return max(store.published(), after)


def _send(opened: Watch, event: Event) -> None:
    kind = change_of(event, opened.interest.test)
    if kind is None:
        return
    value = event.previous if kind == b"DELETED" else event.value
    assert value is not None
    opened.queue(frame(kind, opened.form.render(event.revision, value)))

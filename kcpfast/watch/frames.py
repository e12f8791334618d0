"""How an event becomes the frame of a watch: whether it matches, its type, its form, its cost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol

from kcpfast.store.contract import Event
from kcpfast.work.aside import LARGE


def json_line(kind: bytes, obj: bytes) -> bytes:
    """Return one event as a client reads it: a JSON object on a line."""
    return b'{"type":"%b","object":%b}\n' % (kind, obj)


def _is_plain(_value: bytes) -> bool:
    """Say that showing a value decodes nothing."""
    return True


class FrameForm(NamedTuple):
    """How a watch wants objects: `key` is equal for watches that get the same bytes.

    `render(revision, value)` makes an object, `bookmark(revision, ended)` the object of a
    bookmark, where `ended` says that it ends the initial events; `frame(kind, object)` makes an
    event of either. After the first event the watch goes on in the form `then`, if there is one.
    `copies(value)` tells that to make an object is to copy its bytes.
    """

    key: Hashable
    render: Callable[[int, bytes], bytes]
    bookmark: Callable[[int, bool], bytes]
    frame: Callable[[bytes, bytes], bytes] = json_line
    then: FrameForm | None = None
    copies: Callable[[bytes], bool] = _is_plain


class Interest(NamedTuple):
    """The objects that a watch is about: a key prefix, and a test for the keys below it.

    `test(key, value)` None lets everything through. `alive()` tells whether the resource is still
    served as it was (None: it always is). `clusters(name)` tells whether a watch over all clusters
    shows one of them (None: it shows all); a view's watch of one cluster has it, too. Work for a
    large event is queued under `who`.
    """

    prefix: bytes
    test: Callable[[bytes, bytes], bool] | None = None
    alive: Callable[[], bool] | None = None
    clusters: Callable[[str], bool] | None = None
    who: Hashable = None


class Told(Protocol):
    """A receiver of events: a watch, or a group of watches that get the same bytes."""

    form: FrameForm
    interest: Interest


def is_long(event: Event, listeners: Iterable[Told]) -> bool:
    """Tell whether an event is large and must be decoded or tested for one of the listeners."""
    value, previous = event.value or b"", event.previous or b""
    if len(value) <= LARGE and len(previous) <= LARGE:
        return False
    return any(
        listener.interest.test is not None or not listener.form.copies(value or previous)
        for listener in listeners
    )


def made_frame(event: Event, form: FrameForm, test: Callable[[bytes, bytes], bool] | None) -> bytes:
    """Return the frame of an event in a form, empty if the test does not match."""
    kind = change_of(event, test)
    if kind is None:
        return b""
    return form.frame(kind, form.render(event.revision, shown_value(event, kind)))


def make_frames(event: Event, frames: dict[Hashable, bytes], listeners: Sequence[Told]) -> None:
    """Render a large event in the forms of all listeners, into `frames`.

    Tests note what they read of the value. An exception is dropped here: the listener whose form
    or test raised it fails when its turn comes, and is ended then.
    """
    for listener in listeners:
        with contextlib.suppress(Exception):
            form: FrameForm | None = listener.form
            kind = change_of(event, listener.interest.test)
            while kind is not None and form is not None:
                if (form.key, kind) not in frames:
                    rendered = form.render(event.revision, shown_value(event, kind))
                    frames[form.key, kind] = form.frame(kind, rendered)
                form = form.then


def frame_of(event: Event, group: Told, frames: dict[Hashable, bytes]) -> bytes | None:
    """Return the frame of an event for a group, None if it does not match; `frames` is a cache."""
    kind = change_of(event, group.interest.test)
    if kind is None:
        return None
    form = group.form
    frame = frames.get((form.key, kind))
    if frame is None:
        frame = form.frame(kind, form.render(event.revision, shown_value(event, kind)))
        frames[form.key, kind] = frame
    return frame


def change_of(event: Event, test: Callable[[bytes, bytes], bool] | None) -> bytes | None:
    """Return the type of an event for a watch, None if it does not match.

    As upstream, an object that begins to match is ADDED, and one that ceases to is DELETED.
    """
    before, after = event.previous, event.value
    was = before is not None and (test is None or test(event.key, before))
    now = after is not None and (test is None or test(event.key, after))
    if now:
        return b"MODIFIED" if was else b"ADDED"
    return b"DELETED" if was else None


def shown_value(event: Event, kind: bytes) -> bytes:
    """Return the value that an event shows; an object that went is shown as it last was."""
    value = event.previous if kind == b"DELETED" else event.value
    assert value is not None
    return value

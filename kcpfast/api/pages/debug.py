"""A look into the running process, for masters: where its threads and tasks are, what it holds.

The paths are those of Go's net/http/pprof, which kcp serves; the contents are Python's.
"""

from __future__ import annotations

import asyncio
import gc
import io
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping

from kcpfast.api.answer import plain
from kcpfast.api.steps.stages import Authorized
from kcpfast.transport.messages import Response

_ROOT = "/debug/pprof"
_TYPES = 100


def _stacks() -> str:
    """Return the stacks of all threads, then of all tasks."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    text = io.StringIO()
    for ident, frame in sys._current_frames().items():
        text.write(f"thread {names.get(ident, ident)}:\n")
        text.writelines(traceback.format_stack(frame))
    for task in asyncio.all_tasks():
        text.write(f"task {task.get_name()}:\n")
        task.print_stack(file=text)
    return text.getvalue()


def _objects() -> str:
    """Return how many objects there are of each type, the most frequent first."""
    counted = Counter(type(obj).__qualname__ for obj in gc.get_objects())
    return "".join(f"{count:>9} {name}\n" for name, count in counted.most_common(_TYPES))


_PROFILES: Mapping[str, Callable[[], str]] = {"goroutine": _stacks, "heap": _objects}


def page(authorized: Authorized) -> Response:
    """Answer with the list of profiles, or with one of them."""
    make = _PROFILES.get(authorized.route.rest.rstrip("/").rpartition("/")[2])
    if make is not None:
        return plain(200, make(), authorized.headers)
    lines = [f'<li><a href="{_ROOT}/{name}">{name}</a></li>' for name in _PROFILES]
    body = f"<html><body><ul>{''.join(lines)}</ul></body></html>\n"
    return Response(200, body.encode(), b"text/html; charset=utf-8", authorized.headers)

"""What an administrator looks at when something is slow or stuck, read under /debug/.

`REQUESTS` keeps the last slow requests; `STUCK_ITEMS` asks the controllers for the work items that
do not come to an end. Both hold a bounded number of short texts, and nothing for each workspace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

# kube-apiserver writes the trace of a request to its log from this duration on.
SLOW_SECONDS = 0.5
KEPT_REQUESTS = 100
LONGEST_TEXT = 1024
# Fields of a record with as much text as a client cares to send.
_SENT_BY_CLIENTS = ("uri", "template", "user", "user_agent", "trace")


class RequestRecord(NamedTuple):
    """An answered request: `ended` is seconds since the epoch, durations are in seconds.

    `parts` names what the time was spent with: `understand` (route, authenticate, authorize, find
    the resource), `wait` (for a seat), `serve` (the verb, admission and the store included).
    `template` is the path without names, "" for what is about no resource; `trace` is the client's
    `traceparent` header; `trusted` tells whether the client may decide which trace it belongs to.
    """

    ended: float
    seconds: float
    parts: Mapping[str, float]
    method: str
    verb: str
    uri: str
    template: str
    user: str
    user_agent: str
    status: int
    trace: str = ""
    trusted: bool = False


class Requests:
    """The last slow requests; `threshold` is the duration from which on a request is noted.

    `export` is set by tracing, which then sees every request.
    """

    def __init__(self) -> None:
        """Start with no request noted."""
        self.threshold = SLOW_SECONDS
        self.slow: deque[RequestRecord] = deque(maxlen=KEPT_REQUESTS)
        self.export: Callable[[RequestRecord], None] | None = None

    def note(self, record: RequestRecord) -> None:
        """Keep a request if it was slow, and export it if requests are traced."""
        if record.seconds >= SLOW_SECONDS:
            sent = {name: getattr(record, name)[:LONGEST_TEXT] for name in _SENT_BY_CLIENTS}
            self.slow.append(record._replace(**sent))
        if self.export is not None:
            self.export(record)

    def trace(self, export: Callable[[RequestRecord], None]) -> None:
        """Give every request to `export` from now on."""
        self.export = export
        self.threshold = 0.0


class StuckItem(NamedTuple):
    """A work item that has not come to an end: `seconds` since it began or first failed."""

    controller: str
    cluster: str
    name: str
    state: str
    seconds: float
    retries: int
    error: str


class StuckItems:
    """The work items that do not come to an end; `read` is set by the composition root."""

    def __init__(self) -> None:
        """Start without controllers to ask."""
        self.read: Callable[[], Iterable[StuckItem]] | None = None


REQUESTS = Requests()
STUCK_ITEMS = StuckItems()

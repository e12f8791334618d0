"""What is counted and timed while the server works, at the price of a dictionary entry.

Names and labels are kube-apiserver's where it has them. Series are of verbs, groups, resources and
controllers, never of workspaces. Anybody may make up a group or a resource, and a webhook a code:
built-in groups and the first few others keep their names, all others are counted together as
"other", under their verb and code. So all metrics have less than 1,500 series, whatever is sent;
that is why durations are by verb only. `exposition.py` turns all of it into text when it is asked
for.

Names: https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import NamedTuple

Labels = tuple[str | int, ...]
Reading = Iterable[tuple[Labels, float]]

OTHER = "other"
# What is made up gets no more than so many series of a metric, where nothing else bounds them.
_MOST_SERIES = 100
# Groups that are not built in and have a name here: the first ones.
_MOST_GROUPS = 6
# Series of a group under its own name, of successes and of errors; the rest is among the others'.
_OF_A_GROUP = 12
# Others, which only webhooks make, are counted by their class.
_CODES = frozenset((
    200, 201, 202, 301, 400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 429, 500, 503, 504,
    507,
))  # fmt: skip
# Upper bounds in seconds: those of kube-apiserver for requests, finer ones for what is inside.
_OF_REQUESTS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30,
    45, 60,
)  # fmt: skip
_INSIDE = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_OF_WORK = (0.01, 0.1, 1, 10)
_NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metric(NamedTuple):
    """What every metric has."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


class Counter:
    """Counts, for each combination of label values."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        """Begin at nothing."""
        self.metric = Metric(name, text, labels)
        self.values: dict[Labels, float] = {}
        # Under which labels is counted what has no series yet.
        self.bound: Callable[[Labels], Labels] | None = None

    def add(self, *labels: str | int) -> None:
        """Count one more."""
        values = self.values
        if labels in values:
            values[labels] += 1
        else:
            labels = self.bound(labels) if self.bound else _bounded(values, labels)
            values[labels] = values.get(labels, 0) + 1


class Histogram:
    """How often which amount was observed: for each combination a count by bucket, then the sum."""

    def __init__(
        self, name: str, text: str, *labels: str, buckets: Sequence[float] = _INSIDE
    ) -> None:
        """Begin with nothing observed; `buckets` are upper bounds, inclusive, in order."""
        self.metric = Metric(name, text, labels)
        self.buckets = buckets
        self.rows: dict[Labels, list[float]] = {}

    def observe(self, amount: float, *labels: str | int) -> None:
        """Count an amount."""
        row = self.rows.get(labels)
        if row is None:
            row = self.rows.setdefault(_bounded(self.rows, labels), [0.0] * (len(self.buckets) + 2))
        row[bisect_left(self.buckets, amount)] += 1
        row[-1] += amount


def _bounded(known: Sized, labels: Labels) -> Labels:
    """Return the labels of a new series, those of all that come late once there are many."""
    return labels if len(known) < _MOST_SERIES else (OTHER,) * len(labels)


class Groups:
    """API groups that have a name here: the built-in ones, and the first few others."""

    def __init__(self) -> None:
        """Begin with the core group."""
        self.resources: dict[str, set[str]] = {"": set()}
        self.others: set[str] = set()

    def know(self, builtin: Iterable[tuple[str, str]]) -> None:
        """Take resources, of a group and a plural each, for built-in ones, and their groups too."""
        for group, resource in builtin:
            self.resources.setdefault(group, set()).add(resource)

    def name(self, group: str) -> str:
        """Return what a group is counted as."""
        if group in self.resources or group in self.others:
            return group
        if len(self.others) < _MOST_GROUPS:
            self.others.add(group)
            return group
        return OTHER

    def of_request(self, labels: Labels) -> Labels:
        """Return the labels of a request: its verb and code are kept, its group if it may."""
        verb, group, code = labels
        if code not in _CODES:
            code = f"{int(code) // 100}xx"
        named = (verb, self.name(str(group)), code)
        return (
            named if named in ANSWERED_REQUESTS.values or _is_room(named) else (verb, OTHER, code)
        )

    def of_list(self, labels: Labels) -> Labels:
        """Return the labels of a list: resources that are not built in are counted together."""
        group, resource = labels
        known = resource in self.resources.get(str(group), ())
        return (self.name(str(group)), resource if known else OTHER)


def _is_room(labels: Labels) -> bool:
    """Tell whether a group may have one more series of requests.

    Successes are few, one or two codes for a verb: errors, which anybody can make, displace none.
    """
    group, failed = labels[1], _is_error(labels[2])
    of_group = [code for _, other, code in ANSWERED_REQUESTS.values if other == group]
    return sum(_is_error(code) is failed for code in of_group) < _OF_A_GROUP


def _is_error(code: str | int) -> bool:
    return str(code) >= "4"


class Gauge:
    """What is read only when somebody asks; `read` is set by who knows it."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        """Begin without anybody who knows."""
        self.metric = Metric(name, text, labels)
        self.read: Callable[[], Reading] | None = None


ANSWERED_REQUESTS = Counter(
    "apiserver_request_total", "Requests that were answered.", "verb", "group", "code"
)
REQUEST_SECONDS = Histogram(
    "apiserver_request_duration_seconds",
    "Time from a whole request to its answer; of a stream to its beginning.",
    "verb",
    buckets=_OF_REQUESTS,
)
IN_FLIGHT = Gauge(
    "apiserver_flowcontrol_current_executing_seats",
    "Requests that are worked on, by kind.",
    "priority_level",
)
REFUSED = Counter(
    "apiserver_flowcontrol_rejected_requests_total",
    "Requests that found no seat.",
    "priority_level",
    "reason",
)
LISTS = Counter("apiserver_cache_list_total", "Lists.", "group", "resource")
FAULTS = Counter("kcpfast_faults_total", "Faults of kcpfast's own that were caught.", "where")
WATCHES = Gauge("apiserver_longrunning_requests", "Open watches.", "verb")
STORE_BYTES = Gauge("apiserver_storage_size_bytes", "Size of the store's file on disk.")
HISTORY = Gauge(
    "kcpfast_store_history_revisions", "Revisions whose changes a watch can still begin at."
)
COMMIT_SECONDS = Histogram(
    "kcpfast_store_commit_duration_seconds", "Time for one transaction, until it is durable."
)
COMMITS_TOGETHER = Histogram(
    "kcpfast_store_commits_together", "Commits that shared a transaction.", buckets=_NUMBERS
)
DELIVERY_SECONDS = Histogram(
    "kcpfast_watch_delivery_duration_seconds",
    "Time from a commit until its events were written to the first watches.",
)
TURN_SECONDS = Histogram(
    "kcpfast_loop_stall_duration_seconds",
    "Time for which one request held the event loop, if that was long.",
)
QUEUE_DEPTH = Gauge("workqueue_depth", "Work items that wait.")
QUEUE_SECONDS = Histogram(
    "workqueue_queue_duration_seconds", "Time that a work item waited.", "name", buckets=_OF_WORK
)
WORK_SECONDS = Histogram(
    "workqueue_work_duration_seconds", "Time that a work item took.", "name", buckets=_OF_WORK
)
RETRIES = Counter("workqueue_retries_total", "Work items that are tried again.", "name")

GROUPS = Groups()
ANSWERED_REQUESTS.bound, LISTS.bound = GROUPS.of_request, GROUPS.of_list

ALL: tuple[Counter | Histogram | Gauge, ...] = (
    ANSWERED_REQUESTS, REQUEST_SECONDS, IN_FLIGHT, REFUSED, LISTS, FAULTS, WATCHES, STORE_BYTES,
    HISTORY, COMMIT_SECONDS, COMMITS_TOGETHER, DELIVERY_SECONDS, TURN_SECONDS, QUEUE_DEPTH,
    QUEUE_SECONDS, WORK_SECONDS, RETRIES,
)  # fmt: skip

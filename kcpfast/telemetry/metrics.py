"""What is counted and timed while the server works, at the price of a dictionary entry.

Names and labels are kube-apiserver's where it has them. Labels are verbs, groups, resources and
controllers, never workspaces. Clients can invent groups and resources, and webhooks can invent
codes: built-in groups and the first few others keep their names, the rest is counted under the
group "other", with its verb and code. So all metrics together have fewer than 2,500 series,
whatever clients send. `exposition.py` renders them as text when somebody asks.

Names: https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import NamedTuple

Labels = tuple[str | int, ...]
Reading = Iterable[tuple[Labels, float]]

OTHER = "other"
# The bound on the label combinations of a metric that has no bound of its own.
_MOST_SERIES = 100
# How many groups that are not built in keep their names: the first ones.
_MOST_GROUPS = 6
# How many combinations of verb and code a group keeps, of successes and of errors each.
_OF_A_GROUP = 12
# How many combinations of verb and group have a histogram of durations: of built-in groups, which
# clients cannot use up with groups of their own, and of other groups.
_BUILTIN_DURATIONS, _CUSTOM_DURATIONS = 70, 20
# Other codes, which only webhooks make up, are counted by their class, such as "5xx".
_CODES = frozenset((
    200, 201, 202, 301, 400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 429, 500, 503, 504,
    507,
))  # fmt: skip
# Upper bounds in seconds: some of kube-apiserver's for requests, finer ones for what is inside.
_OF_REQUESTS = (0.005, 0.025, 0.1, 0.4, 1.0, 5, 30)
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
        # Returns the labels under which a combination without a series is counted.
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
        """Start with nothing observed; `buckets` are upper bounds, inclusive, in order."""
        self.metric = Metric(name, text, labels)
        self.buckets = buckets
        self.rows: dict[Labels, list[float]] = {}
        # Returns the labels under which a combination without a row is counted.
        self.bound: Callable[[Labels], Labels] | None = None

    def observe(self, amount: float, *labels: str | int) -> None:
        """Count an amount; a combination of labels gets its row when it is first used."""
        row = self.rows.get(labels)
        if row is None:
            labels = self.bound(labels) if self.bound else _bounded(self.rows, labels)
            row = self.rows.setdefault(labels, [0.0] * (len(self.buckets) + 2))
        row[bisect_left(self.buckets, amount)] += 1
        row[-1] += amount


def _bounded(series: Sized, labels: Labels) -> Labels:
    """Return the labels of a new series, those of all that come late once there are many."""
    return labels if len(series) < _MOST_SERIES else (OTHER,) * len(labels)


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

    def of_duration(self, labels: Labels) -> Labels:
        """Return the labels of a request's duration: its verb is kept, its group if it may."""
        verb, group = labels
        name = self.name(str(group))
        if name == OTHER:
            return (verb, OTHER)
        builtin = name in self.resources
        named = [group_of_row for _, group_of_row in REQUEST_SECONDS.rows if group_of_row != OTHER]
        taken = sum((group_of_row in self.resources) is builtin for group_of_row in named)
        limit = _BUILTIN_DURATIONS if builtin else _CUSTOM_DURATIONS
        return (verb, name if taken < limit else OTHER)

    def of_list(self, labels: Labels) -> Labels:
        """Return the labels of a list: resources that are not built in are counted together."""
        group, resource = labels
        is_builtin = resource in self.resources.get(str(group), ())
        return (self.name(str(group)), resource if is_builtin else OTHER)


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
    "group",
    buckets=_OF_REQUESTS,
)
CURRENT_REQUESTS = Gauge(
    "apiserver_current_inflight_requests", "Requests that are worked on, by kind.", "request_kind"
)
IN_FLIGHT = Gauge(
    "apiserver_flowcontrol_current_executing_seats",
    "Requests that are worked on, by kind.",
    "priority_level",
)
QUEUED = Gauge(
    "apiserver_flowcontrol_current_inqueue_requests",
    "Requests that wait for a seat.",
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
REFUSED_FOR_MEMORY = Counter(
    "kcpfast_memory_refusals_total",
    "Requests that were refused, and connections that were cut off, for want of memory.",
    "reason",
)
WATCHES = Gauge("apiserver_longrunning_requests", "Open watches.", "verb")
TERMINATED_WATCHES = Counter(
    "apiserver_terminated_watchers_total",
    "Watches that were ended because their readers did not keep up.",
    "group",
    "resource",
)
STORE_BYTES = Gauge(
    "apiserver_storage_size_bytes",
    "Size of the store's file on disk.",
    "storage_cluster_id",
)
HISTORY = Gauge(
    "kcpfast_store_history_revisions", "Revisions whose changes a watch can still begin at."
)
COMMIT_SECONDS = Histogram(
    "kcpfast_store_commit_duration_seconds", "Time for one transaction, until it is durable."
)
# etcd's name for the commit of bbolt, its B+tree, which does the same work as LMDB's: alerts on
# slow disks hold here, too. Without a write-ahead log, no etcd_disk_wal_fsync_duration_seconds.
DISK_SECONDS = Histogram(
    "etcd_disk_backend_commit_duration_seconds",
    "Time in which a transaction's pages were written to the disk and synced.",
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
QUEUE_DEPTH = Gauge("workqueue_depth", "Work items that wait.", "name")
UNFINISHED_SECONDS = Gauge(
    "workqueue_unfinished_work_seconds", "Time that all running work items have taken.", "name"
)
LONGEST_SECONDS = Gauge(
    "workqueue_longest_running_processor_seconds",
    "Time that the longest running work item has taken.",
    "name",
)
QUEUE_SECONDS = Histogram(
    "workqueue_queue_duration_seconds", "Time that a work item waited.", "name", buckets=_OF_WORK
)
WORK_SECONDS = Histogram(
    "workqueue_work_duration_seconds", "Time that a work item took.", "name", buckets=_OF_WORK
)
RETRIES = Counter("workqueue_retries_total", "Work items that are tried again.", "name")

GROUPS = Groups()
ANSWERED_REQUESTS.bound, REQUEST_SECONDS.bound = GROUPS.of_request, GROUPS.of_duration
LISTS.bound = TERMINATED_WATCHES.bound = GROUPS.of_list

ALL: tuple[Counter | Histogram | Gauge, ...] = (
    ANSWERED_REQUESTS, REQUEST_SECONDS, CURRENT_REQUESTS, IN_FLIGHT, QUEUED, REFUSED,
    REFUSED_FOR_MEMORY, LISTS, FAULTS, WATCHES, TERMINATED_WATCHES, STORE_BYTES, HISTORY,
    COMMIT_SECONDS, DISK_SECONDS, COMMITS_TOGETHER, DELIVERY_SECONDS, TURN_SECONDS, QUEUE_DEPTH,
    UNFINISHED_SECONDS, LONGEST_SECONDS, QUEUE_SECONDS, WORK_SECONDS, RETRIES,
)  # fmt: skip

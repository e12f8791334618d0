"""Counters, as Prometheus reads them. Series are of verbs and groups, never of workspaces.

Text format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import time

_STARTED = time.time()
_requests: dict[tuple[str, str, int], int] = {}
_faults: dict[str, int] = {}
_lists: dict[tuple[str, str], int] = {}
# Anybody who may make a kind may make up its group: what comes late is counted together.
_MAX_SERIES = 600
_OTHER = "other"
_PAGE = os.sysconf("SC_PAGE_SIZE")


def count_request(verb: str, group: str, code: int) -> None:
    """Count an answered request."""
    key = (verb, group, code)
    if key not in _requests and len(_requests) >= _MAX_SERIES:
        key = (verb, _OTHER, code)
    _requests[key] = _requests.get(key, 0) + 1


def count_list(group: str, resource: str) -> None:
    """Count a list."""
    key = (group, resource)
    if key not in _lists and len(_lists) >= _MAX_SERIES:
        key = (_OTHER, _OTHER)
    _lists[key] = _lists.get(key, 0) + 1


def count_fault(where: str) -> None:
    """Count a fault of our own that was caught; `where` is a word of ours."""
    _faults[where] = _faults.get(where, 0) + 1


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def exposition() -> bytes:
    """Return all metrics as text."""
    lines = ["# TYPE apiserver_request_total counter"]
    for (verb, group, code), count in sorted(_requests.items()):
        labels = f'code="{code}",group="{_quoted(group)}",verb="{verb}"'
        lines.append(f"apiserver_request_total{{{labels}}} {count}")
    lines.append("# TYPE apiserver_cache_list_total counter")
    for (group, resource), count in sorted(_lists.items()):
        labels = f'group="{_quoted(group)}",index="",resource="{_quoted(resource)}"'
        lines.append(f"apiserver_cache_list_total{{{labels}}} {count}")
    lines.append("# TYPE kcpfast_faults_total counter")
    lines += [f'kcpfast_faults_total{{where="{where}"}} {n}' for where, n in _faults.items()]
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * _PAGE
    lines += [
        "# TYPE process_resident_memory_bytes gauge",
        f"process_resident_memory_bytes {resident}",
        "# TYPE process_start_time_seconds gauge",
        f"process_start_time_seconds {_STARTED:.3f}",
        "",
    ]
    return "\n".join(lines).encode()

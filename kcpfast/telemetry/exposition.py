"""All metrics as Prometheus reads them; for who asks, because the library takes its time to load.

Text format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest

from kcpfast.telemetry.metrics import ALL, Counter, Gauge, Histogram

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Collector:
    """Hands our numbers to the library."""

    def collect(self) -> Iterator[Metric]:
        for metric in ALL:
            if isinstance(metric, Counter):
                yield _counter(metric)
            elif isinstance(metric, Histogram):
                yield _histogram(metric)
            elif metric.read is not None:
                yield _gauge(metric)
        yield from _process()


_REGISTRY = CollectorRegistry()
_REGISTRY.register(_Collector())


def exposition() -> bytes:
    """Return all metrics as text."""
    return bytes(generate_latest(_REGISTRY))


def _counter(counter: Counter) -> Metric:
    name, text, labels = counter.metric
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counter.values.copy().items():
        family.add_metric([*map(str, values)], count)
    return family


def _gauge(gauge: Gauge) -> Metric:
    name, text, labels = gauge.metric
    family = GaugeMetricFamily(name, text, labels=labels)
    assert gauge.read is not None
    for values, amount in gauge.read():
        family.add_metric([*map(str, values)], amount)
    return family


def _histogram(histogram: Histogram) -> Metric:
    name, text, labels = histogram.metric
    family = HistogramMetricFamily(name, text, labels=labels)
    bounds = [*map(str, histogram.buckets), "+Inf"]
    for values, row in histogram.rows.copy().items():
        *counts, total = row
        buckets = [*zip(bounds, accumulate(counts), strict=True)]
        family.add_metric([*map(str, values)], buckets, total)
    return family


def _process() -> Iterator[Metric]:
    """Yield what is known of the process, under the names of the library's own collector."""
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * _PAGE
    with open("/proc/self/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    with open("/proc/uptime") as uptime:
        booted = time.time() - float(uptime.read().split()[0])
    ticks = os.sysconf("SC_CLK_TCK")
    yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory.", resident)
    yield GaugeMetricFamily(
        "process_start_time_seconds",
        "When the process began, since the epoch.",
        round(booted + int(fields[19]) / ticks, 2),
    )
    yield CounterMetricFamily(
        "process_cpu_seconds_total",
        "Processor time of the process.",
        (int(fields[11]) + int(fields[12])) / ticks,
    )

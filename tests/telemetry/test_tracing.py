"""Spans of requests: what the file may say, and what is sent to the endpoint."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from kcpfast.telemetry import tracing
from kcpfast.telemetry.inspection import RequestRecord
from kcpfast.telemetry.tracing import (
    DEFAULT_ENDPOINT,
    NOT_INSTALLED,
    Tracer,
    TracingConfig,
    TracingError,
)
from tests.harness.process import refused

KIND = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "TracingConfiguration"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
REQUEST = RequestRecord(
    ended=20.0, seconds=1.5, parts={"serve": 1.0}, method="GET", verb="get",
    uri="/api/v1/namespaces/a/secrets/b?x",
    template="/api/v1/namespaces/{:namespace}/secrets/{:name}",
    user="me", user_agent="agent", status=200, trace=PARENT,
)  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({}, TracingConfig(DEFAULT_ENDPOINT, 0)),
        ({"endpoint": "dns:///host:4317"}, TracingConfig("dns:///host:4317", 0)),
        ({"samplingRatePerMillion": 1_000_000}, TracingConfig(DEFAULT_ENDPOINT, 1_000_000)),
    ],
)
def test_a_file_is_understood(fields: Any, config: TracingConfig) -> None:
    assert tracing.parse({**KIND, **fields}) == config


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "one TracingConfiguration"),
        ({**KIND, "kind": "Tracing"}, "a TracingConfiguration of"),
        ({**KIND, "apiVersion": "v1"}, "a TracingConfiguration of"),
        ({**KIND, "rate": 1}, 'unknown field "rate"'),
        ({**KIND, "endpoint": "http://host"}, "unsupported scheme: http"),
        ({**KIND, "endpoint": 1}, "endpoint: Invalid value: 1"),
        ({**KIND, "samplingRatePerMillion": -1}, "sampling rate must be positive"),
        ({**KIND, "samplingRatePerMillion": 1_000_001}, "less than or equal to one million"),
        ({**KIND, "samplingRatePerMillion": True}, "a whole number"),
    ],
)
def test_a_bad_file_is_refused_by_name(document: Any, said: str) -> None:
    with pytest.raises(TracingError) as raised:
        tracing.parse(document)
    assert said in str(raised.value)


def test_a_start_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tracing.yaml"
    flags = ("--tracing-config-file", str(file))
    assert "--tracing-config-file: [Errno 2]" in refused(tmp_path / "root", *flags).error
    file.write_text(json.dumps({**KIND, "rate": 1}))
    assert refused(tmp_path / "root", *flags).error == (
        'kcpfast: --tracing-config-file: unknown field "rate"\n'
    )


def test_a_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(TracingError, match="pip install") as raised:
        Tracer(TracingConfig())
    assert str(raised.value) == NOT_INSTALLED


@pytest.fixture
def spans() -> Any:
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    return memory.InMemorySpanExporter()


@pytest.mark.parametrize("trusted", [False, True])
def test_a_request_becomes_a_span(trusted: bool, spans: Any) -> None:
    """Only who is trusted decides which trace a request belongs to; others' are linked to."""
    tracer = Tracer(TracingConfig(per_million=1_000_000), spans)
    tracer.export(REQUEST._replace(trusted=trusted))
    tracer.stop()
    (span,) = spans.get_finished_spans()
    assert span.name == "GET /api/v1/namespaces/{:namespace}/secrets/{:name}"
    assert (span.start_time, span.end_time) == (18_500_000_000, 20_000_000_000)
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["url.path"] == "/api/v1/namespaces/a/secrets/b"
    assert (format(span.context.trace_id, "032x") == TRACE) is trusted
    assert [format(link.context.trace_id, "032x") for link in span.links] == [TRACE] * (not trusted)


@pytest.mark.parametrize(("trusted", "number"), [(False, 0), (True, 1)])
def test_strangers_cannot_have_themselves_traced(trusted: bool, number: int, spans: Any) -> None:
    tracer = Tracer(TracingConfig(per_million=0), spans)
    tracer.export(REQUEST._replace(trusted=trusted))
    tracer.stop()
    assert len(spans.get_finished_spans()) == number

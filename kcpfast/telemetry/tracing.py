"""OpenTelemetry spans of requests; imported only if `--tracing-config-file` is given.

The file and its rules are kube-apiserver's (KEP-647): a TracingConfiguration with an endpoint that
speaks OTLP over gRPC, and a sampling rate. The libraries are an optional extra of the package; they
are imported by name, so that the executable, which does without them, does not take them along.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from kcpfast.telemetry.inspection import RequestRecord

CONFIG_KIND = "TracingConfiguration"
CONFIG_VERSIONS = (
    "apiserver.config.k8s.io/v1",
    "apiserver.config.k8s.io/v1beta1",
    "apiserver.config.k8s.io/v1alpha1",
)
DEFAULT_ENDPOINT = "localhost:4317"
_MILLION = 1_000_000
_KNOWN = ("apiVersion", "kind", "endpoint", "samplingRatePerMillion")
# The schemes that a name may have for gRPC (github.com/grpc/grpc/blob/master/doc/naming.md).
_SCHEMES = ("dns", "unix", "unix-abstract")
NOT_INSTALLED = (
    "requests can be traced only where the OpenTelemetry library is installed: "
    "pip install 'kcpfast[tracing]' (the single executable does not carry it)"
)


class TracingConfig(NamedTuple):
    """Where spans are sent, and how many of a million requests begin a trace."""

    endpoint: str = DEFAULT_ENDPOINT
    per_million: int = 0


class TracingError(Exception):
    """Requests cannot be traced; the text is one sentence that says why."""


def parse(document: object) -> TracingConfig:
    """Return the configuration in a decoded file; TracingError names what is wrong with it."""
    if not isinstance(document, Mapping):
        raise TracingError(f"the file must hold one {CONFIG_KIND}")
    if document.get("kind") != CONFIG_KIND or document.get("apiVersion") not in CONFIG_VERSIONS:
        raise TracingError(f"the file must hold a {CONFIG_KIND} of {', '.join(CONFIG_VERSIONS)}")
    unknown = [str(name) for name in document if name not in _KNOWN]
    if unknown:
        raise TracingError(f'unknown field "{unknown[0]}"')
    return TracingConfig(_endpoint(document.get("endpoint")), _rate(document))


def _endpoint(value: object) -> str:
    if value is None:
        return DEFAULT_ENDPOINT
    if not isinstance(value, str) or not value or not value.isprintable():
        raise TracingError(f"endpoint: Invalid value: {value!r}: it must be host:port")
    scheme, has_scheme, _ = value.partition("://")
    if has_scheme and scheme not in _SCHEMES:
        raise TracingError(
            f'endpoint: Invalid value: "{value}": unsupported scheme: {scheme}.  '
            f"Options are none, {', '.join(_SCHEMES[:-1])}, or {_SCHEMES[-1]}"
        )
    return value


def _rate(document: Mapping[str, Any]) -> int:
    value = document.get("samplingRatePerMillion")
    if value is None:
        return 0
    field = f"samplingRatePerMillion: Invalid value: {value}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TracingError(f"{field}: it must be a whole number")
    if value < 0:
        raise TracingError(f"{field}: sampling rate must be positive")
    if value > _MILLION:
        too_many = "sampling rate per million must be less than or equal to one million"
        raise TracingError(f"{field}: {too_many}")
    return value


class Tracer:
    """Makes a span of each request that is sampled; a thread of the library sends them."""

    def __init__(self, config: TracingConfig, exporter: Any = None) -> None:
        """Load the library; TracingError if it is not installed.

        `exporter` takes the spans instead of the endpoint.
        """
        try:
            self._trace = importlib.import_module("opentelemetry.trace")
            self._propagation = importlib.import_module(
                "opentelemetry.trace.propagation.tracecontext"
            ).TraceContextTextMapPropagator()
            sdk = importlib.import_module("opentelemetry.sdk.trace")
            sampling = importlib.import_module("opentelemetry.sdk.trace.sampling")
            resources = importlib.import_module("opentelemetry.sdk.resources")
            export = importlib.import_module("opentelemetry.sdk.trace.export")
            if exporter is None:
                otlp = importlib.import_module(
                    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"
                )
                exporter = otlp.OTLPSpanExporter(endpoint=config.endpoint, insecure=True)
        except ImportError:
            raise TracingError(NOT_INSTALLED) from None
        share = sampling.TraceIdRatioBased(config.per_million / _MILLION)
        self._provider = sdk.TracerProvider(
            sampler=sampling.ParentBased(share),
            resource=resources.Resource.create({"service.name": "apiserver"}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("kcpfast")

    def export(self, record: RequestRecord) -> None:
        """Make the span of a request.

        Only a trusted client decides that its trace goes on here, sampled or not; another client's
        trace is linked to, as kube-apiserver does it, so that nobody can have all requests traced.
        """
        context, links = None, []
        if record.trace:
            context = self._propagation.extract({"traceparent": record.trace})
            if not record.trusted:
                remote = self._trace.get_current_span(context).get_span_context()
                links = [self._trace.Link(remote)] if remote.is_valid else []
                context = None
        ended = int(record.ended * 1e9)
        begun = ended - int(record.seconds * 1e9)
        name = f"{record.method} {record.template}" if record.template else record.method
        span = self._tracer.start_span(
            name,
            context=context,
            kind=self._trace.SpanKind.SERVER,
            attributes=_attributes(record),
            links=links,
            start_time=begun,
        )
        if record.status >= 500:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(end_time=ended)

    def stop(self) -> None:
        """Send what has gathered, and end the library's thread."""
        self._provider.shutdown()


def _attributes(record: RequestRecord) -> dict[str, str | int | float]:
    """Return what a span says, with the names of OpenTelemetry's conventions for HTTP."""
    attributes: dict[str, str | int | float] = {
        "http.request.method": record.method,
        "http.response.status_code": record.status,
        "url.path": record.uri.partition("?")[0],
        "user_agent.original": record.user_agent,
        "audit.verb": record.verb,
        "enduser.id": record.user,
    }
    for part, seconds in record.parts.items():
        attributes[f"kcpfast.{part}_seconds"] = seconds
    return attributes

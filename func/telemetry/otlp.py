"""Metrics and traces that are pushed to an OpenTelemetry collector; imported only where that is configured.

Nothing here waits: threads of the SDK send what is in their queue. Only the end of the process waits for a moment, so
that the last events of a function that scales to zero are sent too.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import FrameType

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from func.core.errors import SettingError
from func.kube.call_log import ApiCall
from func.telemetry.handled_event import HandledEvent, Trace
from func.telemetry.log import LogHandler, attributes_of
from func.telemetry.metrics import BOUNDS, CATALOGUE, Measurement, Metric
from func.telemetry.settings import Export

_FLUSH_SECONDS = 3.0  # at the end; events in progress take 5 s before that, and Kubernetes kills the process after 10 s
_SCOPE = "taskgate"
_REQUEST: dict[str, str | int | float | bool] = {
    "http.request.method": "POST",
    "http.route": "/",
    "url.path": "/",
    "url.scheme": "http",
}


def connect(exports: Iterable[Export]) -> OpenTelemetry:
    """Start to push, as the variables OTEL_* configure it.

    Raises:
        SettingError: one line.
    """
    handler = LogHandler(most="WARN")  # no event depends on it
    logger = logging.getLogger("opentelemetry")
    logger.handlers, logger.propagate = [handler], False
    try:
        resource = _resource(os.environ)
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False) if "traces" in exports else None
        if tracers:
            tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        meters = None
        if "metrics" in exports:
            reader = PeriodicExportingMetricReader(OTLPMetricExporter())
            meters = MeterProvider([reader], resource, shutdown_on_exit=False)
    except ValueError as error:  # of most variables the SDK only logs that it takes its default instead
        raise SettingError(f"a variable OTEL_* is wrong: {error}") from None
    observer = OpenTelemetry(
        tracers.get_tracer(_SCOPE) if tracers else None, meters.get_meter(_SCOPE) if meters else None
    )
    handler.setLevel(logging.ERROR)  # the SDK warns of each single retry
    _at_the_end(*(provider.shutdown for provider in (tracers, meters) if provider))
    return observer


class OpenTelemetry:
    """An observer that pushes to a collector.

    Args:
        tracer: of the SDK; None where traces are not pushed.
        meter: likewise, for metrics.
    """

    def __init__(self, tracer: Tracer | None, meter: Meter | None) -> None:
        self._tracer = tracer
        self._instruments = {metric: _instrument(meter, metric) for metric in CATALOGUE} if meter else {}

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Take measurements, without waiting."""
        for metric, labels, value in measurements:
            if record := self._instruments.get(metric):
                record(value, dict(zip(metric.labels, labels, strict=True)))

    def trace(self, handled: HandledEvent) -> Trace | None:
        """Take the spans of an event, without waiting.

        Returns:
            The span of the event; None where no traces are kept.
        """
        if self._tracer is None:
            return None
        epoch = time.time_ns() - time.perf_counter_ns()

        def at(seconds: float) -> int:
            return epoch + int(seconds * 1e9)

        status = handled.answer.status
        span = self._tracer.start_span(
            "POST /",
            _parent(handled.trace),
            SpanKind.SERVER,
            _REQUEST | attributes_of(handled),
            start_time=at(handled.started),
        )
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR, handled.answer.reason))
        inside = set_span_in_context(span)
        for call in handled.calls:
            child = self._tracer.start_span(
                f"{call.method} {call.route}", inside, SpanKind.CLIENT, start_time=at(call.started)
            )
            _describe(child, call)
            child.end(at(call.started + call.seconds))
        span.end(at(handled.started + handled.seconds))
        here = span.get_span_context()
        return Trace(format_trace_id(here.trace_id), format_span_id(here.span_id), here.trace_flags.sampled)


def _parent(trace: Trace | None) -> Context:
    if trace is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if trace.is_sampled else TraceFlags.DEFAULT)
    context = SpanContext(int(trace.trace_id, 16), int(trace.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(context), Context())


def _describe(span: Span, call: ApiCall) -> None:
    span.set_attributes({"http.request.method": call.method, "url.template": call.route, "peer.service": call.api})
    if call.result.isdecimal():
        span.set_attribute("http.response.status_code", int(call.result))
    if not call.result.startswith("2"):  # by the conventions, a client's span is an error from 400 on
        span.set_attribute("error.type", call.result)
        span.set_status(Status(StatusCode.ERROR))


def _instrument(meter: Meter, metric: Metric) -> Callable[[float, Mapping[str, str]], None]:
    named = {"unit": metric.unit, "description": metric.help}
    match metric.kind:
        case "counter":
            return meter.create_counter(metric.name, **named).add
        case "updown":
            return meter.create_up_down_counter(metric.name, **named).add
        case "gauge":
            return meter.create_gauge(metric.name, **named).set
        case "histogram":
            return meter.create_histogram(metric.name, **named, explicit_bucket_boundaries_advisory=BOUNDS).record


def _resource(environment: Mapping[str, str]) -> Resource:
    """Return the attributes of this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override them."""
    ours = {
        "service.name": "taskgate",
        "service.instance.id": str(uuid.uuid4()),  # else the values of two pods would be mixed
        "faas.name": environment.get("K_SERVICE"),  # Knative sets it, and K_REVISION
        "faas.version": environment.get("K_REVISION"),
    }
    known = {name: value for name, value in ours.items() if value}
    return Resource.create(known | dict(OTELResourceDetector().detect().attributes))


def _at_the_end(*shutdowns: Callable[[], None]) -> None:
    """Send what is left when the process ends, within a bounded time."""

    def flush() -> None:
        atexit.unregister(flush)
        # Each in a thread: the SDK's own timeout for a collector that does not answer is longer.
        threads = [threading.Thread(target=each, name="otlp-flush", daemon=True) for each in shutdowns]
        deadline = time.monotonic() + _FLUSH_SECONDS
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    atexit.register(flush)
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)

    def ended(number: int, _: FrameType | None) -> None:
        flush()
        signal.signal(number, before)
        signal.raise_signal(number)

    # uvicorn handles the signal, finishes the events in progress, and raises it again for the handler before: this one.
    # Otherwise the signal would end the process without calling atexit.
    signal.signal(signal.SIGTERM, ended)

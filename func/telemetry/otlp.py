"""Metrics and traces for an OpenTelemetry collector, pushed. Loaded only where somebody asks for it.

Nothing here waits: what is to be sent is put into a queue, and threads of the SDK send it. The one exception is the end
of the process, which waits a moment, since a function that goes back to zero has told of its last events to nobody yet.

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
from func.telemetry.log import Lines, attributes_of
from func.telemetry.metrics import BOUNDS, CATALOGUE, Measurement, Metric
from func.telemetry.settings import Signal

_FLUSH_SECONDS = 3.0  # at the end; an event in work takes 5 s before that, and Kubernetes kills after 10
_SCOPE = "taskgate"
_REQUEST: dict[str, str | int | float | bool] = {
    "http.request.method": "POST",
    "http.route": "/",
    "url.path": "/",
    "url.scheme": "http",
}


def connect(signals: Iterable[Signal]) -> OpenTelemetry:
    """Begin to push, as the variables OTEL_* say.

    Raises: SettingError, one line.
    """
    said = Lines(most="WARN")  # no event suffers
    logger = logging.getLogger("opentelemetry")
    logger.handlers, logger.propagate = [said], False
    try:
        resource = _resource(os.environ)
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False) if "traces" in signals else None
        if tracers:
            tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        meters = None
        if "metrics" in signals:
            reader = PeriodicExportingMetricReader(OTLPMetricExporter())
            meters = MeterProvider([reader], resource, shutdown_on_exit=False)
    except ValueError as error:  # of most variables the SDK only logs that it takes its default instead
        raise SettingError(f"a variable OTEL_* is wrong: {error}") from None
    observer = OpenTelemetry(
        tracers.get_tracer(_SCOPE) if tracers else None, meters.get_meter(_SCOPE) if meters else None
    )
    said.setLevel(logging.ERROR)  # from here on it warns of each single try to reach the collector
    _at_the_end(*(provider.shutdown for provider in (tracers, meters) if provider))
    return observer


class OpenTelemetry:
    """An observer that tells a collector.

    Args:
        tracer, meter: of the SDK; None where it is not asked for.
    """

    def __init__(self, tracer: Tracer | None, meter: Meter | None) -> None:
        self._tracer = tracer
        self._tell = {metric: _instrument(meter, metric) for metric in CATALOGUE} if meter else {}

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Take measurements in; returns at once."""
        for metric, labels, value in measurements:
            if tell := self._tell.get(metric):
                tell(value, dict(zip(metric.labels, labels, strict=True)))

    def trace(self, handled: HandledEvent) -> Trace | None:
        """Keep the spans of an event; returns at once.

        Returns: the span of the event; None where no traces are kept.
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
            _tell_of(child, call)
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


def _tell_of(span: Span, call: ApiCall) -> None:
    span.set_attributes({"http.request.method": call.method, "url.template": call.route, "peer.service": call.api})
    if call.result.isdecimal():
        span.set_attribute("http.response.status_code", int(call.result))
    if not call.result.startswith("2"):  # a client's span is an error from 400 on, by the conventions
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
    """Which process tells this. What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before what we know."""
    ours = {
        "service.name": "taskgate",
        "service.instance.id": str(uuid.uuid4()),  # else the numbers of two pods would be taken for one's
        "faas.name": environment.get("K_SERVICE"),  # Knative's, as is K_REVISION
        "faas.version": environment.get("K_REVISION"),
    }
    known = {name: value for name, value in ours.items() if value}
    return Resource.create(known | dict(OTELResourceDetector().detect().attributes))


def _at_the_end(*shutdowns: Callable[[], None]) -> None:
    """Send what is left when the process ends, in a bounded time."""

    def flush() -> None:
        atexit.unregister(flush)
        # Each in a thread: how long the SDK may wait for a collector that is silent is not for us to say.
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

    # uvicorn takes the signal, finishes what is in work, and raises it again for the handler from before: this one.
    # Without it the process would end there, by the signal, and atexit would not be called.
    signal.signal(signal.SIGTERM, ended)

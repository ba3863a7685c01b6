"""The metrics: a catalogue, what one event adds to them, and their values.

Names and units are OpenTelemetry's; `Metric.prometheus` is the name in Prometheus, pushed or scraped.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from func.telemetry.handled_event import HandledEvent

Kind = Literal["counter", "updown", "gauge", "histogram"]
# Seconds. An event takes milliseconds usually, 4.5 s at most, and the time of its body.
BOUNDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(eq=False, repr=False)  # compared by identity, as a key of dicts
class Metric:
    """One metric.

    Args:
        kind: an `updown` counter can decrease.
        unit: in UCUM, as in OpenTelemetry.
        labels: their names; no label has a value from outside.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def prometheus(self) -> str:
        """Its name in Prometheus.

        Source: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
        """
        unit = {"s": "_seconds"}.get(self.unit, "")  # a word in braces is not a unit
        return self.name.replace(".", "_") + unit + ("_total" if self.kind == "counter" else "")


EVENTS = Metric(
    "taskgate.events", "counter", "{event}", "Events that were answered.", ("outcome", "code", "status", "gate")
)
DURATION = Metric(
    "taskgate.event.duration", "histogram", "s", "From the request of an event to its answer.", ("outcome",)
)
ACTIVE = Metric("taskgate.active_events", "updown", "{event}", "Events in progress.")
PARKED = Metric("taskgate.signals.parked", "counter", "{signal}", "Signals that wait on a Workflow.", ("gate",))
RELEASED = Metric(
    "taskgate.signals.released", "counter", "{signal}", "Signals that waited and moved a gate.", ("gate",)
)
API_CALLS = Metric(
    "taskgate.api.calls",
    "counter",
    "{call}",
    "Calls to Kubernetes and to Argo Server: the status of the answer, or why there was none.",
    ("api", "method", "resource", "result"),
)
API_DURATION = Metric(
    "taskgate.api.call.duration", "histogram", "s", "From a call to its whole answer.", ("api", "method", "resource")
)
COLD_STARTS = Metric("taskgate.cold_starts", "counter", "{event}", "Events that were the first of their process.")
START = Metric("taskgate.start.duration", "gauge", "s", "From the start of the process until the function was ready.")
CATALOGUE = (EVENTS, DURATION, ACTIVE, PARKED, RELEASED, API_CALLS, API_DURATION, COLD_STARTS, START)


class Measurement(NamedTuple):
    """A value for one metric.

    Args:
        labels: their values, in the order of the metric's names.
    """

    metric: Metric
    labels: tuple[str, ...]
    value: float


def measure(handled: HandledEvent, gates: Container[str]) -> Iterator[Measurement]:
    """Return what one event adds to the metrics.

    Args:
        handled: the event and its answer.
        gates: of the rules. Another gate, which was remembered on a Workflow, gets an empty label.
    """
    answer = handled.answer
    gate = answer.gate if answer.gate is not None and answer.gate in gates else ""
    yield Measurement(EVENTS, (answer.outcome, answer.code, str(answer.status), gate), 1)
    yield Measurement(DURATION, (answer.outcome,), handled.seconds)
    if handled.cold_start:
        yield Measurement(COLD_STARTS, (), 1)
    if handled.parked:
        yield Measurement(PARKED, (gate,), 1)
    if handled.released:
        yield Measurement(RELEASED, (gate,), 1)
    for call in handled.calls:
        labels = (call.api, call.method, resource_of(call.route))
        yield Measurement(API_CALLS, (*labels, call.result), 1)
        yield Measurement(API_DURATION, labels, call.seconds)


@cache  # of the few routes that there are
def resource_of(route: str) -> str:
    """Return the resource of a call: `workflows` of `.../namespaces/{namespace}/workflows/{name}`."""
    *_, last = (part for part in route.split("/") if not part.startswith("{"))
    return last


@dataclass
class Histogram:
    """The values of a histogram.

    Args:
        counts: of the values in each bucket, by its upper bound in BOUNDS; the last one has no bound.
        total: the sum of all values.
    """

    counts: list[int]
    total: float = 0.0


class Metrics:
    """The values of all metrics of this process, for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Metric, dict[tuple[str, ...], float]] = {}
        self._histograms: dict[Metric, dict[tuple[str, ...], Histogram]] = {}

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Add measurements."""
        with self._lock:
            for metric, labels, value in measurements:
                if metric.kind == "histogram":
                    histograms = self._histograms.setdefault(metric, {})
                    histogram = histograms.get(labels) or histograms.setdefault(
                        labels, Histogram([0] * (len(BOUNDS) + 1))
                    )
                    histogram.counts[bisect_left(BOUNDS, value)] += 1
                    histogram.total += value
                else:
                    numbers = self._numbers.setdefault(metric, {})
                    numbers[labels] = value if metric.kind == "gauge" else numbers.get(labels, 0) + value

    def numbers(self, metric: Metric) -> dict[tuple[str, ...], float]:
        """Return a copy of a metric's values, by labels."""
        with self._lock:
            return dict(self._numbers.get(metric, {}))

    def histograms(self, metric: Metric) -> dict[tuple[str, ...], Histogram]:
        """Return a copy of a metric's histograms, by labels."""
        with self._lock:
            found = self._histograms.get(metric, {})
            return {labels: Histogram(list(histogram.counts), histogram.total) for labels, histogram in found.items()}

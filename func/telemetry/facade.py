"""Record events: in the log, in the metrics, and with OpenTelemetry where it is configured."""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterable
from pathlib import Path
from traceback import format_exc
from typing import TYPE_CHECKING, Protocol

from func.telemetry.handled_event import HandledEvent, Trace, read_traceparent
from func.telemetry.log import log_event, log_line
from func.telemetry.metrics import ACTIVE, START, Measurement, Metrics, measure

if TYPE_CHECKING:
    from func.core.outcomes import Answer
    from func.kube.deadline import Deadline

# Of this process, whatever loaded the function into it.
PROCESS = Metrics()


class Observer(Protocol):
    """Receives the measurements and the traces too."""

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Take measurements, without waiting."""

    def trace(self, handled: HandledEvent) -> Trace | None:
        """Take the spans of an event, without waiting.

        Returns:
            The span of the event; None where no traces are kept.
        """


class Telemetry:
    """Records the events of one function.

    Args:
        gates: of the rules.
        observer: None where OpenTelemetry is not configured.
    """

    def __init__(self, gates: Container[str], observer: Observer | None = None) -> None:
        self._gates = gates
        self._observer = observer
        self._is_cold = True

    def begin(self) -> None:
        """Count an event as in progress."""
        self._add([Measurement(ACTIVE, (), 1)])

    def end(self) -> None:
        """Count it no longer."""
        self._add([Measurement(ACTIVE, (), -1)])

    def answered(self, answer: Answer, started: float, deadline: Deadline, traceparent: str | None) -> None:
        """Record the answer to an event.

        Args:
            answer: to the event.
            started: when the request came, on `time.perf_counter`, in seconds.
            deadline: of the event, with the log of its calls.
            traceparent: of the request. It precedes that of the event, which may be its producer's.
        """
        trace = read_traceparent(traceparent) or (read_traceparent(answer.event.traceparent) if answer.event else None)
        seconds = time.perf_counter() - started
        handled = HandledEvent(answer, deadline.log.calls, started, seconds, cold_start=self._is_cold, trace=trace)
        self._is_cold = False
        self._add(measure(handled, self._gates))
        with _contained:
            trace = (self._observer and self._observer.trace(handled)) or trace
        with _contained:
            log_event(handled, trace)

    def ready(self) -> None:
        """Record that the process can take requests."""
        seconds = _process_age()
        if seconds is not None:
            self._add([Measurement(START, (), seconds)])

    def _add(self, measurements: Iterable[Measurement]) -> None:
        with _contained:
            measured = list(measurements)
            PROCESS.add(measured)
            if self._observer:
                self._observer.add(measured)


class _Contained:
    """Logs an error of telemetry instead of raising it: no event depends on telemetry."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        log_line("WARN", "Telemetry failed; the event is not affected.", {"exception.stacktrace": format_exc()})
        return True


_contained = _Contained()


def _process_age() -> float | None:
    """Return the seconds since this process was started; None where there is no /proc.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        # The name of the program, in parentheses, may contain spaces.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, ValueError, AttributeError):
        return None

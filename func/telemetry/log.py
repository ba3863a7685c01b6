"""The log: one JSON line for each event, without its body and without credentials.

The fields are those of OpenTelemetry's log data model, the attributes those of its conventions where there are any.
Source: https://opentelemetry.io/docs/specs/otel/logs/data-model/ and https://opentelemetry.io/docs/specs/semconv/
"""

from __future__ import annotations

import json
import logging
import select
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from func.core.outcomes import OUTCOMES, Severity
from func.redaction import redact

if TYPE_CHECKING:
    from func.telemetry.handled_event import HandledEvent, Trace

_ENCODER = json.JSONEncoder(default=str)
_PIECE = 4096  # bytes that a pipe takes as a whole, once it takes any: PIPE_BUF in limits.h of Linux
_PATIENCE = 200  # milliseconds that a line waits for its reader


def log_event(handled: HandledEvent, trace: Trace | None, to: TextIO | None = None) -> None:
    """Write the line for one event.

    Args:
        handled: the event and its answer.
        trace: the span that it was handled in, or the caller's.
        to: standard error where None.
    """
    severity = OUTCOMES[handled.answer.outcome].severity
    log_line(severity, handled.answer.reason, attributes_of(handled), trace, to)


def attributes_of(handled: HandledEvent) -> dict[str, str | int | float | bool]:
    """Return the attributes of an event, by their names in OpenTelemetry."""
    answer = handled.answer
    event, task, workflow = answer.event, answer.task, answer.workflow
    attributes = {
        "taskgate.outcome": answer.outcome,
        "taskgate.code": answer.code,
        "taskgate.would": answer.would,
        "http.response.status_code": answer.status,
        "cloudevents.event_id": event.id if event else None,
        "cloudevents.event_type": event.type if event else None,
        "cloudevents.event_source": event.source if event else None,
        "taskgate.task.id": task.id if task else None,
        "taskgate.task.repository": task.repository if task else None,
        "k8s.namespace.name": workflow.namespace if workflow else None,
        "taskgate.workflow.name": workflow.name if workflow else None,
        "taskgate.gate": answer.gate,
        "taskgate.node": answer.node,
        "taskgate.duration": round(handled.seconds, 4),
        "taskgate.api_calls": len(handled.calls),
        "faas.coldstart": handled.cold_start,
    }
    return {name: value for name, value in attributes.items() if value is not None}


class LogHandler(logging.Handler):
    """Writes the records of libraries as lines of this log.

    Args:
        level: the lowest level of records that are written.
        most: the highest severity of a line.
    """

    def __init__(self, level: int = logging.NOTSET, most: Severity = "ERROR") -> None:
        super().__init__(level)
        self._most = most

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            attributes = {"otel.scope.name": record.name}
            if record.exc_info:
                attributes["exception.stacktrace"] = "".join(traceback.format_exception(*record.exc_info))
            log_line(self._most if record.levelno >= logging.ERROR else "WARN", record.getMessage(), attributes)
        except Exception:
            self.handleError(record)  # the library that logs must not fail


def log_line(
    severity: Severity,
    body: str,
    attributes: Mapping[str, object],
    trace: Trace | None = None,
    to: TextIO | None = None,
) -> None:
    """Write one line, without any credential that this process has read.

    The line is lost when standard error is closed, broken, on a full disk or not read: no event depends on its log.

    Args:
        severity: of the line.
        body: a sentence for a person.
        attributes: by their names in OpenTelemetry.
        trace: the span that it is about.
        to: standard error where None.
    """
    stream = to or sys.stderr
    if stream is None:  # where the process was started without one
        return
    with suppress(OSError, ValueError):
        _output.write(stream, _line(severity, body, attributes, trace))


def _line(severity: Severity, body: str, attributes: Mapping[str, object], trace: Trace | None) -> str:
    line: dict[str, object] = {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "severity_text": severity,
        "body": body,
        "attributes": attributes,
    }
    if trace:
        line |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return redact(_ENCODER.encode(line)) + "\n"


class _Output:
    """Writes lines, and drops them while the reader is stuck: a full pipe would block the function."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a handler of signals may log
        self._lost = 0
        self._is_cut = False  # within a line

    def write(self, stream: TextIO, line: str) -> None:
        """Write a line, or count it as lost."""
        with self._lock:
            if self._lost:
                body = f"Nobody read standard error: {self._lost} lines of the log are lost."
                line = "\n" * self._is_cut + _line("WARN", body, {}, None) + line
            self._lost = 0 if self._is_written(stream, line) else self._lost + 1

    def _is_written(self, stream: TextIO, line: str) -> bool:
        can_take, patience = _readiness_of(stream), 0 if self._lost else _PATIENCE
        for start in range(0, len(line), _PIECE):
            if not can_take(patience):
                self._is_cut = self._is_cut or start > 0
                return False
            stream.write(line[start : start + _PIECE])
            stream.flush()
        self._is_cut = False
        return True


_output = _Output()


def _readiness_of(stream: TextIO) -> Callable[[int], bool]:
    """Return what waits for milliseconds, and returns whether the stream takes a piece without blocking."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # not a file
        return lambda _: True
    return lambda milliseconds: bool(poll.poll(milliseconds))

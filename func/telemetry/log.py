"""The log: one JSON line for each event, without its body and without credentials.

The fields are those of OpenTelemetry's log data model, the attributes those of its conventions where there are any.
Source: https://opentelemetry.io/docs/specs/otel/logs/data-model/ and https://opentelemetry.io/docs/specs/semconv/
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from func.core.outcomes import OUTCOMES, Severity
from func.redaction import redact

if TYPE_CHECKING:
    from func.telemetry.handled_event import HandledEvent, Trace


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

    The line is lost when standard error is closed, broken or on a full disk: no event depends on its log.

    Args:
        severity: of the line.
        body: a sentence for a person.
        attributes: by their names in OpenTelemetry.
        trace: the span that it is about.
        to: standard error where None.
    """
    line: dict[str, object] = {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "severity_text": severity,
        "body": body,
        "attributes": attributes,
    }
    if trace:
        line |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
    stream = to or sys.stderr
    if stream is None:  # the process was started without one
        return
    with suppress(OSError, ValueError):
        stream.write(redact(json.dumps(line, default=str)) + "\n")
        stream.flush()

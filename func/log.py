"""One JSON line for each event: what came of it, never a body or a secret."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TextIO

from func.core.outcomes import Answer

_PROBLEMS = frozenset({"unavailable", "forbidden"})


def log_answer(
    answer: Answer, *, milliseconds: float, api_calls: int, cold_start: bool, to: TextIO | None = None
) -> None:
    """Write the line for one event.

    Args:
        milliseconds: from the first byte of the request to the answer.
        api_calls: to Kubernetes and Argo Server.
        cold_start: it was the first event of this process.
        to: standard error where None.
    """
    event, task, workflow = answer.event, answer.task, answer.workflow
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "error" if answer.outcome in _PROBLEMS else "info",
        "outcome": answer.outcome,
        "reason": answer.sentence,
        "status": answer.status,
        "event": event.id if event else None,
        "type": event.type if event else None,
        "task": task.id if task else None,
        "repository": task.repository if task else None,
        "workflow": f"{workflow.namespace}/{workflow.name}" if workflow else None,
        "gate": answer.gate,
        "node": answer.node,
        "would": answer.would,
        "milliseconds": round(milliseconds, 1),
        "api_calls": api_calls,
        "cold_start": cold_start,
    }
    stream = to or sys.stderr
    stream.write(json.dumps({name: value for name, value in line.items() if value is not None}) + "\n")
    stream.flush()


def log_error(message: str, to: TextIO | None = None) -> None:
    """Write a line about something that is no event, for instance a defect of ours with its traceback."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": "error", "message": message}
    stream = to or sys.stderr
    stream.write(json.dumps(line) + "\n")
    stream.flush()

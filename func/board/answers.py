"""The function's log -> the events that moved nothing and that somebody may ask about."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from func.board.view import MAX_TEXT
from func.core.outcomes import OUTCOMES
from func.core.values import format_time, parse_time

_EXPECTED = {"duplicate", "already-open", "ignored", "observed"}
_SHOWN = {outcome for outcome, traits in OUTCOMES.items() if not traits.writes} - _EXPECTED


@dataclass(frozen=True, slots=True)
class Answer:
    """What the function answered to an event. No Workflow remembers it; only the log has it.

    Args:
        at: RFC 3339.
        outcome: for instance `refused`.
        code: the stable word for the reason.
        why: the reason, one sentence.
        event: the id of the CloudEvent, for GitHub the delivery.
    """

    at: str
    outcome: str
    code: str | None
    why: str | None
    event: str | None
    task: str | None
    repository: str | None
    gate: str | None
    workflow: str | None


def read_answer(line: str) -> Answer | None:
    """Return the answer that a line of the function's log is about; None where the board does not show it."""
    try:
        logged = json.loads(line)
        attributes = logged["attributes"]
        if attributes.get("taskgate.outcome") not in _SHOWN:
            return None
        found: dict[str, Any] = {name: attributes.get(key) for name, key in _ATTRIBUTES.items()}
        found |= {"at": format_time(parse_time(logged["timestamp"])), "why": logged["body"]}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # a line of another program, or cut off
    shown: dict[str, Any] = {
        name: value[:MAX_TEXT] if isinstance(value, str) else None for name, value in found.items()
    }
    return Answer(**shown)


_ATTRIBUTES = {
    "outcome": "taskgate.outcome",
    "code": "taskgate.code",
    "event": "cloudevents.event_id",
    "task": "taskgate.task.id",
    "repository": "taskgate.task.repository",
    "gate": "taskgate.gate",
    "workflow": "taskgate.workflow.name",
}

"""Events to try things with, as GitHub sends them: pull request #123 of 5dlabs/cto, of task 3."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from func.core.values import format_time, time_or_none

CloudEvent = dict[str, Any]
TASK = 3
GATE = "wait-pr-approved"
_PAYLOAD = Path(__file__).with_name("approval.json")


def approved(now: datetime) -> CloudEvent:
    """Return the event of 5DLabs-Tess[bot] approving the pull request just now.

    Args:
        now: UTC; all times of the recorded payload move along.
    """
    payload = json.loads(_PAYLOAD.read_text(encoding="utf-8"))
    late = now.replace(microsecond=0) - datetime.fromisoformat(payload["review"]["submitted_at"])
    return _cloudevent("pull_request_review", _moved(payload, late), now)


def approved_by_a_stranger(now: datetime) -> CloudEvent:
    """Return the event of somebody else approving it."""
    event = approved(now)
    person = event["data"]["review"]["user"] | {"login": "octocat", "id": 583231, "type": "User"}
    event["data"]["review"]["user"] = event["data"]["sender"] = person
    return event


def merged(now: datetime) -> CloudEvent:
    """Return the event of the pull request being merged, a minute after its approval."""
    time = format_time(now + timedelta(minutes=1))
    payload = approved(now)["data"]
    pull_request = payload["pull_request"] | {
        "state": "closed",
        "merged": True,
        "merged_by": payload["sender"],
        **dict.fromkeys(("updated_at", "closed_at", "merged_at"), time),
    }
    kept = {name: payload[name] for name in ("repository", "organization", "sender", "installation")}
    action = {"action": "closed", "number": pull_request["number"], "pull_request": pull_request}
    return _cloudevent("pull_request", {**action, **kept}, now)


# name of the file -> what it is, how it is made
EVENTS: dict[str, tuple[str, Callable[[datetime], CloudEvent]]] = {
    "approved.json": ("Tess approves pull request #123: opens wait-pr-approved of task 3", approved),
    "merged.json": ("it is merged: opens wait-pr-merged; before that gate is reached the signal waits", merged),
    "stranger.json": ("somebody who is not a reviewer approves it: refused", approved_by_a_stranger),
}


def _moved(value: Any, late: timedelta) -> Any:  # noqa: ANN401 - any JSON
    """Return the same with all times later."""
    if isinstance(value, dict):
        return {name: _moved(item, late) for name, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, late) for item in value]
    time = time_or_none(value)
    return format_time(time + late) if time else value


def _cloudevent(kind: str, payload: dict[str, Any], now: datetime) -> CloudEvent:
    """Return the CloudEvent that the Sensor sends; the id is GitHub's of this delivery."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "type": f"com.github.{kind}",
        "source": payload["repository"]["html_url"],
        "subject": f"{payload['repository']['full_name']}#{payload['pull_request']['number']}",
        "time": format_time(now),
        "datacontenttype": "application/json",
        "data": payload,
    }

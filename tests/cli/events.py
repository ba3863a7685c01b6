"""Events and dead letters as files."""

import json
from pathlib import Path
from typing import Any

from tests import payloads

Event = dict[str, Any]


def cloudevent(payload: dict[str, Any], **envelope: Any) -> Event:  # noqa: ANN401  handed on
    """A payload as our Sensor sends it."""
    _, body = payloads.cloudevent_structured(payload, **envelope)
    event: Event = json.loads(body)
    return event


def dead_letter(event: Event, name: str = "taskgate-dead-letter-x7k2p") -> Event:
    """The ConfigMap that the Sensor puts down when it can't deliver the event."""
    texts = {key: value for key, value in event.items() if key != "data"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "taskgate", "labels": {"taskgate.dev/dead-letter": "true"}},
        "data": {**texts, "datacontenttype": "application/json", "data": json.dumps(event["data"])},
    }


def written(value: object, file: Path) -> Path:
    """The value as JSON."""
    file.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return file


def lines(events: list[Event]) -> str:
    """One event a line."""
    return "".join(json.dumps(event) + "\n" for event in events)

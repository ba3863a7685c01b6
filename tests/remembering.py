"""Workflows with something remembered on them, as the annotation has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.recorded_workflows import Workflow, gate_node, waiting_workflow

Record = dict[str, Any]
PULL_REQUEST = "5dlabs/cto#123"
APPROVED, MERGED = "wait-pr-approved", "wait-pr-merged"


def signal(name: str = "pull_request_review.submitted", **facts: Any) -> Record:  # noqa: ANN401  any JSON
    """Return a signal: an approval by Tess for `wait-pr-approved`, unless the facts say something else."""
    always = {
        "id": "d-1",
        "name": name,
        "happened": "2026-11-22T10:30:00Z",
        "written": "2026-11-22T10:30:01Z",
        "pull_request": PULL_REQUEST,
        "person": "5DLabs-Tess[bot]",
        "task": "3",
        "repository": "5dlabs/cto",
        "gate": APPROVED,
    }
    review = {"verdict": "approved", "review": 7, "head": "c1"} if name == "pull_request_review.submitted" else {}
    return {**always, **review, **facts}


def merge(**facts: Any) -> Record:  # noqa: ANN401  any JSON
    """Return the signal of a merge, for `wait-pr-merged`."""
    return signal("pull_request.closed", merged=True, gate=MERGED, **{"person": "octocat", **facts})


def push(**facts: Any) -> Record:  # noqa: ANN401  any JSON
    """Return a push, which revokes approvals of before."""
    return signal("pull_request.synchronize", gate=None, **{"id": "d-2", "happened": "2026-11-22T10:40:00Z", **facts})


def use(node: str | None, **facts: Any) -> Record:  # noqa: ANN401  any JSON
    """Return how the signal `d-1` moved a node."""
    always = {"id": "d-1", "gate": APPROVED, "happened": "2026-11-22T10:30:00Z", "pull_request": PULL_REQUEST}
    return {**always, "node": node, "at": "2026-11-22T10:31:00Z", **facts}


def remembering(
    workflow: Workflow, signals: Sequence[Record] = (), used: Sequence[Record] = (), *, uid: str | None = None
) -> Workflow:
    """Return the Workflow with these signals in its annotation, and the label where one may wait."""
    shown = [{name: value for name, value in each.items() if value is not None} for each in (*signals, *used)]
    state = {
        "uid": uid or workflow["metadata"]["uid"],
        "pull_request": None,
        "signals": shown[: len(signals)],
        "used": shown[len(signals) :],
    }
    workflow["metadata"]["annotations"]["taskgate.dev/state"] = json.dumps(state)
    if any(each.get("gate") for each in signals):
        workflow["metadata"]["labels"]["taskgate.dev/parked"] = "true"
    return workflow


def approved_workflow(task: int = 3) -> Workflow:
    """Return one that waits for its merge, approved by Tess."""
    workflow = waiting_workflow(task, MERGED, agent="5DLabs-Rex")
    node = gate_node(workflow, APPROVED)
    node["message"] = "opened by pull_request_review.submitted of 5DLabs-Tess[bot] (taskgate, event d-1)"
    return remembering(workflow, [signal(task=str(task))], [use(node["id"], started=node["startedAt"])])

"""Workflows with something remembered on them."""

from __future__ import annotations

import json
from typing import Any

from tests.recorded_workflows import Workflow, gate_node, waiting_workflow

TESS = {"person": "5DLabs-Tess[bot]", "name": "pull_request_review.submitted"}


def key(state: str, **facts: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """A key as the annotation has it."""
    always = {"event": "d-1", "happened": "2026-11-22T10:30:00Z", "written": "2026-11-22T10:30:01Z"}
    return {**always, **TESS, "state": state, "pull_request": "5dlabs/cto#123", **facts}


def remembering(workflow: Workflow, keys: dict[str, Any], **state: Any) -> Workflow:  # noqa: ANN401  any JSON
    """The Workflow with these keys in its annotation."""
    text = json.dumps({"uid": workflow["metadata"]["uid"], **state, "keys": keys})
    workflow["metadata"]["annotations"]["taskgate.dev/state"] = text
    return workflow


def approved_workflow(task: int = 3) -> Workflow:
    """One that waits for its merge, approved by Tess."""
    workflow = waiting_workflow(task, "wait-pr-merged", agent="5DLabs-Rex")
    node = gate_node(workflow, "wait-pr-approved")
    node["message"] = "opened by pull_request_review.submitted of 5DLabs-Tess[bot] (taskgate, event d-1)"
    used = key("used", node=node["id"])
    return remembering(workflow, {"wait-pr-approved": used}, pull_request="5dlabs/cto#123")

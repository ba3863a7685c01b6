"""The k8s trigger on real Workflows in the real API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests import payloads, recorded_workflows
from tests.cluster.api_client import JSON_PATCH
from tests.experiments.experiment import experiment
from tests.experiments.filters import TRANSFORM
from tests.experiments.stage import ALL_EVENTS, DEPENDENCY, WORKFLOWS_PATH, Object, Stage
from tests.experiments.triggers import WORKFLOW_NAME, from_event, from_key, workflow_reference

NAME = "play-task-3-workflow"
GATE = "wait-pr-approved"


def patch(**fields: Any) -> Object:  # noqa: ANN401 - JSON
    """A trigger that opens the gate of the task: the places of two values are themselves made from the event."""
    done = {"dest": "to-be-replaced", "src": {"dependencyName": DEPENDENCY, "value": "Succeeded"}}
    now = {"dest": "to-be-replaced", "src": {"dependencyName": DEPENDENCY, "contextKey": "time"}}
    return {
        "template": {
            "name": "patch",
            "k8s": {
                "operation": "patch",
                "source": workflow_reference("to-be-replaced"),
                "parameters": [from_key("metadata.name", "workflow"), done, now],
                **fields,
            },
        },
        "parameters": [
            from_event("k8s.parameters.1.dest", "status.nodes.{{ .Input.node }}.phase"),
            from_event("k8s.parameters.2.dest", "status.nodes.{{ .Input.node }}.finishedAt"),
        ],
    }


WITH_NODE = {**ALL_EVENTS, "transform": {"script": TRANSFORM}}


@experiment(
    "K1",
    "`k8s` trigger, `operation: patch`, on the one gate",
    "Works, without `argo`: the node's id is computed (F5), so the gate's place in the template must be known.",
)
def patch_opens(stage: Stage) -> str:
    stage.clear()
    stage.create(*(recorded_workflows.waiting_workflow(task, GATE) for task in (1, 3, 5, 7)))
    before = stage.open_gates()
    with stage.sensor(patch(), dependencies=[WITH_NODE]) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
    opened = sorted(set(stage.open_gates()) - set(before))
    assert opened == [f"{NAME}/{GATE}"], opened
    return f"Of four Workflows at `{GATE}`, `{NAME}` was opened and no other."


@experiment(
    "K2",
    "The same event again",
    "Patches again: a merge patch has no condition. `finishedAt` moves.",
)
def patch_twice(stage: Stage) -> str:
    stage.clear()
    stage.create(recorded_workflows.waiting_workflow(3, GATE))
    with stage.sensor(patch(), dependencies=[WITH_NODE]) as sensor:
        stage.send(payloads.approved(), "once")
        stage.done(sensor)
        first = recorded_workflows.gate_node(stage.workflow(NAME), GATE)["finishedAt"]
        stage.wait_a_second()
        stage.send(payloads.approved(), "once")
        stage.done(sensor)
        second = recorded_workflows.gate_node(stage.workflow(NAME), GATE)["finishedAt"]
    assert datetime.fromisoformat(second) > datetime.fromisoformat(first)
    return "The gate was open; the second delivery wrote a later `finishedAt` into it."


@experiment(
    "K3",
    "An approval that comes before the gate",
    "Makes half a node in a Workflow that is elsewhere.",
)
def patch_early(stage: Stage) -> str:
    stage.clear()
    stage.create(recorded_workflows.waiting_workflow(3, "wait-pr-created"))
    with stage.sensor(patch(), dependencies=[WITH_NODE]) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
    node = recorded_workflows.nodes_of(stage.workflow(NAME))[recorded_workflows.node_id(NAME, f"{NAME}[2].{GATE}")]
    assert sorted(node) == ["finishedAt", "phase"], node
    return 'A node with `phase: "Succeeded"` and `finishedAt`, without name, type or id, is in `status.nodes` now.'


@experiment(
    "K4",
    "A task that has no Workflow",
    "The trigger tries to create one. What stops it is that the Workflow of a patch has no `spec`.",
)
def patch_creates(stage: Stage) -> str:
    stage.clear()
    with stage.sensor(patch(), dependencies=[WITH_NODE]) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
        words, refused = "object not found, creating the object", "spec: Required value"
        assert words in sensor.log
        assert refused in sensor.log
    return f"The log: `{words}`, then the CRD's `{refused}`."


@experiment(
    "K5",
    "A JSON Patch, which could `test` before it writes",
    "Not possible: the body is always an object, and the API wants a list.",
)
def json_patch(stage: Stage) -> str:
    stage.clear()
    stage.create(recorded_workflows.waiting_workflow(3, GATE))
    before = stage.workflow(NAME)
    with stage.sensor(patch(patchStrategy=JSON_PATCH), dependencies=[WITH_NODE]) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
        words = "cannot unmarshal object into Go value of type"
        assert words in sensor.log
    assert stage.workflow(NAME) == before
    return f"`{words} ...`, nothing written."


@experiment("K6", "`operation: delete`", "Works.")
def delete(stage: Stage) -> str:
    stage.clear()
    stage.create(*(recorded_workflows.waiting_workflow(task, GATE) for task in (3, 7)))
    for workflow in stage.api.admin.must("GET", WORKFLOWS_PATH)["items"]:
        assert not workflow["metadata"].get("finalizers"), workflow["metadata"]
    trigger = {
        "template": {
            "name": "delete",
            "k8s": {
                "operation": "delete",
                "source": workflow_reference("to-be-replaced"),
                "parameters": [from_event("metadata.name", WORKFLOW_NAME)],
            },
        }
    }
    with stage.sensor(trigger) as sensor:
        stage.send(payloads.closed())
        stage.done(sensor)
    left = [workflow["metadata"]["name"] for workflow in stage.api.admin.must("GET", WORKFLOWS_PATH)["items"]]
    assert left == ["play-task-7-workflow"], left
    return f"Of tasks 3 and 7, `{NAME}` was deleted."


@experiment(
    "K7",
    "`{{ .Input... }}` inside `source.resource`, without a parameter",
    "Stays as it is: only parameters are made from the event.",
)
def template_in_the_resource(stage: Stage) -> str:
    stage.clear()
    text = "{{ .Input.body.action }}"
    resource = workflow_reference("made-by-a-sensor")
    resource["resource"]["metadata"]["annotations"] = {"action": text}
    resource["resource"]["spec"] = {}
    trigger = {"template": {"name": "create", "k8s": {"operation": "create", "source": resource}}}
    with stage.sensor(trigger) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
    found = stage.workflow("made-by-a-sensor")["metadata"]["annotations"]["action"]
    assert found == text
    return f"The Workflow that was made has the annotation `{found}`, word for word."

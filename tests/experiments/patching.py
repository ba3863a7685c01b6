"""The k8s trigger on real Workflows in the real API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests import payloads, recorded_workflows
from tests.cluster.api_client import JSON_PATCH
from tests.experiments.experiment import experiment
from tests.experiments.snippets import Snippet
from tests.experiments.stage import WORKFLOWS_PATH, Object, Stage
from tests.experiments.symptom import GATE, create_tasks
from tests.experiments.triggers import workflow_reference

NAME = "play-task-3-workflow"
PATCH = Snippet("K1")
DELETE = Snippet("K6")
NODE_OF_THE_GATE = Snippet("F5")


def patch(**fields: Any) -> Object:  # noqa: ANN401 - JSON
    """Return a trigger that opens the gate of the task; `fields` go into k8s."""
    trigger = PATCH.trigger
    trigger["template"]["k8s"] |= fields
    return trigger


WITH_NODE = NODE_OF_THE_GATE.dependency


@experiment(
    "K1",
    "`operation: patch` of one gate",
    "Works, with the node's id of F5.",
)
def patch_opens(stage: Stage) -> str:
    create_tasks(stage)
    before = stage.open_gates()
    with stage.sensor(patch(), dependencies=[WITH_NODE]) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
    opened = sorted(set(stage.open_gates()) - set(before))
    assert opened == [f"{NAME}/{GATE}"], opened
    return "Of tasks 1, 3, 5 and 7, the gate of task 3 opened."


@experiment(
    "K2",
    "The same event again",
    "Writes again.",
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
    return "`finishedAt` changed."


@experiment(
    "K3",
    "An approval before its gate",
    "Adds a node",
)
def patch_early(stage: Stage) -> str:
    stage.clear()
    stage.create(recorded_workflows.waiting_workflow(3, "wait-pr-created"))
    with stage.sensor(patch(), dependencies=[WITH_NODE]) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
    node = recorded_workflows.nodes_of(stage.workflow(NAME))[recorded_workflows.node_id(NAME, f"{NAME}[2].{GATE}")]
    assert sorted(node) == ["finishedAt", "phase"], node
    return "without name, type and id."


@experiment(
    "K4",
    "A task without a Workflow",
    "Tries to create one.",
)
def patch_creates(stage: Stage) -> str:
    stage.clear()
    with stage.sensor(patch(), dependencies=[WITH_NODE]) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
        words, refused = "object not found, creating the object", "spec: Required value"
        assert words in sensor.log
        assert refused in sensor.log
    return f"The log: `{words}`."


@experiment(
    "K5",
    "A JSON Patch, which has conditions",
    "Impossible.",
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
    return "The trigger sends an object, the API requires a list."


@experiment("K6", "`operation: delete`", "Works.")
def delete(stage: Stage) -> str:
    stage.clear()
    stage.create(*(recorded_workflows.waiting_workflow(task, GATE) for task in (3, 7)))
    for workflow in stage.api.admin.must("GET", WORKFLOWS_PATH)["items"]:
        assert not workflow["metadata"].get("finalizers"), workflow["metadata"]
    with stage.sensor(DELETE.trigger) as sensor:
        stage.send(payloads.closed())
        stage.done(sensor)
    left = [workflow["metadata"]["name"] for workflow in stage.api.admin.must("GET", WORKFLOWS_PATH)["items"]]
    assert left == ["play-task-7-workflow"], left
    return ""


@experiment(
    "K7",
    "`{{ .Input... }}` in `source.resource`",
    "Is not replaced.",
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
    return ""

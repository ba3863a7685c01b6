"""The resource EventSource: a watch on Workflows, and what it can be used for."""

from __future__ import annotations

import json
import time

from tests import recorded_workflows
from tests.cluster.api_client import MERGE_PATCH
from tests.cluster.argo_events import EventSource
from tests.experiments.experiment import experiment
from tests.experiments.snippets import Snippet
from tests.experiments.stage import ACCOUNT, NAMESPACE, WORKFLOWS_PATH, Object, Stage
from tests.experiments.triggers import http

NAME = "play-task-3-workflow"
TASK_3 = Snippet("W1")


def watch(name: str, **changed: object) -> Object:
    """Return an EventSource that watches Workflows; `changed` are fields that differ from the printed ones."""
    resource = TASK_3.content["resource"]
    resource["workflow"] |= changed
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventSource",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"template": {"serviceAccountName": ACCOUNT}, "resource": resource},
    }


def trigger(name: str) -> tuple[Object, Object]:
    """Return a trigger and a dependency that report each of its events."""
    body = http(
        payload=[
            {"dest": "type", "src": {"dependencyName": name, "dataKey": "type"}},
            {"dest": "name", "src": {"dependencyName": name, "dataKey": "body.metadata.name"}},
        ]
    )
    return body, {"name": name, "eventSourceName": name, "eventName": "workflow"}


@experiment(
    "W1",
    "`filter.labels: task-id == 3`",
    "Reports changes of task 3.",
)
def watch_with_labels(stage: Stage) -> str:
    stage.clear()
    stage.create(recorded_workflows.waiting_workflow(7))
    source = stage.argo.event_source(watch("watch"))
    body, dependency = trigger("watch")
    try:
        with stage.http() as recorder, stage.sensor(body, dependencies=[dependency], http=recorder) as sensor:
            stage.create(recorded_workflows.waiting_workflow(3))
            recorder.wait_for(1)
            for name in (NAME, "play-task-7-workflow"):
                change = {"metadata": {"labels": {"current-stage": "x"}}}
                stage.api.admin.must("PATCH", f"{WORKFLOWS_PATH}/{name}", change, content_type=MERGE_PATCH)
            recorder.wait_for(2)
            stage.done(sensor)
            got = [(request.json["type"], request.json["name"]) for request in recorder.requests]
    finally:
        source.close()
    assert got == [("ADD", NAME), ("UPDATE", NAME)], got
    return ""


@experiment(
    "W2",
    "A change of a Workflow of 0.6 MB, default bus",
    "Lost: it exceeds 1 MB.",
)
def too_large(stage: Stage) -> str:
    stage.clear()
    large = recorded_workflows.waiting_workflow(3)
    node = recorded_workflows.gate_node(large, "wait-pr-approved")
    node["message"] = "x" * 600_000
    source: EventSource = stage.argo.event_source(watch("watch-large", filter={}))
    body, dependency = trigger("watch-large")
    try:
        with stage.http() as recorder, stage.sensor(body, dependencies=[dependency], http=recorder) as sensor:
            stage.create(large)
            recorder.wait_for(1)
            change = {"metadata": {"labels": {"current-stage": "x"}}}
            stage.api.admin.must("PATCH", f"{WORKFLOWS_PATH}/{NAME}", change, content_type=MERGE_PATCH)
            deadline = time.monotonic() + 30
            while "maximum payload exceeded" not in source.log:
                assert time.monotonic() < deadline, source.log[-2000:]
                time.sleep(0.1)
            stage.done(sensor)
            got = [request.json["type"] for request in recorder.requests]
    finally:
        source.close()
        stage.clear()
    assert got == ["ADD"], got
    size = len(json.dumps(large)) // 1000
    assert 600 < size < 620
    return "The log: `maximum payload exceeded`."

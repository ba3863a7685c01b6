"""The way of an event through what people apply with overlays/argo-events, up to the function's door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests import payloads, recorded_workflows
from tests.cluster.api_client import MERGE_PATCH
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import EventSource, Object, Sensor
from tests.cluster.installation import OURS, SECRETS, SERVICE
from tests.cluster.processes import wait_for
from tests.cluster.sink import Request, Sink
from tests.cluster.webhooks import deliver
from tests.manifests.building import find

StartEventSource = Callable[[Object], EventSource]
StartSensor = Callable[[Object, Mapping[str, int]], Sensor]


@pytest.fixture(scope="module")
def manifests(argo_events_manifests: list[Object]) -> list[Object]:
    """What people apply."""
    return argo_events_manifests


@pytest.fixture(scope="module")
def control_plane(installed_cluster: RealApiServer) -> RealApiServer:
    """An API server on which somebody has done what docs/install.md says."""
    return installed_cluster


@pytest.fixture
def event_bus(manifests: list[Object]) -> Object:
    """The bus that people apply."""
    return find(manifests, "EventBus", "taskgate")


@pytest.fixture
def github(event_source: StartEventSource, manifests: list[Object]) -> EventSource:
    """GitHub's EventSource."""
    return event_source(find(manifests, "EventSource", "github"))


@pytest.fixture
def taskgate_sensor(sensor: StartSensor, sink: Sink, manifests: list[Object]) -> Sensor:
    """The Sensor, with the sink as the function."""
    return sensor(find(manifests, "Sensor", "taskgate"), {SERVICE: sink.port})


def test_a_signed_webhook_comes_out_as_a_structured_cloudevent(
    github: EventSource, taskgate_sensor: Sensor, sink: Sink
) -> None:
    payload = payloads.approved()
    secret = SECRETS["taskgate-github-webhook"]["secret"]
    assert deliver(github.url("webhook"), payload, secret, delivery="delivery-1") == 200
    request = sink.wait_for(1)[0]
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["authorization"] == SECRETS["taskgate-token"]["authorization"]
    event = request.json
    assert event["specversion"] == "1.0"
    assert event["type"] == "com.github.pull_request_review"
    assert event["id"] == "delivery-1"
    data = {name: value for name, value in event["data"].items() if not name.startswith("X-GitHub-")}
    assert data == payload

    assert deliver(github.url("webhook"), payload, "wrong", delivery="forged") == 400
    # One more good one, so that the forged one would have been there by now.
    assert deliver(github.url("webhook"), payload, secret, delivery="delivery-2") == 200
    assert [one.json["id"] for one in sink.wait_for(2)] == ["delivery-1", "delivery-2"]
    wait_for("the Sensor to be done", lambda: taskgate_sensor.idle() or None)


def test_a_sensor_that_was_killed_goes_on_where_it_was(
    github: EventSource, taskgate_sensor: Sensor, sink: Sink
) -> None:
    secret = SECRETS["taskgate-github-webhook"]["secret"]
    deliver(github.url("webhook"), payloads.approved(), secret, delivery="before")
    sink.wait_for(1)
    wait_for("the Sensor to be done", lambda: taskgate_sensor.idle() or None)
    taskgate_sensor.kill()
    deliver(github.url("webhook"), payloads.approved(), secret, delivery="meanwhile")
    taskgate_sensor.start()
    assert [one.json["id"] for one in sink.wait_for(2)] == ["before", "meanwhile"]


@pytest.mark.usefixtures("taskgate_sensor")
def test_only_workflows_on_which_a_key_waits_make_events(
    event_source: StartEventSource, sink: Sink, control_plane: RealApiServer, manifests: list[Object]
) -> None:
    event_source(find(manifests, "EventSource", "waiting"))
    api = control_plane.admin

    def create(name: str, **labels: str) -> str:
        workflow: dict[str, Any] = recorded_workflows.recorded("steps-first-gate")
        workflow["metadata"] = {"name": name, "labels": labels}
        api.must("POST", OURS, workflow)
        return f"{OURS}/{name}"

    def subjects(requests: list[Request]) -> list[str]:
        return [request.json["subject"] for request in requests]

    plain = create("plain")
    api.must("PATCH", plain, {"metadata": {"labels": {"other": "true"}}}, content_type=MERGE_PATCH)
    create("parked", **{"taskgate.dev/parked": "true"})
    requests = sink.wait_for(1)
    assert subjects(requests) == ["agent-platform/parked"]
    assert requests[0].json["type"] == "io.argoproj.workflow.updated"

    api.must("PATCH", plain, {"metadata": {"labels": {"taskgate.dev/parked": "true"}}}, content_type=MERGE_PATCH)
    assert subjects(sink.wait_for(2)) == ["agent-platform/parked", "agent-platform/plain"]
    api.must("PATCH", plain, {"metadata": {"labels": {"other": "again"}}}, content_type=MERGE_PATCH)
    assert subjects(sink.wait_for(3))[2:] == ["agent-platform/plain"]
    api.must("DELETE", OURS)

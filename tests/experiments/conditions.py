"""Several dependencies, several triggers, several Sensors."""

from __future__ import annotations

from tests import payloads
from tests.experiments.experiment import experiment
from tests.experiments.stage import DEPENDENCY, Stage
from tests.experiments.triggers import data, http, only


@experiment(
    "C1",
    "`conditions: opened && approved`: is that one task's opening and approval?",
    "No. It joins the last event of each kind, whatever task they are of.",
)
def conditions_join_tasks(stage: Stage) -> str:
    opened = {**only(data=[data("body.action", "opened")]), "name": "opened"}
    approved = {**only(data=[data("body.action", "submitted")]), "name": "approved"}
    trigger = http(
        payload=[
            {"dest": name, "src": {"dependencyName": name, "dataKey": "body.pull_request.labels.0.name"}}
            for name in ("opened", "approved")
        ]
    )
    trigger["template"]["conditions"] = "opened && approved"
    with (
        stage.http() as recorder,
        stage.sensor(trigger, dependencies=[opened, approved], http=recorder) as sensor,
    ):
        stage.send(payloads.opened(task=3))
        stage.done(sensor)
        stage.send(payloads.approved(task=7))
        (request,) = recorder.wait_for(1)
    assert request.json == {"opened": "task-3", "approved": "task-7"}
    return "Opened for task 3, approved for task 7: the trigger ran once, with both."


@experiment(
    "C2",
    "Does a trigger see what the trigger before it found?",
    "No. Triggers of one Sensor run beside each other; a parameter's source is an event, nothing else.",
)
def triggers_do_not_see_each_other(stage: Stage) -> str:
    discover = http("/discover")
    discover["template"]["name"] = "discover"
    target = http(
        "/target",
        payload=[{"dest": "found", "src": {"dependencyName": "discover", "dataKey": "body", "value": "nothing"}}],
    )
    with stage.http() as recorder, stage.sensor(discover, target, http=recorder):
        stage.send(payloads.approved())
        requests = recorder.wait_for(2)
    (found,) = [request.json["found"] for request in requests if request.path == "/target"]
    assert found == "nothing"
    return "Both ran. A parameter of the second that names the first got its default: there is no such source."


@experiment(
    "C3",
    "Two stages: Sensor -> webhook of a second EventSource -> second Sensor",
    "Works: this is how one trigger can speak to another, or a pod to a Sensor. Each stage is two more processes.",
)
def chain(stage: Stage) -> str:
    second = stage.second_source("second", secret=False)
    port = stage.port_of(second)
    first = http("/second")
    first["template"]["http"] |= {
        "url": "http://second-eventsource-svc.experiments.svc.cluster.local:12000/webhook",
        "headers": {"Content-Type": "application/json", "X-Github-Event": "found", "X-Github-Delivery": "2"},
        "payload": [{"dest": "workflow", "src": {"dependencyName": DEPENDENCY, "value": "play-task-3-workflow-x7k2p"}}],
    }
    last = http(payload=[{"dest": "workflow", "src": {"dependencyName": "second", "dataKey": "body.workflow"}}])
    dependency = {"name": "second", "eventSourceName": "second", "eventName": "webhook"}
    try:
        with (
            stage.http() as recorder,
            stage.sensor(last, dependencies=[dependency], http=recorder),
            stage.sensor(first, more={"second-eventsource-svc.experiments.svc.cluster.local:12000": port}),
        ):
            stage.send(payloads.approved())
            (request,) = recorder.wait_for(1)
    finally:
        second.close()
    assert request.json == {"workflow": "play-task-3-workflow-x7k2p"}
    return "What the first Sensor posted came out of the second one as its own event."

"""Several dependencies, several triggers, several Sensors."""

from __future__ import annotations

from tests import payloads
from tests.experiments.experiment import experiment
from tests.experiments.snippets import Snippet
from tests.experiments.stage import Stage
from tests.experiments.triggers import data, http, only

FIRST_STAGE = Snippet("C3")


@experiment(
    "C1",
    "`conditions: opened && approved`",
    "Joins events of different tasks.",
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
    return "It ran when task 3 was opened and task 7 approved."


@experiment(
    "C2",
    "One trigger's result in another",
    "Impossible: parameters read events.",
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
    return ""


@experiment(
    "C3",
    "A trigger posts to a second EventSource and Sensor",
    "Works.",
)
def chain(stage: Stage) -> str:
    second = stage.second_source("second", secret=False)
    port = stage.port_of(second)
    last = http(payload=[{"dest": "label", "src": {"dependencyName": "second", "dataKey": "body.label"}}])
    dependency = {"name": "second", "eventSourceName": "second", "eventName": "webhook"}
    try:
        with (
            stage.http() as recorder,
            stage.sensor(last, dependencies=[dependency], http=recorder),
            stage.sensor(FIRST_STAGE.trigger, more={"second-eventsource-svc.argo.svc.cluster.local:12000": port}),
        ):
            stage.send(payloads.approved())
            (request,) = recorder.wait_for(1)
    finally:
        second.close()
    assert request.json == {"label": "task-3"}
    return ""

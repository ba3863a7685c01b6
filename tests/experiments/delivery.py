"""What happens to events: order, repetition, failures, and who is away."""

from __future__ import annotations

import time
from typing import Any

import urllib3

from tests import payloads
from tests.experiments.experiment import experiment
from tests.experiments.stage import Object, Request, Stage
from tests.experiments.triggers import data, http, only, resume_of_the_task

RETRY: Object = {"steps": 3, "duration": "300ms", "factor": 1.0, "jitter": 0}


def reliable(**more: Any) -> Object:  # noqa: ANN401 - JSON
    """The HTTP trigger, at least once."""
    return {**http(), "atLeastOnce": True, **more}


def ids(requests: list[Request]) -> list[str]:
    """The deliveries, in the order in which they came."""
    return [request.json["id"] for request in requests]


@experiment("D1", "Order, `atLeastOnce: true`", "Kept.")
def order_kept(stage: Stage) -> str:
    sent = [f"delivery-{number:02}" for number in range(20)]
    with stage.http() as recorder, stage.sensor(reliable(), http=recorder):
        for delivery in sent:
            stage.send(payloads.approved(), delivery)
        got = ids(recorder.wait_for(len(sent)))
    assert got == sent
    return "All 20 arrived in order."


@experiment(
    "D2",
    "Order by default",
    "Not kept.",
)
def order_not_kept(stage: Stage) -> str:
    finished: list[str] = []

    def slow_for_the_first(request: Request) -> int:
        delivery = request.json["id"]
        if delivery == "first":
            time.sleep(1.5)
        finished.append(delivery)
        return 200

    with stage.http() as recorder, stage.sensor(http(), http=recorder):
        recorder.answer = slow_for_the_first
        stage.send(payloads.approved(), "first")
        recorder.wait_for(1)
        stage.send(payloads.approved(), "second")
        recorder.wait_for(2)
        deadline = time.monotonic() + 10
        while len(finished) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert finished == ["second", "first"], finished
    return "The second event overtook a slow first one."


@experiment(
    "D3",
    "The same `X-GitHub-Delivery` twice",
    "Runs twice.",
)
def redelivery(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(resume_of_the_task(), programs=programs):
        for _ in range(2):
            stage.send(payloads.approved(), "the-same-delivery")
        runs = programs.wait_for(2)
    assert runs[0] == runs[1]
    return ""


@experiment(
    "D4",
    "`argo` fails, by default",
    "Loses the event after one try.",
)
def failure_by_default(stage: Stage) -> str:
    programs = stage.programs()
    programs.exit_with(1)
    with stage.sensor(resume_of_the_task(), programs=programs) as sensor:
        stage.send(payloads.approved())
        programs.wait_for(1)
        stage.done(sensor)
        time.sleep(2)
        assert "failed to execute resume command for workflow play-task-3-workflow" in sensor.log
    assert len(programs.runs()) == 1
    return "The log: `failed to execute resume command`."


@experiment(
    "D5",
    "`argo` fails, `retryStrategy`",
    "Loses it after one try.",
)
def retry_alone(stage: Stage) -> str:
    programs = stage.programs()
    programs.exit_with(1)
    with stage.sensor(resume_of_the_task(retryStrategy=RETRY), programs=programs) as sensor:
        stage.send(payloads.approved())
        programs.wait_for(1)
        stage.done(sensor)
        time.sleep(2)
    assert len(programs.runs()) == 1
    return ""


@experiment(
    "D6",
    "`argo` fails, `retryStrategy` and `atLeastOnce`",
    "Retries, while events of other tasks wait.",
)
def retry_at_least_once(stage: Stage) -> str:
    programs = stage.programs()
    programs.exit_with(1)
    with stage.sensor(resume_of_the_task(retryStrategy=RETRY, atLeastOnce=True), programs=programs):
        stage.send(payloads.approved(task=3))
        stage.send(payloads.approved(task=7))
        runs = programs.wait_for(6)
    tasks = [run[4].split("-")[2] for run in runs]
    assert tasks == ["3", "3", "3", "7", "7", "7"], tasks
    return ""


@experiment("D7", "An event while the Sensor is down", "Delivered later.")
def sensor_away(stage: Stage) -> str:
    with stage.http() as recorder, stage.sensor(reliable(), http=recorder) as sensor:
        sensor.kill()
        assert stage.send(payloads.approved(), "meanwhile") == 200
        sensor.start()
        got = ids(recorder.wait_for(1))
    assert got == ["meanwhile"]
    return ""


@experiment(
    "D8",
    "An event before a Sensor's first start",
    "Lost.",
)
def before_the_sensor(stage: Stage) -> str:
    assert stage.send(payloads.approved(), "before") == 200
    with stage.http() as recorder, stage.sensor(reliable(), http=recorder) as sensor:
        stage.send(payloads.approved(), "after")
        stage.done(sensor)
        got = ids(recorder.requests)
    assert got == ["after"], got
    return ""


@experiment(
    "D9",
    "An event while a Sensor's filter changes",
    "Lost.",
)
def sensor_changed(stage: Stage) -> str:
    with stage.http() as recorder:
        old = stage.start_sensor(
            reliable(), dependencies=[only(data=[data("body.action", "submitted")])], http=recorder, name="changing"
        )
        stage.send(payloads.approved(), "old")
        recorder.wait_for(1)
        stage.done(old)
        old.close()
        assert stage.send(payloads.approved(), "meanwhile") == 200
        new = stage.start_sensor(
            reliable(),
            dependencies=[only(data=[data("body.action", "submitted", "closed")])],
            http=recorder,
            name="changing",
        )
        try:
            stage.send(payloads.approved(), "new")
            stage.done(new)
            got = ids(recorder.requests)
        finally:
            new.close()
    assert got == ["old", "new"], got
    return ""


@experiment(
    "D10",
    "The Sensor is killed during a trigger, `atLeastOnce: true`",
    "Delivers twice.",
)
def killed_at_work(stage: Stage) -> str:
    def slow(_: Request) -> int:
        time.sleep(1.5)
        return 200

    with stage.http() as recorder, stage.sensor(reliable(), http=recorder) as sensor:
        recorder.answer = slow
        stage.send(payloads.approved(), "one")
        recorder.wait_for(1)
        sensor.kill()
        recorder.answer = lambda _: 200
        sensor.start()
        got = ids(recorder.wait_for(2, timeout=90))
    assert got == ["one", "one"]
    return ""


@experiment(
    "D11",
    "A webhook while the bus is down",
    "Lost: GitHub receives an error or no answer.",
)
def bus_away(stage: Stage) -> str:
    stage.nats.kill()
    try:
        assert _status(stage, "lost") != 200
    finally:
        stage.nats.start()
    deadline = time.monotonic() + 60
    while _status(stage) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return ""


def _status(stage: Stage, delivery: str | None = None) -> int:
    """Return the EventSource's answer to a webhook, or 0 if it crashed; then start it again, as the kubelet does.

    It publishes through a connection that is nil while it reconnects.
    Source: https://github.com/argoproj/argo-events/blob/v1.9.11/pkg/eventsources/eventing.go#L598
    """
    try:
        return stage.send(payloads.approved(), delivery)
    except urllib3.exceptions.HTTPError:
        assert "nil pointer dereference" in stage.source.log
        stage.source.start()
        return 0


@experiment(
    "D12",
    "Two triggers on one event",
    "Run independently.",
)
def two_triggers(stage: Stage) -> str:
    first, second = reliable(), reliable()
    first["template"] = {**first["template"], "name": "first"}
    first["template"]["http"] = {**first["template"]["http"], "url": first["template"]["http"]["url"] + "first"}
    finished: list[str] = []

    def slow_for_the_first(request: Request) -> int:
        if request.path == "/first":
            time.sleep(1)
        finished.append(request.path)
        return 200

    with stage.http() as recorder:
        recorder.answer = slow_for_the_first
        with stage.sensor(first, second, http=recorder) as sensor:
            stage.send(payloads.approved())
            recorder.wait_for(2)
            stage.done(sensor)
    assert finished == ["/", "/first"], finished
    return ""

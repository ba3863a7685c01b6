"""What happens to events: order, repetition, failures, and who is away."""

from __future__ import annotations

import time
from typing import Any

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


@experiment("D1", "Order of 20 events at one trigger, `atLeastOnce: true`", "Kept: one at a time.")
def order_kept(stage: Stage) -> str:
    sent = [f"delivery-{number:02}" for number in range(20)]
    with stage.http() as recorder, stage.sensor(reliable(), http=recorder):
        for delivery in sent:
            stage.send(payloads.approved(), delivery)
        got = ids(recorder.wait_for(len(sent)))
    assert got == sent
    return "20 of 20 came in the order in which they were sent."


@experiment(
    "D2",
    "Order without `atLeastOnce` (the default)",
    "Not kept: each event is a goroutine of its own, and nobody waits for it.",
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
    return "While the first event was still being worked on, the second one was done."


@experiment(
    "D3",
    "GitHub sends a delivery again (same `X-GitHub-Delivery`)",
    "The trigger runs again: the bus does not know GitHub's id.",
)
def redelivery(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(resume_of_the_task(), programs=programs):
        for _ in range(2):
            stage.send(payloads.approved(), "the-same-delivery")
        runs = programs.wait_for(2)
    assert runs[0] == runs[1]
    return "`argo resume` ran twice, with the same arguments."


@experiment(
    "D4",
    "`argo` fails (the gate is not open yet), all as by default",
    "One try, then the event is gone. The log has a line.",
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
    return "One run. The log: `failed to execute resume command for workflow play-task-3-workflow`."


@experiment(
    "D5",
    "The same with `retryStrategy` alone",
    "No retry either: it has no effect without `atLeastOnce: true`.",
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
    return "One run, though three steps were asked for."


@experiment(
    "D6",
    "The same with both",
    "Retried, then gone. Events of other tasks wait in the meantime.",
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
    return "Three runs for task 3, and only then three for task 7."


@experiment("D7", "An event while the Sensor is away", "Kept on the bus, and delivered when it is back.")
def sensor_away(stage: Stage) -> str:
    with stage.http() as recorder, stage.sensor(reliable(), http=recorder) as sensor:
        sensor.kill()
        assert stage.send(payloads.approved(), "meanwhile") == 200
        sensor.start()
        got = ids(recorder.wait_for(1))
    assert got == ["meanwhile"]
    return "Sent while it was killed, delivered after its start."


@experiment(
    "D8",
    "An event before a new Sensor first runs (a Sensor for each task)",
    "Lost: a new trigger begins with the events that come after it.",
)
def before_the_sensor(stage: Stage) -> str:
    assert stage.send(payloads.approved(), "before") == 200
    with stage.http() as recorder, stage.sensor(reliable(), http=recorder) as sensor:
        stage.send(payloads.approved(), "after")
        stage.done(sensor)
        got = ids(recorder.requests)
    assert got == ["after"], got
    return "The event before it was on the bus, and never came."


@experiment(
    "D9",
    "An event while the Sensor is being replaced by one with another filter",
    "Lost: a changed dependency is a new subscription, which begins with what comes after.",
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
    return "`old`, then `new`. The one between them was on the bus and never came."


@experiment(
    "D10",
    "The Sensor dies while a trigger is at work, `atLeastOnce: true`",
    "The event comes again: whoever gets it must stand a repetition.",
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
    return "One delivery by GitHub, two requests."


@experiment(
    "D11",
    "The bus is away when a webhook comes",
    "GitHub gets an error. It does not send again by itself.",
)
def bus_away(stage: Stage) -> str:
    stage.nats.kill()
    try:
        status = stage.send(payloads.approved(), "lost")
    finally:
        stage.nats.start()
    assert status >= 500
    deadline = time.monotonic() + 60
    while stage.send(payloads.approved()) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return f"The EventSource answered {status}. It found the bus again by itself."


@experiment(
    "D12",
    "Two triggers on the same event: which is first?",
    "No order between them: a slow one does not hold up the other.",
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
    return "The second one was done while the first one was at work."

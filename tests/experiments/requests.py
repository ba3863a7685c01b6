"""What the HTTP trigger can send, for instance to Argo Server."""

from __future__ import annotations

from datetime import UTC, datetime

from tests import payloads, recorded_workflows
from tests.cluster.processes import wait_for
from tests.experiments.experiment import experiment
from tests.experiments.snippets import Snippet
from tests.experiments.stage import DEPENDENCY, SERVER, Stage
from tests.experiments.symptom import GATE, create_tasks
from tests.experiments.triggers import from_event, from_key, http

WORKFLOW_URL = f"http://{SERVER}:2746/api/v1/workflows/{recorded_workflows.NAMESPACE}/"
ARGO_SERVER = Snippet("H1")
CLOUDEVENT = Snippet("H5")
FUNCTION = "taskgate.taskgate.svc.cluster.local:80"


@experiment(
    "H1",
    "`dest: http.url` from the event, to Argo Server",
    "Works, without `argo`.",
)
def url_from_the_event(stage: Stage) -> str:
    with stage.http() as recorder, stage.sensor(ARGO_SERVER.trigger, http=recorder):
        stage.send(payloads.approved(task=3))
        stage.send(payloads.approved(task=7))
        requests = recorder.wait_for(2)
    # In any order: without `atLeastOnce`, the second event can overtake the first one (D2).
    assert {(each.method, each.path) for each in requests} == {
        ("PUT", f"/api/v1/workflows/agent-platform/play-task-{task}-workflow/resume") for task in (3, 7)
    }
    assert requests[0].json == {"nodeFieldSelector": "displayName=wait-pr-approved"}
    return "`PUT .../play-task-3-workflow/resume`, and the same for task 7."


@experiment(
    "H2",
    "A label in the URL, without a pattern",
    "Chooses the Workflow and the operation.",
)
def hostile_url(stage: Stage) -> str:
    careless = http(method="PUT") | {
        "parameters": [
            from_event("http.url", WORKFLOW_URL + "{{ (index .Input.body.pull_request.labels 0).name }}/resume")
        ]
    }
    with stage.http() as recorder, stage.sensor(careless, http=recorder):
        stage.send(payloads.approved(labels=["play-task-7-workflow/terminate?"]))
        (request,) = recorder.wait_for(1)
    assert request.path == "/api/v1/workflows/agent-platform/play-task-7-workflow/terminate?/resume"
    return "A label gave `PUT .../play-task-7-workflow/terminate?/resume`."


@experiment(
    "H3",
    "A payload without `dest`",
    "Sends GitHub's whole payload,",
)
def whole_body(stage: Stage) -> str:
    payload = payloads.approved()
    trigger = http(
        payload=[{"src": {"dependencyName": DEPENDENCY, "dataKey": "body"}}],
        dynamicHeaders=[from_key("ce-id", "headers.X-Github-Delivery.0")],
    )
    assert stage.problems(stage.sensor_object(trigger, name="whole")) == ""
    with stage.http() as recorder, stage.sensor(trigger, http=recorder):
        stage.send(payload)
        (request,) = recorder.wait_for(1)
    body = {key: value for key, value in request.json.items() if not key.startswith("X-GitHub")}
    assert body == payload
    return "with two `X-GitHub-*` fields of the EventSource."


@experiment(
    "H4",
    "Status 500, with and without `policy`",
    "With it, the Sensor retries. Without it, 500 is a success.",
)
def status_policy(stage: Stage) -> str:
    strict = {
        **http("/strict"),
        "atLeastOnce": True,
        "policy": {"status": {"allow": [200]}},
        "retryStrategy": {"steps": 2, "duration": "200ms", "factor": 1.0, "jitter": 0},
        "dlqTrigger": {**http("/dead-letter"), "atLeastOnce": True},
    }
    strict["dlqTrigger"]["template"]["name"] = "dead-letter"
    careless = {**http("/careless"), "atLeastOnce": True}
    careless["template"]["name"] = "careless"
    with stage.http() as recorder:
        recorder.answer = lambda request: 200 if request.path == "/dead-letter" else 500
        with stage.sensor(strict, careless, http=recorder) as sensor:
            stage.send(payloads.approved())
            recorder.wait_for(4)
            stage.done(sensor)
            assert "Successfully processed trigger 'careless'" in sensor.log
        got = sorted(request.path for request in recorder.requests)
    assert got == ["/careless", "/dead-letter", "/strict", "/strict"], got
    return ""


@experiment(
    "H5",
    "A CloudEvent for the function, tasks 1, 3, 5 and 7 at the gate",
    "Opens one gate,",
)
def cloudevent(stage: Stage) -> str:
    create_tasks(stage)
    before = set(stage.open_gates())
    with stage.function() as port, stage.sensor(CLOUDEVENT.trigger, more={FUNCTION: port}) as sensor:
        stage.send(payloads.approved(task=3, happened=datetime.now(UTC)))
        wait_for("the gate to open", lambda: set(stage.open_gates()) - before or None)
        stage.done(sensor)
    opened = set(stage.open_gates()) - before
    assert opened == {f"play-task-3-workflow/{GATE}"}, opened
    return "that of task 3."

"""What the HTTP trigger can send, for instance to Argo Server."""

from __future__ import annotations

from tests import payloads, recorded_workflows
from tests.experiments.experiment import experiment
from tests.experiments.stage import DEPENDENCY, SERVER, Stage
from tests.experiments.triggers import WORKFLOW_NAME, fixed, from_event, from_key, http

WORKFLOW_URL = f"http://{SERVER}:2746/api/v1/workflows/{recorded_workflows.NAMESPACE}/"


@experiment(
    "H1",
    "`dest: http.url`: straight to Argo Server's `resume` or `set`",
    "Works: the URL is made from the event. No `argo` process.",
)
def url_from_the_event(stage: Stage) -> str:
    trigger = http(
        method="PUT",
        headers={"Content-Type": "application/json"},
        payload=[
            from_event("name", WORKFLOW_NAME),
            fixed("namespace", recorded_workflows.NAMESPACE),
            fixed("nodeFieldSelector", "displayName=wait-pr-approved"),
        ],
    ) | {"parameters": [from_event("http.url", f"{WORKFLOW_URL}{WORKFLOW_NAME}/resume")]}
    with stage.http() as recorder, stage.sensor(trigger, http=recorder):
        stage.send(payloads.approved(task=3))
        stage.send(payloads.approved(task=7))
        requests = recorder.wait_for(2)
    assert [(each.method, each.path) for each in requests] == [
        ("PUT", f"/api/v1/workflows/agent-platform/play-task-{task}-workflow/resume") for task in (3, 7)
    ]
    assert requests[0].json == {
        "name": "play-task-3-workflow",
        "namespace": "agent-platform",
        "nodeFieldSelector": "displayName=wait-pr-approved",
    }
    return f"`PUT {requests[0].path}` with name, namespace and `nodeFieldSelector`; then the same for task 7."


@experiment(
    "H2",
    "Text of the event in the URL, without a pattern",
    "Goes in as it is: a label can choose another path, and so another Workflow or another operation.",
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
    return f"A label `play-task-7-workflow/terminate?`: `PUT {request.path}`."


@experiment(
    "H3",
    "The whole body as the payload (no `dest`)",
    "Works: the request's body is GitHub's payload itself.",
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
    return "The body was GitHub's payload, with the two `X-GitHub-*` fields that the EventSource adds."


@experiment(
    "H4",
    "A delivery with a status that is not in `policy.status.allow`, and one without a policy",
    "Without a policy every status is a success, 500 too. With one it is retried and then handed to the dead letter.",
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
    return "500 without a policy: `Successfully processed trigger`. With one: two tries, then the dead letter."

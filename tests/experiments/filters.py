"""What filters, templates and scripts can do."""

from __future__ import annotations

from tests import payloads, recorded_workflows
from tests.experiments.experiment import experiment
from tests.experiments.snippets import Snippet
from tests.experiments.stage import ALL_EVENTS, Object, Stage
from tests.experiments.triggers import data, from_event, from_key, http, only
from tests.payloads import Payload

APPROVALS = Snippet("F1")
ONE_TASK = Snippet("F3")
NODE_OF_THE_GATE = Snippet("F5")
PARTS = Snippet("F6")
KUBECTL = Snippet("F7")
ON_THE_BUS = Snippet("F8")
ENDPOINTS = Snippet("F9")


def passed(stage: Stage, dependency: Object, *sent: tuple[str, Payload]) -> list[str]:
    """Return the ids of the deliveries that reach the trigger."""
    with stage.http() as recorder, stage.sensor(http(), dependencies=[dependency], http=recorder) as sensor:
        for delivery, payload in sent:
            assert stage.send(payload, delivery) == 200
        stage.done(sensor)
        return sorted(request.json["id"] for request in recorder.requests)


@experiment("F1", "`filters.data`: event, review, person", "Works.")
def data_filter(stage: Stage) -> str:
    got = passed(
        stage,
        APPROVALS.dependency,
        ("tess", payloads.approved()),
        ("mallory", payloads.approved(by="mallory")),
        ("changes", payloads.changes_requested()),
        ("merged", payloads.closed()),
    )
    assert got == ["tess"], got
    return "It passed only an approval by Tess."


@experiment(
    "F2",
    "`filters.exprs`: two fields compared",
    "Works.",
)
def expression_filter(stage: Stage) -> str:
    got = passed(
        stage,
        APPROVALS.dependency,
        ("fresh", payloads.approved()),
        ("stale", payloads.approved(reviewed=payloads.PUSHED)),
    )
    assert got == ["fresh"], got
    return "It passed only an approval of the head commit."


@experiment("F3", "`filters.script`: Lua over all labels", "Works.")
def script_filter(stage: Stage) -> str:
    got = passed(
        stage,
        ONE_TASK.dependency,
        ("one", payloads.approved(labels=["bug", "task-3"])),
        ("two", payloads.approved(labels=["task-3", "task-7"])),
        ("none", payloads.approved(labels=["bug"])),
    )
    assert got == ["one"], got
    return "It passed one task label, not two or none."


@experiment(
    "F4",
    "Template functions",
    "Sprig's, without `lookup`.",
)
def template_functions(stage: Stage) -> str:
    working = (
        '{{ .Input.body.pull_request.title | upper | trunc 4 }} {{ env "NAMESPACE" }} {{ "x" | sha256sum | trunc 6 }}'
    )
    look_up = '{{ (lookup "argoproj.io/v1alpha1" "Workflow" "agent-platform" "x").metadata.name }}'
    with stage.http() as recorder:
        with stage.sensor(http(payload=[from_event("made", working)]), http=recorder):
            stage.send(payloads.approved())
            made = recorder.wait_for(1)[0].json["made"]
        assert made.split()[1:] == ["experiments", "2d7116"], made
        with stage.sensor(http(payload=[from_event("made", look_up)]), http=recorder) as sensor:
            stage.send(payloads.approved())
            stage.done(sensor)
            words = 'function "lookup" not defined'
            assert words in sensor.log
        assert len(recorder.requests) == 1
    return f"The log: `{words}`."


@experiment(
    "F5",
    "`transform.script`: a node's id in Lua",
    "Works.",
)
def transform(stage: Stage) -> str:
    trigger = http(payload=[from_key("workflow", "workflow"), from_key("node", "node")])
    with stage.http() as recorder, stage.sensor(trigger, dependencies=[NODE_OF_THE_GATE.dependency], http=recorder):
        stage.send(payloads.approved(task=3))
        made = recorder.wait_for(1)[0].json
    name = "play-task-3-workflow"
    assert made == {"workflow": name, "node": recorded_workflows.node_id(name, f"{name}[2].wait-pr-approved")}
    return f"`{made['node']}`, as in Argo."


@experiment(
    "F6",
    "`transform.jq`",
    "Works. The result must be an object.",
)
def jq(stage: Stage) -> str:
    trigger = http(payload=[from_key("tasks", "tasks", useRawData=True)])
    with stage.http() as recorder, stage.sensor(trigger, dependencies=[PARTS.dependency], http=recorder):
        stage.send(payloads.approved(labels=["bug", "task-3"]))
        made = recorder.wait_for(1)[0].json
    assert made == {"tasks": ["task-3"]}, made
    return '`bug`, `task-3` became `{"tasks": ["task-3"]}`.'


@experiment(
    "F7",
    "`kubectl` from a Lua filter",
    "Works, if the image has it.",
)
def lua_runs_programs(stage: Stage) -> str:
    programs = stage.programs("kubectl")
    with (
        stage.http() as recorder,
        stage.sensor(http(), dependencies=[KUBECTL.dependency], programs=programs, http=recorder),
    ):
        stage.send(payloads.approved())
        recorder.wait_for(1)
    runs = programs.runs()
    command = ["kubectl", "-n", "agent-platform", "get", "workflows", "-l", "task-id=3", "-o", "name"]
    assert command in runs, runs
    return ""


@experiment(
    "F8",
    "A filter in the EventSource",
    "Works.",
)
def event_source_filter(stage: Stage) -> str:
    source = stage.second_source("filtered", **ON_THE_BUS.content["github"]["webhook"])
    dependency = {**ALL_EVENTS, "eventSourceName": "filtered"}
    try:
        with stage.http() as recorder, stage.sensor(http(), dependencies=[dependency], http=recorder) as sensor:
            for delivery, payload in (("merge", payloads.closed()), ("review", payloads.approved())):
                assert stage.send_to(source, payload, delivery) == 200
            stage.done(sensor)
            got = [request.json["id"] for request in recorder.requests]
    finally:
        source.close()
    assert got == ["review"], got
    return ""


@experiment(
    "F9",
    "Several endpoints in one EventSource",
    "Works.",
)
def endpoints(stage: Stage) -> str:
    events = ENDPOINTS.content["github"]
    source = stage.second_source("routed", events)
    dependencies = [{"name": name, "eventSourceName": "routed", "eventName": name} for name in events]
    trigger = http(payload=[{"dest": "id", "src": {"dependencyName": "reviews", "dataKey": "body.action"}}])
    trigger["template"]["conditions"] = "reviews"
    try:
        with stage.http() as recorder, stage.sensor(trigger, dependencies=dependencies, http=recorder) as sensor:
            assert stage.send_to(source, payloads.approved(), endpoint="merges") == 200
            assert stage.send_to(source, payloads.approved(), endpoint="reviews") == 200
            stage.done(sensor)
            got = len(recorder.requests)
    finally:
        source.close()
    assert got == 1, got
    return ""


@experiment(
    "F10",
    "`task-3` and `5DLabs-Tess[bot]` in `filters.data`",
    "Are regular expressions without anchors.",
)
def values_are_patterns(stage: Stage) -> str:
    label = only(data=[data("body.pull_request.labels.0.name", "task-3")])
    tasks = passed(stage, label, *((str(task), payloads.approved(task=task)) for task in (3, 31, 7)))
    assert tasks == ["3", "31"], tasks
    login = only(data=[data("body.review.user.login", "5DLabs-Tess[bot]")])
    people = passed(stage, login, ("tess", payloads.approved(by=payloads.TESS)))
    assert people == [], people
    return "The first matched `task-31`, the second did not match itself."

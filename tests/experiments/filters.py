"""What filters, templates and scripts can do."""

from __future__ import annotations

from tests import payloads, recorded_workflows
from tests.experiments.experiment import experiment
from tests.experiments.stage import ALL_EVENTS, Object, Stage
from tests.experiments.triggers import data, from_event, from_key, http, only
from tests.payloads import Payload

EVENT_HEADER = "headers.X-Github-Event.0"


def passed(stage: Stage, dependency: Object, *sent: tuple[str, Payload]) -> list[str]:
    """Which of the deliveries reach the trigger."""
    with stage.http() as recorder, stage.sensor(http(), dependencies=[dependency], http=recorder) as sensor:
        for delivery, payload in sent:
            assert stage.send(payload, delivery) == 200
        stage.done(sensor)
        return sorted(request.json["id"] for request in recorder.requests)


@experiment("F1", "`filters.data`: event, action, verdict, person", "Works, also with patterns.")
def data_filter(stage: Stage) -> str:
    dependency = only(
        data=[
            data(EVENT_HEADER, "pull_request_review"),
            data("body.action", "submitted"),
            data("body.review.state", "approved"),
            data("body.review.user.login", "(?i)^(5dlabs-tess|tess-5dlabs)(\\[bot\\])?$"),
        ]
    )
    got = passed(
        stage,
        dependency,
        ("tess", payloads.approved()),
        ("mallory", payloads.approved(by="mallory")),
        ("changes", payloads.changes_requested()),
        ("merged", payloads.closed()),
    )
    assert got == ["tess"], got
    return "Of an approval by Tess, one by somebody else, requested changes and a merge, only the first came through."


@experiment(
    "F2",
    "`filters.exprs`: is the review about the newest commit? (two fields of one event compared)",
    "Works: a stale approval can be kept out inside Argo Events.",
)
def expression_filter(stage: Stage) -> str:
    dependency = only(
        exprs=[
            {
                "expr": "reviewed == head",
                "fields": [
                    {"name": "reviewed", "path": "body.review.commit_id"},
                    {"name": "head", "path": "body.pull_request.head.sha"},
                ],
            }
        ]
    )
    got = passed(
        stage, dependency, ("fresh", payloads.approved()), ("stale", payloads.approved(reviewed=payloads.PUSHED))
    )
    assert got == ["fresh"], got
    return "The review of the head came through, the one of another commit did not."


@experiment("F3", "`filters.script`: a condition in Lua over all labels", "Works.")
def script_filter(stage: Stage) -> str:
    script = """
        local found = 0
        for _, label in ipairs(event.body.pull_request.labels) do
          if string.match(label.name, "^task%-%d+$") then found = found + 1 end
        end
        return found == 1
    """
    got = passed(
        stage,
        only(script=script),
        ("one", payloads.approved(labels=["bug", "task-3"])),
        ("two", payloads.approved(labels=["task-3", "task-7"])),
        ("none", payloads.approved(labels=["bug"])),
    )
    assert got == ["one"], got
    return "One task label came through; two, or none, did not. What is kept out leaves a line in the log, no more."


@experiment(
    "F4",
    "Template functions: what is there? Is there a look-up in the cluster?",
    "Sprig's functions, and no look-up. (`env` reads the Sensor's environment.)",
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
    return f"`upper`, `trunc`, `sha256sum`, `env` gave values. `lookup`: `{words}`."


# FNV-1a of 32 bit in Lua 5.1, which has no bit operations and counts exactly up to 2^53 only.
NODE_ID = """
local function xor8(a, b)
  local out = 0
  local bit = 1
  for _ = 1, 8 do
    if a % 2 ~= b % 2 then out = out + bit end
    a = math.floor(a / 2)
    b = math.floor(b / 2)
    bit = bit * 2
  end
  return out
end
local function node_id(workflow, node)
  local hash = 2166136261
  for i = 1, #node do
    local low = hash % 256
    hash = hash - low + xor8(low, string.byte(node, i))
    local high = math.floor(hash / 65536)
    hash = ((high * 16777619 % 65536) * 65536 + (hash % 65536) * 16777619) % 4294967296
  end
  return string.format("%s-%.0f", workflow, hash)
end
"""

TRANSFORM = (
    NODE_ID
    + """
local task
for _, label in ipairs(event.body.pull_request.labels) do
  task = task or string.match(label.name, "^task%-(%d+)$")
end
local workflow = "play-task-" .. task .. "-workflow"
return {workflow = workflow, node = node_id(workflow, workflow .. "[2].wait-pr-approved")}
"""
)


@experiment(
    "F5",
    "`transform.script`: can Lua compute what no template can, such as a node's id?",
    "Yes. The whole event can be replaced by what a script makes of it.",
)
def transform(stage: Stage) -> str:
    dependency = {**ALL_EVENTS, "transform": {"script": TRANSFORM}}
    trigger = http(payload=[from_key("workflow", "workflow"), from_key("node", "node")])
    with stage.http() as recorder, stage.sensor(trigger, dependencies=[dependency], http=recorder):
        stage.send(payloads.approved(task=3))
        made = recorder.wait_for(1)[0].json
    name = "play-task-3-workflow"
    assert made == {"workflow": name, "node": recorded_workflows.node_id(name, f"{name}[2].wait-pr-approved")}
    return f"The script gave `{made['node']}`, which is Argo's id of `{name}[2].wait-pr-approved`."


@experiment(
    "F6",
    "`transform.jq`: an event made of the parts that matter",
    "Works; it must give an object.",
)
def jq(stage: Stage) -> str:
    query = '{tasks: [.body.pull_request.labels[].name | select(test("^task-[0-9]+$"))], action: .body.action}'
    dependency = {**ALL_EVENTS, "transform": {"jq": query}}
    trigger = http(payload=[from_key("tasks", "tasks", useRawData=True)])
    with stage.http() as recorder, stage.sensor(trigger, dependencies=[dependency], http=recorder):
        stage.send(payloads.approved(labels=["bug", "task-3"]))
        made = recorder.wait_for(1)[0].json
    assert made == {"tasks": ["task-3"]}, made
    return '`bug`, `task-3` became `{"tasks": ["task-3"]}`.'


@experiment(
    "F7",
    "A query of the cluster from a Lua filter",
    "It can run programs (`io.popen`), `kubectl` too, if the image has it. Better not.",
)
def lua_runs_programs(stage: Stage) -> str:
    programs = stage.programs("kubectl")
    script = """
        local answer = io.popen("kubectl -n agent-platform get workflows -l task-id=3 -o name")
        answer:read("*a")
        return true
    """
    with (
        stage.http() as recorder,
        stage.sensor(http(), dependencies=[only(script=script)], programs=programs, http=recorder),
    ):
        stage.send(payloads.approved())
        recorder.wait_for(1)
    runs = programs.runs()
    command = ["kubectl", "-n", "agent-platform", "get", "workflows", "-l", "task-id=3", "-o", "name"]
    assert command in runs, runs
    return f"The Sensor's process ran `{' '.join(command)}`. Argo Events' own image has neither a shell nor `kubectl`."


@experiment(
    "F8",
    "A filter in the EventSource",
    "Works, before the event is on the bus: what nobody needs costs nothing further on.",
)
def event_source_filter(stage: Stage) -> str:
    source = stage.second_source("filtered", filter={"expression": 'body.action == "submitted"'})
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
    return "Of a merge and a review, the review was put on the bus."


@experiment(
    "F9",
    "Routing by URL: an endpoint for each kind of event or each task",
    "Works, and it is static: GitHub has one URL for a webhook, and cannot choose by label.",
)
def endpoints(stage: Stage) -> str:
    source = stage.second_source("routed", endpoints=("reviews", "merges"))
    dependencies = [{"name": name, "eventSourceName": "routed", "eventName": name} for name in ("reviews", "merges")]
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
    return "The same review sent to `/merges` and to `/reviews`: the trigger on `reviews` saw one of them."


@experiment(
    "F10",
    "`value: ['task-3']` and `value: ['5DLabs-Tess[bot]']` in `filters.data`",
    "Values are regular expressions, not anchored: the first lets task 31 through, the second fits no such login.",
)
def values_are_patterns(stage: Stage) -> str:
    label = only(data=[data("body.pull_request.labels.0.name", "task-3")])
    tasks = passed(stage, label, *((str(task), payloads.approved(task=task)) for task in (3, 31, 7)))
    assert tasks == ["3", "31"], tasks
    login = only(data=[data("body.review.user.login", "5DLabs-Tess[bot]")])
    people = passed(stage, login, ("tess", payloads.approved(by=payloads.TESS)))
    assert people == [], people
    return "`task-3` let tasks 3 and 31 through. An approval by `5DLabs-Tess[bot]` did not pass its filter."

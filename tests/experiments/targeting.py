"""Which Workflow does the argoWorkflow trigger resume?"""

from __future__ import annotations

from pathlib import Path

import yaml

from tests import payloads, recorded_workflows
from tests.experiments.experiment import experiment
from tests.experiments.stage import Stage
from tests.experiments.triggers import WORKFLOW_NAME, from_event, from_key, resume, resume_of_the_task

SELECTOR = "workflow-type=play-orchestration,task-id=3"


def shown(run: list[str]) -> str:
    """A run as somebody would type it."""
    return f"`{' '.join(run)}`"


@experiment(
    "T1",
    "`labelSelector` beside `operation: resume`, with a name",
    "Ignored. It is no field of the trigger; only the name counts.",
)
def label_selector_with_name(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(resume("play-task-1-workflow", labelSelector=SELECTOR), programs=programs):
        stage.send(payloads.approved())
        (run,) = programs.wait_for(1)
    assert run == ["argo", "-n", "agent-platform", "resume", "play-task-1-workflow"], run
    return f"The Sensor ran {shown(run)}: task 1, though the event and the selector said task 3."


@experiment(
    "T2",
    "`labelSelector` without a name: does it resume all that fit?",
    "No. It resumes none: the trigger fails.",
)
def label_selector_without_name(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(resume(None, labelSelector=SELECTOR), programs=programs) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
        words = "failed to execute the workflow resume operation, no name is given"
        assert words in sensor.log
    assert programs.runs() == []
    return f"`argo` was not run. The log: `{words}`."


@experiment(
    "T3",
    "Does somebody say that `labelSelector` is no field?",
    "Not the API server, not even strictly. Argo Events' own types do, where somebody asks them.",
)
def nobody_says_so(stage: Stage) -> str:
    sensor = stage.sensor_object(resume("play-task-1-workflow", labelSelector=SELECTOR), name="misspelt")
    applied = stage.api.kubectl(
        "apply", "--server-side", "--validate=strict", "--dry-run=server", "--filename=-", objects=[sensor]
    )
    assert applied.returncode == 0, applied.stderr
    assert not applied.stderr
    words = 'unknown field "labelSelector"'
    assert words in stage.problems(sensor)
    return f"`kubectl apply --server-side --validate=strict`: accepted. A strict decoder with its Go types: `{words}`."


@experiment(
    "T4",
    "`metadata.name` made from the event, for `resume`",
    "Works. This is task-specific targeting inside Argo Events.",
)
def name_from_the_event(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(resume(parameters=[from_event("metadata.name", WORKFLOW_NAME)]), programs=programs):
        stage.send(payloads.approved(task=3, labels=["bug", "task-3"]))
        programs.wait_for(1)
        stage.send(payloads.approved(task=7, labels=["task-7", "size/L"]))
        runs = programs.wait_for(2)
    assert runs == [["argo", "-n", "agent-platform", "resume", f"play-task-{task}-workflow"] for task in (3, 7)]
    return f"{shown(runs[0])}, then {shown(runs[1])}; other labels before or after do no harm."


@experiment(
    "T5",
    "The parameter at `argoWorkflow.parameters` with `dest: args.0`",
    "Goes into the resource, not into the arguments: the name is missing.",
)
def parameter_in_the_wrong_place(stage: Stage) -> str:
    programs = stage.programs()
    trigger = resume(None, args=[], parameters=[from_event("args.0", WORKFLOW_NAME)])
    with stage.sensor(trigger, programs=programs) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
        assert "no name is given" in sensor.log
    assert programs.runs() == []
    return "`argo` was not run: `no name is given`. `argoWorkflow.parameters` change `source.resource` only."


@experiment(
    "T6",
    "`dest: argoWorkflow.args.1` at the parameters of the trigger itself",
    "Works: any field of the template can come from the event, the node selector too.",
)
def arguments_from_the_event(stage: Stage) -> str:
    programs = stage.programs()
    trigger = resume_of_the_task(
        parameters=[
            from_event(
                "argoWorkflow.args.1",
                'displayName=wait-pr-{{ if eq .Input.body.action "submitted" }}approved{{ else }}merged{{ end }}',
            )
        ]
    )
    with stage.sensor(trigger, programs=programs):
        stage.send(payloads.approved())
        programs.wait_for(1)
        stage.send(payloads.closed())
        runs = programs.wait_for(2)
    start = ["argo", "-n", "agent-platform", "resume", "play-task-3-workflow", "--node-field-selector"]
    assert runs == [[*start, "displayName=wait-pr-approved"], [*start, "displayName=wait-pr-merged"]], runs
    return f"{shown(runs[0])} for the review, {shown(runs[1])} for the merge, from one trigger."


@experiment(
    "T7",
    "An event without a task label, or with one that is none (`task-abc`)",
    "Nothing is resumed, if the template gives nothing then.",
)
def no_task(stage: Stage) -> str:
    programs = stage.programs()
    trigger = resume(None, parameters=[from_event("metadata.name", WORKFLOW_NAME)])
    with stage.sensor(trigger, programs=programs) as sensor:
        stage.send(payloads.approved(labels=["bug"]))
        stage.send(payloads.approved(labels=["task-abc"]))
        stage.done(sensor)
        assert sensor.log.count("unable to resolve 'github' parameter value") >= 2
    assert programs.runs() == []
    return "`argo` was not run. The log: `unable to resolve 'github' parameter value`."


@experiment(
    "T8",
    "Two task labels on one pull request",
    "The first one wins, silently. GitHub's order of labels decides.",
)
def two_labels(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(resume_of_the_task(), programs=programs):
        stage.send(payloads.approved(labels=["task-7", "task-3"]))
        (run,) = programs.wait_for(1)
    assert run[4] == "play-task-7-workflow"
    return f"`task-7`, `task-3`: {shown(run[:5])}."


@experiment(
    "T9",
    "A hostile title or label in an argument",
    "No shell: it stays one argument. But without an anchored pattern it can become an option of `argo`.",
)
def hostile_text(stage: Stage) -> str:
    programs = stage.programs()
    title = "x'; touch /tmp/owned; '$(id)"
    trigger = resume(
        "play-task-1-workflow",
        args=["--node-field-selector", "to-be-replaced"],
    ) | {"parameters": [from_key("argoWorkflow.args.1", "body.pull_request.title")]}
    with stage.sensor(trigger, programs=programs):
        stage.send(payloads.approved(title=title))
        (run,) = programs.wait_for(1)
    assert run[-1] == title
    careless = resume(parameters=[from_key("metadata.name", "body.pull_request.labels.0.name")])
    with stage.sensor(careless, programs=programs):
        stage.send(payloads.approved(labels=["--help"]))
        run = programs.wait_for(2)[1]
    assert run[4] == "--help"
    return f"The title `{title}` arrived as one argument. A label used as the name: {shown(run)}."


ALONE = Path(__file__).parents[2] / "docs" / "research" / "argo-events-alone.yaml"
_WAY_OF_A_TASK: list[tuple[str, payloads.Payload, str | None]] = [
    ("opened by Rex", payloads.opened(task=3), "wait-pr-created"),
    ("labelled task-3", payloads.labeled("task-3", task=3), "wait-pr-created"),
    ("ready-for-qa by Cleo", payloads.labeled(task=3, by=payloads.CLEO), "wait-ready-for-qa"),
    ("ready-for-qa by mallory", payloads.labeled(task=3, by="mallory"), None),
    ("approved by Tess", payloads.approved(task=3), "wait-pr-approved"),
    ("approved by mallory", payloads.approved(task=3, by="mallory"), None),
    ("an old commit approved", payloads.approved(task=3, reviewed=payloads.PUSHED), None),
    ("changes requested", payloads.changes_requested(task=3), None),
    ("approved on a fork", payloads.approved(task=3, head_repository="mallory/cto"), None),
    ("approved in another repository", payloads.approved(task=3, repository="5dlabs/other"), None),
    ("approved with two tasks", payloads.approved(labels=["task-3", "task-7"], branch="fix"), None),
    ("label and branch differ", payloads.approved(labels=["task-3"], branch="task-7-x"), None),
    ("approved, branch only", payloads.approved(labels=[], branch="feature/task-3-x"), "wait-pr-approved"),
    ("no task at all", payloads.approved(labels=["bug"], branch="fix"), None),
    ("merged", payloads.closed(task=3), "wait-pr-merged"),
    ("closed unmerged", payloads.closed(task=3, merged=False), None),
    ("a push", payloads.push("refs/heads/task-3-x"), None),
]


@experiment(
    "T10",
    "The ready configuration for Argo Events alone, with the events of a pull request's life",
    "Opens the right gate of the right task, and keeps out the wrong person, commit, fork, repository and two tasks.",
)
def alone(stage: Stage) -> str:
    (sensor,) = [one for one in yaml.safe_load_all(ALONE.read_text()) if one["kind"] == "Sensor"]
    assert stage.problems(sensor) == ""
    programs = stage.programs()
    spec = sensor["spec"]
    stage.clear()
    # The Sensor reads it after `argo`, and tries again where it is not there.
    stage.create(recorded_workflows.waiting_workflow(3))
    with stage.sensor(*spec["triggers"], dependencies=spec["dependencies"], programs=programs) as running:
        for name, payload, _ in _WAY_OF_A_TASK:
            assert stage.send(payload, name) == 200
        stage.done(running)
    start = ["argo", "-n", "agent-platform", "resume", "play-task-3-workflow", "--node-field-selector"]
    expected = [[*start, f"displayName={gate}"] for _, _, gate in _WAY_OF_A_TASK if gate]
    assert programs.runs() == expected, programs.runs()
    kept_out = len(_WAY_OF_A_TASK) - len(expected)
    return f"Of {len(_WAY_OF_A_TASK)} events {len(expected)} ran `argo`, each for the right gate; {kept_out} did not."

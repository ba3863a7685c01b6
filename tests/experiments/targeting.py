"""Which Workflow does the `argoWorkflow` trigger resume?"""

from __future__ import annotations

from pathlib import Path

from tests import payloads, recorded_workflows
from tests.experiments.experiment import experiment
from tests.experiments.stage import Stage
from tests.experiments.symptom import create_tasks
from tests.experiments.triggers import RESUME, from_event, from_key, resume

SELECTOR = "workflow-type=play-orchestration,current-stage=waiting-pr-approved"


def shown(run: list[str]) -> str:
    """Return a run as it is typed."""
    return f"`{' '.join(run)}`"


@experiment(
    "T1",
    "`labelSelector` and a name",
    "Ignores the selector.",
)
def label_selector_with_name(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(resume("play-task-1-workflow", labelSelector="task-id=3"), programs=programs):
        stage.send(payloads.approved())
        (run,) = programs.wait_for(1)
    assert run == ["argo", "-n", "agent-platform", "resume", "play-task-1-workflow"], run
    return "`labelSelector: task-id=3` resumed `play-task-1-workflow`."


@experiment(
    "T2",
    "The question's trigger, tasks 1, 3, 5 and 7 at the gate",
    "Resumes none.",
)
def label_selector_without_name(stage: Stage) -> str:
    create_tasks(stage)
    programs = stage.programs()
    with stage.sensor(resume(None, labelSelector=SELECTOR), programs=programs) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
        words = "failed to execute the workflow resume operation, no name is given"
        assert words in sensor.log
    assert programs.runs() == []
    return "The log: `no name is given`."


@experiment(
    "T3",
    "`labelSelector`, `kubectl apply --validate=strict`",
    "Accepted, without a warning.",
)
def unknown_field_is_accepted(stage: Stage) -> str:
    sensor = stage.sensor_object(resume("play-task-1-workflow", labelSelector=SELECTOR), name="misspelt")
    applied = stage.api.kubectl(
        "apply", "--server-side", "--validate=strict", "--dry-run=server", "--filename=-", objects=[sensor]
    )
    assert applied.returncode == 0, applied.stderr
    assert not applied.stderr
    words = 'unknown field "labelSelector"'
    assert words in stage.problems(sensor)
    return ""


@experiment(
    "T4",
    "`dest: metadata.name` from the event",
    "Works: one task per event.",
)
def name_from_the_event(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(RESUME.trigger, programs=programs):
        stage.send(payloads.approved(task=3, labels=["bug", "task-3"]))
        programs.wait_for(1)
        stage.send(payloads.approved(task=7, labels=["task-7", "size/L"]))
        runs = programs.wait_for(2)
    resumed = [["argo", "-n", "agent-platform", "resume", f"play-task-{task}-workflow"] for task in (3, 7)]
    assert [run[:5] for run in runs] == resumed
    return "Task 3, then task 7, also with other labels."


@experiment(
    "T5",
    "`dest: args.0` in `argoWorkflow.parameters`",
    "Adds a field to the resource, not an argument.",
)
def parameter_in_the_wrong_place(stage: Stage) -> str:
    programs = stage.programs()
    trigger = resume(None, args=[], parameters=[from_event("args.0", "play-task-3-workflow")])
    with stage.sensor(trigger, programs=programs) as sensor:
        stage.send(payloads.approved())
        stage.done(sensor)
        assert "no name is given" in sensor.log
    assert programs.runs() == []
    return "The log: `no name is given`."


@experiment(
    "T6",
    "`dest: argoWorkflow.args.1` in the trigger's `parameters`",
    "Works: the event selects the gate.",
)
def arguments_from_the_event(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(RESUME.trigger, programs=programs):
        stage.send(payloads.approved())
        programs.wait_for(1)
        stage.send(payloads.closed())
        runs = programs.wait_for(2)
    start = ["argo", "-n", "agent-platform", "resume", "play-task-3-workflow", "--node-field-selector"]
    assert runs == [[*start, "displayName=wait-pr-approved"], [*start, "displayName=wait-pr-merged"]], runs
    return f"A review gave {shown(runs[0][6:])}, a merge {shown(runs[1][6:])}."


@experiment(
    "T7",
    "No task label, or `task-abc`",
    "Resumes none.",
)
def no_task(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(RESUME.trigger, programs=programs) as sensor:
        stage.send(payloads.approved(labels=["bug"]))
        stage.send(payloads.approved(labels=["task-abc"]))
        stage.done(sensor)
        assert sensor.log.count("unable to resolve 'github' parameter value") >= 2
    assert programs.runs() == []
    return "The log: `unable to resolve 'github' parameter value`."


@experiment(
    "T8",
    "Two task labels on one pull request",
    "Name no Workflow.",
)
def two_labels(stage: Stage) -> str:
    programs = stage.programs()
    with stage.sensor(RESUME.trigger, programs=programs):
        stage.send(payloads.approved(labels=["task-7", "task-3"]))
        (run,) = programs.wait_for(1)
    assert run[4] == "play-task-7-workflowplay-task-3-workflow"
    return f"`task-7` and `task-3` gave `{run[4]}`."


@experiment(
    "T9",
    "Hostile text as an argument",
    "Reaches no shell, but can become an option.",
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
    return f"A title with `$(id)` stayed one argument. A label gave {shown(run[-2:])}."


ALONE = Path(__file__).parents[2] / "docs" / "research" / "argo-events-alone.yaml"
_EVENTS_OF_A_TASK: list[tuple[str, payloads.Payload, str | None]] = [
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
    "[argo-events-alone.yaml](argo-events-alone.yaml), applied",
    "Opens the right gates only.",
)
def alone(stage: Stage) -> str:
    programs = stage.programs()
    stage.clear()
    # The Sensor reads the Workflow after `argo`, and retries if there is none.
    stage.create(recorded_workflows.waiting_workflow(3))
    with stage.applied(ALONE, "argo", programs) as (source, sensor):
        for name, payload, _ in _EVENTS_OF_A_TASK:
            assert stage.send_to(source, payload, name) == 200
        stage.done(sensor)
    start = ["argo", "-n", "agent-platform", "resume", "play-task-3-workflow", "--node-field-selector"]
    expected = [[*start, f"displayName={gate}"] for _, _, gate in _EVENTS_OF_A_TASK if gate]
    assert programs.runs() == expected, programs.runs()
    return f"{len(expected)} of {len(_EVENTS_OF_A_TASK)} events ran `argo`."

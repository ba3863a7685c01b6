"""Which script changes the Workflows of tasks 1, 3, 5 and 7 for one event?"""

from __future__ import annotations

import os
import subprocess

from tests import recorded_workflows
from tests.experiments.experiment import experiment
from tests.experiments.snippets import Snippet
from tests.experiments.stage import WORKFLOWS_PATH, Programs, Stage

GATE = "wait-pr-approved"
TASKS = (1, 3, 5, 7)
FIRST_OF_THE_LIST = Snippet("S1")
WHOLE_LIST = Snippet("S2")


def create_tasks(stage: Stage) -> None:
    """Replace all Workflows with those of the question's four tasks, which wait for approval."""
    stage.clear()
    stage.create(*(recorded_workflows.waiting_workflow(task, GATE) for task in TASKS))


def run_script(stage: Stage, script: Snippet) -> Programs:
    """Run a script as its pod would: with the real `kubectl`, and a recorder in place of `argo`."""
    programs = stage.programs()
    path = os.pathsep.join((str(programs.folder), str(stage.tools), "/usr/bin", "/bin"))
    environment = {"PATH": path, "KUBECONFIG": str(stage.api.kubeconfig), "HOME": str(stage.folder)}
    ended = subprocess.run(["bash", "-euc", script.text], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return programs


@experiment(
    "S1",
    "The script of today's pods, the question's selector",
    "Opens no gate.",
)
def first_of_the_list(stage: Stage) -> str:
    create_tasks(stage)
    open_before = stage.open_gates()
    run_script(stage, FIRST_OF_THE_LIST)
    workflows = stage.api.admin.must("GET", WORKFLOWS_PATH)["items"]
    changed = [each["metadata"]["name"] for each in workflows if "suspend" in each["spec"]]
    assert changed == ["play-task-1-workflow"], changed
    assert stage.open_gates() == open_before
    return "It changed task 1 alone."


@experiment(
    "S2",
    "A script that passes the whole list to `argo resume`",
    "Resumes all four: the symptom.",
)
def whole_list(stage: Stage) -> str:
    create_tasks(stage)
    (run,) = run_script(stage, WHOLE_LIST).runs()
    assert run == ["argo", "-n", "agent-platform", "resume", *(f"play-task-{task}-workflow" for task in TASKS)], run
    return ""

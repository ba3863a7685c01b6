"""Task -> Workflow: by its name, else by its labels."""

from __future__ import annotations

from typing import NamedTuple

from func.core.outcomes import Task
from func.core.reasons import Verdict
from func.core.rules import WorkflowRules
from func.core.workflows import Workflow, is_finished, labels_of, read_workflow
from func.kube.deadline import Deadline
from func.kube.errors import NotFound
from func.kube.workflows import Workflows

_NO_REPOSITORY = "the empty one of an event without repository"


class Found(NamedTuple):
    """The Workflow of a task.

    Args:
        workflow: the running one, else the newest that has ended.
        several: names of the running ones, when there is more than one.
        verdict: why there is not exactly one; beside one that has ended, why the one of the task's name is not it.
    """

    workflow: Workflow | None = None
    several: tuple[str, ...] = ()
    verdict: Verdict | None = None


def find_workflow(task: Task, rules: WorkflowRules, workflows: Workflows, deadline: Deadline) -> Found:
    """Return the task's Workflow: one GET by its name, else one metadata-only LIST by its labels and one GET.

    Raises:
        NotFound: when the one that was listed is gone.
    """
    impossible = rules.impossible_label(task)
    if impossible is not None:
        return Found(verdict=Verdict.of("impossible-label", task=task, value=impossible or _NO_REPOSITORY))
    named, disagreement = _by_name(task, rules, workflows, deadline)
    if named and not named.finished and disagreement is None:
        return Found(named)  # whatever other Workflows call themselves
    listed = [
        metadata
        for item in workflows.list_metadata(rules.selector_of(task.id), deadline)
        if isinstance(metadata := item.get("metadata"), dict) and rules.disagreement(labels_of(metadata), task) is None
    ]
    running = sorted(str(item.get("name")) for item in listed if not is_finished(labels_of(item)))
    if len(running) > 1:
        verdict = Verdict.of("several-workflows", task=task, workflows=", ".join(running))
        return Found(several=tuple(running), verdict=verdict)
    newest = max(listed, key=lambda item: str(item.get("creationTimestamp")), default=None)
    name = running[0] if running else str(newest.get("name")) if newest else None
    wrong = None
    if named and disagreement:
        wrong = Verdict.of("wrong-labels", workflow=named.ref.name, task=task, why=disagreement)
    elif named and name in (None, named.ref.name):
        return Found(named)
    if name is None:
        return Found(verdict=wrong or Verdict.of("no-workflow", task=task))
    workflow = read_workflow(workflows.get(name, deadline))
    if rules.disagreement(workflow.labels, task):
        return Found(verdict=wrong or Verdict.of("no-workflow", task=task))
    return Found(workflow, verdict=None if running else wrong)


def _by_name(
    task: Task, rules: WorkflowRules, workflows: Workflows, deadline: Deadline
) -> tuple[Workflow | None, str | None]:
    """Return the Workflow of the task's name, and why it is not the task's."""
    name = rules.name_of(task.id)
    if name is None:
        return None, None
    try:
        workflow = read_workflow(workflows.get(name, deadline))
    except NotFound:
        return None, None
    return workflow, rules.disagreement(workflow.labels, task)

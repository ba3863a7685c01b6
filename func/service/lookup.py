"""Task -> Workflow: the one that is the task's, by its name or by its labels."""

from __future__ import annotations

from func.core.outcomes import No, Task
from func.core.rules import Rules
from func.core.workflows import Workflow, is_finished, read_workflow
from func.kube.client import Workflows
from func.kube.deadline import Budget
from func.kube.errors import NotFound


def find(task: Task, rules: Rules, workflows: Workflows, budget: Budget) -> Workflow | None:
    """The task's one Workflow that is under way, else the newest that has come to its end; None where there is none.

    Raises: No, `ambiguous`, when several are under way; NotFound, when the one that was listed is gone.
    """
    if rules.workflows.labels_of(task) is None:
        return None
    named = _by_name(task, rules, workflows, budget)
    if named and not named.finished:
        return named
    listed = [item.get("metadata") or {} for item in workflows.list_metadata(rules.workflows.selector_of(task), budget)]
    active = [item for item in listed if not is_finished(item.get("labels") or {})]
    if len(active) > 1:
        names = ", ".join(sorted(str(item.get("name")) for item in active))
        raise No("ambiguous", f"Several Workflows of {task} are under way: {names}; stop all but one.")
    chosen = active[0] if active else max(listed, key=lambda item: str(item.get("creationTimestamp")), default=None)
    if chosen is None or (named and chosen.get("uid") == named.ref.uid):
        return named
    workflow = read_workflow(workflows.get(str(chosen.get("name")), budget))
    return None if rules.workflows.disagreement(workflow.labels, task) else workflow


def _by_name(task: Task, rules: Rules, workflows: Workflows, budget: Budget) -> Workflow | None:
    name = rules.workflows.name_of(task)
    if name is None:
        return None
    try:
        workflow = read_workflow(workflows.get(name, budget))
    except NotFound:
        return None
    return None if rules.workflows.disagreement(workflow.labels, task) else workflow

"""What a person does about what is wrong with a Workflow, by the code of the problem."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import NamedTuple

from func.core.rules import Rules
from func.core.signals import forget_command
from func.core.status import Problem, WorkflowStatus
from func.core.workflows import PARKED_LABEL


class Remedy(NamedTuple):
    """What to do.

    Args:
        text: for a person.
        command: one that can be pasted into a shell, where one helps.
    """

    text: str
    command: str | None = None


def remedy(problem: Problem, status: WorkflowStatus, rules: Rules) -> Remedy:
    """Return what to do about a problem."""
    return _REMEDIES[problem.code](problem, status, rules)


def open_manually(status: WorkflowStatus, node: str) -> str:
    """Return the command that opens one node and no other."""
    return f"argo resume {where(status)} --node-field-selector {shlex.quote(f'id={node}')}"


def where(status: WorkflowStatus) -> str:
    """Return the arguments that name a Workflow to kubectl and argo."""
    return f"-n {shlex.quote(status.ref.namespace)} {shlex.quote(status.ref.name)}"


def _wake(status: WorkflowStatus) -> str:
    return f'kubectl annotate workflow {where(status)} --overwrite taskgate.dev/look="$(date +%s)"'


def _asked(label: str, command: str) -> str:
    """Return a command that asks for a value first."""
    return f"printf %s {shlex.quote(f'{label}: ')}; read -r value; {command}"


def _unreadable(_problem: Problem, status: WorkflowStatus, _rules: Rules) -> Remedy:
    return Remedy(
        "Correct the annotation with kubectl edit, or open the gate manually (see below). Only if neither is possible, "
        "remove the annotation. Nothing is remembered then: an old approval that is redelivered can open a gate.",
        forget_command(status.ref),
    )


def _selector(_problem: Problem, status: WorkflowStatus, rules: Rules) -> Remedy:
    pairs = [(each.key, each.wanted) for each in rules.workflows.parsed_selector.requirements if not each.negated]
    missing = [f"{key}={next(iter(wanted))}" for key, wanted in pairs if wanted and len(wanted) == 1]
    is_simple = len(missing) == len(rules.workflows.parsed_selector.requirements)
    command = f"kubectl label workflow {where(status)} {' '.join(map(shlex.quote, missing))} --overwrite"
    return Remedy("If it is a Workflow of the fleet, give it these labels.", command if is_simple else None)


def _no_label(problem: Problem, status: WorkflowStatus, _rules: Rules) -> Remedy:
    label = str(problem.data["label"])
    command = f'kubectl label workflow {where(status)} {shlex.quote(label)}="$value"'
    return Remedy("Add the label. New Workflows need it in their metadata.", _asked(label, command))


def _twins(_problem: Problem, status: WorkflowStatus, rules: Rules) -> Remedy:
    label = rules.workflows.labels.task
    selector = shlex.quote(f"{rules.workflows.selector},{label}={status.task}")
    command = f"kubectl get workflows -n {shlex.quote(status.ref.namespace)} -l {selector} --show-labels"
    return Remedy("Compare them, then stop the wrong ones with argo stop.", command)


def _several_nodes(problem: Problem, status: WorkflowStatus, _rules: Rules) -> Remedy:
    nodes = problem.data["nodes"]
    ids = " or ".join(nodes) if isinstance(nodes, tuple) else str(nodes)
    return Remedy(
        f"Tell them apart by `inputs` in gates.yaml. To open one now, look for its id ({ids}), then use argo resume "
        "with --node-field-selector id=.",
        f"argo get {where(status)}",
    )


def _output(problem: Problem, status: WorkflowStatus, _rules: Rules) -> Remedy:
    output = str(problem.data["output"])
    node = shlex.quote(f"id={problem.data['node']}")
    arguments = f"{where(status)} --node-field-selector {node} --phase Succeeded"
    command = f'argo node set {arguments} -p {shlex.quote(output)}="$value"'
    return Remedy("Add it to `outputs` in gates.yaml, or open the gate manually with a value.", _asked(output, command))


def _text(text: str) -> Callable[[Problem, WorkflowStatus, Rules], Remedy]:
    return lambda _problem, _status, _rules: Remedy(text)


_REMEDIES: Mapping[str, Callable[[Problem, WorkflowStatus, Rules], Remedy]] = {
    "workflow-unreadable": lambda _p, status, _r: Remedy(
        "Look at the object, and correct it.", f"kubectl get workflow {where(status)} -o yaml"
    ),
    "annotation-unreadable": _unreadable,
    "offloaded": _text("Set ARGO_SERVER to the URL of Argo Server, then run this again."),
    "selector-mismatch": _selector,
    "label-missing": _no_label,
    "wrong-labels": _text("Rename the Workflow, or correct its label: events of its task find it by the label."),
    "several-workflows": _twins,
    "shadowed": _twins,
    "suspended": lambda _p, status, _r: Remedy(
        "Ask who suspended it. This resumes the Workflow and opens every gate at which it waits.",
        f"argo resume {where(status)}",
    ),
    "workflow-stopping": _text("Start a new Workflow for its task."),
    "gate-without-rule": _text("Add the gate to `gates` in gates.yaml, or open it manually (see below)."),
    "several-nodes": _several_nodes,
    "missing-output": _output,
    "unsafe-output": _output,
    "claimed": lambda _p, status, _r: Remedy(
        "Check that Argo Server answers. Then send that event again, or change the Workflow once.", _wake(status)
    ),
    "release-missed": lambda _p, status, _r: Remedy(
        "Repair the EventSource that watches Workflows with waiting signals, then change the Workflow once.",
        _wake(status),
    ),
    "watch-label-missing": lambda _p, status, _r: Remedy(
        "Add the label.", f"kubectl label workflow {where(status)} {PARKED_LABEL}=true"
    ),
}

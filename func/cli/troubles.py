"""Why no event opens the gate where a Workflow waits, and what a person does about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from func.cli.gate_story import GateStory, trial, ways_of
from func.core.outcomes import No
from func.core.rules import Rules
from func.core.state import State, free_by_hand
from func.core.workflows import PARKED_LABEL, Workflow


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why no event opens the gate, and what a person does about it.

    Args:
        commands: To be run as they are, or one of them.
    """

    what: str
    remedy: str
    commands: tuple[str, ...] = ()


def unreadable(no: No, workflow: Workflow) -> Trouble:
    """What is remembered can't be read.

    Args:
        no: What `read_state` said.
    """
    what, _, _ = no.reason.partition("; ")
    _, _, command = free_by_hand(workflow).partition(": ")
    return Trouble(f"{what}.", "This makes it forget all, used keys and its pull request too:", (command,))


def of_labels(workflow: Workflow, rules: Rules, twins: Sequence[str]) -> Iterator[Trouble]:
    """Why no event finds the Workflow.

    Args:
        twins: Other Workflows under way with the same task and repository.
    """
    names, where = rules.workflows.labels, f"-n {workflow.ref.namespace} {workflow.ref.name}"
    if not rules.workflows.parsed_selector.matches(workflow.labels):
        yield Trouble(
            f"It is not ours: its labels do not fit {rules.workflows.selector}, so no event is ever for it.",
            "If it should be, give it those labels:",
            (f"kubectl label workflow {where} {rules.workflows.selector}",),
        )
    for name, value in ((names.task, "<task>"), (names.repository, "<owner>-<name>")):
        if name and not workflow.labels.get(name):
            yield Trouble(
                f"Its label {name} is missing, so no event finds it.",
                "Put it on:",
                (f"kubectl label workflow {where} {name}='{value}'",),
            )
    if twins:
        yield Trouble(
            f"Others under way have the same task and repository: {', '.join(twins)}. Events for them are ambiguous.",
            "Stop all but one:",
            tuple(f"argo stop -n {workflow.ref.namespace} {name}" for name in (workflow.ref.name, *twins)),
        )


def of_gate(gate: GateStory, workflow: Workflow, rules: Rules, state: State, now: datetime) -> Iterator[Trouble]:
    """Why no event opens a gate where the Workflow waits."""
    ways = ways_of(gate, rules)
    key, where = state.keys.get(gate.slot), f"-n {workflow.ref.namespace} {workflow.ref.name}"
    if not ways:
        yield Trouble(
            f"No rule opens {gate.gate}.",
            "Add it under `gates` in gates.yaml, or open it by hand, see below.",
        )
        return
    if len(gate.nodes) > 1:
        yield Trouble(
            f"Several nodes wait at {gate.gate}, and no event can say which one is meant.",
            "For the next time tell them apart by `inputs` in gates.yaml. Now open the right one by hand:",
            tuple(by_hand(workflow, node) for node in gate.nodes),
        )
    for node in filter(None, map(workflow.node, gate.nodes)):
        missing = [each.name for each in node.supplied if each.default is None and each.name not in rules.outputs]
        if missing:
            yield Trouble(
                f"The gate wants a value for {', '.join(missing)}, and nothing gives one.",
                "Add it under `outputs` in gates.yaml, or give it by hand:",
                (
                    f"argo node set {where} --node-field-selector id={shlex.quote(node.id)} --phase Succeeded "
                    + " ".join(f"-p {shlex.quote(name)}=<value>" for name in missing),
                ),
            )
    if key and key.state == "used" and not any(way.rounds for way in ways):
        yield Trouble(
            f"The key for {gate.slot} was used before, and it waits again: no event opens it a second time.",
            "If it comes in rounds, say `rounds: true` at it in gates.yaml; now open it by hand, see below.",
        )
    if key and key.state == "claimed":
        yield Trouble(
            f"Event {key.event} is about to open it, and Argo Server has not said that it did.",
            "Is Argo Server up? Then send that event again, or change the Workflow in any way:",
            (_wake(workflow),),
        )
    if key and gate.key == "waits" and trial(gate.slot, workflow, rules, state, now)[0] == "opened":
        yield _untold(workflow)


def _untold(workflow: Workflow) -> Trouble:
    """A key could open its gate, and the function does not know; what to do depends on the label."""
    what = "The key that waits can open the gate, and the function was not told that it is reached:"
    if workflow.labels.get(PARKED_LABEL) != "true":
        return Trouble(
            f"{what} the label by which the Workflow is watched is missing.",
            "Put it back, that tells it:",
            (put_label(workflow),),
        )
    return Trouble(
        f"{what} the watch for waiting keys does not work.",
        "Mend the EventSource `waiting`, then change the Workflow in any way, that tells it:",
        (_wake(workflow),),
    )


def put_label(workflow: Workflow) -> str:
    """The command that puts the label back by which Workflows with waiting keys are watched."""
    return f"kubectl label workflow -n {workflow.ref.namespace} {workflow.ref.name} {PARKED_LABEL}=true"


def _wake(workflow: Workflow) -> str:
    ref = workflow.ref
    return f'kubectl annotate workflow -n {ref.namespace} {ref.name} --overwrite look="$(date)"'


def by_hand(workflow: Workflow, node: str) -> str:
    """The command that opens one node and no other."""
    ref = workflow.ref
    return f"argo resume -n {ref.namespace} {ref.name} --node-field-selector id={shlex.quote(node)}"

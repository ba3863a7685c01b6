"""Whether a Workflow waits at a gate, in view of what moved the gate before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from func.core.fold import Folded, Standing, fold
from func.core.reasons import Verdict
from func.core.signals import MOVED, Signal, Use
from func.core.situation import Situation
from func.core.workflows import Node, Workflow

BY_HAND = "manually or by its timeout"
SKIPPED = frozenset({"Skipped", "Omitted"})


class GateView(NamedTuple):
    """A gate of a Workflow.

    Args:
        target: the one node that waits and that no signal moved.
        verdict: why there is none.
        node: the id of the target, or of the node that the verdict is about.
        is_over: the gate no longer waits and will not come again.
    """

    target: Node | None
    verdict: Verdict | None = None
    node: str | None = None
    is_over: bool = False


def view_gate(situation: Situation, identifier: str) -> GateView:
    """Return whether a Workflow waits at a gate, and why not.

    Args:
        identifier: the gate's name with inputs, from `gate_id`.
    """
    rules, workflow, state, _ = situation
    gate, given = rules.gate_ids[identifier]
    rounds = any(rule.rounds for rule in given)
    nodes = situation.nodes_of(identifier)
    unfinished = [node for node in nodes if not node.is_finished]
    waiting = [node for node in unfinished if not state.mover_of(node)]
    running = [node for node in waiting if node.phase == "Running" and not workflow.finished]
    if len(running) > 1:
        named = ", ".join(node.id for node in running)
        return GateView(None, Verdict.of("several-nodes", gate=gate, nodes=named), running[0].id)
    if running:
        return GateView(running[0], node=running[0].id)
    if waiting or not nodes:
        return GateView(None, _not_reached(workflow, gate, nodes))
    claimed = state.mover_of(unfinished[0]) if unfinished else None
    if claimed and not rounds:
        return GateView(None, Verdict.of("claimed", gate=gate, event=claimed.id), claimed.node, is_over=True)
    succeeded = [node for node in nodes if node.phase == "Succeeded"]
    if rounds and (succeeded or claimed):
        return GateView(None, Verdict.of("next-round", gate=gate))
    if succeeded:
        use = next(filter(None, map(state.mover_of, succeeded)), None)
        how = f"by event {use.id}" if use and not use.by_hand else BY_HAND
        return GateView(None, Verdict.of("already-open", gate=gate, how=how), succeeded[0].id, is_over=True)
    if workflow.finished:
        return GateView(None, Verdict.of("workflow-failed", workflow=workflow.ref.name, gate=gate))
    phases = ", ".join(sorted({node.phase for node in nodes}))
    code = "gate-skipped" if all(node.phase in SKIPPED for node in nodes) else "gate-failed"
    return GateView(None, Verdict.of(code, gate=gate, phase=phases), nodes[0].id, is_over=True)


def _not_reached(workflow: Workflow, gate: str, nodes: list[Node]) -> Verdict:
    if workflow.finished:
        return Verdict.of("workflow-failed", workflow=workflow.ref.name, gate=gate)
    similar = None if nodes else workflow.similar_gate(gate)
    hint = f" A node {similar} waits, is that what the rules mean?" if similar else ""
    return Verdict.of("not-reached", workflow=workflow.ref.name, gate=gate, hint=hint)


def why_waiting(
    gate: str, standing: Standing, movers: Sequence[Signal], folded: Folded, view: GateView
) -> Verdict | None:
    """Return why the signals of a pull request cannot move their gate yet; None when they can.

    Args:
        standing: one of those of `folded`.
        movers: of `standing`.
    """
    if view.verdict:
        return view.verdict
    if not movers:
        return Verdict.of("quorum", count=standing.people, quorum=max(standing.quorums), gate=gate)
    if standing is not folded.standings[0]:
        first = folded.standings[0].pull_request or "no pull request"
        return Verdict.of("older-first", pull_request=first, gate=gate)
    return None


def why_used(use: Use) -> Verdict:
    """Return why an event whose signal was used changes nothing more."""
    if use.node is None:
        return Verdict.of("used-on-original", gate=use.gate)
    if use.by_hand:
        return Verdict.of("used-up", gate=use.gate, how=BY_HAND)
    return Verdict.of("duplicate", verb=MOVED[use.how], gate=use.gate)


def has_waiting(situation: Situation) -> bool:
    """Return whether a signal or a claim waits on a Workflow, so that its changes must be watched."""
    if situation.state.claims:
        return True
    gates = {signal.gate for signal in situation.state.unused}
    return any(
        fold(situation, each).has_waiting and not view_gate(situation, each).is_over
        for each in situation.rules.gate_ids
        if each in gates
    )

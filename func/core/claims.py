"""Claims: signals that move an offloaded node in two steps, because only Argo Server can write that node.

The first write remembers the claim, then Argo Server moves the node, and the second write marks the signals as used.
"""

from __future__ import annotations

from datetime import datetime

from func.core.gates import BY_HAND
from func.core.moves import PHASES, Decision, move_message, use_signals, with_state
from func.core.reasons import Rejection, Verdict
from func.core.rules import Rules
from func.core.signals import MOVED, State, Use, read_state
from func.core.values import format_time
from func.core.workflows import Workflow


def finish_claim(use: Use, rules: Rules, workflow: Workflow, state: State, now: datetime) -> Decision:
    """Decide about a node that was claimed, when what came of it is not known: look at the node.

    Raises:
        Rejection: `claim-pending`, when the node is not there yet.
    """
    gate, _ = rules.gate_ids.get(use.gate, (use.gate, []))
    together = [each for each in state.claims if each.node == use.node]
    signals = [signal for each in together if (signal := state.find(each.identity))]
    node = workflow.node(use.node or "")
    if node is None or node.phase in ("", "Pending"):
        raise Rejection("claim-pending", gate=gate, node=use.node)
    message = move_message(signals[0], use.how, len(signals) - 1) if signals else ""
    confirmed = state.with_use([each._replace(claimed=False) for each in together])
    if node.phase == "Running":
        unclaimed = state._replace(used=tuple(each for each in state.used if each not in together))
        if not signals:  # a person edited the annotation, or the signal's outputs alone exceed its bounds
            lost = Verdict.of("forgotten", workflow=workflow.ref.name, until=format_time(now))
            return with_state(Decision(lost, gate=gate, node=node.id), unclaimed, rules, workflow, now)
        move = use_signals(signals, use.how, gate, node, workflow, unclaimed, now)
        return with_state(move, move.state or state, rules, workflow, now)
    if node.phase == PHASES[use.how] and node.raw.get("message") == message:
        done = Decision(Verdict.of(MOVED[use.how], gate=gate, message=message), gate=gate, node=node.id)
        return with_state(done, confirmed, rules, workflow, now)
    by_hand = state.with_use([each._replace(claimed=False, by_hand=True) for each in together])
    if node.phase == "Succeeded":
        verdict = Verdict.of("already-open", gate=gate, how=BY_HAND)
    else:
        verdict = Verdict.of("gate-failed", gate=gate, phase=node.phase)
    return with_state(Decision(verdict, gate=gate, node=node.id), by_hand, rules, workflow, now)


def settle(workflow: Workflow, claimed: Decision, rules: Rules, now: datetime) -> Decision:
    """Remember that Argo Server has moved the claimed node."""
    state = read_state(workflow)
    mine = [use for use in state.claims if use.node == claimed.node]
    if not mine:
        return claimed._replace(state=None, move=None)  # somebody else finished the claim
    settled = state.with_use([use._replace(claimed=False) for use in mine])
    return with_state(claimed._replace(move=None), settled, rules, workflow, now)

"""Claims: signals that move an offloaded node in two steps, because only Argo Server can write that node.

The first write remembers the claim, then Argo Server moves the node, and the second write marks the signals as used.
"""

from __future__ import annotations

from datetime import datetime

from func.core.fold import fold
from func.core.gates import BY_HAND
from func.core.moves import PHASES, Decision, move_message, remember, use_signals
from func.core.reasons import Rejection, Verdict
from func.core.rules import Rules, gate_id
from func.core.signals import MOVED, Signal, Use, read_state
from func.core.situation import Situation
from func.core.values import format_time
from func.core.workflows import Node, Workflow

_VOID = frozenset({"revoked", "pull-request-gone", "overtaken", "changes-requested", "wrong-labels"})


def finish_claim(use: Use, situation: Situation) -> Decision:
    """Decide about a node that was claimed, when what came of it is not known: look at the node.

    Raises:
        Rejection: `claim-pending`, when the node is not there yet.
    """
    state, workflow = situation.state, situation.workflow
    gate, _ = situation.rules.gate_ids.get(use.gate, (use.gate, []))
    together = [each for each in state.claims if each.node == use.node]
    signals = [signal for each in together if (signal := state.find(each.identity))]
    node = _claimed_node(use, workflow)
    if node is None:
        raise Rejection("claim-pending", gate=gate, node=use.node)
    message = move_message(signals[0], use.how, len(signals) - 1) if signals else ""
    if node.phase == "Running":
        unclaimed = state._replace(used=tuple(each for each in state.used if each not in together))
        if not signals:  # a person edited the annotation, or the signal's outputs alone exceed its bounds
            lost = Verdict.of("forgotten", workflow=workflow.ref.name, until=format_time(situation.now))
            return remember(Decision(lost, gate=gate, node=node.id), situation.with_state(unclaimed))
        move = use_signals(signals, use.how, gate, node, situation.with_state(unclaimed))
        return remember(move, situation.with_state(move.state or state))
    is_ours = node.phase == PHASES[use.how] and node.raw.get("message") == message
    if is_ours:
        verdict = Verdict.of(MOVED[use.how], gate=gate, message=message)
    elif node.phase == "Succeeded":
        verdict = Verdict.of("already-open", gate=gate, how=BY_HAND)
    else:
        verdict = Verdict.of("gate-failed", gate=gate, phase=node.phase)
    used = state.with_uses([each._replace(claimed=False, by_hand=not is_ours) for each in together])
    return remember(Decision(verdict, gate=gate, node=node.id), situation.with_state(used))


def next_claim(situation: Situation) -> Use | None:
    """Return the oldest claim that can be finished now; one whose node is not there yet holds up no other signal."""
    return next((use for use in situation.state.claims if _claimed_node(use, situation.workflow)), None)


def _claimed_node(use: Use, workflow: Workflow) -> Node | None:
    """Return the claimed node, once it has begun to wait; `argo retry` can take it away and start it again."""
    node = workflow.node(use.node or "")
    return None if node is None or node.phase in ("", "Pending") else node


def without_void_claims(situation: Situation, event: Signal | None = None) -> Situation:
    """Return the situation without the claims that nobody may finish any more.

    - A node that has started again may have been moved before, and a signal moves a node once: it counts as used.
    - A signal that something revokes moves nothing, nor does any signal while the Workflow is stopped or has ended:
      it counts as not used.

    Args:
        event: is about to be remembered, and may revoke signals.
    """
    state, workflow = situation.state, situation.workflow
    for use in state.claims:
        node = _claimed_node(use, workflow)
        if node is None:
            continue
        together = [each for each in state.claims if each.node == use.node]
        if node.started != use.started:
            state = state.with_uses([each._replace(claimed=False) for each in together])
        elif node.phase == "Running":
            unclaimed = state._replace(used=tuple(each for each in state.used if each not in together))
            seen = unclaimed.with_signal(event) if event else unclaimed
            is_revoked = any(_is_revoked(each, situation.with_state(seen)) for each in together)
            if is_revoked or workflow.shutdown or workflow.finished:
                state = unclaimed
    return situation.with_state(state)


def _is_revoked(use: Use, situation: Situation) -> bool:
    """Return whether a claimed signal must not move its node any more."""
    verdict = fold(situation, use.gate).verdicts.get(use.identity)
    if verdict is None or verdict.code not in _VOID:
        return False
    # Somebody who approves again does not revoke the first approval.
    by = next((each for each in situation.state.signals if each.id == verdict.data.get("event")), None)
    match = situation.rules.match(by) if by and verdict.code == "overtaken" else None
    return match is None or gate_id(*match) != use.gate or match[1].then != use.how


def settle(workflow: Workflow, claimed: Decision, rules: Rules, now: datetime) -> Decision:
    """Remember that Argo Server has moved the claimed node, also where the claim was given up meanwhile."""
    state = read_state(workflow)
    claims = claimed.state.claims if claimed.state and claimed.state.ref.uid == workflow.ref.uid else ()
    known = {use.identity for use in state.used if not use.claimed}
    mine = [use for use in claims if use.node == claimed.node and use.identity not in known]
    if not mine:
        return claimed._replace(state=None, move=None)  # somebody else finished the claim
    settled = state.with_uses([use._replace(claimed=False) for use in mine])
    return remember(claimed._replace(move=None), Situation(rules, workflow, settled, now))

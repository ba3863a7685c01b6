"""The decision about a Workflow: the state to write and the node to move."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from func.core.bounds import bounded
from func.core.fold import BLOCKED, fold
from func.core.gates import has_waiting
from func.core.outcomes import Outcome, Task
from func.core.patches import Move, values_for
from func.core.reasons import Rejection, Verdict
from func.core.signals import MOVED, Signal, State, Use
from func.core.situation import Situation
from func.core.values import format_time, time_or_none
from func.core.workflows import Node, Workflow

_UNPLAIN = re.compile(r"[^!-z|~]")  # of ASCII
PHASES: Mapping[str, Literal["Succeeded", "Failed"]] = {"open": "Succeeded", "fail": "Failed"}
_WAITING = BLOCKED | {"other-pull-request"}  # signals that may stand later


class Decision(NamedTuple):
    """What to write to a Workflow, and the answer once it is written.

    Args:
        verdict: of the answer.
        state: to write; None where nothing changes.
        text: of the state, within its bounds.
        move: of a node.
        gate: of the answer.
        node: of the answer.
        task: of a signal that waited.
        parked: whether a signal waits afterwards.
    """

    verdict: Verdict
    state: State | None = None
    text: str = ""
    move: Move | None = None
    gate: str | None = None
    node: str | None = None
    task: Task | None = None
    parked: bool = False

    @property
    def outcome(self) -> Outcome:
        """The outcome of the answer."""
        return self.verdict.outcome

    def is_done_on(self, workflow: Workflow) -> bool:
        """Return whether the Workflow has the state that this decision writes."""
        return self.state is not None and workflow.state_text == self.text


def remember(decision: Decision, situation: Situation) -> Decision:
    """Return the decision that also writes the state of a situation, within the bounds of an annotation."""
    state, text = bounded(situation)
    return decision._replace(state=state, text=text, parked=has_waiting(situation.with_state(state)))


def use_signals(movers: Sequence[Signal], how: str, gate: str, node: Node, situation: Situation) -> Decision:
    """Move a node with these signals.

    Raises:
        Rejection: `missing-output` or `unsafe-output`.
    """
    state, now = situation.state, situation.now
    # Where several signals give a value, the first of them wins.
    offered = {name: value for signal in reversed(movers) for name, value in signal.outputs.items()}
    try:
        values = values_for(node, offered, fails=how == "fail")
    except Rejection as rejection:
        rejection.gate, rejection.node = gate, node.id
        raise
    message = move_message(movers[0], how, len(movers) - 1)
    move = Move(node, PHASES[how], format_time(now), message, values)
    uses = [_use_of(signal, node, now, how) for signal in movers]
    if situation.workflow.stored == "offloaded":
        # A claim, until Argo Server has moved the node. The outputs are kept for an event that finishes the claim.
        state = state._replace(used=(*state.used, *(use._replace(claimed=True) for use in uses)))
    else:
        state = state.with_uses(uses)
    return Decision(Verdict.of(MOVED[how], gate=gate, message=message), state, move=move, gate=gate, node=node.id)


def _use_of(signal: Signal, node: Node, now: datetime, how: str = "open") -> Use:
    return Use(
        id=signal.id,
        source=signal.source,
        gate=signal.gate or "",
        happened=signal.happened,
        pull_request=signal.pull_request,
        node=node.id,
        started=node.started,
        at=now.replace(microsecond=0),
        how=how,
    )


def move_message(signal: Signal, how: str, others: int) -> str:
    """Return the message of a node: who moved it, and by which event."""
    who = f" of {_plain(signal.person)}" if signal.person else ""
    more = f" and {others} more" if others else ""
    what = f" on {_plain(signal.pull_request)}" if signal.pull_request else ""
    return f"{MOVED[how]} by {_plain(signal.name)}{who}{more}{what} (taskgate, event {_plain(signal.id)})"


def _plain(text: str) -> str:
    """Return a string from outside without characters that a terminal or a template interprets."""
    if text.isascii():  # nearly always, and much faster
        return _UNPLAIN.sub("", text)[:120]
    kept = (character for character in text if unicodedata.category(character)[0] in "LNPS" and character not in "{}")
    return "".join(kept)[:120]


def used_up_by_hand(situation: Situation) -> Situation:
    """Return the situation in which a gate that was opened manually has used up the signals that waited for it."""
    state = situation.state
    unused = state.unused
    gates = {signal.gate for signal in unused}
    uses: list[Use] = []
    for identifier, (_, given) in situation.rules.gate_ids.items():
        if identifier not in gates:
            continue
        every = situation.nodes_of(identifier, earlier=True)
        by_hand = [node for node in every if node.phase == "Succeeded" and not state.mover_of(node)]
        if not by_hand:
            continue
        nodes = situation.nodes_of(identifier)
        verdicts = fold(situation, identifier).verdicts
        over = bool(nodes) and all(node.is_finished for node in nodes) and not any(rule.rounds for rule in given)
        for signal in unused:
            against = verdicts.get(signal.identity)
            if signal.gate != identifier or (against and against.code not in _WAITING):
                continue
            node = next((each for each in by_hand if over or _finished_after(each, signal)), None)
            if node:
                uses.append(_use_of(signal, node, situation.now)._replace(by_hand=True))
    return situation.with_state(state.with_uses(uses)) if uses else situation


def _finished_after(node: Node, signal: Signal) -> bool:
    """Return whether the signal waited for the gate when the node was opened."""
    finished = time_or_none(node.raw.get("finishedAt"))
    return finished is not None and signal.written is not None and finished > signal.written

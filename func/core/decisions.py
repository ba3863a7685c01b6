"""(intent, rules, workflow, now) -> Decision: what is remembered, and which node moves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from func.core.bounds import bounded
from func.core.fold import Folded, Standing, describe, fold, is_withdrawal, other_pull_request, rule_of
from func.core.gates import BY_HAND, GateView, has_waiting, last_move, view_gate
from func.core.intents import Intent
from func.core.outcomes import Outcome, Task
from func.core.patches import Move, values_for
from func.core.reasons import Rejection, Verdict
from func.core.rules import Rules, gate_id
from func.core.signals import Signal, State, Use, read_state
from func.core.values import format_time, parse_time
from func.core.workflows import Node, Workflow

MAX_AGE = timedelta(minutes=5)  # an event of before its Workflow was created is about another one
_UNPLAIN = re.compile(r"[^!-z|~]")  # of ASCII
_WAITING = frozenset({"changes-requested", "other-pull-request"})  # signals that may stand later
_REMEMBERED = frozenset({"revoked", "overtaken", "pull-request-gone", "expired", "changes-requested"})


class Decision(NamedTuple):
    """What is to be done, and what is answered when it was done.

    Args:
        state: what is remembered from now on; None where nothing changes.
        move: the node that moves.
        task: of a signal that waited.
        parked: whether a signal waits then.
    """

    verdict: Verdict
    state: State | None = None
    move: Move | None = None
    gate: str | None = None
    node: str | None = None
    task: Task | None = None
    parked: bool = False

    @property
    def outcome(self) -> Outcome:
        """What the sender is told."""
        return self.verdict.outcome

    def is_done_on(self, workflow: Workflow) -> bool:
        """Return whether the Workflow remembers what this decision wrote."""
        return self.state is not None and workflow.state == self.state.text()


def decide(intent: Intent, rules: Rules, workflow: Workflow, now: datetime) -> Decision:
    """Make the checks of an event on its Workflow: age, duplicate, pull request, signal and gate.

    Raises:
        Rejection: where nothing is to be written and the reason is not a matter of signals.
    """
    signal = intent.signal._replace(written=now.replace(microsecond=0))
    gone_for_good = workflow.finished and not workflow.may_be_retried
    if is_too_old(signal, workflow) and not gone_for_good:
        happened, created = format_time(signal.happened), format_time(workflow.created)
        return Decision(Verdict.of("too-old", happened=happened, workflow=workflow.ref.name, created=created))
    if gone_for_good:
        return _decide_finished(intent, workflow)
    old = read_state(workflow)
    use = old.use_of(signal.identity)
    if use and use.claimed:
        return finish_claim(use, rules, workflow, old, now)
    if use:
        return _duplicate(use)
    state = old if workflow.finished else _used_up_by_hand(old, rules, workflow, now)
    if use_now := state.use_of(signal.identity):
        return _remembering(_duplicate(use_now), state, rules, workflow, now)
    decision = _move_or_keep(intent, signal, rules, workflow, state, now) if intent.rule else None
    if decision is None or (decision.state is None and (intent.revokes or signal.gone)):
        # What it revokes it revokes, whatever becomes of the gate that it cannot move.
        revoking = _revoke(intent, signal._replace(gate=None, outputs={}), rules, workflow, state, now)
        decision = revoking if decision is None else decision._replace(state=revoking.state)
    return decision if decision.state is None else _remembering(decision, decision.state, rules, workflow, now)


def _remembering(decision: Decision, state: State, rules: Rules, workflow: Workflow, now: datetime) -> Decision:
    state = bounded(state, rules, now)
    return decision._replace(state=state, parked=has_waiting(state, rules, workflow, now))


def is_too_old(signal: Signal, workflow: Workflow) -> bool:
    """Return whether an event is about an earlier Workflow; a dismissal revokes its review whenever it happened."""
    return signal.verdict != "dismissed" and signal.happened < workflow.created - MAX_AGE


def _duplicate(use: Use) -> Decision:
    if use.node is None:
        return Decision(Verdict.of("used-on-original", gate=use.gate), gate=use.gate)
    if use.by_hand:
        return Decision(Verdict.of("used-up", gate=use.gate, how=BY_HAND), gate=use.gate, node=use.node)
    verb = "opened" if use.how == "open" else "failed"
    return Decision(Verdict.of("duplicate", verb=verb, gate=use.gate), gate=use.gate, node=use.node)


def _decide_finished(intent: Intent, workflow: Workflow) -> Decision:
    """Late redeliveries end well; everything else comes too late."""
    if intent.rule is None or intent.gate is None:
        return Decision(Verdict.of("nothing-to-revoke", task=intent.task))
    state = read_state(workflow)
    use = state.use_of(intent.signal.identity)
    if use:
        return _duplicate(use)
    if not is_too_old(intent.signal, workflow):
        nodes = workflow.gate_nodes(intent.gate, intent.rule.inputs)
        opened = next((node for node in nodes if node.phase == "Succeeded"), None)
        if opened:
            how = f"and Workflow {workflow.ref.name} has come to its end"
            return Decision(Verdict.of("already-open", gate=intent.gate, how=how), node=opened.id)
    return Decision(Verdict.of("workflow-finished", task=intent.task))


def _move_or_keep(
    intent: Intent, signal: Signal, rules: Rules, workflow: Workflow, state: State, now: datetime
) -> Decision:
    """Decide about an event that may move a gate; nothing is remembered where `state` stays None."""
    gate, rule = intent.gate or "", intent.rule
    assert rule is not None  # noqa: S101 - the caller looks
    identifier = gate_id(gate, rule)
    bound = state.bound if rules.workflows.one_pull_request else None
    if bound and signal.pull_request not in (None, bound):
        return Decision(other_pull_request(state, bound, signal), gate=gate)
    if workflow.shutdown and not workflow.finished:
        return Decision(
            Verdict.of("workflow-stopping", workflow=workflow.ref.name, shutdown=workflow.shutdown), gate=gate
        )
    view = view_gate(workflow, state, gate, identifier, rules)
    if view.is_over:
        return _too_late(view, signal, rules, state)
    kept = state.with_signal(signal)
    mine = kept.find(signal.identity) or signal
    folded = fold(kept, rules, identifier, now, moved=last_move(state, identifier))
    against = folded.verdicts.get(mine.identity)
    if against:  # what is revoked stays remembered, so that the order of arrival does not matter
        return Decision(against, kept if against.code in _REMEMBERED else None, gate=gate)
    if view.verdict and view.verdict.outcome != "parked":
        return Decision(view.verdict, gate=gate, node=view.node)
    if view.verdict and rule.early == "refuse":
        return Decision(Verdict.of("early", workflow=workflow.ref.name, gate=gate), gate=gate)
    return _move(mine, gate, view, folded, workflow, kept, now)


def _move(
    mine: Signal, gate: str, view: GateView, folded: Folded, workflow: Workflow, state: State, now: datetime
) -> Decision:
    """Move the node with this signal among those that move it; else it waits."""
    standing = folded.standing_of(mine)
    if standing is None or view.target is None:
        waiting = view.verdict or Verdict.of("not-reached", workflow=workflow.ref.name, gate=gate, hint="")
        return Decision(waiting, state, gate=gate, node=view.node)
    node = view.target.id
    movers = standing.movers(mine)
    if not movers:
        verdict = Verdict.of("quorum", count=standing.people, quorum=standing.needed, gate=gate)
        return Decision(verdict, state, gate=gate, node=node)
    if folded.standings[0] is not standing:
        first = folded.standings[0].pull_request or "no pull request"
        return Decision(Verdict.of("older-first", pull_request=first, gate=gate), state, gate=gate, node=node)
    return use_signals(movers, standing.how, gate, view.target, workflow, state, now)


def _too_late(view: GateView, signal: Signal, rules: Rules, state: State) -> Decision:
    """Answer for a gate that no longer waits.

    An approval is remembered all the same where it ends a request for changes by the same person, also one that arrives
    later: the gate may stand again after a retry.
    """
    verdict = view.verdict or Verdict.of("already-open", gate=view.gate, how=BY_HAND)
    decision = Decision(verdict, gate=view.gate, node=view.node)
    if signal.verdict != "approved" or not _may_request_changes(signal, rules):
        return decision
    return decision._replace(state=state.with_signal(signal._replace(gate=None, outputs={})))


def _may_request_changes(signal: Signal, rules: Rules) -> bool:
    """Return whether changes that this person requests stand against an approval."""
    request = signal._replace(verdict="changes_requested")
    return any(is_withdrawal(request, rule, rules) for _, rule in rules.each_rule())


def use_signals(
    movers: Iterable[Signal], how: str, gate: str, node: Node, workflow: Workflow, state: State, now: datetime
) -> Decision:
    """Move a node with these signals.

    Raises:
        Rejection: `missing-output` or `unsafe-output`.
    """
    movers = tuple(movers)
    first = movers[0]
    finished_at = format_time(now)
    offered = {name: value for signal in reversed(movers) for name, value in signal.outputs.items()}
    try:
        values = values_for(node, offered, fails=how == "fail")
    except Rejection as rejection:
        rejection.gate, rejection.node = gate, node.id
        raise
    message = _message(first, how, len(movers) - 1)
    move = Move(node, "Succeeded" if how == "open" else "Failed", finished_at, message, values)
    uses = [
        Use(
            id=signal.id,
            source=signal.source,
            gate=signal.gate or gate,
            happened=signal.happened,
            pull_request=signal.pull_request,
            node=node.id,
            started=node.started,
            at=parse_time(finished_at),
            how=how,
            # Argo Server moves an offloaded node in a second step; until that is done the signal is claimed.
            claimed=workflow.stored == "offloaded",
        )
        for signal in movers
    ]
    is_claim = workflow.stored == "offloaded"  # its outputs are needed again if somebody else finishes it
    uses_state = state._replace(used=(*state.used, *uses)) if is_claim else state.with_use(uses)
    code = "opened" if how == "open" else "failed"
    return Decision(Verdict.of(code, gate=gate, message=message), uses_state, move, gate, node.id)


def _message(signal: Signal, how: str, others: int) -> str:
    """Return what a person reads at the node: who moved it, and by which event."""
    verb = "opened" if how == "open" else "failed"
    who = f" of {_plain(signal.person)}" if signal.person else ""
    more = f" and {others} more" if others else ""
    what = f" on {_plain(signal.pull_request)}" if signal.pull_request else ""
    return f"{verb} by {_plain(signal.name)}{who}{more}{what} (taskgate, event {_plain(signal.id)})"


def _plain(text: str) -> str:
    """Return text from outside without what a terminal or a template would act on."""
    if text.isascii():  # nearly always, and much faster
        return _UNPLAIN.sub("", text)[:120]
    kept = (character for character in text if unicodedata.category(character)[0] in "LNPS" and character not in "{}")
    return "".join(kept)[:120]


def _revoke(intent: Intent, signal: Signal, rules: Rules, workflow: Workflow, state: State, now: datetime) -> Decision:
    """Remember an event that revokes, and say what it revoked."""
    known = state.with_signal(signal)
    gates = rules.gate_ids()
    revoked: dict[str, list[str]] = {}
    newer: list[str] = []
    over: list[str] = []
    for identifier, (gate, _) in gates.items():
        if gate not in intent.revokes and not signal.gone:
            continue
        folded = fold(known, rules, identifier, now, moved=last_move(state, identifier))
        ids = [each[0] for each, verdict in folded.verdicts.items() if verdict.data.get("event") == signal.id]
        if ids:
            revoked.setdefault(gate, []).extend(ids)
        elif any(signal.pull_request == standing.pull_request for standing in folded.standings):
            newer.append(gate)
        elif view_gate(workflow, state, gate, identifier, rules).is_over and not workflow.finished:
            over.append(gate)
    if signal.verdict == "dismissed" and not revoked:
        reviews = [each.id for each in state.signals if each.review == signal.review and each.id != signal.id]
        revoked = {gate: reviews for gate in intent.revokes if reviews}
        newer = []
    verdict = _revoked(intent, signal, revoked, newer, over)
    return Decision(verdict, known, gate=next(iter(revoked or intent.revokes), None))


def _revoked(
    intent: Intent, signal: Signal, revoked: dict[str, list[str]], newer: list[str], over: list[str]
) -> Verdict:
    ids = ", ".join(f"event {each}" for each in sorted({each for found in revoked.values() for each in found}))
    if signal.gone:
        how = {"left": "has left", "closed": "was closed unmerged, so it is gone from", "merged": "was merged for"}
        what = f"revoked {ids}" if ids else "nothing waited, and late signals of it will be refused"
        if signal.gone == "merged":
            what = "the Workflow is free for another pull request"
        return Verdict.of(
            "left", pull_request=signal.pull_request, how=how[signal.gone], task=intent.task.id, what=what
        )
    if revoked:
        return Verdict.of("revoked-signals", gates=", ".join(revoked), signals=ids)
    if intent.refused:
        return intent.refused
    if newer and not over:
        return Verdict.of("revoked-nothing", gates=", ".join(newer))
    if over and not newer:
        return Verdict.of("nothing-waits", gate=", ".join(over))
    return Verdict.of("revokes-later", gates=", ".join(intent.revokes))


def finish_claim(use: Use, rules: Rules, workflow: Workflow, state: State, now: datetime) -> Decision:
    """Decide about a node that was claimed, when what came of it is not known: look at the node.

    Raises:
        Rejection: `claim-pending`, when the node is not there yet.
    """
    gate = next((name for name, _ in [rules.gate_ids().get(use.gate, (use.gate, []))]), use.gate)
    together = [each for each in state.claims if each.node == use.node]
    signals = [signal for each in together if (signal := state.find(each.identity))]
    node = workflow.node(use.node or "")
    if node is None or node.phase in ("", "Pending"):
        raise Rejection("claim-pending", gate=gate, node=use.node)
    message = _message(signals[0], use.how, len(signals) - 1) if signals else ""
    confirmed = state.with_use([each._replace(claimed=False) for each in together])
    if node.phase == "Running":
        move = use_signals(signals, use.how, gate, node, workflow, state._replace(used=_without(state, together)), now)
        return _remembering(move, move.state or state, rules, workflow, now)
    wanted = "Succeeded" if use.how == "open" else "Failed"
    if node.phase == wanted and node.raw.get("message") == message:
        code = "opened" if use.how == "open" else "failed"
        done = Decision(Verdict.of(code, gate=gate, message=message), gate=gate, node=node.id)
        return _remembering(done, confirmed, rules, workflow, now)
    by_hand = state.with_use([each._replace(claimed=False, by_hand=True) for each in together])
    if node.phase == "Succeeded":
        verdict = Verdict.of("already-open", gate=gate, how=BY_HAND)
    else:
        verdict = Verdict.of("gate-failed", gate=gate, phase=node.phase)
    return _remembering(Decision(verdict, gate=gate, node=node.id), by_hand, rules, workflow, now)


def _without(state: State, uses: Iterable[Use]) -> tuple[Use, ...]:
    gone = {use.identity for use in uses}
    return tuple(use for use in state.used if use.identity not in gone)


def settle(workflow: Workflow, claimed: Decision, rules: Rules, now: datetime) -> Decision:
    """Remember that Argo Server has moved the claimed node."""
    state = read_state(workflow)
    mine = [use for use in state.claims if use.node == claimed.node]
    if not mine:
        return claimed._replace(state=None, move=None)  # somebody else finished the claim
    settled = state.with_use([use._replace(claimed=False) for use in mine])
    return _remembering(claimed._replace(move=None), settled, rules, workflow, now)


def decide_release(workflow: Workflow, rules: Rules, now: datetime) -> Decision:
    """Decide about a Workflow on which signals wait, and which has changed: move at most one gate."""
    name = workflow.ref.name
    if not rules.workflows.parsed_selector.matches(workflow.labels):
        return Decision(Verdict.of("selector-mismatch", workflow=name, selector=rules.workflows.selector))
    if workflow.finished or workflow.shutdown:
        why = "has come to its end" if workflow.finished else "is being stopped"
        return Decision(Verdict.of("nothing-to-release", detail=f"Workflow {name} {why}: what waits on it is kept."))
    old = read_state(workflow)
    if old.claims:
        return finish_claim(old.claims[0], rules, workflow, old, now)
    state = _used_up_by_hand(old, rules, workflow, now)
    candidates: list[tuple[Standing, str, str]] = []
    details: list[str] = []
    for identifier, (gate, _) in rules.gate_ids().items():
        folded = fold(state, rules, identifier, now, moved=last_move(state, identifier))
        candidates += [(standing, gate, identifier) for standing in folded.standings[:1]]
        details += [f"{gate}: {verdict.sentence}" for verdict in folded.verdicts.values()]
    blocked: Decision | None = None
    for standing, gate, identifier in sorted(candidates, key=lambda each: each[0].signals[0].order):
        decision = _release(standing, gate, identifier, rules, workflow, state, now)
        if decision.move:
            return _remembering(decision, decision.state or state, rules, workflow, now)
        if decision.outcome in ("ambiguous", "incomplete"):  # somebody has to do something about it
            blocked = blocked or decision
        details.append(decision.verdict.sentence)
    nothing = Verdict.of("nothing-to-release", detail=" ".join(details) or "No signal waits on it.")
    return _remembering(blocked or Decision(nothing), state, rules, workflow, now)


def _release(
    standing: Standing, gate: str, identifier: str, rules: Rules, workflow: Workflow, state: State, now: datetime
) -> Decision:
    """Move a gate with the signals that wait for it, if the Workflow stands there."""
    signal = standing.signals[0]
    task = Task(signal.task or "", signal.repository, "signal")
    disagreement = rules.workflows.disagreement(workflow.labels, task)
    if disagreement:
        why = Verdict.of("wrong-labels", workflow=workflow.ref.name, task=task, why=disagreement)
        return Decision(why, gate=gate, task=task)
    view = view_gate(workflow, state, gate, identifier, rules)
    movers = standing.movers()
    if view.target is None or not movers:
        verdict = view.verdict or Verdict.of("quorum", count=standing.people, quorum=standing.needed, gate=gate)
        return Decision(verdict, gate=gate, node=view.node, task=task)
    try:
        return use_signals(movers, standing.how, gate, view.target, workflow, state, now)._replace(task=task)
    except Rejection as rejection:
        return Decision(rejection.verdict, gate=gate, node=view.target.id, task=task)


def _used_up_by_hand(state: State, rules: Rules, workflow: Workflow, now: datetime) -> State:
    """A gate that somebody opened by hand uses up what waited for it."""
    uses = []
    for identifier, (gate, given) in rules.gate_ids().items():
        unused = [each for each in state.signals if each.gate == identifier and not state.use_of(each.identity)]
        moved = {(use.node, use.started) for use in state.used}
        nodes = workflow.gate_nodes(gate, given[0].inputs)
        by_hand = [node for node in nodes if node.phase == "Succeeded" and (node.id, node.started) not in moved]
        if not unused or not by_hand:
            continue
        verdicts = fold(state, rules, identifier, now, moved=last_move(state, identifier)).verdicts
        waiting = [each for each in unused if each.identity not in verdicts or verdicts[each.identity].code in _WAITING]
        over = bool(nodes) and all(node.is_finished for node in nodes) and not any(rule.rounds for rule in given)
        for signal in waiting:
            node = next((each for each in by_hand if over or _finished_after(each, signal)), None)
            if node:
                uses.append(
                    Use(
                        id=signal.id,
                        source=signal.source,
                        gate=identifier,
                        happened=signal.happened,
                        pull_request=signal.pull_request,
                        node=node.id,
                        started=node.started,
                        at=now.replace(microsecond=0),
                        by_hand=True,
                    )
                )
    return state.with_use(uses) if uses else state


def _finished_after(node: Node, signal: Signal) -> bool:
    """Return whether the signal waited for the gate when the node was opened."""
    try:
        return signal.written is not None and parse_time(node.raw.get("finishedAt")) > signal.written
    except ValueError:
        return False


__all__ = ["Decision", "decide", "decide_release", "describe", "rule_of", "settle"]

"""(intent, rules, Workflow, now) -> Decision: what an event does to a Workflow."""

from __future__ import annotations

from datetime import datetime, timedelta

from func.core.claims import finish_claim, without_void_claims
from func.core.fold import Folded, fold, is_withdrawal, other_pull_request
from func.core.gates import GateView, view_gate, why_used, why_waiting
from func.core.intents import Intent
from func.core.moves import Decision, remember, use_signals, used_up_by_hand
from func.core.reasons import Verdict
from func.core.rules import Rules, gate_id
from func.core.signals import Signal, State, Use, read_state
from func.core.situation import Situation
from func.core.values import format_time
from func.core.workflows import Workflow

MAX_AGE = timedelta(minutes=5)  # an older event is about an earlier Workflow
_GONE = {"left": "has left", "closed": "was closed unmerged, so it is gone from", "merged": "was merged for"}
_REMEMBERED = frozenset({"revoked", "overtaken", "pull-request-gone", "expired", "changes-requested"})


def decide(intent: Intent, rules: Rules, workflow: Workflow, now: datetime) -> Decision:
    """Make the checks of an event that need its Workflow: age, duplicate, pull request, signal and gate.

    Raises:
        Rejection: when the Workflow or its annotation cannot be read, or the gate's outputs cannot be filled in.
    """
    if workflow.finished and not workflow.may_be_retried:
        return _decide_finished(intent, workflow)
    signal = intent.signal._replace(written=now.replace(microsecond=0))
    stopping = _why_stopping(workflow) if workflow.shutdown and intent.rule else None
    if is_too_old(signal, workflow):
        happened, created = format_time(signal.happened), format_time(workflow.created)
        too_old = Verdict.of("too-old", happened=happened, workflow=workflow.ref.name, created=created)
        return Decision(intent.refused or stopping or too_old)
    old = read_state(workflow)
    situation = without_void_claims(Situation(rules, workflow, old, now), signal)
    use = situation.state.use_of(signal.identity)
    if use and use.claimed:
        return finish_claim(use, situation)
    if not workflow.finished:
        situation = used_up_by_hand(situation)
    use = situation.state.use_of(signal.identity)
    if use:
        duplicate = Decision(stopping) if stopping else _decide_duplicate(use)
        return duplicate if situation.state is old else remember(duplicate, situation)
    decision = None
    if intent.rule:
        decision = Decision(stopping) if stopping else _move_or_keep(intent, signal, situation)
    if decision is None or (decision.state is None and (intent.revokes or signal.gone)):
        # An event revokes signals also when it does not move a gate itself.
        revoking = _revoke(intent, signal.without_gate(), situation)
        decision = revoking if decision is None else decision._replace(state=revoking.state)
    if decision.state is None:
        return decision
    decision = remember(decision, situation.with_state(decision.state))
    if decision.outcome == "parked" and decision.state and not decision.state.find(signal.identity):
        # The annotation's limits left no room for it.
        until = format_time(signal.happened)
        return decision._replace(verdict=Verdict.of("forgotten", workflow=workflow.ref.name, until=until))
    return decision


def _why_stopping(workflow: Workflow) -> Verdict | None:
    """Return why no gate of a Workflow moves; None for one that has ended, because `argo retry` can continue it."""
    if workflow.finished:
        return None
    return Verdict.of("workflow-stopping", workflow=workflow.ref.name, shutdown=workflow.shutdown)


def is_too_old(signal: Signal, workflow: Workflow) -> bool:
    """Return whether an event is about an earlier Workflow; a dismissal revokes its review whenever it happened."""
    return signal.verdict != "dismissed" and signal.happened < workflow.created - MAX_AGE


def _decide_duplicate(use: Use) -> Decision:
    """Return the decision for an event whose signal was already used: it changes nothing."""
    return Decision(why_used(use), gate=use.gate, node=use.node)


def _decide_finished(intent: Intent, workflow: Workflow) -> Decision:
    """Decide about a Workflow that has ended: a late redelivery is a `duplicate`, all else comes too late."""
    if intent.rule is None or intent.gate is None:
        return Decision(intent.refused or Verdict.of("nothing-to-revoke", task=intent.task))
    use = read_state(workflow).use_of(intent.signal.identity)
    if use:
        return _decide_duplicate(use)
    if not is_too_old(intent.signal, workflow):
        nodes = workflow.gate_nodes(intent.gate, intent.rule.inputs)
        opened = next((node for node in nodes if node.phase == "Succeeded"), None)
        if opened:
            how = f"and Workflow {workflow.ref.name} has come to its end"
            return Decision(Verdict.of("already-open", gate=intent.gate, how=how), node=opened.id)
    return Decision(Verdict.of("workflow-finished", task=intent.task))


def _move_or_keep(intent: Intent, signal: Signal, situation: Situation) -> Decision:
    """Decide about an event that may move a gate; nothing is remembered where `state` stays None."""
    rules, workflow, state, _ = situation
    gate, rule = intent.gate or "", intent.rule
    assert rule is not None  # noqa: S101 - the caller looks
    identifier = gate_id(gate, rule)
    of_another = other_pull_request(state, rules, signal)
    if of_another:
        return Decision(of_another)
    view = view_gate(situation, identifier)
    if view.is_over and view.verdict:
        return _too_late(Decision(view.verdict, node=view.node), signal, rules, state)
    kept = state.with_signal(signal)
    mine = kept.find(signal.identity) or signal
    remembering = situation.with_state(kept)
    folded = fold(remembering, identifier)
    against = folded.verdicts.get(mine.identity)
    is_early = rule.early == "refuse" and view.verdict is not None and view.verdict.outcome == "parked"
    if against and not (is_early and against.outcome == "parked"):
        # A revoked signal stays remembered, so that the order of arrival does not matter.
        is_veto = against.code == "forgotten" and rule.then == "fail"  # it overtakes what names no pull request
        is_kept = (against.code in _REMEMBERED or is_veto) and not is_early
        return Decision(against, kept if is_kept else None)
    if view.verdict and view.verdict.outcome != "parked":
        return Decision(view.verdict, node=view.node)
    if is_early:
        return Decision(Verdict.of("early", workflow=workflow.ref.name, gate=gate))
    return _move(mine, gate, view, folded, remembering)


def _move(mine: Signal, gate: str, view: GateView, folded: Folded, situation: Situation) -> Decision:
    """Move the node with this signal and others, or let the signal wait."""
    standing = folded.standing_of(mine)
    movers = standing.movers(mine)
    why = why_waiting(gate, standing, movers, folded, view)
    if why:
        return Decision(why, situation.state, node=view.node)
    assert view.target is not None  # noqa: S101 - why_waiting looks
    return use_signals(movers, standing.how, gate, view.target, situation)


def _too_late(decision: Decision, signal: Signal, rules: Rules, state: State) -> Decision:
    """Remember an approval for a gate that no longer waits, because the gate may stand again after a retry.

    It ends what its person requested before, also where that arrives later.
    """
    # Changes that this person requests block approvals where a rule lets them.
    request = signal._replace(verdict="changes_requested")
    if signal.verdict != "approved" or not any(is_withdrawal(request, rule, rules) for _, rule in rules.each_rule()):
        return decision
    return decision._replace(state=state.with_signal(signal.without_gate()))


def _revoke(intent: Intent, signal: Signal, situation: Situation) -> Decision:
    """Remember an event that revokes, and answer what it revoked."""
    known = situation.with_state(situation.state.with_signal(signal))
    revoked: dict[str, list[str]] = {}
    newer: list[str] = []
    over: list[str] = []
    for identifier, (gate, _) in situation.rules.gate_ids.items():
        if gate not in intent.revokes and not signal.gone:
            continue
        folded = fold(known, identifier)
        ids = [each[0] for each, verdict in folded.verdicts.items() if verdict.data.get("event") == signal.id]
        is_older = signal.verdict != "dismissed" and any(signal.is_of(each.pull_request) for each in folded.standings)
        if ids:
            revoked.setdefault(gate, []).extend(ids)
        elif is_older:
            newer.append(gate)
        elif view_gate(situation, identifier).is_over and not situation.workflow.finished:
            over.append(gate)
    verdict = _what_it_revoked(intent, signal, revoked, newer, over)
    return Decision(verdict, known.state, gate=next(iter(revoked or intent.revokes), None))


def _what_it_revoked(
    intent: Intent, signal: Signal, revoked: dict[str, list[str]], newer: list[str], over: list[str]
) -> Verdict:
    """Return the answer to an event that revokes.

    Args:
        revoked: gate -> ids of the events that it revokes.
        newer: gates for which only newer signals stand.
        over: gates that no longer wait.
    """
    ids = ", ".join(f"event {each}" for each in sorted({each for found in revoked.values() for each in found}))
    if signal.gone == "merged" and intent.refused:
        return intent.refused  # a merge revokes nothing
    if signal.gone:
        what = f"revoked {ids}" if ids else "nothing waited, and late signals of it will be refused"
        if signal.gone == "merged":
            what = "the Workflow is free for another pull request"
        facts = {"pull_request": signal.pull_request, "task": intent.task.id}
        return Verdict.of("left", **facts, how=_GONE[signal.gone], what=what)
    if revoked:
        return Verdict.of("revoked-signals", gates=", ".join(revoked), signals=ids)
    if intent.refused:
        return intent.refused
    if newer and not over:
        return Verdict.of("revoked-nothing", gates=", ".join(newer))
    if over and not newer:
        return Verdict.of("nothing-waits", gate=", ".join(over))
    return Verdict.of("revokes-later", gates=", ".join(intent.revokes))

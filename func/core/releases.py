"""(rules, Workflow, now) -> Decision: which waiting signal moves a gate of a Workflow that has changed."""

from __future__ import annotations

from datetime import datetime

from func.core.claims import finish_claim, next_claim, without_void_claims
from func.core.fold import Folded, fold
from func.core.gates import view_gate, why_waiting
from func.core.moves import Decision, remember, use_signals, used_up_by_hand
from func.core.outcomes import Task
from func.core.reasons import Rejection, Verdict
from func.core.rules import Rules
from func.core.signals import read_state
from func.core.situation import Situation
from func.core.workflows import Workflow


def decide_release(workflow: Workflow, rules: Rules, now: datetime) -> Decision:
    """Decide about a Workflow on which signals wait, and which has changed: move at most one gate."""
    name = workflow.ref.name
    if not rules.workflows.parsed_selector.matches(workflow.labels):
        return Decision(Verdict.of("selector-mismatch", workflow=name, selector=rules.workflows.selector))
    if workflow.finished or workflow.shutdown:
        why = "has come to its end" if workflow.finished else "is being stopped"
        return Decision(Verdict.of("nothing-to-release", detail=f"Workflow {name} {why}: what waits on it is kept."))
    situation = without_void_claims(Situation(rules, workflow, read_state(workflow), now))
    claim = next_claim(situation)
    if claim:
        return finish_claim(claim, situation)
    situation = used_up_by_hand(situation)
    candidates: list[tuple[Folded, str, str]] = []
    details: list[str] = []
    for identifier, (gate, _) in rules.gate_ids.items():
        folded = fold(situation, identifier)
        if folded.standings:
            candidates.append((folded, gate, identifier))
        details += [f"{gate}: {verdict.sentence}" for verdict in folded.verdicts.values()]
    blocked: Decision | None = None
    for folded, gate, identifier in sorted(candidates, key=lambda each: each[0].standings[0].signals[0].order):
        decision = _release(folded, gate, identifier, situation)
        if decision.move:
            return remember(decision, situation.with_state(decision.state or situation.state))
        if decision.outcome in ("ambiguous", "incomplete"):  # a person has to act
            blocked = blocked or decision
        details.append(decision.verdict.sentence)
    nothing = Verdict.of("nothing-to-release", detail=" ".join(details) or "No signal waits on it.")
    return remember(blocked or Decision(nothing), situation)


def _release(folded: Folded, gate: str, identifier: str, situation: Situation) -> Decision:
    """Move a gate with the oldest signals that wait for it, if the Workflow waits there."""
    standing = folded.standings[0]
    signal = standing.signals[0]
    task = Task(signal.task or "", signal.repository, "signal")
    view = view_gate(situation, identifier)
    why = why_waiting(gate, standing, standing.movers(), folded, view)
    if why:
        return Decision(why, gate=gate, node=view.node, task=task)
    assert view.target is not None  # noqa: S101 - why_waiting looks
    incomplete: Verdict | None = None
    for each in standing.signals:  # a newer one may give an output that the oldest lacks
        movers = standing.movers(each)
        if not movers:
            continue
        try:
            return use_signals(movers, standing.how, gate, view.target, situation)._replace(task=task)
        except Rejection as rejection:
            incomplete = incomplete or rejection.verdict
    assert incomplete is not None  # noqa: S101 - a standing has a signal
    return Decision(incomplete, gate=gate, node=view.target.id, task=task)

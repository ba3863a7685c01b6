"""(aim, rules, workflow, now) -> Decision: may this gate open, and what is written."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from func.core import state as remembered
from func.core.aim import Aim, Bring
from func.core.events import Facts, parse_time, show_time
from func.core.outcomes import Answer, No, Outcome, Task, Trail
from func.core.patches import Opening, Operation, values_for, write
from func.core.rules import Rules, Way, slug
from func.core.state import Key, State
from func.core.workflows import Workflow

MAX_AGE = timedelta(minutes=5)  # an event of before its Workflow was created is about another one


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and what is answered when it was done.

    Args:
        patch: empty when there is nothing to write.
        state: what is remembered after the patch.
        opening: the node that the patch opens.
        claim: for offloaded nodes, the opening that Argo Server carries out after the patch, before `settle`.
    """

    answer: Answer
    patch: list[Operation]
    state: State
    opening: Opening | None = None
    claim: Opening | None = None

    def is_done_on(self, workflow: Workflow) -> bool:
        """Does the Workflow remember what this decision wrote?"""
        return workflow.state == self.state.text()


def disagreement(workflow_labels: Mapping[str, str], rules: Rules, task: Task) -> str | None:
    """Why a Workflow is not the task's, whatever its name; None when it is."""
    workflows = rules.workflows
    if not workflows.parsed_selector.matches(workflow_labels):
        return f"its labels do not fit {workflows.selector}"
    wanted = {workflows.labels.task: task.id}
    if workflows.labels.repository:
        wanted[workflows.labels.repository] = slug(task.repository or "")
    for label, value in wanted.items():
        if workflow_labels.get(label) != value:
            return f"its label {label} is not {value}"
    return None


def decide(aim: Aim, rules: Rules, workflow: Workflow, now: datetime, trail: Trail) -> Decision:
    """The checks of an event on its Workflow: age, duplicate, pull request, key, gate.

    Raises: No, at the first check that says no and where nothing is to be written.
    """
    facts = aim.event.facts
    _check_age(facts, workflow, trail)
    old = remembered.read_state(workflow)
    _check_duplicate(facts, old, trail)
    state = remembered.tidy(old, workflow, now)
    if workflow.finished:
        raise _finished(aim, workflow, state)
    if not aim.closes:
        _check_pull_request(facts, rules, state, workflow)
    trail.passed("pull request", facts.pull_request or "the event has none")
    if aim.bring is None:
        return _take_back(aim, workflow, state)
    try:
        if aim.closes:  # that it closes its pull request is noted all the same
            _check_pull_request(facts, rules, state, workflow)
        decision = _telling(old, _use_or_keep(aim.task, aim.bring, rules, workflow, state, now, trail))
    except No as no:
        if not (aim.take_back or aim.closes):
            raise
        decision = Decision(Answer(no.outcome, no.reason, gate=aim.gate), [], state)
    if aim.take_back or aim.closes:
        taken = _take_back(aim, workflow, decision.state)
        patch = write(workflow, taken.state, decision.opening)
        decision = replace(decision, patch=patch, state=taken.state)
    return decision


def _telling(before: State, decision: Decision) -> Decision:
    """The same decision; its answer names the waiting key whose place was taken, which nothing else remembers."""
    answer = decision.answer
    key = before.keys.get(answer.gate or "")
    if key is None or key.state != "waiting" or decision.state.keys[answer.gate or ""].event == key.event:
        return decision
    reason = f"{answer.reason} The key of event {key.event} of {show_time(key.happened)} is overtaken."
    return replace(decision, answer=replace(answer, reason=reason))


def _check_age(facts: Facts, workflow: Workflow, trail: Trail) -> None:
    if facts.happened < workflow.created - MAX_AGE:
        raise No(
            "refused",
            f"The event happened at {show_time(facts.happened)}, but Workflow {workflow.ref.name} "
            f"was only created at {show_time(workflow.created)}: it is about an earlier one.",
        )
    trail.passed("age", f"it happened at {show_time(facts.happened)}, in the Workflow's life")


def _check_duplicate(facts: Facts, state: State, trail: Trail) -> None:
    used = state.used_by(facts.event)
    if used:
        gate, key = used
        raise No("duplicate", f"This very event has opened {gate} before.", gate=gate, node=key.node)
    trail.passed("duplicate", "this event was not used before")


def _finished(aim: Aim, workflow: Workflow, state: State) -> No:
    """Late redeliveries end well; everything else comes too late."""
    gate, way = aim.gate, aim.bring.way if aim.bring else None
    if gate and way and _was_opened(gate, way, workflow, state):
        return No("already-open", f"{gate} was opened before, and Workflow {workflow.ref.name} has come to its end.")
    if way is None:
        return No("ignored", f"Workflow {workflow.ref.name} has come to its end, there is no key to take back.")
    return No("no-workflow", f"{aim.task} has no Workflow that is still under way.")


def _was_opened(gate: str, way: Way, workflow: Workflow, state: State) -> bool:
    key = state.keys.get(gate)
    if key and key.state == "used":
        return True
    return any(node.phase == "Succeeded" for node in workflow.gate_nodes(gate, way.inputs))


def _check_pull_request(facts: Facts, rules: Rules, state: State, workflow: Workflow) -> None:
    mine = facts.pull_request
    if mine is None:
        return
    bound = state.pull_request if rules.workflows.one_pull_request else None
    if bound not in (None, mine):
        free = remembered.free_by_hand(workflow)
        raise No("refused", f"Workflow {workflow.ref.name} belongs to {bound}, not to {mine}; {free}.")
    closed = state.closed
    if closed and closed.pull_request == mine and facts.happened <= closed.happened:
        raise No("refused", f"{mine} was closed unmerged at {show_time(closed.happened)}, and this event is not newer.")


def _take_back(aim: Aim, workflow: Workflow, state: State) -> Decision:
    """Take keys away, and note it for those that are still on their way."""
    facts = aim.event.facts
    outcomes: list[tuple[str | None, Outcome, str]] = []
    for item in aim.take_back:
        state, outcome, reason = remembered.withdraw(state, item.gate, facts, item.note, rounds=item.rounds)
        outcomes.append((item.gate, outcome, f"{item.gate}: {reason}"))
    if aim.closes:
        state = remembered.close(state, facts)
        outcomes.append((None, "withdrawn", f"{facts.pull_request} was closed unmerged: its waiting keys go"))
    # The strongest thing that was done is the outcome of them all.
    order: tuple[Outcome, ...] = ("withdrawn", "refused", "already-open")
    gate, outcome, _ = min(outcomes, key=lambda item: order.index(item[1]))
    reason = "; ".join(text for _, _, text in outcomes)
    answer = Answer(outcome, f"{reason[0].upper()}{reason[1:]}.", gate=gate)
    return Decision(answer, write(workflow, state), state)


def _use_or_keep(
    task: Task, bring: Bring, rules: Rules, workflow: Workflow, state: State, now: datetime, trail: Trail
) -> Decision:
    for gate, old in state.keys.items():  # whichever gate the rules give this event today
        if old.state == "claimed" and old.event == bring.facts.event:
            return _finish_claim(gate, old, workflow, state, now)
    facts = bring.facts.model_dump()
    key = Key(
        **facts,
        state="waiting",
        task=task.id,
        repository=task.repository,
        written=now.replace(microsecond=0),
        outputs=bring.outputs,
    )
    key = _check_key(key, bring, state)
    trail.passed("key", "no other key and no withdrawal stands against it")
    opening = _check_gate(bring.gate, bring.way, key, workflow, now)
    if opening is None:
        return _keep(bring, key, workflow, state, trail)
    trail.passed("gate", f"node {opening.node.id} is waiting")
    return _use(bring.gate, key, opening, rules, workflow, state)


def _check_key(key: Key, bring: Bring, state: State) -> Key:
    """What is remembered for this gate against the new key.

    Returns: the key, with what must stay remembered.
    Raises: No.
    """
    gate, old = bring.gate, state.keys.get(bring.gate)
    if old is None:
        return key
    if old.state in ("used", "claimed") and not bring.way.rounds:
        raise No("already-open", f"{gate} was opened before, by event {old.event}.", node=old.node)
    if old.state == "claimed":
        raise No("unavailable", f"{gate} is about to be opened by event {old.event}; try again.", node=old.node)
    if old.event == key.event:
        if old.state == "withdrawn":
            raise No("refused", f"The key of this very event was withdrawn: {old.why or 'a withdrawal came first'}.")
    else:
        _check_order(key, old, bring)
    for note in old.notes:
        if note.is_against(key):
            raise No("refused", f"Event {note.event} took it back at {show_time(note.happened)}, and it is not newer.")
    if old.floor is not None and key.happened <= old.floor:
        raise No("refused", f"Withdrawals up to {show_time(old.floor)} stand against it, and it is not newer.")
    if old.event == key.event and old.state == "waiting":
        key = key.with_(written=old.written, unfinished=old.unfinished)
    old = old.given_way(key.pull_request)
    rounds = old.rounds + ((old.event,) if old.state == "used" else ())
    return key.with_(notes=old.notes, floor=old.floor, rounds=rounds)


def _check_order(key: Key, old: Key, bring: Bring) -> None:
    """A key gives way only to a newer one; reviews of the same second are told apart by their numbers."""
    if old.state == "used":  # an earlier round
        newest = max([old.happened, *(note.happened for note in old.notes)])
        if key.happened <= newest:
            raise No(
                "refused", f"It is not newer than the last round of {bring.gate}, which ended {show_time(newest)}."
            )
        return
    if not old.was_kept or (old.state == "withdrawn" and old.pull_request != key.pull_request):
        return
    if key.happened > old.happened:
        return
    if key.happened == old.happened and (key.review or 0) > (old.review or 0):
        return
    raise No(
        "refused",
        f"Overtaken by event {old.event} of {show_time(old.happened)}: it happened at {show_time(key.happened)}.",
    )


def _check_gate(gate: str, way: Way, key: Key, workflow: Workflow, now: datetime) -> Opening | None:
    """The opening of the one node that waits; None when the gate is not reached yet.

    Raises: No, when several wait, or none will.
    """
    nodes = workflow.gate_nodes(gate, way.inputs)
    running = [node for node in nodes if node.phase == "Running"]
    if len(running) > 1:
        named = ", ".join(node.id for node in running[:5])
        raise No("ambiguous", f"Several nodes wait at {gate}: {named}; only a person can say which one is meant.")
    if running:
        node = running[0]
        return Opening(node, show_time(now), _message(key), values_for(node, key.outputs))
    if not nodes or not all(node.is_finished for node in nodes):
        return None
    if any(node.phase == "Succeeded" for node in nodes):
        if way.rounds:
            return None
        raise No("already-open", f"{gate} was opened before, by hand or by its own duration.", node=nodes[0].id)
    phases = ", ".join(sorted({node.phase for node in nodes}))
    raise No("refused", f"{gate} ended as {phases} and waits no longer.", node=nodes[0].id)


def _message(key: Key) -> str:
    """What a person reads at the node: by whom and by which event it was opened."""
    who = f" of {_plain(key.person)}" if key.person else ""
    what = f" on {_plain(key.pull_request)}" if key.pull_request else ""
    return f"opened by {_plain(key.name)}{who}{what} (taskgate, event {_plain(key.event)})"


def _plain(text: str) -> str:
    """Text from outside, without what a terminal or a template would act on."""
    kept = (character for character in text if unicodedata.category(character)[0] in "LNPS" and character not in "{}")
    return "".join(kept)[:120]


def _use(gate: str, key: Key, opening: Opening, rules: Rules, workflow: Workflow, state: State) -> Decision:
    key = key.with_(node=opening.node.id, written=parse_time(opening.finished_at), unfinished=(), why=None)
    if rules.workflows.one_pull_request:
        state = remembered.bind(state, key)
    answer = Answer("opened", f"{gate} is open: {opening.message}.", gate=gate, node=opening.node.id)
    if workflow.stored == "offloaded":
        state = state.with_key(gate, key.with_(state="claimed"))
        return Decision(answer, write(workflow, state), state, claim=opening)
    state = state.with_key(gate, _used(key))
    return Decision(answer, write(workflow, state, opening), state, opening)


def _used(key: Key) -> Key:
    return key.with_(state="used", outputs={})


def _finish_claim(gate: str, key: Key, workflow: Workflow, state: State, now: datetime) -> Decision:
    """An offloaded node was claimed, and what came of it is not known: look at the node."""
    node = next((node for node in workflow.gate_nodes(gate, {}) if node.id == key.node), None)
    if node is None or node.phase in ("", "Pending"):
        raise No("unavailable", f"The claimed node {key.node} is not there yet; try again.", node=key.node)
    message = _message(key)
    opened = Answer("opened", f"{gate} is open: {message}.", gate=gate, node=node.id)
    used = state.with_key(gate, _used(key))
    if node.phase == "Running":
        opening = Opening(node, show_time(now), message, values_for(node, key.outputs))
        if workflow.stored == "offloaded":
            return Decision(opened, [], state, claim=opening)
        # The nodes have come back into the Workflow since the claim.
        return Decision(opened, write(workflow, used, opening), used, opening)
    if node.phase != "Succeeded":
        answer = Answer("refused", f"{gate} ended as {node.phase} and waits no longer.", gate=gate, node=node.id)
        state = state.with_key(gate, key.withdrawn(f"the gate ended as {node.phase}"))
        return Decision(answer, write(workflow, state), state)
    by_others = f"{gate} was opened before, by hand or by its own duration."
    is_ours = node.raw.get("message") == message
    answer = opened if is_ours else Answer("already-open", by_others, gate=gate, node=node.id)
    return Decision(answer, write(workflow, used), used)


def settle(workflow: Workflow, claimed: Decision) -> Decision:
    """Argo Server has opened the claimed node: its key is used."""
    gate = claimed.answer.gate or ""
    state = remembered.read_state(workflow)
    key, mine = state.keys.get(gate), claimed.state.keys[gate]
    if key is None or key.state != "claimed" or key.event != mine.event:
        return Decision(claimed.answer, [], state)  # a release came first
    state = state.with_key(gate, _used(key))
    return Decision(claimed.answer, write(workflow, state), state)


def _keep(bring: Bring, key: Key, workflow: Workflow, state: State, trail: Trail) -> Decision:
    gate = bring.gate
    if bring.way.early == "refuse":
        raise No("refused", f"Workflow {workflow.ref.name} has not reached {gate}, and the rules keep no key for it.")
    unfinished = tuple(node.id for node in workflow.gate_nodes(gate, bring.way.inputs) if not node.is_finished)
    trail.passed("gate", "it is not reached yet, so the key waits")
    state = state.with_key(gate, key.with_(unfinished=unfinished))
    answer = Answer(
        "parked", f"Workflow {workflow.ref.name} has not reached {gate} yet: the key waits for it.", gate=gate
    )
    return Decision(answer, write(workflow, state), state)


def decide_release(workflow: Workflow, rules: Rules, now: datetime) -> Decision:
    """A Workflow with waiting keys has changed: open at most one gate, with the oldest key that can.

    Raises: No, `ignored`, when there is nothing to do and nothing to write.
    """
    if not rules.workflows.parsed_selector.matches(workflow.labels):
        raise No("ignored", f"The labels of Workflow {workflow.ref.name} do not fit {rules.workflows.selector}.")
    state = _by_hand(remembered.tidy(remembered.read_state(workflow), workflow, now), rules, workflow)
    for gate, key in state.keys.items():
        if key.state == "claimed":
            return _finish_claim(gate, key, workflow, state, now)
    reasons = []
    waiting = [(gate, key) for gate, key in state.keys.items() if key.state == "waiting"]
    for gate, key in sorted(waiting, key=lambda item: item[1].happened):
        try:
            decision = _release(gate, key, rules, workflow, state, now)
        except No as no:
            reasons.append(f"{gate}: {no.reason}")
            continue
        if decision:
            return decision
        reasons.append(f"{gate} is not reached yet.")
    reason = " ".join(reasons) or "No key waits on this Workflow."
    return Decision(Answer("ignored", reason), write(workflow, state), state)


def _release(gate: str, key: Key, rules: Rules, workflow: Workflow, state: State, now: datetime) -> Decision | None:
    """All is checked again: rules, people and the Workflow's labels may have changed since the key came."""
    way = rules.key_still_fits(gate, key)
    if way is None:
        raise No("ignored", f"The rules have no way in any more for event {key.event}.")
    if state.used_by(key.event):
        raise No("ignored", f"Event {key.event} has opened another gate, and opens one only.")
    task = Task(key.task or "", key.repository, "key")
    why_not = disagreement(workflow.labels, rules, task)
    if why_not:
        raise No("ignored", f"Workflow {workflow.ref.name} is not the one of {task} any more, {why_not}.")
    if not rules.allows(way.by, key):
        raise No("ignored", f"{key.person or 'Nobody'} is not among {' or '.join(way.by)} any more.")
    if (key.fork and not way.forks) or (way.fresh and not key.fresh):
        raise No("ignored", f"The rules would refuse event {key.event} today.")
    _check_pull_request(key, rules, state, workflow)
    opening = _check_gate(gate, way, key, workflow, now)
    if opening is None:
        return None
    decision = _use(gate, key, opening, rules, workflow, state)
    return replace(decision, answer=replace(decision.answer, task=task))


def _by_hand(state: State, rules: Rules, workflow: Workflow) -> State:
    """A gate that somebody opened by hand uses the waiting key up."""
    for gate, key in state.keys.items():
        way = rules.key_still_fits(gate, key) if key.state == "waiting" else None
        if way is None:
            continue
        nodes = workflow.gate_nodes(gate, way.inputs)
        if not nodes or not all(node.is_finished for node in nodes):
            continue
        opened = [node for node in nodes if node.phase == "Succeeded"]
        if way.rounds:
            opened = [node for node in opened if node.id in key.unfinished]
        if opened:
            why = "the gate was opened by hand or by its own duration"
            state = state.with_key(gate, key.with_(state="used", node=opened[0].id, why=why, outputs={}))
    return state

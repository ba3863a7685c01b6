"""(aim, rules, workflow, now) -> Decision: may this gate open, and what is remembered."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from func.core import state as remembered
from func.core.aim import Aim, Bring, refusal
from func.core.events import Facts
from func.core.outcomes import Answer, No, Outcome, Task, Trail
from func.core.patches import Opening, values_for
from func.core.rules import Rules, Way
from func.core.state import Key, State, slot_of
from func.core.values import parse_time, show_time
from func.core.workflows import Node, Workflow

MAX_AGE = timedelta(minutes=5)  # an event of before its Workflow was created is about another one
_UNPLAIN = re.compile(r"[^!-z|~]")  # of ASCII
_BY_OTHERS = "by hand or by its own duration"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and what is answered when it was done.

    Args:
        state: what is remembered from now on.
        opening: the node that opens.
    """

    answer: Answer
    state: State
    opening: Opening | None = None

    def is_done_on(self, workflow: Workflow) -> bool:
        """Does the Workflow remember what this decision wrote?"""
        return workflow.state == self.state.text()


def decide(aim: Aim, rules: Rules, workflow: Workflow, now: datetime, trail: Trail) -> Decision:
    """The checks of an event on its Workflow: age, duplicate, pull request, key, gate.

    Raises: No, at the first check that says no and where nothing is to be written.
    """
    facts = aim.event.facts
    if workflow.finished:
        raise _finished(aim, workflow, trail)
    trail.ask("age")
    if _is_too_old(facts, workflow):
        raise No(
            "refused",
            f"The event happened at {show_time(facts.happened)}, but Workflow {workflow.ref.name} "
            f"was only created at {show_time(workflow.created)}: it is about an earlier one.",
        )
    trail.found(f"it happened at {show_time(facts.happened)}, in the Workflow's life")
    trail.ask("duplicate")
    state = remembered.tidy(remembered.read_state(workflow), workflow, now)
    _check_duplicate(facts, state)
    trail.found("this event was not used before")
    trail.ask("pull request")
    try:
        _check_pull_request(facts, rules, state, workflow)
    except No:
        if aim.closes:  # this is noted of every pull request of the task
            return _take_back(aim, state)
        raise
    trail.found(facts.pull_request or "the event has none")
    if not (aim.take_back or aim.closes):
        return _use_or_keep(aim, rules, workflow, state, now, trail)
    try:  # what it takes back and closes is done whatever becomes of the key that it brings
        kept = _use_or_keep(aim, rules, workflow, state, now, trail)
    except No:
        return _take_back(aim, state)
    return replace(kept, state=_take_back(aim, kept.state).state)


def _is_too_old(facts: Facts, workflow: Workflow) -> bool:
    return facts.happened < workflow.created - MAX_AGE


def _check_duplicate(facts: Facts, state: State) -> None:
    used = state.used_by(facts.event)
    if used:
        slot, key = used
        opened = f"was used up when {slot} was opened {_BY_OTHERS}" if key.why else f"has opened {slot} before"
        raise No("duplicate", f"This very event {opened}.", gate=slot, node=key.node)


def _finished(aim: Aim, workflow: Workflow, trail: Trail) -> No:
    """Late redeliveries end well; everything else comes too late."""
    facts, bring = aim.event.facts, aim.bring
    if isinstance(bring, No):
        return bring
    if bring is None:
        return No("ignored", f"Workflow {workflow.ref.name} has come to its end, there is no key to take back.")
    if not _is_too_old(facts, workflow):
        trail.ask("duplicate")
        state = remembered.read_state(workflow)
        try:
            _check_duplicate(facts, state)
        except No as no:
            return no
        trail.ask("gate")
        key = state.keys.get(bring.slot)
        nodes = workflow.gate_nodes(bring.gate, bring.way.inputs)
        if (key and key.state == "used") or any(node.phase == "Succeeded" for node in nodes):
            return No(
                "already-open", f"{bring.gate} was opened before, and Workflow {workflow.ref.name} has come to its end."
            )
    trail.ask("workflow")
    return No("no-workflow", f"No Workflow of {aim.task} is still under way.")


def _check_pull_request(facts: Facts, rules: Rules, state: State, workflow: Workflow) -> None:
    mine = facts.pull_request
    if mine is None:
        return
    bound = state.pull_request if rules.workflows.one_pull_request else None
    if bound not in (None, mine):
        free = remembered.free_by_hand(workflow)
        raise No("refused", f"Workflow {workflow.ref.name} belongs to {bound}, not to {mine}; {free}.")
    closed = state.closed
    is_closing = facts.name == "pull_request.closed" and facts.merged is False  # which may itself open a gate
    if closed and closed.pull_request == mine and facts.happened <= closed.happened and not is_closing:
        raise No("refused", f"{mine} was closed unmerged at {show_time(closed.happened)}, and this event is not newer.")


def _take_back(aim: Aim, state: State) -> Decision:
    """Take keys away, and note it for those that are still on their way."""
    facts = aim.event.facts
    outcomes: list[tuple[str | None, Outcome, str]] = []
    for item in aim.take_back:
        state, outcome, reason = remembered.withdraw(state, item.slot, facts, rounds=item.way.rounds)
        outcomes.append((item.gate, outcome, reason))
    if aim.closes:
        state = remembered.close(state, facts)
        outcomes.append((None, "withdrawn", f"{facts.pull_request} was closed unmerged, so its waiting keys go."))
    # The strongest thing that was done is the outcome of them all.
    order: tuple[Outcome, ...] = ("withdrawn", "refused", "already-open")
    gate, outcome, _ = min(outcomes, key=lambda item: order.index(item[1]))
    return Decision(Answer(outcome, " ".join(reason for _, _, reason in outcomes), gate=gate), state)


def _use_or_keep(aim: Aim, rules: Rules, workflow: Workflow, state: State, now: datetime, trail: Trail) -> Decision:
    bring, facts = aim.bring, aim.event.facts
    trail.ask("key")
    if not isinstance(bring, Bring):
        raise bring or No("ignored", "It brings no key.")
    for slot, old in state.keys.items():  # whichever gate the rules give this event today
        if old.state == "claimed" and old.event == facts.event:
            return _finish_claim(slot, old, rules, workflow, state, now)
    key = _check_key(_new_key(aim.task, bring, now), state.keys.get(bring.slot), bring)
    trail.found("no other key and no withdrawal stands against it")
    trail.ask("gate")
    opening = _check_gate(bring.gate, bring.way, key, workflow, now)
    if opening is None:
        trail.found("it is not reached yet, so the key waits")
        decision = _keep(bring, key, workflow, state)
    else:
        trail.found(f"node {opening.node.id} is waiting")
        decision = _use(bring.slot, bring.gate, key, opening, rules, workflow, state)
    last = remembered.read_state(workflow).keys.get(bring.slot)
    if last and last.state == "waiting" and last.event != key.event:
        # Nothing else remembers the key whose place was taken.
        overtaken = f"The key of event {last.event} of {show_time(last.happened)} is overtaken."
        answer = replace(decision.answer, reason=f"{decision.answer.reason} {overtaken}")
        decision = replace(decision, answer=answer)
    return decision


def _new_key(task: Task, bring: Bring, now: datetime) -> Key:
    return Key(
        **bring.facts.model_dump(),
        state="waiting",
        task=task.id,
        repository=task.repository,
        written=now.replace(microsecond=0),
        outputs=bring.outputs,
    )


def _check_key(key: Key, old: Key | None, bring: Bring) -> Key:
    """What is remembered for this gate against the new key.

    Returns: the key, with what must stay remembered.
    Raises: No.
    """
    if old is None:
        return key
    if old.state == "used" and not bring.way.rounds:
        opened = _BY_OTHERS if old.why else f"by event {old.event}"
        raise No("already-open", f"{bring.gate} was opened before, {opened}.", node=old.node)
    if old.state == "claimed":
        outcome: Outcome = "unavailable" if bring.way.rounds else "already-open"
        raise No(outcome, f"{bring.gate} is about to be opened by event {old.event}.", node=old.node)
    if old.event != key.event:
        _check_order(key, old, bring)
    elif old.state == "withdrawn":
        raise No("refused", f"The key of this very event was withdrawn: {old.why or 'a withdrawal came first'}.")
    for note in old.notes:
        if note.is_against(key):
            if_other = f"Event {note.event} of {show_time(note.happened)} stands against it, and it is not newer."
            raise No("refused", "It was withdrawn before." if note.event == key.event else if_other)
    if old.floor is not None and key.happened <= old.floor:
        raise No("refused", f"Withdrawals up to {show_time(old.floor)} stand against it, and it is not newer.")
    if old.event == key.event and old.state == "waiting":
        return old  # the same event again
    old = old.given_way(key)
    rounds = old.rounds + ((old.event,) if old.state == "used" else ())
    return key.with_(notes=old.notes, floor=old.floor, rounds=rounds)


def _check_order(key: Key, old: Key, bring: Bring) -> None:
    """A key gives way only to a newer one; reviews of the same second are told apart by their numbers."""
    if old.state == "used":  # an earlier round
        newest = max([old.happened, *(note.happened for note in old.notes)])
        if key.happened <= newest:
            reason = f"It is not newer than the last round of {bring.gate}, which ended {show_time(newest)}."
            raise No("refused", reason)
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
        named = ", ".join(node.id for node in running)
        raise No("ambiguous", f"Several nodes wait at {gate}: {named}; only a person can say which one is meant.")
    if running:
        return _opening(running[0], key, now)
    if not nodes or not all(node.is_finished for node in nodes):
        return None
    succeeded = [node for node in nodes if node.phase == "Succeeded"]
    if succeeded and way.rounds:
        return None
    if succeeded:
        raise No("already-open", f"{gate} was opened before, {_BY_OTHERS}.", node=succeeded[0].id)
    phases = ", ".join(sorted({node.phase for node in nodes}))
    raise No("refused", f"{gate} ended as {phases} and waits no longer.", node=nodes[0].id)


def _opening(node: Node, key: Key, now: datetime) -> Opening:
    return Opening(node, show_time(now), _message(key), values_for(node, key.outputs))


def _message(key: Key) -> str:
    """What a person reads at the node: by whom and by which event it was opened."""
    who = f" of {_plain(key.person)}" if key.person else ""
    what = f" on {_plain(key.pull_request)}" if key.pull_request else ""
    return f"opened by {_plain(key.name)}{who}{what} (taskgate, event {_plain(key.event)})"


def _plain(text: str) -> str:
    """Text from outside, without what a terminal or a template would act on."""
    if text.isascii():  # nearly always, and much faster
        return _UNPLAIN.sub("", text)[:120]
    kept = (character for character in text if unicodedata.category(character)[0] in "LNPS" and character not in "{}")
    return "".join(kept)[:120]


def _keep(bring: Bring, key: Key, workflow: Workflow, state: State) -> Decision:
    gate, name = bring.gate, workflow.ref.name
    if bring.way.early == "refuse":
        raise No("refused", f"Workflow {name} has not reached {gate}, and the rules keep no key for it.")
    if bring.slot not in state.keys or state.keys[bring.slot] is not key:
        unfinished = [node.id for node in workflow.gate_nodes(gate, bring.way.inputs) if not node.is_finished]
        state = state.with_key(bring.slot, key.with_(unfinished=tuple(unfinished)))
    reason = f"Workflow {name} has not reached {gate} yet: the key waits for it."
    return Decision(Answer("parked", reason, gate=gate), state)


def _use(slot: str, gate: str, key: Key, opening: Opening, rules: Rules, workflow: Workflow, state: State) -> Decision:
    node, binds = opening.node.id, rules.workflows.one_pull_request
    key = key.with_(written=parse_time(opening.finished_at))
    # Argo Server opens an offloaded node in a second step; until that is done the key is claimed.
    is_offloaded = workflow.stored == "offloaded"
    key = key.with_(state="claimed", node=node, unfinished=()) if is_offloaded else key.used(node)
    answer = Answer("opened", f"{gate} is open: {opening.message}.", gate=gate, node=node)
    return Decision(answer, remembered.use(state, slot, key, binds=binds), opening)


def _finish_claim(slot: str, key: Key, rules: Rules, workflow: Workflow, state: State, now: datetime) -> Decision:
    """An offloaded node was claimed, and what came of it is not known: look at the node."""
    node = workflow.node(key.node or "")
    if node is None or node.phase in ("", "Pending"):
        raise No("unavailable", f"The claimed node {key.node} is not there yet; try again.", node=key.node)
    if node.phase == "Running":
        return _use(slot, slot, key, _opening(node, key, now), rules, workflow, state)
    if node.phase != "Succeeded":
        answer = Answer("refused", f"{slot} ended as {node.phase} and waits no longer.", gate=slot, node=node.id)
        return Decision(answer, state.with_key(slot, key.withdrawn(f"the gate ended as {node.phase}")))
    message = _message(key)
    if node.raw.get("message") == message:
        answer = Answer("opened", f"{slot} is open: {message}.", gate=slot, node=node.id)
        return Decision(answer, state.with_key(slot, key.used(node.id)))
    answer = Answer("already-open", f"{slot} was opened before, {_BY_OTHERS}.", gate=slot, node=node.id)
    return Decision(answer, state.with_key(slot, key.used(node.id, f"the gate was opened {_BY_OTHERS}")))


def settle(workflow: Workflow, claimed: Decision) -> Decision:
    """Argo Server has opened the claimed node: its key is used."""
    state = remembered.read_state(workflow)
    for slot, key in state.keys.items():
        mine = claimed.state.keys.get(slot)
        if key.state == "claimed" and mine and key.event == mine.event:
            return Decision(claimed.answer, state.with_key(slot, key.used(key.node or "")))
    return Decision(claimed.answer, state)  # a release came first


def decide_release(workflow: Workflow, rules: Rules, now: datetime) -> Decision:
    """A Workflow with waiting keys has changed: open at most one gate, with the oldest key that can.

    Raises: No, when nothing is to be written.
    """
    if not rules.workflows.parsed_selector.matches(workflow.labels):
        raise No("ignored", f"The labels of Workflow {workflow.ref.name} do not fit {rules.workflows.selector}.")
    state = _by_hand(remembered.tidy(remembered.read_state(workflow), workflow, now), rules, workflow)
    for slot, key in state.keys.items():
        if key.state == "claimed":
            return _finish_claim(slot, key, rules, workflow, state, now)
    reasons = []
    outcome: Outcome = "ignored"
    waiting = [(slot, key) for slot, key in state.keys.items() if key.state == "waiting"]
    for slot, key in sorted(waiting, key=lambda item: item[1].happened):
        try:
            decision = _release(slot, key, rules, workflow, state, now)
        except No as no:
            reasons.append(f"{slot}: {no.reason}")
            if no.outcome in ("ambiguous", "incomplete"):  # somebody has to do something about it
                outcome = no.outcome
            continue
        if decision:
            return decision
        reasons.append(f"{slot} is not reached yet.")
    return Decision(Answer(outcome, " ".join(reasons) or "No key waits on this Workflow."), state)


def _way_of(slot: str, key: Key, rules: Rules) -> tuple[str, Way] | None:
    """The gate of a kept key, and the way that it would come by today."""
    return next(
        (
            (gate, way)
            for gate in rules.gates
            for way in rules.ways_for_key(gate, key)
            if slot_of(gate, way.inputs) == slot
        ),
        None,
    )


def _release(slot: str, key: Key, rules: Rules, workflow: Workflow, state: State, now: datetime) -> Decision | None:
    """All is checked again: rules, people and the Workflow's labels may have changed since the key came."""
    found = _way_of(slot, key, rules)
    if found is None:
        raise No("ignored", f"The rules have no way in any more for event {key.event}.")
    gate, way = found
    if state.used_by(key.event):
        raise No("ignored", f"Event {key.event} has opened another gate, and opens one only.")
    task = Task(key.task or "", key.repository, "key")
    why_not = rules.workflows.disagreement(workflow.labels, task)
    if why_not:
        raise No("ignored", f"Workflow {workflow.ref.name} is not the one of {task} any more, {why_not}.")
    no = refusal(key, task, rules, way.by, forks=way.forks, fresh=way.fresh, trail=Trail())
    if no:
        raise no
    _check_pull_request(key, rules, state, workflow)
    opening = _check_gate(gate, way, key, workflow, now)
    if opening is None:
        return None
    decision = _use(slot, gate, key, opening, rules, workflow, state)
    return replace(decision, answer=replace(decision.answer, task=task))


def _by_hand(state: State, rules: Rules, workflow: Workflow) -> State:
    """A gate that somebody opened by hand uses the waiting key up."""
    for slot, key in state.keys.items():
        found = _way_of(slot, key, rules) if key.state == "waiting" else None
        if found is None:
            continue
        gate, way = found
        nodes = workflow.gate_nodes(gate, way.inputs)
        if not nodes or not all(node.is_finished for node in nodes):
            continue
        opened = [node for node in nodes if node.phase == "Succeeded"]
        if way.rounds:
            opened = [node for node in opened if node.id in key.unfinished]
        if opened:
            used = key.used(opened[0].id, f"the gate was opened {_BY_OTHERS}")
            state = remembered.use(state, slot, used, binds=rules.workflows.one_pull_request)
    return state

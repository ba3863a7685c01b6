"""Event -> Aim: what an event is for, as far as that is known without any Workflow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from func.core.events import Event, Facts
from func.core.label_selectors import is_label_value
from func.core.outcomes import No, Task, Trail
from func.core.patches import MAX_OUTPUT
from func.core.rules import ANYONE, MAX_VALUE, Rules, Way, Withdrawal, fill, slug
from func.core.state import slot_of
from func.core.values import look_up


@dataclass(frozen=True, slots=True)
class Bring:
    """A key that an event brings for a gate.

    Args:
        facts: of the event, for the rules and for the key.
        outputs: values for supplied outputs of the gate, by name.
    """

    gate: str
    way: Way
    facts: Facts
    outputs: dict[str, str]

    @property
    def slot(self) -> str:
        """Where the key is kept."""
        return slot_of(self.gate, self.way.inputs)


@dataclass(frozen=True, slots=True)
class TakeBack:
    """A key that an event takes away from a gate."""

    gate: str
    way: Way

    @property
    def slot(self) -> str:
        """Where the key is kept."""
        return slot_of(self.gate, self.way.inputs)


@dataclass(frozen=True, slots=True)
class Aim:
    """What an event is for.

    Args:
        gate: the one that it is about in the first place.
        bring: the key that it brings; a No where the rules refuse it, and something else is left to do.
        take_back: the keys that it takes away.
        closes: it closes its pull request unmerged.
    """

    event: Event
    task: Task
    gate: str | None
    bring: Bring | No | None
    take_back: tuple[TakeBack, ...]
    closes: bool


def take_aim(event: Event, rules: Rules, trail: Trail) -> Aim:
    """The checks that need no Workflow: rule, task, repository, fork, person, fresh.

    What an event opens, takes back and closes is checked each by itself: somebody who may not open a gate may well
    take a key away.

    Raises: No, at the first check that says no, when nothing is left to do.
    """
    facts = event.facts
    found = rules.way_of(facts, event.labels)
    withdrawals = rules.withdrawals_of(facts, event.labels)
    closes = facts.name == "pull_request.closed" and facts.merged is False
    gate = found[0] if found else withdrawals[0][0] if withdrawals else None
    task = _task_or_no(event, rules, found[1] if found else withdrawals[0][1] if withdrawals else None)

    trail.ask("rule")
    if not (found or withdrawals or closes):
        no = No("ignored", f"No rule is for {facts.name}{_details(facts)}.")
        raise no.about(None if isinstance(task, No) else task, None)
    trail.found(_purpose(found, withdrawals))
    trail.ask("task")
    if isinstance(task, No):
        raise task
    trail.found(f"{task}, by its {task.found_by}")

    refusals: list[No] = []

    def may(by: Iterable[str], *, forks: bool, fresh: bool) -> bool:
        # The first part is the one that is told step by step.
        no = refusal(facts, task, rules, by, forks=forks, fresh=fresh, trail=Trail() if told else trail)
        told.append(True)
        if no:
            refusals.append(no.about(task, gate))
        return no is None

    told: list[bool] = []
    bring: Bring | No | None = None
    if found:
        way = found[1]
        allowed = may(way.by, forks=way.forks, fresh=way.fresh)
        bring = _bring(event, rules, *found) if allowed else refusals[0]
    take_back = {}
    for its_gate, way, withdrawal in withdrawals:
        if may(withdrawal.by, forks=way.forks, fresh=False):
            item = TakeBack(its_gate, way)
            take_back[item.slot] = item
    forks = any(way.forks for ways in rules.gates.values() for way in ways)
    closes = closes and may([ANYONE], forks=forks, fresh=False)
    if refusals and not (isinstance(bring, Bring) or take_back or closes):
        raise refusals[0]
    return Aim(event, task, gate, bring, tuple(take_back.values()), closes)


def refusal(
    facts: Facts, task: Task, rules: Rules, by: Iterable[str], *, forks: bool, fresh: bool, trail: Trail
) -> No | None:
    """Why the rules do not let this pull request and this person do it; None when they do.

    Args:
        by: groups of people.
        forks: pull requests from other repositories may.
        fresh: only a review of the newest commit may.
    """
    try:
        trail.ask("repository")
        trail.found(_check_repository(task, rules))
        trail.ask("fork")
        trail.found(_check_fork(facts, allowed=forks))
        trail.ask("person")
        trail.found(_check_person(facts, by, rules))
        trail.ask("fresh")
        trail.found(_check_fresh(facts, wanted=fresh))
    except No as no:
        return no
    return None


def _purpose(found: tuple[str, Way] | None, withdrawals: list[tuple[str, Way, Withdrawal]]) -> str:
    if found:
        return f"it opens {found[0]}"
    if withdrawals:
        return f"it takes the key of {', '.join(dict.fromkeys(gate for gate, _, _ in withdrawals))} back"
    return "it closes its pull request unmerged"


def _details(facts: Facts) -> str:
    details = {"label": facts.label, "review": facts.verdict, "merged": facts.merged}
    shown = [f"{name} {value}" for name, value in details.items() if value is not None]
    return f" with {', '.join(shown)}" if shown else ""


def _task_or_no(event: Event, rules: Rules, way: Way | None) -> Task | No:
    try:
        return _task_in_data(event, way) if way and way.task else _task_in_places(event, rules)
    except No as no:
        return no


def _task_in_data(event: Event, way: Way) -> Task:
    task_id = look_up(event.data, way.task or "")
    if task_id is None:
        raise No("ignored", f"It names no task: its data has no {way.task}.")
    if isinstance(task_id, int) and not isinstance(task_id, bool):
        task_id = str(task_id)
    if not isinstance(task_id, str) or not task_id or not is_label_value(task_id):
        raise No("invalid", f"The event's {way.task} is no id of a task: expected a text that a label can hold.")
    repository = look_up(event.data, way.repository) if way.repository else None
    if way.repository and (not isinstance(repository, str) or not is_label_value(slug(repository)) or not repository):
        raise No("invalid", f"The event's {way.repository} is no repository: expected owner/name.")
    return Task(task_id, repository if isinstance(repository, str) else None, "data")


def _task_in_places(event: Event, rules: Rules) -> Task:
    places = {
        "label": event.labels,
        "branch": (event.branch,) if event.branch else (),
        "title": (event.title,) if event.title else (),
    }
    found: dict[str, str] = {}  # id -> the place that named it first
    for place, pattern in rules.task.patterns.items():
        for value in places[place]:
            match = pattern.fullmatch(value) if len(value) <= MAX_VALUE else None
            if match and match[1]:
                found.setdefault(match[1], place)
    if not found:
        raise No(
            "ignored", f"It names no task: no {' or '.join(rules.task.patterns) or 'place'} fits the rules of `task`."
        )
    if len(found) > 1:
        named = ", ".join(f"task {task_id} by its {place}" for task_id, place in found.items())
        raise No("ambiguous", f"It names several tasks, {named}: leave one, then send the event again.")
    task_id, place = next(iter(found.items()))
    return Task(task_id, event.repository, place)


def _check_repository(task: Task, rules: Rules) -> str:
    allowed = rules.repositories
    if allowed is None:
        return "the rules name none"
    if (task.repository or "").casefold() not in [name.casefold() for name in allowed]:
        raise No("ignored", f"Repository {task.repository or '(none)'} is not among the repositories of the rules.")
    return f"{task.repository} is among those of the rules"


def _check_fork(facts: Facts, *, allowed: bool) -> str:
    if not facts.fork:
        return "it comes from no fork"
    if not allowed:
        reason = f"The head of {facts.pull_request} is in another repository, whose branch names prove nothing."
        raise No("refused", reason)
    return "it comes from a fork, which the rules allow"


def _check_person(facts: Facts, by: Iterable[str], rules: Rules) -> str:
    who = facts.person or "Nobody"
    if not rules.allows(by, facts):
        raise No("refused", f"{who} is not among {' or '.join(by)}.")
    return f"{who} may cause it"


def _check_fresh(facts: Facts, *, wanted: bool) -> str:
    if not wanted:
        return "no rule asks for it"
    if not facts.fresh:
        reason = f"The review is about commit {facts.head}, which is not the head of {facts.pull_request} any more."
        raise No("refused", reason)
    return "the review is about the head"


def _bring(event: Event, rules: Rules, gate: str, way: Way) -> Bring:
    label = way.fitting_label(event.facts, event.labels)
    facts = event.facts.model_copy(update={"label": label}) if label else event.facts
    filled = {name: fill(template, event) for name, template in rules.outputs.items()}
    # One character more than an output may have: enough to be refused, and not too much to be remembered.
    outputs = {name: value[: MAX_OUTPUT + 1] for name, value in filled.items() if value is not None}
    return Bring(gate, way, facts, outputs)

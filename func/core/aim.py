"""Event -> Aim: what an event is for, as far as that is known without any Workflow."""

from __future__ import annotations

from dataclasses import dataclass

from func.core.events import Event, Facts, look_up
from func.core.outcomes import No, Task, Trail
from func.core.patches import MAX_OUTPUT
from func.core.rules import MAX_VALUE, Rules, Way, Withdrawal, fill, slug
from func.core.selectors import is_label_value
from func.core.state import Note


@dataclass(frozen=True, slots=True)
class Bring:
    """A key that an event brings for a gate."""

    gate: str
    way: Way
    facts: Facts
    outputs: dict[str, str]


@dataclass(frozen=True, slots=True)
class TakeBack:
    """A key that an event takes away from a gate."""

    gate: str
    note: Note
    rounds: bool


@dataclass(frozen=True, slots=True)
class Aim:
    """What an event is for.

    Args:
        bring: the key that it brings, if any.
        take_back: the keys that it takes away.
        closes: it says that its pull request was closed unmerged.
    """

    event: Event
    task: Task
    bring: Bring | None
    take_back: tuple[TakeBack, ...]
    closes: bool

    @property
    def gate(self) -> str | None:
        """The gate that it is about in the first place."""
        if self.bring:
            return self.bring.gate
        return self.take_back[0].gate if self.take_back else None


@dataclass(frozen=True, slots=True)
class _Intent:
    """What the rules want of an event.

    Args:
        gate: the one that it opens, with the way in.
        withdrawals: the gates whose keys it takes away.
        closes: it closes its pull request unmerged, which matters without any rule.
    """

    gate: str | None
    way: Way | None
    withdrawals: tuple[tuple[str, Way, Withdrawal], ...]
    closes: bool

    @classmethod
    def of(cls, event: Event, rules: Rules) -> _Intent:
        facts = event.facts
        gate, way = rules.way_of(facts, event.labels) or (None, None)
        closes = facts.name == "pull_request.closed" and facts.merged is False
        return cls(gate, way, tuple(rules.withdrawals_of(facts, event.labels)), closes)

    @property
    def is_none(self) -> bool:
        return not (self.way or self.withdrawals or self.closes)

    @property
    def about(self) -> str | None:
        """The gate that it is about in the first place."""
        return self.gate or (self.withdrawals[0][0] if self.withdrawals else None)

    def __str__(self) -> str:
        if self.gate:
            return f"it opens {self.gate}"
        if self.withdrawals:
            return f"it takes the key of {', '.join(gate for gate, _, _ in self.withdrawals)} back"
        return "it closes its pull request unmerged"


def take_aim(event: Event, rules: Rules, trail: Trail) -> Aim:
    """The checks that need no Workflow: rule, task, repository, fork, person, fresh.

    Raises: No, at the first check that says no.
    """
    intent = _Intent.of(event, rules)
    task = _task_or_no(event, rules, intent.way)
    if intent.is_none:
        reason = f"No rule is for {event.facts.name}{_details(event.facts)}."
        raise No("ignored", reason, task=None if isinstance(task, No) else task)
    trail.passed("rule", str(intent))
    if isinstance(task, No):
        raise task
    trail.passed("task", f"{task}, by its {task.found_by}")
    try:
        trail.passed("repository", _check_repository(task, rules))
        trail.passed("fork", _check_fork(event.facts, intent, rules))
        trail.passed("person", _check_person(event.facts, intent, rules))
        trail.passed("fresh", _check_fresh(event.facts, intent))
    except No as no:
        no.found.update(task=task, gate=intent.about)
        raise
    bring = None
    if intent.gate and intent.way and rules.allows(intent.way.by, event.facts):
        bring = _bring(event, rules, intent.gate, intent.way)
    return Aim(
        event=event,
        task=task,
        bring=bring,
        take_back=tuple(
            TakeBack(gate, _note(event.facts), way.rounds)
            for gate, way, withdrawal in intent.withdrawals
            if rules.allows(withdrawal.by, event.facts)
        ),
        closes=intent.closes,
    )


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
        named = ", ".join(f"task {task_id} by its {place}" for task_id, place in list(found.items())[:5])
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


def _check_fork(facts: Facts, intent: _Intent, rules: Rules) -> str:
    if not facts.fork:
        return "it comes from no fork"
    if intent.way:
        allowed = intent.way.forks
    elif intent.withdrawals:
        allowed = all(way.forks for _, way, _ in intent.withdrawals)
    else:
        allowed = any(way.forks for ways in rules.gates.values() for way in ways)
    if not allowed:
        reason = f"The head of {facts.pull_request} is in another repository, whose branch names prove nothing."
        raise No("refused", reason)
    return "it comes from a fork, which the rules allow"


def _check_person(facts: Facts, intent: _Intent, rules: Rules) -> str:
    who = facts.person or "Nobody"
    wanted = [intent.way.by] if intent.way else [withdrawal.by for _, _, withdrawal in intent.withdrawals]
    if not intent.closes and not any(rules.allows(by, facts) for by in wanted):
        groups = dict.fromkeys(group for by in wanted for group in by)
        raise No("refused", f"{who} is not among {' or '.join(groups)}.")
    return f"{who} may cause it"


def _check_fresh(facts: Facts, intent: _Intent) -> str:
    if not intent.way or not intent.way.fresh:
        return "no rule asks for it"
    if not facts.fresh:
        reason = f"The review is about commit {facts.head}, which is not the head of {facts.pull_request} any more."
        raise No("refused", reason)
    return "the review is about the head"


def _note(facts: Facts) -> Note:
    return Note(
        event=facts.event,
        happened=facts.happened,
        pull_request=facts.pull_request,
        head=facts.head if facts.name == "pull_request.synchronize" else None,
        review=facts.review if facts.name == "pull_request_review.dismissed" else None,
    )


def _bring(event: Event, rules: Rules, gate: str, way: Way) -> Bring:
    label = way.fitting_label(event.facts, event.labels)
    facts = event.facts.model_copy(update={"label": label}) if label else event.facts
    filled = {name: fill(template, event) for name, template in rules.outputs.items()}
    # One character more than an output may have: enough to be refused, and not too much to be remembered.
    outputs = {name: value[: MAX_OUTPUT + 1] for name, value in filled.items() if value is not None}
    return Bring(gate, way, facts, outputs)

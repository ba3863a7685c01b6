"""Event -> Plan: what an event does to which task, as far as that is known without any Workflow."""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter
from typing import NamedTuple

from func.core.conditions import value_at
from func.core.events import Event
from func.core.outcomes import Task
from func.core.reasons import CODES, Rejection, Verdict
from func.core.rules import Rule, Rules, gate_id
from func.core.signals import OPINIONATED, Signal
from func.core.tasks import Named, naming, person_at, tasks_for, tasks_left

MAX_OUTPUT = 4096  # characters of an output's value
_REVIEWS = ("pull_request_review.submitted", "pull_request_review.dismissed")


class Intent(NamedTuple):
    """What an event does to the Workflow of one task.

    Args:
        signal: what is remembered of it; its `gate` is set where it may move one.
        gate: the name of that gate.
        rule: by which it may.
        revokes: gates whose signals it may revoke.
        refused: why a rule for it refuses it; the answer when there is nothing to revoke.
    """

    task: Task
    signal: Signal
    gate: str | None = None
    rule: Rule | None = None
    revokes: tuple[str, ...] = ()
    refused: Verdict | None = None


class Plan(NamedTuple):
    """What an event is for.

    Args:
        intents: at most one of them moves a gate, and is the first then.
        verdict: why the event moves no gate, where that is known already.
        gate: the one that it is about in the first place.
        task: likewise; None where it names none.
    """

    intents: tuple[Intent, ...]
    verdict: Verdict | None
    gate: str | None
    task: Task | None


def plan_event(event: Event, rules: Rules) -> Plan:
    """Make the checks that need no Workflow: rule, task, repository, fork, state, person and fresh.

    An event that is refused for its gate can still revoke signals, so the two are checked separately.
    """
    before, after = naming(event, rules)
    if before or after:
        event = event._replace(signal=event.signal._replace(named=before, names=after))
    signal = event.signal
    matched = rules.match(signal)
    named = tasks_for(event, rules, matched[1]) if matched else tasks_for(event, rules)
    verdict, mover = _mover(event, rules, matched, named)
    found = {_key(mover.task): mover} if mover else {}
    refused = verdict if verdict and verdict.outcome == "refused" else None
    for task, gate, gone, seen in _revocations(event, rules, named, is_accepted=mover is not None):
        if not rules.lists(task.repository):
            continue
        intent = found.get(_key(task))
        if intent is None:
            intent = Intent(task, seen._replace(task=task.id, repository=task.repository), refused=refused)
        elif intent.rule is None and intent.signal.person is None:
            intent = intent._replace(signal=intent.signal._replace(person=seen.person))
        if gate and gate not in intent.revokes:
            intent = intent._replace(revokes=(*intent.revokes, gate))
        if gone:
            intent = intent._replace(signal=intent.signal._replace(gone=gone))
        found[_key(task)] = intent
    intents = tuple(found.values())
    if matched is None and intents and len(named.tasks) > 1:
        verdict = named.verdict
    about = matched[0] if matched else next((intent.revokes[0] for intent in intents if intent.revokes), None)
    first = intents[0].task if intents else next(iter(named.tasks), None)
    return Plan(intents, verdict, about, first if len(named.tasks) < 2 or mover else None)


def _mover(
    event: Event, rules: Rules, matched: tuple[str, Rule] | None, named: Named
) -> tuple[Verdict | None, Intent | None]:
    """Return what the event may move, or why it may not."""
    signal = event.signal
    if matched is None:
        return Verdict.of("no-rule", event=signal.name, details=_details(event, rules)), None
    if named.verdict:
        return named.verdict, None
    gate, rule = matched
    (task,) = named.tasks
    try:
        if rule.person:
            signal = signal._replace(person=person_at(event, rule.person), person_id=None)
    except Rejection as rejection:
        return rejection.verdict, None
    signal = signal._replace(task=task.id, repository=task.repository, gate=gate_id(gate, rule))
    refused = rules.refuses(signal, rule)
    answers_first = refused and CODES[refused.code].check in ("repository", "fork")
    if event.is_closed and signal.name != "pull_request.closed" and not answers_first:
        refused = Verdict.of("pull-request-closed", pull_request=signal.pull_request)
    if refused:
        return refused, None
    # A gate that fails supplies no values, unless its rule has some.
    templates = {**rules.outputs, **rule.outputs} if rule.then == "open" else rule.outputs
    outputs = {
        name: value for name, template in templates.items() if (value := _fill(template, event, signal)) is not None
    }
    return None, Intent(task, signal._replace(outputs=outputs), gate, rule)


def _key(task: Task) -> tuple[str, str]:
    """Return what tasks are compared by: neither ids nor repositories have case."""
    return task.id.casefold(), (task.repository or "").casefold()


def _revocations(
    event: Event, rules: Rules, named: Named, *, is_accepted: bool
) -> Iterator[tuple[Task, str | None, str | None, Signal]]:
    """Return task, gate, how the pull request is gone, and the signal, for each thing that the event revokes."""
    signal = event.signal
    for gate, rule, withdrawal in rules.withdrawals_of(signal):
        seen = _seen_by(rule, event)
        if rules.allows(withdrawal.by, seen):
            yield from ((task, gate, None, seen) for task in tasks_for(event, rules, rule).tasks)
    if signal.verdict in OPINIONATED and signal.name in _REVIEWS and (is_accepted or signal.verdict != "approved"):
        # A person's latest review counts, whether a rule names it in `withdraw` or not. An approval that the rules
        # refuse, e.g. of an old commit, does not count: the changes that the person requested before still block.
        for gate, rule in rules.each_rule():
            is_review = _REVIEWS[0] in rule.names and rule.review not in (None, signal.verdict)
            if is_review and rules.allows(rule.by, signal):
                yield from ((task, gate, None, signal) for task in tasks_for(event, rules, rule).tasks)
    if signal.name == "pull_request.closed" and signal.pull_request:
        gone = "merged" if signal.merged else "closed"
        # A rule with a `task` of its own may have found another task in the same pull request.
        own = [tasks_for(event, rules, rule).tasks for _, rule in rules.each_rule() if rule.task]
        for tasks in (named.tasks, tasks_for(event, rules).tasks, *own):
            yield from ((task, None, gone, signal) for task in tasks)
    yield from ((task, None, "left", signal) for task in tasks_left(event, rules))


def _seen_by(rule: Rule, event: Event) -> Signal:
    """Return the signal of an event that a rule names in `withdraw`, with the person that the rule finds in it."""
    # An event of another kind has its person elsewhere, unless its source gives none.
    if rule.person is None or (event.signal.person is not None and event.signal.name not in rule.names):
        return event.signal
    try:
        person = person_at(event, rule.person)
    except Rejection:  # it holds no name
        person = None
    return event.signal._replace(person=person, person_id=None)


def _details(event: Event, rules: Rules) -> str:
    signal = event.signal
    merged = signal.merged if signal.name == "pull_request.closed" else None  # else it says nothing
    details = {"label": signal.label, "review": signal.verdict, "merged": merged}
    shown = [
        f"{name} {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in details.items()
        if value is not None
    ]
    text = f" with {', '.join(shown)}" if shown else ""
    for gate, rule, withdrawal in rules.withdrawals_of(signal):
        seen = _seen_by(rule, event)
        if not rules.allows(withdrawal.by, seen):
            groups = " or ".join(withdrawal.by)
            return f"{text}, and {seen.person or 'nobody'} is not in {groups}, who can revoke {gate} with it"
    return text


def _fill(template: str, event: Event, signal: Signal) -> str | None:
    """Return an output's value, or None where the event has no such field."""
    text = ""
    for literal, name, _, _ in Formatter().parse(template):
        text += literal
        if name is None:
            continue
        value = signal.person if name == "person" else value_at(event.data, name)
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not isinstance(value, str | int | float):
            return None
        text += str(value)
    # One character more than an output may have, so that a longer one is refused later.
    return text[: MAX_OUTPUT + 1]

"""Rules in words, and what an event would have to be like for a check to say yes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from func.commands.deciding import Verdict
from func.core.outcomes import Check
from func.core.rules import ANYONE, Match, Person, Rules, Way
from func.core.values import look_up


def event_in_words(match: Match) -> str:
    """Which events are meant, e.g. `pull_request.labeled with label task-*`."""
    conditions = {"label": match.label, "review": match.review, "base": match.base}
    words = [f"{name} {value}" for name, value in conditions.items() if value is not None]
    for name, value in (("merged", match.merged), ("draft", match.draft)):
        if value is not None:
            words.append(name if value else f"not {name}")
    events = " or ".join(match.event)
    return f"{events} with {', '.join(words)}" if words else events


def demands_in_words(way: Way) -> str:
    """What else a way in asks for or allows."""
    words = {
        "the review is about the head": way.fresh,
        "forks too": way.forks,
        f"the node's inputs are {_pairs(way.inputs.items())}": bool(way.inputs),
        "not before the gate is reached": way.early == "refuse",
        "in every round": way.rounds,
        f"the task is at {way.task}": way.task is not None,
        f"the repository is at {way.repository}": way.repository is not None,
    }
    return ", ".join(text for text, holds in words.items() if holds)


def people_in_words(rules: Rules, groups: Iterable[str]) -> str:
    """`reviewers (5DLabs-Tess, ...)`."""
    return " or ".join(
        group if group == ANYONE else f"{group} ({', '.join(map(person_in_words, rules.people[group]))})"
        for group in dict.fromkeys(groups)
    )


def person_in_words(person: str | Person) -> str:
    """The login, with the account id where the rules ask for it."""
    return person if isinstance(person, str) else f"{person.login} with id {person.id}"


def needed(verdict: Verdict, rules: Rules) -> str:
    """What would have to be different for the check that said no to say yes; empty where the reason says it."""
    words = _NEEDED.get(verdict.stopped_at) if verdict.stopped_at else None
    return words(verdict, rules) if words else ""


def _rule_needed(verdict: Verdict, rules: Rules) -> str:
    kind = verdict.name.partition(".")[0]
    ways = [(gate, way) for gate, ways in rules.gates.items() for way in ways]
    related = [(gate, way) for gate, way in ways if any(event.partition(".")[0] == kind for event in way.event)]
    if not related:
        events = dict.fromkeys(event for _, way in ways for event in way.event)
        return f"It is one of the events that the rules know: {', '.join(events)}."
    opens = "; ".join(f"{event_in_words(way)} opens {gate}" for gate, way in related)
    return f"It is one of those that the rules know: {opens}."


def _task_needed(verdict: Verdict, rules: Rules) -> str:
    event = verdict.event
    if event is None or verdict.would == "invalid":
        return ""
    if verdict.would == "ambiguous":
        return "Labels and branch name the same task: take off the label that is wrong."
    places = {"label": ", ".join(event.labels), "branch": event.branch, "title": event.title}
    fits = [f"{place} that fits {pattern.pattern}" for place, pattern in rules.task.patterns.items()]
    has = [f"{place} {places[place] or '(none)'}" for place in rules.task.patterns]
    return f"It has a {' or a '.join(fits)}; now it has {' and '.join(has)}." if fits else ""


def _person_needed(verdict: Verdict, rules: Rules) -> str:
    event = verdict.event
    if event is None:
        return ""
    found = rules.way_of(event.facts, event.labels)
    groups = (
        found[1].by
        if found
        else [group for _, _, match in rules.withdrawals_of(event.facts, event.labels) for group in match.by]
    )
    return f"It is done by one of {people_in_words(rules, groups)}; or `people` in gates.yaml names this person too."


def _repository_needed(_verdict: Verdict, rules: Rules) -> str:
    return f"It comes from one of {', '.join(rules.repositories or ())}; or `repositories` names its own too."


def _fork_needed(_verdict: Verdict, _rules: Rules) -> str:
    return "The branch is in the repository itself; or the gate has `forks: true`."


def _fresh_needed(verdict: Verdict, _rules: Rules) -> str:
    head = look_up(verdict.event.data, "pull_request.head.sha") if verdict.event else None
    return f"The review is about commit {head}: somebody looks at that one and approves again."


def _workflow_needed(verdict: Verdict, rules: Rules) -> str:
    task = verdict.task
    if task is None or verdict.would != "no-workflow":
        return ""
    selector = rules.workflows.selector_of(task)
    return f"A Workflow is under way in namespace {rules.workflows.namespace} with the labels {selector}."


def _age_needed(_verdict: Verdict, _rules: Rules) -> str:
    return "It happens in the Workflow's life: what was said before has to be said again."


def _duplicate_needed(verdict: Verdict, _rules: Rules) -> str:
    return "Nothing, this event has done its work." if verdict.would == "duplicate" else ""


def _pull_request_needed(_verdict: Verdict, _rules: Rules) -> str:
    return "It is about the pull request that the Workflow belongs to, and newer than what closed it."


def _key_needed(verdict: Verdict, _rules: Rules) -> str:
    if verdict.would == "already-open":
        return "Nothing, the gate is open."
    return "It is newer than what stands against it: what it says has to be said again."


def _gate_needed(verdict: Verdict, _rules: Rules) -> str:
    words = {
        "already-open": "Nothing, the gate is open.",
        "incomplete": "`outputs` in gates.yaml gives the value; or the Workflow's gate has a default for it.",
        "ambiguous": "Only one node waits at this gate; or the rules tell them apart by `inputs`.",
    }
    return words.get(verdict.would or "", "")


_NEEDED: Mapping[Check, Callable[[Verdict, Rules], str]] = {
    "rule": _rule_needed,
    "task": _task_needed,
    "repository": _repository_needed,
    "fork": _fork_needed,
    "person": _person_needed,
    "fresh": _fresh_needed,
    "workflow": _workflow_needed,
    "age": _age_needed,
    "duplicate": _duplicate_needed,
    "pull request": _pull_request_needed,
    "key": _key_needed,
    "gate": _gate_needed,
}


def _pairs(items: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name}={value}" for name, value in items)

"""Rules in words."""

from __future__ import annotations

from collections.abc import Iterable

from func.core.rules import ANYONE, Match, Person, Rules, Way


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


def _pairs(items: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name}={value}" for name, value in items)

"""Rules, people and ages in words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta

from func.core.field_types import Person
from func.core.rules import ANYONE, EventFilter, Rule, Rules


def event_in_words(given: EventFilter) -> str:
    """Return which events are meant, e.g. `pull_request.labeled with label task-*`."""
    conditions = {"label": given.label, "review": given.review, "base": given.base}
    words = [f"{name} {value}" for name, value in conditions.items() if value is not None]
    words += [
        name if value else f"not {name}"
        for name, value in (("merged", given.merged), ("draft", given.draft))
        if value is not None
    ]
    words += [f"{path} {wanted_in_words(wanted)}" for path, wanted in given.when.items()]
    events = " or ".join(given.event)
    return f"{events} with {', '.join(words)}" if words else events


def wanted_in_words(wanted: object) -> str:
    """Return what a condition asks for."""
    if isinstance(wanted, dict):
        return f"not {wanted_in_words(wanted['not'])}"
    if isinstance(wanted, list):
        return " or ".join(map(wanted_in_words, wanted))
    return wanted if isinstance(wanted, str) else json.dumps(wanted)


def demands_in_words(rule: Rule) -> str:
    """Return what else a rule asks for or accepts."""
    inputs = ", ".join(f"{name}={value}" for name, value in rule.inputs.items())
    words = {
        "the gate fails": rule.then == "fail",
        f"{rule.quorum} different people": rule.quorum > 1,
        "not by the author": rule.not_author,
        "the review is about the head commit": rule.fresh,
        "forks too": rule.forks,
        f"the node's inputs are {inputs}": bool(inputs),
        "only after the gate is reached": rule.early == "refuse",
        "in every round": rule.rounds,
    }
    found = [text for text, holds in words.items() if holds]
    for name, path in (("task", rule.task), ("repository", rule.repository), ("person", rule.person)):
        if path:
            found.append(f"the {name} is at {path.path}")
    found += [f"output {name} is {template}" for name, template in rule.outputs.items()]
    return ", ".join(found)


def people_in_words(rules: Rules, groups: Iterable[str]) -> str:
    """Return `reviewers (5DLabs-Tess, ...)`."""
    return " or ".join(
        group if group == ANYONE else f"{group} ({', '.join(map(person_in_words, rules.people[group]))})"
        for group in dict.fromkeys(groups)
    )


def person_in_words(person: Person) -> str:
    """Return the login, with the account's id where the rules ask for it."""
    return person.login if person.id is None else f"{person.login} with id {person.id}"


def age(time: timedelta) -> str:
    """Return the two largest units, e.g. 3d4h."""
    minutes, seconds = divmod(max(int(time.total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m" if minutes else f"{seconds}s"

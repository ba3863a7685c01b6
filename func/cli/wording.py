"""Rules, people and ages in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta

from func.core.field_types import Person
from func.core.rules import ANYONE, EventFilter, Rules


def rule_in_words(given: EventFilter) -> str:
    """Return which events a rule is for, by the names of gates.yaml: `pull_request.labeled with label task-*`."""
    fields = given.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"event", "by", "withdraw"})
    events = in_words(given.event)
    return f"{events} with {in_words(fields)}" if fields else events


def in_words(value: object) -> str:
    """Return a value of gates.yaml or of an event, e.g. `label ready-for-qa, draft false`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {in_words(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return " or ".join(map(in_words, value))
    return value if isinstance(value, str) else json.dumps(value)


def patterns_in_words(rules: Rules) -> str:
    """Return what names a task: `a label that matches task-([0-9]+) or a branch that matches ...`."""
    patterns = [(place, getattr(rules.task, place)) for place in rules.task.patterns]
    return " or ".join(f"a {place} that matches {pattern}" for place, pattern in patterns)


def people_in_words(rules: Rules, groups: Iterable[str]) -> str:
    """Return `reviewers (5DLabs-Tess, ...)`."""
    return " or ".join(
        group if group == ANYONE else f"{group} ({', '.join(map(person_in_words, rules.people[group]))})"
        for group in dict.fromkeys(groups)
    )


def person_in_words(person: Person) -> str:
    """Return the login, with the account's id where it is known."""
    return person.login if person.id is None else f"{person.login} with id {person.id}"


def age(time: timedelta) -> str:
    """Return the two largest units, e.g. 3d4h."""
    seconds = max(int(time.total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days}d{hours % 24}h"
    if hours:
        return f"{hours}h{minutes % 60}m"
    return f"{minutes}m" if minutes else f"{seconds}s"

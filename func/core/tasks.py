"""Which task an event is about, and what names it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from func.core.conditions import value_at
from func.core.events import Event, Places
from func.core.field_types import PathPattern
from func.core.label_selectors import is_label_value
from func.core.outcomes import Task
from func.core.patterns import first_group
from func.core.reasons import Rejection, Verdict
from func.core.rules import Rule, Rules
from func.core.sources import github
from func.core.sources.facts import read_fact
from func.core.values import is_repository

MAX_TASKS = 5  # that one event is looked for at
_TYPES = {"list": "a list", "dict": "an object", "bool": "true or false", "float": "a number with a fraction"}


class Named(NamedTuple):
    """The tasks that an event names.

    Args:
        tasks: one, unless `verdict` says why not.
        verdict: why it is not exactly one.
    """

    tasks: tuple[Task, ...]
    verdict: Verdict | None = None


def tasks_for(event: Event, rules: Rules, rule: Rule | None = None) -> Named:
    """Return the tasks that an event names for a rule.

    Args:
        rule: may have its own paths for the task and the repository; None for those of the source.
    """
    try:
        repository = _repository(event, rule)
        if rule and rule.task:
            task_id = _value(event, rule.task)
            if task_id is None and event.signal.name not in rule.names:
                task_id = _value(event, _as_other_kind(rule.task))
            if task_id is None and event.signal.name not in rule.names:
                return tasks_for(event, rules)  # an event that the rule only names in `withdraw`
            if task_id is None:
                return Named((), Verdict.of("no-task", why=f"its data has no {rule.task.path} that fits"))
            return _one(task_id, rule.task.path, repository)
    except Rejection as rejection:
        return Named((), rejection.verdict)
    if event.task is not None:
        return _one(event.task, rules.source_paths(event.ref.type).get("task", "task"), repository)
    found = _named_in(event.places, rules)
    tasks = tuple(Task(task_id, repository, place) for task_id, place in found.items())
    if not tasks:
        places = " or ".join(rules.task.patterns) or "place"
        return Named((), Verdict.of("no-task", why=f"no {places} matches the rules of `task`"))
    if len(tasks) > 1:
        named = ", ".join(f"task {task.id} by its {task.found_by}" for task in tasks)
        return Named(tasks[:MAX_TASKS], Verdict.of("several-tasks", tasks=named))
    return Named(tasks)


def _as_other_kind(where: PathPattern) -> PathPattern:
    """Return the path of the same field in the other of `issue` and `pull_request`, which events of comments have."""
    part, _, rest = where.path.partition(".")
    other = {"issue": "pull_request", "pull_request": "issue"}.get(part, part)
    return where._replace(path=f"{other}.{rest}")


def naming(event: Event, rules: Rules) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tasks that a pull request named before and after an event that changed them; else nothing."""
    if event.before is None:
        return (), ()
    before, after = sorted(_named_in(event.before, rules)), sorted(_named_in(event.places, rules))
    return (tuple(before), tuple(after)) if before != after else ((), ())


def tasks_left(event: Event, rules: Rules) -> tuple[Task, ...]:
    """Return the tasks that an open pull request leaves with this event.

    After it the pull request does not name the task alone any more: a label was taken off, a second one was added, or
    the title changed.
    """
    if event.before is None or event.is_closed or event.signal.pull_request is None:
        return ()
    own = (Task(task_id, event.signal.repository, "data") for task_id in _left_by_title(event, event.before, rules))
    return (*_left_by_places(event, event.before, rules), *own)[:MAX_TASKS]


def _left_by_title(event: Event, places: Places, rules: Rules) -> Iterator[str]:
    """Return the tasks that rules with a `task` of their own found in the title before it changed."""
    for _, rule in rules.each_rule():
        if rule.task and rule.task.path in (github.PATHS["pull_request"]["title"], github.PATHS["issues"]["title"]):
            pattern = rule.task.pattern
            before, after = (
                [(first_group(pattern, title) if pattern else title) or "" for title in titles]
                for titles in (places["title"], event.places["title"])
            )
            yield from (task_id for task_id in before if task_id and task_id not in after and is_label_value(task_id))


def _left_by_places(event: Event, places: Places, rules: Rules) -> tuple[Task, ...]:
    after, before = _named_in(event.places, rules), _named_in(places, rules)
    if {task_id.casefold() for task_id in after} == {task_id.casefold() for task_id in before}:
        return ()
    left = (
        {**before, **after} if len(after) != 1 else {name: place for name, place in before.items() if name not in after}
    )
    return tuple(Task(task_id, event.signal.repository, place) for task_id, place in left.items())


def _named_in(places: Places, rules: Rules) -> dict[str, str]:
    """Return the ids of tasks -> the place that named each first; ids that differ in case are one."""
    found: dict[str, tuple[str, str]] = {}
    for place, pattern in rules.task.patterns.items():
        for value in places[place]:
            task_id = first_group(pattern, value)
            if task_id:
                found.setdefault(task_id.casefold(), (task_id, place))
    return dict(found.values())


def _one(task_id: str, path: str, repository: str | None) -> Named:
    if not task_id or not is_label_value(task_id):
        return Named((), Verdict.of("wrong-task", path=path, value=repr(task_id[:60])))
    return Named((Task(task_id, repository, "data"),))


def _repository(event: Event, rule: Rule | None) -> str | None:
    if rule is None or rule.repository is None:
        return event.signal.repository
    repository = _value(event, rule.repository)
    if repository is None and event.signal.name not in rule.names:
        return event.signal.repository
    if repository is None or not is_repository(repository):
        raise Rejection("wrong-repository", path=rule.repository.path, value=repr((repository or "")[:60]))
    return repository


def _value(event: Event, where: PathPattern) -> str | None:
    """Return the string at a path in the event's data, or what the pattern's first group matches in it.

    An integer becomes a string. None where the path leads nowhere, or the pattern does not match.

    Raises:
        Rejection: `wrong-type`, when the value is neither a string nor an integer.
    """
    value = value_at(event.data, where.path)
    if type(value) is int:
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise Rejection("wrong-type", path=where.path, value=_TYPES[type(value).__name__])
    if value is None or where.pattern is None:
        return value
    return first_group(where.pattern, value)


def person_at(event: Event, where: PathPattern) -> str | None:
    """Return the person at a rule's own path in the event's data.

    Raises:
        Rejection: `wrong-field`, when what stands there is no name.
    """
    name: str | None = read_fact(event.data, "person", where.path)
    return (first_group(where.pattern, name) if name and where.pattern else name) or None

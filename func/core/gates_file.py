"""The text of gates.yaml -> Rules, or an error of one line that names its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from func.core.errors import SettingError
from func.core.field_types import CrossFieldError, nearest, slug
from func.core.rules import (
    ANYONE,
    MAX_QUORUM,
    EventFilter,
    Rule,
    Rules,
    TaskRules,
    WorkflowLabels,
    WorkflowRules,
    gate_id,
)
from func.core.sources import github
from func.core.sources.github_actions import ACTIONS

_SHOWN = 60  # characters of a wrong value that a message repeats
# What a rule asks for -> the facts of which its event must have one.
_NEEDS: Mapping[str, frozenset[str]] = {
    "label": frozenset({"label", "changed-label"}),
    "review": frozenset({"review-state"}),
    "merged": frozenset({"merged"}),
    "draft": frozenset({"draft"}),
    "base": frozenset({"base"}),
    "fresh": frozenset({"review-commit"}),
    "not-author": frozenset({"author"}),
    "quorum": frozenset({"person"}),
}
_TASK_FACTS = frozenset({"task", "label", "branch", "title"})


def parse_rules(text: str, where: str) -> Rules:
    """Return the rules of gates.yaml.

    Args:
        text: the YAML.
        where: its path, for messages.

    Raises:
        SettingError: one line that names the place, its value and what was expected.
    """
    import yaml

    from func.core.yaml_loader import UniqueKeyLoader

    try:
        data: Any = yaml.load(text, UniqueKeyLoader)  # noqa: S506 - a safe loader that refuses repeated keys
    except yaml.YAMLError as error:
        raise SettingError(f"{where}: not YAML: {_yaml_problem(error)}") from None
    except RecursionError:
        raise SettingError(f"{where}: not YAML: nested too deeply") from None
    if data is None:
        raise SettingError(f"{where}: the file is empty: expected workflows, task, people and gates")
    try:
        rules = Rules.model_validate(data)
        check_rules(rules)
    except ValidationError as error:
        raise SettingError(f"{where}: {_describe(error, data)}") from None
    except CrossFieldError as error:
        raise SettingError(f"{where}: {error}") from None
    return rules


def _yaml_problem(error: Exception) -> str:
    """Return what the YAML parser found, without its excerpt of the text."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    context = getattr(error, "context", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: " + ": ".join(filter(None, (context, problem)))


def check_rules(rules: Rules) -> None:
    """Check what several parts of gates.yaml must agree in.

    Raises:
        CrossFieldError: at the first place that is wrong.
    """
    _check_repositories(rules)
    for source in rules.sources:
        if github.kind_of_type(source) is not None:
            raise CrossFieldError(f"sources.{source}: the facts of GitHub's events are built in: remove this entry")
    if ANYONE in rules.people:
        raise CrossFieldError(f"people.{ANYONE}: this name means everybody: choose another one")
    for gate, given in rules.gates.items():
        for index, rule in enumerate(given):
            place = f"gates.{gate}" + (f".{index}" if len(given) > 1 else "")
            _check_filter(rules, place, rule, rule)
            _check_task(rules, place, rule)
            for position, withdrawal in enumerate(rule.withdraw):
                where = f"{place}.withdraw" + (f".{position}" if len(rule.withdraw) > 1 else "")
                _check_filter(rules, where, withdrawal, rule)
                _check_reach(rules, where, withdrawal, rule)
    _check_gate_ids(rules)


def _check_gate_ids(rules: Rules) -> None:
    seen: dict[str, tuple[str, Mapping[str, str]]] = {}
    for gate, rule in rules.each_rule():
        other, inputs = seen.setdefault(gate_id(gate, rule), (gate, rule.inputs))
        if (other, inputs) != (gate, rule.inputs):
            raise CrossFieldError(
                f"gates.{gate}: its name with `inputs` is {gate_id(gate, rule)!r}, as that of another gate: "
                "rename the gate, or leave out one of the inputs"
            )


def _check_repositories(rules: Rules) -> None:
    seen: dict[str, str] = {}
    for repository in rules.repositories or ():
        other = seen.setdefault(slug(repository).casefold(), repository)
        if other.casefold() != repository.casefold():
            raise CrossFieldError(
                f"repositories: {other} and {repository} are the same as a label ({slug(repository)}), "
                "so their Workflows cannot be told apart: rename one, or run a function for each"
            )


def _check_filter(rules: Rules, place: str, given: EventFilter, rule: Rule) -> None:
    groups = [*rules.people, ANYONE]
    for group in given.by:
        if group not in groups:
            raise CrossFieldError(f"{place}.by is {group!r}: it is not a group of `people`{nearest(group, groups)}")
    asked = [key for key in ("label", "review", "merged", "draft", "base") if getattr(given, key) is not None]
    if isinstance(given, Rule):
        needs_people = given.quorum > 1 and given.person is None
        more = {"fresh": given.fresh, "not-author": given.not_author, "quorum": needs_people}
        asked += [key for key, is_asked in more.items() if is_asked]
    for name in given.event:
        facts = rules.facts_of(name)
        for key in asked:
            if not facts & _NEEDS[key]:
                raise CrossFieldError(
                    f"{place}.{key}: {name} has no {' or '.join(sorted(_NEEDS[key]))}, so the rule could never match"
                )
        needs_person = any(group != ANYONE for group in given.by)
        if needs_person and "person" not in facts and rule.person is None:
            raise CrossFieldError(
                f"{place}.by: {name} names no person: expected `person`, the path of the person in its data"
            )


def _check_reach(rules: Rules, place: str, withdrawal: EventFilter, rule: Rule) -> None:
    """Check that an event can revoke what it is to revoke: signals of its task and of its pull request."""
    has_pull_request = any("number" in rules.facts_of(name) for name in rule.event)
    for name in withdrawal.event:
        facts = rules.facts_of(name)
        if rule.task is None and not facts & _TASK_FACTS:
            raise CrossFieldError(
                f"{place}.event is {name!r}: it names no task, so it revokes nothing{_near_event(name, rules)}"
            )
        if has_pull_request and "number" not in facts:
            own = " or ".join(rule.event)
            raise CrossFieldError(
                f"{place}.event is {name!r}: it names no pull request, so it revokes nothing of {own}"
            )


def _near_event(name: str, rules: Rules) -> str:
    """Return a hint for something that looks like a misspelt event of GitHub, or of one of the `sources`."""
    kind, _, action = name.partition(".")
    if kind in ACTIONS:
        return ""
    if name.count(".") < 2:
        of_kind = next((each for each in ("pull_request", *ACTIONS) if kind in ACTIONS[each]), None)
        if of_kind and not action:
            return f", did you mean {of_kind}.{kind}?"
        return nearest(name, [f"{each}.{of}" for each in ACTIONS for of in ACTIONS[each]] if action else ACTIONS)
    near = nearest(name, rules.sources) if rules.sources else ""
    return near if near.endswith("?") else ""


def _check_task(rules: Rules, place: str, rule: Rule) -> None:
    for name in rule.event:
        facts = rules.facts_of(name)
        if rule.task is None and not facts & _TASK_FACTS:
            hint = _near_event(name, rules)
            also = f"{hint} Otherwise add" if hint else ", expected also"
            raise CrossFieldError(f"{place}.event is {name!r}: it names no task{also} `task`, its path in the data")
        if rules.workflows.labels.repository and rule.repository is None and "repository" not in facts:
            raise CrossFieldError(
                f"{place}.repository is missing: expected the path of the repository in the data of {name}, "
                "because Workflows have a label for it"
            )


# name that is missing -> what was expected there
_MISSING: Mapping[str, str] = {
    "by": ": expected a group of `people`, a list of groups, or anyone",
    "event": ": expected an event like pull_request.opened",
    "gates": ": expected the names of suspend nodes, each with a rule",
    "workflows": ": expected namespace, selector and labels",
}
_A_RULE = "a rule like {event: pull_request.opened, by: anyone}"
_A_WITHDRAWAL = "an event like {event: pull_request.synchronize}"
# pydantic's kinds of error -> what was expected
_EXPECTED: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "greater_than_equal": "a number of at least 1",
    "int_type": "a whole number",
    "less_than_equal": f"a number of at most {MAX_QUORUM}",
    "mapping_type": "an object",
    "model_type": "an object",
    "string_too_short": "a string that is not empty",
    "string_type": "a string",
    "string_unicode": "a string in Unicode",
    "too_short": "at least one",
    "tuple_type": "a list",
}


def _describe(error: ValidationError, data: object) -> str:
    """Return the first thing that is wrong, as `place is value: expected ...`, with the place as the user wrote it."""
    errors = error.errors(include_url=False)
    # A misspelt name is unknown, and the right one is missing: the first of these says more.
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    where = ".".join(_place(first["loc"], data)) or "the file"
    if first["loc"][-1:] == ("[key]",):
        where = f"the key of {'.'.join(_place(first['loc'][:-2], data))}"
    if first["type"] == "missing":
        return f"{where} is missing" + _MISSING.get(str(first["loc"][-1]), "")
    if first["type"] == "extra_forbidden":
        return f"{where} is not known here{nearest(str(first['loc'][-1]), _known_names(first['loc']))}"
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, CrossFieldError):
        return str(cause)
    given = first["input"]
    value = json.dumps(given) if given is None or isinstance(given, bool) else repr(given)  # null, not None
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    if first["type"] == "model_type" and first["loc"][:1] == ("gates",):
        return f"{where} is {shown}: expected {_A_WITHDRAWAL if 'withdraw' in first['loc'] else _A_RULE}"
    if first["type"] in _EXPECTED:
        return f"{where} is {shown}: expected {_EXPECTED[first['type']]}"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be ", "expected ")
    if first["type"] == "literal_error" and isinstance(given, str):
        near = nearest(given, re.findall(r"'([^']*)'", message))
        message += near if "did you mean" in near else ""
    if isinstance(given, Mapping) and not message.startswith("expected"):
        return f"{where}: {message}"  # the message names the part that is wrong
    return f"{where} is {shown}: {message}"


def _place(location: tuple[int | str, ...], data: object) -> Iterator[str]:
    """Return the place of an error without the index of a list that the user did not write."""
    at: Any = data
    for part in location:
        if isinstance(part, int):
            if not isinstance(at, list):
                continue
            at = at[part] if part < len(at) else None
        else:
            at = at.get(part) if isinstance(at, Mapping) else None
        yield str(part)


def _known_names(location: tuple[int | str, ...]) -> set[str]:
    """Return the names that are known at a place."""
    parts = [part for part in location if isinstance(part, str)]
    model: type[BaseModel] = Rules
    if parts[0] == "workflows":
        model = WorkflowLabels if "labels" in parts[1:-1] else WorkflowRules
    elif parts[0] == "task":
        model = TaskRules
    elif parts[0] == "gates":
        model = EventFilter if "withdraw" in parts[:-1] else Rule
    return {field.alias or name for name, field in model.model_fields.items()}

"""The types of the fields of gates.yaml: how each is checked, read, and written back."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, StrictStr

from func.core.label_selectors import is_label_value
from func.core.patterns import Pattern, compile_pattern
from func.core.sources import github
from func.core.sources.facts import FACTS
from func.core.sources.github_actions import ACTIONS
from func.core.values import read_repository

_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_CONDITION_PATH = re.compile(r"[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*")


T = TypeVar("T")


class CrossFieldError(ValueError):
    """Several fields do not fit together; the message names them itself."""


class PathPattern(NamedTuple):
    """Where something stands in an event's data.

    Args:
        pattern: its one group is the value; None for the whole text.
    """

    path: str
    pattern: Pattern | None = None


class Person(NamedTuple):
    """Somebody of a group.

    Args:
        login: without case.
        id: the account's number, which must fit too where it is given, since free logins can be taken over.
    """

    login: str
    id: int | None = None


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _not_null(value: object) -> object:
    if value is None:  # a key whose value was forgotten, which would drop the condition
        raise ValueError("expected a value; remove the key if you do not need it")
    return value


def _checked(pattern: re.Pattern[str], expected: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and not pattern.fullmatch(value):
            raise ValueError(f"expected {expected}")
        return value

    return BeforeValidator(check)


def _parse_event(value: object) -> object:
    if not isinstance(value, str):
        return value
    if kind := github.kind_of_type(value):
        also = "" if "." in kind else f", or {kind}.<action>"
        raise ValueError(f"expected the event without the prefix of its type: {kind}{also}")
    kind, dot, action = value.partition(".")
    known = ACTIONS.get(kind)
    if known is not None and action == "*":
        raise ValueError(f"expected {kind}, which means all of its actions")
    if known is not None and dot and action not in known and not (action and "*" in known):
        raise ValueError(f"GitHub has no such event{nearest(value, [f'{kind}.{each}' for each in known] or [kind])}")
    if known is None and ("*" in value or "?" in value):
        raise ValueError("expected the whole name of an event; a list can have several")
    return value


def nearest(value: str, known: Iterable[str]) -> str:
    """Return a hint for a value that is not known: the one that was probably meant, else all of them."""
    from difflib import get_close_matches

    names = sorted(known)
    near = get_close_matches(value, names, 1, 0.5)
    if near:
        return f", did you mean {near[0]}?"
    return f", expected one of {', '.join(names)}" if len(names) <= 30 else ""


def _parse_pattern(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        groups = compile_pattern(value).groups
    except ValueError as error:
        raise ValueError(f"not a regular expression that matches in linear time (RE2): {error}") from None
    if groups != 1:
        raise ValueError(f"expected a pattern with one group in parentheses, the task's id, found {groups}")
    return value


def _parse_path(value: object) -> object:
    """Return the value of a path, or of {path, pattern}."""
    if isinstance(value, PathPattern):
        return value
    pattern: object = None
    if isinstance(value, Mapping) and value.keys() == {"path", "pattern"}:
        given: Mapping[str, object] = value
        value, pattern = given["path"], _parse_pattern(given["pattern"])
        if not isinstance(pattern, str):
            value = None
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise ValueError("expected a path in the event's data like pull_request.number, or {path: ..., pattern: ...}")
    return PathPattern(value, compile_pattern(pattern) if isinstance(pattern, str) else None)


def _shown_path(value: PathPattern) -> object:
    return {"path": value.path, "pattern": value.pattern.pattern} if value.pattern else value.path


def _parse_template(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        parts = list(Formatter().parse(value))
    except ValueError as error:
        raise ValueError(f"not a template: {error}") from None
    for literal, name, spec, conversion in parts:
        if "{" in literal or "}" in literal:
            raise ValueError("expected no doubled braces: Argo would expand them")
        if name is not None and (spec or conversion or not _PATH.fullmatch(name)):
            raise ValueError(f"{{{name}}} is not a path in the event's data like {{pull_request.number}}")
    return value


def _parse_person(value: object) -> object:
    if isinstance(value, Person):
        return value
    if isinstance(value, str):
        return Person(value)
    if isinstance(value, Mapping) and value.keys() == {"login", "id"}:
        login, number = value["login"], value["id"]
        if isinstance(login, str) and type(number) is int:
            return Person(login, number)
    raise ValueError("expected a login or {login: ..., id: ...} with the number of the account")


def _shown_person(value: Person) -> object:
    return value.login if value.id is None else value._asdict()


def _parse_wanted(value: object) -> object:
    if isinstance(value, Mapping):
        if value.keys() != {"not"}:
            raise ValueError("expected {not: ...}; the path of a nested field has dots, like check_suite.conclusion")
        return {"not": _parse_wanted(value["not"])}
    if isinstance(value, list):
        if not value:
            raise ValueError("expected at least one value in a list")
        return [_parse_wanted(each) for each in value]
    if isinstance(value, str):
        return value.strip()
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError("expected a string, a number, true, false, null, a list of these or {not: ...}")


def _parse_when(value: object) -> object:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("expected conditions like {check_suite.conclusion: success}")
    for path in value:
        if not isinstance(path, str) or not _CONDITION_PATH.fullmatch(path):
            raise ValueError(f"{path!r} is not a path in the event's data like check_suite.conclusion or labels.*.name")
    return {path: _parse_wanted(wanted) for path, wanted in value.items()}


def _parse_source(value: object) -> object:
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"expected an object of paths, by {', '.join(FACTS)}")
    for fact, path in value.items():
        if fact not in FACTS:
            raise ValueError(f"{fact!r} is not a fact of an event{nearest(str(fact), FACTS)}")
        if not isinstance(path, str) or not _CONDITION_PATH.fullmatch(path):
            shown = "null" if path is None else repr(path)
            raise ValueError(f"{fact} is {shown}: expected a path in the event's data like object_attributes.iid")
        if "*" in path and fact != "label":
            raise ValueError(f"{fact} is {path!r}: only a label's path may have a *")
    return dict(value)


def slug(repository: str) -> str:
    """Return `owner/name` as a label's value: `owner-name`."""
    return repository.replace("/", "-")


def _parse_repository(value: object) -> object:
    repository = read_repository(value)
    if not is_label_value(slug(repository)):
        raise ValueError(
            f"no label can hold {slug(repository)}, so no Workflow can be found for it: a label's value has at most 63 "
            "characters, alphanumeric at both ends"
        )
    return repository


EventName = Annotated[StrictStr, BeforeValidator(_parse_event)]
PatternText = Annotated[StrictStr, BeforeValidator(_parse_pattern)]
Template = Annotated[StrictStr, BeforeValidator(_parse_template)]
DataPath = Annotated[PathPattern, PlainValidator(_parse_path), PlainSerializer(_shown_path)]
GroupMember = Annotated[Person, PlainValidator(_parse_person), PlainSerializer(_shown_person)]
LabelKey = Annotated[StrictStr, _checked(_LABEL_KEY, "the name of a Kubernetes label")]
Namespace = Annotated[StrictStr, _checked(_NAMESPACE, "a Kubernetes namespace")]
Repository = Annotated[StrictStr, BeforeValidator(_parse_repository)]
SourcePaths = Annotated[Mapping[str, str], BeforeValidator(_parse_source)]
Conditions = Annotated[Mapping[str, Any], BeforeValidator(_parse_when)]
OneOrMore = BeforeValidator(_as_list)  # a list, or one element without the brackets
Text = Annotated[StrictStr, Field(min_length=1)]
Optional = Annotated[T | None, BeforeValidator(_not_null)]  # a key that may be missing, but not empty

"""gates.yaml: which event opens which gate of which Workflow, and who may cause it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from functools import cached_property
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from func.core.events import ACTIONS, Event, Facts, github_kind
from func.core.label_selectors import Selector, is_label_value
from func.core.outcomes import Task
from func.core.values import RepositoryName, Together, describe, look_up

ANYONE = "anyone"
MAX_VALUE = 255  # characters of a label, branch or title that a pattern looks at

_KUBERNETES_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class ConfigError(Exception):
    """gates.yaml is wrong; the message is one line that names the place, its value and what was expected."""


class _Part(BaseModel):
    # cached_property needs a __dict__ that a frozen model keeps; fields themselves never change.
    model_config = ConfigDict(frozen=True, extra="forbid")


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _checked(pattern: re.Pattern[str], expected: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and not pattern.fullmatch(value):
            raise ValueError(f"expected {expected}")
        return value

    return BeforeValidator(check)


def _parse_event(value: object) -> object:
    if isinstance(value, str):
        kind, _, action = value.partition(".")
        if kind in ACTIONS and action not in (ACTIONS[kind] or {""}):
            known = ", ".join(f"{kind}.{name}" for name in sorted(ACTIONS[kind])) or kind
            raise ValueError(f"GitHub has no such event, expected one of {known}")
    return value


def _parse_pattern(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        groups = re.compile(value, re.ASCII).groups
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if groups != 1:
        raise ValueError(f"expected a pattern with one group, the task's id, found {groups}")
    return value


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
            raise ValueError(f"{{{name}}} is no path in the event's data like {{pull_request.number}}")
    return value


def _parse_person(value: object) -> object:
    if isinstance(value, str | Person) or (
        isinstance(value, Mapping) and value.keys() == {"login", "id"} and type(value["id"]) is int
    ):
        return value
    raise ValueError("expected a login or {login: ..., id: ...} with the number of the account")


EventName = Annotated[StrictStr, BeforeValidator(_parse_event)]
Pattern = Annotated[StrictStr, BeforeValidator(_parse_pattern)]
Template = Annotated[StrictStr, BeforeValidator(_parse_template)]
Path = Annotated[StrictStr, _checked(_PATH, "a path in the event's data like pull_request.number")]
LabelKey = Annotated[StrictStr, _checked(_LABEL_KEY, "the name of a Kubernetes label")]
Namespace = Annotated[StrictStr, _checked(re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"), "a Kubernetes namespace")]


class Person(_Part):
    """A login (case does not count) that must also have this account id, since free logins can be taken over."""

    login: StrictStr
    id: StrictInt


class Match(_Part):
    """Which events are meant, and by whom."""

    event: Annotated[tuple[EventName, ...], BeforeValidator(_as_list)] = Field(min_length=1)
    label: StrictStr | None = None
    review: Literal["approved", "changes_requested", "commented", "dismissed"] | None = None
    merged: StrictBool | None = None
    draft: StrictBool | None = None
    base: StrictStr | None = None
    by: Annotated[tuple[StrictStr, ...], BeforeValidator(_as_list)] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _not_on(cls, value: object) -> object:
        if isinstance(value, Mapping) and (True in value or "on" in value):
            raise ValueError("expected `event` in the place of `on`, which YAML 1.1 reads as true")
        return value

    @model_validator(mode="after")
    def _can_match(self) -> Match:
        if self.review and not any(name.startswith("pull_request_review.") for name in self.event):
            raise ValueError(f"no event of it has a review, so `review: {self.review}` would never match")
        return self

    def matches(self, facts: Facts, labels: Iterable[str]) -> bool:
        """Is this the event?

        Args:
            labels: those that the glob may fit, where the event has none of its own.
        """
        return (
            facts.name in self.event
            and self.fitting_label(facts, labels) is not False
            and self.review in (None, facts.verdict)
            and self.merged in (None, facts.merged)
            and self.draft in (None, facts.draft)
            and (self.base is None or _fits(self.base, facts.base))
        )

    def fitting_label(self, facts: Facts, labels: Iterable[str]) -> str | Literal[False] | None:
        """The label that fits, None where none is asked for, False where none fits."""
        if self.label is None:
            return None
        candidates = [facts.label] if facts.label is not None else labels
        return next((label for label in candidates if _fits(self.label, label)), False)


class Withdrawal(Match):
    """An event that takes a waiting key away."""

    by: Annotated[tuple[StrictStr, ...], BeforeValidator(_as_list)] = (ANYONE,)


class Way(Match):
    """An event that opens the gate, and what must hold for it.

    Args:
        fresh: the review must be about the head of the pull request.
        forks: pull requests from other repositories count too.
        inputs: only a gate whose node has these input parameters.
        early: `refuse` an event that comes before its gate is reached, instead of keeping its key.
        rounds: the gate can come again.
        task: for sources other than GitHub, the path of the task's id in the data.
        repository: likewise of `owner/name`.
    """

    fresh: StrictBool = False
    forks: StrictBool = False
    inputs: Mapping[StrictStr, StrictStr] = {}
    early: Literal["wait", "refuse"] = "wait"
    rounds: StrictBool = False
    task: Path | None = None
    repository: Path | None = None
    withdraw: Annotated[tuple[Withdrawal, ...], BeforeValidator(_as_list)] = ()


def slug(repository: str) -> str:
    """`owner/name` as a label's value: `owner-name`."""
    return repository.replace("/", "-")


class WorkflowLabels(_Part):
    """The names of the labels that say whose a Workflow is."""

    task: LabelKey
    repository: LabelKey | None = None


class WorkflowRules(_Part):
    """Which Workflows there are, and how to find the one of a task."""

    namespace: Namespace
    selector: StrictStr = Field(min_length=1)
    name: StrictStr | None = None
    labels: WorkflowLabels
    one_pull_request: StrictBool = Field(default=True, alias="one-pull-request")

    @model_validator(mode="after")
    def _check(self) -> WorkflowRules:
        try:
            _ = self.parsed_selector
        except ValueError as error:
            raise Together(f"selector is {self.selector!r}: {error}") from None
        if self.name is not None:
            sample = self.name.replace("{task}", "1")
            if sample == self.name or not _KUBERNETES_NAME.fullmatch(sample):
                raise Together(f"name is {self.name!r}: expected the name of a Workflow with {{task}} in it")
        return self

    @cached_property
    def parsed_selector(self) -> Selector:
        """The selector, ready to be matched."""
        return Selector.parse(self.selector)

    def labels_of(self, task: Task) -> dict[str, str] | None:
        """The labels that the task's Workflow has, beside those of the selector; None where no label can say it."""
        wanted = {self.labels.task: task.id}
        if self.labels.repository:
            wanted[self.labels.repository] = slug(task.repository or "")
        return wanted if all(map(is_label_value, wanted.values())) else None

    def selector_of(self, task: Task) -> str:
        """A label selector for the task's Workflows."""
        return ",".join([self.selector, *(f"{name}={value}" for name, value in (self.labels_of(task) or {}).items())])

    def disagreement(self, labels: Mapping[str, str], task: Task) -> str | None:
        """Why a Workflow with these labels is not the task's, whatever its name; None when it is."""
        if not self.parsed_selector.matches(labels):
            return f"its labels do not fit {self.selector}"
        wanted = self.labels_of(task)
        if wanted is None:
            return "its labels can't say which task it is of"
        wrong = next((name for name, value in wanted.items() if labels.get(name) != value), None)
        return f"its label {wrong} is not {wanted[wrong]}" if wrong else None

    def name_of(self, task: Task) -> str | None:
        """The name of the task's Workflow, or None when names are generated or this id gives none."""
        name = self.name.replace("{task}", task.id) if self.name else None
        return name if name and _KUBERNETES_NAME.fullmatch(name) else None


class TaskRules(_Part):
    """Where a pull request says which task it is of; a pattern's one group is the id."""

    label: Pattern | None = None
    branch: Pattern | None = None
    title: Pattern | None = None

    @cached_property
    def patterns(self) -> dict[str, re.Pattern[str]]:
        """Place -> pattern, ready to be matched."""
        given = {"label": self.label, "branch": self.branch, "title": self.title}
        return {place: re.compile(text, re.ASCII) for place, text in given.items() if text is not None}


class Rules(_Part):
    """All of gates.yaml."""

    workflows: WorkflowRules
    repositories: tuple[RepositoryName, ...] | None = None
    task: TaskRules = TaskRules()
    people: Mapping[StrictStr, tuple[Annotated[StrictStr | Person, BeforeValidator(_parse_person)], ...]] = {}
    gates: Mapping[StrictStr, Annotated[tuple[Way, ...], BeforeValidator(_as_list), Field(min_length=1)]] = Field(
        min_length=1
    )
    outputs: Mapping[StrictStr, Template] = {}

    @model_validator(mode="after")
    def _check(self) -> Rules:
        self._check_repositories()
        if ANYONE in self.people:
            raise Together(f"people.{ANYONE}: this name stands for everybody, choose another one")
        for gate, ways in self.gates.items():
            for way in ways:
                self._check_way(f"gates.{gate}", way)
        return self

    def _check_repositories(self) -> None:
        seen: dict[str, str] = {}
        for repository in self.repositories or ():
            other = seen.setdefault(slug(repository).casefold(), repository)
            if other.casefold() != repository.casefold():
                raise Together(
                    f"repositories: {other} and {repository} are the same as a label ({slug(repository)}), "
                    "so their Workflows can't be told apart: rename one, or run a function for each"
                )

    def _check_way(self, place: str, way: Way) -> None:
        for group in way.by:
            self._check_group(f"{place}.by", group)
        for withdrawal in way.withdraw:
            self._check_withdrawal(f"{place}.withdraw", way, withdrawal)
        for name in way.event:
            if github_kind(name):
                raise Together(
                    f"{place}.event is {name!r}: expected its name without that, {github_kind(name)}.<action>"
                )
            known = _is_read(name)
            if known and way.task:
                raise Together(f"{place}.task is {way.task!r}: the task of {name} is found by the rules of `task`")
            if not known and not way.task:
                raise Together(f"{place}.event is {name!r}: expected also `task`, the path of the task in its data")
            if way.task and self.workflows.labels.repository and not way.repository:
                raise Together(
                    f"{place}.repository is missing: expected the path of the repository in the data of {name}, "
                    "because Workflows have a label for it"
                )

    def _check_withdrawal(self, place: str, way: Way, withdrawal: Withdrawal) -> None:
        for group in withdrawal.by:
            self._check_group(f"{place}.by", group)
        for name in withdrawal.event:
            # Where the task of another source's event stands is said by the way that it belongs to.
            if not _is_read(name) and not way.task:
                raise Together(f"{place}.event is {name!r}: expected an event of {' or '.join(ACTIONS)}")

    def _check_group(self, place: str, group: str) -> None:
        groups = [*self.people, ANYONE]
        if group not in groups:
            raise Together(f"{place} is {group!r}: expected one of {', '.join(groups)}")

    def allows(self, by: Iterable[str], facts: Facts) -> bool:
        """May this person cause it?"""
        return any(group == ANYONE or self._has(group, facts) for group in by)

    def _has(self, group: str, facts: Facts) -> bool:
        if facts.person is None or not facts.person.isascii():  # GitHub's are, and a long s would pass for an s
            return False
        login = facts.person.casefold()
        for person in self.people[group]:
            if isinstance(person, str):
                if person.casefold() == login:
                    return True
            elif person.login.casefold() == login and person.id == facts.person_id:
                return True
        return False

    def way_of(self, facts: Facts, labels: Iterable[str]) -> tuple[str, Way] | None:
        """The rule of an event: the first way that matches, with its gate; None where there is none."""
        labels = tuple(labels)
        for gate, ways in self.gates.items():
            for way in ways:
                if way.matches(facts, labels):
                    return gate, way
        return None

    def withdrawals_of(self, facts: Facts, labels: Iterable[str]) -> list[tuple[str, Way, Withdrawal]]:
        """The gates whose keys this event takes away."""
        labels = tuple(labels)
        return [
            (gate, way, withdrawal)
            for gate, ways in self.gates.items()
            for way in ways
            for withdrawal in way.withdraw
            if withdrawal.matches(facts, labels)
        ]

    def ways_for_key(self, gate: str, facts: Facts) -> list[Way]:
        """The ways that a kept key could come by today."""
        labels = () if facts.label is None else (facts.label,)
        return [way for way in self.gates[gate] if way.matches(facts, labels)]


def _is_read(name: str) -> bool:
    """Is it an event of GitHub whose task is found without a path in its data?"""
    return name.partition(".")[0] in ACTIONS


def fill(template: str, event: Event) -> str | None:
    """An output's value, or None where the event has no such field."""
    text = ""
    for literal, name, _, _ in Formatter().parse(template):
        text += literal
        if name is None:
            continue
        value = event.facts.person if name == "person" else look_up(event.data, name)
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not isinstance(value, str | int | float):
            return None
        text += str(value)
    return text


def parse_rules(text: str, where: str) -> Rules:
    """gates.yaml -> Rules.

    Args:
        text: the YAML.
        where: its path, for messages.

    Raises: ConfigError, one line.
    """
    import yaml

    from func.core.yaml_loader import UniqueKeyLoader

    try:
        data: Any = yaml.load(text, UniqueKeyLoader)  # noqa: S506 - a SafeLoader that refuses repeated keys
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{where}: not YAML: nested too deeply") from None
    try:
        return Rules.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {describe(error)}") from None


def _fits(glob: str, value: str | None) -> bool:
    return value is not None and len(value) <= MAX_VALUE and re.fullmatch(translate(glob), value) is not None

"""gates.yaml: which event moves which gate of which Workflow, and who may cause it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from func.core.conditions import Wanted, holds, is_known
from func.core.field_types import (
    Conditions,
    CrossFieldError,
    DataPath,
    EventName,
    GroupMember,
    LabelKey,
    Namespace,
    OneOrMore,
    Optional,
    PatternText,
    Repository,
    SourcePaths,
    Template,
    Text,
    slug,
)
from func.core.label_selectors import Selector, is_label_value
from func.core.outcomes import Task
from func.core.patterns import Pattern, compile_pattern, fits_glob
from func.core.reasons import Verdict
from func.core.signals import Signal
from func.core.sources import github
from func.core.sources.facts import Paths
from func.core.sources.github_actions import ACTIONS

ANYONE = "anyone"
GITHUB = "github"

_KUBERNETES_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
MAX_QUORUM = 20


class _Part(BaseModel):
    # cached_property needs a __dict__ that a frozen model keeps; fields themselves never change.
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class EventFilter(_Part):
    """Which events match, and by whom."""

    event: Annotated[tuple[EventName, ...], OneOrMore] = Field(min_length=1)
    label: Optional[Text] = None
    review: Optional[Literal["approved", "changes_requested", "commented", "dismissed"]] = None
    merged: Optional[StrictBool] = None
    draft: Optional[StrictBool] = None
    base: Optional[Text] = None
    when: Conditions = {}
    by: Annotated[tuple[StrictStr, ...], OneOrMore] = Field(default=(ANYONE,), min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _not_on(cls, value: object) -> object:
        if isinstance(value, Mapping) and (True in value or "on" in value):
            raise ValueError("YAML 1.1 reads a bare `on` as true: write `event`")
        return value

    def matches(self, signal: Signal, *, unknown: bool = False) -> bool:
        """Return whether an event matches.

        Args:
            unknown: the answer where a condition asks for data that the signal does not carry.
        """
        return (
            not self.names.isdisjoint(names_of(signal))
            and (self.label is None or any(fits_glob(self.label, each, ignore_case=True) for each in _labels(signal)))
            and self.review in (None, signal.verdict)
            and self.merged in (None, signal.merged)
            and self.draft in (None, signal.draft)
            and (self.base is None or (signal.base is not None and fits_glob(self.base, signal.base)))
            and all(_holds(wanted, signal.data.get(path), unknown) for path, wanted in self.when.items())
        )

    @cached_property
    def names(self) -> frozenset[str]:
        """The events' names."""
        return frozenset(self.event)


def names_of(signal: Signal) -> tuple[str, ...]:
    """Return the names by which a rule may name an event; only GitHub's own events have GitHub's names.

    Their order decides that of what a signal carries, and a set's order differs between processes.
    """
    return _names(signal.name, signal.source is None)


@lru_cache
def _names(name: str, is_github: bool) -> tuple[str, ...]:  # noqa: FBT001
    kind = name.partition(".")[0]
    if is_github:
        return (name,) if name == kind else (name, kind)
    return () if kind in ACTIONS else (name,)


def _labels(signal: Signal) -> tuple[str, ...]:
    if signal.label is not None:
        return (signal.label,)
    # An event about a label that does not say which one is about none of the others.
    return () if signal.name.endswith((".labeled", ".unlabeled")) else signal.labels


def _holds(wanted: Wanted, found: list[Any] | None, unknown: bool) -> bool:  # noqa: FBT001
    return unknown if found is None or not is_known(wanted, found) else holds(wanted, found)


class Rule(EventFilter):
    """An event that moves the gate, and what must hold for it.

    Args:
        then: `open` the gate, or let it `fail`.
        quorum: signals of this many different people are needed.
        not_author: the pull request's author may not cause it.
        fresh: the review must be about the head of the pull request.
        forks: pull requests from other repositories count too.
        inputs: only a gate whose node has these input parameters.
        early: `refuse` a signal that comes before its gate is reached, instead of keeping it.
        rounds: the gate can come again.
        task, repository, person: their own paths in the event's data, instead of those of its source.
        outputs: values for supplied output parameters; they override the general ones.
    """

    by: Annotated[tuple[StrictStr, ...], OneOrMore] = Field(min_length=1)
    then: Literal["open", "fail"] = "open"
    quorum: StrictInt = Field(default=1, ge=1, le=MAX_QUORUM)
    not_author: StrictBool = Field(default=False, alias="not-author")
    fresh: StrictBool = False
    forks: StrictBool = False
    inputs: Mapping[StrictStr, StrictStr] = {}
    early: Literal["wait", "refuse"] = "wait"
    rounds: StrictBool = False
    task: Optional[DataPath] = None
    repository: Optional[DataPath] = None
    person: Optional[DataPath] = None
    withdraw: Annotated[tuple[EventFilter, ...], OneOrMore] = ()
    outputs: Mapping[StrictStr, Template] = {}


def gate_id(gate: str, rule: Rule) -> str:
    """Return the name of a gate with the inputs that tell it apart, e.g. `wait-event(event=merged)`."""
    if not rule.inputs:
        return gate
    return f"{gate}({','.join(f'{name}={value}' for name, value in sorted(rule.inputs.items()))})"


def _can_both_fit(inputs: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Return whether one node can have the inputs of two rules."""
    return all(others.get(name, value) == value for name, value in inputs.items())


class WorkflowLabels(_Part):
    """The names of the labels with task and repository of a Workflow."""

    task: LabelKey
    repository: Optional[LabelKey] = None


class WorkflowRules(_Part):
    """Which Workflows the rules apply to, and how to find that of a task."""

    namespace: Namespace
    selector: StrictStr = Field(min_length=1)
    name: Optional[StrictStr] = None
    labels: WorkflowLabels
    one_pull_request: StrictBool = Field(default=True, alias="one-pull-request")

    @model_validator(mode="after")
    def _check(self) -> WorkflowRules:
        try:
            if not self.parsed_selector.requirements:
                raise ValueError("expected a label selector like a=b, because a blank one selects every Workflow")
        except ValueError as error:
            raise CrossFieldError(f"workflows.selector is {self.selector!r}: {error}") from None
        if self.name is not None:
            sample = self.name.replace("{task}", "1")
            if sample == self.name or not _KUBERNETES_NAME.fullmatch(sample):
                raise CrossFieldError(
                    f"workflows.name is {self.name!r}: expected the name of a Workflow with {{task}} in it"
                )
        return self

    @cached_property
    def parsed_selector(self) -> Selector:
        """The selector, ready to be matched."""
        return Selector.parse(self.selector)

    def impossible_label(self, task: Task) -> str | None:
        """Return the value that no label can hold, though the task's Workflow would need it."""
        wanted = [task.id, *([slug(task.repository or "")] if self.labels.repository else [])]
        return next((value for value in wanted if not value or not is_label_value(value)), None)

    def selector_of(self, task: str) -> str:
        """Return a label selector for the Workflows of a task's id; which repository they are of is for `disagreement`.

        Kubernetes compares labels with case, and people write `abc-7` for ticket ABC-7.
        """
        variants = dict.fromkeys((task, task.upper(), task.lower()))
        return f"{self.selector},{self.labels.task} in ({','.join(variants)})"

    def disagreement(self, labels: Mapping[str, str], task: Task) -> str | None:
        """Return why a Workflow with these labels is not the task's; None when it is."""
        if not self.parsed_selector.matches(labels):
            return f"its labels do not match {self.selector}"
        wanted = {self.labels.task: task.id}
        if self.labels.repository:
            wanted[self.labels.repository] = slug(task.repository or "")
        for name, value in wanted.items():
            given = labels.get(name)
            if given is None:
                return f"it has no label {name}"
            if given.casefold() != value.casefold():
                return f"its label {name} is {given}, not {value}"
        return None

    def name_of(self, task: str) -> str | None:
        """Return the name of the Workflow of a task's id, or None when names are generated or this id gives none."""
        name = self.name.replace("{task}", task.lower()) if self.name else None
        return name if name and _KUBERNETES_NAME.fullmatch(name) else None


class TaskRules(_Part):
    """Patterns for the places of a pull request that name its task; the one group is the id."""

    label: Optional[PatternText] = None
    branch: Optional[PatternText] = None
    title: Optional[PatternText] = None

    @cached_property
    def patterns(self) -> dict[str, Pattern]:
        """Place -> pattern, ready to be matched; GitHub's labels have no case."""
        given = {"label": self.label, "branch": self.branch, "title": self.title}
        return {
            place: compile_pattern(text, ignore_case=place == "label")
            for place, text in given.items()
            if text is not None
        }


class Rules(_Part):
    """All of gates.yaml."""

    workflows: WorkflowRules
    repositories: Optional[tuple[Repository, ...]] = None
    task: TaskRules = TaskRules()
    people: Mapping[StrictStr, tuple[GroupMember, ...]] = {}
    sources: Mapping[StrictStr, SourcePaths] = {}
    gates: Mapping[StrictStr, Annotated[tuple[Rule, ...], OneOrMore, Field(min_length=1)]] = Field(min_length=1)
    outputs: Mapping[StrictStr, Template] = {}

    @cached_property
    def rules_by_event(self) -> dict[str, list[tuple[str, Rule]]]:
        """Event name -> rules with their gates."""
        found: dict[str, list[tuple[str, Rule]]] = {}
        for gate, rule in self.each_rule():
            for name in rule.names:
                found.setdefault(name, []).append((gate, rule))
        return found

    @cached_property
    def withdrawals_by_event(self) -> dict[str, list[tuple[str, Rule, EventFilter]]]:
        """Event name -> gate, rule and withdrawal, for each withdrawal that names the event."""
        found: dict[str, list[tuple[str, Rule, EventFilter]]] = {}
        for gate, rule in self.each_rule():
            for withdrawal in rule.withdraw:
                for name in withdrawal.names:
                    found.setdefault(name, []).append((gate, rule, withdrawal))
        return found

    @cached_property
    def may_accept_forks(self) -> bool:
        """Whether a fork's pull request can signal a gate: a rule sets `forks`, or its events cannot tell a fork."""
        kinds = {name.partition(".")[0] for name in self.rules_by_event}
        is_told = all("base-repository" in github.paths_of(kind) for kind in kinds)
        return not is_told or any(rule.forks for _, rule in self.each_rule())

    def each_rule(self) -> Iterator[tuple[str, Rule]]:
        """Return all rules with their gates, in the order of the file."""
        for gate, rules in self.gates.items():
            for rule in rules:
                yield gate, rule

    @cached_property
    def gate_ids(self) -> dict[str, tuple[str, list[Rule]]]:
        """Gate with inputs, from `gate_id` -> its name and its rules."""
        found: dict[str, tuple[str, list[Rule]]] = {}
        for gate, rule in self.each_rule():
            found.setdefault(gate_id(gate, rule), (gate, []))[1].append(rule)
        return found

    @cached_property
    def overlapping(self) -> dict[str, list[str]]:
        """Gate with inputs -> others of its name that one node can fit too; gates without such are left out."""
        ids = self.gate_ids
        found = {
            each: [
                other
                for other, (name, given) in ids.items()
                if other != each and name == gate and _can_both_fit(given[0].inputs, rules[0].inputs)
            ]
            for each, (gate, rules) in ids.items()
        }
        return {each: others for each, others in found.items() if others}

    def match(self, signal: Signal) -> tuple[str, Rule] | None:
        """Return the first rule that matches an event, with its gate."""
        candidates = [pair for name in names_of(signal) for pair in self.rules_by_event.get(name, ())]
        found = [(gate, rule) for gate, rule in candidates if rule.matches(signal)]
        if len(found) < 2:
            return found[0] if found else None
        order = {id(rule): place for place, (_, rule) in enumerate(self.each_rule())}
        return min(found, key=lambda pair: order[id(pair[1])])

    def withdrawals_of(self, signal: Signal) -> list[tuple[str, Rule, EventFilter]]:
        """Return the rules whose signals this event revokes, with their gates."""
        candidates = [each for name in names_of(signal) for each in self.withdrawals_by_event.get(name, ())]
        return [each for each in candidates if each[2].matches(signal)]

    def conditions_of(self, signal: Signal) -> dict[str, list[Wanted]]:
        """Return what rules ask of the data of this event: path -> wanted."""
        found: dict[str, list[Wanted]] = {}
        for each in self._filters_of(signal):
            for path, wanted in each.when.items():
                found.setdefault(path, []).append(wanted)
        return found

    def labels_for(self, signal: Signal, labels: Iterable[str]) -> tuple[str, ...]:
        """Return those labels of the pull request that a rule for this event asks for."""
        globs = {each.label for each in self._filters_of(signal) if each.label is not None}
        return tuple(sorted(each for each in labels if any(fits_glob(glob, each, ignore_case=True) for glob in globs)))

    def _filters_of(self, signal: Signal) -> list[EventFilter]:
        return [each for name in names_of(signal) for each in self._filters_by_event.get(name, ())]

    @cached_property
    def _filters_by_event(self) -> dict[str, list[EventFilter]]:
        found: dict[str, list[EventFilter]] = {}
        for _, rule in self.each_rule():
            for each in (rule, *rule.withdraw):
                for name in each.names:
                    found.setdefault(name, []).append(each)
        return found

    def source_paths(self, event_type: str) -> Paths:
        """Return the paths of the facts in a CloudEvent of this type, for sources other than GitHub."""
        return next((paths for glob, paths in self.sources.items() if fits_glob(glob, event_type)), {})

    def facts_of(self, name: str) -> frozenset[str]:
        """Return the facts that an event of this name has."""
        kind = name.partition(".")[0]
        return frozenset(github.paths_of(kind) if kind in ACTIONS else self.source_paths(name))

    @cached_property
    def prefixes(self) -> frozenset[str]:
        """Words that may precede a person's name and name its source: those of the sources' types."""
        types = [*self.sources, *(name for _, rule in self.each_rule() for name in rule.names)]
        return frozenset(
            word for each in types if each.partition(".")[0] not in ACTIONS for word in each.split(".")
        ) | {GITHUB}

    def lists(self, repository: str | None) -> bool:
        """Return whether events of a repository count."""
        return self._listed is None or (repository or "").casefold() in self._listed

    @cached_property
    def _listed(self) -> frozenset[str] | None:
        return None if self.repositories is None else frozenset(map(str.casefold, self.repositories))

    def allows(self, by: Iterable[str], signal: Signal) -> bool:
        """Return whether this person is in one of the groups."""
        return any(group == ANYONE or self._is_member(group, signal) for group in by)

    def _is_member(self, group: str, signal: Signal) -> bool:
        if signal.person is None:
            return False
        source = {GITHUB} if signal.source is None else set(signal.name.split("."))
        for person in self.people[group]:
            prefix, separator, login = person.login.partition(":")
            if separator and prefix in self.prefixes:
                if prefix not in source:
                    continue
            else:
                login = person.login
            if _is_same_login(login, signal.person) and person.id in (None, signal.person_id):
                return True
        return False

    def refuses(self, signal: Signal, rule: Rule) -> Verdict | None:
        """Return why the rules do not accept a signal from this pull request and this person; None when they do."""
        if not self.lists(signal.repository):
            return Verdict.of("repository-not-listed", repository=signal.repository or "(none)")
        if signal.fork and not rule.forks:
            if signal.pull_request is None and "head-repository" not in self.facts_of(signal.name):
                return Verdict.of("unknown-head", event=signal.name)
            return Verdict.of("fork", pull_request=signal.pull_request or signal.name)
        return self._refuses_person(signal, rule)

    def _refuses_person(self, signal: Signal, rule: Rule) -> Verdict | None:
        if not self.allows(rule.by, signal):
            groups = " or ".join(rule.by)
            if signal.person is None:
                return Verdict.of("no-person", groups=groups)
            return Verdict.of("person-not-allowed", person=signal.person, groups=groups)
        if rule.not_author:
            if signal.author is None or signal.person is None:
                return Verdict.of("no-author" if signal.person else "no-person", groups=" or ".join(rule.by))
            same_id = signal.author_id is not None and signal.author_id == signal.person_id
            # Any doubt makes them one person, other than in `people`.
            if same_id or signal.author.casefold() == signal.person.casefold():
                what = signal.pull_request or "what the event is about"
                return Verdict.of("author-not-allowed", person=signal.person, pull_request=what)
        if rule.fresh and not signal.fresh:
            return Verdict.of("not-head", head=signal.head or "(none)", pull_request=signal.pull_request)
        return None


def _is_same_login(login: str, other: str) -> bool:
    """Return whether two logins are the same, without case in ASCII alone: a long s would equal an s."""
    return login.casefold() == other.casefold() if login.isascii() and other.isascii() else login == other

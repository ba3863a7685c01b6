"""What is dangerous in gates.yaml, though it is valid: rules -> warnings. `taskgate check` prints them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from func.core.conditions import PRESENT, leaves
from func.core.field_types import Person, nearest
from func.core.patterns import first_group, fits_glob
from func.core.rules import ANYONE, GITHUB, EventFilter, Rule, Rules, TaskRules
from func.core.sources import github
from func.core.sources.github_actions import ACTIONS

# Kinds of GitHub that carry a verdict -> the paths that hold it; an event comes for each of them, good or bad.
_VERDICTS: Mapping[str, tuple[str, ...]] = {
    "check_run": ("check_run.conclusion",),
    "check_suite": ("check_suite.conclusion",),
    "workflow_run": ("workflow_run.conclusion",),
    "workflow_job": ("workflow_job.conclusion",),
    "deployment_status": ("deployment_status.state",),
    "status": ("state",),
}
_COMMENTS = ("issue_comment", "pull_request_review_comment", "commit_comment", "discussion_comment")
_LABELS = ("pull_request.labels.", "issue.labels.")
# What can change after the event -> the paths by which `when` asks for it, and the events that report the change.
_CHANGES: Mapping[str, tuple[tuple[str, ...], Callable[[EventFilter], tuple[str, ...]]]] = {
    "label": (_LABELS, lambda rule: _label_changes(rule)),
    "draft": (
        ("pull_request.draft",),
        lambda rule: (f"pull_request.{'ready_for_review' if rule.draft else 'converted_to_draft'}",),
    ),
    "base": (("pull_request.base.ref",), lambda _: ("pull_request.edited",)),
}
_TASK_PLACES = tuple(TaskRules.model_fields)
# https://docs.github.com/en/enterprise-cloud@latest/admin/managing-iam/iam-configuration-reference/username-considerations-for-external-authentication
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\[bot\])?")


# Code -> what is wrong and what to do; names in braces are filled in.
TEXTS: Mapping[str, str] = {
    "person-without-id": "{people} without id: a login that was renamed or deleted can be taken by somebody else. "
    "Write {{login: ..., id: ...}}; https://api.github.com/users/<login> has the id.",
    "names-of-several-sources": "{people} counts in {sources}, where the same name can be another person. Write the "
    "source before the name, for example {example}.",
    "person-of-unknown-source": "{person}: no rule is for events of {source}",
    "not-a-login": "{person} is not a login that GitHub gives. Write the login of a person or app, like octocat or "
    "renovate[bot]. GitHub's events do not say in which teams a person is.",
    "too-few-people": "It needs {quorum} of {groups}, and has {people}. Add people, or lower `quorum`.",
    "task-unreachable": "{event} can name a task by {places} only, and `task` has no pattern for that. Add "
    "`task.{place}`, or `task` to the rule.",
    "id-without-source": "{people} of {group} never counts, because {event} gives no account id here. Map `person-id` "
    "in `sources`, or add the person without id, for example {example}.",
    "verdict-not-checked": "{kind} also comes for {bad}. Add a condition, for example `{example}`.",
    "comment-not-checked": "{kind} comes for every comment, whatever it says. Add a condition on its text, for example "
    "`when: {{comment.body: '/approve'}}`.",
    "negation-as-text": "{path} is {text!r}, which matches only this very text. To exclude a value, write "
    "`when: {{<path>: {{not: {value}}}}}`.",
    "condition-can-change": "The {what} can change while the signal waits. Add `withdraw: [{{event: {event}}}]`, or "
    "`early: refuse`.",
    "withdraw-unreachable": "{event} {why}, so it revokes nothing. Remove it, or name another event.",
}
_ERRORS = ("withdraw-unreachable",)  # what can never do anything


class LintWarning(NamedTuple):
    """Something in gates.yaml that is dangerous, or that can never happen.

    Args:
        code: one of TEXTS.
        place: in gates.yaml.
        text: what is wrong, and what to do.
    """

    code: str
    level: Literal["warning", "error"]
    place: str
    text: str


def _warning(code: str, where: str, **data: object) -> LintWarning:
    return LintWarning(code, "error" if code in _ERRORS else "warning", where, TEXTS[code].format_map(data))


def lint(rules: Rules) -> list[LintWarning]:
    """Return what is dangerous in the rules, in the order of the file."""
    found = [*_people(rules)]
    for gate, given in rules.gates.items():
        for index, rule in enumerate(given):
            place = f"gates.{gate}" + (f".{index}" if len(given) > 1 else "")
            found += _too_few(place, rule, rules)
            found += _taskless(place, rule, rules)
            found += _unmatched_ids(place, rule, rules)
            found += _verdicts(place, rule)
            found += _comments(place, rule)
            found += _negations(place, rule)
            found += _changes(place, rule, rules)
            found += _unreachable(place, rule, rules)
    return found


def _people(rules: Rules) -> Iterator[LintWarning]:
    used: dict[str, set[str]] = {}  # group -> the sources whose people it is asked for
    for _, rule in rules.each_rule():
        for each in (rule, *rule.withdraw):
            for group in each.by:
                used.setdefault(group, set()).update(map(_source, each.event))
    for group, people in rules.people.items():
        if group not in used:
            continue
        yield from _strange_names(group, people, used[group], rules)
        without = [person.login for person in people if person.id is None and _counts_in(person, GITHUB, rules)]
        if without and used[group] & {GITHUB}:
            yield _warning("person-without-id", f"people.{group}", people=", ".join(without))
        bare = [person.login for person in people if person.login.partition(":")[0] not in rules.prefixes]
        if bare and len(used[group]) > 1:
            sources = sorted(used[group])
            data = {"people": ", ".join(bare), "sources": " and ".join(sources), "example": f"{sources[0]}:{bare[0]}"}
            yield _warning("names-of-several-sources", f"people.{group}", **data)


def _strange_names(group: str, people: Iterable[Person], sources: set[str], rules: Rules) -> Iterator[LintWarning]:
    """Warn of names that nobody can have."""
    for person in people:
        prefix, separator, rest = person.login.partition(":")
        login = rest if separator else prefix
        of_github = prefix == GITHUB if separator else sources == {GITHUB}
        if separator and prefix not in rules.prefixes:
            near = nearest(prefix, rules.prefixes)
            if "did you mean" in near:
                data = {"person": person.login, "source": f"{prefix}{near}"}
                yield _warning("person-of-unknown-source", f"people.{group}", **data)
        elif of_github and not _LOGIN.fullmatch(login):
            yield _warning("not-a-login", f"people.{group}", person=person.login)


def _too_few(place: str, rule: Rule, rules: Rules) -> Iterator[LintWarning]:
    """Warn of a rule that its people can never meet."""
    people = {person.login.casefold() for group in rule.by for person in rules.people.get(group, ())}
    if ANYONE not in rule.by and len(people) < rule.quorum:
        yield _warning("too-few-people", place, quorum=rule.quorum, groups=" or ".join(rule.by), people=len(people))


def _taskless(place: str, rule: Rule, rules: Rules) -> Iterator[LintWarning]:
    """Warn of events that name a task only in places for which `task` has no pattern."""
    for name in rule.event:
        facts = rules.facts_of(name)
        if rule.task is None and not facts & {"task", *rules.task.patterns}:
            places = [each for each in _TASK_PLACES if each in facts]
            yield _warning("task-unreachable", place, event=name, places=" or ".join(places), place=places[0])


def _unmatched_ids(place: str, rule: Rule, rules: Rules) -> Iterator[LintWarning]:
    """Warn of people listed with an account id for events that carry no account id: the rule never accepts them."""
    for name in rule.event:
        if rule.person is None and "person-id" in rules.facts_of(name):
            continue
        for group in rule.by:
            lost = [
                person.login
                for person in rules.people.get(group, ())
                if person.id is not None and _counts_in(person, name, rules)
            ]
            if lost:
                data = {"people": ", ".join(lost), "group": group, "event": name}
                yield _warning("id-without-source", place, **data, example=f"{_source(name)}:{lost[0]}")


def _counts_in(person: Person, name: str, rules: Rules) -> bool:
    prefix, separator, _ = person.login.partition(":")
    words = {GITHUB} if GITHUB in (name, _source(name)) else set(name.split("."))
    return not separator or prefix not in rules.prefixes or prefix in words


def _source(name: str) -> str:
    """Return the word that may stand before a person's name."""
    if name.partition(".")[0] in ACTIONS:
        return GITHUB
    words = name.split(".")
    return words[1] if len(words) > 2 else words[0]


def _verdicts(place: str, rule: Rule) -> Iterator[LintWarning]:
    for kind in dict.fromkeys(name.partition(".")[0] for name in rule.event):
        paths = _VERDICTS.get(kind, ())
        if paths and all(rule.when.get(path, PRESENT) == PRESENT for path in paths):
            example = f"when: {{{paths[0]}: success}}"
            yield _warning("verdict-not-checked", place, kind=kind, bad="what failed", example=example)
    is_review = any(_is_review(name) and name != "pull_request_review.dismissed" for name in rule.event)
    if is_review and rule.review is None and "review.state" not in rule.when:
        data = {"kind": "pull_request_review", "bad": "comments and requested changes", "example": "review: approved"}
        yield _warning("verdict-not-checked", place, **data)


def _comments(place: str, rule: Rule) -> Iterator[LintWarning]:
    for kind in dict.fromkeys(name.partition(".")[0] for name in rule.event):
        if kind in _COMMENTS and rule.when.get("comment.body", PRESENT) == PRESENT:
            yield _warning("comment-not-checked", place, kind=kind)


def _negations(place: str, rule: Rule) -> Iterator[LintWarning]:
    """Warn of text that other tools read as a negation."""
    for each in (rule, *rule.withdraw):
        for path, wanted in {**each.when, "label": each.label, "base": each.base}.items():
            # A comment can be a command of that form.
            for text in leaves(wanted) if path != "comment.body" else ():
                if isinstance(text, str) and text.startswith("!"):
                    yield _warning("negation-as-text", place, path=path, text=text, value=text[1:].strip() or "...")


def _label_changes(rule: EventFilter) -> tuple[str, ...]:
    """Return the events after which a condition on a label holds no more."""
    conditions = [wanted for path, wanted in rule.when.items() if path.startswith(_LABELS)]
    is_absent = any(isinstance(each, dict) for each in conditions)
    removed = all(name.endswith(".unlabeled") for name in rule.event)
    action = "labeled" if is_absent or removed else "unlabeled"
    kinds = dict.fromkeys("issues" if name.startswith("issue") else "pull_request" for name in rule.event)
    return tuple(f"{kind}.{action}" for kind in kinds)


def _changes(place: str, rule: Rule, rules: Rules) -> Iterator[LintWarning]:
    """Warn of a condition that held when the event came, and may not when the gate is reached."""
    if rule.early == "refuse" or all(_source(name) != GITHUB for name in rule.event):
        return
    if all(name == "pull_request.closed" for name in rule.event):
        return  # nothing that changes afterwards matters
    if rule.fresh and not _is_withdrawn("pull_request.synchronize", rule):
        yield _warning("condition-can-change", place, what="head commit", event="pull_request.synchronize")
    for what, (paths, changes) in _CHANGES.items():
        asked = getattr(rule, what) is not None or any(path.startswith(paths) for path in rule.when)
        if not asked or (what == "label" and _names_task(rule, rules)):
            continue
        missing = [name for name in changes(rule) if not _is_withdrawn(name, rule)]
        if missing:
            yield _warning("condition-can-change", place, what=what, event=missing[0])


def _names_task(rule: Rule, rules: Rules) -> bool:
    """Return whether the label is the one that names the task: a pull request that loses it leaves the task."""
    pattern = rules.task.patterns.get("label")
    sample = (rule.label or "").replace("*", "1").replace("?", "1")
    return pattern is not None and first_group(pattern, sample) is not None


def _is_withdrawn(name: str, rule: Rule) -> bool:
    kind = name.partition(".")[0]
    return any(
        (name in each.names or kind in each.names)
        and (each.label is None or rule.label is None or fits_glob(each.label, rule.label, ignore_case=True))
        for each in rule.withdraw
    )


def _unreachable(place: str, rule: Rule, rules: Rules) -> Iterator[LintWarning]:
    """Warn of a `withdraw` event that can never revoke what the rule signals: that of its own pull request."""
    signals = {shape for name in rule.event for shape in _pull_requests(name, rules)}
    for index, each in enumerate(rule.withdraw):
        where = f"{place}.withdraw" + (f".{index}" if len(rule.withdraw) > 1 else "")
        for name in each.event:
            why = None
            if rules.workflows.labels.repository and not {"repository"} & rules.facts_of(name) and not rule.repository:
                why = "names no repository"
            elif not signals & _pull_requests(name, rules):
                why = f"and {' or '.join(rule.event)} never name the same pull request"
            elif name == "pull_request_review.dismissed" and not any(map(_is_review, rule.event)):
                why = "revokes one review, and the rule is not for reviews"
            if why:
                yield _warning("withdraw-unreachable", where, event=name, why=why)


def _is_review(name: str) -> bool:
    return name.partition(".")[0] == "pull_request_review"


def _pull_requests(name: str, rules: Rules) -> set[str]:
    """Return in which forms the signal of an event can name its pull request: `owner/name#1`, `#1`, or none."""
    facts = rules.facts_of(name)
    if "number" not in facts:
        return {"none"}
    form = "whole" if "repository" in facts else "number"
    is_required = "number" in github.REQUIRED.get(name.partition(".")[0], ())
    return {form} if is_required else {form, "none"}

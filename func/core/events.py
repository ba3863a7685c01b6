"""CloudEvent -> Event: what happened, as facts, and where it may name a task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from func.core.conditions import remember
from func.core.outcomes import EventRef
from func.core.reasons import Rejection
from func.core.rules import Rules
from func.core.signals import Signal
from func.core.sources import github
from func.core.sources.facts import Paths, read_fact, read_facts
from func.core.sources.github_actions import ACTIONS

_MAX_LABEL = 256  # characters that are kept; no pattern matches more than 255
Places = Mapping[str, tuple[str, ...]]  # label, branch, title -> values that may name a task


class Event(NamedTuple):
    """What happened.

    Args:
        signal: the facts for the rules.
        places: as they are after the event.
        before: as they were before it, where it changed them.
        task: its id, where the data says it outright.
        is_closed: its pull request is.
        data: the CloudEvent's data, for outputs and for what a rule finds by a path of its own.
    """

    ref: EventRef
    signal: Signal
    places: Places
    before: Places | None = None
    task: str | None = None
    is_closed: bool = False
    data: Mapping[str, Any] = {}


def read_event(ref: EventRef, time: datetime | None, data: Mapping[str, Any], rules: Rules, now: datetime) -> Event:
    """Return the facts of a CloudEvent.

    Args:
        ref: the CloudEvent's id, type and source.
        time: the CloudEvent's time, where it has one.
        data: its data, for GitHub the webhook's payload.
        rules: say where the facts of other sources are, and what conditions ask of the data.
        now: UTC; nothing happened later.

    Raises:
        Rejection: `wrong-field` or `missing-field`, naming the field.
    """
    kind = github.kind_of_type(ref.type)
    paths = rules.source_paths(ref.type) if kind is None else github.paths_of(kind)
    facts = _read_all(data, paths)
    action = read_fact(data, "state", "action") if kind else None
    _check_required(kind or "", action, facts, paths)
    happened = min(_when_review_or_change(facts, action) or time or now, now).replace(microsecond=0)
    signal = _signal_of(ref, kind, action, facts, happened)
    labels, before = _labels(signal, action, tuple(each[:_MAX_LABEL] for each in facts.get("label", ())), data)
    asked = {path: remember(data, path, wanted) for path, wanted in rules.conditions_of(signal).items()}
    kept = rules.labels_for(signal, labels)
    if asked or kept:
        signal = signal._replace(labels=kept, data=asked)
    places = {
        "label": labels,
        "branch": _branches(kind, facts.get("branch")),
        "title": (facts["title"],) if facts.get("title") else (),
    }
    return Event(
        ref,
        signal,
        places,
        {**places, **before} if before else None,
        facts.get("task"),
        facts.get("state") == "closed" and (kind != "issue_comment" or signal.pull_request is not None),
        data,
    )


def _read_all(data: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """Return the facts of an event; labels, and what is at a path with a `*`, are lists."""
    return {
        fact: (read_facts if fact == "label" or "*" in path else read_fact)(data, fact, path)
        for fact, path in paths.items()
    }


def _check_required(kind: str, action: str | None, facts: Mapping[str, Any], paths: Paths) -> None:
    required = github.REQUIRED.get(kind, ())
    if required and action is None and ACTIONS[kind]:
        raise Rejection("missing-field", field="action")
    for fact in required:
        if facts.get(fact) is None:
            raise Rejection("missing-field", field=paths[fact])


def _signal_of(
    ref: EventRef, kind: str | None, action: str | None, facts: Mapping[str, Any], happened: datetime
) -> Signal:
    return Signal(
        id=ref.id,
        source=None if kind else ref.source,
        # A kind of GitHub is one word: pull_request.opened as a kind would be taken for the event pull_request.
        name=ref.type if kind is None or not kind.isidentifier() else f"{kind}.{action}" if action else kind,
        happened=happened,
        pull_request=_pull_request(facts),
        person=facts.get("person") or None,
        person_id=facts.get("person-id"),
        author=facts.get("author") or None,
        author_id=facts.get("author-id"),
        head=facts.get("review-commit") if "review" in facts else facts.get("head"),
        review=facts.get("review"),
        submitted=facts.get("submitted") if action == "dismissed" else None,
        verdict=(facts.get("review-state") or "").casefold() or None,
        label=facts["changed-label"][:_MAX_LABEL] if facts.get("changed-label") else None,
        merged=facts.get("merged"),
        draft=facts.get("draft"),
        base=facts.get("base"),
        repository=facts.get("repository"),
        fork=_is_fork(kind, facts),
        fresh="review" not in facts or facts.get("review-commit") == facts.get("head"),
    )


def _branches(kind: str | None, branch: str | list[str] | None) -> tuple[str, ...]:
    """Return the branches of an event; some kinds name the whole ref, others several branches."""
    if isinstance(branch, list):
        return tuple(branch)
    if branch and (kind is None or kind in github.WHOLE_REFS):
        branch = branch.removeprefix("refs/heads/")
    return (branch,) if branch else ()


def _when_review_or_change(facts: Mapping[str, Any], action: str | None) -> datetime | None:
    """Return when a review was submitted; for all else, also a dismissal, when the pull request was updated."""
    submitted: datetime | None = None if action == "dismissed" else facts.get("submitted")
    return submitted or facts.get("happened")


def _pull_request(facts: Mapping[str, Any]) -> str | None:
    number, repository = facts.get("number"), facts.get("repository")
    if number is None or ("is-pull-request" in facts and facts["is-pull-request"] is None):
        return None
    if len(facts.get("pull-requests") or ()) > 1:
        return None  # a commit of several pull requests is about none in particular
    return f"{repository}#{number}" if repository else f"#{number}"


def _is_fork(kind: str | None, facts: Mapping[str, Any]) -> bool:
    """Return whether the branch is, or may be, in another repository, where anybody can choose its name."""
    if kind in github.UNKNOWN_HEAD:
        return True
    repository = (facts.get("repository") or "").casefold()
    if "base-repository" in facts:
        head = (facts["head-repository"] or "").casefold()
        return {repository, facts["base-repository"].casefold()} != {head} if facts["base-repository"] else True
    if facts.get("head-repository") is not None:
        return bool(facts["head-repository"].casefold() != repository)
    return facts.get("pull-requests") == []  # GitHub lists none for a commit of a fork


def _labels(
    signal: Signal, action: str | None, labels: tuple[str, ...], data: Mapping[str, Any]
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return the labels after the event, and the places that were other ones before it; payloads differ in this."""
    changed = signal.label
    if changed and action in ("labeled", "unlabeled"):
        others = tuple(each for each in labels if each.casefold() != changed.casefold())
        both = (*others, changed)
        return (both, {"label": others}) if action == "labeled" else (others, {"label": both})
    if signal.name == "pull_request.edited":
        title = read_fact(data, "title", "changes.title.from")
        return labels, {"title": (title,)} if title else {}
    return labels, {}

"""CloudEvent -> Event: what happened, typed, with only what rules, tasks and outputs need.

Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)

from func.core.outcomes import EventRef, No

# What our Sensor sends, and Knative's GitHubSource: https://knative.dev/docs/eventing/sources/github-source/
_GITHUB_TYPES = ("com.github.", "dev.knative.source.github.")
_REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_SHOWN = 60  # characters of a wrong value that a message repeats
_MAX_LABEL = 256  # characters that are kept; no pattern fits more than 255


def parse_time(value: object) -> datetime:
    """RFC 3339 text -> a UTC time in whole seconds, the resolution of GitHub and of Kubernetes.

    Raises: ValueError when `value` is no such text.
    """
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("expected a time like 2026-01-31T12:00:00Z")
    try:
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise ValueError("expected a time like 2026-01-31T12:00:00Z") from None


def show_time(time: datetime) -> str:
    """A UTC time as Kubernetes writes it, e.g. 2026-01-31T12:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_repository(value: object) -> str:
    if not isinstance(value, str) or not _REPOSITORY.fullmatch(value):
        raise ValueError("expected owner/name")
    return value


class Together(ValueError):
    """Several fields do not fit together; the message names them itself."""


Time = Annotated[datetime, BeforeValidator(parse_time), PlainSerializer(show_time)]
RepositoryName = Annotated[StrictStr, BeforeValidator(_parse_repository)]
Number = Annotated[StrictInt, Field(ge=0, lt=2**63)]
Name = Annotated[StrictStr, Field(max_length=255)]  # what is remembered on the Workflow has an end


class Facts(BaseModel):
    """What rules need to know of an event; kept with a key, so that it can be checked again later.

    Args:
        name: e.g. `pull_request.labeled`, or the CloudEvent's type for sources other than GitHub.
        event: the CloudEvent's id, for GitHub the delivery id.
        happened: UTC, whole seconds.
        pull_request: `owner/name#number`.
        person: login of the review's author, else of the sender.
        head: the commit that a review is about, else the head of the pull request.
        review: the review's id; GitHub numbers them in order.
        verdict: the review's state, e.g. `approved`.
        label: the label of a `labeled` or `unlabeled` event; else the one that a rule asked for.
        base: the branch that the pull request goes into.
        fork: the head is in another repository than the base, or nowhere.
        fresh: `head` is the head of the pull request.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    name: StrictStr
    event: StrictStr
    happened: Time
    pull_request: StrictStr | None = None
    person: StrictStr | None = None
    person_id: StrictInt | None = None
    head: StrictStr | None = None
    review: StrictInt | None = None
    verdict: StrictStr | None = None
    label: StrictStr | None = None
    merged: StrictBool | None = None
    draft: StrictBool | None = None
    base: StrictStr | None = None
    fork: StrictBool = False
    fresh: StrictBool = True


@dataclass(frozen=True, slots=True)
class Event:
    """What happened: the facts for the rules, the places that may name a task, and the data for outputs.

    Args:
        repository: `owner/name`, or None for sources that name none.
        labels: names of the pull request's labels, as they are after the event.
        data: the CloudEvent's data.
    """

    ref: EventRef
    facts: Facts
    repository: str | None = None
    labels: tuple[str, ...] = ()
    branch: str | None = None
    title: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


class _Read(BaseModel):
    """Part of a payload: unknown fields are fine, a wrong kind of a known one is named."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _User(_Read):
    login: Name
    id: Number | None = None


class _Label(_Read):
    name: StrictStr


class _Repository(_Read):
    full_name: RepositoryName


class _Head(_Read):
    ref: StrictStr
    sha: Name
    repo: _Repository | None = None  # null once a fork was deleted


class _Base(_Read):
    ref: Name
    repo: _Repository


class _PullRequest(_Read):
    number: Number
    title: StrictStr = ""
    draft: StrictBool | None = None
    merged: StrictBool | None = None
    updated_at: Time | None = None
    labels: tuple[_Label, ...] = ()
    head: _Head
    base: _Base


class _Review(_Read):
    id: Number
    user: _User | None = None  # null for a deleted account
    state: Name
    commit_id: Name | None = None
    submitted_at: Time | None = None


class _PullRequestPayload(_Read):
    action: Name
    repository: _Repository
    pull_request: _PullRequest
    sender: _User | None = None
    label: _Label | None = None


class _ReviewPayload(_PullRequestPayload):
    review: _Review


class _PushPayload(_Read):
    ref: StrictStr
    repository: _Repository
    sender: _User | None = None


class _AnyPayload(_Read):
    action: Name | None = None


_Payload = TypeVar("_Payload", bound=BaseModel)


# pydantic's kinds of error -> what was expected
_EXPECTED: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "int_type": "a whole number",
    "mapping_type": "an object",
    "model_type": "an object",
    "string_too_short": "a text that is not empty",
    "string_type": "a text",
    "string_unicode": "a text in Unicode",
    "too_short": "at least one",
    "tuple_type": "a list",
}


def describe(error: ValidationError) -> str:
    """The first thing that is wrong, as `field is value: expected ...`."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "data"
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "extra_forbidden":
        return f"{where} is not known here, expected one of the documented names"
    if isinstance(first.get("ctx", {}).get("error"), Together):
        return first["msg"].removeprefix("Value error, ")
    value = repr(first["input"])
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    if first["type"] in _EXPECTED:
        return f"{where} is {shown}: expected {_EXPECTED[first['type']]}"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be ", "expected ")
    return f"{where} is {shown}: {message}"


def _read(model: type[_Payload], data: Mapping[str, Any]) -> _Payload:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise No("invalid", f"The event's {describe(error)}.") from None


def github_kind(event_type: str) -> str | None:
    """`com.github.pull_request` -> `pull_request`; None for sources other than GitHub."""
    prefix = next((prefix for prefix in _GITHUB_TYPES if event_type.startswith(prefix)), None)
    return event_type.removeprefix(prefix) if prefix else None


def read_event(ref: EventRef, time: datetime | None, data: Mapping[str, Any], now: datetime) -> Event:
    """A CloudEvent -> what happened.

    Args:
        ref: the CloudEvent's id, type and source.
        time: the CloudEvent's time, where it has one.
        data: its data, for GitHub the webhook's payload.
        now: UTC; when it happened, if nothing says so.

    Raises: No, `invalid`, naming the field that is missing or of the wrong kind.
    """
    happened = time or now.replace(microsecond=0)
    match github_kind(ref.type):
        case "pull_request":
            return _pull_request(ref, _read(_PullRequestPayload, data), None, happened, data)
        case "pull_request_review":
            payload = _read(_ReviewPayload, data)
            return _pull_request(ref, payload, payload.review, happened, data)
        case "push":
            return _push(ref, _read(_PushPayload, data), happened, data)
        case None:
            return Event(ref, Facts(name=ref.type, event=ref.id, happened=happened), data=data)
        case kind:
            action = _read(_AnyPayload, data).action
            name = f"{kind}.{action}" if action else kind
            return Event(ref, Facts(name=name, event=ref.id, happened=happened), data=data)


def _pull_request(
    ref: EventRef, payload: _PullRequestPayload, review: _Review | None, happened: datetime, data: Mapping[str, Any]
) -> Event:
    pull = payload.pull_request
    repository = payload.repository.full_name
    origins = {repository.casefold(), pull.base.repo.full_name.casefold()}
    head_origin = pull.head.repo.full_name.casefold() if pull.head.repo else None
    labels = [label.name for label in pull.labels]
    if payload.label and payload.action == "labeled":
        labels.append(payload.label.name)
    elif payload.label and payload.action == "unlabeled":
        labels = [name for name in labels if name != payload.label.name]
    person = review.user if review else payload.sender
    facts = Facts(
        name=f"{github_kind(ref.type)}.{payload.action}",
        event=ref.id,
        happened=(review.submitted_at if review else None) or pull.updated_at or happened,
        pull_request=f"{repository}#{pull.number}",
        person=person.login if person else None,
        person_id=person.id if person else None,
        head=review.commit_id if review else pull.head.sha,
        review=review.id if review else None,
        verdict=review.state.casefold() if review else None,
        label=payload.label.name[:_MAX_LABEL] if payload.label else None,
        merged=pull.merged,
        draft=pull.draft,
        base=pull.base.ref,
        fork=origins != {head_origin},
        fresh=(review.commit_id == pull.head.sha) if review else True,
    )
    return Event(ref, facts, repository, tuple(labels), pull.head.ref, pull.title, data)


def _push(ref: EventRef, payload: _PushPayload, happened: datetime, data: Mapping[str, Any]) -> Event:
    facts = Facts(
        name="push",
        event=ref.id,
        happened=happened,
        person=payload.sender.login if payload.sender else None,
        person_id=payload.sender.id if payload.sender else None,
    )
    branch = payload.ref.removeprefix("refs/heads/") if payload.ref.startswith("refs/heads/") else None
    return Event(ref, facts, payload.repository.full_name, branch=branch, data=data)


def look_up(data: Mapping[str, Any], path: str) -> object:
    """The value at a dotted path, e.g. `pull_request.number` or `labels.0.name`; None where there is none."""
    value: object = data
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value

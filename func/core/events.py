"""CloudEvent -> Event: what happened, typed, with only what rules, tasks and outputs need.

Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic reads those of Python 3.12 and later only
    TypeVar,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypedDict

from func.core.outcomes import EventRef, No
from func.core.values import RepositoryName, Time, describe

# What our Sensor sends, and Knative's GitHubSource: https://knative.dev/docs/eventing/sources/github-source/
_GITHUB_TYPES = ("com.github.", "dev.knative.source.github.")
# What is read here, by kind: a rule can name it without saying where the task stands in the data.
# Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads
ACTIONS: Mapping[str, frozenset[str]] = {
    "push": frozenset(),
    "pull_request_review": frozenset({"submitted", "edited", "dismissed"}),
    "pull_request": frozenset(
        {
            "assigned", "auto_merge_disabled", "auto_merge_enabled", "closed", "converted_to_draft", "demilestoned",
            "dequeued", "edited", "enqueued", "labeled", "locked", "milestoned", "opened", "ready_for_review",
            "reopened", "review_request_removed", "review_requested", "synchronize", "unassigned", "unlabeled",
            "unlocked",
        }
    ),
}  # fmt: skip
_MAX_LABEL = 256  # characters that are kept; no pattern fits more than 255


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


# Parts of payloads, as far as they are read: other fields are fine, a wrong kind of one of these is named. They are
# typed dicts, for which pydantic builds one validator in all; a model builds its own, and would delay every start.


class _User(TypedDict):
    login: Name
    id: NotRequired[Number | None]


class _Label(TypedDict):
    name: StrictStr


class _Repository(TypedDict):
    full_name: RepositoryName


class _Head(TypedDict):
    ref: StrictStr
    sha: Name
    repo: NotRequired[_Repository | None]  # null once a fork was deleted


class _Base(TypedDict):
    ref: Name
    repo: _Repository


class _PullRequest(TypedDict):
    number: Number
    title: NotRequired[StrictStr]
    draft: NotRequired[StrictBool | None]
    merged: NotRequired[StrictBool | None]
    updated_at: NotRequired[Time | None]
    labels: NotRequired[tuple[_Label, ...]]
    head: _Head
    base: _Base


class _Review(TypedDict):
    id: Number
    user: NotRequired[_User | None]  # null for a deleted account
    state: Name
    commit_id: NotRequired[Name | None]
    submitted_at: NotRequired[Time | None]


class _PullRequestPayload(TypedDict):
    action: Name
    repository: _Repository
    pull_request: _PullRequest
    sender: NotRequired[_User | None]
    label: NotRequired[_Label | None]


class _ReviewPayload(_PullRequestPayload):
    review: _Review


class _PushPayload(TypedDict):
    ref: StrictStr
    repository: _Repository
    sender: NotRequired[_User | None]


class _AnyPayload(TypedDict):
    action: NotRequired[Name | None]
    sender: NotRequired[_User | None]


_Payload = TypeVar("_Payload")


@cache  # built for the kinds of event that come, when the first one comes
def _reader(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - mypy takes no type for something hashable
    return TypeAdapter(kind)


def _read(kind: type[_Payload], data: Mapping[str, Any]) -> _Payload:
    try:
        payload: _Payload = _reader(kind).validate_python(data)  # type: ignore[arg-type]  # a class is hashable
    except ValidationError as error:
        raise No("invalid", f"The event's {describe(error)}.") from None
    return payload


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
            return _pull_request(ref, payload, payload["review"], happened, data)
        case "push":
            return _push(ref, _read(_PushPayload, data), happened, data)
        case None:
            return Event(ref, Facts(name=ref.type, event=ref.id, happened=happened), data=data)
        case kind:
            other = _read(_AnyPayload, data)
            action = other.get("action")
            name = f"{kind}.{action}" if action else kind
            return Event(
                ref, Facts(name=name, event=ref.id, happened=happened, **_person(other.get("sender"))), data=data
            )


def _pull_request(
    ref: EventRef, payload: _PullRequestPayload, review: _Review | None, happened: datetime, data: Mapping[str, Any]
) -> Event:
    pull, label = payload["pull_request"], payload.get("label")
    repository, head = payload["repository"]["full_name"], pull["head"]
    origins = {repository.casefold(), pull["base"]["repo"]["full_name"].casefold()}
    head_repository = head.get("repo")
    head_origin = head_repository["full_name"].casefold() if head_repository else None
    labels = [each["name"] for each in pull.get("labels", ())]
    if label and payload["action"] == "labeled":
        labels.append(label["name"])
    elif label and payload["action"] == "unlabeled":
        labels = [name for name in labels if name != label["name"]]
    facts = Facts(
        name=f"{github_kind(ref.type)}.{payload['action']}",
        event=ref.id,
        happened=(review.get("submitted_at") if review else None) or pull.get("updated_at") or happened,
        pull_request=f"{repository}#{pull['number']}",
        **_person(review.get("user") if review else payload.get("sender")),
        head=review.get("commit_id") if review else head["sha"],
        review=review["id"] if review else None,
        verdict=review["state"].casefold() if review else None,
        label=label["name"][:_MAX_LABEL] if label else None,
        merged=pull.get("merged"),
        draft=pull.get("draft"),
        base=pull["base"]["ref"],
        fork=origins != {head_origin},
        fresh=(review.get("commit_id") == head["sha"]) if review else True,
    )
    return Event(ref, facts, repository, tuple(labels), head["ref"], pull.get("title", ""), data)


def _person(user: _User | None) -> dict[str, Any]:
    return {"person": user["login"], "person_id": user.get("id")} if user else {}


def _push(ref: EventRef, payload: _PushPayload, happened: datetime, data: Mapping[str, Any]) -> Event:
    facts = Facts(name="push", event=ref.id, happened=happened, **_person(payload.get("sender")))
    where = payload["ref"]
    branch = where.removeprefix("refs/heads/") if where.startswith("refs/heads/") else None
    return Event(ref, facts, payload["repository"]["full_name"], branch=branch, data=data)

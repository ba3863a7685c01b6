"""GitHub's payloads and CloudEvents of the fleet, made from the real ones in tests/data/github.

A builder starts from a whole real payload and changes only what its arguments name (see `Facts`), everywhere GitHub
repeats it. What has no argument stays as GitHub sent it.
"""

import base64
import functools
import json
import re
import string
import uuid
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack
from urllib.parse import quote

Payload = dict[str, Any]
Request = tuple[dict[str, str], bytes]  # headers, body

REX, BLAZE, MORGAN = "5DLabs-Rex[bot]", "5DLabs-Blaze[bot]", "5DLabs-Morgan[bot]"  # they write the code
CLEO = "5DLabs-Cleo[bot]"  # labels ready-for-qa
TESS = "5DLabs-Tess[bot]"  # approves

REPOSITORY = "5dlabs/cto"
NUMBER = 123
# After the Workflows of tests/recorded_workflows.py were created.
HAPPENED = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"  # the head commit of the real payloads
PUSHED = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"  # the one that a synchronize brings

_GITHUB = Path(__file__).parent / "data" / "github"
# What the real payloads are about, all of them.
_REAL_OWNER, _REAL_REPOSITORY, _REAL_NUMBER = "Codertocat", "Codertocat/Hello-World", 2
_REAL_USER_ID, _REAL_REVIEW = 21031067, 237895671

# In a header of a CloudEvent all else is percent-encoded.
_PLAIN_IN_HEADERS = string.punctuation.replace('"', "").replace("%", "")


class Envelope(TypedDict, total=False):
    """What can be said about a CloudEvent that carries a payload.

    Args:
        source: By default the repository's page.
        subject: By default the number of the pull request or issue, or the ref.
        time: When it was sent; by default when it happened.
        prefix: Of the type. `dev.knative.source.github.` is Knative's GitHubSource.
    """

    source: str
    subject: str
    time: datetime
    prefix: str


class Facts(TypedDict, total=False):
    """What can be said about an event of a pull request; what is left out has the fleet's value.

    Args:
        task: Gives the label `task-<task>` and the branch, unless they are given; None for neither. Default 3.
        number: Of the pull request.
        repository: `<owner>/<name>` of the base.
        author: Login of the pull request's author.
        by: Login of the sender; of a review also its author, unless `reviewer` is given.
        by_id: The sender's numeric id; by default made from the login.
        reviewer: Login of the review's author.
        reviewer_id: The reviewer's numeric id.
        review_id: Of the review.
        labels: Names of all labels of the pull request.
        branch: Of the head.
        title: Of the pull request.
        sha: The head commit. By default HEAD, after a synchronize PUSHED.
        reviewed: The commit of the review. By default the head.
        head_repository: `<owner>/<name>` of a fork, None for a repository that was deleted.
        base: Branch of the base.
        draft: Is it a draft?
        happened: When; pull_request.updated_at, and of a review its submitted_at.
        updated: pull_request.updated_at where it differs, as when a review is dismissed later.
    """

    task: int | str | None
    number: int
    repository: str
    author: str
    by: str
    by_id: int
    reviewer: str
    reviewer_id: int
    review_id: int
    labels: Sequence[str]
    branch: str
    title: str
    sha: str
    reviewed: str
    head_repository: str | None
    base: str
    draft: bool
    happened: datetime
    updated: datetime


def real(name: str) -> Payload:
    """A recorded payload, e.g. `pull_request.labeled.1`."""
    payload: Payload = json.loads(_text(name))
    return payload


def opened(**facts: Unpack[Facts]) -> Payload:
    """The pull request is opened, by its author."""
    payload = _pull_request("pull_request.opened.4", facts)
    payload["pull_request"]["created_at"] = payload["pull_request"]["updated_at"]
    return payload


def reopened(**facts: Unpack[Facts]) -> Payload:
    """The pull request is reopened, by its author."""
    return _pull_request("pull_request.reopened.2", facts)


def synchronize(*, before: str = HEAD, **facts: Unpack[Facts]) -> Payload:
    """The author pushes; `sha` is the new head, `before` the old one."""
    facts.setdefault("sha", PUSHED)
    return _pull_request("pull_request.synchronize.1", facts) | {"before": before}


def closed(*, merged: bool = True, **facts: Unpack[Facts]) -> Payload:
    """The pull request is closed, merged or not, by its author."""
    payload = _pull_request("pull_request.closed.2", facts)
    pull_request = payload["pull_request"]
    pull_request["closed_at"] = pull_request["updated_at"]
    if merged:
        pull_request |= {"merged": True, "merged_at": pull_request["updated_at"], "merged_by": dict(payload["sender"])}
    return payload


def labeled(label: str = "ready-for-qa", **facts: Unpack[Facts]) -> Payload:
    """Cleo puts a label on; it is among the pull request's labels."""
    payload = _pull_request("pull_request.labeled.2", facts, by=CLEO)
    labels = payload["pull_request"]["labels"]
    if label not in [each["name"] for each in labels]:
        labels.append(_label(label, payload["repository"]["full_name"]))
    payload["label"] = _label(label, payload["repository"]["full_name"])
    return payload


def unlabeled(label: str = "ready-for-qa", **facts: Unpack[Facts]) -> Payload:
    """Cleo takes a label off; it is no longer among the pull request's labels."""
    payload = _pull_request("pull_request.unlabeled.2", facts, by=CLEO)
    pull_request = payload["pull_request"]
    pull_request["labels"] = [each for each in pull_request["labels"] if each["name"] != label]
    payload["label"] = _label(label, payload["repository"]["full_name"])
    return payload


def approved(**facts: Unpack[Facts]) -> Payload:
    """Tess approves."""
    return _review("pull_request_review.submitted.3", "approved", facts)


def changes_requested(**facts: Unpack[Facts]) -> Payload:
    """Tess requests changes."""
    return _review("pull_request_review.submitted.3", "changes_requested", facts)


def commented(**facts: Unpack[Facts]) -> Payload:
    """Tess comments in a review."""
    return _review("pull_request_review.submitted.3", "commented", facts)


def dismissed(**facts: Unpack[Facts]) -> Payload:
    """Tess's review is dismissed. GitHub leaves its submitted_at; `updated` is when it was dismissed."""
    return _review("pull_request_review.dismissed.1", "dismissed", facts)


def push(
    ref: str = "refs/heads/main", *, repository: str = REPOSITORY, by: str = REX, by_id: int | None = None
) -> Payload:
    """A push of commits to a branch or tag.

    Args:
        ref: The whole ref, `refs/heads/...` or `refs/tags/...`.
        repository: `<owner>/<name>`.
        by: Login of the sender.
        by_id: The sender's numeric id.
    """
    payload: Payload = json.loads(_text("push.5").replace(_REAL_REPOSITORY, repository))
    _own(payload["repository"], repository)
    payload["ref"] = ref
    payload["sender"] = user(by, by_id)
    payload["pusher"]["name"] = by
    return payload


def user(login: str, number: int | None = None, kind: str | None = None) -> Payload:
    """GitHub's object of a person, an app (`...[bot]`) or an organization.

    Args:
        login: As GitHub shows it.
        number: The numeric id; by default made from the login, so one login has one id.
        kind: `User`, `Bot` or `Organization`; by default told by the login.
    """
    number = zlib.crc32(login.casefold().encode()) if number is None else number
    kind = kind or ("Bot" if login.endswith("[bot]") else "User")
    text = _part("sender").replace(_REAL_OWNER, quote(login)).replace(str(_REAL_USER_ID), str(number))
    fields: Payload = json.loads(text)
    fields |= {"login": login, "node_id": _node_id(kind, number), "type": kind}
    if kind == "Bot":
        fields["html_url"] = f"https://github.com/apps/{quote(login.removesuffix('[bot]'))}"
    return fields


def event_name(payload: Payload) -> str:
    """GitHub's name of the event (X-GitHub-Event) of a payload made here."""
    if "review" in payload:
        return "pull_request_review"
    if "pull_request" in payload:
        return "pull_request"
    if "commits" in payload:
        return "push"
    raise ValueError("the payload does not tell the event: name it")


def cloudevent_binary(
    payload: Payload, event: str | None = None, delivery: str | None = None, **envelope: Unpack[Envelope]
) -> Request:
    """The payload as a binary-mode CloudEvent: attributes in the headers, the payload is the body.

    Args:
        payload: GitHub's.
        event: GitHub's name of the event; by default told by the payload.
        delivery: GitHub's delivery id; by default one payload always has the same.
        envelope: The rest, see there.
    """
    attributes = _attributes(payload, event or event_name(payload), delivery, envelope)
    headers = {f"ce-{name}": quote(value, safe=_PLAIN_IN_HEADERS) for name, value in attributes.items()}
    return {"content-type": "application/json"} | headers, _json(payload)


def cloudevent_structured(
    payload: Payload, event: str | None = None, delivery: str | None = None, **envelope: Unpack[Envelope]
) -> Request:
    """The payload as our Sensor sends it: a structured-mode CloudEvent, all of it in the body.

    The arguments are those of `cloudevent_binary`. The GitHub EventSource adds two fields to the payload.
    """
    event = event or event_name(payload)
    attributes = _attributes(payload, event, delivery, envelope)
    data = payload | {"X-GitHub-Delivery": attributes["id"], "X-GitHub-Event": event}
    return {"content-type": "application/cloudevents+json"}, _json(attributes | {"data": data})


def release_argo(
    namespace: str, name: str, *, body: Payload | None = None, old_body: Payload | None = None, event_id: str = "1"
) -> Request:
    """A parked Workflow was updated, as our Sensor passes it on from the `resource` EventSource.

    Args:
        namespace: Of the Workflow.
        name: Of the Workflow.
        body: The Workflow; by default its metadata only.
        old_body: The Workflow before; by default the same.
        event_id: The EventSource gives every message a fresh one.
    """
    body = body or {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"labels": {"taskgate.dev/parked": "true"}, "name": name, "namespace": namespace},
    }
    event = {
        "specversion": "1.0",
        "id": event_id,
        "type": "io.argoproj.workflow.updated",
        "source": "parked-workflows",
        "subject": f"{namespace}/{name}",
        "time": _stamp(HAPPENED),
        "data": {"body": body, "oldBody": old_body or body},
    }
    return {"content-type": "application/cloudevents+json"}, _json(event)


def release_apiserver(
    namespace: str, name: str, *, change: Literal["add", "update"] = "update", event_id: str = "1"
) -> Request:
    """A parked Workflow was updated, as Knative's ApiServerSource sends it in Reference mode.

    Args:
        namespace: Of the Workflow.
        name: Of the Workflow.
        change: The end of the event's type.
        event_id: The source gives every event a fresh one.

    Source: knative/eventing, pkg/adapter/apiserver/events/events.go.
    """
    api_version, kind = "argoproj.io/v1alpha1", "Workflow"
    headers = {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": f"dev.knative.apiserver.ref.{change}",
        "ce-source": "https://10.96.0.1:443",  # the API server
        "ce-subject": f"/apis/{api_version}/namespaces/{namespace}/workflows/{name}",
        "ce-time": HAPPENED.strftime("%Y-%m-%dT%H:%M:%S.123456789Z"),  # the Go SDK writes nanoseconds
        "ce-apiversion": api_version,
        "ce-kind": kind,
        "ce-name": name,
        "ce-namespace": namespace,
    }
    return headers, _json({"kind": kind, "namespace": namespace, "name": name, "apiVersion": api_version})


@functools.cache
def _text(name: str) -> str:
    return (_GITHUB / f"{name}.json").read_text(encoding="utf-8")


@functools.cache
def _part(name: str) -> str:
    return json.dumps(real("pull_request.labeled.1")[name])


def _pull_request(name: str, facts: Facts, by: str | None = None) -> Payload:
    """A real payload with the facts put in; the sender is `by` unless a fact says otherwise, else the author."""
    task = facts.get("task", 3)
    repository = facts.get("repository", REPOSITORY)
    sha = facts.get("sha", HEAD)
    text = _text(name).replace(_REAL_REPOSITORY, repository).replace(HEAD, sha)
    # The number stands in many URLs: .../pull/2.diff, .../pulls/2/commits, .../issues/2
    number = facts.get("number", NUMBER)
    text = re.sub(rf"(/(?:pulls?|issues)/){_REAL_NUMBER}\b", rf"\g<1>{number}", text)
    payload: Payload = json.loads(text)
    pull_request = payload["pull_request"]
    if "number" in payload:  # not in payloads of reviews
        payload["number"] = number
    author = facts.get("author", REX)
    labels = facts.get("labels", [] if task is None else [f"task-{task}"])
    pull_request |= {
        "number": number,
        "user": user(author),
        "title": facts.get("title", "Update the README" if task is None else f"feat: task {task}"),
        "labels": [_label(label, repository) for label in labels],
        "draft": facts.get("draft", False),
        "updated_at": _stamp(facts.get("updated", facts.get("happened", HAPPENED))),
    }
    payload["sender"] = user(facts.get("by", by or author), facts.get("by_id"))
    if payload["sender"]["login"] == author:
        pull_request["user"] = dict(payload["sender"])

    owner = repository.partition("/")[0]
    _own(payload["repository"], repository)
    if "organization" in payload:
        payload["organization"] = _organization(payload["organization"], owner)
    base, head = pull_request["base"], pull_request["head"]
    _own(base["repo"], repository)
    base["user"] = dict(base["repo"]["owner"])
    base["ref"] = facts.get("base", "main")
    base["label"] = f"{owner}:{base['ref']}"
    _set_head(head, facts.get("head_repository", repository), repository)
    head["ref"] = facts.get("branch", "fix-typo" if task is None else f"task-{task}-implementation")
    head["label"] = f"{head['user']['login']}:{head['ref']}"
    return payload


def _set_head(head: Payload, repository: str | None, base: str) -> None:
    if repository is None:  # the fork is gone, the account is still there
        head |= {"repo": None, "user": user("octocat")}
        return
    if repository != base:
        head["repo"] = json.loads(json.dumps(head["repo"]).replace(base, repository))
        number = zlib.crc32(repository.encode())
        head["repo"] |= {"id": number, "node_id": _node_id("Repository", number), "fork": True}
    _own(head["repo"], repository, kind="Organization" if repository == base else "User")
    head["user"] = dict(head["repo"]["owner"])


def _review(name: str, state: str, facts: Facts) -> Payload:
    payload = _pull_request(name, facts, by=TESS)
    number = facts.get("review_id", _REAL_REVIEW)
    review: Payload = json.loads(json.dumps(payload["review"]).replace(str(_REAL_REVIEW), str(number)))
    review |= {
        "node_id": _node_id("PullRequestReview", number),
        "state": state,
        "submitted_at": _stamp(facts.get("happened", HAPPENED)),
        "user": user(facts["reviewer"], facts.get("reviewer_id"))
        if "reviewer" in facts
        else user(payload["sender"]["login"], facts.get("reviewer_id", payload["sender"]["id"])),
    }
    if "reviewed" in facts:
        review["commit_id"] = facts["reviewed"]
    payload["review"] = review
    return payload


def _own(repository: Payload, full_name: str, kind: str = "Organization") -> None:
    """Put name and owner into a repository whose URLs are right already."""
    owner, _, repository["name"] = full_name.partition("/")
    # In a push the owner has fields of its own beside those of every user.
    repository["owner"] |= user(owner, kind=kind) | ({"name": owner} if "name" in repository["owner"] else {})


def _organization(organization: Payload, login: str) -> Payload:
    number = user(login)["id"]
    text = json.dumps(organization).replace(organization["login"], login)
    text = text.replace(str(organization["id"]), str(number))
    fields: Payload = json.loads(text)
    return fields | {"node_id": _node_id("Organization", number)}


def _label(name: str, repository: str) -> Payload:
    label: Payload = json.loads(_part("label"))
    number = zlib.crc32(name.encode())
    return label | {
        "id": number,
        "node_id": _node_id("Label", number),
        "url": f"https://api.github.com/repos/{repository}/labels/{quote(name, safe='')}",
        "name": name,
        "default": False,
        "description": None,
    }


def _node_id(kind: str, number: int) -> str:
    return base64.b64encode(f"0{len(kind)}:{kind}{number}".encode()).decode()


def _attributes(payload: Payload, event: str, delivery: str | None, envelope: Envelope) -> dict[str, str]:
    pull_request = payload.get("pull_request", {})
    happened = payload.get("review", {}).get("submitted_at") or pull_request.get("updated_at") or _stamp(HAPPENED)
    number = pull_request.get("number") or payload.get("issue", {}).get("number")
    attributes = {
        "specversion": "1.0",
        "id": delivery or str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(payload, sort_keys=True))),
        "type": envelope.get("prefix", "com.github.") + event,
        "source": envelope.get("source", payload.get("repository", {}).get("html_url", "https://github.com")),
        "subject": envelope.get("subject", str(number) if number else payload.get("ref", "")),
        "time": _stamp(envelope["time"]) if "time" in envelope else happened,
    }
    # Attributes are never empty: one that has nothing to say is left out.
    return {name: value for name, value in attributes.items() if value}


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: Any) -> bytes:  # noqa: ANN401  any JSON
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

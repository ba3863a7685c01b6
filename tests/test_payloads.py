"""The built payloads are GitHub's own but for what was asked for."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import payloads
from tests.payloads import CLEO, HEAD, NUMBER, PUSHED, REX, TESS, Payload, real

GITHUB = Path(__file__).parent / "data" / "github"
MALLORY = "mallory/cto"

# What every builder for pull requests may set in the fleet's payloads: the one pull request, the one repository and
# the people, each with all that GitHub repeats of them.
PULL_REQUEST = {
    "number",
    "pull_request.number",
    "pull_request.user",
    "pull_request.title",
    "pull_request.labels",
    "pull_request.updated_at",
    "pull_request.head.ref",
    "pull_request.head.label",
    "pull_request.head.user",
    "pull_request.base.ref",
    "pull_request.base.label",
    "pull_request.base.user",
    "sender",
    "organization",
}
REVIEW = PULL_REQUEST | {"review.user", "review.submitted_at"}
LABEL = PULL_REQUEST | {"label"}

BUILT: list[tuple[str, Callable[[], Payload], set[str]]] = [
    ("pull_request.opened.4", payloads.opened, PULL_REQUEST | {"pull_request.created_at"}),
    ("pull_request.reopened.2", payloads.reopened, PULL_REQUEST),
    (
        "pull_request.synchronize.1",
        payloads.synchronize,
        PULL_REQUEST
        | {"after", "before", "pull_request.head.sha", "pull_request.statuses_url"}
        | {"pull_request._links.statuses.href"},
    ),
    (
        "pull_request.closed.2",
        payloads.closed,
        PULL_REQUEST | {f"pull_request.{key}" for key in ("closed_at", "merged", "merged_at", "merged_by")},
    ),
    ("pull_request.labeled.2", payloads.labeled, LABEL),
    ("pull_request.unlabeled.2", payloads.unlabeled, LABEL),
    ("pull_request_review.submitted.3", payloads.approved, REVIEW | {"review.state"}),
    ("pull_request_review.submitted.3", payloads.changes_requested, REVIEW | {"review.state"}),
    ("pull_request_review.submitted.3", payloads.commented, REVIEW),
    ("pull_request_review.dismissed.1", payloads.dismissed, REVIEW),
    ("push.5", payloads.push, {"ref", "pusher.name", "sender"}),
]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401  any JSON
    """All values of a payload with their paths."""
    children: Iterator[tuple[Any, Any]] | None = None
    if isinstance(value, dict) and value:
        children = iter(value.items())
    elif isinstance(value, list) and value:
        children = iter(enumerate(value))
    if children is None:
        yield path, value
        return
    for key, child in children:
        yield from leaves(child, f"{path}.{key}" if path else str(key))


def objects(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  any JSON
    """All objects in a payload."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from objects(child)


def renamed(text: str) -> str:
    """A URL of the real pull request as that of the fleet's."""
    text = text.replace("Codertocat/Hello-World", "5dlabs/cto")
    for part in ("pull", "pulls", "issues"):
        text = text.replace(f"/{part}/2", f"/{part}/{NUMBER}")
    return text


@pytest.mark.parametrize(("name", "build", "named"), BUILT, ids=[build.__name__ for _, build, _ in BUILT])
def test_only_the_named_paths_differ(name: str, build: Callable[[], Payload], named: set[str]) -> None:
    before, after = dict(leaves(real(name))), dict(leaves(build()))
    changed = {path for path in before.keys() | after.keys() if before.get(path, ...) != after.get(path, ...)}
    repositories = {
        path
        for path in changed
        if (".owner." in path or path.endswith(".name"))
        and path.startswith(("repository.", "pull_request.base.repo.", "pull_request.head.repo."))
    }
    urls = {path for path in changed if isinstance(before.get(path), str) and renamed(before[path]) == after.get(path)}
    left = {
        path
        for path in changed - repositories - urls
        if not any(path == each or path.startswith(f"{each}.") for each in named)
    }
    assert left == set()
    assert {path for path, value in after.items() if "Codertocat/Hello-World" in str(value)} == set()


@pytest.mark.parametrize("file", sorted(GITHUB.glob("pull_request*.json")), ids=lambda file: file.stem)
def test_recorded_pull_requests_are_whole(file: Path) -> None:
    payload = json.loads(file.read_text(encoding="utf-8"))
    event, action, _ = file.stem.split(".")
    pull_request = payload["pull_request"]
    assert payload["action"] == action
    assert payloads.event_name(payload) == event
    assert payload["sender"]["login"]
    assert payload["repository"]["full_name"] == pull_request["base"]["repo"]["full_name"]
    assert pull_request["head"]["sha"]
    assert pull_request["head"]["repo"]["id"]
    assert pull_request["user"]["id"]
    assert pull_request["updated_at"]
    assert ("label" in payload) == (action in {"labeled", "unlabeled"})
    if event == "pull_request":
        assert payload["number"] == pull_request["number"]
        assert "merged" in pull_request
    else:  # the reduced form
        assert "number" not in payload
        assert "merged" not in pull_request
        assert payload["review"]["commit_id"]


def test_all_actions_are_recorded() -> None:
    actions = {file.stem.split(".")[1] for file in GITHUB.glob("pull_request.*.json")}
    assert actions >= {"opened", "reopened", "labeled", "unlabeled", "synchronize", "closed", "converted_to_draft"}


def test_the_mission() -> None:
    payload = payloads.approved(task=3, number=123, repository="5dlabs/cto", by=TESS)
    pull_request, review = payload["pull_request"], payload["review"]
    assert payload["action"] == "submitted"
    assert review["state"] == "approved"
    assert review["user"]["login"] == payload["sender"]["login"] == TESS
    assert review["user"]["type"] == "Bot"
    assert review["commit_id"] == pull_request["head"]["sha"]
    assert review["html_url"] == "https://github.com/5dlabs/cto/pull/123#pullrequestreview-237895671"
    assert pull_request["html_url"] == "https://github.com/5dlabs/cto/pull/123"
    assert pull_request["user"]["login"] == REX
    assert [label["name"] for label in pull_request["labels"]] == ["task-3"]
    assert pull_request["head"]["ref"] == "task-3-implementation"
    assert pull_request["head"]["repo"] == pull_request["base"]["repo"]
    assert pull_request["head"]["user"] == pull_request["base"]["user"] == pull_request["base"]["repo"]["owner"]
    for repository in (payload["repository"], pull_request["base"]["repo"]):
        assert repository["full_name"] == "5dlabs/cto"
        assert repository["name"] == "cto"
        assert repository["owner"]["login"] == payload["organization"]["login"] == "5dlabs"
        assert repository["owner"]["id"] == payload["organization"]["id"]


def test_every_fact_has_its_place() -> None:
    happened = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    payload = payloads.dismissed(
        number=7,
        repository="acme/shop",
        author="ann",
        by="bob",
        by_id=11,
        reviewer="cid",
        reviewer_id=12,
        review_id=13,
        labels=["task-9", "a b"],
        branch="feature/task-9-x",
        title="a title",
        sha="a" * 40,
        reviewed="b" * 40,
        base="release",
        draft=True,
        happened=happened,
        updated=happened + timedelta(hours=1),
    )
    pull_request, review = payload["pull_request"], payload["review"]
    assert (payload["sender"]["login"], payload["sender"]["id"]) == ("bob", 11)
    assert (review["user"]["login"], review["user"]["id"], review["id"]) == ("cid", 12, 13)
    assert review["html_url"] == "https://github.com/acme/shop/pull/7#pullrequestreview-13"
    assert (review["commit_id"], review["submitted_at"]) == ("b" * 40, "2027-01-02T03:04:05Z")
    assert pull_request["updated_at"] == "2027-01-02T04:04:05Z"
    assert (pull_request["number"], pull_request["title"], pull_request["draft"]) == (7, "a title", True)
    assert pull_request["user"]["login"] == "ann"
    assert [label["name"] for label in pull_request["labels"]] == ["task-9", "a b"]
    assert pull_request["labels"][1]["url"] == "https://api.github.com/repos/acme/shop/labels/a%20b"
    assert pull_request["head"]["sha"] == "a" * 40
    assert pull_request["statuses_url"].endswith("/acme/shop/statuses/" + "a" * 40)
    assert pull_request["head"]["label"] == "acme:feature/task-9-x"
    assert (pull_request["base"]["ref"], pull_request["base"]["label"]) == ("release", "acme:release")


def test_a_label_put_on_is_there_and_one_taken_off_is_not() -> None:
    on = payloads.labeled("ready-for-qa", labels=["task-3"])
    assert on["label"]["name"] == "ready-for-qa"
    assert on["label"] in on["pull_request"]["labels"]
    assert len(on["pull_request"]["labels"]) == 2
    assert len(payloads.labeled("task-3")["pull_request"]["labels"]) == 1
    off = payloads.unlabeled("ready-for-qa", labels=["task-3", "ready-for-qa"])
    assert off["label"]["name"] == "ready-for-qa"
    assert [label["name"] for label in off["pull_request"]["labels"]] == ["task-3"]
    assert on["sender"]["login"] == off["sender"]["login"] == CLEO


def test_a_fork_is_another_repository() -> None:
    pull_request = payloads.approved(head_repository=MALLORY)["pull_request"]
    head, base = pull_request["head"], pull_request["base"]
    assert (head["repo"]["full_name"], head["repo"]["fork"]) == (MALLORY, True)
    assert head["user"]["login"] == head["repo"]["owner"]["login"] == "mallory"
    assert head["label"] == "mallory:task-3-implementation"
    assert head["repo"]["id"] != base["repo"]["id"]
    assert base["repo"]["full_name"] == "5dlabs/cto"
    assert "5dlabs/cto" not in json.dumps(head)
    gone = payloads.opened(head_repository=None)["pull_request"]["head"]
    assert gone["repo"] is None
    assert gone["label"] == f"{gone['user']['login']}:task-3-implementation"


def test_without_a_task_nothing_names_one() -> None:
    assert "task" not in json.dumps(payloads.opened(task=None))


def test_merged_or_only_closed() -> None:
    merged, closed = payloads.closed()["pull_request"], payloads.closed(merged=False)["pull_request"]
    assert (merged["state"], merged["merged"], merged["merged_by"]["login"]) == ("closed", True, REX)
    assert (closed["state"], closed["merged"], closed["merged_at"]) == ("closed", False, None)
    assert merged["closed_at"] == merged["merged_at"] == merged["updated_at"] == closed["closed_at"]


def test_a_synchronize_brings_a_new_head() -> None:
    payload = payloads.synchronize()
    assert (payload["before"], payload["after"]) == (HEAD, PUSHED)
    assert payload["pull_request"]["head"]["sha"] == PUSHED


def test_opened_is_the_first_thing_that_happens() -> None:
    payload = payloads.opened()
    pull_request = payload["pull_request"]
    assert payload["number"] == pull_request["number"] == NUMBER
    assert pull_request["created_at"] == pull_request["updated_at"] == "2026-11-22T11:00:00Z"


def test_one_login_has_one_id() -> None:
    assert payloads.user(TESS)["id"] == payloads.approved()["review"]["user"]["id"]
    assert payloads.user(TESS)["id"] != payloads.user(CLEO)["id"]
    # The real ones, from GitHub, show the form.
    assert payloads.user("Codertocat", 21031067) == real("pull_request.labeled.1")["sender"]


@pytest.mark.parametrize("build", [build for _, build, _ in BUILT], ids=[build.__name__ for _, build, _ in BUILT])
def test_no_part_is_shared(build: Callable[[], Payload]) -> None:
    """A test may change one part of its payload without changing another part, or another payload."""
    one, other = build(), build()
    assert one == other
    parts = [id(part) for payload in (one, other) for part in objects(payload)]
    assert len(set(parts)) == len(parts)


def test_binary_and_structured_say_the_same() -> None:
    payload = payloads.approved()
    headers, body = payloads.cloudevent_binary(payload)
    assert headers == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": headers["ce-id"],
        "ce-type": "com.github.pull_request_review",
        "ce-source": "https://github.com/5dlabs/cto",
        "ce-subject": "123",
        "ce-time": "2026-11-22T11:00:00Z",
    }
    assert json.loads(body) == payload
    structured_headers, structured = payloads.cloudevent_structured(payload)
    event = json.loads(structured)
    added = {"X-GitHub-Delivery": headers["ce-id"], "X-GitHub-Event": "pull_request_review"}
    assert structured_headers == {"content-type": "application/cloudevents+json"}
    assert event.pop("data") == payload | added
    assert {f"ce-{name}": value for name, value in event.items()} | {"content-type": "application/json"} == headers


def test_the_delivery_follows_the_payload() -> None:
    first, again, other = payloads.approved(), payloads.approved(), payloads.approved(number=124)
    ids = [payloads.cloudevent_binary(each)[0]["ce-id"] for each in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]
    assert payloads.cloudevent_binary(first, delivery="d-1")[0]["ce-id"] == "d-1"


def test_an_envelope_of_another_source() -> None:
    headers, _ = payloads.cloudevent_binary(
        payloads.push("refs/heads/täsk 3"),
        prefix="dev.knative.source.github.",
        source="/here",
        time=datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert headers["ce-type"] == "dev.knative.source.github.push"
    assert headers["ce-source"] == "/here"
    assert headers["ce-time"] == "2027-01-01T00:00:00Z"
    assert headers["ce-subject"] == "refs/heads/t%C3%A4sk%203"


@pytest.mark.parametrize("file", sorted(GITHUB.glob("*.json")), ids=lambda file: file.stem)
def test_every_recorded_payload_can_be_sent(file: Path) -> None:
    payload, event = json.loads(file.read_text(encoding="utf-8")), file.stem.partition(".")[0]
    headers, body = payloads.cloudevent_binary(payload, event)
    assert headers["ce-type"] == f"com.github.{event}"
    assert all(headers.values())
    assert json.loads(body) == payload


def test_an_event_that_the_payload_does_not_tell_must_be_named() -> None:
    with pytest.raises(ValueError, match="name it"):
        payloads.event_name(real("ping.1"))


def test_releases_name_the_workflow() -> None:
    headers, body = payloads.release_argo("agent-platform", "play-task-3-workflow", event_id="e-1")
    event = json.loads(body)
    assert headers["content-type"] == "application/cloudevents+json"
    assert (event["id"], event["type"]) == ("e-1", "io.argoproj.workflow.updated")
    assert event["subject"] == "agent-platform/play-task-3-workflow"
    assert event["data"]["body"]["metadata"]["name"] == "play-task-3-workflow"
    assert event["data"].keys() == {"body", "oldBody"}

    headers, body = payloads.release_apiserver("agent-platform", "play-task-3-workflow", change="add")
    assert headers["ce-type"] == "dev.knative.apiserver.ref.add"
    assert headers["ce-subject"] == (
        "/apis/argoproj.io/v1alpha1/namespaces/agent-platform/workflows/play-task-3-workflow"
    )
    assert json.loads(body) == {
        "kind": "Workflow",
        "namespace": "agent-platform",
        "name": "play-task-3-workflow",
        "apiVersion": "argoproj.io/v1alpha1",
    }

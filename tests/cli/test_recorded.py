"""Recorded events, in all the forms in which people have them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from func.cli.output import Problem
from func.cli.recorded import read_recorded
from tests import payloads
from tests.cli.events import cloudevent, dead_letter, lines, written

FORMS = Path(__file__).parents[3] / "shared" / "cases" / "recorded-forms"
FIRST = cloudevent(payloads.opened(), delivery="first")
SECOND = cloudevent(payloads.approved(), delivery="second")


def ids(source: Path) -> list[str]:
    return [str(recorded.event.get("id")) for recorded in read_recorded(str(source))]


def test_one_cloudevent(tmp_path: Path) -> None:
    (recorded,) = read_recorded(str(written(FIRST, tmp_path / "event.json")))
    assert recorded.event == FIRST
    assert recorded.incoming().ref.id == "first"
    assert recorded.problem is None
    assert recorded.guessed is None


@pytest.mark.parametrize(
    "text",
    [
        lines([FIRST, SECOND]),
        "\ufeff" + lines([FIRST, SECOND]).replace("\n", "\r\n") + "\r\n\n",
        json.dumps(FIRST, indent=2) + json.dumps(SECOND, indent=2),
        json.dumps([FIRST, SECOND]),
        yaml.safe_dump_all([FIRST, SECOND]),
    ],
    ids=["lines", "lines of Windows", "one after the other", "list", "YAML"],
)
def test_many_cloudevents(tmp_path: Path, text: str) -> None:
    file = tmp_path / "events"
    file.write_text(text, encoding="utf-8")
    assert ids(file) == ["first", "second"]


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    written(SECOND, tmp_path / "b" / "event.json")
    written(FIRST, tmp_path / "a.json")
    (tmp_path / "README.md").write_text("no event", encoding="utf-8")
    found = read_recorded(str(tmp_path))
    assert [(recorded.where, recorded.event["id"]) for recorded in found] == [
        ("a.json", "first"),
        ("b/event.json", "second"),
    ]


@pytest.mark.parametrize("kind", ["List", "ConfigMapList"])
def test_dead_letters_come_in_the_order_of_their_events(tmp_path: Path, kind: str) -> None:
    late = dead_letter({**SECOND, "time": "2026-11-22T11:00:09Z"}, "taskgate-dead-letter-a")
    early = dead_letter({**FIRST, "time": "2026-11-22T11:00:01Z"}, "taskgate-dead-letter-b")
    if kind != "List":
        del late["kind"], early["kind"]
    file = written({"apiVersion": "v1", "kind": kind, "items": [late, early]}, tmp_path / "letters.json")
    found = read_recorded(str(file))
    assert [recorded.event["id"] for recorded in found] == ["first", "second"]
    assert found[0].event["data"] == FIRST["data"]
    assert found[0].incoming().data == FIRST["data"]
    assert found[0].where == f"{file}, ConfigMap taskgate-dead-letter-b"


def test_dead_letters_as_yaml_keep_their_times_as_text(tmp_path: Path) -> None:
    file = tmp_path / "letters.yaml"
    file.write_text(yaml.safe_dump(dead_letter(FIRST)), encoding="utf-8")
    (recorded,) = read_recorded(str(file))
    assert recorded.event["time"] == FIRST["time"]
    assert recorded.incoming().time is not None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pull_request.labeled.1", "pull_request"),
        ("pull_request_review.submitted.1", "pull_request_review"),
        ("push.1", "push"),
        ("check_run.completed.1", "check_run"),
        ("check_suite.completed.1", "check_suite"),
        ("issue_comment.created.1", "issue_comment"),
        ("ping.1", "ping"),
    ],
)
def test_payloads_of_github_tell_their_event(tmp_path: Path, name: str, kind: str) -> None:
    (recorded,) = read_recorded(str(written(payloads.real(name), tmp_path / "payload.json")))
    assert recorded.event["type"] == f"com.github.{kind}"
    assert recorded.guessed
    assert recorded.guessed.startswith(f"from its fields it is a {kind} ")
    recorded.incoming()


def test_what_argo_events_adds_to_a_payload_is_no_guess(tmp_path: Path) -> None:
    payload = payloads.push() | {"X-GitHub-Event": "push", "X-GitHub-Delivery": "abc"}
    (recorded,) = read_recorded(str(written(payload, tmp_path / "payload.json")))
    assert (recorded.event["id"], recorded.event["type"]) == ("abc", "com.github.push")
    assert recorded.guessed is None


SHORT = payloads.approved()
HEADERS = {"X-GitHub-Delivery": "second", "X-GitHub-Event": "pull_request_review"}
LISTED = {name: [value] for name, value in HEADERS.items()}
DELIVERIES: dict[str, Any] = {
    "GitHub's API": {
        "id": 12345, "guid": "second", "event": "pull_request_review", "action": "submitted",
        "request": {"headers": {**HEADERS, "Content-Type": "application/json"}, "payload": SHORT},
        "response": {"headers": {}, "payload": "ok"},
    },
    "smee": {**{name.lower(): value for name, value in HEADERS.items()}, "body": SHORT, "query": {}, "timestamp": 1},
    "smee, the body as text": {**HEADERS, "body": json.dumps(SHORT)},
    "probot": {"id": "second", "name": "pull_request_review", "payload": SHORT},
    "an EventSource": {"headers": LISTED, "body": SHORT},
    "a Sensor": {"context": {"id": "1", "type": "github"}, "data": {"headers": LISTED, "body": SHORT}},
}  # fmt: skip


@pytest.mark.parametrize("delivery", DELIVERIES.values(), ids=DELIVERIES)
def test_recorded_deliveries(tmp_path: Path, delivery: dict[str, Any]) -> None:
    (recorded,) = read_recorded(str(written(delivery, tmp_path / "delivery.json")))
    assert (recorded.event["id"], recorded.event["type"]) == ("second", "com.github.pull_request_review")
    assert (recorded.event["data"], recorded.guessed, recorded.has_id) == (SHORT, None, True)


def test_what_is_copied_from_the_web_page_of_a_delivery(tmp_path: Path) -> None:
    file = tmp_path / "delivery.txt"
    headers = "".join(f"{name}: {value}\n" for name, value in HEADERS.items())
    file.write_text(
        f"Request URL: https://example.org\nAccept: */*\n{headers}\nPayload\n\n{json.dumps(SHORT, indent=2)}\n"
    )
    (recorded,) = read_recorded(str(file))
    assert (recorded.event["id"], recorded.event["data"], recorded.guessed) == ("second", SHORT, None)


def test_the_summary_of_a_delivery_has_no_payload(tmp_path: Path) -> None:
    summary = {"id": 12345, "guid": "second", "event": "push", "status_code": 200}
    (recorded,) = read_recorded(str(written([summary], tmp_path / "deliveries.json")))
    assert recorded.problem == "It is the summary of a delivery without its payload: read delivery 12345 by its id."


@pytest.mark.skipif(not FORMS.is_dir(), reason="no shared cases beside the repository; nothing else needs them")
def test_every_shared_form() -> None:
    found = read_recorded(str(FORMS))
    assert len(found) == len(list(FORMS.iterdir())) > 0
    for recorded in found:
        assert recorded.incoming().data["pull_request"]["number"] == 182
        assert (recorded.event["type"], recorded.guessed) == ("com.github.pull_request_review", None)


def test_the_event_of_a_payload_can_be_named(tmp_path: Path) -> None:
    file = written(payloads.real("label.created.1"), tmp_path / "payload.json")
    (recorded,) = read_recorded(str(file), "label")
    assert recorded.event["type"] == "com.github.label"
    (recorded,) = read_recorded(str(file))
    assert "--github-event" in str(recorded.problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "It is not JSON"),
        ('{"specversion": "1.0", "id": "1", "id": "2"}', "It is not JSON (the key 'id' occurs twice in one object)"),
        ("[1]", "It is not a JSON object."),
        ("a: [", "It is neither JSON nor YAML"),
        ('{"apiVersion": "v1", "kind": "Secret"}', "It is a Secret: expected the ConfigMaps of dead letters."),
        ('{"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}', "It is not a dead letter"),
        ('{"kind": "ConfigMap", "data": {"specversion": "1.0", "data": "{"}}', "Its key data is not JSON."),
        ("[" * 100_000, "It is not JSON"),
        ("\udcff", "It is not text in UTF-8."),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "event"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    (recorded,) = read_recorded(str(file))
    assert str(recorded.problem).startswith(problem)


def test_a_broken_line_leaves_the_others_whole(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines([FIRST]) + '{"specversion": \n' + lines([SECOND]), encoding="utf-8")
    found = read_recorded(str(file))
    assert [recorded.event.get("id") for recorded in found] == ["first", None, "second"]
    assert found[1].where == f"{file}, line 2"


def test_nothing_to_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="contains no events"):
        read_recorded(str(tmp_path))
    with pytest.raises(Problem, match="cannot be read \\(No such file or directory\\)"):
        read_recorded(str(tmp_path / "none"))

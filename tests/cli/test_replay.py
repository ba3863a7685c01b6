"""`taskgate replay`: recorded events, sent again."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from func.cli.sending import Reply, Sender
from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.devcluster.function_process import FunctionProcess
from tests import payloads
from tests.cli.events import cloudevent, dead_letter, lines, written
from tests.cli.running import taskgate
from tests.cli.stand_in import Function
from tests.recorded_workflows import gate_node, waiting_workflow

EVENTS = [cloudevent(payloads.approved(task=task), delivery=f"d-{task}") for task in (1, 2, 3)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text(lines(EVENTS), encoding="utf-8")
    return path


def test_sends_whole_events_in_order(function: Function, file: Path) -> None:
    result = taskgate("replay", file, "--to", function.url)
    assert result.exit_code == 0, result.output
    assert function.events == EVENTS
    assert function.authorizations == [None] * 3
    assert "3 of 3 delivered: 3 opened." in result.output
    assert "\x1b" not in result.output


def test_a_503_is_sent_again_when_it_says(function: Function, file: Path) -> None:
    function.answers = [(200, {}), (503, {"Retry-After": "0"}), (503, {"Retry-After": "0"}), (200, {})]
    result = taskgate("replay", file, "--to", function.url, "--output", "json")
    assert result.exit_code == 0
    assert function.ids == ["d-1", "d-2", "d-2", "d-2", "d-3"]
    assert [each["reply"]["outcome"] for each in json.loads(result.stdout)] == ["opened"] * 3


@pytest.mark.parametrize("status", [500, 503])
def test_what_is_not_delivered_is_kept(function: Function, file: Path, tmp_path: Path, status: int) -> None:
    tries = 4 if status == 503 else 1
    function.answers = [(200, {}), *[(status, {"Retry-After": "0"})] * tries]
    failed = tmp_path / "failed.jsonl"
    result = taskgate("replay", file, "--to", function.url, "--failed", failed)
    assert result.exit_code == 1
    assert function.ids == ["d-1", *["d-2"] * tries, "d-3"]
    assert "2 of 3 delivered: 2 opened." in result.output
    assert f"1 not delivered; they are in {failed}." in " ".join(result.output.split())
    # And once more, from the file and into it.
    function.answers = [(status, {"Retry-After": "0"})] * tries
    assert taskgate("replay", failed, "--to", function.url, "--failed", failed).exit_code == 1
    assert failed.read_text(encoding="utf-8") == lines(EVENTS[1:2])
    assert taskgate("replay", failed, "--to", function.url, "--failed", tmp_path / "none").exit_code == 0
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("status", [202, 204, 400, 413, 422])
def test_other_answers_are_final(function: Function, file: Path, status: int) -> None:
    function.answers = [(status, {})]
    assert taskgate("replay", file, "--to", function.url).exit_code == 0
    assert function.ids == ["d-1", "d-2", "d-3"]


def test_a_wrong_token_ends_it_and_nothing_is_lost(function: Function, file: Path, tmp_path: Path) -> None:
    function.answers = [(200, {}), (401, {})]
    failed = tmp_path / "failed.jsonl"
    result = taskgate("replay", file, "--to", function.url, "--failed", failed)
    assert result.exit_code == 1
    assert function.ids == ["d-1", "d-2"]
    assert "the function does not take the token" in result.output
    assert failed.read_text(encoding="utf-8") == lines(EVENTS[1:])


def test_nobody_is_there(file: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    failed = tmp_path / "failed.jsonl"
    failed.write_text(lines(EVENTS[:1]), encoding="utf-8")  # of an earlier time
    result = taskgate("replay", file, "--to", url, "--failed", failed, "--output", "json")
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert shown[0]["problem"] == f"{url} does not answer (Connection refused)"
    assert shown[2]["problem"] == f"because {url} does not answer (Connection refused)"
    assert failed.read_text(encoding="utf-8") == lines([EVENTS[0], *EVENTS])


@pytest.mark.parametrize("text", ["s3cret\nother\n", "\n  s3cret\r\n", "Bearer s3cret"])
def test_the_token_goes_along(function: Function, file: Path, tmp_path: Path, text: str) -> None:
    tokens = tmp_path / "token"
    tokens.write_text(text, encoding="utf-8")
    assert taskgate("replay", file, "--to", function.url, "--token-file", tokens).exit_code == 0
    assert function.authorizations == ["Bearer s3cret"] * 3


def test_nothing_is_sent_when_something_can_not_be_read(function: Function, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    for text, words in (
        (lines(EVENTS[:1]) + "{", f"nothing was sent, because of {file}, line 2: It is not JSON"),
        (lines([*EVENTS[:1], EVENTS[1] | {"id": ""}]), 'The attribute id is "": expected a string'),
        (lines([payloads.approved()]), "only whole CloudEvents are sent again"),
        (lines([{}]) * 3, "(and 2 more like it)"),
    ):
        file.write_text(text, encoding="utf-8")
        result = taskgate("replay", file, "--to", function.url)
        assert result.exit_code == 1
        assert words in result.output
    assert function.events == []


def test_wrong_usage_is_named(file: Path, tmp_path: Path) -> None:
    url = taskgate("replay", file, "--to", "example.com\x1b")
    assert url.exit_code == 2
    assert r"example.com\x1b is not a URL" in url.output
    (tmp_path / "empty").touch()
    for option, value, words in (
        ("--token-file", tmp_path / "none", "cannot be read (No such file or directory)"),
        ("--token-file", tmp_path / "empty", "expected a line with a token"),
        ("--failed", tmp_path / "none" / "failed", "cannot be written (No such file or directory)"),
    ):
        result = taskgate("replay", file, option, value)
        assert (result.exit_code, result.output) == (1, f"Error: {option} is {value}: {words}\n")


def test_a_dead_letter_opens_its_gate_once(
    cluster: EmbeddedCluster, environment: dict[str, str], tmp_path: Path
) -> None:
    stored = cluster.store.load(WORKFLOWS, waiting_workflow(3))
    letters = {"apiVersion": "v1", "kind": "List", "items": [dead_letter(EVENTS[2])]}
    said: list[str] = []
    with FunctionProcess(Path(environment["KUBECONFIG"]), 0, said.append) as function:
        first = taskgate("replay", "-", "--to", function.url, typed=json.dumps(letters))
        again = taskgate("replay", written(letters, tmp_path / "letters.json"), "--to", function.url)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "1 of 1 delivered: 1 opened." in first.output
    assert "1 of 1 delivered: 1 duplicate." in again.output
    document = cluster.store.get(WORKFLOWS, *stored.key).document
    assert gate_node(document, "wait-pr-approved")["phase"] == "Succeeded"
    assert [json.loads(line)["attributes"]["cloudevents.event_id"] for line in said] == ["d-3", "d-3"]


def test_ctrl_c_loses_nothing(function: Function, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Sender.send

    def interrupted(sender: Sender, event: dict[str, Any]) -> Reply:
        if event["id"] == "d-2":
            raise KeyboardInterrupt
        return send(sender, event)

    monkeypatch.setattr(Sender, "send", interrupted)
    failed = tmp_path / "failed.jsonl"
    result = taskgate("replay", file, "--to", function.url, "--failed", failed)
    assert result.exit_code == 1
    assert function.ids == ["d-1"]
    assert failed.read_text(encoding="utf-8") == lines(EVENTS[1:])

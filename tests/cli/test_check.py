"""`taskgate check`: is this gates.yaml right, and what would it decide?"""

import json
from pathlib import Path

import pytest

from func.service.settings import BUILT_IN_RULES
from tests import payloads
from tests.cli.events import cloudevent, lines, written
from tests.cli.running import taskgate


def test_the_rules_built_in_are_valid() -> None:
    result = taskgate("check", BUILT_IN_RULES)
    assert (result.exit_code, result.output.splitlines()[0]) == (0, f"{BUILT_IN_RULES} is valid.")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("gates: {}\ngates: {}", "the key 'gates' occurs twice"),
        ("gates: {a: {event: push}}", "workflows is missing"),
        ("\x1b[31m: [", "not YAML"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "gates.yaml"
    file.write_text(text, encoding="utf-8")
    result = taskgate("check", file)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert problem in result.output
    assert "\x1b" not in result.output


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = taskgate("check", tmp_path / "none.yaml")
    assert (missing.exit_code, missing.output) == (
        1,
        f"Error: {tmp_path / 'none.yaml'}: cannot be read (No such file or directory)\n",
    )
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe")
    assert taskgate("check", tmp_path / "latin.yaml").output.endswith("expected text in UTF-8\n")
    assert taskgate("check").exit_code == 2


def test_decides_recorded_events_without_a_cluster(tmp_path: Path) -> None:
    events = tmp_path / "events"
    events.mkdir()
    written(cloudevent(payloads.approved()), events / "1-approved.json")
    written(payloads.approved(by="octocat"), events / "2-stranger.json")
    written(payloads.opened(labels=["task-1", "task-2"]), events / "3-two.json")
    written(payloads.push("refs/heads/task-9-fix"), events / "4-push.json")
    (events / "5-broken.json").write_text("{", encoding="utf-8")
    # A cluster that is named and not there: nobody asks it.
    result = taskgate("check", BUILT_IN_RULES, "--events", events, environment={"KUBECONFIG": "/none"})
    assert result.exit_code == 0
    shown = {line.split()[0]: line for line in result.output.splitlines() if line[:1].isdigit()}
    assert "3 by label   wait-pr-approved  pull_request_review.submitted: accepted so far" in shown["1-approved.json"]
    assert "refused (person-not-allowed) at person: octocat is not in reviewers." in shown["2-stranger.json"]
    assert "ambiguous (several-tasks) at task: The event names several tasks" in shown["3-two.json"]
    assert "9 by branch" in shown["4-push.json"]
    assert "ignored (no-rule) at rule: No rule matches push." in shown["4-push.json"]
    assert "invalid (malformed) at cloudevent: It is not JSON" in shown["5-broken.json"]


def test_decisions_for_scripts(tmp_path: Path) -> None:
    releases = [
        json.loads(payloads.release_argo(namespace, "play-task-3-workflow")[1]) for namespace in ("agent-platform", "b")
    ]
    own = {"specversion": "1.0", "id": "1", "source": "/taskgate", "type": "dev.taskgate.opened", "data": {}}
    file = tmp_path / "events.jsonl"
    file.write_text(lines([cloudevent(payloads.approved()), *releases, own]), encoding="utf-8")
    result = taskgate("check", BUILT_IN_RULES, "--events", file, "--output", "json")
    shown = json.loads(result.stdout)
    assert shown["rules"]["workflows"]["one-pull-request"] is True
    assert {each["code"] for each in shown["warnings"]} == {"person-without-id"}
    approved, release, elsewhere, reply = shown["events"]
    assert (approved["outcome"], approved["code"]) == (None, None)
    assert approved["task"] == {"id": "3", "repository": "5dlabs/cto", "found_by": "label"}
    assert [step["check"] for step in approved["passed"]] == [
        "token", "cloudevent", "rule", "task", "repository", "fork", "state", "person", "fresh"
    ]  # fmt: skip
    assert release["outcome"] is None
    assert (elsewhere["outcome"], reply["outcome"]) == ("ignored", "ignored")


def test_every_real_payload_has_a_decision() -> None:
    folder = Path(__file__).parents[1] / "data" / "github"
    result = taskgate("check", BUILT_IN_RULES, "--events", folder, "--output", "json")
    events = json.loads(result.stdout)["events"]
    assert len(events) == len(list(folder.glob("*.json")))
    assert {event["outcome"] for event in events} == {"ignored", "invalid"}  # those of kinds that no rule can name


def test_warnings_fail_only_where_they_are_asked_to(tmp_path: Path) -> None:
    plain, strict = taskgate("check", BUILT_IN_RULES), taskgate("check", BUILT_IN_RULES, "--strict")
    assert (plain.exit_code, strict.exit_code) == (0, 1)
    assert "Warning: people.reviewers (person-without-id)" in plain.output
    file = tmp_path / "gates.yaml"
    file.write_text(
        """
workflows: {namespace: a, selector: b=c, labels: {task: task-id}}
task: {label: 'task-([0-9]+)'}
gates: {merged: {event: pull_request.closed, merged: true, by: anyone}}
""",
        encoding="utf-8",
    )
    safe = taskgate("check", file, "--strict")
    assert safe.exit_code == 0
    assert "Warning" not in safe.output


def test_a_withdrawal_that_reaches_nothing_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "gates.yaml"
    file.write_text(
        """
workflows: {namespace: a, selector: b=c, labels: {task: task-id}}
gates: {scanned: {event: com.example.scanned, task: task, by: anyone, withdraw: {event: pull_request.synchronize}}}
""",
        encoding="utf-8",
    )
    result = taskgate("check", file)
    assert result.exit_code == 1
    assert "is not valid" in result.output
    assert "Error: gates.scanned.withdraw (withdraw-unreachable)" in result.output

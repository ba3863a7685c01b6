"""Small inputs, each for a whole kind of fault: what they are answered today."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from func.core.errors import SettingError
from func.core.gates_file import parse_rules
from func.core.rules import Rules
from tests.core.bench import Bench, answer_to, built_in, rules_with
from tests.payloads import Request
from tests.recorded_workflows import Workflow, waiting_workflow

CASES = Path(__file__).parents[1] / "data" / "cases"
NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
CREATED = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)


def event(name: str, **data: Any) -> Request:  # noqa: ANN401 - any JSON
    """Return a CloudEvent of the files, with some of its data changed."""
    found = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    if data:
        found["data"] = {**found["data"], **data}
    return {"content-type": "application/cloudevents+json"}, json.dumps(found).encode()


def rules_of(name: str) -> Rules:
    return parse_rules((CASES / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")


def bench(task: int, gate: str = "wait-pr-approved", rules: Rules | None = None, **facts: Any) -> Bench:  # noqa: ANN401
    document = waiting_workflow(task, gate, created=CREATED, **facts)
    return Bench(document, rules or built_in(), NOW)


def listed(task: int) -> Workflow:
    """Return a Workflow of the list with retried gates and loops."""
    items = json.loads((CASES / "retry-and-loop-workflows.json").read_text(encoding="utf-8"))["items"]
    (found,) = [each for each in items if each["metadata"]["name"] == f"play-task-{task}-workflow"]
    found["metadata"].setdefault("annotations", {})
    found["metadata"].setdefault("uid", f"00000000-0000-4000-8000-0000000000{task}")
    workflow: Workflow = found
    return workflow


def test_a_pull_request_that_was_merged_long_ago_opens_nothing() -> None:
    answer = bench(61, "wait-pr-created").deliver(event("closed-pr-labeled"))
    assert (answer.outcome, answer.code) == ("refused", "pull-request-closed")


def test_a_changed_base_revokes_the_approval() -> None:
    one = bench(304, "wait-ready-for-qa")
    assert one.deliver(event("builtin-retarget-1")).outcome == "parked"
    assert one.deliver(event("builtin-retarget-2")).outcome == "withdrawn"
    one.reach("wait-pr-merged")
    assert not one.is_parked


@pytest.mark.parametrize(("task", "outcome"), [(41, "opened"), (42, "opened"), (43, "ambiguous")])
def test_a_retried_gate_and_the_items_of_a_loop_are_gates(task: int, outcome: str) -> None:
    assert Bench(listed(task), built_in(), NOW).deliver(event(f"approved{task}")).outcome == outcome


def test_inputs_tell_the_items_of_a_loop_apart() -> None:
    one = Bench(listed(43), rules_of("gates-loop"), NOW)
    assert one.deliver(event("approved43")).outcome == "opened"
    phases = {n["displayName"]: n["phase"] for n in one.document["status"]["nodes"].values() if n["type"] == "Suspend"}
    assert phases == {"wait-pr-approved(0:prod)": "Succeeded", "wait-pr-approved(1:dev)": "Running"}


@pytest.mark.parametrize(
    ("name", "task", "label"), [("case-event", 52, "5dlabs-cto"), ("case-label", 51, "5DLabs-cto")]
)
def test_repositories_have_no_case(name: str, task: int, label: str) -> None:
    assert bench(task, repository=label).deliver(event(name)).outcome == "opened"


def test_labels_have_no_case() -> None:
    assert bench(103, "wait-ready-for-qa").deliver(event("label-case")).outcome == "opened"


def test_a_bracket_in_a_glob_is_a_bracket() -> None:
    one = bench(101, "qa", rules_of("gates-brackets"), gates=["qa"])
    assert one.deliver(event("label-brackets")).outcome == "opened"


def test_data_in_base64_is_read() -> None:
    assert bench(54).deliver(event("data-base64")).outcome == "opened"


@pytest.mark.parametrize("name", ["time-lower", "time-leap"])
def test_times_are_read_as_rfc_3339_has_them(name: str) -> None:
    assert bench(55).deliver(event(name)).outcome == "opened"


def test_a_repository_that_no_label_can_hold_is_an_error_and_an_answer() -> None:
    with pytest.raises(SettingError, match="no label can hold example-organization-inc-a-very-long-repository-name"):
        rules_of("gates-long-repositories")


CHECK_SUITE = "  wait-pr-approved: {event: check_suite.completed, by: anyone, when: {check_suite.conclusion: success}}"


def test_a_failed_check_suite_opens_nothing_where_the_rule_asks_for_success() -> None:
    one = bench(74, rules=rules_with(CHECK_SUITE))
    assert one.deliver(event("check-suite-failure")).outcome == "ignored"
    suite = {"id": 1, "head_branch": "task-74-x", "head_sha": "c1", "status": "completed", "conclusion": "success"}
    answer = one.deliver(event("check-suite-failure", check_suite=suite))
    assert answer.outcome == "opened"
    assert answer.task is not None
    assert (answer.task.id, answer.task.found_by) == ("74", "branch")


def test_the_text_of_a_comment_is_a_condition() -> None:
    rules = rules_with(
        "  wait-pr-approved: {event: issue_comment.created, by: reviewers, when: {comment.body: '/lgtm'},\n"
        "    withdraw: [{event: issue_comment.created, when: {comment.body: '/lgtm cancel'}, by: reviewers}]}"
    )
    one = bench(74, "wait-ready-for-qa", rules)
    assert one.deliver(event("issue-comment")).outcome == "withdrawn"  # "/lgtm cancel"
    comment = {"id": 10, "body": " /lgtm\n", "user": {"login": "5DLabs-Tess[bot]"}}
    approving = event("issue-comment", comment=comment)
    body = json.loads(approving[1])
    body["id"], body["time"] = "ic-2", "2026-11-25T20:00:00Z"
    later = Bench(one.document, rules, NOW.replace(hour=21))
    assert later.deliver((approving[0], json.dumps(body).encode())).outcome == "refused"  # not after the cancel
    body["id"], body["time"] = "ic-3", "2026-11-25T20:30:00Z"
    assert later.deliver((approving[0], json.dumps(body).encode())).outcome == "parked"


def test_an_author_does_not_open_a_gate_of_his_own() -> None:
    rules = rules_with(
        "  wait-ready-for-qa: {event: pull_request.labeled, label: ready-for-qa, by: quality, not-author: true}"
    )
    answer = bench(301, "wait-ready-for-qa", rules).deliver(event("own-author-label"))
    assert (answer.outcome, answer.code) == ("refused", "author-not-allowed")


def test_a_review_of_a_deleted_account_is_answered_truly() -> None:
    answer = bench(92).deliver(event("review-user-null"))
    assert (answer.outcome, answer.code) == ("refused", "no-person")


@pytest.mark.parametrize(("name", "task"), [("odd-labels-null", 80), ("odd-title-null", 82)])
def test_null_is_absent(name: str, task: int) -> None:
    assert bench(task, "wait-pr-created").deliver(event(name)).outcome == "opened"


def test_a_pattern_takes_linear_time_whatever_a_fork_calls_its_branch() -> None:
    found = json.loads((CASES / "odd-labels-null.json").read_text(encoding="utf-8"))
    found["data"]["pull_request"]["head"]["ref"] = "a" * 200 + "!"
    request = {"content-type": "application/cloudevents+json"}, json.dumps(found).encode()
    started = time.process_time()
    answer = answer_to(request, rules_of("slow-pattern-gates"), NOW)
    assert answer is not None
    assert answer.outcome == "ignored"
    assert time.process_time() - started < 5  # took hours

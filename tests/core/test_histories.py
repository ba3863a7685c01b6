"""Histories of real pull requests and Workflows, each of a kind that once ended wrong."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from func.core.rules import Rules
from tests.core.bench import GATE, STATE, Bench, at, named, plan_of, rules_with
from tests.payloads import (
    CLEO,
    HEAD,
    PUSHED,
    REX,
    TESS,
    Payload,
    Request,
    approved,
    changes_requested,
    closed,
    cloudevent_structured,
    commented,
    dismissed,
    labeled,
    opened,
    real,
    reopened,
    synchronize,
    unlabeled,
)
from tests.recorded_workflows import Workflow, gate_node, recorded, stamp, waiting_workflow

EARLY = "wait-ready-for-qa"  # the gate before the one of the approval
TWO_REVIEWERS = rules_with(
    "  wait-pr-approved:\n"
    "    event: pull_request_review.submitted\n"
    "    review: approved\n"
    "    by: [reviewers, quality]\n"
    "    fresh: true\n"
    "    withdraw:\n"
    "    - {event: pull_request.synchronize}\n"
    "    - {event: pull_request_review.dismissed}\n"
    "    - {event: pull_request_review.submitted, review: changes_requested, by: [reviewers, quality]}"
)


def retargeted(**facts: Any) -> Payload:  # noqa: ANN401
    """The base of the pull request is changed."""
    payload = opened(**facts)
    payload["action"] = "edited"
    payload["changes"] = {"base": {"ref": {"from": "main"}, "sha": {"from": "0" * 40}}}
    return payload


def is_closed(payload: Payload) -> Payload:
    payload["pull_request"]["state"] = "closed"
    return payload


# ---- what must not open


def test_an_approval_does_not_outlive_the_time_in_which_its_pull_request_named_no_task() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(sha=HEAD, happened=at(0)))
    left = bench.deliver(unlabeled("task-3", labels=["task-3"], branch="work", happened=at(1)))
    assert (left.outcome, left.code) == ("withdrawn", "left")
    assert bench.deliver(synchronize(labels=[], branch="work", happened=at(2))).outcome == "ignored"  # names no task
    bench.deliver(labeled("task-3", labels=["task-3"], branch="work", sha=PUSHED, happened=at(3)))
    bench.reach()
    assert bench.release().outcome == "ignored"
    assert not bench.is_open
    assert bench.deliver(approved(sha=PUSHED, branch="work", review_id=10**9, happened=at(4))).outcome == "opened"


@pytest.mark.parametrize(
    "meanwhile",
    [
        synchronize(labels=["task-3", "task-4"], branch="work", happened=at(2)),
        changes_requested(labels=["task-3", "task-4"], branch="work", review_id=10**9, happened=at(2)),
        dismissed(labels=["task-3", "task-4"], branch="work", updated=at(2)),
        closed(labels=["task-3", "task-4"], branch="work", merged=False, happened=at(2)),
    ],
    ids=["push", "changes requested", "dismissal", "closing"],
)
def test_what_happens_while_a_second_label_is_on_is_not_lost(meanwhile: Payload) -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(branch="work", happened=at(0)))
    assert bench.deliver(meanwhile).outcome == "ambiguous"
    assert not bench.is_parked
    bench.reach()
    assert bench.release().outcome == "ignored"
    assert bench.deliver(approved(branch="work", happened=at(0))).outcome == "refused"


def test_a_second_task_label_revokes_what_its_pull_request_signalled() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(branch="work", happened=at(0)))
    added = bench.deliver(labeled("task-4", labels=["task-3", "task-4"], branch="work", happened=at(1)))
    assert added.outcome == "ambiguous"
    bench.deliver(unlabeled("task-4", labels=["task-3", "task-4"], branch="work", happened=at(2)))
    bench.reach()
    assert bench.release().outcome == "ignored"
    assert not bench.is_open


def test_a_withdrawal_finds_its_task_whatever_another_gate_looks_for() -> None:
    text = (
        "  wait-scanned: {event: com.example.scanned, task: task, repository: repo, by: anyone,\n"
        "    withdraw: [{event: pull_request.synchronize}]}\n"
        "  wait-pr-approved: {event: pull_request_review.submitted, review: approved, by: anyone,\n"
        "    withdraw: [{event: pull_request.synchronize}]}"
    )
    bench = Bench.at(EARLY, rules_with(text))
    assert bench.deliver(approved(happened=at(0))).outcome == "parked"
    assert bench.deliver(synchronize(happened=at(1))).outcome == "withdrawn"
    bench.reach()
    assert bench.release().outcome == "ignored"


def test_an_approval_under_a_wrong_label_does_not_open_the_gate_of_that_task_later() -> None:
    wrong = Bench(waiting_workflow(1, EARLY))
    wrong.deliver(approved(number=100, task=1, branch="work", happened=at(0)))
    assert wrong.is_parked
    put_right = unlabeled("task-1", number=100, labels=["task-1", "task-2"], branch="work", happened=at(1))
    assert wrong.deliver(put_right).outcome == "withdrawn"
    assert not wrong.is_parked


@pytest.mark.parametrize(
    "event",
    [
        is_closed(labeled("task-3", labels=["task-3"], happened=at(5))),
        is_closed(labeled("ready-for-qa", happened=at(5))),
        is_closed(approved(happened=at(5))),
    ],
    ids=["task label", "ready for QA", "approval"],
)
def test_events_of_a_closed_pull_request_open_nothing_and_bind_nothing(event: Payload) -> None:
    for gate in ("wait-pr-created", EARLY, GATE):
        bench = Bench.at(gate)
        answer = bench.deliver(event)
        assert (answer.outcome, answer.code) == ("refused", "pull-request-closed")
        assert bench.state.get("pull_request") is None
        assert bench.writes == 0


def test_the_late_approval_of_the_first_of_two_closed_pull_requests_opens_nothing() -> None:
    bench = Bench.at()
    bench.deliver(closed(number=100, merged=False, happened=at(5)))
    bench.deliver(closed(number=101, merged=False, happened=at(6)))
    for number in (100, 101):
        answer = bench.deliver(approved(number=number, happened=at(4)))
        assert (answer.outcome, answer.code) == ("refused", "pull-request-gone")
    assert not bench.is_open


def test_a_dismissal_counts_though_the_account_was_deleted() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(happened=at(0)))
    gone = dismissed(updated=at(5))
    gone["review"]["user"] = None
    assert bench.deliver(gone).outcome == "withdrawn"
    bench.reach()
    assert bench.release().outcome == "ignored"


def test_requested_changes_stand_against_an_approval_by_somebody_else() -> None:
    bench = Bench.at(rules=TWO_REVIEWERS)
    assert bench.deliver(changes_requested(reviewer=CLEO, review_id=1, happened=at(0))).outcome == "withdrawn"
    waits = bench.deliver(approved(reviewer=TESS, review_id=2, happened=at(5)))
    assert (waits.outcome, waits.code) == ("parked", "changes-requested")
    assert CLEO in waits.reason
    assert bench.release().outcome == "ignored"
    assert bench.deliver(commented(reviewer=CLEO, review_id=3, happened=at(6))).outcome == "ignored"
    assert not bench.is_open
    assert bench.deliver(approved(reviewer=CLEO, review_id=4, happened=at(7))).outcome == "opened"


def test_an_approval_that_waits_for_requested_changes_opens_when_they_are_dismissed() -> None:
    bench = Bench.at(rules=TWO_REVIEWERS)
    bench.deliver(changes_requested(reviewer=CLEO, review_id=1, happened=at(0)))
    bench.deliver(approved(reviewer=TESS, review_id=2, happened=at(5)))
    assert bench.deliver(dismissed(reviewer=CLEO, review_id=1, happened=at(0), updated=at(9))).outcome == "withdrawn"
    assert bench.release().outcome == "opened"


def test_an_approval_does_not_outlive_a_change_of_the_base() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(happened=at(0)))
    assert bench.deliver(retargeted(base="release-1.0", happened=at(1))).outcome == "withdrawn"
    bench.reach()
    assert bench.release().outcome == "ignored"
    assert not bench.is_open


def test_an_edited_title_is_not_a_change_of_the_base() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(happened=at(0)))
    edited = retargeted(happened=at(1))
    edited["changes"] = {"title": {"from": "Before"}}
    assert bench.deliver(edited).outcome == "ignored"
    assert bench.is_parked


@pytest.mark.parametrize("situation", ["terminated", "stopped"])
def test_nothing_is_opened_on_a_workflow_that_is_being_stopped(situation: str) -> None:
    bench = Bench(of_task_three(recorded(situation, "waiting")))
    bench.now = at(0) + timedelta(days=5)
    answer = bench.deliver(approved(happened=bench.now))
    assert (answer.outcome, answer.code) == ("refused", "workflow-stopping")
    assert bench.phase() == "Running"


# ---- what must not be lost


@pytest.mark.parametrize(
    "freed_by",
    [
        unlabeled("task-3", number=100, labels=["task-3"], branch="work", happened=at(5)),
        closed(number=100, merged=True, happened=at(5)),
        closed(number=100, merged=False, happened=at(5)),
    ],
    ids=["left its task", "merged", "closed"],
)
def test_a_workflow_does_not_stay_locked_to_a_pull_request_that_is_gone(freed_by: Payload) -> None:
    bench = Bench.at("wait-pr-created")
    assert bench.deliver(opened(number=100, happened=at(0))).outcome == "opened"
    bench.reach(EARLY)
    other = labeled("ready-for-qa", number=101, happened=at(6))
    assert bench.copy().deliver(other).code == "other-pull-request"
    bench.deliver(freed_by)
    assert bench.deliver(other).outcome == "opened"
    assert bench.state["pull_request"] == "5dlabs/cto#101"


def test_a_pull_request_that_is_reopened_and_used_again_binds_again() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(opened(number=100, happened=at(0)))
    bench.deliver(closed(number=100, merged=False, happened=at(1)))
    bench.deliver(reopened(number=100, happened=at(2)))
    bench.reach(EARLY)
    assert bench.deliver(labeled(number=100, happened=at(3))).outcome == "opened"
    bench.reach()
    assert bench.deliver(approved(number=101, happened=at(4))).code == "other-pull-request"


def of_task_three(workflow: Workflow) -> Workflow:
    """The recorded Workflow with the labels of task 3."""
    workflow = copy.deepcopy(workflow)
    workflow["metadata"].setdefault("labels", {}).update(
        {"workflow-type": "play-orchestration", "task-id": "3", "repository": "5dlabs-cto"}
    )
    workflow["metadata"].setdefault("annotations", {})
    return workflow


def test_a_gate_that_stands_again_after_a_retry_takes_a_newer_signal_only() -> None:
    bench = Bench.at()
    assert bench.deliver(approved(review_id=1, happened=at(0))).outcome == "opened"
    assert bench.deliver(approved(review_id=2, happened=at(9))).outcome == "already-open"
    # `argo retry --restart-successful`: the node keeps its id and starts again.
    node = gate_node(bench.document, GATE)
    node |= {"phase": "Running", "startedAt": "2026-11-22T12:30:00Z"}
    node.pop("finishedAt", None)
    again = bench.deliver(approved(review_id=1, happened=at(0)))
    assert again.outcome == "duplicate"
    for seconds in (-1, 0):
        older = bench.deliver(
            cloudevent_structured(approved(review_id=1, happened=at(seconds)), delivery=f"o{seconds}")
        )
        assert older.outcome == "refused"
    assert bench.deliver(approved(review_id=3, happened=at(10))).outcome == "opened"


def test_signals_that_wait_survive_the_failure_of_their_workflow() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(happened=at(0)))
    bench.document["status"]["phase"] = "Failed"
    bench.document["metadata"]["labels"]["workflows.argoproj.io/completed"] = "true"
    assert bench.release().outcome == "ignored"
    merged = bench.deliver(closed(happened=at(5)))  # a merge while it is Failed
    assert (merged.outcome, merged.code) == ("parked", "workflow-failed")
    del bench.document["metadata"]["labels"]["workflows.argoproj.io/completed"]
    del bench.document["status"]["phase"]  # as `argo retry` leaves it
    bench.reach()
    assert bench.release().gate == GATE
    bench.reach("wait-pr-merged")
    assert bench.release().gate == "wait-pr-merged"


@pytest.mark.parametrize("situation", ["retried-gate", "retried-by-default", "retried-parent"])
def test_a_gate_is_found_by_what_the_controller_makes_of_its_name(situation: str) -> None:
    document = of_task_three(recorded(situation, "waiting"))
    waiting = [n for n in document["status"]["nodes"].values() if n["type"] == "Suspend" and n["phase"] == "Running"]
    name = waiting[0]["displayName"].partition("(")[0]
    bench = Bench(document, rules_with(f"  {name}: {{event: pull_request_review.submitted, by: anyone}}"))
    bench.now = at(0) + timedelta(days=5)
    assert bench.deliver(approved(happened=bench.now)).outcome == "opened"


@pytest.mark.parametrize(
    ("situation", "state", "code"),
    [
        ("retried-gate-second-attempt", "failed", "not-reached"),  # the controller is about to start the next attempt
        ("retried-parent", "advanced", "not-reached"),  # the second attempt waits at the gate before it
        ("retried-parent", "failed", "gate-failed"),  # the template may go on without the gate
        ("retried-gate-used-up", "advanced", "workflow-failed"),
    ],
)
def test_a_gate_that_failed_is_still_to_come_while_it_is_retried(situation: str, state: str, code: str) -> None:
    bench = Bench(of_task_three(recorded(situation, state)))
    bench.now = at(0) + timedelta(days=5)
    answer = bench.deliver(approved(happened=bench.now))
    assert (answer.code, bench.is_parked) == (code, code != "gate-failed")


def test_a_gate_of_an_earlier_attempt_that_was_opened_manually_uses_up_what_waited() -> None:
    document = of_task_three(recorded("retried-parent", "advanced"))
    (gate,) = (each for each in document["status"]["nodes"].values() if each["displayName"] == GATE)
    del document["status"]["nodes"][gate["id"]]
    bench = Bench(document)
    bench.now = datetime.fromisoformat(gate["startedAt"]) - timedelta(minutes=1)
    assert bench.deliver(named(approved(happened=bench.now), "d-1")).code == "not-reached"
    bench.document["status"]["nodes"][gate["id"]] = gate | {"phase": "Succeeded"}
    assert bench.release().outcome == "ignored"
    assert bench.deliver(named(approved(happened=bench.now), "d-1")).code == "used-up"
    assert not bench.is_parked


def test_the_items_of_a_loop_are_told_apart_by_their_inputs() -> None:
    document = of_task_three(recorded("loop-on-gate"))
    text = "  wait-approval: {event: pull_request_review.submitted, by: anyone%s}"
    both = Bench(copy.deepcopy(document), rules_with(text % ""))
    both.now = at(0) + timedelta(days=5)
    several = both.deliver(approved(happened=both.now))
    assert (several.outcome, several.code) == ("ambiguous", "several-nodes")
    one = Bench(document, rules_with(text % ", inputs: {event: qa}"))
    one.now = both.now
    opened_one = one.deliver(approved(happened=one.now))
    assert opened_one.outcome == "opened"
    phases = {n["displayName"]: n["phase"] for n in one.document["status"]["nodes"].values() if n["type"] == "Suspend"}
    assert phases == {"wait-approval(0:qa)": "Succeeded", "wait-approval(1:security)": "Running"}


@pytest.mark.parametrize(
    ("situation", "gate"), [("skipped-gate", "wait-pr-created"), ("omitted-gate", "wait-remediation")]
)
def test_a_gate_that_was_skipped_refuses(situation: str, gate: str) -> None:
    bench = Bench(
        of_task_three(recorded(situation, "waiting")),
        rules_with(f"  {gate}: {{event: pull_request_review.submitted, by: anyone}}"),
    )
    bench.now = at(0) + timedelta(days=5)
    answer = bench.deliver(approved(happened=bench.now))
    assert (answer.outcome, answer.code) == ("refused", "gate-skipped")
    assert bench.writes == 0


def test_the_approval_of_one_pull_request_does_not_take_the_place_of_anothers() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(number=100, review_id=1, happened=at(0)))
    bench.deliver(approved(number=101, review_id=2, happened=at(1)))
    bench.deliver(closed(number=101, merged=False, happened=at(2)))
    bench.reach()
    assert bench.release().outcome == "opened"
    assert bench.state["pull_request"] == "5dlabs/cto#100"


def test_the_same_id_of_two_sources_is_two_events() -> None:
    rules = rules_with(
        "  one: {event: com.example.a, task: task, repository: repo, by: anyone}\n"
        "  two: {event: com.example.b, task: task, repository: repo, by: anyone}"
    )
    bench = Bench(waiting_workflow(3, "one", gates=["one", "two"]), rules)
    data = {"task": 3, "repo": "5dlabs/cto"}
    first = cloudevent_structured(data, "a", delivery="1", prefix="com.example.", source="/a")
    second = cloudevent_structured(data, "b", delivery="1", prefix="com.example.", source="/b")
    assert bench.deliver(first).outcome == "opened"
    assert bench.deliver(second).outcome == "parked"
    assert bench.deliver(first).outcome == "duplicate"


def test_one_delivery_of_github_is_one_event_whatever_its_source_says() -> None:
    bench = Bench.at()
    assert bench.deliver(cloudevent_structured(approved(), delivery="1", source="/a")).outcome == "opened"
    assert bench.deliver(cloudevent_structured(approved(), delivery="1", source="/b")).outcome == "duplicate"


def test_a_time_in_the_future_does_not_lock_a_gate() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(synchronize(happened=at(0) + timedelta(days=3650)))
    bench.now += timedelta(hours=1)
    assert bench.deliver(approved(review_id=9, sha=PUSHED, happened=bench.now)).outcome == "parked"


def test_a_redelivery_to_a_resubmitted_copy_says_what_happened() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(opened())
    copied = waiting_workflow(3, "wait-pr-created", name="play-task-3-workflow-2")
    copied["metadata"]["annotations"][STATE] = bench.document["metadata"]["annotations"][STATE]
    answer = Bench(copied).deliver(opened())
    assert (answer.outcome, answer.code) == ("duplicate", "used-on-original")
    assert "by hand" not in answer.reason


def test_in_the_very_same_second_the_numbers_of_reviews_tell_the_order() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(changes_requested(review_id=1, happened=at(0)))
    assert bench.deliver(approved(review_id=2, happened=at(0))).outcome == "parked"
    bench.deliver(changes_requested(review_id=3, happened=at(0)))
    bench.reach()
    assert bench.release().outcome == "ignored"


@pytest.mark.parametrize("facts", [{"head_repository": "evil/cto"}, {"by": "octocat"}], ids=str)
def test_a_merge_that_its_rule_refuses_is_refused(facts: dict[str, Any]) -> None:
    bench = Bench.at("wait-pr-merged", rules_with("  wait-pr-merged: {event: pull_request.closed, by: quality}"))
    assert bench.deliver(closed(**{"by": CLEO, **facts})).outcome == "refused"
    assert bench.deliver(closed(by=CLEO, happened=at(9))).outcome == "opened"


OWN_TASK = rules_with(
    "  wait-pr-approved:\n"
    "    event: pull_request_review.submitted\n"
    "    review: approved\n"
    "    by: reviewers\n"
    "    task: {path: pull_request.title, pattern: 'T-([0-9]+).*'}"
)


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "another title"])
def test_a_pull_request_that_is_gone_takes_the_signals_of_a_rule_with_its_own_task_along(*, is_closed: bool) -> None:
    facts: dict[str, Any] = {"task": None, "labels": [], "branch": "work"}
    bench = Bench.at(EARLY, OWN_TASK)
    assert bench.deliver(approved(title="T-3: x", **facts)).outcome == "parked"
    edited = opened(title="T-4: x", happened=at(9), **facts)
    edited |= {"action": "edited", "changes": {"title": {"from": "T-3: x"}}}
    gone = closed(merged=False, title="T-3: x", happened=at(9), **facts) if is_closed else edited
    assert bench.deliver(gone).outcome == "withdrawn"
    bench.reach()
    assert bench.release().outcome == "ignored"


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "pushed"])
def test_an_event_of_a_pull_request_revokes_a_comment_whose_task_is_in_the_title(*, is_closed: bool) -> None:
    rules = rules_with(
        "  wait-pr-approved:\n"
        "    event: issue_comment.created\n"
        "    when: {comment.body: /ok}\n"
        "    by: anyone\n"
        "    task: {path: issue.title, pattern: 'T-([0-9]+).*'}\n"
        "    withdraw: [{event: pull_request.synchronize}]"
    )
    comment = real("issue_comment.created.1")
    comment["repository"]["full_name"] = "5dlabs/cto"
    comment["issue"] |= {"number": 123, "title": "T-3: x", "state": "open", "labels": [], "pull_request": {"url": "x"}}
    comment["comment"] |= {"body": "/ok", "updated_at": stamp(at(0))}
    facts: dict[str, Any] = {"task": None, "title": "T-3: x", "labels": [], "branch": "work", "happened": at(9)}
    bench = Bench.at(EARLY, rules)
    assert bench.deliver(cloudevent_structured(comment, "issue_comment")).outcome == "parked"
    assert bench.deliver(closed(merged=False, **facts) if is_closed else synchronize(**facts)).outcome == "withdrawn"
    bench.reach()
    assert bench.release().outcome == "ignored"


def test_a_title_that_named_no_task_leaves_none() -> None:
    edited = opened(title="T-4: x", task=None, labels=[], branch="work")
    edited |= {"action": "edited", "changes": {"title": {"from": "WIP"}}}
    assert not plan_of(edited, OWN_TASK).intents


CHECKED = rules_with(
    "  wait-pr-approved: {event: check_suite.completed, by: anyone, forks: true,\n"
    "    when: {check_suite.conclusion: success}, withdraw: [{event: pull_request.synchronize}]}\n"
    "  wait-voted: {event: com.example.vote, task: task, repository: repo, by: anyone,\n"
    "    withdraw: [{event: pull_request.synchronize}]}"
)


def checked(numbers: list[int]) -> Request:
    """A check suite of task 3 that succeeded, of the pull requests with these numbers."""
    check = real("check_suite.completed.1")
    check["repository"]["full_name"] = "5dlabs/cto"
    pull_requests = [{"number": number} for number in numbers]
    check["check_suite"] |= {"head_branch": "task-3-x", "conclusion": "success", "pull_requests": pull_requests}
    check["check_suite"]["updated_at"] = stamp(at(0))
    return cloudevent_structured(check, "check_suite")


@pytest.mark.parametrize(
    ("numbers", "code"),
    [([123, 124], "revoked-signals"), ([], "revoked-signals"), ([123], "revoked-signals"), ([124], "revokes-later")],
    ids=["of two pull requests", "of a fork", "of this one", "of another one"],
)
def test_a_push_revokes_a_check_that_may_be_of_its_pull_request(numbers: list[int], code: str) -> None:
    bench = Bench.at(EARLY, CHECKED)
    assert bench.deliver(checked(numbers)).outcome == "parked"
    assert bench.deliver(synchronize(happened=at(9))).code == code
    bench.reach()
    assert bench.release().outcome == ("ignored" if code == "revoked-signals" else "opened")


@pytest.mark.parametrize(
    ("numbers", "code"),
    [([123, 124], "forgotten"), ([], "forgotten"), ([123], "forgotten"), ([124], "not-reached")],
    ids=["of two pull requests", "of a fork", "of this one", "of another one"],
)
def test_a_check_that_may_be_of_a_pull_request_of_which_events_were_forgotten(numbers: list[int], code: str) -> None:
    bench = Bench.at(EARLY, CHECKED)
    forgotten = {"uid": bench.document["metadata"]["uid"], "forgotten": {"5dlabs/cto#123": stamp(at(0))}}
    bench.document["metadata"]["annotations"][STATE] = json.dumps(forgotten)
    assert bench.deliver(checked(numbers)).code == code


def test_a_push_revokes_no_event_of_another_source_that_names_no_pull_request() -> None:
    bench = Bench.at(EARLY, CHECKED)
    data = {"task": 3, "repo": "5dlabs/cto"}
    assert bench.deliver(cloudevent_structured(data, "vote", prefix="com.example.", source="/v")).outcome == "parked"
    assert bench.deliver(synchronize(happened=at(9))).code == "revokes-later"


# ---- failing, quorum, not-author


def test_a_closing_that_two_webhooks_deliver_fails_its_gate() -> None:
    rules = rules_with("  wait-pr-approved: {event: pull_request.closed, merged: false, by: anyone, then: fail}")
    bench = Bench.at(EARLY, rules)
    assert bench.deliver(named(closed(merged=False), "hook-1")).outcome == "parked"
    assert bench.deliver(named(closed(merged=False), "hook-2")).outcome == "parked"
    bench.reach()
    assert bench.release().outcome == "failed"


FAILS = rules_with(
    "  wait-pr-approved:\n"
    "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
    "  - {event: pull_request_review.submitted, review: changes_requested, by: anyone, then: fail}\n"
    "  - {event: pull_request.closed, merged: false, by: anyone, then: fail}"
)


def test_a_gate_can_fail_instead_of_waiting_for_ever() -> None:
    bench = Bench.at(rules=FAILS)
    answer = bench.deliver(closed(merged=False))
    assert (answer.outcome, answer.code, bench.phase()) == ("failed", "failed", "Failed")
    assert bench.deliver(closed(merged=False)).outcome == "duplicate"
    assert bench.deliver(approved(happened=at(9))).outcome == "refused"  # it no longer waits


@pytest.mark.parametrize(("first", "second", "phase"), [("open", "fail", "Failed"), ("fail", "open", "Succeeded")])
def test_of_signals_of_both_kinds_the_newest_word_counts(first: str, second: str, phase: str) -> None:
    reviews = {"open": approved, "fail": changes_requested}
    for turned in (False, True):
        bench = Bench.at(EARLY, FAILS)
        events = [
            reviews[first](reviewer=CLEO, review_id=1, happened=at(0)),
            reviews[second](reviewer=TESS, review_id=2, happened=at(1)),
        ]
        for event in reversed(events) if turned else events:
            bench.deliver(event)
        bench.reach()
        bench.release()
        assert bench.phase() == phase, turned


def test_a_review_that_is_refused_and_revokes_nothing_says_why_it_is_refused() -> None:
    rules = rules_with(
        "  wait-pr-approved:\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone, not-author: true}\n"
        "  - {event: pull_request_review.submitted, review: changes_requested, by: anyone, then: fail}"
    )
    bench = Bench.at(rules=rules)
    answer = bench.deliver(approved(reviewer=REX, author=REX))
    assert (answer.outcome, answer.code) == ("refused", "author-not-allowed")


QUORUM = rules_with(
    "  wait-pr-approved: {event: pull_request_review.submitted, review: approved, by: anyone, quorum: 2,\n"
    "    not-author: true, withdraw: [{event: pull_request_review.dismissed}]}"
)


def test_a_quorum_is_of_different_people_none_of_whom_is_the_author() -> None:
    bench = Bench.at(rules=QUORUM)
    assert bench.deliver(approved(reviewer=REX, author=REX, review_id=1, happened=at(0))).code == "author-not-allowed"
    one = bench.deliver(approved(reviewer=TESS, review_id=2, happened=at(1)))
    assert (one.outcome, one.code) == ("parked", "quorum")
    assert bench.deliver(approved(reviewer=TESS.upper(), review_id=3, happened=at(2))).code == "quorum"
    assert bench.release().outcome == "ignored"
    assert bench.deliver(approved(reviewer=CLEO, review_id=4, happened=at(3))).outcome == "opened"
    assert len(bench.used()) == 2


def test_a_quorum_that_waits_is_released_when_the_gate_is_reached() -> None:
    bench = Bench.at(EARLY, QUORUM)
    bench.deliver(approved(reviewer=TESS, review_id=2, happened=at(1)))
    bench.deliver(approved(reviewer=CLEO, review_id=4, happened=at(3)))
    bench.reach()
    assert bench.release().outcome == "opened"


def test_a_dismissed_approval_does_not_count_for_a_quorum() -> None:
    bench = Bench.at(rules=QUORUM)
    bench.deliver(approved(reviewer=TESS, review_id=2, happened=at(1)))
    bench.deliver(dismissed(reviewer=TESS, review_id=2, happened=at(1), updated=at(2)))
    assert bench.deliver(approved(reviewer=CLEO, review_id=4, happened=at(3))).code == "quorum"


def test_outputs_of_a_way_come_before_the_general_ones() -> None:
    rules: Rules = rules_with(
        "  wait-pr-approved: {event: pull_request_review.submitted, by: anyone,"
        " outputs: {who: mine, more: '{person}'}}",
        "  who: '{person}'",
    )
    bench = Bench(waiting_workflow(3, outputs={"who": None, "more": None}), rules)
    assert bench.deliver(approved()).outcome == "opened"
    given = gate_node(bench.document, GATE)["outputs"]["parameters"]
    assert {each["name"]: each["value"] for each in given} == {"who": "mine", "more": TESS}


def test_an_event_moves_a_gate_only_with_itself_among_what_moves_it() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(number=100, review_id=1, happened=at(0)))
    bench.reach()  # nobody has looked yet
    behind = bench.deliver(approved(number=101, review_id=2, happened=at(1)))
    assert (behind.outcome, behind.code) == ("parked", "older-first")
    assert bench.release().outcome == "opened"
    assert bench.state["pull_request"] == "5dlabs/cto#100"

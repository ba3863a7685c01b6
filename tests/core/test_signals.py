"""Signals: how they wait, are used, are revoked and end, on one Workflow."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from func.core.decisions import decide
from func.core.workflows import read_workflow
from tests.core.bench import NOW, PARKED, STATE, Bench, built_in, patch_of, plan_of, rules_with
from tests.payloads import (
    CLEO,
    HAPPENED,
    HEAD,
    PUSHED,
    REX,
    TESS,
    Payload,
    approved,
    changes_requested,
    closed,
    cloudevent_binary,
    cloudevent_structured,
    dismissed,
    labeled,
    opened,
    synchronize,
    unlabeled,
)
from tests.recorded_workflows import CREATED, gate_node, like, waiting_workflow

SECOND = timedelta(seconds=1)
EARLY = "wait-ready-for-qa"  # the gate before the one of the approval
ROUNDS = rules_with(
    "  wait-pr-approved:\n"
    "    {event: pull_request_review.submitted, review: approved, by: reviewers, rounds: true,\n"
    "     withdraw: [{event: pull_request.synchronize}]}"
)


def at(seconds: int) -> datetime:
    """When an event happened."""
    return HAPPENED + seconds * SECOND


def test_a_signal_that_comes_early_waits_and_opens_its_gate_when_it_is_reached() -> None:
    bench = Bench.at(EARLY)
    answer = bench.deliver(approved())
    assert (answer.outcome, answer.gate, answer.status) == ("parked", "wait-pr-approved", 202)
    assert bench.is_parked
    assert bench.release().outcome == "ignored"  # not reached yet
    bench.reach()
    answer = bench.release()
    assert (answer.outcome, answer.gate) == ("opened", "wait-pr-approved")
    assert answer.task
    assert answer.task.id == "3"
    assert (bench.is_parked, bench.is_open) == (False, True)
    assert bench.release().outcome == "ignored"


def test_a_signal_carries_the_values_of_outputs_until_its_gate_is_reached() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(number=77))
    kept = bench.document["metadata"]["annotations"]
    bench.document = waiting_workflow(3, outputs={"pr-number": None, "approver": "nobody"})
    bench.document["metadata"]["annotations"] |= kept
    assert bench.release().outcome == "opened"
    given = gate_node(bench.document, "wait-pr-approved")["outputs"]["parameters"]
    assert given == [{"name": "pr-number", "value": "77"}, {"name": "approver", "value": TESS}]


def test_a_node_that_is_pending_is_not_reached_yet() -> None:
    bench = Bench.at()
    node = gate_node(bench.document, "wait-pr-approved")
    node["phase"] = "Pending"
    assert bench.deliver(approved()).outcome == "parked"
    node = gate_node(bench.document, "wait-pr-approved")
    node["phase"] = "Running"
    assert bench.release().outcome == "opened"


def test_a_signal_delivered_again_waits_on_and_nothing_is_written() -> None:
    bench = Bench.at(EARLY)
    assert [bench.deliver(approved()).outcome for _ in range(3)] == ["parked"] * 3
    assert bench.writes == 1


def test_a_signal_delivered_again_opens_the_gate_that_was_reached_meanwhile() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.reach()
    assert bench.deliver(approved()).outcome == "opened"
    assert not bench.is_parked
    assert bench.deliver(approved()).outcome == "duplicate"


@pytest.mark.parametrize(
    "withdrawal",
    [
        synchronize(happened=at(1)),
        synchronize(happened=at(0)),  # at the same second the withdrawal wins
        dismissed(updated=HAPPENED + SECOND),
        changes_requested(review_id=2, happened=at(1)),
        changes_requested(review_id=999999999, happened=at(0)),  # of one second, the higher number is newer
    ],
    ids=["push", "push in the same second", "dismissal", "changes requested", "in the same second"],
)
def test_a_signal_is_taken_back_for_good(withdrawal: Payload) -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    answer = bench.deliver(withdrawal)
    assert (answer.outcome, answer.gate) == ("withdrawn", "wait-pr-approved")
    assert not bench.is_parked
    assert bench.deliver(approved()).outcome == "refused"
    bench.reach()
    assert bench.release().outcome == "ignored"
    assert bench.deliver(approved()).outcome == "refused"
    # A newer one may come.
    assert bench.deliver(approved(review_id=9, sha=PUSHED, happened=at(2))).outcome == "opened"


@pytest.mark.parametrize(
    "withdrawal",
    [
        dismissed(review_id=5, updated=HAPPENED + SECOND),  # of another review
        synchronize(sha=HEAD, before=PUSHED, happened=at(1)),  # brings the very commit that was reviewed
        synchronize(number=124, happened=at(1)),  # of another pull request
        changes_requested(by=REX, review_id=2, happened=at(1)),  # by nobody who may
    ],
    ids=["another review", "own commit", "another pull request", "nobody"],
)
def test_what_is_not_against_a_signal_leaves_it(withdrawal: Payload) -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.deliver(withdrawal)
    assert bench.is_parked
    bench.reach()
    assert bench.release().outcome == "opened"


def test_a_withdrawal_that_comes_first_is_found_by_the_late_signal() -> None:
    bench = Bench.at(EARLY)
    assert bench.deliver(synchronize(happened=at(1))).outcome == "withdrawn"
    assert bench.deliver(approved()).outcome == "refused"
    assert not bench.is_parked
    assert bench.deliver(approved(sha=PUSHED, review_id=2, happened=at(2))).outcome == "parked"


def test_a_withdrawal_older_than_the_signal_changes_nothing_about_it() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(happened=at(2)))
    assert bench.deliver(changes_requested(review_id=2, happened=at(1))).outcome == "refused"
    assert bench.is_parked


def test_an_older_event_is_overtaken() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(review_id=2, happened=at(1)))
    answer = bench.deliver(approved(review_id=1, happened=at(0)))
    assert answer.outcome == "refused"
    assert "vertaken" in answer.reason
    bench.reach()
    assert bench.release().outcome == "opened"
    assert bench.used() == [bench.signals()[-1]]


def test_a_newer_event_takes_the_place_of_a_waiting_signal() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(review_id=1, happened=at(0)))
    assert bench.deliver(approved(review_id=2, happened=at(1))).outcome == "parked"
    bench.reach()
    assert bench.release().outcome == "opened"
    assert bench.used() == [bench.signals()[-1]]


def test_a_label_taken_off_and_put_on_again_counts_as_it_is_now() -> None:
    bench = Bench.at("wait-pr-created")
    assert bench.deliver(labeled(happened=at(0))).outcome == "parked"
    assert bench.deliver(unlabeled(happened=at(1))).outcome == "withdrawn"
    assert bench.deliver(labeled(happened=at(2))).outcome == "parked"
    assert bench.deliver(unlabeled(happened=at(1))).outcome == "withdrawn"  # the same one again
    bench.reach(EARLY)
    assert bench.release().gate == EARLY


@pytest.mark.parametrize(("days", "outcome"), [(7, "opened"), (7 + 1 / 86400, "ignored")])
def test_a_waiting_signal_expires_after_seven_days(days: float, outcome: str) -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.reach()
    bench.now += timedelta(days=days)
    assert bench.release().outcome == outcome
    assert not bench.is_parked
    if outcome == "ignored":
        assert bench.deliver(approved()).outcome == "refused"  # a revoked signal never comes back


def test_the_days_of_a_signal_count_from_when_it_was_written_not_from_its_redelivery() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.now += timedelta(days=4)
    bench.deliver(approved())
    bench.now += timedelta(days=4)
    bench.reach()
    assert bench.release().outcome == "ignored"
    assert not bench.is_open


def test_a_gate_that_was_opened_stays_open() -> None:
    bench = Bench.at()
    bench.deliver(approved())
    assert bench.deliver(approved(review_id=9, happened=at(2))).outcome == "already-open"
    assert bench.deliver(approved(review_id=9, happened=at(-2))).outcome == "already-open"
    assert bench.deliver(approved()).outcome == "duplicate"
    assert bench.deliver(synchronize(happened=at(1))).outcome == "already-open"
    # These are remembered all the same, because the gate may stand again after a retry.
    assert bench.writes == 4
    assert not bench.is_parked


def test_a_gate_opened_by_hand_is_open() -> None:
    bench = Bench.at("wait-pr-merged")
    answer = bench.deliver(opened())
    assert answer.outcome == "already-open"
    assert bench.writes == 0


@pytest.mark.parametrize("phase", ["Failed", "Error", "Skipped", "Omitted"])
def test_a_gate_that_failed_or_was_skipped_refuses(phase: str) -> None:
    bench = Bench.at("wait-pr-merged")
    gate_node(bench.document, "wait-pr-approved")["phase"] = phase
    answer = bench.deliver(approved())
    assert answer.outcome == "refused"
    assert phase in answer.reason


def test_a_gate_opened_by_hand_uses_the_waiting_signal_up() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.reach("wait-pr-merged")
    assert bench.release().outcome == "ignored"
    assert not bench.is_parked
    assert bench.deliver(approved()).outcome in ("duplicate", "already-open")


def test_nothing_changes_on_a_workflow_that_has_come_to_its_end() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    kept = bench.document["metadata"]["annotations"]
    bench.document = waiting_workflow(3, None)
    bench.document["metadata"]["annotations"] |= kept
    bench.document["metadata"]["labels"][PARKED] = "true"
    before, writes = json.dumps(bench.document), bench.writes
    assert bench.release().outcome == "ignored"
    assert (json.dumps(bench.document), bench.writes) == (before, writes)


@pytest.mark.parametrize(
    ("gate", "payload", "outcome"),
    [
        ("wait-pr-approved", approved(), "duplicate"),
        ("wait-pr-approved", approved(review_id=9), "already-open"),
        ("wait-pr-merged", synchronize(), "ignored"),
    ],
)
def test_late_redeliveries_on_a_finished_workflow_end_well(gate: str, payload: Payload, outcome: str) -> None:
    bench = Bench.at()
    bench.deliver(approved())
    kept = bench.document["metadata"]["annotations"]
    bench.document = waiting_workflow(3, None)
    bench.document["metadata"]["annotations"] |= kept
    assert bench.deliver(payload).outcome == outcome, gate


def test_a_finished_workflow_takes_no_new_key() -> None:
    bench = Bench.at(None)
    rules = rules_with("  wait-other: {event: pull_request_review.submitted, by: anyone}")
    bench.rules = rules
    assert bench.deliver(approved()).outcome == "no-workflow"
    assert bench.writes == 0


@pytest.mark.parametrize("early", ["wait", "refuse"])
def test_the_rules_may_refuse_what_comes_early(early: str) -> None:
    rules = rules_with(f"  wait-pr-approved: {{event: pull_request_review.submitted, by: anyone, early: {early}}}")
    bench = Bench.at(EARLY, rules)
    assert bench.deliver(approved()).outcome == ("parked" if early == "wait" else "refused")
    assert bench.writes == (early == "wait")


def test_a_release_opens_one_gate_with_the_oldest_signal_that_can() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(approved(review_id=1, happened=at(0)))
    bench.deliver(labeled(happened=at(1)))
    bench.reach(EARLY)
    answer = bench.release()
    assert (answer.outcome, answer.gate) == ("opened", EARLY)  # the older signal can't yet
    assert bench.is_parked
    bench.reach()
    assert bench.release().gate == "wait-pr-approved"
    assert not bench.is_parked


def test_of_two_open_gates_a_release_opens_the_one_with_the_older_key() -> None:
    rules = rules_with(
        "  wait-pr-approved: {event: pull_request_review.submitted, by: anyone}\n"
        "  wait-security-review: {event: pull_request.opened, by: anyone}"
    )
    document = like("dag-parallel-gates")
    for node in document["status"]["nodes"].values():
        node["phase"] = "Pending"
    bench = Bench(document, rules)
    assert bench.deliver(approved(happened=at(1))).outcome == "parked"
    assert bench.deliver(opened(happened=at(0))).outcome == "parked"
    for node in document["status"]["nodes"].values():
        node["phase"] = "Running"
    assert bench.release().gate == "wait-security-review"
    assert bench.phase("wait-pr-approved") == "Running"
    assert bench.release().gate == "wait-pr-approved"
    assert bench.release().outcome == "ignored"


def test_a_release_checks_again_what_may_have_changed() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.reach()
    for label, value in (("task-id", "4"), ("repository", "5dlabs-other"), ("workflow-type", "other")):
        other = bench.copy()
        other.document = json.loads(json.dumps(other.document))
        other.document["metadata"]["labels"][label] = value
        assert other.release().outcome == "ignored", label
        assert not other.is_open, label
    without_tess = rules_with(
        "  wait-pr-approved: {event: pull_request_review.submitted, review: approved, by: quality}"
    )
    stricter = bench.copy()
    stricter.rules = without_tess
    assert stricter.release().outcome == "ignored"
    gone = bench.copy()
    gone.rules = rules_with("  wait-other: {event: pull_request.opened, by: anyone}")
    assert gone.release().outcome == "ignored"
    assert not gone.is_open
    assert not stricter.is_open


def test_the_first_signal_binds_the_workflow_to_its_pull_request() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(approved(number=124, happened=at(5)))  # waits
    assert bench.deliver(opened(number=123, happened=at(6))).outcome == "opened"
    assert bench.state["pull_request"] == "5dlabs/cto#123"
    assert not bench.is_parked  # those of others stay behind
    answer = bench.deliver(approved(number=124, review_id=2, happened=at(9)))
    assert answer.outcome == "refused"
    assert "#123" in answer.reason
    assert "kubectl annotate workflow -n agent-platform play-task-3-workflow taskgate.dev/state-" in answer.reason
    assert bench.deliver(approved(number=123, happened=at(7))).outcome == "parked"


def test_the_rules_may_let_a_workflow_belong_to_many_pull_requests() -> None:
    rules = rules_with(
        "  wait-pr-created: {event: pull_request.opened, by: anyone}\n"
        "  wait-ready-for-qa: {event: pull_request.labeled, by: anyone}"
    )
    rules = rules.model_copy(
        update={"workflows": rules.workflows.model_copy(update={"one_pull_request": False})},
    )
    bench = Bench.at("wait-pr-created", rules)
    assert bench.deliver(opened(number=123)).outcome == "opened"
    bench.reach(EARLY)
    assert bench.deliver(labeled(number=124)).outcome == "opened"


def test_a_closing_frees_the_workflow_and_the_next_signal_used_binds_it() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(opened(number=123, happened=at(0)))
    bench.deliver(labeled(number=123, happened=at(1)))
    assert bench.deliver(closed(number=123, merged=False, happened=at(5))).outcome == "withdrawn"
    assert bench.state["pull_request"] is None
    assert not bench.is_parked
    assert (
        bench.deliver(labeled("ready-for-qa", number=123, by=CLEO, happened=at(4))).outcome == "refused"
    )  # up to then
    bench.reach(EARLY)
    assert bench.deliver(labeled(number=124, happened=at(3))).outcome == "opened"
    assert bench.state["pull_request"] == "5dlabs/cto#124"


def test_a_closing_of_another_pull_request_leaves_the_bound_one() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(opened(number=123, happened=at(0)))
    bench.deliver(labeled(number=123, happened=at(1)))
    bench.deliver(closed(number=124, merged=False, happened=at(5)))
    assert bench.state["pull_request"] == "5dlabs/cto#123"
    assert bench.is_parked


def test_a_closing_that_opens_a_gate_must_be_of_the_bound_pull_request() -> None:
    rules = rules_with(
        "  wait-pr-created: {event: pull_request.opened, by: anyone}\n"
        "  wait-pr-approved: {event: pull_request.closed, merged: false, by: anyone}"
    )
    bench = Bench.at("wait-pr-created", rules)
    bench.deliver(opened(number=123))
    bench.reach()
    answer = bench.deliver(closed(number=124, merged=False, happened=at(5)))
    assert answer.outcome == "refused"  # that it was closed is remembered all the same
    assert not bench.is_open
    assert bench.deliver(closed(number=123, merged=False, happened=at(5))).outcome == "opened"


def test_a_closing_tells_nothing_about_what_comes_later() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(closed(merged=False, happened=at(5)))
    assert bench.deliver(approved(happened=at(5))).outcome == "refused"
    assert bench.deliver(approved(review_id=9, happened=at(6))).outcome == "parked"


def test_a_copy_of_a_workflow_takes_no_signals_of_the_original() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    copy = waiting_workflow(3, name="play-task-3-workflow-2")
    copy["metadata"]["annotations"][STATE] = bench.document["metadata"]["annotations"][STATE]
    copy["metadata"]["labels"][PARKED] = "true"
    resubmitted = Bench(copy)
    assert resubmitted.release().outcome == "ignored"
    assert (resubmitted.is_open, resubmitted.is_parked) == (False, False)
    assert resubmitted.deliver(approved()).outcome == "opened"  # it was never used


def test_a_copy_of_a_workflow_remembers_what_was_used_and_taken_back() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(opened(number=123))
    bench.deliver(synchronize(happened=at(3)))
    copy = waiting_workflow(3, "wait-pr-created", name="play-task-3-workflow-2")
    copy["metadata"]["annotations"][STATE] = bench.document["metadata"]["annotations"][STATE]
    resubmitted = Bench(copy)
    assert resubmitted.deliver(opened(number=123)).outcome == "duplicate"
    assert resubmitted.deliver(approved(happened=at(2))).outcome == "refused"
    assert resubmitted.deliver(opened(number=124, happened=at(9))).outcome == "opened"  # it is not bound
    assert resubmitted.deliver(opened(number=123)).outcome == "duplicate"  # remembered on
    assert resubmitted.state["uid"] == copy["metadata"]["uid"]


def test_a_gate_with_rounds_opens_once_each_round() -> None:
    bench = Bench.at(rules=ROUNDS)
    assert bench.deliver(approved(review_id=1, happened=at(0))).outcome == "opened"
    # The gate is open still: a new signal waits for the next round.
    assert bench.deliver(approved(review_id=2, happened=at(5))).outcome == "parked"
    assert bench.deliver(approved(review_id=1, happened=at(0))).outcome == "duplicate"
    bench.reach()
    assert bench.release().outcome == "opened"
    assert bench.deliver(approved(review_id=1, happened=at(0))).outcome == "duplicate"
    assert bench.deliver(approved(review_id=2, happened=at(5))).outcome == "duplicate"
    bench.reach()
    assert bench.deliver(approved(review_id=3, happened=at(4))).outcome == "refused"  # older than the round
    assert bench.deliver(synchronize(happened=at(8))).outcome == "withdrawn"
    assert bench.deliver(approved(review_id=4, happened=at(7))).outcome == "refused"  # older than the withdrawal
    assert bench.deliver(approved(review_id=5, sha=PUSHED, happened=at(9))).outcome == "opened"


def test_a_node_finished_before_the_signal_was_written_uses_no_signal_of_the_next_round_up() -> None:
    bench = Bench.at(rules=ROUNDS)
    bench.deliver(approved(review_id=1, happened=at(0)))
    bench.deliver(approved(review_id=2, happened=at(5)))
    assert bench.release().outcome == "ignored"
    assert bench.is_parked


def test_an_event_from_before_the_workflow_is_about_another_one() -> None:
    bench = Bench.at()
    assert bench.deliver(approved(happened=CREATED - timedelta(minutes=6))).outcome == "refused"
    assert bench.deliver(approved(happened=CREATED - timedelta(minutes=4))).outcome == "opened"


def test_a_second_gate_is_never_opened_by_the_same_event() -> None:
    bench = Bench.at("wait-pr-created")
    assert bench.deliver(opened()).outcome == "opened"
    bench.rules = rules_with("  wait-ready-for-qa: {event: pull_request.opened, by: anyone}")
    bench.reach(EARLY)
    assert bench.deliver(opened()).outcome == "duplicate"
    assert bench.phase(EARLY) == "Running"


def test_a_node_that_is_no_suspend_node_is_never_opened() -> None:
    bench = Bench.at()
    gate_node(bench.document, "wait-pr-approved")["type"] = "Pod"
    assert bench.deliver(approved()).outcome == "parked"


def test_a_patch_tests_all_that_it_relies_on() -> None:
    document = waiting_workflow(3, outputs={"pr-number": None})
    (intent,) = plan_of(approved(), built_in()).intents
    decision = decide(intent, built_in(), read_workflow(document), NOW)
    patch = patch_of(document, decision)
    tested = {operation["path"].rsplit("/", 1)[-1] for operation in patch if operation["op"] == "test"}
    assert tested >= {"uid", "type", "phase", "taskgate.dev~1state", "outputs"}
    assert not [each for each in patch if each["path"].startswith("/spec")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "not json",
        '{"uid": 3}',
        '{"signals": []}',
        '{"uid": "x", "keys": {}}',
        '{"uid": "x", "signals": {}}',
        '{"uid": "x", "signals": [null]}',
        '{"uid": "x", "signals": [{"id": "e", "name": "n"}]}',
        '{"uid": "x", "signals": [{"id": "e", "name": "n", "happened": "never"}]}',
        '{"uid": "x", "signals": [{"id": "e", "name": "n", "happened": "2026-11-22T11:00:00Z", "review": "1"}]}',
        '{"uid": "x", "signals": [{"id": "e", "name": "n", "happened": "2026-11-22T11:00:00Z", "labels": [1]}]}',
        '{"uid": "x", "used": [{"id": "e"}]}',
        '{"uid": "x", "used": "odd"}',
        '{"uid": "x", "forgotten": []}',
        '{"uid": "x", "forgotten": {"a": 1}}',
        "[" * 5000,
    ],
    ids=range(18),
)
def test_an_annotation_that_is_not_ours_is_an_answer_and_no_open_gate(text: str) -> None:
    bench = Bench.at()
    bench.document["metadata"]["annotations"][STATE] = text
    bench.document["metadata"]["labels"][PARKED] = "true"
    answer = bench.deliver(approved())
    assert answer.outcome == "refused"
    assert "kubectl annotate workflow" in answer.reason
    assert bench.release().outcome == "refused"
    assert not bench.is_open
    assert bench.writes == 0


def test_binary_and_structured_mode_carry_the_same_event() -> None:
    bench = Bench.at()
    assert bench.deliver(cloudevent_binary(approved(), delivery="Zoë 100%")).outcome == "opened"
    assert bench.deliver(cloudevent_structured(approved(), delivery="Zoë 100%")).outcome == "duplicate"


def test_two_ways_of_one_event_are_the_same_event() -> None:
    bench = Bench.at(EARLY)
    first = cloudevent_structured(approved(), delivery="one")
    assert bench.deliver(first).outcome == "parked"
    bench.reach()
    assert bench.release().outcome == "opened"
    assert bench.deliver(first).outcome == "duplicate"
    assert bench.deliver(cloudevent_structured(approved(), delivery="two")).outcome == "already-open"


def test_a_pull_request_that_closes_in_the_second_of_its_signal_frees_the_workflow() -> None:
    bench = Bench.at()
    assert bench.deliver(approved(number=123, happened=at(5))).outcome == "opened"
    assert bench.state["pull_request"] == "5dlabs/cto#123"
    bench.deliver(closed(number=123, merged=False, happened=at(5)))
    assert bench.state["pull_request"] is None

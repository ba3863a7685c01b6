"""What an event comes to on a Workflow: the answer with its code, gate and node, and what is remembered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.core.bench import GATE, STATE, Bench, at, named, rules_with, says
from tests.payloads import (
    PUSHED,
    TESS,
    Payload,
    Request,
    approved,
    changes_requested,
    closed,
    dismissed,
    labeled,
    opened,
    synchronize,
    unlabeled,
)
from tests.recorded_workflows import CREATED, gate_node, waiting_workflow

EARLY = "wait-ready-for-qa"  # the gate before the one of the approval
NAME = "play-task-3-workflow"
TASK = "task 3 of 5dlabs/cto"
OTHER = "tess-5dlabs"  # another reviewer
PULL_REQUEST = "5dlabs/cto#123"
BY_HAND = "manually or by its timeout"
FAILS = rules_with(
    "  wait-pr-created: {event: pull_request.opened, by: anyone}\n"
    "  wait-pr-approved: {event: pull_request.closed, merged: false, by: anyone, then: fail, outputs: {a: '{person}'}}"
)
TWO_GATES = rules_with(
    "  wait-pr-created: {event: pull_request.opened, by: anyone, withdraw: [{event: pull_request.synchronize}]}\n"
    "  wait-ready-for-qa: {event: pull_request.labeled, by: anyone, withdraw: [{event: pull_request.synchronize}]}\n"
    "  wait-pr-approved: {event: pull_request_review.submitted, review: approved, by: anyone,\n"
    "    withdraw: [{event: pull_request.synchronize}]}"
)


def told(bench: Bench, event: Payload | Request) -> tuple[str, str]:
    """The code and the sentence of the answer."""
    answer = bench.deliver(event)
    return answer.code, answer.reason


def open_by_hand(bench: Bench) -> None:
    bench.reach("wait-pr-merged")


def start_again(bench: Bench) -> None:
    """As `argo retry` does: the same node, started later."""
    gate_node(bench.document, GATE).update(phase="Running", startedAt="2026-11-22T12:30:00Z")


# ---- duplicate


def test_an_event_that_was_used_says_for_what() -> None:
    opens, fails = Bench.at(), Bench.at(rules=FAILS)
    for bench, event, verb in (opens, approved(), "opened"), (fails, closed(merged=False), "failed"):
        first = bench.deliver(event)
        again = bench.deliver(event)
        assert (again.code, again.reason) == says("duplicate", verb=verb, gate=GATE)
        assert (again.gate, again.node) == (GATE, first.node)
        bench.rules = rules_with("  wait-other: {event: [pull_request_review, pull_request], by: anyone}")
        assert bench.deliver(event).gate == GATE
        assert bench.writes == 1


def test_an_event_that_waited_for_a_gate_opened_by_hand_is_used_up() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(named(approved(), "one"))
    bench.deliver(named(labeled(), "other gate"))
    bench.deliver(named(closed(), "later gate"))
    open_by_hand(bench)
    again = bench.deliver(named(approved(), "one"))
    assert (again.code, again.reason) == says("used-up", gate=GATE, how=BY_HAND)
    assert (again.gate, again.node) == (GATE, gate_node(bench.document, GATE)["id"])
    assert bench.is_parked  # the merge waits on
    bench.rules = rules_with("  wait-other: {event: pull_request_review, by: anyone}")
    assert bench.deliver(named(approved(), "one")).gate == GATE
    start_again(bench)
    bench.release()
    assert bench.phase() == "Running"


def test_a_gate_opened_by_hand_uses_nothing_up_while_its_workflow_has_failed() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(named(approved(), "approval"))
    open_by_hand(bench)
    bench.document["status"]["phase"] = "Failed"
    bench.deliver(named(closed(), "merge"))
    assert [each["id"] for each in bench.state["used"]] == []
    assert sorted(bench.signals()) == ["approval", "merge"]


def test_an_event_used_on_the_original_of_a_copy_says_so() -> None:
    bench = Bench.at()
    bench.deliver(approved())
    copied = waiting_workflow(3, name=NAME)
    copied["metadata"]["annotations"][STATE] = bench.document["metadata"]["annotations"][STATE].replace(
        copied["metadata"]["uid"], "00000000-0000-4000-8000-000000000000"
    )
    again = Bench(copied, rules_with("  wait-other: {event: pull_request_review, by: anyone}")).deliver(approved())
    assert (again.code, again.reason) == says("used-on-original", gate=GATE)
    assert (again.gate, again.node, again.written) == (GATE, None, False)


# ---- too old, too late


def test_an_event_of_before_its_workflow_says_which_times_it_compared() -> None:
    happened = CREATED - timedelta(minutes=5, seconds=1)
    times = {"happened": "2026-11-22T10:14:52Z", "created": "2026-11-22T10:19:53Z"}
    assert told(Bench.at(), approved(happened=happened)) == says("too-old", workflow=NAME, **times)
    assert Bench.at().deliver(approved(happened=CREATED - timedelta(minutes=5))).outcome == "opened"


def test_a_dismissal_is_never_too_old() -> None:
    old = CREATED - timedelta(days=1)
    assert Bench.at(EARLY).deliver(dismissed(happened=old, updated=old)).outcome == "withdrawn"


def test_events_for_a_workflow_that_is_over_are_told_what_it_came_to() -> None:
    bench = Bench(waiting_workflow(3, None))
    assert told(bench, synchronize()) == says("nothing-to-revoke", task=TASK)
    assert told(bench, approved(happened=CREATED - timedelta(days=1))) == says("workflow-finished", task=TASK)
    answer = bench.deliver(approved())
    how = f"and Workflow {NAME} has come to its end"
    assert (answer.code, answer.reason) == says("already-open", gate=GATE, how=how)
    assert answer.node == gate_node(bench.document, GATE)["id"]


def test_a_workflow_that_is_being_stopped_is_named_and_nothing_is_written() -> None:
    bench = Bench.at()
    bench.deliver(approved(review_id=1))
    bench.document["spec"]["shutdown"] = "Stop"
    used, of_another = approved(review_id=1), approved(number=124)
    old = approved(happened=CREATED - timedelta(days=1))
    for event in approved(review_id=2), used, of_another, old:
        assert told(bench, event) == says("workflow-stopping", workflow=NAME, shutdown="Stop")
    assert bench.writes == 1


def test_a_signal_that_comes_early_is_told_so_where_the_rules_refuse_it() -> None:
    rules = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, early: refuse}}")
    assert told(Bench.at(EARLY, rules), approved()) == says("early", workflow=NAME, gate=GATE)


def test_an_approval_of_an_open_gate_ends_the_request_for_changes_of_the_same_person() -> None:
    bench = Bench.at()
    bench.deliver(approved(by=OTHER, review_id=1, happened=at(0)))
    bench.deliver(changes_requested(by=TESS, review_id=2, happened=at(1)))
    late = bench.deliver(approved(by=TESS, review_id=3, happened=at(2)))
    node = gate_node(bench.document, GATE)["id"]
    assert (late.outcome, late.node) == ("already-open", node)
    assert "outputs" not in bench.state["signals"][-1]  # it never moves a gate
    start_again(bench)
    assert bench.release().outcome == "ignored"  # the gate was open: nothing waited for it
    assert bench.deliver(approved(by=OTHER, review_id=4, happened=at(3))).outcome == "opened"


def test_a_review_of_an_open_gate_that_ends_nothing_is_not_kept() -> None:
    rules = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone}}")
    bench = Bench.at(rules=rules)
    bench.deliver(approved(review_id=1, happened=at(0)))
    assert bench.deliver(approved(review_id=2, happened=at(1))).outcome == "already-open"
    assert len(bench.signals()) == 1


# ---- another pull request


def test_an_event_of_another_pull_request_is_refused_though_the_gate_is_open() -> None:
    bench = Bench.at()
    bench.deliver(approved(number=123))
    assert bench.deliver(approved(number=124)).code == "other-pull-request"
    assert bench.writes == 1


def test_a_closing_that_may_move_nothing_is_remembered_all_the_same() -> None:
    bench = Bench.at("wait-pr-created", FAILS)
    bench.deliver(opened(number=123))
    bench.reach()
    answer = bench.deliver(named(closed(number=124, merged=False, happened=at(5)), "closed"))
    assert (answer.code, answer.written) == ("other-pull-request", True)
    kept = bench.state["signals"][-1]
    assert (kept["id"], kept["gone"], "gate" in kept, "outputs" in kept) == ("closed", "closed", False, False)


def test_a_signal_that_is_not_newer_than_the_last_move_is_not_kept() -> None:
    bench = Bench.at()
    bench.deliver(approved(review_id=1, happened=at(0)))
    start_again(bench)
    assert bench.deliver(approved(by=OTHER, review_id=2, happened=at(-1))).code == "not-newer"
    assert bench.writes == 1


# ---- what is revoked


@pytest.mark.parametrize("is_waiting", [True, False])
@pytest.mark.parametrize(
    ("event", "how"),
    [
        (closed(merged=False, happened=at(9)), "was closed unmerged, so it is gone from"),
        (unlabeled("task-3", branch="work", happened=at(9)), "has left"),
    ],
    ids=["closed", "left"],
)
def test_a_pull_request_that_is_gone_says_what_it_revoked(event: Payload, how: str, is_waiting: bool) -> None:  # noqa: FBT001
    bench = Bench.at("wait-pr-created")
    if is_waiting:
        bench.deliver(named(labeled(branch="work", happened=at(0)), "b"))
        bench.deliver(named(approved(branch="work", happened=at(1)), "a"))
    what = "revoked event a, event b" if is_waiting else "nothing waited, and late signals of it will be refused"
    assert told(bench, event) == says("left", pull_request=PULL_REQUEST, how=how, task="3", what=what)


def test_a_merge_that_moves_nothing_frees_the_workflow() -> None:
    bench = Bench.at(rules=rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone}}"))
    what = "the Workflow is free for another pull request"
    assert told(bench, closed()) == says("left", pull_request=PULL_REQUEST, how="was merged for", task="3", what=what)


def test_a_push_says_for_which_gates_it_revokes_what() -> None:
    later = Bench.at("wait-pr-created", TWO_GATES)
    gates = f"wait-pr-created, {EARLY}, {GATE}"
    assert told(later, synchronize()) == says("revokes-later", gates=gates)
    bench = Bench.at("wait-pr-created", TWO_GATES)
    bench.deliver(named(labeled(happened=at(2)), "label"))
    bench.deliver(named(approved(sha=PUSHED, happened=at(2)), "approval"))
    assert told(bench, synchronize(happened=at(1))) == says("revoked-nothing", gates=f"{EARLY}, {GATE}")
    answer = bench.deliver(synchronize(happened=at(3), sha="c" * 40))
    assert (answer.code, answer.reason) == says(
        "revoked-signals", gates=f"{EARLY}, {GATE}", signals="event approval, event label"
    )
    assert answer.gate == EARLY
    open_by_hand(bench)
    assert told(bench, synchronize(happened=at(4))) == says("nothing-waits", gate=gates)


def test_a_dismissal_of_a_review_that_did_not_come_yet_is_no_matter_of_what_stands() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(by=OTHER, review_id=1))
    assert told(bench, dismissed(review_id=2, updated=at(1))) == says("revokes-later", gates=GATE)

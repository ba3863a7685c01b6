"""Where the function once differed from the model of tests/model, each as short as it can be."""

from __future__ import annotations

from datetime import timedelta

from tests.core.bench import GATE, Bench, at, rules_with
from tests.payloads import (
    HEAD,
    PUSHED,
    TESS,
    Payload,
    approved,
    changes_requested,
    closed,
    dismissed,
    opened,
)
from tests.recorded_workflows import gate_node, stamp

EARLY = "wait-ready-for-qa"  # the gate before the one of the approval
LEAD, OTHER, THIRD = "5DLabs-Tess", "tess-5dlabs", TESS
STRICT = rules_with(
    "  wait-pr-approved:\n"
    "  - event: pull_request_review.submitted\n"
    "    review: approved\n"
    "    by: reviewers\n"
    "    fresh: true\n"
    "    quorum: 2\n"
    "    withdraw:\n"
    "    - {event: pull_request_review.dismissed}\n"
    "    - {event: pull_request_review.submitted, review: changes_requested, by: reviewers}\n"
    "  - {event: pull_request_review.submitted, review: changes_requested, by: reviewers, then: fail}"
)
REFUSE_EARLY = rules_with(
    "  wait-pr-approved:\n"
    "    event: pull_request_review.submitted\n"
    "    review: approved\n"
    "    by: reviewers\n"
    "    early: refuse\n"
    "    withdraw:\n"
    "    - {event: pull_request_review.dismissed}\n"
    "    - {event: pull_request_review.submitted, review: changes_requested, by: reviewers}"
)


def review(review_id: int, person: str, seconds: int, **facts: str | int) -> Payload:
    return approved(review_id=review_id, by=person, happened=at(seconds), **facts)  # type: ignore[arg-type]


def open_by_hand(bench: Bench) -> None:
    gate_node(bench.document, GATE)["phase"] = "Succeeded"


def start_again(bench: Bench) -> None:
    """As `argo retry` does: the same node, started later."""
    bench.now += timedelta(minutes=1)
    gate_node(bench.document, GATE).update(phase="Running", startedAt=stamp(bench.now))


def test_a_gate_opened_by_hand_uses_up_only_what_waited() -> None:
    bench = Bench.at(EARLY)
    first = review(1, THIRD, 1)
    bench.deliver(first)
    bench.deliver(dismissed(review_id=1, by=THIRD, happened=at(1), updated=at(2)))
    bench.reach()
    open_by_hand(bench)
    bench.release()
    assert bench.used() == []
    assert bench.deliver(first).outcome == "already-open"
    start_again(bench)
    assert bench.deliver(review(0, OTHER, 0)).outcome == "opened"  # nothing newer was used


def test_a_gate_that_stands_again_and_is_opened_by_hand_uses_up_what_waited() -> None:
    bench = Bench.at(GATE)
    assert bench.deliver(review(1, THIRD, 1)).outcome == "opened"
    start_again(bench)
    gate_node(bench.document, GATE)["phase"] = "Pending"
    assert bench.deliver(review(2, OTHER, 2)).outcome == "parked"
    open_by_hand(bench)
    bench.release()
    start_again(bench)
    assert bench.release().outcome == "ignored"
    assert not bench.is_open


def test_requested_changes_stand_until_the_approval_of_the_same_person_is_accepted() -> None:
    bench = Bench.at(EARLY, STRICT)
    bench.deliver(changes_requested(review_id=1, by=LEAD, happened=at(1)))
    stale = review(2, LEAD, 2, sha=PUSHED, reviewed=HEAD)
    assert bench.deliver(stale).code == "not-head"
    for number, person in ((3, OTHER), (4, THIRD)):
        assert bench.deliver(review(number, person, number, sha=PUSHED)).code == "changes-requested"


def test_a_dismissal_ends_requested_changes_though_the_account_was_deleted() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(changes_requested(review_id=1, by=LEAD, happened=at(1)))
    taken_back = dismissed(review_id=1, by=LEAD, happened=at(1), updated=at(2))
    taken_back["review"]["user"] = None
    bench.deliver(taken_back)
    bench.reach()
    assert bench.deliver(review(2, OTHER, 3)).outcome == "opened"


def test_a_pull_request_that_lacks_people_does_not_hold_up_one_that_has_enough() -> None:
    bench = Bench.at(EARLY, STRICT)
    bench.deliver(review(1, LEAD, 1, number=100))
    for number, person in ((2, LEAD), (3, OTHER)):
        bench.deliver(review(number, person, number, number=101))
    bench.reach()
    assert bench.release().outcome == "opened"
    assert len(bench.used()) == 2
    assert bench.state["pull_request"] == "5dlabs/cto#101"


def test_a_copy_does_not_belong_to_a_pull_request_that_was_merged_before_it_was_made() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(closed(number=100, merged=True, happened=at(2)))
    copied = Bench.at("wait-pr-created", uid="another")
    copied.document["metadata"]["annotations"] = bench.document["metadata"]["annotations"]
    assert copied.deliver(opened(number=100, happened=at(1))).outcome == "opened"
    assert copied.state["pull_request"] is None
    assert copied.deliver(approved(number=101, happened=at(3))).outcome == "parked"


def test_an_approval_after_the_gate_has_opened_ends_an_earlier_request_that_arrives_later() -> None:
    bench = Bench.at(GATE)
    bench.deliver(review(1, THIRD, 0))
    assert bench.deliver(review(3, LEAD, 2)).outcome == "already-open"
    bench.deliver(changes_requested(review_id=2, by=LEAD, happened=at(1)))
    start_again(bench)
    assert bench.deliver(review(4, THIRD, 3)).outcome == "opened"


def test_requested_changes_that_were_taken_back_go_before_what_stands() -> None:
    """Kept to the last, they would fill the annotation, and no approval of the pull request would count any more."""
    bench = Bench.at(EARLY)
    for number in range(1, 141, 2):
        bench.deliver(changes_requested(review_id=number, by=LEAD, happened=at(number)))
        bench.deliver(review(number + 1, LEAD, number + 1))
    bench.reach()
    assert bench.release().outcome == "opened"


def test_an_early_approval_that_is_refused_does_not_open_the_gate_when_requested_changes_are_dismissed() -> None:
    bench = Bench.at(EARLY, REFUSE_EARLY)
    bench.deliver(changes_requested(review_id=1, by=LEAD, happened=at(1)))
    assert bench.deliver(review(2, OTHER, 2)).outcome == "refused"
    bench.deliver(dismissed(review_id=1, by=LEAD, happened=at(1), updated=at(3)))
    bench.reach()
    assert bench.release().outcome == "ignored"
    assert not bench.is_open


def test_a_signal_for_several_nodes_waits_on_a_failed_workflow_and_is_ambiguous_on_a_running_one() -> None:
    bench = Bench.at(GATE)
    nodes = bench.document["status"]["nodes"]
    node = gate_node(bench.document, GATE)
    nodes["another"] = node | {"id": "another", "displayName": f"{GATE}(1:docs)"}
    assert bench.deliver(review(1, OTHER, 1)).outcome == "ambiguous"
    bench.document["status"]["phase"] = "Failed"
    assert bench.deliver(review(1, OTHER, 1)).outcome == "parked"

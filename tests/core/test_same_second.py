"""What tells the order of events of one second: the numbers of reviews, and the labels before and after."""

from __future__ import annotations

import pytest

from tests.core.bench import Bench, rules_with
from tests.payloads import TESS, approved, changes_requested, closed, labeled, reopened, unlabeled

EARLY = "wait-ready-for-qa"
BOTH_KINDS = rules_with(
    "  wait-pr-approved:\n"
    "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
    "  - {event: pull_request_review.submitted, review: changes_requested, by: anyone, then: fail}\n"
    "  - {event: pull_request.reopened, by: anyone}"
)


@pytest.mark.parametrize(("approval", "phase"), [(1, "Failed"), (3, "Succeeded")])
def test_of_two_reviews_of_one_second_the_higher_number_is_the_newer_word(approval: int, phase: str) -> None:
    bench = Bench.at(EARLY, BOTH_KINDS)
    bench.deliver(approved(review_id=approval, by=TESS))
    bench.deliver(changes_requested(review_id=2, by="somebody"))
    bench.reach()
    bench.release()
    assert bench.phase() == phase


def test_where_nothing_tells_the_order_a_failing_signal_is_the_newer_word() -> None:
    bench = Bench.at(EARLY, BOTH_KINDS)
    bench.deliver(reopened())
    bench.deliver(changes_requested(review_id=2))
    bench.reach()
    assert bench.release().outcome == "failed"


def test_a_label_put_on_in_the_second_in_which_another_was_taken_off_counts() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(labeled("task-4", labels=["task-3", "task-4"], branch="work"))  # ambiguous: it leaves task 3
    assert bench.deliver(unlabeled("task-4", labels=["task-3", "task-4"], branch="work")).outcome == "opened"


def test_a_closing_revokes_what_was_signalled_in_its_second() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.deliver(closed(merged=False))
    bench.reach()
    assert bench.release().outcome == "ignored"

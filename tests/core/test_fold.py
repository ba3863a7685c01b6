"""What several signals for one gate come to: who counts, what revokes, and the sentence that says so."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.core.bench import GATE, STATE, Bench, at, rules_with
from tests.payloads import (
    CLEO,
    PUSHED,
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
    reopened,
    synchronize,
    unlabeled,
)
from tests.recorded_workflows import gate_node, waiting_workflow

EARLY = "wait-ready-for-qa"  # the gate before the one of the approval
OTHER = "tess-5dlabs"  # another reviewer
REVIEWS = rules_with(
    "  wait-pr-approved:\n"
    "    event: [pull_request_review.submitted, pull_request_review.edited]\n"
    "    review: approved\n"
    "    by: reviewers\n"
    "    withdraw:\n"
    "    - {event: pull_request.synchronize}\n"
    "    - {event: pull_request_review.dismissed}\n"
    "    - {event: pull_request_review.submitted, review: changes_requested, by: reviewers}\n"
    "  wait-commented: {event: pull_request_review.submitted, review: commented, by: anyone}\n"
    "  wait-ready-for-qa: {event: pull_request.labeled, by: anyone}"
)
ONLY_APPROVALS = rules_with("  wait-pr-approved: {event: pull_request_review.submitted, review: approved, by: anyone}")
BOTH_KINDS = rules_with(
    "  wait-pr-approved:\n"
    "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
    "  - {event: pull_request_review.submitted, review: changes_requested, by: anyone, then: fail}\n"
    "  - {event: pull_request.closed, merged: false, by: anyone, then: fail}"
)
QUORUM = rules_with(
    "  wait-pr-approved:\n"
    "  - {event: pull_request_review.submitted, review: approved, by: anyone, quorum: 2}\n"
    "  - {event: com.example.vote, task: task, repository: repo, person: who, by: anyone, quorum: 2}"
)


def review(payload: Payload, name: str) -> Request:
    return cloudevent_structured(payload, delivery=name)


def vote(name: str, who: str | None = None) -> Request:
    """An event of another source; it names nobody unless `who` does."""
    data = {"task": 3, "repo": "5dlabs/cto"} | ({"who": who} if who else {})
    return cloudevent_structured(data, "vote", delivery=name, prefix="com.example.", source="/votes")


def of_nobody(payload: Payload) -> Payload:
    """The account of the reviewer is deleted."""
    payload["review"]["user"] = None
    return payload


def edited(payload: Payload) -> Payload:
    """The text of a review is edited. GitHub leaves its submitted_at."""
    return payload | {"action": "edited", "changes": {"body": {"from": "Before"}}}


# ---- quorum


def test_an_event_moves_a_gate_of_a_quorum_only_with_itself() -> None:
    bench = Bench.at(EARLY, QUORUM)
    for number, person in enumerate((TESS, CLEO)):
        bench.deliver(review(approved(by=person, review_id=number + 1, happened=at(number)), person))
    bench.reach()  # nobody has looked yet
    assert bench.deliver(review(approved(by=OTHER, review_id=3, happened=at(2)), OTHER)).outcome == "opened"
    assert bench.used() == [OTHER, TESS]


def test_an_event_that_names_nobody_does_not_count_for_a_quorum() -> None:
    bench = Bench.at(rules=QUORUM)
    for name in ("one", "two", "three"):
        answer = bench.deliver(vote(name))
        assert (answer.code, answer.reason) == (
            "quorum",
            "0 of 2 people have signalled wait-pr-approved: the signal waits for the others.",
        )
    assert bench.deliver(vote("four", who="ann")).code == "quorum"
    assert bench.deliver(vote("five", who="ben")).outcome == "opened"
    assert bench.used() == ["five", "four"]


def test_an_event_that_names_nobody_moves_no_gate_by_the_people_who_wait() -> None:
    bench = Bench.at(EARLY, QUORUM)
    for person in ("ann", "ben"):
        bench.deliver(vote(person, who=person))
    bench.reach()  # nobody has looked yet
    assert bench.deliver(vote("nobody")).code == "quorum"
    assert bench.release().outcome == "opened"


LABEL_OR_THREE = rules_with(
    "  wait-pr-approved:\n"
    "  - {event: pull_request_review.submitted, review: approved, by: anyone, quorum: 3}\n"
    "  - {event: pull_request.labeled, label: ship-it, by: anyone}"
)


@pytest.mark.parametrize("is_reached", [False, True])
def test_signals_for_a_higher_quorum_do_not_hold_up_a_rule_with_a_lower_one(is_reached: bool) -> None:  # noqa: FBT001
    bench = Bench.at(GATE if is_reached else EARLY, LABEL_OR_THREE)
    assert bench.deliver(review(approved(), "d-1")).outcome == "parked"
    answer = bench.deliver(review(labeled("ship-it", happened=at(1)), "d-2"))
    if not is_reached:
        bench.reach()
        answer = bench.release()
    assert (answer.outcome, bench.used()) == ("opened", ["d-2"])


def test_a_signal_of_a_lower_quorum_counts_for_a_higher_one_but_moves_nothing_for_it() -> None:
    bench = Bench.at(EARLY, LABEL_OR_THREE)
    bench.deliver(review(labeled("ship-it", happened=at(1)), "d-2"))
    bench.reach()  # nobody has looked yet
    assert bench.deliver(review(approved(), "d-1")).code == "quorum"
    assert bench.deliver(review(approved(by=OTHER, review_id=2), "d-3")).outcome == "opened"
    assert bench.used() == ["d-3", "d-1", "d-2"]


# ---- rules with different inputs for one node

EVENT, STAGE = "inputs: {event: approved}", "inputs: {stage: qa}"


@pytest.mark.parametrize(("opening", "failing"), [(EVENT, "rounds: false"), ("rounds: false", EVENT), (EVENT, STAGE)])
@pytest.mark.parametrize("newest", ["opened", "failed"])
def test_the_newest_signal_for_a_node_counts_whatever_inputs_its_rule_has(
    opening: str, failing: str, newest: str
) -> None:
    rules = rules_with(
        "  wait-pr-approved:\n"
        f"  - {{event: pull_request_review.submitted, review: approved, by: anyone, {opening}}}\n"
        f"  - {{event: pull_request_review.submitted, review: commented, by: anyone, then: fail, {failing}}}"
    )
    bench = Bench.at(EARLY, rules)
    bench.deliver(review(approved(happened=at(newest == "opened")), "open"))
    bench.deliver(review(commented(by=OTHER, review_id=2, happened=at(newest == "failed")), "fail"))
    bench.document = waiting_workflow(3, inputs={"event": "approved", "stage": "qa"}) | {
        "metadata": bench.document["metadata"]
    }
    assert bench.release().outcome == newest
    assert not bench.is_parked
    # `argo retry` starts the node again: what is older than the signal that moved it stays out.
    gate_node(bench.document, GATE).update(phase="Running", startedAt="2026-11-22T11:30:00Z")
    assert bench.release().outcome == "ignored"


def test_what_moved_a_node_before_its_rule_had_inputs_keeps_older_signals_out() -> None:
    rule = f"  {GATE}: {{{{event: pull_request_review.submitted, review: approved, by: anyone, {{}}}}}}"
    bench = Bench(waiting_workflow(3, inputs={"event": "approved"}), rules_with(rule.format("rounds: false")))
    assert bench.deliver(approved(happened=at(2))).outcome == "opened"
    bench.rules = rules_with(rule.format(EVENT))
    gate_node(bench.document, GATE).update(phase="Running", startedAt="2026-11-22T11:30:00Z")
    assert bench.deliver(review(approved(by=OTHER, review_id=2, happened=at(1)), "late")).code == "not-newer"
    assert bench.deliver(review(approved(by=OTHER, review_id=3, happened=at(3)), "new")).outcome == "opened"


# ---- the latest review of each person


@pytest.mark.parametrize(
    "event",
    [
        synchronize(by=TESS, happened=at(1)),
        labeled(by=TESS, happened=at(1)),
        commented(review_id=2, happened=at(1)),
        dismissed(review_id=1, happened=at(-9), updated=at(1)),  # of the approval that came before
        of_nobody(dismissed(review_id=2, updated=at(-1))),
    ],
    ids=["push", "label", "comment", "dismissal of an older review", "dismissal of a review of a deleted account"],
)
def test_requested_changes_stand_whatever_else_the_same_person_does(event: Payload) -> None:
    bench = Bench.at(EARLY, REVIEWS)
    bench.deliver(approved(review_id=1, happened=at(-9)))
    bench.deliver(changes_requested(review_id=10**9, happened=at(0)))
    bench.deliver(event)
    answer = bench.deliver(approved(by=OTHER, sha=PUSHED, review_id=10**9 + 1, happened=at(2)))
    assert (answer.code, TESS in answer.reason) == ("changes-requested", True)
    bench.reach()
    assert bench.release().outcome == "ignored"


@pytest.mark.parametrize("seconds", [1, 0], ids=["later", "in the same second"])
@pytest.mark.parametrize("is_first", [True, False], ids=["arrives first", "arrives last"])
def test_a_later_review_of_the_same_person_overtakes_the_approval(seconds: int, is_first: bool) -> None:  # noqa: FBT001
    bench = Bench.at(EARLY, ONLY_APPROVALS)
    events = [
        review(approved(review_id=1, happened=at(0)), "approval"),
        review(changes_requested(review_id=2, happened=at(seconds)), "objection"),
    ]
    answers = [bench.deliver(event) for event in (reversed(events) if is_first else events)]
    if is_first:
        assert answers[1].code == "overtaken"
    else:
        assert (answers[1].outcome, answers[1].reason) == (
            "withdrawn",
            "Revoked for wait-pr-approved: event approval.",
        )
    bench.reach()
    assert bench.release().outcome == "ignored"


def test_a_review_does_not_overtake_what_the_same_person_did_otherwise() -> None:
    bench = Bench.at("wait-pr-created", REVIEWS)
    bench.deliver(labeled(by=TESS, happened=at(0)))
    bench.deliver(approved(happened=at(1)))
    bench.reach(EARLY)
    assert (bench.release().gate, bench.phase(EARLY)) == (EARLY, "Succeeded")


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_an_approval_that_two_webhooks_deliver_counts_as_it_is(names: str) -> None:
    bench = Bench.at(EARLY, REVIEWS)
    assert [bench.deliver(review(approved(), name)).outcome for name in names] == ["parked"] * 2
    bench.reach()
    assert bench.release().outcome == "opened"
    assert bench.used() == ["a"]


def test_an_edited_approval_is_revoked_where_the_rules_ask_for_it() -> None:
    rules = rules_with(
        "  wait-pr-approved: {event: pull_request_review.submitted, review: approved, by: reviewers,\n"
        "    withdraw: [{event: pull_request_review.edited}]}"
    )
    bench = Bench.at(EARLY, rules)
    bench.deliver(approved())
    assert bench.deliver(edited(approved())).outcome == "withdrawn"
    bench.reach()
    assert bench.release().outcome == "ignored"


def test_a_closing_that_would_fail_a_gate_is_revoked_by_the_reopening() -> None:
    rules = rules_with(
        "  wait-pr-approved: {event: pull_request.closed, merged: false, by: anyone, then: fail,\n"
        "    withdraw: [{event: pull_request.reopened}]}"
    )
    bench = Bench.at(EARLY, rules)
    bench.deliver(closed(merged=False, happened=at(0)))
    assert bench.deliver(reopened(happened=at(1))).outcome == "withdrawn"
    bench.reach()
    assert bench.release().outcome == "ignored"


# ---- open or fail


def test_an_edit_of_an_approval_fails_the_gate_though_it_keeps_the_time_of_the_review() -> None:
    rules = rules_with(
        "  wait-pr-approved:\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
        "  - {event: pull_request_review.edited, by: anyone, then: fail}"
    )
    bench = Bench.at(EARLY, rules)
    bench.deliver(approved())
    bench.deliver(edited(approved()))
    bench.reach()
    assert bench.release().outcome == "failed"


@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize(
    ("kinds", "outcome", "used"), [("ofo", "opened", "2"), ("fof", "failed", "2"), ("offo", "opened", "3")]
)
def test_the_newest_of_both_kinds_overtakes_all_older_ones_of_the_other_kind(
    kinds: str,
    outcome: str,
    used: str,
    is_turned: bool,  # noqa: FBT001
) -> None:
    events = [
        review(
            (approved if kind == "o" else changes_requested)(
                by=f"p-{9 - number}", review_id=number + 1, happened=at(number)
            ),
            str(number),
        )
        for number, kind in enumerate(kinds)
    ]
    bench = Bench.at(EARLY, BOTH_KINDS)
    answers = [bench.deliver(each).code for each in (reversed(events) if is_turned else events)]
    others = ["overtaken" if is_turned else "not-reached"] * (len(kinds) - 1)
    assert answers == ["not-reached", *others]
    bench.reach()
    assert bench.release().outcome == outcome
    assert bench.used() == [used]


def test_a_closing_of_the_same_second_overtakes_an_approval_though_a_review_does_not() -> None:
    bench = Bench.at(EARLY, BOTH_KINDS)
    bench.rules = rules_with(
        "  wait-pr-approved:\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
        "  - {event: pull_request_review.submitted, review: changes_requested, by: anyone, then: fail}\n"
        "  - {event: pull_request.labeled, label: broken, by: anyone, then: fail}"
    )
    bench.deliver(changes_requested(by=OTHER, review_id=1))
    bench.deliver(approved(review_id=2))
    bench.deliver(labeled("broken"))
    bench.reach()
    assert bench.release().outcome == "failed"


# ---- rules that changed while a signal waited


def test_a_signal_does_not_open_its_gate_when_the_rules_of_today_mean_another_one() -> None:
    before = rules_with(
        "  wait-pr-approved:\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
        "  - {event: pull_request.labeled, label: approve, by: anyone}"
    )
    bench = Bench.at(EARLY, before)
    bench.deliver(review(approved(happened=at(0)), "review"))
    bench.rules = rules_with(
        "  wait-other: {event: pull_request_review.submitted, by: anyone}\n"
        "  wait-pr-approved:\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
        "  - {event: pull_request.labeled, label: approve, by: anyone}"
    )
    bench.reach()
    answer = bench.release()
    why = "no rule lets pull_request_review.submitted move wait-pr-approved."
    assert (answer.outcome, answer.reason) == (
        "ignored",
        f"wait-pr-approved: The current rules do not accept event review: {why}",
    )
    assert bench.deliver(review(labeled("approve", happened=at(1)), "label")).outcome == "opened"
    assert bench.used() == ["label"]


def test_a_signal_delivered_again_waits_for_the_gate_that_the_rules_of_today_mean() -> None:
    bench = Bench.at(EARLY, rules_with("  old-name: {event: pull_request_review.submitted, by: anyone}"))
    assert bench.deliver(approved()).gate == "old-name"
    bench.rules = ONLY_APPROVALS
    assert bench.deliver(approved()).outcome == "parked"
    bench.reach()
    assert bench.release().outcome == "opened"


def test_a_withdrawal_counts_though_the_rules_of_today_ask_for_data_that_was_not_kept() -> None:
    way = "  wait-pr-approved: {event: pull_request_review.submitted, review: approved, by: anyone, withdraw: [%s]}"
    bench = Bench.at(EARLY, rules_with(way % "{event: pull_request.synchronize}"))
    bench.deliver(approved(happened=at(0)))
    bench.deliver(synchronize(happened=at(1)))
    bench.rules = rules_with(way % "{event: pull_request.synchronize, when: {after: 'c*'}}")
    bench.reach()
    assert bench.release().outcome == "ignored"


@pytest.mark.parametrize("repository", ["5dlabs/cto", "5DLabs/CTO"])
def test_a_pull_request_is_the_same_whatever_the_case_of_its_repository(repository: str) -> None:
    for event in (
        synchronize(repository=repository, happened=at(1)),
        dismissed(repository=repository, happened=at(0), updated=at(1)),
        closed(merged=False, repository=repository, happened=at(1)),
        changes_requested(repository=repository, reviewer=OTHER, review_id=2, happened=at(1)),
    ):
        for first, second in ((approved(happened=at(0)), event), (event, approved(happened=at(0)))):
            bench = Bench.at(EARLY)
            bench.deliver(first)
            bench.deliver(second)
            bench.reach()
            assert bench.release().outcome == "ignored"
            assert not bench.is_open


def test_a_workflow_belongs_to_its_pull_request_whatever_the_case_of_the_repository() -> None:
    bench = Bench.at(EARLY)
    assert bench.deliver(labeled(by=CLEO, happened=at(0))).outcome == "opened"
    assert bench.deliver(approved(repository="5DLabs/CTO", happened=at(1))).outcome == "parked"
    bench.reach()
    assert bench.release().outcome == "opened"
    assert bench.state["pull_request"] == "5dlabs/cto#123"


@pytest.mark.parametrize(("position", "code"), [(0, "no-rule"), (99, "no-rule"), (None, "opened")])
@pytest.mark.parametrize(("wanted", "last"), [("hold", "hold"), (1, 1), (True, True)])
def test_not_looks_at_all_values_of_a_path(position: int | None, code: str, wanted: object, last: object) -> None:
    rules = rules_with(
        "  wait-pr-approved: {event: pull_request_review.submitted, by: anyone, "
        f"when: {{review.marks.*: {{not: {json.dumps(wanted)}}}}}}}"
    )
    marks: list[object] = [f"mark-{number}" for number in range(100)]
    if position is not None:
        marks[position] = last
    review = approved()
    review["review"]["marks"] = marks
    assert Bench.at(rules=rules).deliver(review).code == code


# ---- what a person reads


@pytest.mark.parametrize("pull_request", ["5dlabs/cto#123", "*"])
@pytest.mark.parametrize(("seconds", "code"), [(0, "forgotten"), (1, "not-reached")])
def test_a_signal_of_before_what_was_forgotten_may_have_been_revoked(
    pull_request: str, seconds: int, code: str
) -> None:
    bench = Bench.at(EARLY)
    forgotten = {"uid": bench.document["metadata"]["uid"], "forgotten": {pull_request: "2026-11-22T11:00:00Z"}}
    bench.document["metadata"]["annotations"][STATE] = json.dumps(forgotten)
    answer = bench.deliver(approved(happened=at(seconds)))
    assert answer.code == code
    if code == "forgotten":
        assert answer.reason == (
            "Too many events came for play-task-3-workflow, and those up to 2026-11-22T11:00:00Z were forgotten, so "
            "this event may have been revoked. Cause a new one, for example approve again."
        )


def test_a_copy_of_a_workflow_has_forgotten_the_same() -> None:
    bench = Bench.at(EARLY)
    forgotten = {"uid": "of-the-original", "forgotten": {"5dlabs/cto#123": "2026-11-22T11:00:00Z"}}
    bench.document["metadata"]["annotations"][STATE] = json.dumps(forgotten)
    assert bench.deliver(approved(happened=at(0))).code == "forgotten"
    assert bench.deliver(approved(review_id=9, happened=at(1))).outcome == "parked"


def test_an_event_without_pull_request_is_refused_where_one_without_was_forgotten() -> None:
    bench = Bench.at(rules=QUORUM)
    forgotten = {"uid": bench.document["metadata"]["uid"], "forgotten": {"": "2026-11-22T11:00:00Z"}}
    bench.document["metadata"]["annotations"][STATE] = json.dumps(forgotten)
    assert bench.deliver(vote("one", who="ann")).code == "forgotten"


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        (
            [synchronize(happened=at(1))],
            (
                "This signal was revoked by pull_request.synchronize by 5DLabs-Rex[bot] at 2026-11-22T11:00:01Z "
                "(commit 6113728, event e0)."
            ),
        ),
        (
            [dismissed(updated=at(1))],
            (
                "This signal was revoked by pull_request_review.dismissed by 5DLabs-Tess[bot] at 2026-11-22T11:00:01Z "
                "(event e0)."
            ),
        ),
        (
            [changes_requested(by=OTHER, review_id=10**9, happened=at(1))],
            (
                "This signal was revoked by pull_request_review.submitted changes_requested by tess-5dlabs at "
                "2026-11-22T11:00:01Z (event e0)."
            ),
        ),
        (
            [approved(review_id=10**9, happened=at(1))],
            (
                "This signal was overtaken by pull_request_review.submitted approved by 5DLabs-Tess[bot] at "
                "2026-11-22T11:00:01Z (event e0)."
            ),
        ),
        (
            [closed(merged=False, happened=at(1))],
            "5dlabs/cto#123 was closed unmerged at 2026-11-22T11:00:01Z, and this event is not newer.",
        ),
        (
            [unlabeled("task-3", branch="work", happened=at(1))],
            "5dlabs/cto#123 left the task at 2026-11-22T11:00:01Z, and this event is not newer.",
        ),
        (
            [
                changes_requested(by=OTHER, review_id=1, happened=at(-1)),
                changes_requested(by="5DLabs-Tess", review_id=2, happened=at(-1)),
            ],
            (
                "5DLabs-Tess and tess-5dlabs requested changes: the approval waits until they approve, or their "
                "review is dismissed."
            ),
        ),
    ],
    ids=["push", "dismissal", "objection", "later review", "closing", "left", "two objections"],
)
def test_the_answer_says_what_stands_against_an_approval(events: list[Payload], sentence: str) -> None:
    bench = Bench.at(EARLY)
    for number, event in enumerate(events):
        bench.deliver(review(event, f"e{number}"))
    assert bench.deliver(approved(branch="work", labels=["task-3"])).reason == sentence


def test_the_answer_says_what_revoked_a_label_or_an_event_of_nobody() -> None:
    rules = rules_with(
        "  wait-pr-approved: {event: com.example.vote, task: task, repository: repo, by: anyone,\n"
        "    withdraw: [{event: com.example.vote.taken-back}]}\n"
        "  wait-ready-for-qa: {event: pull_request.labeled, by: anyone, withdraw: [{event: pull_request.unlabeled}]}",
        more="sources: {'com.example.*': {task: task, repository: repo}}",
    )
    bench = Bench.at("wait-pr-created", rules)
    bench.deliver(review(unlabeled(happened=at(1)), "off"))
    assert bench.deliver(labeled()).reason == (
        "This signal was revoked by pull_request.unlabeled ready-for-qa by 5DLabs-Cleo[bot] at 2026-11-22T11:00:01Z "
        "(event off)."
    )
    data = {"task": 3, "repo": "5dlabs/cto"}
    bench.deliver(cloudevent_structured(data, "vote.taken-back", delivery="no", prefix="com.example.", source="/votes"))
    assert bench.deliver(vote("yes")).reason == (
        "This signal was revoked by com.example.vote.taken-back at 2026-11-22T11:00:00Z (event no)."
    )


@pytest.mark.parametrize("seconds", [-1, 0])
def test_the_answer_says_what_came_before_it_at_a_gate_that_waits_again(seconds: int) -> None:
    bench = Bench.at()
    bench.deliver(approved(review_id=1, happened=at(0)))
    node = gate_node(bench.document, GATE)
    node |= {"phase": "Running", "startedAt": "2026-11-22T12:30:00Z"}  # as `argo retry` leaves it
    assert bench.deliver(approved(by=OTHER, review_id=2, happened=at(seconds))).reason == (
        "This signal is not newer than the last event that moved wait-pr-approved, of 2026-11-22T11:00:00Z. "
        "Cause a new one, for example approve again."
    )


def test_the_answer_says_to_which_pull_request_a_workflow_belongs() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved(number=124))
    bench.deliver(labeled(number=123))
    sentence = (
        "Workflow play-task-3-workflow belongs to 5dlabs/cto#123, not to 5dlabs/cto#124. Close 5dlabs/cto#123, or "
        "remove the task's label from it. As a last resort make the Workflow forget everything with `kubectl annotate "
        "workflow -n agent-platform play-task-3-workflow taskgate.dev/state-`; an old approval that is sent again can "
        "open a gate then."
    )
    assert bench.deliver(approved(number=124, review_id=1)).reason == sentence
    assert bench.release().reason == f"wait-pr-approved: {sentence}"


def test_the_answer_says_when_a_signal_expired_or_is_no_longer_allowed() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(review(approved(), "late"))
    later = bench.copy()
    later.now += timedelta(days=8)
    assert later.deliver(review(approved(), "late")).reason == "This signal waited for more than 7 days."
    bench.rules = rules_with("  wait-pr-approved: {event: pull_request_review.submitted, by: quality}")
    assert bench.release().reason == (
        "wait-pr-approved: The current rules do not accept event late: 5DLabs-Tess[bot] is not in quality."
    )


def test_a_person_who_renamed_the_account_counts_once_for_a_quorum() -> None:
    bench = Bench.at(rules=rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, quorum: 2}}"))
    before, after = approved(by="octocat", review_id=1), approved(by="monalisa", review_id=2)
    after["review"]["user"]["id"] = before["review"]["user"]["id"]
    bench.deliver(review(before, "before"))
    assert bench.deliver(review(after, "after")).code == "quorum"
    assert bench.deliver(review(approved(by=OTHER, review_id=3), "other")).outcome == "opened"
    assert sorted(bench.used()) == ["before", "other"]


def test_a_renamed_account_counts_once_whoever_reviews_in_between() -> None:
    bench = Bench.at(rules=rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, quorum: 3}}"))
    before, after = approved(by="octocat", review_id=1), approved(by="monalisa", review_id=3)
    after["review"]["user"]["id"] = before["review"]["user"]["id"]
    for number, event in enumerate((before, approved(by=OTHER, review_id=2))):
        bench.deliver(review(event, f"event-{number}"))
    assert bench.deliver(review(after, "after")).code == "quorum"


def test_the_newer_word_of_another_pull_request_is_no_word_about_this_one() -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
        "  - {event: pull_request_review.submitted, review: changes_requested, by: anyone, then: fail}"
    )
    bench = Bench.at(EARLY, rules)
    bench.deliver(review(approved(happened=at(0)), "approval"))
    bench.deliver(review(changes_requested(number=124, by=OTHER, review_id=9, happened=at(60)), "of another"))
    bench.reach()
    assert bench.release().outcome == "opened"


@pytest.mark.parametrize("is_veto_first", [True, False])
@pytest.mark.parametrize(("minute", "phase"), [(30, "Failed"), (0, "Failed"), (-30, "Succeeded")])
def test_the_newest_word_counts_also_of_an_event_without_pull_request(
    minute: int,
    phase: str,
    is_veto_first: bool,  # noqa: FBT001
) -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
        "  - {event: com.example.veto, by: anyone, then: fail}",
        more="sources: {'com.example.*': {task: task, repository: repo, happened: at}}",
    )
    bench = Bench.at(EARLY, rules)
    time = (at(0) + timedelta(minutes=minute)).isoformat()
    bench.document["metadata"]["creationTimestamp"] = "2026-11-22T10:00:00Z"
    data = {"task": 3, "repo": "5dlabs/cto", "at": time}
    veto = cloudevent_structured(data, "veto", delivery="veto", prefix="com.example.", source="/votes")
    events = [veto, review(approved(happened=at(0)), "approval")]
    for event in events if is_veto_first else reversed(events):
        bench.deliver(event)
    bench.reach()
    bench.release()
    assert bench.phase() == phase

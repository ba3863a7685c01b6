"""What an event is for, before any Workflow is known: what it may move, what it revokes, and why it may not."""

from __future__ import annotations

from typing import Any

import pytest

from func.core.field_types import Person
from func.core.intents import Plan
from func.core.outcomes import Task
from func.core.reasons import Verdict
from func.core.rules import Rules
from tests.core.bench import GATE, Bench, built_in, plan_of, rules_with
from tests.payloads import (
    CLEO,
    HEAD,
    PUSHED,
    REX,
    TESS,
    Payload,
    approved,
    changes_requested,
    closed,
    cloudevent_structured,
    commented,
    dismissed,
    labeled,
    opened,
    synchronize,
    unlabeled,
    user,
)
from tests.recorded_workflows import gate_node, waiting_workflow

QA = "wait-ready-for-qa"
TASK = Task("3", "5dlabs/cto", "label")
NO_WITHDRAW = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, review: approved, by: reviewers}}")
LISTED = rules_with(
    f"  {GATE}: {{event: pull_request_review.submitted, review: approved, by: anyone,\n"
    "    withdraw: [{event: pull_request.synchronize}]}",
    more="repositories: [5DLABS/CTO]",
)


def says(code: str, **data: object) -> Verdict:
    return Verdict.of(code, **data)


def revoked_by(plan: Plan) -> dict[str, tuple[tuple[str, ...], str | None]]:
    """Task -> the gates for which the event revokes, and how the pull request is gone."""
    return {each.task.id: (each.revokes, each.signal.gone) for each in plan.intents if each.revokes or each.signal.gone}


def closed_pull_request(payload: Payload) -> Payload:
    payload["pull_request"]["state"] = "closed"
    return payload


# ---- what it may move


def test_a_label_that_names_the_first_task_is_remembered_with_it() -> None:
    rules = rules_with(f"  {GATE}: {{event: pull_request.labeled, label: task-3, by: anyone}}")
    (intent,) = plan_of(labeled("task-3", task=None, branch="fix", labels=["task-3"]), rules).intents
    assert (intent.signal.named, intent.signal.names) == ((), ("3",))


def test_an_event_for_a_gate_carries_its_task_its_rule_and_its_outputs() -> None:
    plan = plan_of(approved(), built_in())
    (intent,) = plan.intents
    assert (plan.verdict, plan.gate, plan.task) == (None, GATE, TASK)
    assert (intent.task, intent.gate, intent.rule) == (TASK, GATE, built_in().gates[GATE][0])
    signal = intent.signal
    assert (signal.task, signal.repository, signal.gate, signal.person) == ("3", "5dlabs/cto", GATE, TESS)
    assert signal.person_id == user(TESS)["id"]
    assert signal.outputs["pr-number"] == "123"
    assert (intent.revokes, intent.refused, signal.gone) == ((), None, None)


def test_an_event_of_a_person_who_may_not_revoke_says_so() -> None:
    verdict = plan_of(changes_requested(by="octocat"), built_in()).verdict
    assert verdict
    assert verdict.sentence == (
        "No rule matches pull_request_review.submitted with review changes_requested, and octocat is not in reviewers, "
        f"who can revoke {GATE} with it."
    )


def test_an_event_that_nobody_caused_says_which_groups_may_revoke() -> None:
    rules = rules_with(
        f"  {GATE}: {{event: pull_request_review.submitted, by: anyone,\n"
        "    withdraw: [{event: pull_request.synchronize, by: [quality, reviewers]}]}"
    )
    event = synchronize()
    del event["sender"]
    verdict = plan_of(event, rules).verdict
    assert verdict
    assert verdict.sentence == (
        "No rule matches pull_request.synchronize, and nobody is not in quality or reviewers, "
        f"who can revoke {GATE} with it."
    )


@pytest.mark.parametrize(
    ("event", "name", "details"),
    [
        (labeled("Odd"), "pull_request.labeled", " with label Odd"),
        (closed(merged=False), "pull_request.closed", " with merged false"),
        (closed(merged=False) | {"label": {"name": "Odd"}}, "pull_request.closed", " with label Odd, merged false"),
        (commented(), "pull_request_review.submitted", " with review commented"),
    ],
    ids=["label", "closed", "both", "comment"],
)
def test_an_event_that_no_rule_is_for_says_what_it_looked_at(event: Payload, name: str, details: str) -> None:
    plan = plan_of(event, NO_WITHDRAW)
    assert plan.verdict == says("no-rule", event=name, details=details)
    assert (plan.gate, plan.task) == (None, TASK)


@pytest.mark.parametrize(
    ("event", "rules", "verdict"),
    [
        (approved(), built_in(), says("pull-request-closed", pull_request="5dlabs/cto#123")),
        (approved(by=REX), built_in(), says("pull-request-closed", pull_request="5dlabs/cto#123")),
        (approved(head_repository="evil/cto"), built_in(), says("fork", pull_request="5dlabs/cto#123")),
        (approved(repository="other/repo"), LISTED, says("repository-not-listed", repository="other/repo")),
    ],
    ids=["closed", "before the person", "fork", "repository"],
)
def test_of_a_closed_pull_request_the_first_check_answers(event: Payload, rules: Rules, verdict: Verdict) -> None:
    plan = plan_of(closed_pull_request(event), rules)
    assert (plan.verdict, [each.rule for each in plan.intents if each.rule]) == (verdict, [])


def test_a_person_of_a_path_has_not_the_account_of_the_sender() -> None:
    text = "  wait-pr-created: {event: pull_request.opened, by: reviewers, person: pull_request.title}"
    ann = Person("ann", user("ann")["id"])
    rules = rules_with(text).model_copy(update={"people": {"reviewers": (ann,)}})
    plan = plan_of(opened(title="ann", by="ann"), rules)
    assert plan.verdict == says("person-not-allowed", person="ann", groups="reviewers")


LONG = f'"{"x" * 59}...'


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            ["ann"],
            'The event\'s pull_request.node_id is ["ann"]: expected a string of at most 255 characters, or an integer.',
        ),
        (
            "x" * 256,
            f"The event's pull_request.node_id is {LONG}: expected a string of at most 255 characters, or an integer.",
        ),
        ("", "The event does not say who caused it, and the rule asks for anyone."),
        ("ann", None),
        (42, None),
    ],
)
def test_a_person_at_a_path_is_a_name_that_can_be_remembered(name: object, sentence: str | None) -> None:
    rules = rules_with(
        "  wait-pr-created: {event: pull_request.opened, by: anyone, not-author: true, person: pull_request.node_id}"
    )
    event = opened()
    event["pull_request"]["node_id"] = name
    found = plan_of(event, rules).verdict
    assert (found and found.sentence) == sentence


OUTPUTS = (
    "  text: 'PR {pull_request.number} by {person}'\n  draft: '{pull_request.draft}'\n"
    "  locked: '{pull_request.locked}'\n  nothing: '{no.such}'"
)


@pytest.mark.parametrize(("then", "outcome"), [("open", "opened"), ("fail", "failed")])
def test_outputs_are_filled_from_the_event_where_the_gate_opens(then: str, outcome: str) -> None:
    rules = rules_with(
        f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, then: {then}, outputs: {{own: '{{person}}'}}}}",
        OUTPUTS,
    )
    bench = Bench(
        waiting_workflow(3, outputs={"text": "-", "draft": "-", "locked": "-", "nothing": "-", "own": "-"}), rules
    )
    assert bench.deliver(approved(draft=True)).outcome == outcome
    given = gate_node(bench.document, GATE)["outputs"]["parameters"]
    values = {each["name"]: each.get("value") for each in given}
    if then == "open":
        assert values == {"text": f"PR 123 by {TESS}", "draft": "true", "locked": "false", "nothing": "-", "own": TESS}
    else:
        assert values == {"text": None, "draft": None, "locked": None, "nothing": None, "own": TESS}


@pytest.mark.parametrize(("length", "code"), [(4096, "opened"), (4097, "unsafe-output")])
def test_an_output_that_is_too_long_is_refused_and_never_cut(length: int, code: str) -> None:
    rules = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone}}", "  t: '{review.body}'")
    bench = Bench(waiting_workflow(3, outputs={"t": None}), rules)
    event = approved()
    event["review"]["body"] = "x" * length
    assert bench.deliver(event).code == code


# ---- what it revokes


def test_a_refused_event_revokes_all_the_same_and_says_why_it_was_refused() -> None:
    rules = rules_with(
        f"  {GATE}: {{event: pull_request_review.submitted, by: quality,\n"
        "    withdraw: [{event: pull_request_review.submitted, review: changes_requested}]}"
    )
    plan = plan_of(changes_requested(), rules)
    (intent,) = plan.intents
    refused = says("person-not-allowed", person=TESS, groups="quality")
    assert (intent.rule, intent.signal.gate, intent.revokes, intent.refused) == (None, None, (GATE,), refused)
    assert (plan.verdict, plan.gate) == (refused, GATE)


@pytest.mark.parametrize(
    ("event", "gates"),
    [
        (changes_requested(), (GATE,)),
        (dismissed(), (GATE, "wait-objection")),
        (approved(), ("wait-objection",)),
        (approved(reviewed=HEAD, sha=PUSHED), ()),  # refused, so what the person requested before still stands
        (commented(), ()),
        (changes_requested(by=REX), ()),  # nobody whose review counts
    ],
    ids=["changes requested", "dismissal", "approval", "of an old commit", "comment", "nobody"],
)
def test_a_review_replaces_the_earlier_ones_of_its_person(event: Payload, gates: tuple[str, ...]) -> None:
    rules = rules_with(
        f"  {GATE}: {{event: pull_request_review.submitted, review: approved, by: reviewers, fresh: true}}\n"
        "  wait-objection: {event: pull_request_review.submitted, review: changes_requested, by: reviewers}\n"
        f"  {QA}: {{event: pull_request.labeled, by: anyone}}"
    )
    assert revoked_by(plan_of(event, rules)) == ({"3": (gates, None)} if gates else {})


def test_a_gate_with_two_ways_is_revoked_once() -> None:
    way = "{event: pull_request_review.submitted, by: %s, withdraw: [{event: pull_request.synchronize}]}"
    rules = rules_with(f"  {GATE}:\n  - {way % 'reviewers'}\n  - {way % 'quality'}\n  {QA}: {way % 'anyone'}")
    plan = plan_of(synchronize(), rules)
    assert revoked_by(plan) == {"3": ((GATE, QA), None)}
    assert (plan.gate, plan.task) == (GATE, TASK)


@pytest.mark.parametrize(("by", "is_revoking"), [(CLEO, True), (REX, False)])
def test_a_withdrawal_by_a_group_is_of_that_group(by: str, is_revoking: bool) -> None:  # noqa: FBT001
    rules = rules_with(
        f"  {QA}: {{event: pull_request.labeled, by: anyone,\n"
        "    withdraw: [{event: pull_request.unlabeled, by: quality}]}"
    )
    assert revoked_by(plan_of(unlabeled(by=by), rules)) == ({"3": ((QA,), None)} if is_revoking else {})


@pytest.mark.parametrize(("who", "outcome"), [("ann", "ignored"), ("bob", "opened"), (None, "opened"), (1.5, "opened")])
@pytest.mark.parametrize(
    "others", ["", "  wait-other: {event: com.example.ask, WHERE, withdraw: [{event: com.example.retract}]}"]
)
def test_a_withdrawal_has_person_and_repository_where_its_rule_finds_them(
    others: str, who: object, outcome: str
) -> None:
    """The source maps neither of them."""
    text = (
        f"{others}\n"
        f"  {GATE}: {{event: com.example.done, WHERE, person: who,"
        " withdraw: [{event: com.example.retract, by: reviewers}]}"
    )
    rules = rules_with(
        text.replace("WHERE", "task: task, repository: repo, by: anyone"), more="repositories: [5dlabs/cto]"
    )
    rules = rules.model_copy(update={"people": {"reviewers": (Person("ann"),)}})
    bench = Bench.at("wait-ready-for-qa", rules)
    for event, person in ("done", "ann"), ("retract", who):
        data = {"task": 3, "repo": "5dlabs/cto", "who": person}
        bench.deliver(cloudevent_structured(data, event, delivery=event, prefix="com.example.", source="/s"))
    bench.reach()
    assert bench.release().outcome == outcome


def test_a_withdrawal_of_another_kind_keeps_the_account_of_its_person() -> None:
    rules = rules_with(
        f"  {QA}: {{event: com.example.done, task: task, repository: repo, person: sender.login, by: anyone,\n"
        "    withdraw: [{event: pull_request_review.submitted, review: changes_requested}]}\n"
        f"  {GATE}: {{event: pull_request_review.submitted, review: approved, by: reviewers,\n"
        "    withdraw: [{event: pull_request_review.submitted, review: changes_requested, by: reviewers}]}"
    )
    reviewers = tuple(Person(name, user(name)["id"]) for name in ("ann", "bob"))
    bench = Bench.at(QA, rules.model_copy(update={"people": {"reviewers": reviewers}}))
    bench.deliver(approved(by="ann", review_id=1))
    bench.deliver(changes_requested(by="bob", review_id=2))
    bench.reach()
    assert bench.release().outcome == "ignored"


@pytest.mark.parametrize(("repository", "is_revoking"), [("5dlabs/cto", True), ("other/cto", False)])
def test_events_of_repositories_that_are_not_listed_revoke_nothing(repository: str, is_revoking: bool) -> None:  # noqa: FBT001
    plan = plan_of(synchronize(repository=repository), LISTED)
    assert revoked_by(plan) == ({"3": ((GATE,), None)} if is_revoking else {})


@pytest.mark.parametrize(
    ("event", "gone"),
    [
        (closed(), {"3": ((), "merged")}),
        (closed(merged=False), {"3": ((), "closed")}),
        (closed(merged=False, labels=["task-3", "task-4"], branch="work"), {"3": ((), "closed"), "4": ((), "closed")}),
        (unlabeled("task-3", branch="work"), {"3": ((), "left")}),
        (labeled("task-4", labels=["task-3"], branch="work"), {"3": ((), "left"), "4": ((), "left")}),
        (opened(), {}),
    ],
    ids=["merged", "closed", "closed with two tasks", "left", "second task", "opened"],
)
def test_a_pull_request_is_gone_from_each_task_that_it_named(
    event: Payload, gone: dict[str, tuple[tuple[str, ...], str | None]]
) -> None:
    rules = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, review: approved, by: anyone}}")
    assert revoked_by(plan_of(event, rules)) == gone


def test_an_event_of_two_tasks_moves_nothing_and_names_both() -> None:
    plan = plan_of(synchronize(labels=["task-3", "task-4"], branch="work"), LISTED)
    assert plan.verdict == says("several-tasks", tasks="task 3 by its label, task 4 by its label")
    assert (plan.task, [each.task.id for each in plan.intents]) == (None, ["3", "4"])
    assert {(each.signal.task, each.signal.repository) for each in plan.intents} == {
        ("3", "5dlabs/cto"),
        ("4", "5dlabs/cto"),
    }


def test_an_event_that_moves_a_gate_and_leaves_a_task_does_both() -> None:
    event = unlabeled("task-4", labels=["task-3", "task-4"], branch="work")
    first, second = plan_of(event, built_in()).intents
    assert (first.task.id, first.gate, first.signal.gone) == ("3", "wait-pr-created", None)
    assert (second.task.id, second.gate, second.signal.gone) == ("4", None, "left")


def test_a_merge_that_moves_a_gate_is_remembered_as_gone_too() -> None:
    (intent,) = plan_of(closed(), built_in()).intents
    assert (intent.gate, intent.signal.gone, intent.signal.gate) == ("wait-pr-merged", "merged", "wait-pr-merged")


def test_a_dismissal_in_another_source_is_no_review() -> None:
    rules = rules_with(
        f"  {GATE}: {{event: com.example.done, task: task, repository: repo, by: anyone}}",
        more="sources: {com.example.*: {task: task, repository: repo}}",
    )
    data: dict[str, Any] = {"task": "3", "repo": "5dlabs/cto", "review": {"state": "dismissed"}}
    event = cloudevent_structured(data, "other", delivery="d", prefix="com.example.", source="/s")
    plan = plan_of(event, rules)
    assert (plan.intents, plan.verdict) == ((), says("no-rule", event="com.example.other", details=""))


def test_an_event_revokes_at_each_task_that_a_rule_finds_for_it() -> None:
    way = "task: task, repository: %s, by: anyone, withdraw: [{event: com.example.off}]}"
    rules = rules_with(
        f"  wait-a: {{event: com.example.a, {way % 'repo-a'}\n  wait-b: {{event: com.example.b, {way % 'repo-b'}"
    )
    data = {"task": 3, "repo-a": "5dlabs/a", "repo-b": "5dlabs/b"}
    plan = plan_of(cloudevent_structured(data, "off", delivery="d", prefix="com.example.", source="/s"), rules)
    assert [(each.task.repository, each.revokes, each.signal.repository) for each in plan.intents] == [
        ("5dlabs/a", ("wait-a",), "5dlabs/a"),
        ("5dlabs/b", ("wait-b",), "5dlabs/b"),
    ]


def test_a_review_revokes_at_the_task_that_its_rule_finds() -> None:
    rules = rules_with(
        f"  {GATE}: {{event: pull_request_review.submitted, review: approved, by: reviewers,\n"
        "    task: {path: pull_request.title, pattern: 'T-([0-9]+)'}}"
    )
    assert revoked_by(plan_of(changes_requested(title="T-7", task=None), rules)) == {"7": ((GATE,), None)}


def test_a_closing_is_for_the_task_of_its_labels_where_its_rule_finds_none() -> None:
    rules = rules_with(
        f"  {GATE}: {{event: pull_request.closed, by: anyone, task: {{path: pull_request.title, pattern: 'T-(.)'}}}}"
    )
    assert revoked_by(plan_of(closed(merged=False), rules)) == {"3": ((), "closed")}


def test_an_event_that_only_leaves_a_task_is_about_that_task() -> None:
    plan = plan_of(unlabeled("task-3", branch="work"), NO_WITHDRAW)
    assert plan.task == TASK

"""Where a Workflow waits, which signal moves it when it has changed, and the answer that says why none does."""

from __future__ import annotations

import copy
import json
from datetime import timedelta

import pytest

from func.core.outcomes import Answer, Task
from func.core.reasons import Verdict
from tests.core.bench import GATE, Bench, at, named, rules_with, says
from tests.payloads import (
    CLEO,
    TESS,
    approved,
    changes_requested,
    closed,
    cloudevent_structured,
    labeled,
)
from tests.recorded_workflows import Workflow, gate_node, waiting_workflow

EARLY = "wait-ready-for-qa"  # the gate before the one of the approval
NAME = "play-task-3-workflow"
TASK = Task("3", "5dlabs/cto", "signal")
BY_HAND = "manually or by its timeout"
ANYONE = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, review: approved, by: anyone}}")
OBJECTIONS = rules_with(
    f"  {GATE}: {{event: pull_request_review.submitted, review: approved, by: anyone,\n"
    "    withdraw: [{event: pull_request_review.submitted, review: changes_requested}]}"
)
ROUNDS = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, rounds: true}}")


def told(answer: Answer) -> tuple[str, str]:
    """The code and the sentence of an answer."""
    return answer.code, answer.reason


def nothing(detail: str) -> tuple[str, str]:
    return says("nothing-to-release", detail=detail)


def in_a_loop(document: Workflow, *phases: str, gate: str = GATE) -> list[str]:
    """Make the gate one of a loop whose items have these phases; return the ids of its nodes."""
    nodes = document["status"]["nodes"]
    node = gate_node(document, gate)
    del nodes[node["id"]]
    ids = [f"{node['id']}-{place}" for place in range(len(phases))]
    for place, (node_id, phase) in enumerate(zip(ids, phases, strict=True)):
        nodes[node_id] = {**node, "id": node_id, "displayName": f"{gate}({place}:item)", "phase": phase}
    return ids


# ---- where a Workflow waits


def test_of_several_nodes_none_is_opened_and_all_are_named() -> None:
    bench = Bench.at()
    first, second, _ = in_a_loop(bench.document, "Running", "Running", "Succeeded")
    answer = bench.deliver(approved())
    assert told(answer) == says("several-nodes", gate=GATE, nodes=f"{first}, {second}")
    assert (answer.node, bench.writes) == (first, 0)


def test_of_a_loop_the_one_node_that_waits_is_opened() -> None:
    bench = Bench.at()
    _, running, _ = in_a_loop(bench.document, "Succeeded", "Running", "Pending")
    assert bench.deliver(approved()).node == running
    (opened,) = [node for node in bench.document["status"]["nodes"].values() if node["id"] == running]
    assert opened["phase"] == "Succeeded"


@pytest.mark.parametrize("phase", ["Running", "Pending", "Failed"])
def test_a_signal_waits_on_a_failed_workflow_wherever_it_failed(phase: str) -> None:
    bench = Bench.at()
    gate_node(bench.document, GATE)["phase"] = phase
    bench.document["status"]["phase"] = "Failed"
    assert told(bench.deliver(approved())) == says("workflow-failed", workflow=NAME, gate=GATE)
    assert bench.is_parked
    early = Bench.at(EARLY)
    early.document["status"]["phase"] = "Failed"
    assert told(early.deliver(approved())) == says("workflow-failed", workflow=NAME, gate=GATE)


def test_a_gate_that_is_not_reached_is_named_with_a_node_that_the_rules_may_mean() -> None:
    assert told(Bench.at(EARLY).deliver(approved())) == says("not-reached", workflow=NAME, gate=GATE, hint="")
    bench = Bench(waiting_workflow(3, "wait-pr-approve", gates=["wait-pr-approve"]))
    hint = " A node wait-pr-approve waits, is that what the rules mean?"
    assert told(bench.deliver(approved())) == says("not-reached", workflow=NAME, gate=GATE, hint=hint)
    pending = Bench(waiting_workflow(3, GATE, gates=["wait-pr-approve", GATE]))
    gate_node(pending.document, "wait-pr-approve")["phase"] = "Running"
    gate_node(pending.document, GATE)["phase"] = "Pending"
    assert told(pending.deliver(approved())) == says("not-reached", workflow=NAME, gate=GATE, hint="")


def test_an_open_gate_says_what_opened_it() -> None:
    bench = Bench.at()
    node = gate_node(bench.document, GATE)["id"]
    bench.deliver(named(approved(), "d-1"))
    for other, how in (bench, "by event d-1"), (Bench.at("wait-pr-merged"), BY_HAND):
        answer = other.deliver(approved(review_id=2, happened=at(1)))
        assert told(answer) == says("already-open", gate=GATE, how=how)
        assert (answer.node, other.is_parked) == (node, False)


def test_a_gate_whose_waiting_signal_was_used_up_was_opened_by_hand() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(named(approved(), "d-1"))
    bench.reach("wait-pr-merged")
    bench.release()
    assert told(bench.deliver(approved(review_id=2))) == says("already-open", gate=GATE, how=BY_HAND)


@pytest.mark.parametrize(
    ("phases", "code", "shown"),
    [
        (["Failed", "Error"], "gate-failed", "Error, Failed"),
        (["Skipped", "Failed"], "gate-failed", "Failed, Skipped"),
        (["Skipped", "Omitted"], "gate-skipped", "Omitted, Skipped"),
    ],
)
def test_a_gate_that_will_not_wait_says_how_its_nodes_ended(phases: list[str], code: str, shown: str) -> None:
    bench = Bench.at()
    ids = in_a_loop(bench.document, *phases)
    answer = bench.deliver(approved())
    assert told(answer) == says(code, gate=GATE, phase=shown)
    assert (answer.node, bench.is_parked) == (ids[0], False)


def test_a_signal_waits_for_the_next_round_of_an_open_gate() -> None:
    bench = Bench.at(rules=ROUNDS)
    bench.deliver(approved(review_id=1, happened=at(0)))
    again = bench.deliver(approved(review_id=2, happened=at(1)))
    assert told(again) == says("next-round", gate=GATE)
    assert bench.is_parked
    failed = Bench.at(rules=ROUNDS)
    gate_node(failed.document, GATE)["phase"] = "Failed"
    assert failed.deliver(approved()).code == "gate-failed"


def test_the_workflow_is_watched_while_something_waits_and_not_when_its_gate_is_over() -> None:
    bench = Bench.at(EARLY, OBJECTIONS)
    bench.deliver(changes_requested(by=CLEO, review_id=1, happened=at(0)))
    assert not bench.is_parked
    bench.deliver(approved(by=TESS, review_id=2, happened=at(1)))
    assert bench.is_parked  # until Cleo approves, or her review is dismissed
    bench.reach()
    gate_node(bench.document, GATE)["phase"] = "Failed"
    bench.release()
    assert not bench.is_parked


# ---- releases


def test_a_release_of_another_workflow_names_its_labels() -> None:
    bench = Bench.at()
    bench.document["metadata"]["labels"]["workflow-type"] = "other"
    selector = "workflow-type=play-orchestration"
    assert told(bench.release()) == says("selector-mismatch", workflow=NAME, selector=selector)


def test_a_release_keeps_what_waits_on_a_workflow_that_is_over_or_is_being_stopped() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.reach()
    stopped, over = bench.copy(), bench.copy()
    stopped.document, over.document = copy.deepcopy(bench.document), copy.deepcopy(bench.document)
    stopped.document["spec"]["shutdown"] = "Stop"
    over.document["status"]["phase"] = "Failed"
    kept = "what waits on it is kept."
    assert told(stopped.release()) == nothing(f"Workflow {NAME} is being stopped: {kept}")
    assert told(over.release()) == nothing(f"Workflow {NAME} has come to its end: {kept}")
    assert (stopped.writes, over.writes) == (1, 1)


def test_a_release_says_of_each_gate_why_nothing_moves_it() -> None:
    bench = Bench.at("wait-pr-created")
    assert told(bench.release()) == nothing("No signal waits on it.")
    bench.deliver(named(labeled(happened=at(0)), "label"))
    bench.deliver(named(approved(happened=at(1)), "approval"))
    bench.now += timedelta(days=8)
    bench.deliver(named(closed(number=123), "merge"))
    expired = Verdict.of("expired", days=7).sentence
    waits = Verdict.of("not-reached", workflow=NAME, gate="wait-pr-merged", hint="").sentence
    assert told(bench.release()) == nothing(f"{EARLY}: {expired} {GATE}: {expired} {waits}")


def test_a_release_says_what_it_opened_for_which_task() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.reach()
    answer = bench.release()
    assert (answer.code, answer.gate, answer.task) == ("opened", GATE, TASK)
    assert answer.node == gate_node(bench.document, GATE)["id"]


def test_a_release_for_a_workflow_whose_labels_changed_says_so() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.reach()
    bench.document["metadata"]["labels"]["task-id"] = "4"
    why = bench.rules.workflows.disagreement(bench.document["metadata"]["labels"], TASK)
    assert why
    sentence = Verdict.of("wrong-labels", workflow=NAME, task=TASK, why=why).sentence
    assert told(bench.release()) == nothing(f"{GATE}: {sentence}")
    assert bench.is_parked  # the label may be put right


def test_what_waits_for_another_task_does_not_block_that_of_the_labels() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(named(approved(number=1), "of task 3"))
    bench.document["metadata"]["labels"]["task-id"] = "4"
    bench.reach()
    bench.document["metadata"]["labels"]["task-id"] = "4"
    assert bench.deliver(named(approved(task=4, number=2, happened=at(5)), "of task 4")).outcome == "opened"


def test_a_release_that_lacks_an_output_says_which() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    kept = bench.document["metadata"]["annotations"]
    bench.document = waiting_workflow(3, outputs={"ticket": None})
    bench.document["metadata"]["annotations"] |= kept
    answer = bench.release()
    assert told(answer) == says("missing-output", output="ticket")
    assert (answer.gate, answer.node, answer.task) == (GATE, gate_node(bench.document, GATE)["id"], TASK)
    assert bench.is_parked


@pytest.mark.parametrize("is_second_open", [True, False])
def test_a_gate_that_somebody_has_to_look_at_keeps_no_other_from_opening(is_second_open: bool) -> None:  # noqa: FBT001
    rules = rules_with(
        f"  {EARLY}: {{event: pull_request.labeled, by: anyone}}\n"
        f"  {GATE}: {{event: pull_request_review.submitted, by: anyone}}"
    )
    bench = Bench.at("wait-pr-created", rules)
    bench.deliver(labeled(happened=at(0)))
    bench.deliver(approved(happened=at(1)))
    document = json.loads(json.dumps(bench.document))
    reached = waiting_workflow(3, GATE)["status"]["nodes"].values()
    document["status"]["nodes"] |= {node["id"]: node for node in reached}
    ids = in_a_loop(document, "Running", "Running", gate=EARLY)
    if not is_second_open:
        in_a_loop(document, "Running", "Running")
    bench.document = document
    answer = bench.release()
    if is_second_open:
        assert (answer.outcome, answer.gate) == ("opened", GATE)
    else:
        assert told(answer) == says("several-nodes", gate=EARLY, nodes=", ".join(ids))
        assert (answer.gate, answer.node, answer.task, bench.is_parked) == (EARLY, ids[0], TASK, True)


def test_the_pull_request_whose_signal_is_older_goes_first() -> None:
    bench = Bench.at(EARLY, ANYONE)
    bench.deliver(named(approved(number=124, review_id=1, happened=at(1)), "second"))
    bench.deliver(named(approved(number=123, review_id=2, happened=at(0)), "first"))
    bench.reach()
    late = bench.deliver(named(approved(number=124, review_id=3, by=CLEO, happened=at(2)), "third"))
    assert told(late) == says("older-first", pull_request="5dlabs/cto#123", gate=GATE)
    assert late.node == gate_node(bench.document, GATE)["id"]
    bench.release()
    assert bench.used() == ["first"]


def test_a_signal_of_no_pull_request_goes_first_where_it_is_older() -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: pull_request_review.submitted, by: anyone}\n"
        "  - {event: com.example.done, task: task, repository: repo, by: anyone}"
    )
    bench = Bench.at(EARLY, rules)
    data = {"task": 3, "repo": "5dlabs/cto"}
    bench.deliver(cloudevent_structured(data, "done", delivery="d", prefix="com.example.", source="/s"))
    bench.reach()
    late = bench.deliver(approved(happened=at(1)))
    assert told(late) == says("older-first", pull_request="no pull request", gate=GATE)


def test_a_release_waits_for_the_people_who_are_missing() -> None:
    rules = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, quorum: 2}}")
    bench = Bench.at(EARLY, rules)
    bench.deliver(approved())
    bench.reach()
    assert told(bench.release()) == nothing(Verdict.of("quorum", count=1, quorum=2, gate=GATE).sentence)
    assert bench.is_parked


def test_a_release_moves_a_gate_with_the_signal_that_gives_its_output() -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: pull_request.labeled, label: go, by: anyone}\n"
        "  - {event: pull_request_review.submitted, by: anyone, outputs: {ticket: '{pull_request.number}'}}"
    )
    bench = Bench.at(EARLY, rules)
    bench.deliver(named(labeled("go", happened=at(0)), "older"))
    bench.deliver(named(approved(happened=at(1)), "newer"))
    bench.reach()
    node = gate_node(bench.document, GATE)
    node["outputs"] = {"parameters": [{"name": "ticket", "valueFrom": {"supplied": {}}}]}
    assert bench.release().outcome == "opened"
    assert bench.used() == ["newer"]
    assert gate_node(bench.document, GATE)["outputs"]["parameters"] == [{"name": "ticket", "value": "123"}]

"""One test for each check of a decision: the gate stays closed for want of this one thing only.

The last test opens the same gate with all as it should be. `make mutants` changes the code in many ways and runs these.
"""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from func.core.decisions import decide
from func.core.intents import Intent
from func.core.moves import Decision
from func.core.rules import Rules
from func.core.workflows import read_workflow
from func.devcluster import jsonpatch
from tests.core.bench import NOW, PARKED, STATE, Bench, at, built_in, patched, plan_of, rules_with
from tests.payloads import HEAD, PUSHED, REX, approved, closed, opened, synchronize
from tests.recorded_workflows import CREATED, compressed, gate_node, waiting_workflow

GATE = "wait-pr-approved"


def outcome(document: dict[str, Any], rules: Rules | None = None, **facts: Any) -> str:  # noqa: ANN401
    """What an approval does to a Workflow."""
    bench = Bench(document, rules or built_in())
    answer = bench.deliver(approved(**facts))
    assert (answer.outcome == "opened") == (bench.document["status"] != document["status"])
    return answer.outcome


def decision_on(document: dict[str, Any], intent: Intent | None = None) -> Decision:
    return decide(intent or plan_of(approved(), built_in()).intents[0], built_in(), read_workflow(document), NOW)


def refuses(document: dict[str, Any], changed: dict[str, Any]) -> bool:
    """Does the API refuse the patch when the Workflow has changed so in between?"""
    decision = decision_on(document)
    assert patched(document, decision)
    try:
        patched(document, decision, now=changed)
    except jsonpatch.PatchError:
        return True
    return False


def test_uid_a_workflow_that_took_the_place_of_another_one_is_not_written_to() -> None:
    document = waiting_workflow(3)
    assert refuses(document, waiting_workflow(3, uid="00000000-0000-4000-8000-000000000000"))


def test_task_another_task_is_not_opened() -> None:
    assert outcome(waiting_workflow(4, name="play-task-3-workflow")) == "no-workflow"


def test_repository_the_same_task_of_another_repository_is_not_opened() -> None:
    assert outcome(waiting_workflow(3, repository="5dlabs-other")) == "no-workflow"


def test_selector_a_workflow_that_is_not_selected_is_not_opened() -> None:
    document = waiting_workflow(3)
    document["metadata"]["labels"]["workflow-type"] = "other"
    assert outcome(document) == "no-workflow"


def test_stage_another_gate_is_not_opened() -> None:
    assert outcome(waiting_workflow(3, "wait-ready-for-qa")) == "parked"


def test_node_type_a_node_that_is_no_gate_is_not_opened() -> None:
    document = waiting_workflow(3)
    gate_node(document, GATE)["type"] = "Pod"
    assert outcome(document) == "parked"


@pytest.mark.parametrize("phase", ["Pending", "Failed", "Succeeded"])
def test_node_phase_a_node_that_does_not_wait_is_not_opened(phase: str) -> None:
    document = waiting_workflow(3)
    gate_node(document, GATE)["phase"] = phase
    assert outcome(document) != "opened"


def test_uid_a_waiting_key_of_the_original_opens_nothing_on_its_copy() -> None:
    bench = Bench.at("wait-ready-for-qa")
    bench.deliver(approved())
    copied = waiting_workflow(3, uid="00000000-0000-4000-8000-000000000000")
    copied["metadata"]["annotations"][STATE] = bench.document["metadata"]["annotations"][STATE]
    copied["metadata"]["labels"][PARKED] = "true"
    assert Bench(copied).release().outcome == "ignored"


def test_node_type_a_node_whose_type_changed_is_not_written_to() -> None:
    document = waiting_workflow(3)
    changed = copy.deepcopy(document)
    gate_node(changed, GATE)["type"] = "Pod"
    assert refuses(document, changed)


def test_node_phase_a_node_that_was_opened_meanwhile_is_not_written_to() -> None:
    document = waiting_workflow(3)
    changed = copy.deepcopy(document)
    gate_node(changed, GATE)["phase"] = "Succeeded"
    assert refuses(document, changed)
    assert refuses(compressed(document), compressed(changed))


def test_state_what_was_remembered_meanwhile_is_not_written_over() -> None:
    document = waiting_workflow(3)
    changed = copy.deepcopy(document)
    changed["metadata"]["annotations"][STATE] = "{}"
    assert refuses(document, changed)


def test_person_nobody_else_opens_it() -> None:
    assert outcome(waiting_workflow(3), by=REX) == "refused"


def test_fresh_an_approval_of_an_older_commit_opens_nothing() -> None:
    assert outcome(waiting_workflow(3), sha=PUSHED, reviewed=HEAD) == "refused"


@pytest.mark.parametrize("head", ["evil/cto", None])
def test_fork_a_pull_request_from_another_repository_opens_nothing(head: str | None) -> None:
    assert outcome(waiting_workflow(3), head_repository=head) == "refused"


def test_inputs_a_gate_with_other_inputs_is_not_opened() -> None:
    rules = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, inputs: {{event: approved}}}}")
    assert outcome(waiting_workflow(3, inputs={"event": "approved"}), rules) == "opened"
    assert outcome(waiting_workflow(3, inputs={"event": "merged"}), rules) == "parked"


def test_pull_request_another_one_opens_nothing_on_a_workflow_that_is_bound() -> None:
    bench = Bench.at("wait-pr-created")
    assert bench.deliver(opened(number=124)).outcome == "opened"
    bench.reach()
    assert bench.deliver(approved(number=123)).outcome == "refused"
    assert bench.deliver(approved(number=124)).outcome == "opened"


def test_pull_request_one_that_was_closed_unmerged_opens_nothing() -> None:
    bench = Bench.at()
    bench.deliver(closed(merged=False, happened=at(1)))
    assert bench.deliver(approved(happened=at(0))).outcome == "refused"


def test_age_an_event_from_before_the_workflow_opens_nothing() -> None:
    assert outcome(waiting_workflow(3), happened=CREATED - timedelta(minutes=6)) == "refused"


@pytest.mark.parametrize("told_by", ["label", "phase"])
def test_finished_nothing_is_opened_on_a_workflow_that_came_to_its_end(told_by: str) -> None:
    document = waiting_workflow(3)
    if told_by == "label":
        document["metadata"]["labels"]["workflows.argoproj.io/completed"] = "true"
    else:
        document["status"]["phase"] = "Succeeded"
    assert outcome(document) == "no-workflow"


def test_happened_order_an_approval_from_before_a_push_opens_nothing() -> None:
    bench = Bench.at()
    bench.deliver(synchronize(sha=PUSHED, happened=at(1)))
    assert bench.deliver(approved(happened=at(0))).outcome == "refused"


def test_happened_order_an_older_approval_does_not_take_the_place_of_a_newer_one() -> None:
    bench = Bench.at("wait-ready-for-qa")
    bench.deliver(approved(review_id=2, happened=at(1)))
    assert bench.deliver(approved(review_id=1, happened=at(0))).outcome == "refused"


def test_happened_order_at_the_same_second_the_withdrawal_wins() -> None:
    bench = Bench.at()
    bench.deliver(synchronize(sha=PUSHED, happened=at(0)))
    assert bench.deliver(approved(happened=at(0))).outcome == "refused"


def test_duplicate_an_event_is_used_once() -> None:
    bench = Bench.at()
    bench.deliver(approved())
    assert bench.deliver(approved()).outcome == "duplicate"


def test_the_gate_opens_when_all_is_well() -> None:
    assert outcome(waiting_workflow(3)) == "opened"
    assert outcome(compressed(waiting_workflow(3))) == "opened"

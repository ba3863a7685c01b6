"""Where a Workflow stands and what is wrong with it, read in one place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from func.cli.advice import advice_for_problem
from func.core.gates_file import parse_rules
from func.core.rules import Rules
from func.core.status import PROBLEMS, Problem, WorkflowStatus, mark_twins, read_object
from func.service.settings import BUILT_IN_RULES
from tests.recorded_workflows import Workflow, gate_node, like, recorded, waiting_workflow
from tests.remembering import approved_workflow, merge, push, remembering, signal, use

TEXT = BUILT_IN_RULES.read_text(encoding="utf-8")
RULES: Rules = parse_rules(TEXT, "gates.yaml")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def status(workflow: Workflow, rules: Rules = RULES, now: datetime = NOW) -> WorkflowStatus:
    return read_object(workflow, rules, now)


def codes(found: WorkflowStatus) -> list[str]:
    return [problem.code for problem in found.problems]


def signals(found: WorkflowStatus) -> list[tuple[str, str, str]]:
    return [(each.gate, each.state, each.code) for each in found.signals]


def test_gates_in_the_order_of_the_rules() -> None:
    found = status(waiting_workflow(3))
    assert [(gate.name, gate.state) for gate in found.gates] == [
        ("wait-pr-created", "open"),
        ("wait-ready-for-qa", "open"),
        ("wait-pr-approved", "waiting"),
        ("wait-pr-merged", "not reached"),
    ]
    (gate,) = found.waiting
    assert gate.since == datetime(2026, 11, 22, 10, 19, 55, tzinfo=UTC)
    assert (found.task, found.repository, found.problems) == ("3", "5dlabs-cto", ())


def test_signals_and_what_they_come_to() -> None:
    workflow = remembering(waiting_workflow(3, "wait-ready-for-qa"), [signal(), push(), merge(id="d-3")])
    assert signals(status(workflow)) == [
        ("wait-pr-approved", "rejected", "revoked"),
        ("wait-pr-merged", "waits", "not-reached"),
    ]
    assert "revoked by pull_request.synchronize" in status(workflow).signals[0].sentence
    used = status(approved_workflow())
    assert signals(used) == [("wait-pr-approved", "used", "opened")]
    assert used.signals[0].sentence == "It opened wait-pr-approved at 2026-11-22T10:31:00Z."
    assert used.bound == "5dlabs/cto#123"


@pytest.mark.parametrize(
    ("more", "state", "code"),
    [
        ({}, "waits", "not-reached"),
        ({"written": "2026-11-01T10:00:00Z"}, "rejected", "expired"),
        ({"person": "octocat"}, "rejected", "no-longer-allowed"),
        ({"gate": "lunch"}, "rejected", "no-longer-allowed"),
    ],
)
def test_a_signal_under_the_rules_of_today(more: dict[str, str], state: str, code: str) -> None:
    found = status(remembering(waiting_workflow(3, "wait-ready-for-qa"), [signal(**more)]))
    assert [(each.state, each.code) for each in found.signals] == [(state, code)]


def test_requested_changes_and_a_quorum_are_waited_for() -> None:
    blocked = signal(id="d-2", person="tess-5dlabs", verdict="changes_requested", review=6, gate=None)
    blocked["happened"] = "2026-11-22T10:20:00Z"
    assert signals(status(remembering(waiting_workflow(3), [signal(), blocked])))[0][2] == "changes-requested"
    rules = parse_rules(TEXT.replace("fresh: true", "quorum: 2"), "gates.yaml")
    found = status(remembering(waiting_workflow(3), [signal()]), rules)
    assert [(each.state, each.code) for each in found.signals] == [("waits", "quorum")]
    assert codes(found) == []


def _labels(**labels: str | None) -> Callable[[Workflow], None]:
    def change(workflow: Workflow) -> None:
        kept = workflow["metadata"]["labels"] | labels
        workflow["metadata"]["labels"] = {name: value for name, value in kept.items() if value is not None}

    return change


def _spec(**spec: object) -> Callable[[Workflow], None]:
    return lambda workflow: workflow["spec"].update(spec)


def _annotated(workflow: Workflow) -> None:
    workflow["metadata"]["annotations"]["taskgate.dev/state"] = "{"


def _renamed(workflow: Workflow) -> None:
    gate_node(workflow, "wait-pr-approved")["displayName"] = "Wait-PR-approved"


def _missed(workflow: Workflow) -> None:
    remembering(workflow, [signal()])


def _unlabelled(workflow: Workflow) -> None:
    remembering(workflow, [signal()])
    del workflow["metadata"]["labels"]["taskgate.dev/parked"]


def _claimed(workflow: Workflow) -> None:
    node = gate_node(workflow, "wait-pr-approved")
    remembering(workflow, [signal()], [use(node["id"], started=node["startedAt"], claimed=True)])


def _unreadable(workflow: Workflow) -> None:
    workflow["status"]["nodes"] = []


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (_labels(**{"workflow-type": "other"}), "selector-mismatch", "do not match workflow-type=play-orchestration"),
        (_labels(**{"task-id": None}), "label-missing", "Its label task-id is missing"),
        (_labels(**{"task-id": "4"}), "wrong-labels", "Its name is that of task 3, but its label task-id is 4"),
        (_spec(suspend=True), "suspended", "A person suspended it"),
        (_spec(shutdown="Stop"), "workflow-stopping", "It is being stopped (Stop)"),
        (_annotated, "annotation-unreadable", "taskgate.dev/state cannot be read: not JSON."),
        (_unreadable, "workflow-unreadable", "The Workflow cannot be read: status.nodes is not an object."),
        (_renamed, "gate-without-rule", "The rules have wait-pr-approved: is that the same gate?"),
        (_missed, "release-missed", "can move wait-pr-approved now, but Taskgate was not notified"),
        (_unlabelled, "watch-label-missing", "the label taskgate.dev/parked is missing"),
        (_claimed, "claimed", "Event d-1 is about to move wait-pr-approved"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_is_wrong(change: Callable[[Workflow], None], code: str, words: str) -> None:
    workflow = waiting_workflow(3)
    change(workflow)
    (problem,) = status(workflow).problems
    assert (problem.code, words in problem.sentence) == (code, True), problem.sentence
    assert status(workflow).is_blocked is (code not in ("suspended", "wrong-labels"))


def test_what_is_wrong_with_recorded_workflows() -> None:
    assert codes(status(recorded("offloaded-nodes"))) == ["offloaded"]
    assert "several-nodes" in codes(status(like("same-gate-twice")))
    missing = status(waiting_workflow(3, outputs={"environment": None}))
    assert missing.problems[0].sentence == (
        "wait-pr-approved needs a value for output environment, and no rule supplies one."
    )
    unsafe = remembering(waiting_workflow(3, outputs={"pr-url": None}), [signal(outputs={"pr-url": "{{x}}"})])
    assert codes(status(unsafe)) == ["unsafe-output"]


def test_two_running_workflows_of_one_task() -> None:
    finished = waiting_workflow(3, None, name="done")
    first, second = waiting_workflow(3, name="first"), waiting_workflow(3, name="second")
    marked = mark_twins(map(status, [first, second, waiting_workflow(4), finished]), RULES)
    assert [codes(each) for each in marked] == [["several-workflows"], ["several-workflows"], [], []]
    assert "has the same task: second." in marked[0].problems[0].sentence


def test_the_name_of_the_rules_goes_before_what_others_call_themselves() -> None:
    marked = mark_twins(map(status, [waiting_workflow(3), waiting_workflow(3, name="again")]), RULES)
    assert [codes(each) for each in marked] == [[], ["shadowed"]]
    assert "go to play-task-3-workflow, which has the name" in marked[1].problems[0].sentence


def test_a_finished_workflow_has_no_problems() -> None:
    done = waiting_workflow(3, None)
    done["spec"]["suspend"] = True
    assert (status(done).finished, status(done).problems) == (True, ())


def test_a_copy_counts_what_was_used_on_the_original() -> None:
    copy = remembering(waiting_workflow(3), [signal()], [use("node-of-the-original")], uid="another")
    assert signals(status(copy)) == [("wait-pr-approved", "used", "used-on-original")]
    assert status(copy).bound is None


def test_every_problem_says_what_to_do() -> None:
    workflow = status(waiting_workflow(3))
    names = "annotation event gate hint label named node nodes output selector shutdown value why workflows"
    data = dict.fromkeys(names.split(), "x")
    for code in PROBLEMS:
        told = advice_for_problem(Problem(code, data), workflow, RULES)
        if code in ("offloaded", "workflow-unreadable"):  # its sentence says it
            assert told == (None, None)
            continue
        assert told.remedy
        assert told.remedy.endswith((".", ":"))
        assert told.run or not told.remedy.endswith(":")
        assert "None" not in f"{told.remedy} {told.run or ''}"

"""Workflow and rules -> card."""

from __future__ import annotations

import pytest

from func.board.view import FINISHED, OTHER, UNDER_WAY, Card, Names, card_of
from func.core.gates_file import parse_rules
from func.core.rules import Rules
from func.service.settings import BUILT_IN_RULES
from tests.board.workflows import approved_workflow, key, remembering
from tests.recorded_workflows import Workflow, compressed, gate_node, like, recorded, waiting_workflow

RULES: Rules = parse_rules(BUILT_IN_RULES.read_text(encoding="utf-8"), "gates.yaml")


def card(workflow: Workflow, names: Names | None = None) -> Card:
    return card_of(workflow, RULES, names or Names())


def test_a_task_stands_in_the_column_of_its_gate() -> None:
    shown = card(waiting_workflow(3, "wait-pr-approved", agent="5DLabs-Rex"))
    assert (shown.task, shown.repository, shown.agent) == ("3", "5dlabs-cto", "5DLabs-Rex")
    assert (shown.column, shown.gates, shown.since) == (
        "wait-pr-approved",
        ("wait-pr-approved",),
        "2026-11-22T10:19:55Z",
    )
    assert (shown.pull, shown.keys, shown.problem, shown.paused) == (None, (), None, False)


def test_packed_nodes_are_read_too() -> None:
    workflow = waiting_workflow(3, "wait-pr-merged")
    assert card(compressed(workflow)) == card(workflow)


def test_of_two_gates_the_earlier_of_the_pipeline_is_the_column() -> None:
    workflow = waiting_workflow(3, "wait-pr-merged")
    gate_node(workflow, "wait-ready-for-qa").update(phase="Running", finishedAt=None)
    assert card(workflow).column == "wait-ready-for-qa"
    assert card(workflow).gates == ("wait-ready-for-qa", "wait-pr-merged")


def test_a_gate_in_no_rule_has_a_column_of_its_own() -> None:
    shown = card(waiting_workflow(3, "wait-budget", gates=("wait-budget",)))
    assert (shown.column, shown.gates) == (OTHER, ("wait-budget",))


def test_under_way_since_its_last_gate_opened() -> None:
    workflow = waiting_workflow(3, "wait-pr-approved")
    gate_node(workflow, "wait-pr-approved").update(phase="Succeeded", finishedAt="2026-11-22T11:00:00Z")
    assert (card(workflow).column, card(workflow).since) == (UNDER_WAY, "2026-11-22T11:00:00Z")
    fresh = waiting_workflow(3)
    fresh["status"] = {}
    assert (card(fresh).column, card(fresh).since) == (UNDER_WAY, fresh["metadata"]["creationTimestamp"])


def test_a_finished_one() -> None:
    shown = card(waiting_workflow(3, None))
    assert (shown.column, shown.phase, shown.gates) == (FINISHED, "Succeeded", ())
    assert shown.since == "2026-11-22T10:19:57Z"
    assert [(one.what, one.why) for one in shown.happened[:1]] == [("finished", "Succeeded")]


def test_the_label_for_the_agent_comes_before_the_argument() -> None:
    workflow = waiting_workflow(3, agent="5DLabs-Rex")
    workflow["metadata"]["labels"]["agent"] = "blaze"
    assert card(workflow).agent == "5DLabs-Rex"
    assert card(workflow, Names(agent="agent")).agent == "blaze"
    assert card(workflow, Names(agent="nothing")).agent is None


def test_which_gate_was_opened_by_whom_by_which_event_and_when() -> None:
    newest, *others = card(approved_workflow()).happened
    assert (newest.what, newest.gate, newest.at) == ("opened", "wait-pr-approved", "2026-11-22T10:19:56Z")
    assert (newest.person, newest.name, newest.event) == (
        "5DLabs-Tess[bot]",
        "pull_request_review.submitted",
        "d-1",
    )
    assert newest.pull
    assert newest.pull.url == "https://github.com/5dlabs/cto/pull/123"
    assert [(one.gate, one.why) for one in others] == [
        ("wait-ready-for-qa", "by hand or by its own duration"),
        ("wait-pr-created", "by hand or by its own duration"),
    ]


def test_a_gate_that_was_set_by_somebody_shows_their_message() -> None:
    workflow = waiting_workflow(3, "wait-pr-merged")
    gate_node(workflow, "wait-pr-approved")["message"] = "opened by ops"
    by_hand = key("used", node=gate_node(workflow, "wait-pr-created")["id"], why="the gate was opened by hand")
    last, _, first = card(remembering(workflow, {"wait-pr-created": by_hand})).happened
    assert (last.gate, last.why, last.person) == ("wait-pr-approved", "opened by ops", None)
    assert (first.gate, first.person) == ("wait-pr-created", None)


def test_keys_that_wait_or_were_withdrawn_and_why() -> None:
    note = {"event": "d-2", "happened": "2026-11-22T10:40:00Z", "pull_request": "5dlabs/cto#123"}
    keys = {
        "wait-pr-approved": key("withdrawn", why="taken back by event d-2", notes=[note]),
        "wait-pr-merged": key("waiting", event="d-3", written="2026-11-22T10:50:00Z"),
        "wait-ready-for-qa": key("withdrawn", written=None),  # a withdrawal that came before any key
    }
    shown = card(remembering(waiting_workflow(3, "wait-pr-created"), keys))
    assert [(each.gate, each.state, each.why) for each in shown.keys] == [
        ("wait-pr-approved", "withdrawn", "taken back by event d-2"),
        ("wait-pr-merged", "waiting", None),
    ]
    assert [(one.at[11:16], one.what, one.gate) for one in shown.happened] == [
        ("10:50", "waits", "wait-pr-merged"),
        ("10:40", "withdrawn", "wait-pr-approved"),
        ("10:30", "waits", "wait-pr-approved"),
    ]
    assert [each.until for each in shown.keys] == [None, "2026-11-29T10:50:00Z"]
    assert shown.pull  # of its keys, while it belongs to none
    assert shown.pull.name == "5dlabs/cto#123"


def test_a_pull_request_that_was_closed_and_what_became_of_its_key() -> None:
    why = "5dlabs/cto#123 was closed unmerged"
    closed = {"pull_request": "5dlabs/cto#123", "happened": "2026-11-22T11:00:00Z"}
    workflow = waiting_workflow(3, "wait-pr-created")
    shown = card(remembering(workflow, {"wait-pr-approved": key("withdrawn", why=why)}, closed=closed))
    assert [(one.at[11:16], one.what, one.gate, one.why) for one in shown.happened] == [
        ("11:00", "closed", None, None),
        ("10:30", "waits", "wait-pr-approved", f"withdrawn since, {why}"),
    ]
    assert shown.happened[0].pull
    assert shown.happened[0].pull.url == "https://github.com/5dlabs/cto/pull/123"


@pytest.mark.parametrize(
    "name", ["javascript:alert(1)", "5dlabs/cto", "a/b#1/../..", "5dlabs/cto#1?x", "//evil.example#1"]
)
def test_only_a_pull_request_is_a_link(name: str) -> None:
    shown = card(remembering(waiting_workflow(3), {}, pull_request=name))
    assert shown.pull
    assert (shown.pull.name, shown.pull.url) == (name, None)


def test_links_lead_to_the_github_of_the_deployment() -> None:
    shown = card(approved_workflow(), Names(github="https://github.example.com"))
    assert shown.pull
    assert shown.pull.url == "https://github.example.com/5dlabs/cto/pull/123"


def test_what_cannot_be_read_is_told() -> None:
    broken = waiting_workflow(3)
    broken["metadata"]["annotations"]["taskgate.dev/state"] = "{"
    assert "it is not JSON" in str(card(broken).problem)
    assert card(broken).column == "wait-pr-approved"
    odd = waiting_workflow(3)
    odd["status"]["nodes"] = []
    assert "status.nodes is no object" in str(card(odd).problem)
    assert "offloaded" in str(card(recorded("offloaded-nodes")).problem)
    assert card({}).column == UNDER_WAY
    assert card({"metadata": {"labels": {"task-id": 3}}, "status": [], "spec": 1}).task is None


def test_a_workflow_that_a_person_suspended_says_so() -> None:
    assert card(recorded("workflow-suspended-too")).paused
    assert not card(like("dag-parallel-gates")).paused

"""Workflow and rules -> card."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from func.board.view import FINISHED, OTHER, UNDER_WAY, Card, Names, card_of
from func.core.gates_file import parse_rules
from func.core.rules import Rules
from func.service.settings import BUILT_IN_RULES
from tests.recorded_workflows import Workflow, compressed, gate_node, recorded, waiting_workflow
from tests.remembering import approved_workflow, merge, push, remembering, signal, use

RULES: Rules = parse_rules(BUILT_IN_RULES.read_text(encoding="utf-8"), "gates.yaml")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def card(workflow: Workflow, names: Names | None = None, now: datetime = NOW) -> Card:
    return card_of(workflow, RULES, names or Names(), now)


def test_a_task_stands_in_the_column_of_its_gate() -> None:
    shown = card(waiting_workflow(3, "wait-pr-approved", agent="5DLabs-Rex"))
    assert (shown.task, shown.repository, shown.agent) == ("3", "5dlabs-cto", "5DLabs-Rex")
    assert (shown.column, shown.gates, shown.since) == (
        "wait-pr-approved",
        ("wait-pr-approved",),
        "2026-11-22T10:19:55Z",
    )
    assert (shown.pull, shown.signals, shown.problems) == (None, (), ())


def test_its_page_in_argo_is_an_address_whatever_its_name_is() -> None:
    workflow = waiting_workflow(3)
    assert card(workflow).argo is None
    argo = Names(argo="https://argo.example.com")
    assert card(workflow, argo).argo == "https://argo.example.com/workflows/agent-platform/play-task-3-workflow"
    workflow["metadata"] |= {"namespace": "a/../b", "name": "x?y#z <i>"}
    assert card(workflow, argo).argo == "https://argo.example.com/workflows/a%2F..%2Fb/x%3Fy%23z%20%3Ci%3E"


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
    assert (shown.column, shown.gates, shown.problems) == (
        OTHER,
        ("wait-budget",),
        ("No rule moves gate wait-budget.",),
    )


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
        ("wait-ready-for-qa", "manually or by its timeout"),
        ("wait-pr-created", "manually or by its timeout"),
    ]
    assert card(approved_workflow()).pull == newest.pull


def test_a_gate_that_failed() -> None:
    workflow = waiting_workflow(3, "wait-pr-merged")
    node = gate_node(workflow, "wait-pr-approved")
    node["phase"] = "Failed"
    used = use(node["id"], started=node["startedAt"], how="fail")
    first, *_ = card(remembering(workflow, [signal(verdict="changes_requested")], [used])).happened
    assert (first.what, first.gate, first.person) == ("failed", "wait-pr-approved", "5DLabs-Tess[bot]")


def test_a_gate_that_was_set_by_somebody_shows_their_message() -> None:
    workflow = waiting_workflow(3, "wait-pr-merged")
    gate_node(workflow, "wait-pr-approved")["message"] = "opened by ops"
    node = gate_node(workflow, "wait-pr-created")
    by_hand = use(node["id"], gate="wait-pr-created", started=node["startedAt"], by_hand=True)
    opened = signal("pull_request.opened", gate="wait-pr-created")
    happened = card(remembering(workflow, [opened], [by_hand])).happened
    assert [(one.gate, one.why, one.person) for one in happened if one.at < "2026-11-22T10:20"] == [
        ("wait-pr-approved", "opened by ops", None),
        ("wait-ready-for-qa", "manually or by its timeout", None),
        ("wait-pr-created", "manually or by its timeout", None),
    ]


def test_signals_that_wait_or_were_revoked_and_why() -> None:
    signals = [signal(), push(), merge(id="d-3", written="2026-11-22T10:50:00Z", happened="2026-11-22T10:45:00Z")]
    shown = card(remembering(waiting_workflow(3, "wait-pr-created"), signals))
    assert [(each["gate"], each["state"], each["code"]) for each in shown.signals] == [
        ("wait-pr-approved", "rejected", "revoked"),
        ("wait-pr-merged", "waits", "not-reached"),
    ]
    assert "revoked by pull_request.synchronize" in (shown.signals[0]["reason"] or "")
    assert [(one.at[11:16], one.what, one.gate, one.code) for one in shown.happened] == [
        ("10:50", "waits", "wait-pr-merged", None),
        ("10:40", "rejected", "wait-pr-approved", "revoked"),
        ("10:30", "waits", "wait-pr-approved", None),
    ]
    assert [each["expires"] for each in shown.signals] == [None, "2026-11-29T10:50:00Z"]
    assert shown.pull  # of its signals, while it belongs to none
    assert shown.pull.name == "5dlabs/cto#123"


def test_a_signal_expires() -> None:
    waits = remembering(waiting_workflow(3, "wait-pr-created"), [signal()])
    assert [each["code"] for each in card(waits).signals] == ["not-reached"]
    assert [each["code"] for each in card(waits, now=NOW.replace(day=30)).signals] == ["expired"]


@pytest.mark.parametrize("gone", ["closed", "left", "merged"])
def test_a_pull_request_that_is_gone(gone: str) -> None:
    closed = signal("pull_request.closed", id="d-2", gate=None, gone=gone, happened="2026-11-22T11:00:00Z")
    shown = card(remembering(waiting_workflow(3, "wait-pr-created"), [signal(), closed]))
    newest = shown.happened[0]
    assert (newest.at[11:16], newest.what, newest.gate) == ("11:00", gone, None)
    assert newest.pull
    assert newest.pull.url == "https://github.com/5dlabs/cto/pull/123"
    codes = [each["code"] for each in shown.signals]
    assert codes == (["not-reached"] if gone == "merged" else ["pull-request-gone"])


@pytest.mark.parametrize(
    "name", ["javascript:alert(1)", "5dlabs/cto", "a/b#1/../..", "5dlabs/cto#1?x", "//evil.example#1"]
)
def test_only_a_pull_request_is_a_link(name: str) -> None:
    shown = card(remembering(waiting_workflow(3), [signal(pull_request=name)]))
    assert shown.pull
    assert (shown.pull.name, shown.pull.url) == (name, None)


def test_links_lead_to_the_github_of_the_deployment() -> None:
    shown = card(approved_workflow(), Names(github="https://github.example.com"))
    assert shown.pull
    assert shown.pull.url == "https://github.example.com/5dlabs/cto/pull/123"


def test_what_cannot_be_read_is_told() -> None:
    broken = waiting_workflow(3)
    broken["metadata"]["annotations"]["taskgate.dev/state"] = "{"
    assert "not JSON" in str(card(broken).problems)
    assert card(broken).column == "wait-pr-approved"
    odd = waiting_workflow(3)
    odd["status"]["nodes"] = []
    assert "status.nodes is not an object" in str(card(odd).problems)
    assert "stored in a database" in str(card(recorded("offloaded-nodes")).problems)
    assert card({}).column == UNDER_WAY
    assert card({"metadata": {"labels": {"task-id": 3}}, "status": [], "spec": 1}).task is None


def test_a_workflow_that_a_person_suspended_or_stops_says_so() -> None:
    assert "A person suspended it" in str(card(recorded("workflow-suspended-too")).problems)
    assert card(waiting_workflow(3)).problems == ()
    stopping = waiting_workflow(3)
    stopping["spec"]["shutdown"] = "Terminate"
    assert "being stopped (Terminate)" in str(card(stopping).problems)

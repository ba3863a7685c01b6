"""Rejections that few events meet, each by its code."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import yaml

from func.core.events import read_event
from func.core.gates_file import parse_rules
from func.core.intents import plan_event
from func.core.outcomes import EventRef
from func.core.releases import decide_release
from func.core.rules import Rules
from func.core.signals import STATE_ANNOTATION, read_state
from func.core.status import read_status
from func.core.workflows import read_workflow
from func.service.settings import read_rules
from tests import payloads
from tests.core.bench import Bench, at, named
from tests.recorded_workflows import waiting_workflow
from tests.remembering import APPROVED, PULL_REQUEST, merge, remembering, signal, use

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def rules(**rule: Any) -> Rules:  # noqa: ANN401  any YAML
    whole = {
        "workflows": {"namespace": "a", "selector": "b=c", "labels": {"task": "task-id"}},
        "task": {"label": "task-([0-9]+)", "branch": "task-([0-9]+)-.*"},
        "gates": {"gate": {"by": "anyone", **rule}},
    }
    return parse_rules(yaml.safe_dump(whole), "gates.yaml")


def rejected(kind: str, payload: dict[str, Any], given: Rules) -> tuple[str, str]:
    event = read_event(EventRef("d-1", f"com.github.{kind}", "s"), None, payload, given, NOW)
    verdict = plan_event(event, given).verdict
    assert verdict
    return verdict.code, verdict.sentence


def test_a_branch_of_which_nobody_says_whose_it_is() -> None:
    payload = {
        "action": "completed",
        "repository": {"full_name": "5dlabs/cto"},
        "sender": {"login": "octocat", "id": 1},
        "workflow_job": {"head_branch": "task-3-x", "head_sha": "c1", "completed_at": "2026-11-22T11:00:00Z"},
    }
    code, sentence = rejected("workflow_job", payload, rules(event="workflow_job.completed"))
    assert (code, "may be a fork's" in sentence) == ("unknown-head", True)
    given = rules(event="workflow_job.completed", forks=True)
    event = read_event(EventRef("d-1", "com.github.workflow_job", "s"), None, payload, given, NOW)
    assert plan_event(event, given).verdict is None


def test_a_run_of_a_fork_is_said_to_be_one() -> None:
    payload = {
        "action": "completed",
        "repository": {"full_name": "5dlabs/cto"},
        "sender": {"login": "octocat", "id": 1},
        "workflow_run": {"head_branch": "task-3-x", "head_repository": {"full_name": "x/cto"}, "pull_requests": []},
    }
    code, sentence = rejected("workflow_run", payload, rules(event="workflow_run.completed"))
    assert (code, "The head of workflow_run.completed is in another repository" in sentence) == ("fork", True)


def test_an_author_whose_account_was_deleted() -> None:
    payload = payloads.labeled("ok")
    payload["pull_request"]["user"] = None
    given = rules(event="pull_request.labeled", label="ok", **{"not-author": True})
    code, sentence = rejected("pull_request", payload, given)
    assert (code, "does not name the pull request's author" in sentence) == ("no-author", True)


def test_a_signal_of_before_what_was_forgotten() -> None:
    raw = remembering(waiting_workflow(3), [signal()])
    annotations = raw["metadata"]["annotations"]
    state = json.loads(annotations["taskgate.dev/state"]) | {"forgotten": {PULL_REQUEST: "2026-11-22T11:00:00Z"}}
    annotations["taskgate.dev/state"] = json.dumps(state)
    workflow = read_workflow(raw)
    assert read_state(workflow).forgotten
    (found,) = read_status(workflow, read_rules(None), NOW).signals
    assert (found.state, found.code) == ("rejected", "forgotten")


def test_a_claim_can_be_finished_however_many_signals_came_after_it() -> None:
    raw = waiting_workflow(3)
    (node,) = (each for each in raw["status"]["nodes"].values() if each["displayName"] == APPROVED)
    claim = use(node["id"], started=node["startedAt"], claimed=True)
    later = [signal(id=f"d-{number}", review=number, person=f"reviewer-{number}") for number in range(100, 200)]
    workflow = read_workflow(remembering(raw, [signal(), *later], [claim]))._replace(stored="offloaded")
    for _ in range(2):  # Argo Server did not answer the first time
        decision = decide_release(workflow, read_rules(None), NOW)
        assert (decision.outcome, decision.move is not None) == ("opened", True)
        assert decision.state
        assert len(decision.state.signals) <= 64
        workflow = workflow._replace(annotations={STATE_ANNOTATION: decision.state.text()})


def test_a_claim_whose_node_is_not_there_yet_holds_up_no_other_gate() -> None:
    claim = use("a-node-to-come", id="d-9", gate="wait-pr-merged", claimed=True)
    raw = remembering(waiting_workflow(3), [signal(), merge(id="d-9")], [claim])
    bench = Bench(raw)
    unavailable = bench.deliver(named(payloads.closed(), "d-9"))
    assert (unavailable.code, unavailable.node) == ("claim-pending", "a-node-to-come")
    assert (bench.release().gate, bench.is_parked) == (APPROVED, True)
    assert bench.release().code == "nothing-to-release"


def test_a_claim_whose_node_is_not_there_yet_holds_up_no_other_claim() -> None:
    raw = waiting_workflow(3)
    (node,) = (each for each in raw["status"]["nodes"].values() if each["displayName"] == APPROVED)
    to_come = use("a-node-to-come", id="d-9", gate="wait-pr-merged", claimed=True)
    claim = use(node["id"], started=node["startedAt"], claimed=True)
    bench = Bench(remembering(raw, [signal(), merge(id="d-9")], [to_come, claim]))
    assert bench.deliver(named(payloads.synchronize(happened=at(0)), "push")).outcome == "withdrawn"
    assert [each["id"] for each in bench.state["used"]] == ["d-9"]

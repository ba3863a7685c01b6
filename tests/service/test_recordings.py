"""A gate that an event opens is left as Argo itself leaves it: compared with recordings of the real controller."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.payloads import Payload, approved, closed, cloudevent_structured, opened
from tests.recorded_workflows import Workflow, nodes_of, recorded
from tests.service.site import Site, with_gates

STATE = "taskgate.dev/state"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

WAIT_EVENT = with_gates(
    "  wait-event:\n"
    "  - {event: pull_request.opened, by: anyone, inputs: {event: pr-created}}\n"
    "  - {event: pull_request_review.submitted, review: approved, by: reviewers, inputs: {event: pr-approved}}"
)
LOOP = with_gates(
    "  wait-approval: {event: pull_request_review.submitted, review: approved, by: reviewers, inputs: {event: qa}}"
)
SHORT_NAMES = with_gates(
    "  wait-pr-created: {event: pull_request.opened, by: anyone}\n"
    "  wait-pr-approved: {event: pull_request_review.submitted, review: approved, by: [reviewers, tess]}"
).replace("people:", "people:\n  tess: [tess]")


def comparable(workflow: Workflow) -> dict[str, Any]:
    """A Workflow without what every write changes, without our annotation, messages and the time of the opening."""
    workflow = copy.deepcopy(workflow)
    metadata, status = workflow["metadata"], workflow["status"]
    for name in ("generation", "resourceVersion", "managedFields"):
        metadata.pop(name, None)
    metadata.get("annotations", {}).pop(STATE, None)
    nodes = nodes_of(workflow)
    status.pop("compressedNodes", None)
    for node in nodes.values():
        if node["type"] == "Suspend":
            node.pop("message", None)
            if node.get("finishedAt"):
                assert _TIME.fullmatch(node["finishedAt"])
                node["finishedAt"] = "then"
    status["nodes"] = nodes
    return workflow


def event(workflow: Workflow, payload: Callable[..., Payload], **facts: Any) -> Payload:  # noqa: ANN401
    """A payload that names the Workflow's task."""
    return payload(task=workflow["metadata"]["labels"]["task-id"], **facts)


@pytest.mark.parametrize(
    ("situation", "controller", "payload", "rules"),
    [
        ("steps-first-gate", "argo-recordings", opened, None),
        ("dag-parallel-gates", "argo-recordings", approved, None),
        ("dag-parallel-gates", "argo-recordings-v3.7.9", approved, None),
        ("gate-with-inputs", "argo-recordings", approved, WAIT_EVENT),
        ("duration-gate", "argo-recordings", approved, None),
        ("generated-name", "argo-recordings", approved, None),
        ("compressed-nodes", "argo-recordings", approved, None),
        ("workflow-suspended-too", "argo-recordings", approved, None),
        ("retried-gate", "argo-recordings", approved, None),
        ("retried-gate-second-attempt", "argo-recordings", approved, None),
        ("retried-by-default", "argo-recordings", approved, None),
        ("loop-on-gate", "argo-recordings", approved, LOOP),
    ],
)
def test_a_gate_is_opened_as_argo_resume_does_it(
    make_site: Callable[..., Site],
    situation: str,
    controller: str,
    payload: Callable[..., Payload],
    rules: str | None,
) -> None:
    waiting, resumed = (recorded(situation, state, controller) for state in ("waiting", "resumed"))
    site = make_site(rules)
    site.load(waiting)
    site.function._pipeline.clock = lambda: _later(waiting)

    reply = site.send(cloudevent_structured(event(waiting, payload, happened=_later(waiting))))

    assert reply.outcome == "opened", reply.reason
    written = site.workflow(waiting["metadata"]["name"])
    if situation == "workflow-suspended-too":
        assert written["spec"].pop("suspend") is True  # a person paused it, that is not ours to undo
    assert comparable(written) == comparable(resumed)
    assert written["metadata"]["generation"] == waiting["metadata"]["generation"] + 1
    assert ("compressedNodes" in written["status"]) == ("compressedNodes" in resumed["status"])
    node = nodes_of(written)[reply.data["node"]]
    assert "5DLabs-" in node["message"]
    assert reply.data["event"]["id"] in node["message"]


@pytest.mark.parametrize(
    ("situation", "gate", "outputs"),
    [
        ("failed-continue", None, ""),
        ("failed-steps", None, ""),
        ("failed-steps-minimal-crd", None, ""),
        ("failed-supplied", None, ""),
        ("failed-supplied-set", None, ", outputs: {pr-number: '{pull_request.number}'}"),
    ],
)
def test_a_gate_fails_as_argo_node_set_does_it(
    make_site: Callable[..., Site], situation: str, gate: str | None, outputs: str
) -> None:
    waiting, failed = (recorded(situation, state) for state in ("waiting", "failed"))
    (node,) = [n for n in nodes_of(waiting).values() if n["type"] == "Suspend" and n["phase"] == "Running"]
    gate = gate or node["displayName"]
    site = make_site(
        with_gates(f"  {gate}: {{event: pull_request.closed, merged: false, by: anyone, then: fail{outputs}}}")
    )
    site.load(waiting)
    site.function._pipeline.clock = lambda: _later(waiting)
    payload = event(waiting, closed, merged=False, happened=_later(waiting))
    reply = site.send(cloudevent_structured(payload))
    assert (reply.outcome, reply.data["gate"]) == ("failed", gate)
    assert comparable(site.workflow(waiting["metadata"]["name"])) == comparable(failed)


@pytest.mark.parametrize(
    ("situation", "payload"), [("steps-supplied-outputs", approved), ("steps-supplied-required", opened)]
)
def test_supplied_outputs_get_their_values_as_argo_node_set_does_it(
    make_site: Callable[..., Site], situation: str, payload: Callable[..., Payload]
) -> None:
    waiting, resumed = (recorded(f"{situation}-set", state) for state in ("waiting", "resumed"))
    site = make_site(SHORT_NAMES)
    site.load(waiting)
    facts = {"number": 123} | ({"by": "tess"} if payload is approved else {})
    reply = site.send(cloudevent_structured(event(waiting, payload, happened=_later(waiting), **facts)))
    assert reply.outcome == "opened"
    assert comparable(site.workflow(waiting["metadata"]["name"])) == comparable(resumed)


def test_a_supplied_output_that_nothing_gives_takes_its_default(make_site: Callable[..., Site]) -> None:
    site = make_site(with_gates("  wait-pr-approved: {event: pull_request.opened, by: anyone}").split("\noutputs:")[0])
    waiting = recorded("steps-supplied-outputs")
    site.load(waiting)
    assert site.send(cloudevent_structured(event(waiting, opened))).outcome == "opened"
    (node,) = [node for node in nodes_of(site.workflow("play-task-4-workflow")).values() if node["type"] == "Suspend"]
    assert node["outputs"]["parameters"] == [{"name": "pr-number", "value": "0"}, {"name": "approver", "value": ""}]


def test_a_required_output_that_nothing_gives_leaves_the_gate_closed(make_site: Callable[..., Site]) -> None:
    site = make_site(with_gates("  wait-pr-created: {event: pull_request.opened, by: anyone}").split("\noutputs:")[0])
    waiting = recorded("steps-supplied-required")
    site.load(waiting)
    with site.unchanged():
        reply = site.send(cloudevent_structured(event(waiting, opened)))
    assert reply.outcome == "incomplete"
    assert "pr-number" in reply.reason


def test_two_nodes_that_wait_at_the_same_gate_are_ambiguous(site: Site) -> None:
    waiting = recorded("same-gate-twice")
    site.load(waiting)
    with site.unchanged():
        reply = site.send(cloudevent_structured(event(waiting, approved)))
    assert reply.outcome == "ambiguous"
    for node in waiting["status"]["nodes"].values():
        if node["type"] == "Suspend":
            assert node["id"] in reply.reason


def test_offloaded_nodes_without_argo_server_are_left_alone(site: Site) -> None:
    waiting = recorded("offloaded-nodes")
    site.load(waiting)
    with site.unchanged():
        reply = site.send(cloudevent_structured(event(waiting, approved, happened=_later(waiting))))
    assert reply.outcome == "unavailable"
    assert "ARGO_SERVER" in reply.reason


def test_an_output_with_a_global_name_is_published_to_the_whole_workflow(site: Site) -> None:
    waiting = recorded("steps-supplied-outputs")
    (node,) = [node for node in waiting["status"]["nodes"].values() if node["type"] == "Suspend"]
    node["outputs"]["parameters"][0]["globalName"] = "pr"
    waiting["status"]["outputs"] = {"parameters": [{"name": "other", "value": "x"}, {"name": "pr", "value": "old"}]}
    site.load(waiting)
    assert site.send(cloudevent_structured(event(waiting, approved, number=77))).outcome == "opened"
    written = site.workflow("play-task-4-workflow")
    assert {"name": "pr", "value": "77"} in written["status"]["outputs"]["parameters"]
    assert {"name": "other", "value": "x"} in written["status"]["outputs"]["parameters"]
    assert len(written["status"]["outputs"]["parameters"]) == 2
    given = nodes_of(written)[node["id"]]["outputs"]["parameters"][0]
    assert given == {"name": "pr-number", "globalName": "pr", "value": "77"}


def _later(workflow: Workflow) -> datetime:
    return datetime.fromisoformat(workflow["metadata"]["creationTimestamp"]) + timedelta(minutes=1)

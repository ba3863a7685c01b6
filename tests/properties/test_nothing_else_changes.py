"""Random fleets, rules and events: only the Workflow that an event names ever changes, and one gate of it at most."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from func.core.decisions import decide
from func.core.field_types import slug
from func.core.intents import Intent
from func.core.moves import Decision
from func.core.reasons import Rejection
from func.core.releases import decide_release
from func.core.rules import Rules
from func.core.workflows import read_workflow
from func.devcluster import jsonpatch
from tests.core.bench import NOW, PARKED, STATE, built_in, patch_of, patched, plan_of, rules_with
from tests.payloads import (
    CLEO,
    HAPPENED,
    HEAD,
    PUSHED,
    REX,
    TESS,
    Payload,
    Request,
    approved,
    changes_requested,
    closed,
    cloudevent_structured,
    dismissed,
    labeled,
    opened,
    synchronize,
    unlabeled,
)
from tests.recorded_workflows import CREATED, PIPELINE, Workflow, compressed, gate_node, nodes_of, waiting_workflow

PROFILE = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)
# A fleet that fails is shown whole, however large it is.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
# Most is about one task, so that much happens to it.
REPOSITORIES = ("5dlabs/cto", "5dlabs/cto", "5dlabs/cto", "5dlabs/other", "5dlabs-cto/x")
TASKS = (3, 3, 3, 1, 2)
LOOSE = rules_with(
    "  wait-pr-created: {event: [pull_request.opened, pull_request.labeled], by: anyone, forks: true, rounds: true}\n"
    "  wait-ready-for-qa: {event: pull_request.labeled, label: 'ready*', by: anyone, early: refuse}\n"
    "  wait-pr-approved:\n"
    "  - {event: pull_request_review.submitted, review: changes_requested, by: anyone, then: fail}\n"
    "  - {event: pull_request_review.submitted, by: anyone,\n"
    "     withdraw: [{event: [pull_request.synchronize, pull_request_review.dismissed]}]}\n"
    "  wait-pr-merged:\n"
    "  - {event: pull_request.closed, by: anyone, inputs: {event: merged}}\n"
    "  - {event: pull_request.synchronize, by: anyone, then: fail}"
)
RULES: tuple[Rules, ...] = (
    built_in(),
    LOOSE,
    LOOSE.model_copy(update={"workflows": LOOSE.workflows.model_copy(update={"one_pull_request": False})}),
)


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """A Workflow of some task, in some stage, finished or not, with or without what makes it a candidate."""
    gate = draw(st.sampled_from([*PIPELINE, "wait-pr-approved", None]))
    workflow = waiting_workflow(
        draw(st.sampled_from(TASKS)),
        gate,
        repository=slug(draw(st.sampled_from(REPOSITORIES))),
        name=f"play-{draw(st.integers(0, 10**6))}",
        created=CREATED + timedelta(minutes=draw(st.sampled_from([0, 0, 0, 0, 39, 60]))),
        outputs=draw(st.sampled_from([None, {"pr-number": None}, {"approver": "x"}, {"unknown": None}]))
        if gate
        else None,
    )
    labels = workflow["metadata"]["labels"]
    if draw(st.integers(0, 9)) == 0:
        labels["workflow-type"] = "other"
    if draw(st.integers(0, 9)) == 0:
        del workflow["metadata"]["annotations"]
    if draw(st.integers(0, 4)) == 0:
        workflow = compressed(workflow)
    return workflow


@st.composite
def payloads(draw: st.DrawFn) -> Payload:
    """An event of some pull request."""
    make = draw(
        st.sampled_from(
            [
                opened,
                approved,
                approved,
                approved,
                changes_requested,
                closed,
                dismissed,
                labeled,
                synchronize,
                unlabeled,
            ]
        )
    )
    facts: dict[str, Any] = {
        "task": draw(st.sampled_from(TASKS)),
        "number": draw(st.sampled_from([123, 124])),
        "repository": draw(st.sampled_from(REPOSITORIES)),
        "by": draw(st.sampled_from([TESS, TESS, CLEO, REX])),
        "happened": HAPPENED + timedelta(seconds=draw(st.integers(-3, 3))),
        "sha": draw(st.sampled_from([HEAD, PUSHED])),
    }
    if make in (approved, changes_requested, dismissed):
        facts["review_id"] = draw(st.integers(1, 4))
        facts["reviewed"] = draw(st.sampled_from([HEAD, facts["sha"]]))
    if make is closed:
        facts["merged"] = draw(st.booleans())
    if draw(st.integers(0, 9)) == 0:
        facts["head_repository"] = draw(st.sampled_from(["evil/cto", None]))
    payload: Payload = make(**facts)
    return payload


def decided(intent: Intent, rules: Rules, document: Workflow) -> Decision | None:
    """What an event does to a Workflow; None where it is refused or not its own."""
    workflow = read_workflow(document)
    if rules.workflows.disagreement(workflow.labels, intent.task):
        return None
    try:
        return decide(intent, rules, workflow, NOW)
    except Rejection:
        return None


def intents(events: Sequence[Payload | Request], rules: Rules) -> list[Intent]:
    """What the events do to tasks, of those that can be read."""
    found: list[Intent] = []
    for event in events:
        try:
            found += plan_of(event, rules).intents
        except Rejection:
            continue
    return found


def moved_gates(document: Workflow) -> dict[str, str]:
    """The ids of suspend nodes that were opened or failed, with their phases."""
    nodes = nodes_of(document).items()
    return {
        key: node["phase"]
        for key, node in nodes
        if node["type"] == "Suspend" and node["phase"] in ("Succeeded", "Failed")
    }


def check_step(before: Workflow, after: Workflow, decision: Decision) -> None:
    """One write: what changed is one gate at most, our annotation and our label, and nothing else."""
    old, new = moved_gates(before), moved_gates(after)
    assert old.items() <= new.items()
    news = new.keys() - old.keys()
    assert len(news) == (decision.outcome in ("opened", "failed"))
    if news:
        assert news == {decision.node}
        node, was = nodes_of(after)[str(decision.node)], nodes_of(before)[str(decision.node)]
        assert node["phase"] == {"opened": "Succeeded", "failed": "Failed"}[decision.outcome]
        changed = {name for name in node.keys() | was.keys() if node.get(name) != was.get(name)}
        assert changed <= {"phase", "finishedAt", "message", "outputs"}
    left, right = copy.deepcopy(before), copy.deepcopy(after)
    for document in (left, right):
        metadata, status = document["metadata"], document["status"]
        metadata.setdefault("annotations", {}).pop(STATE, None)
        metadata["labels"].pop(PARKED, None)
        status["nodes"] = {key: value for key, value in nodes_of(document).items() if key not in news}
        status.pop("compressedNodes", None)
    assert left == right


@PROFILE
@given(
    st.lists(workflows(), min_size=3, max_size=6), st.lists(payloads(), min_size=5, max_size=10), st.sampled_from(RULES)
)
def test_only_the_workflow_of_the_task_changes_and_one_gate_of_it_at_most(
    fleet: list[Workflow], events: list[Payload], rules: Rules
) -> None:
    used: set[tuple[int, str]] = set()
    for intent in intents(events, rules):
        for position, document in enumerate(fleet):
            decision = decided(intent, rules, document)
            patch = patch_of(document, decision) if decision else []
            if decision is None or not patch:
                continue
            labels = document["metadata"]["labels"]
            assert labels["task-id"] == intent.task.id
            assert labels["repository"] == slug(intent.task.repository or "")
            assert labels["workflow-type"] == "play-orchestration"
            assert labels.get("workflows.argoproj.io/completed") != "true"
            assert (patch[0]["op"], patch[0]["path"]) == ("test", "/metadata/uid")
            changed = patched(document, decision)
            check_step(document, changed, decision)
            if decision.move:
                assert decision.gate in rules.gates
                before = nodes_of(document)[str(decision.node)]
                assert (before["type"], before["phase"]) == ("Suspend", "Running")
                assert before["displayName"] == decision.gate
                assert intent.rule
                event = (position, intent.signal.id)
                assert event not in used, "an event moved two gates"
                used.add(event)
            fleet[position] = changed
            check_release(fleet, position, rules)


def check_release(fleet: list[Workflow], position: int, rules: Rules) -> None:
    """A release of a Workflow changes it in the same way, and settles."""
    for _ in range(5):
        before = fleet[position]
        decision = decide_release(read_workflow(before), rules, NOW)
        if not patch_of(before, decision):
            return
        after = patched(before, decision)
        check_step(before, after, decision)
        fleet[position] = after
    raise AssertionError("a release wakes the next one without end")


def set_phase(document: Workflow) -> None:
    gate_node(document, "wait-pr-approved")["phase"] = "Failed"


def set_type(document: Workflow) -> None:
    gate_node(document, "wait-pr-approved")["type"] = "Pod"


def set_uid(document: Workflow) -> None:
    document["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"


def set_state(document: Workflow) -> None:
    document["metadata"]["annotations"][STATE] = json.dumps({"uid": "x", "signals": []})


def set_outputs(document: Workflow) -> None:
    gate_node(document, "wait-pr-approved")["outputs"] = {"parameters": []}


def remove_node(document: Workflow) -> None:
    del document["status"]["nodes"][gate_node(document, "wait-pr-approved")["id"]]


CHANGES = [set_phase, set_type, set_uid, set_state, set_outputs, remove_node]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("kept", ["nothing", "a state"])
def test_a_patch_is_refused_when_somebody_changed_what_it_relies_on(change: Any, kept: str) -> None:  # noqa: ANN401
    document = waiting_workflow(3, outputs={"pr-number": None})
    rules = built_in()
    if kept == "a state":
        early = decided(plan_of(closed(), rules).intents[0], rules, document)
        assert early
        document = patched(document, early)
    decision = decided(plan_of(approved(), rules).intents[0], rules, document)
    assert decision
    assert patched(document, decision)
    other = copy.deepcopy(document)
    change(other)
    with pytest.raises(jsonpatch.PatchError):
        patched(document, decision, now=other)


def test_a_patch_of_packed_nodes_is_refused_when_they_changed() -> None:
    document = compressed(waiting_workflow(3))
    decision = decided(plan_of(approved(), built_in()).intents[0], built_in(), document)
    assert decision
    other = compressed(waiting_workflow(3, created=CREATED + timedelta(seconds=1)))
    with pytest.raises(jsonpatch.PatchError):
        patched(document, decision, now=other)


@PROFILE
@given(payloads(), workflows(), st.sampled_from(RULES))
def test_deciding_twice_from_the_same_gives_the_same(event: Payload, document: Workflow, rules: Rules) -> None:
    for intent in intents([event], rules):
        assert decided(intent, rules, document) == decided(intent, rules, copy.deepcopy(document))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@PROFILE
@given(st.data(), payloads(), JSON)
def test_any_json_anywhere_in_a_payload_is_an_answer(data: st.DataObject, event: Payload, value: object) -> None:
    """One field, on any level, is replaced by any JSON."""
    headers, body = cloudevent_structured(event)
    place: Any = event
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = value
        break
    body = json.dumps(json.loads(body) | {"data": event}).encode()
    for intent in intents([(headers, body)], built_in()):
        decided(intent, built_in(), waiting_workflow(3))


@PROFILE
@given(JSON)
def test_any_json_in_the_annotation_is_an_answer(value: object) -> None:
    document = waiting_workflow(3)
    document["metadata"]["annotations"][STATE] = json.dumps(value)
    (intent,) = plan_of(approved(), built_in()).intents
    assert decided(intent, built_in(), document) is None

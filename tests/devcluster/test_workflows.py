"""One turn of the controller, against recordings of Argo's own."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from func.devcluster import workflows

RECORDINGS = Path(__file__).parent.parent / "data" / "argo-recordings"
NOW = datetime(2026, 11, 22, 10, 20, 28, tzinfo=UTC)
SUPPORTED = [
    "failed-steps",
    "failed-supplied",
    "gate-with-inputs",
    "generated-name",
    "steps-first-gate",
    "steps-supplied-outputs",
    "steps-supplied-outputs-set",
    "steps-supplied-required",
    "steps-supplied-required-set",
    "workflow-suspended-too",
]
UNSUPPORTED = {
    "compressed-nodes": "its nodes are compressed or in a database",
    "dag-parallel-gates": "its entrypoint is not a list of steps",
    "duration-gate": "suspend of template gate has duration",
    "offloaded-nodes": "its nodes are compressed or in a database",
    "same-gate-twice": "its entrypoint is not a list of steps",
}
GATE = {"name": "gate", "suspend": {}}

Workflow = dict[str, Any]


def recording(name: str, state: str) -> Workflow:
    workflow: Workflow = json.loads((RECORDINGS / name / f"{state}.json").read_text())
    return workflow


def without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: "time" if key.endswith("edAt") and each else without_times(each) for key, each in value.items()}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def comparable(workflow: Workflow) -> object:
    """A Workflow without what the controller here leaves out: see its docstring."""
    metadata = {
        key: value for key, value in workflow["metadata"].items() if key not in ("resourceVersion", "generation")
    }
    left_out = ("progress", "conditions", "artifactGCStatus", "artifactRepositoryRef")
    status = {key: value for key, value in workflow["status"].items() if key not in left_out}
    status["nodes"] = {
        key: {field: each for field, each in node.items() if field != "progress"}
        for key, node in workflow["status"]["nodes"].items()
    }
    return without_times({**workflow, "metadata": metadata, "status": status})


def new(*templates: Workflow, **spec: object) -> Workflow:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "new", "namespace": "n", "uid": "u"},
        "spec": {"entrypoint": "main", "templates": [*templates, GATE], **spec},
    }


def steps(*groups: list[Workflow], **template: object) -> Workflow:
    return {"name": "main", "steps": list(groups), **template}


def gate(name: str, **step: object) -> Workflow:
    return {"name": name, "template": "gate", **step}


def advanced(workflow: Workflow) -> Workflow:
    after = workflows.advance(workflow, NOW)
    assert after is not None
    return after


def opened(workflow: Workflow, *names: str, phase: str = "Succeeded") -> Workflow:
    """The Workflow with these gates opened, or failed, by somebody."""
    changed = {
        key: {**node, "phase": phase, "finishedAt": "2026-11-22T10:20:00Z"} if node["displayName"] in names else node
        for key, node in workflow["status"]["nodes"].items()
    }
    return {**workflow, "status": {**workflow["status"], "nodes": changed}}


def phases(workflow: Workflow) -> dict[str, str]:
    return {node["displayName"]: node["phase"] for node in workflow["status"]["nodes"].values()}


@pytest.mark.parametrize("name", SUPPORTED)
def test_after_a_gate_ended_a_workflow_continues_as_recorded(name: str) -> None:
    ended = recording(name, "failed" if name.startswith("failed") else "resumed")
    expected = recording(name, "advanced")
    before = json.dumps(ended)
    after = workflows.advance(ended, NOW)
    assert json.dumps(ended) == before
    if comparable(ended) == comparable(expected):
        assert after is None
    else:
        assert after is not None
        assert comparable(after) == comparable(expected)


def test_of_the_recordings_of_gates_that_ended_most_continue() -> None:
    moved = [
        name
        for name in SUPPORTED
        if workflows.advance(recording(name, "failed" if name.startswith("failed") else "resumed"), NOW)
    ]
    assert set(SUPPORTED) - set(moved) == {"steps-supplied-required"}


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_workflow_that_waits_stays_as_it_is(name: str) -> None:
    assert workflows.advance(recording(name, "waiting"), NOW) is None


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_workflow_that_is_not_supported_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(workflows.UnsupportedError) as refused:
        workflows.advance(recording(name, "waiting"), NOW)
    assert str(refused.value) == UNSUPPORTED[name]


@pytest.mark.parametrize("name", ["steps-first-gate", "gate-with-inputs", "steps-supplied-outputs", "failed-supplied"])
def test_a_new_workflow_starts_as_recorded(name: str) -> None:
    waiting = recording(name, "waiting")
    unstarted = {key: value for key, value in waiting.items() if key != "status"}
    metadata = dict(waiting["metadata"], annotations={})
    metadata["labels"] = {key: value for key, value in metadata["labels"].items() if "argoproj" not in key}
    unstarted["metadata"] = metadata
    started = advanced(unstarted)
    del waiting["metadata"]["annotations"]["workflows.argoproj.io/trace-id"]
    assert comparable(started) == comparable(waiting)


@pytest.mark.parametrize("name", ["dag-parallel-gates", "same-gate-twice", "steps-first-gate", "gate-with-inputs"])
def test_ids_of_nodes_are_those_of_argo(name: str) -> None:
    workflow = recording(name, "advanced")
    for identifier, node in workflow["status"]["nodes"].items():
        assert workflows.node_id(workflow["metadata"]["name"], node["name"]) == identifier


def test_a_workflow_runs_all_steps_to_its_end() -> None:
    workflow = recording("steps-first-gate", "waiting")
    for name in ("wait-pr-created", "wait-ready-for-qa", "wait-pr-approved"):
        workflow = advanced(opened(workflow, name))
        assert workflow["status"]["phase"] == "Running"
    finished = advanced(opened(workflow, "wait-pr-merged"))
    assert set(phases(finished).values()) == {"Succeeded"}
    assert finished["status"]["phase"] == "Succeeded"
    assert workflows.advance(finished, NOW) is None


def test_gates_of_one_step_run_in_parallel() -> None:
    started = advanced(new(steps([gate("a"), gate("b")], [gate("c")])))
    assert workflows.advance(opened(started, "a"), NOW) is None
    both = advanced(opened(started, "a", "b"))
    assert phases(both)["c"] == "Running"
    (last,) = (node for node in both["status"]["nodes"].values() if node["displayName"] == "[1]")
    parents = [
        node["displayName"] for node in both["status"]["nodes"].values() if last["id"] in node.get("children", ())
    ]
    assert sorted(parents) == ["a", "b"]


def test_a_workflow_waits_for_all_gates_of_a_step_before_it_fails() -> None:
    started = advanced(new(steps([gate("a"), gate("b")], [gate("c")])))
    waiting = workflows.advance(opened(started, "a", phase="Failed"), NOW)
    assert waiting is None or waiting["status"]["phase"] == "Running"
    failed = advanced(opened(opened(started, "a", phase="Failed"), "b"))
    assert failed["status"]["phase"] == "Failed"
    assert failed["metadata"]["labels"]["workflows.argoproj.io/phase"] == "Failed"
    assert "c" not in phases(failed)


def test_a_suspended_workflow_does_not_continue() -> None:
    workflow = recording("workflow-suspended-too", "waiting")
    assert workflow["spec"]["suspend"] is True
    assert workflows.advance(opened(workflow, "wait-pr-approved"), NOW) is None


def test_a_new_workflow_that_is_suspended_starts_without_nodes() -> None:
    started = advanced(new(steps([gate("a")]), suspend=True))
    assert started["status"]["phase"] == "Running"
    assert "nodes" not in started["status"]
    del started["spec"]["suspend"]
    assert phases(advanced(started))["a"] == "Running"


def test_inputs_of_a_gate_are_texts() -> None:
    ask = {
        "name": "ask",
        "suspend": {},
        "inputs": {"parameters": [{"name": "event"}, {"name": "mode", "default": True}]},
        "outputs": {"parameters": [{"name": "who", "valueFrom": {"supplied": {}, "default": "nobody"}}]},
    }
    arguments = {"parameters": [{"name": "event", "value": 7}]}
    started = advanced(new(steps([{"name": "first", "template": "ask", "arguments": arguments}]), ask))
    first = next(node for node in started["status"]["nodes"].values() if node["displayName"] == "first")
    assert [each["value"] for each in first["inputs"]["parameters"]] == ["7", "true"]
    assert first["outputs"] == ask["outputs"]


BOX = {"name": "box", "container": {"image": "alpine"}}
REFERENCE = {"parameters": [{"name": "p", "value": "{{x}}"}]}
ASKS = {"name": "asks", "suspend": {}, "inputs": {"parameters": [{"name": "p"}]}}


@pytest.mark.parametrize(
    ("templates", "spec", "words"),
    [
        ([steps([{"name": "a", "template": "box"}]), BOX], {}, "step a is not a suspend template of this Workflow"),
        ([steps([{"name": "a", "template": "absent"}])], {}, "step a is not a suspend template of this Workflow"),
        ([steps([{"name": "a", "templateRef": {"name": "x"}}])], {}, "step a has templateRef"),
        ([steps([gate("a", when="1 == 1")])], {}, "step a has when"),
        ([steps([gate("a", withItems=[1, 2])])], {}, "step a has withItems"),
        ([steps([{"template": "gate"}])], {}, "that have names"),
        ([steps("not a list")], {}, "that have names"),  # type: ignore[arg-type] # what people write
        ([steps([])], {}, "that have names"),
        ([steps([gate("a")])], {"shutdown": "Stop"}, "spec has shutdown"),
        ([steps([gate("a")])], {"onExit": "gate"}, "spec has onExit"),
        ([steps([gate("a")], inputs={"parameters": [{"name": "x"}]})], {}, "template main has inputs"),
        ([steps([{"name": "a", "template": "asks"}]), ASKS], {}, "inputs.parameters.p was not supplied"),
        (
            [steps([{"name": "a", "template": "asks", "arguments": REFERENCE}]), ASKS],
            {},
            "inputs.parameters.p is {{x}}",
        ),
    ],
)
def test_what_cannot_be_run_is_named(templates: list[Workflow], spec: Workflow, words: str) -> None:
    with pytest.raises(workflows.UnsupportedError, match=re.escape(words)):
        workflows.advance(new(*templates, **spec), NOW)

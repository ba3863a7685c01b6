"""One turn of the controller, against recordings of Argo's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from func.devcluster import nodes, parameters, workflows
from func.devcluster.workflows import Turn

RECORDINGS = Path(__file__).parent.parent / "data" / "argo-recordings"
NOW = datetime(2026, 11, 22, 10, 20, 28, tzinfo=UTC)
ADVANCED = sorted(path.parent.name for path in RECORDINGS.glob("*/advanced.json"))
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
    metadata = {
        key: value for key, value in workflow["metadata"].items() if key not in ("resourceVersion", "generation")
    }
    return without_times({**workflow, "metadata": metadata})


def new(*templates: Workflow, **spec: object) -> Workflow:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "new", "namespace": "n", "uid": "u"},
        "spec": {"entrypoint": "main", "templates": [*templates, GATE], **spec},
    }


def steps(*groups: list[Workflow], **template: object) -> Workflow:
    return {"name": "main", "steps": list(groups), **template}


def dag(*tasks: Workflow, **rest: object) -> Workflow:
    return {"name": "main", "dag": {"tasks": list(tasks), **rest}}


def gate(name: str, **step: object) -> Workflow:
    return {"name": name, "template": "gate", **step}


def advanced(workflow: Workflow, now: datetime = NOW) -> Workflow:
    turn = workflows.advance(workflow, now)
    assert turn.workflow is not None, turn
    return turn.workflow


def opened(workflow: Workflow, *names: str, phase: str = "Succeeded") -> Workflow:
    """The Workflow with these gates opened, or failed, by somebody."""
    changed = {
        key: {**node, "phase": phase, "finishedAt": "2026-11-22T10:20:00Z"} if node["displayName"] in names else node
        for key, node in workflow["status"]["nodes"].items()
    }
    return {**workflow, "status": {**workflow["status"], "nodes": changed}}


def phases(workflow: Workflow) -> dict[str, str]:
    return {node["displayName"]: node["phase"] for node in workflow["status"]["nodes"].values()}


@pytest.mark.parametrize("name", ADVANCED)
def test_after_a_gate_opened_a_workflow_goes_on_as_recorded(name: str) -> None:
    resumed, expected = recording(name, "resumed"), recording(name, "advanced")
    before = json.dumps(resumed)
    turn = workflows.advance(resumed, NOW)
    assert json.dumps(resumed) == before
    assert turn.left_alone == ()
    if comparable(resumed) == comparable(expected):
        assert turn.workflow is None
    else:
        assert turn.workflow is not None
        assert comparable(turn.workflow) == comparable(expected)


def test_the_recordings_show_workflows_that_go_on_and_that_do_not() -> None:
    moved = [name for name in ADVANCED if workflows.advance(recording(name, "resumed"), NOW).workflow]
    assert len(moved) >= 8
    assert set(ADVANCED) - set(moved) >= {"dag-parallel-gates", "compressed-nodes"}


@pytest.mark.parametrize("name", sorted(path.parent.name for path in RECORDINGS.glob("*/waiting.json")))
def test_a_workflow_that_waits_is_left_as_it_is(name: str) -> None:
    turn = workflows.advance(recording(name, "waiting"), NOW)
    assert turn.workflow is None
    assert turn.left_alone == (("its nodes are in a database",) if name == "offloaded-nodes" else ())


@pytest.mark.parametrize("name", ["steps-first-gate", "gate-with-inputs", "steps-supplied-outputs", "same-gate-twice"])
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
        assert nodes.node_id(workflow["metadata"]["name"], node["name"]) == identifier


def test_steps_are_walked_to_the_end() -> None:
    workflow = recording("steps-first-gate", "waiting")
    for name in ("wait-pr-created", "wait-ready-for-qa", "wait-pr-approved"):
        workflow = advanced(opened(workflow, name))
        assert workflow["status"]["phase"] == "Running"
    finished = advanced(opened(workflow, "wait-pr-merged"))
    assert set(phases(finished).values()) == {"Succeeded"}
    assert finished["status"]["phase"] == "Succeeded"
    assert finished["status"]["progress"] == "4/4"
    assert finished["metadata"]["labels"]["workflows.argoproj.io/completed"] == "true"
    assert workflows.advance(finished, NOW) == Turn()


def test_a_join_of_a_dag_waits_for_all() -> None:
    one = opened(recording("dag-parallel-gates", "waiting"), "wait-pr-approved")
    assert workflows.advance(one, NOW).workflow is None
    both = advanced(opened(one, "wait-security-review"))
    found = {node["displayName"]: node for node in both["status"]["nodes"].values()}
    merged = found["wait-pr-merged"]
    assert (merged["phase"], merged["boundaryID"]) == ("Running", "play-task-6-workflow")
    assert found["wait-pr-approved"]["children"] == found["wait-security-review"]["children"] == [merged["id"]]
    finished = advanced(opened(both, "wait-pr-merged"))
    assert finished["status"]["phase"] == "Succeeded"
    assert finished["status"]["nodes"]["play-task-6-workflow"]["outboundNodes"] == [merged["id"]]


def test_depends_on_plain_names_is_read_as_dependencies() -> None:
    started = advanced(new(dag(gate("a"), gate("b"), gate("c", depends="a && b.Succeeded"))))
    assert set(phases(started)) == {"new", "a", "b"}
    assert phases(advanced(opened(started, "a", "b")))["c"] == "Running"


def test_only_what_a_target_needs_is_run() -> None:
    started = advanced(new(dag(gate("a"), gate("b", dependencies=["a"]), gate("c"), target="b")))
    assert set(phases(started)) == {"new", "a"}


def test_packed_nodes_go_on_and_stay_packed() -> None:
    workflow = recording("compressed-nodes", "waiting")
    unpacked = nodes.unpack(workflow["status"]["compressedNodes"])
    done = {
        key: {**node, "phase": "Succeeded"} if node["type"] == "Suspend" else node for key, node in unpacked.items()
    }
    workflow["status"]["compressedNodes"] = nodes.pack(done)
    finished = advanced(workflow)
    assert finished["status"]["phase"] == "Succeeded"
    assert "nodes" not in finished["status"]
    after = nodes.unpack(finished["status"]["compressedNodes"])
    assert {node["phase"] for node in after.values()} == {"Succeeded"}
    assert finished["status"]["progress"] == "61/61"


def test_nodes_that_are_not_packed_as_they_should_are_left_alone() -> None:
    workflow = recording("compressed-nodes", "waiting")
    for packed in ("!", "aGVsbG8=", nodes.pack({})[:-8]):
        workflow["status"]["compressedNodes"] = packed
        turn = workflows.advance(workflow, NOW)
        assert turn.workflow is None
        assert "compressedNodes" in turn.left_alone[0]


@pytest.mark.parametrize("state", ["waiting", "advanced"])
def test_a_suspended_workflow_does_not_go_on(state: str) -> None:
    workflow = recording("workflow-suspended-too", state)
    workflow["spec"]["suspend"] = True
    name = "wait-pr-approved" if state == "waiting" else "wait-pr-merged"
    assert workflows.advance(opened(workflow, name), NOW).workflow is None


def test_a_new_workflow_that_is_suspended_begins_without_nodes() -> None:
    started = advanced(new(steps([gate("a")]), suspend=True))
    assert started["status"]["phase"] == "Running"
    assert "nodes" not in started["status"]
    del started["spec"]["suspend"]
    assert phases(advanced(started))["a"] == "Running"


@pytest.mark.parametrize("phase", ["Failed", "Error"])
@pytest.mark.parametrize("main", [steps([gate("a")], [gate("b")]), dag(gate("a"), gate("b", dependencies=["a"]))])
def test_a_gate_that_fails_ends_the_workflow(main: Workflow, phase: str) -> None:
    failed = advanced(opened(advanced(new(main)), "a", phase=phase))
    assert failed["status"]["phase"] == "Failed"
    assert failed["metadata"]["labels"]["workflows.argoproj.io/phase"] == "Failed"
    assert phases(failed).get("b", "Omitted") == "Omitted"


def test_inputs_and_outputs_are_handed_on() -> None:
    ask = {
        "name": "ask",
        "suspend": {},
        "inputs": {"parameters": [{"name": "event"}, {"name": "mode", "default": "strict"}]},
        "outputs": {"parameters": [{"name": "who", "valueFrom": {"supplied": {}, "default": "nobody"}}]},
    }
    arguments = {"parameters": [{"name": "event", "value": "{{inputs.parameters.what}}-{{workflow.parameters.task}}"}]}
    then = {"parameters": [{"name": "event", "value": "after {{steps.first.outputs.parameters.who}}"}]}
    main = steps(
        [{"name": "first", "template": "ask", "arguments": arguments}],
        [{"name": "second", "template": "ask", "arguments": then}],
        inputs={"parameters": [{"name": "what", "value": "merge"}]},
        outputs={"parameters": [{"name": "by", "valueFrom": {"parameter": "{{steps.first.outputs.parameters.who}}"}}]},
    )
    started = advanced(new(main, ask, arguments={"parameters": [{"name": "task", "value": 7}]}))
    first = next(node for node in started["status"]["nodes"].values() if node["displayName"] == "first")
    assert first["inputs"]["parameters"] == [
        {"name": "event", "value": "merge-7"},
        {"name": "mode", "default": "strict", "value": "strict"},
    ]
    assert first["outputs"] == ask["outputs"]
    first["outputs"] = {"parameters": [{"name": "who", "value": "tess"}]}
    going = advanced(opened(started, "first"))
    second = next(node for node in going["status"]["nodes"].values() if node["displayName"] == "second")
    assert second["inputs"]["parameters"][0]["value"] == "after tess"
    finished = advanced(opened(going, "second"))
    assert finished["status"]["nodes"]["new"]["outputs"] == {"parameters": [{"name": "by", "value": "tess"}]}


def test_a_duration_opens_a_gate_when_its_time_is_up() -> None:
    short = {
        "name": "short",
        "suspend": {"duration": "1m30s"},
        "outputs": {"parameters": [{"name": "who", "valueFrom": {"supplied": {}, "default": "nobody"}}]},
    }
    workflow = new(steps([{"name": "a", "template": "short"}]), short)
    turn = workflows.advance(workflow, NOW)
    assert turn.due == NOW + timedelta(seconds=90)
    assert turn.workflow is not None
    early = workflows.advance(turn.workflow, NOW + timedelta(seconds=89))
    assert (early.workflow, early.due) == (None, turn.due)
    finished = advanced(turn.workflow, NOW + timedelta(seconds=90))
    assert finished["status"]["phase"] == "Succeeded"
    gate_node = next(node for node in finished["status"]["nodes"].values() if node["type"] == "Suspend")
    assert gate_node["outputs"] == {"parameters": [{"name": "who", "value": "nobody"}]}


@pytest.mark.parametrize(
    ("written", "seconds"), [("90", 90), (90, 90), ("1m30s", 90), ("1.5h", 5400), ("24h", 86400), ("500ms", 0.5)]
)
def test_durations(written: object, seconds: float) -> None:
    assert parameters.duration(written).total_seconds() == seconds


@pytest.mark.parametrize("written", [" ", "x", "5x", "1m3", "-5s", "1 m"])
def test_what_is_no_duration_is_left_alone(written: str) -> None:
    short = {"name": "short", "suspend": {"duration": written}}
    turn = workflows.advance(new(steps([{"name": "a", "template": "short"}]), short), NOW)
    assert any("as a duration" in problem for problem in turn.left_alone)


BOX = {"name": "box", "container": {"image": "alpine"}}
ASKS = {"name": "asks", "suspend": {}, "inputs": {"parameters": [{"name": "p"}]}}


@pytest.mark.parametrize(
    ("templates", "spec", "words"),
    [
        ([steps([{"name": "a", "template": "box"}]), BOX], {}, "only suspend, steps and dag"),
        ([steps([{"name": "a", "template": "absent"}])], {}, "template absent: it is not in this Workflow"),
        ([steps([{"name": "a", "templateRef": {"name": "x"}}])], {}, "template None"),
        ([steps([gate("a", when="1 == 1")])], {}, "conditions and hooks"),
        ([steps([gate("a", withItems=[1, 2])])], {}, "loops are not started"),
        ([dag(gate("a", withSequence={"count": "3"}))], {}, "loops are not started"),
        ([dag(gate("a"), gate("b", depends="a || a"))], {}, "not the name of a task"),
        ([dag(gate("a", dependencies=["z"]))], {}, "z, which is not the name of a task"),
        ([steps([{"template": "gate"}])], {}, "no names"),
        ([steps("not a list")], {}, "no names"),  # type: ignore[arg-type] # what people write
        ([steps([gate("a")])], {"shutdown": "Stop"}, "spec.shutdown"),
        ([steps([{"name": "a", "template": "main"}])], {}, "nested more than"),
        ([steps([{"name": "a", "template": "asks"}]), ASKS], {}, "inputs.parameters.p was not supplied"),
    ],
)
def test_what_cannot_be_run_is_named_and_left_alone(templates: list[Workflow], spec: Workflow, words: str) -> None:
    turn = workflows.advance(new(*templates, **spec), NOW)
    assert any(words in problem for problem in turn.left_alone), turn.left_alone
    if turn.workflow:
        assert turn.workflow["status"]["phase"] == "Running"
        assert workflows.advance(turn.workflow, NOW).workflow is None


def test_gates_beside_what_cannot_be_run_go_on() -> None:
    main = dag(gate("a"), gate("b", dependencies=["a"]), {"name": "pod", "template": "box"})
    started = advanced(new(main, BOX))
    assert phases(started) == {"new": "Running", "a": "Running"}
    assert phases(advanced(opened(started, "a")))["b"] == "Running"


def test_a_workflow_with_an_exit_handler_stays_at_its_end() -> None:
    started = advanced(new(steps([gate("a")]), onExit="gate"))
    turn = workflows.advance(opened(started, "a"), NOW)
    assert turn.workflow is not None
    assert turn.workflow["status"]["phase"] == "Running"
    assert turn.left_alone == ("an exit handler or hook",)


def test_a_loop_of_steps_that_argo_started_ends_with_its_items() -> None:
    started = advanced(new(steps([gate("a")])))
    group = started["status"]["nodes"][nodes.node_id("new", "new[0]")]
    spec = steps([gate("a", withItems=["x"])])
    item = started["status"]["nodes"].pop(group["children"][0])
    item |= {"name": "new[0].a(0:x)", "displayName": "a(0:x)", "id": nodes.node_id("new", "new[0].a(0:x)")}
    started["status"]["nodes"][item["id"]] = item
    group["children"] = [item["id"]]
    started["spec"]["templates"][0] = spec
    assert workflows.advance(started, NOW).workflow is None
    assert advanced(opened(started, "a(0:x)"))["status"]["phase"] == "Succeeded"


TREES = st.recursive(
    st.just("gate"),
    lambda inner: (
        st.lists(st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=3)
        | st.lists(inner, min_size=1, max_size=4).map(tuple)
    ),
    max_leaves=8,
)


def templates_of(tree: object, name: str) -> list[Workflow]:
    """Templates for a tree: lists are steps, tuples are DAGs whose tasks each depend on the one before the last."""
    if tree == "gate":
        return [{"name": name, "suspend": {}}]
    found: list[Workflow] = []
    if isinstance(tree, tuple):
        tasks = []
        for index, below in enumerate(tree):
            found += templates_of(below, f"{name}-{index}")
            needs = [f"t{index - 2}"] if index > 1 else []
            tasks.append({"name": f"t{index}", "template": f"{name}-{index}", "dependencies": needs})
        return [{"name": name, "dag": {"tasks": tasks}}, *found]
    assert isinstance(tree, list)
    groups = []
    for index, group in enumerate(tree):
        entries = []
        for place, below in enumerate(group):
            found += templates_of(below, f"{name}-{index}-{place}")
            entries.append({"name": f"s{place}", "template": f"{name}-{index}-{place}"})
        groups.append(entries)
    return [{"name": name, "steps": groups}, *found]


def gates_in(tree: object) -> int:
    if tree == "gate":
        return 1
    assert isinstance(tree, list | tuple)
    return sum(gates_in(each) for each in tree)


@settings(deadline=None)
@given(TREES, st.randoms(use_true_random=False))
def test_any_workflow_of_gates_ends_after_each_was_opened_once(tree: object, random: Any) -> None:  # noqa: ANN401
    workflow = new(*templates_of(tree, "main"))
    workflow = advanced(workflow)
    for _ in range(gates_in(tree)):
        waiting = [
            key
            for key, node in workflow["status"]["nodes"].items()
            if node["type"] == "Suspend" and node["phase"] == "Running"
        ]
        assert waiting
        chosen = random.choice(waiting)
        node = {**workflow["status"]["nodes"][chosen], "phase": "Succeeded"}
        changed = {**workflow["status"], "nodes": {**workflow["status"]["nodes"], chosen: node}}
        workflow = {**workflow, "status": changed}
        workflow = workflows.advance(workflow, NOW).workflow or workflow
        for key, each in workflow["status"]["nodes"].items():
            assert key == each["id"] == nodes.node_id("new", each["name"])
            assert all(child in workflow["status"]["nodes"] for child in each.get("children", ()))
    assert workflow["status"]["phase"] == "Succeeded"
    assert workflow["status"]["progress"] == f"{gates_in(tree)}/{gates_in(tree)}"
    assert set(phases(workflow).values()) == {"Succeeded"}


def test_values_are_texts() -> None:
    scope = parameters.workflow_scope(
        {
            "metadata": {"name": "w"},
            "status": {"outputs": {"parameters": [{"name": "o", "value": 1}, {"name": "none"}]}},
        },
        {"arguments": {"parameters": [{"name": "flag", "value": True}, {"name": "empty"}]}},
    )
    assert parameters.put_in("{{workflow.parameters.flag}} {{ workflow.outputs.parameters.o }}", scope) == "true 1"
    assert parameters.put_in("{{workflow.parameters.empty}}", scope) == "{{workflow.parameters.empty}}"


def test_an_output_that_nothing_gave_takes_its_default() -> None:
    template = {
        "outputs": {
            "parameters": [
                {"name": "a", "valueFrom": {"parameter": "{{steps.x.outputs.parameters.y}}", "default": 5}},
                {"name": "b", "valueFrom": {"parameter": "{{steps.x.outputs.parameters.y}}"}},
            ]
        }
    }
    assert parameters.outputs(template, {}) == {"parameters": [{"name": "a", "value": "5"}]}


def test_a_gate_whose_time_is_up_without_a_value_is_left_alone() -> None:
    required = {"parameters": [{"name": "who", "valueFrom": {"supplied": {}}}]}
    short = {"name": "short", "suspend": {"duration": "1"}, "outputs": required}
    started = advanced(new(steps([{"name": "a", "template": "short"}]), short))
    turn = workflows.advance(started, NOW + timedelta(seconds=2))
    assert turn.workflow is None
    assert "raw output parameter 'who' has not been set" in turn.left_alone[0]

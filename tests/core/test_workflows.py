"""What the function reads of a Workflow, and which shapes it refuses."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import pytest

from func.core.outcomes import WorkflowRef
from func.core.reasons import Rejection
from func.core.workflows import compress, decompress, read_workflow
from tests.recorded_workflows import gate_node, nodes_of, recorded, waiting_workflow

CREATED, AT = "metadata.creationTimestamp is not a time", "2026-11-22T10:00:00Z"


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        ("status", "odd", "status is not an object"),
        ("status", [1], "status is not an object"),
        ("status", {"phase": ["odd"]}, "status.phase is not a string"),
        ("status", {"nodes": [1]}, "status.nodes is not an object"),
        ("status", {"offloadNodeStatusVersion": 1}, "status.offloadNodeStatusVersion is not a string"),
        ("status", {"compressedNodes": 1}, "status.compressedNodes is not a string"),
        ("status", {"compressedNodes": "odd"}, "status.compressedNodes is not base64 of gzip of JSON"),
        ("metadata", None, CREATED),
        ("metadata", "odd", CREATED),
        ("metadata", {"name": "x"}, CREATED),
        ("metadata", {"creationTimestamp": 3}, CREATED),
        ("metadata", {"creationTimestamp": AT, "labels": ["odd"]}, "metadata.labels is not a map of strings"),
        ("metadata", {"creationTimestamp": AT, "labels": {"a": 1}}, "metadata.labels is not a map of strings"),
        (
            "metadata",
            {"creationTimestamp": AT, "annotations": {"a": 0}},
            "metadata.annotations is not a map of strings",
        ),
    ],
)
def test_an_object_that_is_no_workflow_is_refused_by_name(place: str, value: object, why: str) -> None:
    workflow: dict[str, Any] = waiting_workflow(3) | {place: value}
    with pytest.raises(Rejection) as refused:
        read_workflow(workflow)
    metadata = workflow["metadata"] if isinstance(workflow["metadata"], dict) else {}
    ref = WorkflowRef(*(metadata.get(name, "") for name in ("namespace", "name", "uid")))
    assert refused.value.about == ref
    data = refused.value.verdict.data
    assert (refused.value.verdict.code, data["workflow"], data["why"]) == ("workflow-unreadable", ref.name, why)


@pytest.mark.parametrize("status", [None, {}, {"nodes": None}])
def test_a_workflow_without_nodes_has_no_gates(status: object) -> None:
    workflow = read_workflow(waiting_workflow(3) | {"status": status})
    assert workflow.gate_nodes("wait-pr-approved", {}) == []
    assert not workflow.finished


def test_packed_nodes_are_read_and_packed_again_as_they_were() -> None:
    workflow = read_workflow(recorded("compressed-nodes"))
    assert workflow.stored == "compressed"
    assert len(workflow.gate_nodes("wait-pr-approved", {})) == 1
    assert decompress(compress(workflow.nodes)) == workflow.nodes


@pytest.mark.parametrize("text", [3, "", "odd", "H4sIAAAAAAAC", "e30=", "w" * 100, "é"])
def test_what_is_no_packed_json_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"^is not (a string|base64 of gzip of JSON)$"):
        decompress(text)


def test_packed_json_with_characters_between_that_base64_does_not_have_is_refused() -> None:
    packed = compress({"a": 1})
    with pytest.raises(ValueError, match="is not base64"):
        decompress(f"{packed[:8]}\n{packed[8:]}")


def test_a_bomb_of_packed_nodes_is_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        decompress(compress({"a": "x" * (33 * 1024 * 1024)}))


def test_a_bomb_of_small_packed_values_is_refused_before_it_is_built() -> None:
    packed = base64.b64encode(gzip.compress(b'{"a":[' + b"[]," * (8 << 20) + b"1]}")).decode()
    assert len(packed) < 100_000
    with pytest.raises(ValueError, match="needs more than 256 MiB of memory"):
        decompress(packed)


def test_as_many_packed_nodes_as_an_object_can_hold_are_read() -> None:
    pattern = list(nodes_of(recorded("compressed-nodes")).values())
    nodes = {f"{number}": pattern[number % len(pattern)] | {"id": f"{number:040x}"} for number in range(30_000)}
    packed = compress(nodes)
    assert decompress(packed) == nodes


@pytest.mark.parametrize(
    ("inputs", "fits"), [({}, 1), ({"event": "pr-approved"}, 1), ({"event": "other"}, 0), ({"other": "x"}, 0)]
)
def test_a_gate_may_be_told_by_its_inputs(inputs: dict[str, str], fits: int) -> None:
    workflow = read_workflow(recorded("gate-with-inputs"))
    assert len(workflow.gate_nodes("wait-event", inputs)) == fits


@pytest.mark.parametrize("spec", ["odd", None, {}, {"shutdown": None}, {"shutdown": 3}])
def test_odd_values_are_read_as_absent_ones(spec: object) -> None:
    nodes = {"odd": 1, "n": {"type": "Suspend", "displayName": "gate", "phase": 7, "startedAt": 7}}
    workflow = read_workflow(waiting_workflow(3) | {"spec": spec, "status": {"phase": None, "nodes": nodes}})
    assert (workflow.shutdown, workflow.phase, workflow.finished) == ("", "", False)
    (node,) = workflow.gate_nodes("gate", {})
    assert (node.phase, node.started, node.attempt, node.is_finished) == ("", None, -1, False)


@pytest.mark.parametrize(
    ("status", "stored"),
    [
        ({"offloadNodeStatusVersion": "fnv:1"}, "offloaded"),
        ({"offloadNodeStatusVersion": "fnv:1", "nodes": {}}, "offloaded"),
        ({"offloadNodeStatusVersion": "fnv:1", "nodes": {"n": {}}}, "plain"),
        ({"offloadNodeStatusVersion": "", "nodes": {}}, "plain"),
        ({"compressedNodes": compress({"n": {}}), "nodes": {}}, "compressed"),
    ],
)
def test_where_the_nodes_are_stored(status: dict[str, Any], stored: str) -> None:
    assert read_workflow(waiting_workflow(3) | {"status": status}).stored == stored


def test_inputs_of_another_shape_fit_nothing() -> None:
    document = recorded("gate-with-inputs")
    (gate,) = (each for each in nodes_of(document).values() if each["type"] == "Suspend")
    gate["inputs"]["parameters"] = [{"name": {}, "value": "x"}, {"name": "event", "value": {"a": 1}}]
    assert read_workflow(document).gate_nodes("wait-event", {"event": "{'a': 1}"}) == []


@pytest.mark.parametrize(
    ("node", "similar"),
    [
        ({"displayName": "Wait-QA"}, "Wait-QA"),
        ({"displayName": "wait-qaa"}, "wait-qaa"),
        ({"displayName": "step-2", "templateName": "wait-qa"}, "step-2"),
        ({"displayName": "deploy"}, None),
        ({"displayName": "wait-qaa", "phase": "Succeeded"}, None),
        ({"displayName": "wait-qaa", "type": "Pod"}, None),
    ],
)
def test_a_waiting_node_of_nearly_the_name_of_a_gate_is_shown(node: dict[str, Any], similar: str | None) -> None:
    nodes = {"odd": 1, "n": {"type": "Suspend", "phase": "Running"} | node}
    workflow = read_workflow(waiting_workflow(3) | {"status": {"nodes": nodes}})
    assert workflow.similar_gate("wait-qa") == similar


@pytest.mark.parametrize(
    ("names", "waiting"),
    [
        (["p[0].gate(0)", "p[0].gate(1)"], ["p[0].gate(1)"]),
        (["p[0].gate(10)", "p[0].gate(9)"], ["p[0].gate(10)"]),
        (["p[0].gate(0:a)(0)", "p[0].gate(0:a)(1)"], ["p[0].gate(0:a)(1)"]),
        (["p[0].gate(0:a)(0)", "p[0].gate(1:b)(0)"], ["p[0].gate(0:a)(0)", "p[0].gate(1:b)(0)"]),
        # Parallel branches, each with a retried gate of this name: none hides the other.
        (["p[0].gate(0)", "q[0].gate(0)"], ["p[0].gate(0)", "q[0].gate(0)"]),
        (["p[0].gate(0)", "q[0].gate(0)", "q[0].gate(1)"], ["p[0].gate(0)", "q[0].gate(1)"]),
    ],
)
def test_of_each_retried_node_the_newest_attempt_counts(names: list[str], waiting: list[str]) -> None:
    document = recorded("retried-gate")
    (pattern,) = [each for each in nodes_of(document).values() if each["type"] == "Suspend"]
    document["status"]["nodes"] = {
        name: pattern | {"id": name, "name": name, "displayName": name.rpartition(".")[2]} for name in names
    }
    assert [node.id for node in read_workflow(document).gate_nodes("gate", {})] == waiting


RETRY = {"type": "Retry", "phase": "Running"}


@pytest.mark.parametrize(
    ("retry", "attempts", "counts"),
    [
        ({"name": "p[0].other"}, {"p[0].other(0)": "Failed", "p[0].other(1)": "Running"}, True),
        ({"name": "p[0].gate"}, {"p[0].gate(0)": "Running"}, True),
        ({"name": "p[0].gate"}, {"p[0].gate(0)": "Failed"}, False),  # the next attempt is to come
        ({"name": "p[0].gate"}, {"p[0].gate(0)": "Error"}, False),
        ({"name": "p[0].gate", "phase": "Failed"}, {"p[0].gate(0)": "Failed"}, True),  # it was the last one
        ({"name": "p"}, {"p(0)": "Failed", "p(1)": "Running"}, True),  # "p(" does not begin the gate's name
        ({"name": "p[0]"}, {}, True),
        ({"name": None}, {"p[0].gate(0)": "Failed"}, True),
        ({"name": "p[0].gate", "children": None}, {"p[0].gate(0)": "Failed"}, True),
        ({"name": "p[0].gate", "children": [None, 1, ["x"], "gone"]}, {"p[0].gate(0)": "Failed"}, True),
        # What is no attempt, among the children.
        ({"name": "p[0].gate"}, {"p[0].gate(0)": "Running", "p[0].gate(x)": "Failed"}, True),
        ({"name": "p[0].gate"}, {"p[0].gate(0)": "Running", "9": "Failed"}, True),
    ],
)
def test_a_node_counts_unless_its_retry_goes_on_without_it(
    retry: dict[str, Any],
    attempts: dict[str, str],
    counts: bool,  # noqa: FBT001
) -> None:
    gate = {"type": "Suspend", "displayName": "gate(0)", "name": "p[0].gate(0)", "phase": "Running"}
    children = {name: {"type": "Steps", "name": name, "phase": phase} for name, phase in attempts.items()}
    nodes = {"retry": RETRY | {"children": list(children)} | retry, **children, "gate": gate}
    workflow = read_workflow(waiting_workflow(3) | {"status": {"nodes": nodes}})
    assert [node.id for node in workflow.gate_nodes("gate", {})] == (["gate"] if counts else [])
    assert [node.id for node in workflow.gate_nodes("gate", {}, earlier=True)] == ["gate"]


@pytest.mark.parametrize(("newest", "counts"), [(0, True), (1, False), (10, False)])
def test_a_gate_in_an_earlier_attempt_of_its_template_does_not_count(newest: int, counts: bool) -> None:  # noqa: FBT001
    gate = {"type": "Suspend", "displayName": "gate(0)", "name": "w(0)[1].gate(0)", "phase": "Succeeded"}
    attempts = {f"w({each})": {"type": "Steps", "name": f"w({each})", "phase": "Running"} for each in range(newest + 1)}
    nodes = {"w": RETRY | {"name": "w", "children": list(attempts)}, **attempts, "gate": gate}
    workflow = read_workflow(waiting_workflow(3) | {"status": {"nodes": nodes}})
    assert bool(workflow.gate_nodes("gate", {})) is counts


def test_an_attempt_with_too_long_a_number_is_no_attempt() -> None:
    document = waiting_workflow(3, "wait-pr-approved")
    node = gate_node(document, "wait-pr-approved")
    node["name"] = f"play({'9' * 5000})"
    document["status"]["nodes"]["retry"] = {"id": "retry", "name": "play", "type": "Retry", "children": [node["id"]]}
    assert [each.id for each in read_workflow(document).gate_nodes("wait-pr-approved", {})] == [node["id"]]

"""What a decision writes: the operations of a JSON Patch, and the same for nodes in the object and compressed ones."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from func.core.intents import MAX_OUTPUT
from func.core.patches import Move, encode, patch_for, values_for
from func.core.reasons import Rejection
from func.core.signals import State, read_state
from func.core.workflows import Node, compress, read_workflow
from tests.core.bench import GATE, PARKED, STATE, Bench, at, named, rules_with
from tests.payloads import approved
from tests.recorded_workflows import Workflow, compressed, gate_node, like, nodes_of, recorded, waiting_workflow

FINISHED, MESSAGE = "2026-11-22T12:00:00Z", "opened by a test"
LABEL = "/metadata/labels/taskgate.dev~1parked"
ANNOTATION = "/metadata/annotations/taskgate.dev~1state"


def with_outputs(parameters: list[Any], published: object = None) -> Workflow:
    """A Workflow at the gate whose node has these output parameters, and which has these outputs itself."""
    document = waiting_workflow(3)
    gate_node(document, GATE)["outputs"] = {"exitCode": "0", "parameters": parameters}
    if published is not None:
        document["status"]["outputs"] = published
    return document


def supplied(name: str, **more: object) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"supplied": {}} | more}


def operations(document: Workflow, values: dict[str, str], phase: Any = "Succeeded") -> list[dict[str, Any]]:  # noqa: ANN401
    """The patch that moves the gate, without what it remembers."""
    workflow = read_workflow(document)
    (node,) = workflow.gate_nodes(GATE, {})
    move = Move(node, phase, FINISHED, MESSAGE, values)
    patch = patch_for(workflow, read_state(workflow).text(), move, parked=False)
    assert patch[0] == {"op": "test", "path": "/metadata/uid", "value": document["metadata"]["uid"]}
    return patch[1:]


def test_a_node_without_outputs_changes_in_three_fields_after_its_type_and_phase_are_tested() -> None:
    document = waiting_workflow(3)
    path = f"/status/nodes/{gate_node(document, GATE)['id']}"
    assert operations(document, {}) == [
        {"op": "test", "path": f"{path}/type", "value": "Suspend"},
        {"op": "test", "path": f"{path}/phase", "value": "Running"},
        {"op": "add", "path": f"{path}/phase", "value": "Succeeded"},
        {"op": "add", "path": f"{path}/finishedAt", "value": FINISHED},
        {"op": "add", "path": f"{path}/message", "value": MESSAGE},
    ]


def test_the_id_of_a_node_is_escaped_in_its_path() -> None:
    document = waiting_workflow(3)
    nodes = document["status"]["nodes"]
    nodes["a~b/c"] = nodes.pop(gate_node(document, GATE)["id"])
    assert operations(document, {})[0]["path"] == "/status/nodes/a~0b~1c/type"


@pytest.mark.parametrize("outputs", [{}, {"exitCode": "0"}, {"parameters": []}])
def test_outputs_without_parameters_stay(outputs: dict[str, Any]) -> None:
    document = waiting_workflow(3)
    gate_node(document, GATE)["outputs"] = outputs
    assert len(operations(document, {"number": "123"})) == 5


def test_outputs_take_their_value_or_their_default_and_the_old_ones_are_tested() -> None:
    plain = {"name": "plain", "value": "x"}
    given = [supplied("number"), "odd", supplied("note", default="none"), plain]
    document = with_outputs(given)
    *_, tested, written = operations(document, {"number": "123"})
    path = f"/status/nodes/{gate_node(document, GATE)['id']}/outputs"
    old = {"exitCode": "0", "parameters": given}
    assert tested == {"op": "test", "path": path, "value": old}
    new = [{"name": "number", "value": "123"}, "odd", {"name": "note", "value": "none"}, plain]
    assert written == {"op": "add", "path": path, "value": old | {"parameters": new}}


def test_a_node_that_fails_takes_the_values_of_its_rule_and_no_defaults() -> None:
    document = with_outputs([supplied("number"), supplied("note", default="none")])
    written = operations(document, {"number": "123"}, "Failed")[-1]
    assert written["value"]["parameters"] == [{"name": "number", "value": "123"}, supplied("note", default="none")]
    assert len(operations(document, {}, "Failed")) == 5  # the outputs stay as they are


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"parameters": [{"name": "pr", "value": "123"}]}),
        (
            {"parameters": [{"name": "other", "value": "x"}, {"name": "pr", "value": "7", "globalName": "pr"}]},
            {"parameters": [{"name": "other", "value": "x"}, {"name": "pr", "value": "123", "globalName": "pr"}]},
        ),
        (
            {"artifacts": [], "parameters": [{"name": 1}]},
            {"artifacts": [], "parameters": [{"name": 1}, {"name": "pr", "value": "123"}]},
        ),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_value_with_a_global_name_is_published(before: object, after: object, is_packed: bool) -> None:  # noqa: FBT001
    parameters = [supplied("number") | {"globalName": "pr"}, supplied("note", default="none") | {"globalName": "note"}]
    document = with_outputs(parameters, before)
    *_, tested, written = operations(compressed(document) if is_packed else document, {"number": "123"})
    assert tested == {"op": "test", "path": "/status/outputs", "value": before}
    assert written == {"op": "add", "path": "/status/outputs", "value": after}


@pytest.mark.parametrize("outputs", [False, True])
def test_compressed_nodes_are_tested_and_end_as_others_do(outputs: bool) -> None:  # noqa: FBT001
    document = with_outputs([supplied("number")]) if outputs else waiting_workflow(3)
    packed = compressed(document)
    tested, written = operations(packed, {"number": "123"})
    path = "/status/compressedNodes"
    assert tested == {"op": "test", "path": path, "value": packed["status"]["compressedNodes"]}
    assert (written["op"], written["path"]) == ("add", path)
    plain, other = Bench(document), Bench(packed)
    for bench in (plain, other):
        bench.rules = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone}}", "  number: '123'")
        assert bench.deliver(named(approved(), "d-1")).outcome == "opened"
    assert nodes_of(other.document) == nodes_of(plain.document)
    assert "nodes" not in other.document["status"]


def test_nodes_are_packed_as_the_controller_does_and_alike_each_time() -> None:
    nodes = {"é": {"b": [1, 2]}}
    packed = base64.b64decode(compress(nodes))
    assert gzip.decompress(packed).decode() == json.dumps(nodes, separators=(",", ":"), ensure_ascii=False)
    assert packed[4:8] == bytes(4)  # no time of its own: the same nodes give the same text
    assert packed[8] == 4  # the fastest level: a large Workflow has little time


@pytest.mark.parametrize("stored", ["plain", "compressed", "offloaded"])
def test_a_move_is_written_where_the_nodes_are(stored: Any) -> None:  # noqa: ANN401
    document = waiting_workflow(3)
    workflow = read_workflow(compressed(document) if stored == "compressed" else document)._replace(stored=stored)
    (node,) = workflow.gate_nodes(GATE, {})
    state = read_state(workflow)
    patch = patch_for(workflow, state.text(), Move(node, "Succeeded", FINISHED, MESSAGE, {}), parked=False)
    assert len(patch) == {"plain": 6, "compressed": 3, "offloaded": 0}[stored]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("{{workflow.name}}", "holds {{, which Argo would expand in a later step"),
        ("x" * (MAX_OUTPUT + 1), f"has more than {MAX_OUTPUT} characters"),
        ("a\x07b", "holds control characters"),
        ("a\nb", "holds control characters"),
        ("a\x9bb", "holds control characters"),
        ("a\ud800b", "holds control characters"),
    ],
)
def test_a_value_that_a_workflow_cannot_hold_is_named(value: str, why: str) -> None:
    node = Node("n", "Running", {"outputs": {"parameters": [supplied("number")]}})
    with pytest.raises(Rejection) as refused:
        values_for(node, {"number": value})
    data = refused.value.verdict.data
    assert (refused.value.verdict.code, data["output"], data["why"]) == ("unsafe-output", "number", why)


@pytest.mark.parametrize("value", ["", "x" * MAX_OUTPUT, "{x} }}", "é 中 \u202e"])
def test_any_other_value_is_taken(value: str) -> None:
    node = Node("n", "Running", {"outputs": {"parameters": [supplied("number")]}})
    assert values_for(node, {"number": value, "other": "x"}) == {"number": value}


def test_a_value_that_nobody_gives_is_named_unless_it_has_a_default_or_the_node_fails() -> None:
    node = Node("n", "Running", {"outputs": {"parameters": [supplied("note", default=""), supplied("number")]}})
    with pytest.raises(Rejection) as refused:
        values_for(node, {})
    data = refused.value.verdict.data
    assert (refused.value.verdict.code, data["output"], data["node"]) == ("missing-output", "number", "n")
    assert values_for(node, {}, fails=True) == {}


@pytest.mark.parametrize(
    ("annotations", "label", "parked", "expected"),
    [
        (None, None, False, []),
        ({}, None, False, []),
        ({}, "true", True, []),
        ({}, None, True, [("test", ANNOTATION, None), ("add", LABEL, "true")]),
        (None, "false", True, [("test", "/metadata/annotations", None), ("add", LABEL, "true")]),
        (None, "x", False, [("test", "/metadata/annotations", None), ("test", LABEL, "x"), ("remove", LABEL, None)]),
    ],
)
def test_the_label_alone_changes_with_the_annotation_that_it_follows_from(
    annotations: dict[str, str] | None,
    label: str | None,
    parked: bool,  # noqa: FBT001
    expected: list[tuple[str, str, str | None]],
) -> None:
    document = waiting_workflow(3)
    document["metadata"]["annotations"] = annotations
    if label:
        document["metadata"]["labels"][PARKED] = label
    workflow = read_workflow(document)
    patch = patch_for(workflow, read_state(workflow).text(), None, parked=parked)
    assert [(each["op"], each["path"], each.get("value")) for each in patch[1:]] == expected


def test_a_label_is_taken_off_in_the_write_of_the_annotation() -> None:
    document = waiting_workflow(3)
    document["metadata"]["labels"][PARKED] = "true"
    workflow = read_workflow(document)
    patch = patch_for(workflow, State(workflow.ref, forgotten={"*": at(0)}).text(), None, parked=False)
    assert [(each["op"], each["path"]) for each in patch[1:]] == [
        ("test", ANNOTATION),
        ("add", ANNOTATION),
        ("test", LABEL),
        ("remove", LABEL),
    ]


@pytest.mark.parametrize("annotations", [None, {}, {STATE: '{"uid":"x"}'}])
def test_the_annotation_is_tested_as_it_was_read(annotations: dict[str, str] | None) -> None:
    document = waiting_workflow(3)
    document["metadata"]["annotations"] = annotations
    workflow = read_workflow(document)
    state = State(workflow.ref, forgotten={"*": at(0)})
    _, tested, written = patch_for(workflow, state.text(), None, parked=False)
    if annotations is None:
        assert tested == {"op": "test", "path": "/metadata/annotations", "value": None}
        assert written == {"op": "add", "path": "/metadata/annotations", "value": {STATE: state.text()}}
    else:
        assert tested == {"op": "test", "path": ANNOTATION, "value": annotations.get(STATE)}
        assert written == {"op": "add", "path": ANNOTATION, "value": state.text()}


def test_a_patch_is_written_as_go_writes_json() -> None:
    patch = [{"op": "test", "path": "/a~1b", "value": "<é&\u2028\u2029>\ud800"}]
    assert encode(patch) == (
        b'[{"op":"test","path":"/a~1b","value":"\\u003c\xc3\xa9\\u0026\\u2028\\u2029\\u003e\\ud800"}]'
    )


@pytest.mark.parametrize(
    ("situation", "outputs"),
    [("steps-first-gate", ""), ("steps-supplied-outputs-set", "  pr-number: '123'\n  approver: '{person}'")],
)
def test_a_gate_in_compressed_nodes_opens_as_argo_resume_opens_it(situation: str, outputs: str) -> None:
    waiting, resumed = (like(situation, state, task=3) for state in ("waiting", "resumed"))
    (before,) = (each for each in nodes_of(waiting).values() if each["type"] == "Suspend")
    rules = rules_with(f"  {before['displayName']}: {{event: pull_request_review.submitted, by: anyone}}", outputs)
    bench = Bench(compressed(waiting), rules)
    bench.now = at(0) + timedelta(days=5)
    assert bench.deliver(named(approved(happened=bench.now, by="tess"), "d-1")).outcome == "opened"
    (node,) = (each for each in nodes_of(bench.document).values() if each["type"] == "Suspend")
    expected = nodes_of(resumed)[before["id"]]
    for each in (node, expected):
        each.pop("message", None)
        each["finishedAt"] = FINISHED
    assert node == expected


def test_what_the_recorded_controller_compressed_is_compressed_again() -> None:
    document = recorded("compressed-nodes")
    workflow = read_workflow(document)
    text = document["status"]["compressedNodes"]
    assert json.loads(gzip.decompress(base64.b64decode(compress(workflow.nodes)))) == json.loads(
        gzip.decompress(base64.b64decode(text))
    )

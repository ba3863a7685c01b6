"""What the function reads of a Workflow, and which shapes it refuses."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import pytest

from func.core.reasons import Rejection
from func.core.workflows import compress, decompress, read_workflow
from tests.recorded_workflows import nodes_of, recorded, waiting_workflow


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("status", "odd"),
        ("status", [1]),
        ("status", {"phase": ["odd"]}),
        ("metadata", None),
        ("metadata", "odd"),
        ("metadata", {"name": "x"}),
        ("metadata", {"creationTimestamp": 3}),
        ("metadata", {"creationTimestamp": "2026-11-22T10:00:00Z", "labels": ["odd"]}),
        ("metadata", {"creationTimestamp": "2026-11-22T10:00:00Z", "labels": {"a": 1}}),
        ("metadata", {"creationTimestamp": "2026-11-22T10:00:00Z", "annotations": {"a": None}}),
    ],
)
def test_an_object_that_is_no_workflow_is_refused_by_name(place: str, value: object) -> None:
    workflow: dict[str, Any] = waiting_workflow(3) | {place: value}
    with pytest.raises(Rejection) as refused:
        read_workflow(workflow)
    assert refused.value.verdict.code == "workflow-unreadable"


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
    with pytest.raises(ValueError, match="is not"):
        decompress(text)


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

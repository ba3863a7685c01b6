"""The fleet's Workflows are what the recorded controller writes."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import (
    CREATED,
    PIPELINE,
    Workflow,
    compressed,
    fleet,
    gate_node,
    like,
    node_id,
    nodes_of,
    recorded,
    waiting_workflow,
    write,
)

DATA = Path(__file__).parent / "data"
WITH_NODES = [
    file
    for file in sorted(DATA.glob("argo-recordings*/*/*.json"))
    if {"nodes", "compressedNodes"} & json.loads(file.read_text(encoding="utf-8")).get("status", {}).keys()
]
SITUATIONS = sorted(folder.name for folder in (DATA / "argo-recordings").iterdir())


def without_counters(workflow: Workflow) -> Workflow:
    """A Workflow without what only the recording cluster could know."""
    metadata = workflow["metadata"] | {"resourceVersion": "", "uid": ""}
    metadata["annotations"] = metadata["annotations"] | {"workflows.argoproj.io/trace-id": ""}
    return workflow | {"metadata": metadata}


def without_times(value: Any) -> Any:  # noqa: ANN401  any JSON
    """The same without the times at which nodes finished and later ones started."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in {"startedAt", "finishedAt"}}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def links(node: dict[str, Any]) -> list[str]:
    """The ids a node refers to."""
    return [*node.get("children", []), *node.get("outboundNodes", []), *filter(None, [node.get("boundaryID")])]


def test_there_are_recordings_of_both_controllers() -> None:
    assert len(WITH_NODES) > 30
    assert any("v3.7.9" in str(file) for file in WITH_NODES)


@pytest.mark.parametrize("file", WITH_NODES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_node_ids_are_those_of_the_recordings(file: Path) -> None:
    workflow = json.loads(file.read_text(encoding="utf-8"))
    name = workflow["metadata"]["name"]
    assert [node_id(name, node["name"]) for node in nodes_of(workflow).values()] == list(nodes_of(workflow))


def test_first_gate_is_as_recorded() -> None:
    built = waiting_workflow(3, "wait-pr-created")
    assert without_counters(built) == without_counters(recorded("steps-first-gate"))


def test_second_gate_is_as_recorded() -> None:
    built = waiting_workflow(3, "wait-ready-for-qa")
    real = recorded("steps-first-gate", "advanced")
    # The label is set by a later step of the play, which the recorded Workflow did not have.
    real["metadata"]["labels"]["current-stage"] = "waiting-ready-for-qa"
    assert without_times(without_counters(built)) == without_times(without_counters(real))
    assert gate_node(built, "wait-pr-created")["finishedAt"] >= gate_node(built, "wait-pr-created")["startedAt"]


def test_finished_is_as_recorded() -> None:
    built = waiting_workflow(12, None, gates=["wait-pr-approved"], name="play-workflow-dwrb4")
    real = recorded("generated-name", "advanced")
    del real["metadata"]["generateName"]
    assert without_times(without_counters(built)) == without_times(without_counters(real))
    assert all("finishedAt" in node for node in nodes_of(built).values())
    assert "finishedAt" in built["status"]


def test_supplied_outputs_are_as_recorded() -> None:
    built = waiting_workflow(
        4, gates=["wait-pr-approved", "wait-pr-merged"], outputs={"pr-number": "0", "approver": ""}
    )
    node = gate_node(built, "wait-pr-approved")
    assert node | {"templateName": "gate"} == gate_node(recorded("steps-supplied-outputs"), "wait-pr-approved")
    required = gate_node(waiting_workflow(5, "wait-pr-created", outputs={"pr-number": None}), "wait-pr-created")
    assert required["outputs"] == gate_node(recorded("steps-supplied-required"), "wait-pr-created")["outputs"]


def test_inputs_are_as_recorded() -> None:
    built = waiting_workflow(8, "wait-event", gates=["wait-event", "wait-more"], inputs={"event": "pr-approved"})
    node = gate_node(built, "wait-event")
    assert node | {"templateName": "gate"} == gate_node(recorded("gate-with-inputs"), "wait-event")


def test_parameters_are_of_one_gate_only() -> None:
    built = waiting_workflow(outputs={"approver": ""}, inputs={"event": "x"})
    standing = gate_node(built, "wait-pr-approved")
    templates = {template["name"]: template for template in built["spec"]["templates"]}
    assert templates[standing["templateName"]]["outputs"] == standing["outputs"]
    assert [each["name"] for each in templates[standing["templateName"]]["inputs"]["parameters"]] == ["event"]
    assert templates["gate"]["outputs"] == templates["gate"]["inputs"] == {}
    assert "outputs" not in gate_node(built, "wait-pr-created")


@pytest.mark.parametrize("gate", PIPELINE)
def test_one_gate_is_open_and_the_earlier_ones_succeeded(gate: str) -> None:
    built = waiting_workflow(7, gate)
    nodes = nodes_of(built)
    phases = {node["displayName"]: node["phase"] for node in nodes.values() if node["type"] == "Suspend"}
    at = PIPELINE.index(gate)
    assert phases == dict.fromkeys(PIPELINE[:at], "Succeeded") | {gate: "Running"}
    assert built["metadata"]["labels"]["current-stage"] == "waiting-" + gate.removeprefix("wait-")
    assert all(link in nodes for node in nodes.values() for link in links(node))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_like_with_nothing_changed_is_the_recording(situation: str) -> None:
    real = recorded(situation)
    metadata = real["metadata"]
    built = like(
        situation,
        task=metadata["labels"]["task-id"],
        name=metadata["name"],
        uid=metadata["uid"],
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
    )
    if "compressedNodes" in real["status"]:  # another gzip makes other bytes of the same nodes
        assert nodes_of(built) == nodes_of(real)
        del built["status"]["compressedNodes"], real["status"]["compressedNodes"]
    assert built == real


@pytest.mark.parametrize("situation", [each for each in SITUATIONS if each != "offloaded-nodes"])
def test_like_another_task_is_consistent(situation: str) -> None:
    real = recorded(situation)
    built = like(situation, task=42, repository="acme-shop", namespace="team-a", created=CREATED + timedelta(days=1))
    metadata, nodes = built["metadata"], nodes_of(built)
    assert (metadata["name"], metadata["namespace"]) == ("play-task-42-workflow", "team-a")
    assert metadata["labels"]["task-id"] == "42"
    assert metadata["labels"]["repository"] == "acme-shop"
    assert metadata["creationTimestamp"] == "2026-11-23T10:19:53Z"
    assert len(nodes) == len(nodes_of(real))
    assert list(nodes) == [node_id(metadata["name"], node["name"]) for node in nodes.values()]
    assert list(nodes) == [node["id"] for node in nodes.values()]
    assert all(link in nodes for node in nodes.values() for link in links(node))
    assert real["metadata"]["name"] not in json.dumps([built, nodes])
    assert metadata["uid"] != real["metadata"]["uid"]
    assert ("compressedNodes" in built["status"]) == (situation == "compressed-nodes")


def test_compressed_keeps_the_nodes() -> None:
    plain = waiting_workflow()
    packed = compressed(plain)
    assert "nodes" not in packed["status"]
    assert nodes_of(packed) == plain["status"]["nodes"]


def test_two_gates_are_open_in_parallel() -> None:
    built = like("dag-parallel-gates", task=7)
    assert gate_node(built, "wait-pr-approved")["phase"] == "Running"
    assert gate_node(built, "wait-security-review")["phase"] == "Running"


def test_fleet_is_of_tasks_of_its_own() -> None:
    workflows = fleet()
    assert [each["metadata"]["labels"]["task-id"] for each in workflows] == [str(i) for i in range(1, 101)]
    assert len({each["metadata"]["uid"] for each in workflows}) == 100
    assert workflows[2] == waiting_workflow(3, "wait-pr-approved", agent="5DLabs-Rex")
    assert workflows[2]["spec"]["arguments"]["parameters"][0]["value"] == "5DLabs-Rex"
    assert {each["metadata"]["labels"]["current-stage"] for each in workflows} == {
        "waiting-pr-created",
        "waiting-ready-for-qa",
        "waiting-pr-approved",
        "waiting-pr-merged",
    }
    assert {gate_node(each, "wait-pr-merged")["phase"] for each in fleet(5, gate="wait-pr-merged")} == {"Running"}


def test_write_makes_one_file_each(tmp_path: Path) -> None:
    workflows = fleet(4)
    files = write(workflows, tmp_path)
    assert sorted(files) == sorted(tmp_path.iterdir())
    assert [json.loads(file.read_text(encoding="utf-8")) for file in files] == workflows

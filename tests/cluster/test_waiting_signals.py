"""Signals that come before their gate, with real resource EventSource and Sensor; the test moves the Workflows on."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import payloads
from tests.cluster.events import name_of, of
from tests.cluster.installation import OURS, Installation
from tests.cluster.processes import busyness, wait_for
from tests.cluster.watching import Watch
from tests.recorded_workflows import NAMESPACE, Workflow, gate_node, waiting_workflow

GATE = "wait-pr-approved"
STATE, PARKED = "taskgate.dev/state", "taskgate.dev/parked"


def pods(count: int) -> dict[str, Any]:
    """Nodes of pods that have run, as a Workflow with many steps has them; 450 bytes each."""
    common = {"type": "Pod", "phase": "Succeeded", "templateName": "implement", "message": "x" * 225, "progress": "1/1"}
    times = {"startedAt": "2026-11-22T10:20:00Z", "finishedAt": "2026-11-22T10:21:00Z"}
    names = (f"pod-{number}" for number in range(count))
    return {name: {"id": name, "name": name, "displayName": name, **common, **times} for name in names}


def task_before_its_gate(installation: Installation, task: int, nodes: int = 0) -> None:
    """A Workflow that is one gate away from GATE, with some more nodes."""
    workflow = waiting_workflow(task, "wait-ready-for-qa")
    workflow["status"]["nodes"] |= pods(nodes)
    installation.create(workflow)


def reach_the_gate(installation: Installation, task: int) -> Workflow:
    """Does what the workflow-controller would: an update of the whole Workflow."""
    workflow = installation.workflow(name_of(task))
    reached = waiting_workflow(task, GATE)
    workflow["status"]["nodes"] |= reached["status"]["nodes"]
    workflow["metadata"]["labels"]["current-stage"] = reached["metadata"]["labels"]["current-stage"]
    updated: Workflow = installation.api.admin.must("PUT", f"{OURS}/{name_of(task)}", workflow)
    assert gate_node(updated, GATE)["phase"] == "Running"
    return updated


def wait_for_answer(installation: Installation, delivery: str, outcome: str) -> None:
    wait_for(
        f"{delivery} to be {outcome}",
        lambda: installation.answers([delivery])[delivery] == [outcome] or None,
        installation.function.process,
    )


@pytest.mark.parametrize("nodes", [0, 2000])
def test_an_approval_of_two_seconds_before_opens_its_gate_within_a_second(
    installation: Installation, nodes: int, measured: list[str]
) -> None:
    """2,000 nodes are 900 kB. On a machine with other work it may take longer, and is measured again."""
    best = float("inf")
    for task in (1, 2, 3):
        size, took = park_and_release(installation, task, nodes)
        best = min(best, took)
        measured.append(
            f"a key opens a gate of a Workflow of {size // 1000} kB {took * 1000:.0f} ms after it is reached"
            f" (work for each core: {busyness():.1f})"
        )
        if best < 1:
            break
    assert best < busyness()
    assert nodes * 440 < size < nodes * 460 + 10_000


def park_and_release(installation: Installation, task: int, nodes: int) -> tuple[int, float]:
    """Size of the Workflow in bytes, and the seconds from the gate being reached until the function has opened it."""
    task_before_its_gate(installation, task, nodes)
    delivery = f"two-seconds-early-{nodes}-{task}"
    installation.deliver(payloads.approved(**of(task)), delivery)
    wait_for_answer(installation, delivery, "parked")
    assert installation.workflow(name_of(task))["metadata"]["labels"][PARKED] == "true"
    said = len(installation.function.answers())
    time.sleep(2)  # nothing is waited for: the time is what the test is about
    assert gate_phases(installation, task) == {"wait-ready-for-qa": "Running", "wait-pr-created": "Succeeded"}
    size = len(json.dumps(reach_the_gate(installation, task), separators=(",", ":")))
    reached = datetime.now(UTC)

    def opened() -> datetime | None:
        answers = installation.function.answers()[said:]
        times = [answer["timestamp"] for answer in answers if answer["taskgate.outcome"] == "opened"]
        return datetime.fromisoformat(times[0]) if times else None

    took = (wait_for("the gate to be open", opened) - reached).total_seconds()
    assert gate_phases(installation, task)[GATE] == "Succeeded"
    metadata = installation.workflow(name_of(task))["metadata"]
    assert PARKED not in metadata["labels"]
    (use,) = [each for each in json.loads(metadata["annotations"][STATE])["used"] if each["gate"] == GATE]
    assert use["id"] == delivery
    return size, took


def gate_phases(installation: Installation, task: int) -> dict[str, str]:
    """Each gate that was reached, with its phase."""
    nodes = installation.workflow(name_of(task))["status"]["nodes"].values()
    return {node["displayName"]: node["phase"] for node in nodes if node["type"] == "Suspend"}


def test_an_approval_that_a_new_commit_took_back_opens_nothing(installation: Installation) -> None:
    task_before_its_gate(installation, 3)
    installation.deliver(payloads.approved(**of(3)), "approved")
    wait_for_answer(installation, "approved", "parked")
    installation.deliver(payloads.synchronize(**of(3)), "new-commit")
    wait_for_answer(installation, "new-commit", "withdrawn")
    assert PARKED not in installation.workflow(name_of(3))["metadata"]["labels"]
    with Watch(installation.api.admin, NAMESPACE) as watch:
        reach_the_gate(installation, 3)
        installation.deliver(payloads.approved(**of(3)), "approved")
        wait_for(
            "the redelivery's answer",
            lambda: installation.answers(["approved"])["approved"] == ["parked", "refused"] or None,
        )
        installation.wait_until_done()
        assert (name_of(3), GATE) not in watch.opened
        later = of(3) | {"happened": datetime.now(UTC) + timedelta(seconds=1)}
        installation.deliver(payloads.approved(**later, sha=payloads.PUSHED), "approved-again")
        watch.wait_for_gates((name_of(3), GATE))
    wait_for_answer(installation, "approved-again", "opened")

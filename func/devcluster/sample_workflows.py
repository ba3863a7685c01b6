"""A fleet of Workflows to try things with: one for each task, each waiting at one of the pipeline's gates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from func.devcluster import workflows
from func.devcluster.documents import Document
from func.devcluster.workflows import Node

PIPELINE = ("wait-pr-created", "wait-ready-for-qa", "wait-pr-approved", "wait-pr-merged")
NAMESPACE = "agent-platform"
_AGENTS = ("5DLabs-Rex", "5DLabs-Blaze", "5DLabs-Morgan")
_AGENT = "implementation-agent"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def fleet(tasks: int, now: datetime) -> Iterator[Document]:
    """Yield the Workflows of tasks 1 to `tasks`, spread over the gates; task 3 waits at wait-pr-approved.

    Args:
        now: UTC; the Workflows were created in the days before.
    """
    for task in range(1, tasks + 1):
        age = timedelta(hours=3, minutes=task * 47 % (72 * 60))
        yield _waiting_workflow(task, (task - 1) % len(PIPELINE), now - age)


def _waiting_workflow(task: int, opened: int, created: datetime) -> Document:
    """Return the Workflow of a task as the controller left it: some gates were opened, at the next one it waits.

    Args:
        opened: how many gates are open; fewer than there are. Each opened half an hour after it was reached.
    """
    time = created
    workflow = _settled(_submitted(task, created), time)
    for _ in range(opened):
        time += timedelta(minutes=30)
        for node in gates_of(workflow, "Running"):
            node |= {"phase": "Succeeded", "finishedAt": time.strftime(_TIME)}
        workflow = _settled(workflow, time)
    return workflow


def gates_of(workflow: Document, phase: str) -> list[Node]:
    """Return the suspend nodes of that phase, in the order in which they were reached."""
    nodes = (workflow.get("status") or {}).get("nodes") or {}
    found = [each for each in nodes.values() if isinstance(each, dict) and each.get("type") == "Suspend"]
    found = [node for node in found if node.get("phase") == phase]
    return sorted(found, key=lambda node: str(node.get("startedAt")))


def agent_of(workflow: Document) -> str:
    """Return who implements the task; empty where the Workflow does not say."""
    given = (workflow["spec"].get("arguments") or {}).get("parameters") or []
    return next((str(parameter.get("value")) for parameter in given if parameter.get("name") == _AGENT), "")


def _settled(workflow: Document, now: datetime) -> Document:
    """Return what the controller makes of it: turn after turn, until nothing changes any more."""
    while (turned := workflows.advance(workflow, now)) is not None:
        workflow = turned
    return workflow


def _submitted(task: int, created: datetime) -> Document:
    steps = [[{"arguments": {}, "name": gate, "template": "gate"}] for gate in PIPELINE]
    common: Document = {"inputs": {}, "metadata": {}, "outputs": {}}
    labels = {"repository": "5dlabs-cto", "task-id": str(task), "workflow-type": "play-orchestration"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "creationTimestamp": created.astimezone(UTC).strftime(_TIME),
            "labels": labels,
            "name": f"play-task-{task}-workflow",
            "namespace": NAMESPACE,
        },
        "spec": {
            "arguments": {"parameters": [{"name": _AGENT, "value": _AGENTS[task % len(_AGENTS)]}]},
            "entrypoint": "main",
            "templates": [
                {**common, "name": "main", "steps": steps},
                {**common, "name": "gate", "suspend": {}},
            ],
        },
    }

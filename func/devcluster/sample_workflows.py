"""A fleet of Workflows for trying things out: one for each task, each waiting at one of the pipeline's gates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from func.devcluster import workflows
from func.devcluster.documents import Document
from func.devcluster.workflows import Node

PIPELINE = ("wait-pr-created", "wait-ready-for-qa", "wait-pr-approved", "wait-pr-merged")
AGENTS = ("5DLabs-Rex", "5DLabs-Blaze", "5DLabs-Morgan")
NAMESPACE = "agent-platform"
REPOSITORY = "5dlabs-cto"
_AGENT = "implementation-agent"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def fleet(tasks: int, now: datetime) -> Iterator[Document]:
    """The Workflows of tasks 1 to `tasks`, spread over the gates of the pipeline; task 3 waits at wait-pr-approved.

    Args:
        tasks: How many.
        now: UTC; the Workflows were created in the days before.

    """
    for task in range(1, tasks + 1):
        age = timedelta(hours=3, minutes=task * 47 % (72 * 60))
        yield waiting_workflow(task, (task - 1) % len(PIPELINE), now - age)


def waiting_workflow(task: int, opened: int, created: datetime) -> Document:
    """The Workflow of a task, as the controller left it: some gates were opened, at the next one it waits.

    Args:
        task: Its id.
        opened: How many gates are open; fewer than there are.
        created: UTC; each gate opened half an hour after it was reached.

    """
    workflow = _submitted(task, created)
    time = created
    workflow = _settled(workflow, time)
    for _ in range(opened):
        time += timedelta(minutes=30)
        for node in gates_of(workflow, "Running"):
            node |= {"phase": "Succeeded", "finishedAt": time.strftime(_TIME)}
        workflow = _settled(workflow, time)
    return workflow


def gates_of(workflow: Document, phase: str) -> list[Node]:
    """The suspend nodes of that phase, in the order in which they were reached."""
    nodes = (workflow.get("status") or {}).get("nodes") or {}
    found = [node for node in nodes.values() if node.get("type") == "Suspend" and node.get("phase") == phase]
    return sorted(found, key=lambda node: str(node.get("startedAt")))


def agent_of(workflow: Document) -> str:
    """Who implements the task; empty where the Workflow does not say."""
    given = (workflow["spec"].get("arguments") or {}).get("parameters") or []
    return next((str(parameter.get("value")) for parameter in given if parameter.get("name") == _AGENT), "")


def _settled(workflow: Document, now: datetime) -> Document:
    """What the controller makes of it: turn after turn, until nothing changes any more."""
    while (turned := workflows.advance(workflow, now)) is not None:
        workflow = turned
    return workflow


def _submitted(task: int, created: datetime) -> Document:
    steps = [[{"arguments": {}, "name": gate, "template": "gate"}] for gate in PIPELINE]
    common: Document = {"inputs": {}, "metadata": {}, "outputs": {}}
    agent = AGENTS[task % len(AGENTS)]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "creationTimestamp": created.astimezone(UTC).strftime(_TIME),
            "labels": {
                "repository": REPOSITORY,
                "task-id": str(task),
                "workflow-type": "play-orchestration",
            },
            "name": f"play-task-{task}-workflow",
            "namespace": NAMESPACE,
        },
        "spec": {
            "arguments": {"parameters": [{"name": _AGENT, "value": agent}]},
            "entrypoint": "main",
            "templates": [
                {**common, "name": "main", "steps": steps},
                {**common, "name": "gate", "suspend": {}},
            ],
        },
    }

"""Writes docs/explanations.md, what `taskgate explain` says and why: `python -m tests.docs.explanations`.

Each history is sent through the function to an embedded cluster, with GitHub's real payloads; then the command is run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from func.core.cloud_event import read_cloudevent
from func.core.signals import STATE_ANNOTATION
from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.kube.client import Workflows
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.service.pipeline import Pipeline
from func.service.settings import read_rules
from tests import payloads
from tests.cli.running import taskgate
from tests.docs.markdown import DOCS
from tests.recorded_workflows import Workflow, waiting_workflow

FILE = DOCS / "explanations.md"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
COLUMNS = 110
NAME = "play-task-3-workflow"
Payload = dict[str, Any]
Event = tuple[str, Payload]  # delivery, payload

_HEAD = """# Explanations

What `taskgate explain` prints, for one reason each. A rejection ends with what it takes to be accepted. The payloads
are real, the cluster is the embedded one. `python -m tests.docs.explanations` writes this page, and a test compares it
with what the command prints. In a hurry: the [runbook](runbook.md).
"""


@dataclass(frozen=True)
class Told:
    """One explanation.

    Args:
        before: Events that came before, in order.
        workflows: That are there; those of the end, where the controller has moved them on.
        explained: An event; a text is the name of a Workflow.
        then: What happens to the Workflow of task 3 between the events and the question.
        delivery: Of the event; empty for a payload as GitHub shows it.
    """

    title: str
    explained: Payload | str
    workflows: Sequence[Workflow] = ()
    before: Sequence[Event] = ()
    then: Callable[[Workflow], None] | None = None
    delivery: str = "delivery-9"


def _late(minutes: int) -> datetime:
    return payloads.HAPPENED + timedelta(minutes=minutes)


def _moved_on(workflow: Workflow) -> None:
    """Argo's controller has come to the next gate."""
    workflow["status"] = waiting_workflow(3)["status"]


def _annotated(text: str) -> Callable[[Workflow], None]:
    def change(workflow: Workflow) -> None:
        workflow["metadata"]["annotations"][STATE_ANNOTATION] = text

    return change


def _foreign(workflow: Workflow) -> None:
    workflow["metadata"]["labels"]["workflow-type"] = "other"


def _of_closed(payload: Payload) -> Payload:
    return {**payload, "pull_request": {**payload["pull_request"], "state": "closed"}}


def _explanations() -> list[Told]:
    approved, waits = payloads.approved, [waiting_workflow(3)]
    early = [waiting_workflow(3, "wait-ready-for-qa")]
    approval: Event = ("delivery-1", approved())
    push: Event = ("delivery-2", payloads.synchronize(happened=_late(1)))
    label: Event = ("delivery-3", payloads.labeled(happened=_late(2)))
    opened: Event = ("delivery-1", payloads.opened(number=7, happened=_late(-5)))
    closed: Event = ("delivery-2", payloads.closed(merged=False, happened=_late(1)))
    outputs = [waiting_workflow(3, outputs={"environment": None})]
    return [
        Told("Yes: the gate opens", approved(), waits),
        Told("Yes: the gate is not reached, so the signal waits", approved(), early),
        Told("No rule for it", payloads.commented(), waits),
        Told("No task", approved(task=None), waits),
        Told("Two tasks", approved(labels=["task-3", "task-4"]), waits),
        Told("A fork", approved(head_repository="octocat/cto"), waits),
        Told("A pull request that is closed already", _of_closed(approved()), waits),
        Told("A wrong person", approved(by="octocat"), waits),
        Told("An old commit", approved(reviewed=payloads.PUSHED), waits),
        Told("The label of the Workflow is wrong", approved(), [waiting_workflow(3, repository="5dlabs-cta")]),
        Told("Two Workflows of one task", approved(), [waiting_workflow(3, name=f"play-{n}") for n in "ab"]),
        Told("Older than its Workflow", approved(), [waiting_workflow(3, created=_late(30))]),
        Told("The same event again", approved(), waits, [approval], delivery="delivery-1"),
        Told(
            "Another pull request",
            approved(),
            [waiting_workflow(3, "wait-pr-created")],
            [opened],
        ),
        Told("A pull request that was closed since", approved(), waits, [closed]),
        Told("A push came after the approval", approved(), early, [approval, push], delivery="delivery-1"),
        Told("The same, of a payload saved from GitHub", approved(), early, [approval, push], delivery=""),
        Told("A saved payload that opened a gate before", approved(), waits, [approval], delivery=""),
        Told("A push came after the gate was opened", push[1], waits, [approval]),
        Told("A newer event was there before", approved(), early, [("delivery-1", approved(happened=_late(3)))]),
        Told("The gate is open", approved(happened=_late(3)), waits, [approval]),
        Told("A value is missing", approved(), outputs),
        Told("Workflow: no signal has come", NAME, waits),
        Told("Workflow: a signal waits for its gate", NAME, early, [approval]),
        Told("Workflow: a push revoked the signal", NAME, early, [approval, push, label], _moved_on),
        Told("Workflow: the function was not notified that the gate is reached", NAME, early, [approval], _moved_on),
        Told(
            "Workflow: no rule for the gate", NAME, [waiting_workflow(3, "lunch", gates=("wait-pr-created", "lunch"))]
        ),
        Told("Workflow: its annotation cannot be read", NAME, waits, then=_annotated("{")),
        Told("Workflow: not of the fleet", NAME, waits, then=_foreign),
        Told("Workflow: it is finished", NAME, [waiting_workflow(3, None)]),
    ]


def _said(told: Told, folder: Path) -> str:
    """What the command prints."""
    with EmbeddedCluster(controller=False) as cluster:
        cluster.store.ensure_namespace("agent-platform")
        for workflow in told.workflows:
            cluster.store.load(WORKFLOWS, workflow)
        kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig")
        api = connect(kubeconfig, 1)
        function = Pipeline(read_rules(None), Workflows(api, "agent-platform"), clock=lambda: NOW)
        for delivery, payload in told.before:
            headers, body = payloads.cloudevent_structured(payload, delivery=delivery)
            function.handle(read_cloudevent(headers, body), Deadline.after(5))
        if told.then:
            workflow = json.loads(cluster.store.get(WORKFLOWS, "agent-platform", NAME).body)
            told.then(workflow)
            cluster.store.load(WORKFLOWS, workflow)
        arguments = ["--workflow", told.explained] if isinstance(told.explained, str) else [_event(told, folder)]
        with (
            mock.patch("func.cli.access.now", return_value=NOW),
            mock.patch("func.cli.output.terminal_width", return_value=COLUMNS),
        ):
            result = taskgate("explain", *arguments, environment={"KUBECONFIG": str(kubeconfig)})
        command = " ".join(["taskgate", "explain", *(each.removeprefix(f"{folder}/") for each in map(str, arguments))])
        return f"$ {command}\n{result.output.rstrip()}\n$ echo $?\n{result.exit_code}\n"


def _event(told: Told, folder: Path) -> Path:
    assert not isinstance(told.explained, str)
    file = folder / f"{payloads.event_name(told.explained)}.json"
    event = payloads.cloudevent_structured(told.explained, delivery=told.delivery)[1]
    file.write_bytes(event if told.delivery else json.dumps(told.explained).encode())
    return file


def text() -> str:
    """The document's content."""
    with tempfile.TemporaryDirectory() as folder:
        parts = [f"\n## {told.title}\n\n```text\n{_said(told, Path(folder))}```\n" for told in _explanations()]
    return _HEAD + "".join(parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

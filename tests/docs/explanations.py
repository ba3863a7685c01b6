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

from click.testing import Result

from func.core.cloud_event import read_cloudevent
from func.core.signals import STATE_ANNOTATION
from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.workflows import Workflows
from func.service.pipeline import Pipeline
from func.service.settings import read_rules
from tests import payloads
from tests.cli.running import taskgate
from tests.docs.markdown import DOCS, item
from tests.recorded_workflows import Workflow, waiting_workflow

FILE = DOCS / "explanations.md"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
COLUMNS = 110
REJECTED = 3  # the exit code
NAME = "play-task-3-workflow"
Payload = dict[str, Any]
Event = tuple[str, Payload]  # delivery, payload

_HEAD = """# What `taskgate explain` prints

In an incident, start with the [runbook](runbook.md). `python -m tests.docs.explanations` writes this page from GitHub's
payloads and an embedded cluster.
"""
_TAKES = """
## What each rejection takes

By [code](codes.md), what the command prints last.

"""


@dataclass(frozen=True)
class Case:
    """One explanation.

    Args:
        title: A heading of the page, or what the code does not say.
        whole: Show all that the command prints.
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
    whole: bool = False


def _late(minutes: int) -> datetime:
    return payloads.HAPPENED + timedelta(minutes=minutes)


def _moved_on(workflow: Workflow) -> None:
    """Move the Workflow to the next gate, as Argo's controller does."""
    workflow["status"] = waiting_workflow(3)["status"]


def _annotated(text: str) -> Callable[[Workflow], None]:
    def change(workflow: Workflow) -> None:
        workflow["metadata"]["annotations"][STATE_ANNOTATION] = text

    return change


def _foreign(workflow: Workflow) -> None:
    workflow["metadata"]["labels"]["workflow-type"] = "other"


def _of_closed(payload: Payload) -> Payload:
    return {**payload, "pull_request": {**payload["pull_request"], "state": "closed"}}


def _explanations() -> list[Case]:
    approved, waits = payloads.approved, [waiting_workflow(3)]
    early = [waiting_workflow(3, "wait-ready-for-qa")]
    approval: Event = ("delivery-1", approved())
    push: Event = ("delivery-2", payloads.synchronize(happened=_late(1)))
    label: Event = ("delivery-3", payloads.labeled(happened=_late(2)))
    opened: Event = ("delivery-1", payloads.opened(number=7, happened=_late(-5)))
    closed: Event = ("delivery-2", payloads.closed(merged=False, happened=_late(1)))
    outputs = [waiting_workflow(3, outputs={"environment": None})]
    return [
        Case("An event whose person may not open the gate", approved(by="octocat"), waits, whole=True),
        Case(
            "A Workflow whose signal was revoked",
            NAME,
            early,
            [approval, push, label],
            _moved_on,
            whole=True,
        ),
        Case("no rule names it", payloads.commented(), waits),
        Case("no label or branch names a task", approved(task=None), waits),
        Case("two labels name two tasks", approved(labels=["task-3", "task-4"]), waits),
        Case("the branch is in a fork", approved(head_repository="octocat/cto"), waits),
        Case("the pull request is closed", _of_closed(approved()), waits),
        Case("the review is of an old commit", approved(reviewed=payloads.PUSHED), waits),
        Case("a label of the Workflow is wrong", approved(), [waiting_workflow(3, repository="5dlabs-cta")]),
        Case("two Workflows of one task run", approved(), [waiting_workflow(3, name=f"play-{n}") for n in "ab"]),
        Case("it happened before its Workflow", approved(), [waiting_workflow(3, created=_late(30))]),
        Case("the same event again", approved(), waits, [approval], delivery="delivery-1"),
        Case(
            "the Workflow belongs to another pull request",
            approved(),
            [waiting_workflow(3, "wait-pr-created")],
            [opened],
        ),
        Case("the pull request was closed since", approved(), waits, [closed]),
        Case("a push came after the approval", approved(), early, [approval, push], delivery="delivery-1"),
        Case("a newer event came first", approved(), early, [("delivery-1", approved(happened=_late(3)))]),
        Case("the gate is open", approved(happened=_late(3)), waits, [approval]),
        Case("an output has no value", approved(), outputs),
        Case("the function was not notified that the gate is reached", NAME, early, [approval], _moved_on),
        Case("no rule names the gate", NAME, [waiting_workflow(3, "lunch", gates=("wait-pr-created", "lunch"))]),
        Case("the annotation cannot be read", NAME, waits, then=_annotated("{")),
        Case("the rules do not select the Workflow", NAME, waits, then=_foreign),
    ]


def _run(case: Case, folder: Path) -> tuple[str, Result]:
    """Return the command and its result."""
    with EmbeddedCluster(controller=False) as cluster:
        cluster.store.ensure_namespace("agent-platform")
        for workflow in case.workflows:
            cluster.store.load(WORKFLOWS, workflow)
        kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig")
        api = connect(kubeconfig, 1)
        function = Pipeline(read_rules(None), Workflows(api, "agent-platform"), clock=lambda: NOW)
        for delivery, payload in case.before:
            headers, body = payloads.cloudevent_structured(payload, delivery=delivery)
            function.handle(read_cloudevent(headers, body), Deadline.after(5))
        if case.then:
            workflow = json.loads(cluster.store.get(WORKFLOWS, "agent-platform", NAME).body)
            case.then(workflow)
            cluster.store.load(WORKFLOWS, workflow)
        arguments = ["--workflow", case.explained] if isinstance(case.explained, str) else [_event(case, folder)]
        form = [] if case.whole else ["--output", "json"]
        with (
            mock.patch("func.cli.access.now", return_value=NOW),
            mock.patch("func.cli.output.terminal_width", return_value=COLUMNS),
        ):
            result = taskgate("explain", *arguments, *form, environment={"KUBECONFIG": str(kubeconfig)})
        command = " ".join(["taskgate", "explain", *(each.removeprefix(f"{folder}/") for each in map(str, arguments))])
        return command, result


def _whole(case: Case, folder: Path) -> str:
    command, result = _run(case, folder)
    printed = f"$ {command}\n{result.output.rstrip()}\n$ echo $?\n{result.exit_code}\n"
    return f"\n## {case.title}\n\n```text\n{printed}```\n"


def _remedy(case: Case, folder: Path) -> tuple[str, str]:
    """Return the code, and what it takes."""
    _, result = _run(case, folder)
    found = json.loads(result.output)
    assert result.exit_code == REJECTED, found
    (rejection,) = found["problems"] if isinstance(case.explained, str) else [found]
    command = f" `{rejection['run']}`" if rejection["run"] else ""
    return f"`{rejection['code']}`", f"{rejection['remedy']}{command}"


def _event(case: Case, folder: Path) -> Path:
    assert not isinstance(case.explained, str)
    file = folder / f"{payloads.event_name(case.explained)}.json"
    event = payloads.cloudevent_structured(case.explained, delivery=case.delivery)[1]
    file.write_bytes(event if case.delivery else json.dumps(case.explained).encode())
    return file


def text() -> str:
    """Return the document's content."""
    case = _explanations()
    with tempfile.TemporaryDirectory() as folder:
        whole = [_whole(each, Path(folder)) for each in case if each.whole]
        codes: dict[str, list[str]] = {}
        for code, remedy in (_remedy(each, Path(folder)) for each in case if not each.whole):
            codes.setdefault(remedy, []).append(code)
    rows = [item(f"{', '.join(same)}: {remedy}") + "\n" for remedy, same in codes.items()]
    return "".join([_HEAD, *whole, _TAKES, *rows])


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

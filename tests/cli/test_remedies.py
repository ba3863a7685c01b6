"""What `taskgate explain` says to do about each rejection that an event of GitHub can meet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from func.core.cloud_event import read_cloudevent
from func.core.reasons import CHECKS, CODES
from func.core.signals import STATE_ANNOTATION
from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.workflows import Workflows
from func.service.pipeline import Pipeline
from func.service.settings import read_rules
from tests import payloads
from tests.cli.running import taskgate
from tests.payloads import Payload, approved, closed, commented, opened, synchronize
from tests.recorded_workflows import Workflow, waiting_workflow

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REJECTED = 3  # the exit code
NAME = "play-task-3-workflow"
Change = Callable[[Workflow], None]


def late(minutes: int) -> datetime:
    return payloads.HAPPENED + timedelta(minutes=minutes)


def moved_on(workflow: Workflow) -> None:
    """Move the Workflow to the next gate, as Argo's controller does."""
    workflow["status"] = waiting_workflow(3)["status"]


def broken(workflow: Workflow) -> None:
    workflow["metadata"]["annotations"][STATE_ANNOTATION] = "{"


def of_another_fleet(workflow: Workflow) -> None:
    workflow["metadata"]["labels"]["workflow-type"] = "other"


def of_closed(payload: Payload) -> Payload:
    return {**payload, "pull_request": {**payload["pull_request"], "state": "closed"}}


WAITS, EARLY = [waiting_workflow(3)], [waiting_workflow(3, "wait-ready-for-qa")]
OTHER, CLOSED = opened(number=7, happened=late(-5)), closed(merged=False, happened=late(1))
AGAIN = "ause a new event: 5DLabs-Tess[bot] reviews 5dlabs/cto#123 again."
EVENTS: Sequence[tuple[str, str, Payload, Sequence[Workflow], Sequence[Payload]]] = [
    ("person-not-allowed", "One of reviewers (", approved(by="octocat"), WAITS, []),
    ("no-rule", "The rules for such events: ", commented(), WAITS, []),
    ("no-task", "It needs a label that matches task-([0-9]+) or a branch", approved(task=None), WAITS, []),
    ("several-tasks", "Remove the wrong label", approved(labels=["task-3", "task-4"]), WAITS, []),
    ("fork", "Push the branch to 5dlabs/cto itself", approved(head_repository="octocat/cto"), WAITS, []),
    ("pull-request-closed", f"Reopen 5dlabs/cto#123. Then c{AGAIN}", of_closed(approved()), WAITS, []),
    ("not-head", "5DLabs-Tess[bot] reviews the newest commit", approved(reviewed=payloads.PUSHED), WAITS, []),
    ("wrong-labels", "correct its label", approved(), [waiting_workflow(3, repository="5dlabs-cta")], []),
    ("several-workflows", "argo stop", approved(), [waiting_workflow(3, name=f"play-{n}") for n in "ab"], []),
    ("too-old", f"C{AGAIN}", approved(), [waiting_workflow(3, created=late(30))], []),
    ("duplicate", "the event has done its work", approved(), WAITS, [approved()]),
    ("other-pull-request", "Close the pull request", approved(), [waiting_workflow(3, "wait-pr-created")], [OTHER]),
    ("pull-request-gone", "Bring the pull request back", approved(), WAITS, [CLOSED]),
    ("revoked", f"C{AGAIN}", approved(), EARLY, [approved(), synchronize(happened=late(1))]),
    ("overtaken", f"C{AGAIN}", approved(), EARLY, [approved(happened=late(3), review_id=9)]),
    (
        "already-open",
        "Nothing: the gate is open. It names task 3 by its label",
        approved(happened=late(3)),
        WAITS,
        [approved()],
    ),
    ("missing-output", "give it a default", approved(), [waiting_workflow(3, outputs={"environment": None})], []),
]
PROBLEMS: Sequence[tuple[str, str, Sequence[Workflow], Sequence[Payload], Change | None]] = [
    ("release-missed", "Repair the EventSource", EARLY, [approved()], moved_on),
    ("gate-without-rule", "Add the gate", [waiting_workflow(3, "lunch", gates=("wait-pr-created", "lunch"))], [], None),
    ("annotation-unreadable", "An old approval that is redelivered can open", WAITS, [], broken),
    ("selector-mismatch", "give it labels that match", WAITS, [], of_another_fleet),
]


def explained(
    cluster: EmbeddedCluster,
    folder: Path,
    workflows: Sequence[Workflow],
    before: Sequence[Payload],
    about: Payload | str,
    change: Change | None = None,
) -> dict[str, Any]:
    """Return what the command says of an event, or of a Workflow, after other events have come."""
    for workflow in workflows:
        cluster.store.load(WORKFLOWS, workflow)
    kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig")
    function = Pipeline(read_rules(None), Workflows(connect(kubeconfig, 1), "agent-platform"), clock=lambda: NOW)
    for number, payload in enumerate(before, 1):
        request = payloads.cloudevent_structured(payload, delivery=f"delivery-{number}")
        function.handle(read_cloudevent(*request), Deadline.after(5))
    if change:
        workflow = json.loads(cluster.store.get(WORKFLOWS, "agent-platform", NAME).body)
        change(workflow)
        cluster.store.load(WORKFLOWS, workflow)
    arguments: list[str | Path] = ["--workflow", NAME]
    if not isinstance(about, str):
        delivery = "delivery-1" if about in before else "delivery-9"
        file = folder / "event.json"
        file.write_bytes(payloads.cloudevent_structured(about, delivery=delivery)[1])
        arguments = [file]
    with mock.patch("func.cli.access.now", return_value=NOW):
        result = taskgate("explain", *arguments, "--output", "json", environment={"KUBECONFIG": str(kubeconfig)})
    assert result.exit_code == REJECTED, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


@pytest.mark.parametrize(("code", "remedy", "event", "workflows", "before"), EVENTS, ids=[each[0] for each in EVENTS])
def test_a_rejected_event_says_what_it_takes(
    code: str,
    remedy: str,
    event: Payload,
    workflows: Sequence[Workflow],
    before: Sequence[Payload],
    cluster: EmbeddedCluster,
    tmp_path: Path,
) -> None:
    found = explained(cluster, tmp_path, workflows, before, event)
    assert (found["code"], remedy in found["remedy"]) == (code, True), found["remedy"]


@pytest.mark.parametrize(
    ("code", "remedy", "workflows", "before", "change"), PROBLEMS, ids=[each[0] for each in PROBLEMS]
)
def test_a_problem_of_a_workflow_says_what_it_takes(
    code: str,
    remedy: str,
    workflows: Sequence[Workflow],
    before: Sequence[Payload],
    change: Change | None,
    cluster: EmbeddedCluster,
    tmp_path: Path,
) -> None:
    (problem,) = explained(cluster, tmp_path, workflows, before, NAME, change)["problems"]
    assert (problem["code"], remedy in problem["remedy"]) == (code, True), problem["remedy"]


def test_each_check_that_an_event_can_fail_is_among_them() -> None:
    # A file has no token. One that is not a CloudEvent gets one line. The rules built in set no repositories.
    failed = {CODES[code].check for code, *_ in (*EVENTS, *PROBLEMS) if code in CODES}
    assert failed >= set(CHECKS) - {"token", "cloudevent", "repository"}

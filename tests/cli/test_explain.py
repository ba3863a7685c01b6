"""`taskgate explain`: what would happen to this event, and why?"""

import json
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from func.core.reasons import CHECKS
from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.service.settings import BUILT_IN_RULES
from tests import payloads
from tests.cli.events import cloudevent, written
from tests.cli.running import taskgate
from tests.recorded_workflows import gate_node, like, recorded, waiting_workflow
from tests.remembering import push, remembering, signal, use


def checks(output: str) -> dict[str, str]:
    """check -> yes, NO or ?"""
    rows = [line.split(maxsplit=1) for line in output.splitlines() if line.startswith(("yes ", "NO ", "? "))]
    return {check: mark for mark, rest in rows for check in CHECKS if f"{rest}  ".startswith(f"{check}  ")}


@pytest.fixture
def explain(tmp_path: Path, environment: dict[str, str]) -> Callable[..., Any]:
    """Explain an event in that cluster, for people."""

    def run(payload: dict[str, Any], *options: str) -> Any:  # noqa: ANN401  click's Result
        file = written(cloudevent(payload, delivery="d-1"), tmp_path / "event.json")
        return taskgate("explain", file, *options, environment=environment)

    return run


def test_yes_to_every_check(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    stored = cluster.store.load(WORKFLOWS, waiting_workflow(3))
    result = explain(payloads.approved())
    assert result.exit_code == 0, result.output
    assert checks(result.output) == dict.fromkeys(CHECKS, "yes")
    assert "Outcome: opened, code opened. Nothing was written." in result.output
    assert cluster.store.get(WORKFLOWS, *stored.key).version == stored.version
    assert {request.method for request in cluster.requests} == {"GET"}


def test_what_waits_and_what_revokes_is_accepted_too(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-pr-created"))
    parked = explain(payloads.approved(), "--output", "json")
    assert (parked.exit_code, json.loads(parked.stdout)["outcome"]) == (0, "parked")
    withdrawn = explain(payloads.synchronize())
    assert withdrawn.exit_code == 0
    assert "Outcome: withdrawn, code revokes-later" in withdrawn.output
    assert "yes  rule          revokes signals for wait-pr-approved" in withdrawn.output


@pytest.mark.parametrize(
    ("payload", "check", "needed"),
    [
        (
            payloads.commented(),
            "rule",
            "with review approved, fresh true, for wait-pr-approved. This event has review commented, base main",
        ),
        (payloads.labeled("bug"), "rule", "This event has label bug, base main"),
        (payloads.dismissed() | {"action": "edited"}, "rule", "with review approved, fresh true, for wait-pr-approved"),
        (payloads.push("refs/heads/task-9-fix"), "rule", "The rules have these events: pull_request.opened"),
        (payloads.approved(task=None), "task", "It needs a label that matches task-([0-9]+) or"),
        (
            payloads.approved(labels=["task-1", "task-2"]),
            "task",
            "A redelivered event has the old labels. Then cause a new event: 5DLabs-Tess[bot] reviews 5dlabs/cto#123",
        ),
        (payloads.approved(head_repository="octocat/cto"), "fork", "`forks: true`"),
        (
            payloads.approved(by="octocat"),
            "person",
            "may do it too, add the login to people.reviewers in gates.yaml",
        ),
        (payloads.approved(by="octocat"), "person", "reviewers (5DLabs-Tess[bot], 5DLabs-Tess, tess-5dlabs)"),
        (
            payloads.approved() | {"review": {**payloads.approved()["review"], "user": None}},
            "person",
            "Somebody else of reviewers (5DLabs-Tess[bot]",
        ),
        (
            payloads.approved(reviewed="0" * 40),
            "fresh",
            "5DLabs-Tess[bot] reviews the newest commit and approves again",
        ),
        (
            payloads.approved(task=8),
            "workflow",
            "running Workflow with the labels task-id and repository",
        ),
        (
            payloads.approved(task=9),
            "workflow",
            "If it is the right Workflow, correct its label.",
        ),
        (payloads.approved(task=4), "age", "Cause a new event: 5DLabs-Tess[bot] reviews 5dlabs/cto#123 again"),
        (payloads.opened(task=4), "age", "close 5dlabs/cto#123 and reopen it"),
        (payloads.approved(task=5), "gate", "the gate is open"),
    ],
)
def test_the_first_no_and_what_it_takes(
    cluster: EmbeddedCluster, explain: Callable[..., Any], payload: dict[str, Any], check: str, needed: str
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    late = payloads.HAPPENED.replace(day=23)
    cluster.store.load(WORKFLOWS, waiting_workflow(4, created=late))
    cluster.store.load(WORKFLOWS, waiting_workflow(5, "wait-pr-merged"))
    cluster.store.load(WORKFLOWS, waiting_workflow(9, repository="5dlabs-other"))
    result = explain(payload)
    assert result.exit_code == 3, result.output
    marks = checks(result.output)
    assert marks.pop(check) == "NO"
    assert set(marks.values()) == {"yes"}
    before = CHECKS[: CHECKS.index(check)]
    assert set(before) <= set(marks)
    (what,) = [line for line in result.output.splitlines() if line.startswith("What it takes: ")]
    assert needed in what


RULES = """
workflows: {namespace: agent-platform, selector: workflow-type=play-orchestration, labels: {task: task-id}}
repositories: [5dlabs/cto]
task: {title: 'feat: task ([0-9]+)'}
people: {reviewers: [{login: '5DLabs-Tess[bot]', id: 7}], others: [octocat]}
gates:
  wait-pr-approved: {event: pull_request_review.submitted, base: 'release-*', draft: true, by: [reviewers, others]}
  wait-pr-merged: {event: pull_request.closed, merged: true, by: anyone, early: refuse}
  deployed: {event: com.example.deployed, by: anyone, task: job.id}
"""


@pytest.mark.parametrize(
    ("payload", "check", "needed"),
    [
        (payloads.approved(), "rule", "with draft true, base release-*, for wait-pr-approved. This event has"),
        (payloads.approved(), "rule", "base main, draft false."),
        (payloads.approved(base="release-1", draft=True), "person", "(5DLabs-Tess[bot] with id 7) or"),
        (payloads.closed(repository="a/b"), "repository", ""),
        (
            payloads.closed(title="none"),
            "task",
            "a title that matches feat: task ([0-9]+), and has title none.",
        ),
        (payloads.closed(), "gate", ""),
        (payloads.closed(merged=False, task=8), "workflow", ""),
    ],
)
def test_what_it_takes_by_rules_of_another_kind(
    cluster: EmbeddedCluster,
    explain: Callable[..., Any],
    tmp_path: Path,
    payload: dict[str, Any],
    check: str,
    needed: str,
) -> None:
    rules = written(None, tmp_path / "gates.yaml")
    rules.write_text(RULES)
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    result = explain(payload, "--config", rules)
    assert (result.exit_code, checks(result.output)[check]) == (3, "NO"), result.output
    assert needed in result.output
    assert bool(needed) == ("What it takes: " in result.output)


def test_what_it_takes_when_something_is_remembered(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    noon = "2026-11-22T12:00:00Z"
    node = gate_node(waiting_workflow(3), "wait-pr-approved")
    claim = use(node["id"], id="d-0", started=node["startedAt"], claimed=True)
    closed = signal("pull_request.closed", id="d-0", gate=None, gone="closed", happened=noon)
    other = [use("n", id="d-0", gate="wait-pr-created", pull_request="5dlabs/cto#7")]
    again = "5DLabs-Tess[bot] reviews 5dlabs/cto#123 again"
    for signals, used, check, what in (
        ([push(happened=noon)], [], "signal", f"Cause a new event: {again}."),
        ([signal(id="d-0")], [claim], "gate", "If it stays so, check that Argo Server answers."),
        ([closed], [], "signal", "Bring the pull request back (reopen it, or add the label of its task again)"),
        ([], other, "pull request", f"or remove the task's label from it. Then cause a new event: {again}."),
    ):
        cluster.store.load(WORKFLOWS, remembering(waiting_workflow(3), signals, used))
        result = explain(payloads.approved())
        assert (result.exit_code, checks(result.output)[check]) == (3, "NO"), result.output
        assert what in result.output
    failed = waiting_workflow(3)
    gate_node(failed, "wait-pr-approved")["phase"] = "Failed"
    cluster.store.load(WORKFLOWS, failed)
    retry = "argo retry -n agent-platform play-task-3-workflow --restart-successful"
    said = explain(payloads.approved()).output
    assert f"Retry the gate, then cause a new event: {again}." in said
    assert f"\n  {retry} --node-field-selector displayName=wait-pr-approved\n" in said


def test_the_command_that_forgets_all_says_what_it_does_and_comes_last(
    cluster: EmbeddedCluster, explain: Callable[..., Any]
) -> None:
    workflow = waiting_workflow(3)
    workflow["metadata"]["annotations"]["taskgate.dev/state"] = "not ours"
    cluster.store.load(WORKFLOWS, workflow)
    result = explain(payloads.approved())
    assert (result.exit_code, checks(result.output)["workflow"]) == (3, "NO")
    advice = result.output.partition("What it takes: ")[2]
    assert advice.index("kubectl edit") < advice.index("make Taskgate forget all")
    assert advice.endswith("\n  kubectl annotate workflow -n agent-platform play-task-3-workflow taskgate.dev/state-\n")


def test_a_gate_that_an_event_lets_fail(cluster: EmbeddedCluster, explain: Callable[..., Any], tmp_path: Path) -> None:
    rules = tmp_path / "gates.yaml"
    rules.write_text(BUILT_IN_RULES.read_text().replace("review: approved\n", "review: approved\n    then: fail\n"))
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    result = explain(payloads.approved(), "--config", rules)
    assert result.exit_code == 0, result.output
    assert "yes  rule          fails wait-pr-approved" in result.output
    assert "Outcome: failed, code failed." in result.output


def test_a_second_workflow_prints_one_command_that_only_reads(
    cluster: EmbeddedCluster, explain: Callable[..., Any]
) -> None:
    for name in ("play-a", "play-b"):
        cluster.store.load(WORKFLOWS, waiting_workflow(3, name=name))
    output = explain(payloads.approved()).output
    (command,) = [line for line in output.splitlines() if line.startswith("  kubectl")]
    assert shlex.split(command) == [
        *("kubectl", "get", "workflows", "-n", "agent-platform"),
        *("-l", "workflow-type=play-orchestration,task-id in (3)", "--show-labels"),
    ]


@pytest.fixture
def explain_saved(tmp_path: Path, environment: dict[str, str]) -> Callable[[dict[str, Any]], str]:
    """Explain a payload as GitHub shows it, without the id of its delivery."""

    def run(payload: dict[str, Any]) -> str:
        result = taskgate("explain", written(payload, tmp_path / "payload.json"), environment=environment)
        return str(result.output)

    return run


def test_a_saved_payload_whose_signal_a_push_revoked(
    cluster: EmbeddedCluster, send: Callable[..., str], explain_saved: Callable[..., str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-ready-for-qa"))
    assert send(payloads.approved(), "d-1") == "parked"
    waits = explain_saved(payloads.approved())
    assert "it has no delivery id; Workflow play-task-3-workflow remembers it as event d-1" in waits
    assert "Outcome: parked" in waits
    minute = timedelta(minutes=1)
    assert send(payloads.synchronize(happened=payloads.HAPPENED + minute), "d-2") == "withdrawn"
    gone = explain_saved(payloads.approved())
    assert checks(gone)["signal"] == "NO"
    assert "This signal was revoked by pull_request.synchronize by 5DLabs-Rex[bot] at 2026-11-22T11:01:00Z" in gone
    again = explain_saved(payloads.approved(happened=payloads.HAPPENED + minute / 2, review_id=7))
    assert "so it is unknown whether it was used before" in again  # another review


def test_a_saved_payload_that_opened_a_gate_before(
    cluster: EmbeddedCluster, send: Callable[..., str], explain_saved: Callable[..., str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(7))
    meant_for_8 = payloads.approved(labels=["task-7"], branch="fix-typo")
    assert send(meant_for_8, "d-1") == "opened"
    said = explain_saved(meant_for_8)
    assert checks(said)["duplicate"] == "NO"
    assert (
        "Nothing: the event has done its work. To signal once more, cause a new event: 5DLabs-Tess[bot] reviews" in said
    )
    other = explain_saved(payloads.approved(labels=["task-7"], branch="fix-typo", review_id=7))
    assert "was opened before, by event d-1." in other
    assert "It names task 7 by its label: if that is wrong, correct it." in other


def test_labels_that_were_put_on_together_are_told_apart(
    cluster: EmbeddedCluster, send: Callable[..., str], explain_saved: Callable[..., str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-pr-created"))
    ready, task = payloads.labeled(), payloads.labeled("task-3", by=payloads.CLEO)
    assert send(ready, "d-1") == "parked"
    assert send(task, "d-2") == "opened"
    assert "remembers it as event d-1" in explain_saved(ready)
    assert "remembers it as event d-2" in explain_saved(task)


def test_what_comes_too_late_to_revoke(
    cluster: EmbeddedCluster, explain: Callable[..., Any], send: Callable[..., str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    cluster.store.load(WORKFLOWS, waiting_workflow(7, "wait-ready-for-qa"))
    hour = timedelta(hours=1)
    assert send(payloads.approved(), "d-0") == "opened"
    assert send(payloads.approved(task=7, happened=payloads.HAPPENED + hour), "d-3") == "parked"
    for late in (payloads.synchronize(happened=payloads.HAPPENED + hour), payloads.synchronize(task=7)):
        said = explain(late)
        assert checks(said.output)["signal"] == "NO"
        assert "What it takes" not in said.output  # the reason says it


def test_a_workflow_that_is_finished(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, None))
    assert checks(explain(payloads.approved()).output)["gate"] == "NO"
    assert checks(explain(payloads.synchronize()).output)["workflow"] == "NO"


def test_gates_that_no_event_can_open(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, outputs={"nobody-knows": None}))
    incomplete = explain(payloads.approved())
    assert checks(incomplete.output)["gate"] == "NO"
    assert "Add it to `outputs` in gates.yaml" in incomplete.output
    cluster.store.load(WORKFLOWS, like("same-gate-twice", task=6))
    twice = next(
        node["displayName"] for node in like("same-gate-twice")["status"]["nodes"].values() if node["type"] == "Suspend"
    )
    payload = {"wait-pr-created": payloads.opened, "wait-pr-approved": payloads.approved}[twice](task=6)
    ambiguous = explain(payload)
    assert checks(ambiguous.output)["gate"] == "NO"
    assert "Tell them apart by `inputs`" in ambiguous.output


def test_a_release(cluster: EmbeddedCluster, tmp_path: Path, environment: dict[str, str]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    release = json.loads(payloads.release_argo("agent-platform", "play-task-3-workflow")[1])
    result = taskgate("explain", written(release, tmp_path / "event.json"), environment=environment)
    assert result.exit_code == 3
    assert checks(result.output)["gate"] == "NO"
    assert "No signal waits on it." in result.output


def test_without_a_cluster_it_stops_before_the_workflow(tmp_path: Path) -> None:
    file = written(cloudevent(payloads.approved()), tmp_path / "event.json")
    result = taskgate("explain", file)
    assert result.exit_code == 4
    marks = checks(result.output)
    assert marks.pop("workflow") == "?"
    assert set(marks.values()) == {"yes"}
    # What needs no Workflow is told all the same.
    refused = taskgate("explain", written(cloudevent(payloads.approved(by="octocat")), tmp_path / "event.json"))
    assert refused.exit_code == 3


def test_a_cluster_that_does_not_answer_can_not_tell(tmp_path: Path, unreachable: dict[str, str]) -> None:
    file = written(cloudevent(payloads.approved()), tmp_path / "event.json")
    result = taskgate("explain", file, environment=unreachable)
    assert result.exit_code == 1
    assert "The Kubernetes API does not answer" in result.output
    broken = written([], tmp_path / "broken")
    wrong = taskgate("explain", file, environment={"KUBECONFIG": str(broken)})
    assert wrong.exit_code == 1
    assert wrong.output.startswith(f"Error: KUBECONFIG is {broken}: expected the configuration of a cluster")


def test_offloaded_nodes_can_not_be_looked_at(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    workflow = recorded("offloaded-nodes")
    cluster.store.load(WORKFLOWS, workflow)
    labels = workflow["metadata"]["labels"]
    result = explain(payloads.opened(task=labels["task-id"], happened=payloads.HAPPENED.replace(year=2027)))
    assert result.exit_code == 1
    assert "ARGO_SERVER" in result.output


def test_a_payload_from_standard_input_is_guessed_with_a_note() -> None:
    payload = payloads.approved(by="octocat")
    result = taskgate("explain", "-", typed=json.dumps(payload))
    assert result.exit_code == 3
    assert "Note: from its fields it is a pull_request_review (if not, name it with --github-event)" in result.output
    named = taskgate("explain", "-", "--github-event", "issues", "--output", "json", typed=json.dumps(payload))
    wrong = taskgate("explain", "-", "--github-event", "pull_request.opened", typed=json.dumps(payload))
    assert (wrong.exit_code, "did you mean pull_request?" in wrong.output) == (2, True)
    assert json.loads(named.stdout)["name"] == "issues.submitted"


def test_values_from_outside_are_harmless_on_the_terminal(explain: Callable[..., Any]) -> None:
    for payload in (
        payloads.approved(by="evil\x1b]0;title\x07"),
        payloads.approved(task=None, branch="\x1b[2J", title="\u202e"),
        payloads.approved() | {"action": "\x1b[31m"},
    ):
        result = explain(payload)
        assert result.exit_code == 3
        assert result.output.replace("\n", "").isprintable()


def test_wrong_input_is_one_sentence(tmp_path: Path) -> None:
    missing = taskgate("explain", tmp_path / "none")
    assert (missing.exit_code, missing.output) == (
        1,
        f"Error: {tmp_path / 'none'}: cannot be read (No such file or directory)\n",
    )
    broken = taskgate("explain", "-", typed="{")
    assert (broken.exit_code, broken.output.count("\n")) == (1, 1)
    many = taskgate("explain", "-", typed="{}{}")
    assert "contains 2 events: expected one" in many.output
    field = taskgate("explain", "-", typed=json.dumps(cloudevent(payloads.approved() | {"action": 7})))
    assert field.exit_code == 3
    assert "NO   cloudevent" in field.output
    assert "What it takes: Compare it with the payload in the webhook settings of GitHub" in field.output
    empty = taskgate("explain", "-", typed='{"specversion": "1.0"}')
    assert empty.output.startswith("(no type), event (no id) from (no source)\n")
    own = taskgate("explain", "-", typed=json.dumps(cloudevent(payloads.approved()) | {"type": "dev.taskgate.opened"}))
    assert "NO   rule        Taskgate sent this event itself, and answers it with 204 and no body." in own.output
    rules = taskgate("explain", "-", "--config", tmp_path / "none.yaml", typed=json.dumps(cloudevent(payloads.push())))
    assert rules.exit_code == 1
    assert rules.output.startswith(f"Error: --config is {tmp_path / 'none.yaml'}: cannot be read (")
    assert taskgate("explain").exit_code == 2

"""`taskgate explain`: what would happen to this event, and why?"""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from func.core.outcomes import CHECKS
from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests import payloads
from tests.cli.events import cloudevent, written
from tests.cli.running import taskgate
from tests.recorded_workflows import gate_node, like, recorded, waiting_workflow


def checks(output: str) -> dict[str, str]:
    """check -> yes, NO or ?"""
    rows = [line.split(maxsplit=1) for line in output.splitlines() if line.startswith(("yes ", "NO ", "? "))]
    return {check: mark for mark, rest in rows for check in CHECKS if rest.startswith(f"{check}  ")}


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
    assert "It would be opened: wait-pr-approved is open" in result.output
    assert cluster.store.get(WORKFLOWS, *stored.key).version == stored.version
    assert {request.method for request in cluster.requests} == {"GET"}


def test_what_waits_and_what_is_taken_back_is_a_yes_too(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-pr-created"))
    parked = explain(payloads.approved(), "--output", "json")
    assert (parked.exit_code, json.loads(parked.stdout)["outcome"]) == (0, "parked")
    withdrawn = explain(payloads.synchronize())
    assert withdrawn.exit_code == 0
    assert "It would be withdrawn" in withdrawn.output
    assert "not needed: key, gate" in withdrawn.output


@pytest.mark.parametrize(
    ("payload", "check", "needed"),
    [
        (payloads.commented(), "rule", "For wait-pr-approved, review is approved and not commented."),
        (payloads.labeled("bug"), "rule", "the label fits ready-for-qa, which bug does not"),
        (payloads.dismissed() | {"action": "edited"}, "rule", "review approved opens wait-pr-approved"),
        (payloads.push("refs/heads/task-9-fix"), "rule", "one of the events that the rules know: pull_request.opened"),
        (payloads.approved(task=None), "task", "Put the label of its task on 5dlabs/cto#123"),
        (
            payloads.approved(labels=["task-1", "task-2"]),
            "task",
            "Take off the label that is wrong, then 5DLabs-Tess[bot] reviews 5dlabs/cto#123 again",
        ),
        (payloads.approved(head_repository="octocat/cto"), "fork", "`forks: true`"),
        (
            payloads.approved(by="octocat"),
            "person",
            "if octocat may too, add the login to people.reviewers in gates.yaml",
        ),
        (payloads.approved(by="octocat"), "person", "reviewers (5DLabs-Tess[bot], 5DLabs-Tess, tess-5dlabs)"),
        (payloads.approved() | {"review": {**payloads.approved()["review"], "user": None}}, "person", "names nobody"),
        (
            payloads.approved(reviewed="0" * 40),
            "fresh",
            f"5DLabs-Tess[bot] looks at the newest commit and approves again: a review about commit {payloads.HEAD}",
        ),
        (payloads.approved(task=8), "workflow", "task-id=8,repository=5dlabs-cto"),
        (
            payloads.approved(task=9),
            "workflow",
            "play-task-9-workflow is there, but its label repository is not 5dlabs",
        ),
        (payloads.approved(task=4), "age", "said again: 5DLabs-Tess[bot] reviews 5dlabs/cto#123 again"),
        (payloads.opened(task=4), "age", "close 5dlabs/cto#123 and open it again"),
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
        (payloads.approved(), "rule", "base is release-* and not main"),
        (payloads.approved(), "rule", "draft is true and not false"),
        (payloads.approved(base="release-1", draft=True), "person", "its id in gates.yaml is 7, the one of this acc"),
        (payloads.closed(repository="a/b"), "repository", "or add a/b to `repositories` in gates.yaml"),
        (payloads.closed(title="none"), "task", "It has a title that fits feat: task ([0-9]+); now it has title none."),
        (payloads.closed(), "gate", "comes when the Workflow stands at the gate; or take `early: refuse` away"),
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
    event = {"name": "pull_request_review.submitted", "event": "d-0", "pull_request": "5dlabs/cto#123"}
    gone = {**event, "state": "withdrawn", "why": "taken back", "happened": noon, "written": noon}
    for state, what in (
        ({"keys": {"wait-pr-approved": gone}}, "newer than what stands against it"),
        ({"keys": {"wait-pr-approved": gone | {"state": "claimed", "node": "n"}}}, "Event d-0 is about to open it"),
        ({"closed": {"pull_request": "5dlabs/cto#123", "happened": noon}}, "reopen 5dlabs/cto#123"),
        ({"pull_request": "5dlabs/cto#7"}, "close it unmerged, which frees the Workflow"),
    ):
        workflow = waiting_workflow(3)
        text = json.dumps({"uid": workflow["metadata"]["uid"], **state})
        workflow["metadata"]["annotations"]["taskgate.dev/state"] = text
        cluster.store.load(WORKFLOWS, workflow)
        assert what in explain(payloads.approved()).output
    failed = waiting_workflow(3)
    gate_node(failed, "wait-pr-approved")["phase"] = "Failed"
    cluster.store.load(WORKFLOWS, failed)
    assert "argo retry" in explain(payloads.approved()).output


def test_the_same_event_again_and_another_pull_request(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    noon = "2026-11-22T12:00:00Z"
    key = {"state": "used", "name": "pull_request.opened", "event": "d-1", "happened": noon, "written": noon}
    workflow = waiting_workflow(3)
    uid = workflow["metadata"]["uid"]

    def remember(**state: object) -> None:
        workflow["metadata"]["annotations"]["taskgate.dev/state"] = json.dumps({"uid": uid, **state})
        cluster.store.load(WORKFLOWS, workflow)

    remember(keys={"wait-pr-created": key})
    again = explain(payloads.approved())
    assert (again.exit_code, checks(again.output)["duplicate"]) == (3, "NO")
    assert "it is this very event that opened wait-pr-created of Workflow play-task-3-workflow, at" in again.output

    remember(pull_request="5dlabs/cto#7", keys={})
    other = explain(payloads.approved())
    assert (other.exit_code, checks(other.output)["pull request"]) == (3, "NO")
    assert "belongs to 5dlabs/cto#7" in other.output

    remember(keys={"wait-pr-approved": {**key, "event": "other"}})
    open_before = explain(payloads.approved())
    assert (open_before.exit_code, checks(open_before.output)["key"]) == (3, "NO")

    workflow["metadata"]["annotations"]["taskgate.dev/state"] = "not ours"
    cluster.store.load(WORKFLOWS, workflow)
    odd = explain(payloads.approved())
    assert odd.exit_code == 3
    assert "can't be read, it is not JSON" in odd.output
    assert "What it takes" not in odd.output


@pytest.fixture
def explain_saved(tmp_path: Path, environment: dict[str, str]) -> Callable[[dict[str, Any]], str]:
    """What is said about a payload as GitHub shows it, without the id of its delivery."""

    def run(payload: dict[str, Any]) -> str:
        result = taskgate("explain", written(payload, tmp_path / "payload.json"), environment=environment)
        return str(result.output)

    return run


def test_a_saved_payload_whose_key_a_push_took_back(
    cluster: EmbeddedCluster, send: Callable[..., str], explain_saved: Callable[..., str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-ready-for-qa"))
    assert send(payloads.approved(), "d-1") == "parked"
    waits = explain_saved(payloads.approved())
    assert "it has no delivery id; Workflow play-task-3-workflow remembers it as event d-1" in waits
    assert "It would be parked" in waits
    minute = timedelta(minutes=1)
    assert send(payloads.synchronize(happened=payloads.HAPPENED + minute), "d-2") == "withdrawn"
    gone = explain_saved(payloads.approved())
    assert checks(gone)["key"] == "NO"
    assert "Overtaken" not in gone
    assert "was withdrawn: taken back by event d-2 (pull_request.synchronize by 5DLabs-Rex[bot], commit 6113" in gone
    assert "said again: 5DLabs-Tess[bot] reviews 5dlabs/cto#123 again." in gone
    assert "Against it stands: event d-2 (a push of 6113728), 2026-11-22T11:01:00Z." in gone
    again = explain_saved(payloads.approved(happened=payloads.HAPPENED + minute / 2, review_id=7))
    assert "so that duplicates can't be told" in again  # another review
    assert "Against it stands: event d-2 (a push of 6113728)" in again


def test_a_saved_payload_that_opened_the_gate_of_another_task(
    cluster: EmbeddedCluster, send: Callable[..., str], explain_saved: Callable[..., str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(7))
    cluster.store.load(WORKFLOWS, waiting_workflow(8))
    meant_for_8 = payloads.approved(labels=["task-7"], branch="fix-typo")
    assert send(meant_for_8, "d-1") == "opened"
    said = explain_saved(meant_for_8)
    assert checks(said)["duplicate"] == "NO"
    assert re.search(
        r"it is this very event that opened wait-pr-approved of Workflow play-task-7-workflow, at 2\S+Z\. "
        r"It is for task 7 by its label; if another was meant, put that right on 5dlabs/cto#123, "
        r"then 5DLabs-Tess\[bot\] reviews 5dlabs/cto#123 again: a redelivery has the old one\.",
        said,
    )
    late = explain_saved(payloads.approved(happened=payloads.HAPPENED.replace(hour=12), review_id=7))
    assert "There is no Workflow for it" in late
    other = payloads.approved(labels=["task-7"], branch="fix-typo", review_id=7)
    assert re.search(
        r"Nothing, the gate is open\. Event d-1 opened it at 2\S+Z: pull_request_rev", explain_saved(other)
    )


def test_labels_that_were_put_on_together_are_told_apart(
    cluster: EmbeddedCluster, send: Callable[..., str], explain_saved: Callable[..., str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-pr-created"))
    ready, task = payloads.labeled(), payloads.labeled("task-3", by=payloads.CLEO)
    assert send(ready, "d-1") == "parked"
    assert send(task, "d-2") == "opened"
    assert "remembers it as event d-1" in explain_saved(ready)
    assert "remembers it as event d-2" in explain_saved(task)


def test_a_saved_payload_of_an_event_that_was_used_up(
    cluster: EmbeddedCluster, explain_saved: Callable[..., str]
) -> None:
    def remember(**facts: object) -> None:
        payload = payloads.approved()
        key = {
            "state": "used", "name": "pull_request_review.submitted", "event": "d-1", "pull_request": "5dlabs/cto#123",
            "person": payloads.TESS, "head": payloads.HEAD, "review": payload["review"]["id"],
            "happened": payload["review"]["submitted_at"], **facts,
        }  # fmt: skip
        workflow = waiting_workflow(3, "wait-pr-merged")
        state = {"uid": workflow["metadata"]["uid"], "keys": {"wait-pr-approved": key}}
        workflow["metadata"]["annotations"]["taskgate.dev/state"] = json.dumps(state)
        cluster.store.load(WORKFLOWS, workflow)

    noon = "2026-11-22T12:00:00Z"
    remember(written=noon, why="the gate was opened by hand or by its own duration")
    said = explain_saved(payloads.approved())
    assert f"play-task-3-workflow: the gate was opened by hand or by its own duration, seen at {noon}." in said
    assert f"Not by a key: the gate was opened by hand or by its own duration at {noon}." in explain_saved(
        payloads.approved(review_id=7)
    )


def test_what_comes_too_late_to_take_a_key_back(
    cluster: EmbeddedCluster, explain: Callable[..., Any], send: Callable[..., str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    cluster.store.load(WORKFLOWS, waiting_workflow(7, "wait-ready-for-qa"))
    hour = timedelta(hours=1)
    assert send(payloads.approved(), "d-0") == "opened"
    assert send(payloads.approved(task=7, happened=payloads.HAPPENED + hour), "d-3") == "parked"
    for push in (payloads.synchronize(happened=payloads.HAPPENED + hour), payloads.synchronize(task=7)):
        said = explain(push)
        assert checks(said.output)["key"] == "NO"
        assert "Nothing: it takes back keys of before it alone" in said.output
        assert "close it unmerged" not in said.output


def test_a_workflow_that_has_come_to_its_end(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, None))
    assert checks(explain(payloads.approved()).output)["gate"] == "NO"
    assert checks(explain(payloads.synchronize()).output)["workflow"] == "NO"


def test_gates_that_no_event_can_open(cluster: EmbeddedCluster, explain: Callable[..., Any]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, outputs={"nobody-knows": None}))
    incomplete = explain(payloads.approved())
    assert checks(incomplete.output)["gate"] == "NO"
    assert "`outputs` in gates.yaml gives the value" in incomplete.output
    cluster.store.load(WORKFLOWS, like("same-gate-twice", task=6))
    twice = next(
        node["displayName"] for node in like("same-gate-twice")["status"]["nodes"].values() if node["type"] == "Suspend"
    )
    payload = {"wait-pr-created": payloads.opened, "wait-pr-approved": payloads.approved}[twice](task=6)
    ambiguous = explain(payload)
    assert checks(ambiguous.output)["gate"] == "NO"
    assert "tell them apart by `inputs`" in ambiguous.output


def test_a_release(cluster: EmbeddedCluster, tmp_path: Path, environment: dict[str, str]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    release = json.loads(payloads.release_argo("agent-platform", "play-task-3-workflow")[1])
    result = taskgate("explain", written(release, tmp_path / "event.json"), environment=environment)
    assert result.exit_code == 3
    assert checks(result.output)["gate"] == "NO"
    assert "No key waits on this Workflow." in result.output


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


def test_a_cluster_that_does_not_answer_can_not_tell(
    cluster: EmbeddedCluster, tmp_path: Path, explain: Callable[..., Any]
) -> None:
    cluster.stop()
    result = explain(payloads.approved())
    assert result.exit_code == 1
    assert "It can't be told: The Kubernetes API does not answer" in result.output
    broken = written([], tmp_path / "broken")
    file = written(cloudevent(payloads.approved()), tmp_path / "event.json")
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
        f"Error: {tmp_path / 'none'}: can't be read (No such file or directory)\n",
    )
    broken = taskgate("explain", "-", typed="{")
    assert (broken.exit_code, broken.output.count("\n")) == (1, 1)
    many = taskgate("explain", "-", typed="{}{}")
    assert "holds 2 events: expected one" in many.output
    field = taskgate("explain", "-", typed=json.dumps(cloudevent(payloads.approved() | {"action": 7})))
    assert field.exit_code == 3
    assert "NO   cloudevent" in field.output
    assert "What it takes: That field is as GitHub sends it." in field.output
    empty = taskgate("explain", "-", typed='{"specversion": "1.0"}')
    assert empty.output.startswith("(no type), event (no id) from (no source)\n")
    own = taskgate("explain", "-", typed=json.dumps(cloudevent(payloads.approved()) | {"type": "dev.taskgate.opened"}))
    assert "What it takes: Nothing: it is no event from outside." in own.output
    rules = taskgate("explain", "-", "--config", tmp_path / "none.yaml", typed=json.dumps(cloudevent(payloads.push())))
    assert rules.exit_code == 1
    assert rules.output.startswith("Error: TASKGATE_CONFIG is ")
    assert taskgate("explain").exit_code == 2

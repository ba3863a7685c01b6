"""`taskgate explain --workflow`: the story of one Workflow."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests import payloads
from tests.cli.running import taskgate
from tests.cli.test_waiting import key, with_keys
from tests.recorded_workflows import Workflow, gate_node, like, recorded, waiting_workflow

NAME = "play-task-3-workflow"
NOW = datetime.now(UTC).replace(microsecond=0)
EARLIER = NOW - timedelta(days=2, hours=3, minutes=30)
Told = Callable[..., dict[str, Any]]


@pytest.fixture
def told(environment: dict[str, str]) -> Told:
    """The story as data."""

    def run(name: str = NAME, exit_code: int = 0, **settings: str) -> dict[str, Any]:
        result = taskgate("explain", "--workflow", name, "--output", "json", environment={**environment, **settings})
        assert result.exit_code == exit_code, result.output
        story: dict[str, Any] = json.loads(result.stdout)
        return story

    return run


def gate(story: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [each for each in story["gates"] if each["gate"] == name]
    return {**one, "about": " ".join(one["about"])}


def at_approval(**state: Any) -> Workflow:  # noqa: ANN401 - any JSON
    return with_keys(waiting_workflow(3, created=EARLIER), state.pop("keys", {}), **state)


def test_where_it_waits_since_when_and_for_what(cluster: EmbeddedCluster, told: Told) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, created=EARLIER))
    story = told()
    assert story["summary"].startswith("It waits at wait-pr-approved since ")
    assert story["summary"].endswith("(2d3h). No key has come for it.")
    assert [(one["gate"], one["stands"]) for one in story["gates"]] == [
        ("wait-pr-created", "open"),
        ("wait-ready-for-qa", "open"),
        ("wait-pr-approved", "waits"),
        ("wait-pr-merged", "not reached"),
    ]
    (node,) = gate(story, "wait-pr-approved")["nodes"]
    assert story["facts"][0].startswith("Nothing is remembered on it")
    first, second = story["opens"]["wait-pr-approved"]
    assert "review approved, by reviewers (5DLabs-Tess[bot], 5DLabs-Tess, tess-5dlabs); the review is about" in first
    assert "names task 3" in second
    runs = [step["run"] for step in story["next"]]
    assert "taskgate explain payload.json --github-event pull_request_review" in runs
    assert any("""'select(.attributes."taskgate.task.id" == "3") | [""" in run for run in runs)
    assert f"argo resume -n agent-platform {NAME} --node-field-selector id={node}" in runs
    assert {request.method for request in cluster.requests} == {"GET"}


def test_a_key_that_was_withdrawn_by_a_push(cluster: EmbeddedCluster, told: Told, send: Callable[..., str]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-ready-for-qa", created=EARLIER))
    minute = timedelta(minutes=1)
    assert send(payloads.approved(happened=NOW - 9 * minute), "approval") == "parked"
    story = told()
    waiting = gate(story, "wait-pr-approved")
    assert waiting["key"] == "waits"
    assert "by 5DLabs-Tess[bot] on 5dlabs/cto#123, commit ec26c3e, event approval, happened" in waiting["about"]
    assert "wait-pr-approved is not reached yet." in waiting["about"]
    assert any("parked is there" in fact for fact in story["facts"])
    assert send(payloads.labeled(happened=NOW - 8 * minute), "label") == "opened"
    assert send(payloads.synchronize(happened=NOW - 7 * minute), "push") == "withdrawn"
    story = told()
    assert (story["pull_request"], gate(story, "wait-ready-for-qa")["key"]) == ("5dlabs/cto#123", "used")
    gone = gate(story, "wait-pr-approved")
    assert gone["key"] == "withdrawn"
    assert "taken back by event push (pull_request.synchronize by 5DLabs-Rex[bot], commit 6113728)" in gone["about"]
    assert any("belongs to 5dlabs/cto#123" in fact for fact in story["facts"])


def test_a_push_before_any_key(cluster: EmbeddedCluster, told: Told, send: Callable[..., str]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-ready-for-qa", created=EARLIER))
    assert send(payloads.synchronize(happened=NOW), "push") == "withdrawn"
    about = gate(told(), "wait-pr-approved")["about"]
    assert about.startswith("No key has come; a late one will find this: Withdrawal by event push (a push of 6113728),")


def test_what_a_new_approval_must_be_like(cluster: EmbeddedCluster, told: Told) -> None:
    push = {
        "event": "push",
        "happened": "2026-11-22T11:05:00Z",
        "pull_request": "5dlabs/cto#123",
        "head": "61137abcdef",
    }
    gone = key("withdrawn", written="2026-11-22T11:00:00Z", why="taken back by event push", notes=[push])
    cluster.store.load(WORKFLOWS, at_approval(keys={"wait-pr-approved": gone}, pull_request="5dlabs/cto#123"))
    story = told()
    assert "The key that came for it was withdrawn." in story["summary"]
    demands = " ".join(story["opens"]["wait-pr-approved"])
    assert "It is of pull request 5dlabs/cto#123." in demands
    assert "it is about commit 61137ab, or happened after 2026-11-22T11:05:00Z" in demands


def test_keys_that_expired_were_used_up_by_hand_or_are_claimed(cluster: EmbeddedCluster, told: Told) -> None:
    old = (NOW - timedelta(days=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
    by_hand = "the gate was opened by hand or by its own duration"
    keys = {
        "wait-pr-created": key("used", written="2026-11-22T11:00:00Z", why=by_hand),
        "wait-pr-merged": key("waiting", written=old),
        "wait-pr-approved": key("claimed", written="2026-11-22T11:00:00Z", node="node-1"),
    }
    cluster.store.load(WORKFLOWS, at_approval(keys=keys))
    story = told(exit_code=3)
    assert any("parked is missing, and a key waits" in fact for fact in story["facts"])  # the claimed one
    assert f"Not by this key: {by_hand}." in gate(story, "wait-pr-created")["about"]
    assert gate(story, "wait-pr-merged")["key"] == "expired"
    assert gate(story, "wait-pr-approved")["key"] == "claimed"
    assert "Event d-1 is about to open it" in story["troubles"][0]["what"]


def test_a_label_that_is_missing_is_told_while_it_can_be_put_back(cluster: EmbeddedCluster, told: Told) -> None:
    fresh = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    for written, missing in ((fresh, True), ("2026-01-01T11:00:00Z", False)):  # an expired key waits for nothing
        keys = {"wait-pr-merged": key("waiting", written=written)}
        cluster.store.load(WORKFLOWS, at_approval(keys=keys))
        put_back = f"Put it back: kubectl label workflow -n agent-platform {NAME} taskgate.dev/parked=true"
        assert (put_back in told()["facts"]) is missing
        assert any("missing" in fact for fact in told()["facts"]) is missing


def test_a_gate_that_is_open_without_a_key_says_what_its_node_says(cluster: EmbeddedCluster, told: Told) -> None:
    workflow = waiting_workflow(3)
    gate_node(workflow, "wait-pr-created")["message"] = "opened by ops"
    cluster.store.load(WORKFLOWS, workflow)
    assert gate(told(), "wait-pr-created")["about"].endswith("or all was forgotten. Its node says: opened by ops.")
    assert gate(told(), "wait-ready-for-qa")["about"].endswith("or all was forgotten.")


def test_a_key_that_could_open_its_gate_and_nobody_told(
    cluster: EmbeddedCluster, told: Told, send: Callable[..., str]
) -> None:
    workflow = waiting_workflow(3, "wait-ready-for-qa", created=EARLIER)
    cluster.store.load(WORKFLOWS, workflow)
    assert send(payloads.approved(happened=NOW), "approval") == "parked"
    kept = cluster.store.get(WORKFLOWS, "agent-platform", NAME).metadata
    reached = waiting_workflow(3, created=EARLIER)
    reached["metadata"]["annotations"] |= kept["annotations"]
    reached["metadata"]["labels"] |= kept["labels"]
    cluster.store.load(WORKFLOWS, reached)
    (trouble,) = told(exit_code=3)["troubles"]
    assert "the watch for waiting keys does not work" in trouble["what"]
    assert "kubectl annotate workflow -n agent-platform play-task-3-workflow --overwrite look=" in trouble["run"][0]
    del reached["metadata"]["labels"]["taskgate.dev/parked"]
    cluster.store.load(WORKFLOWS, reached)
    story = told(exit_code=3)
    assert "taskgate.dev/parked=true" in story["troubles"][0]["run"][0]
    assert any("missing, and a key waits" in fact for fact in story["facts"])


def test_a_waiting_key_that_the_rules_refuse_today(
    cluster: EmbeddedCluster, told: Told, send: Callable[..., str], tmp_path: Path
) -> None:
    from func.service.settings import BUILT_IN_RULES

    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-ready-for-qa", created=EARLIER))
    assert send(payloads.approved(happened=NOW), "approval") == "parked"
    rules = tmp_path / "gates.yaml"
    rules.write_text(BUILT_IN_RULES.read_text().replace("'5DLabs-Tess[bot]', ", ""))
    story = told(TASKGATE_CONFIG=str(rules))
    assert "5DLabs-Tess[bot] is not among reviewers." in gate(story, "wait-pr-approved")["about"]


def test_a_closed_pull_request_and_a_copy(cluster: EmbeddedCluster, told: Told, send: Callable[..., str]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-ready-for-qa", created=EARLIER))
    assert send(payloads.approved(happened=NOW), "approval") == "parked"
    assert send(payloads.closed(merged=False, happened=NOW), "closed") == "withdrawn"
    story = told()
    assert story["closed"] == f"5dlabs/cto#123 at {NOW:%Y-%m-%dT%H:%M:%SZ}"
    assert "5dlabs/cto#123 was closed unmerged" in gate(story, "wait-pr-approved")["about"]
    (demands,) = story["opens"].values()
    assert "If it is of 5dlabs/cto#123, it happened after that was closed: reopen it first." in demands

    copy = deepcopy(cluster.store.get(WORKFLOWS, "agent-platform", NAME).document)
    copy["metadata"] |= {"name": "copy", "uid": "another", "labels": {**copy["metadata"]["labels"], "task-id": "4"}}
    cluster.store.load(WORKFLOWS, copy)
    assert any("It is a copy" in fact for fact in told("copy")["facts"])


def test_gates_that_no_event_can_open(cluster: EmbeddedCluster, told: Told) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-lunch", gates=("wait-pr-created", "wait-lunch")))
    assert told(exit_code=3)["troubles"][0]["what"] == "No rule opens wait-lunch."

    cluster.store.load(WORKFLOWS, waiting_workflow(3, outputs={"environment": None}))
    (missing,) = told(exit_code=3)["troubles"]
    assert "wants a value for environment" in missing["what"]
    assert "-p environment=<value>" in missing["run"][0]

    cluster.store.load(WORKFLOWS, at_approval(keys={"wait-pr-approved": key("used", written="2026-11-22T11:00:00Z")}))
    assert "used before, and it waits again" in told(exit_code=3)["troubles"][0]["what"]

    cluster.store.load(WORKFLOWS, like("same-gate-twice", task=6))
    (twice,) = told("play-task-6-workflow", exit_code=3)["troubles"]
    assert "Several nodes wait at" in twice["what"]
    assert ["argo resume" in command for command in twice["run"]] == [True, True]


def test_workflows_that_no_event_finds(cluster: EmbeddedCluster, told: Told) -> None:
    foreign = waiting_workflow(3)
    foreign["metadata"]["labels"] = {"workflow-type": "other"}
    cluster.store.load(WORKFLOWS, foreign)
    whats = [trouble["what"] for trouble in told(exit_code=3)["troubles"]]
    assert whats[0].startswith("It is not ours: its labels do not fit workflow-type=play-orchestration")
    assert whats[1:] == [
        "Its label task-id is missing, so no event finds it.",
        "Its label repository is missing, so no event finds it.",
    ]
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    cluster.store.load(WORKFLOWS, waiting_workflow(3, name="play-3-again"))
    cluster.store.load(WORKFLOWS, waiting_workflow(3, None, name="play-3-finished"))
    (twins,) = told(exit_code=3)["troubles"]
    assert "same task and repository: play-3-again." in twins["what"]


def test_finished_unreadable_offloaded_paused_and_busy(cluster: EmbeddedCluster, told: Told) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, None))
    finished = told()
    assert finished["summary"].startswith("It has come to its end (Succeeded)")
    assert finished["opens"] == {}

    odd = waiting_workflow(3)
    odd["metadata"]["annotations"]["taskgate.dev/state"] = "\x1b[31m"
    odd["spec"]["suspend"] = True
    cluster.store.load(WORKFLOWS, odd)
    story = told(exit_code=3)
    assert story["troubles"][0]["what"].endswith("can't be read, it is not JSON.")
    assert "kubectl annotate workflow -n agent-platform play-task-3-workflow taskgate.dev/state-" in str(story)
    assert any("spec.suspend" in fact for fact in story["facts"])

    offloaded = recorded("offloaded-nodes")
    cluster.store.load(WORKFLOWS, offloaded)
    assert "set ARGO_SERVER" in told(offloaded["metadata"]["name"], exit_code=1)["summary"]

    busy = waiting_workflow(3)
    node = gate_node(busy, "wait-pr-approved")
    node |= {"type": "Pod", "displayName": "implement"}
    cluster.store.load(WORKFLOWS, busy)
    assert told()["summary"] == "It waits at no gate, and is busy with implement."
    busy["status"]["nodes"] = {}
    cluster.store.load(WORKFLOWS, busy)
    assert told()["summary"].startswith("It has not begun")


def test_for_people(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    keys = {"wait-pr-created": key("used", written="2026-11-22T11:00:00Z", person="evil\x1b]0;title\x07")}
    cluster.store.load(WORKFLOWS, at_approval(keys=keys))
    result = taskgate("explain", "--workflow", f"agent-platform/{NAME}", environment=environment)
    assert result.exit_code == 0
    assert "wait-pr-created    open         used  pull_request.closed by evil\\x1b]0;title\\x07 on" in result.output
    assert result.output.replace("\n", "").isprintable()


def test_wrong_names_are_one_sentence(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    def said(*arguments: str) -> tuple[int, str]:
        result = taskgate("explain", *arguments, environment=environment)
        return result.exit_code, result.output

    assert said("--workflow", "none") == (
        1,
        "Error: there is no Workflow none in namespace agent-platform; taskgate waiting lists those under way\n",
    )
    assert said("--workflow", "") == (1, "Error: --workflow has no name; taskgate waiting lists those under way\n")
    assert said("--workflow", "other/none")[1].startswith("Error: namespace other is not agent-platform")
    assert said("event.json", "--workflow", NAME)[0] == 2
    cluster.stop()
    code, text = said("--workflow", NAME)
    assert (code, text.count("\n")) == (1, 1)
    assert text.startswith("Error: The Kubernetes API does not answer")

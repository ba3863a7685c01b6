"""`taskgate waiting`: which tasks stand at which gates, since when, and which keys wait for them?"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from func.cli.key_words import age
from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests.cli.running import taskgate
from tests.recorded_workflows import Workflow, compressed, fleet, like, recorded, waiting_workflow


def with_keys(workflow: Workflow, keys: dict[str, Any], **state: Any) -> Workflow:  # noqa: ANN401  any JSON
    text = json.dumps({"uid": workflow["metadata"]["uid"], **state, "keys": keys})
    workflow["metadata"]["annotations"]["taskgate.dev/state"] = text
    return workflow


def key(state: str, **facts: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    event = {"name": "pull_request.closed", "event": "d-1", "happened": "2026-11-22T11:00:00Z"}
    return {**event, "state": state, "pull_request": "5dlabs/cto#123", "person": "octocat", **facts}


def gates(output: str) -> list[str]:
    return [line.split()[0] for line in output.splitlines()[1:]]


def test_tasks_in_the_order_of_the_gates_longest_first(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    early = datetime.now(UTC) - timedelta(days=3, hours=4, minutes=1)
    for workflow in [
        *fleet(8),
        waiting_workflow(20, "wait-pr-created", created=early),
        compressed(waiting_workflow(21, "wait-pr-merged")),
        waiting_workflow(22, None),
        {**waiting_workflow(23), "metadata": waiting_workflow(23)["metadata"] | {"labels": {"task-id": "23"}}},
        waiting_workflow(24, namespace="other"),
    ]:
        cluster.store.load(WORKFLOWS, workflow)
    result = taskgate("waiting", environment=environment)
    assert result.exit_code == 0, result.output
    assert gates(result.output) == [
        *["wait-pr-created"] * 3, *["wait-ready-for-qa"] * 2, *["wait-pr-approved"] * 2, *["wait-pr-merged"] * 3
    ]  # fmt: skip
    (row,) = [line for line in result.output.splitlines() if "play-task-20-workflow" in line]
    assert re.search(r" 20 +5dlabs-cto +play-task-20-workflow +3d4h", row)
    for finished_or_not_ours in (22, 23, 24):
        assert f"play-task-{finished_or_not_ours}-" not in result.output
    assert {request.method for request in cluster.requests} == {"GET"}


def test_many_are_read_a_page_at_a_time(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    for workflow in fleet(230):
        cluster.store.load(WORKFLOWS, workflow)
    result = taskgate("waiting", "--output", "json", environment=environment)
    assert len({each["task"] for each in json.loads(result.stdout)}) == 230
    assert len(cluster.requests) == 3


def test_the_keys_that_wait_and_those_taken_back(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = {
        "wait-pr-created": key("used"),
        "wait-ready-for-qa": key("withdrawn", person="pusher"),  # no key came, only this
        "wait-pr-approved": key("withdrawn", written=now, why="taken back by event d-2"),
        "wait-pr-merged": key("waiting", written=now),
    }
    cluster.store.load(WORKFLOWS, with_keys(waiting_workflow(3), keys, pull_request="5dlabs/cto#123"))
    table = taskgate("waiting", environment=environment).output
    assert "waits for wait-pr-merged: 5dlabs/cto#123 by octocat, 2026-11-22T11:00:00Z" in table
    assert "withdrawn for wait-pr-approved: 5dlabs/cto#123 by octocat, 2026-11-22T11:00:00Z (taken back" in table
    assert "wait-pr-created" not in table
    assert "pusher" not in table

    (shown,) = json.loads(taskgate("waiting", "--output", "json", environment=environment).stdout)
    assert shown["pull_request"] == "5dlabs/cto#123"
    assert shown["gates"][0]["gate"] == "wait-pr-approved"
    assert shown["gates"][0]["since"] == "2026-11-22T10:19:55Z"
    assert {each["gate"]: each["state"] for each in shown["keys"]} == {
        "wait-pr-approved": "withdrawn",
        "wait-pr-merged": "waiting",
    }


def test_a_key_that_waited_too_long_does_not_wait(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    keys = {"wait-pr-merged": key("waiting", written="2026-01-01T11:00:00Z")}
    cluster.store.load(WORKFLOWS, with_keys(waiting_workflow(3), keys))
    assert "expired for wait-pr-merged: 5dlabs/cto#123" in taskgate("waiting", environment=environment).output


def test_odd_workflows_are_told_as_they_are(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    broken = waiting_workflow(1)
    broken["metadata"]["annotations"]["taskgate.dev/state"] = "\x1b[31m"
    no_nodes = waiting_workflow(2)
    no_nodes["status"]["nodes"] = {}
    odd_nodes = waiting_workflow(4)
    odd_nodes["status"]["compressedNodes"] = "no base64 at all"
    no_times = waiting_workflow(5)
    for node in no_times["status"]["nodes"].values():
        del node["startedAt"]
    offloaded = recorded("offloaded-nodes")
    parallel = like("dag-parallel-gates", task=6)
    for workflow in (broken, no_nodes, odd_nodes, no_times, offloaded, parallel):
        cluster.store.load(WORKFLOWS, workflow)
    result = taskgate("waiting", environment=environment)
    assert result.exit_code == 0
    rows = result.output.splitlines()
    (broken_row,) = [row for row in rows if "play-task-1-workflow" in row]
    assert "can't be read, it is not JSON" in broken_row
    (empty_row,) = [row for row in rows if "play-task-2-workflow" in row]
    assert empty_row.startswith("(at no gate)")
    assert any("status.compressedNodes is no base64 of gzip of JSON" in row for row in rows)
    assert any("Its nodes are offloaded" in row for row in rows)
    assert sum("play-task-6-workflow" in row for row in rows) == 2
    assert "\x1b" not in result.output


def test_nothing_waits(environment: dict[str, str]) -> None:
    result = taskgate("waiting", environment=environment)
    assert (result.exit_code, result.output) == (
        0,
        "No Workflow with workflow-type=play-orchestration is under way in agent-platform.\n",
    )
    assert json.loads(taskgate("waiting", "--output", "json", environment=environment).stdout) == []


def test_a_cluster_that_does_not_answer_is_one_sentence(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    cluster.stop()
    result = taskgate("waiting", environment=environment)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith("Error: The Kubernetes API does not answer")
    nowhere = taskgate("waiting")
    assert nowhere.exit_code == 1
    assert nowhere.output.startswith("Error: KUBECONFIG is not set and this is no pod")


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (timedelta(seconds=-5), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=7, seconds=3), "7m"),
        (timedelta(hours=5, minutes=0), "5h0m"),
        (timedelta(days=12, hours=23, minutes=59), "12d23h"),
    ],
)
def test_age(time: timedelta, shown: str) -> None:
    assert age(time) == shown

"""`taskgate waiting`: which tasks wait at which gates, since when, which signals wait, and what is wrong?"""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from func.cli.output import age
from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests.cli.running import taskgate
from tests.recorded_workflows import compressed, fleet, like, recorded, waiting_workflow
from tests.remembering import merge, push, remembering, signal, use


def gates(output: str) -> list[str]:
    return [line.split()[0] for line in output.splitlines()[1:] if not line.startswith(" ")]


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
    assert re.search(r" 20 +3d4h +play-task-20-workflow +5dlabs-cto", row)
    for finished_or_not_ours in (22, 23, 24):
        assert f"play-task-{finished_or_not_ours}-" not in result.output
    assert {request.method for request in cluster.requests} == {"GET"}


def test_many_are_read_a_page_at_a_time(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    for workflow in fleet(230):
        cluster.store.load(WORKFLOWS, workflow)
    result = taskgate("waiting", "--output", "json", environment=environment)
    assert len({each["task"] for each in json.loads(result.stdout)}) == 230
    assert len(cluster.requests) == 3


def test_the_signals_that_wait_and_those_revoked(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    signals = [signal(written=now), push(), merge(id="d-3", written=now), signal(id="d-0", gate="wait-pr-created")]
    used = [use("node", id="d-0", gate="wait-pr-created")]
    cluster.store.load(WORKFLOWS, remembering(waiting_workflow(3), signals, used))
    table = taskgate("waiting", environment=environment).output
    assert "waits for wait-pr-merged: 5dlabs/cto#123 by octocat, 2026-11-22T10:30:00Z" in table
    assert (
        "revoked for wait-pr-approved: 5dlabs/cto#123 by 5DLabs-Tess[bot], 2026-11-22T10:30:00Z. This signal was rev"
        in table
    )
    assert "wait-pr-created" not in table

    (shown,) = json.loads(taskgate("waiting", "--output", "json", environment=environment).stdout)
    assert shown["pull_request"] == "5dlabs/cto#123"
    assert shown["gates"][0]["gate"] == "wait-pr-approved"
    assert shown["gates"][0]["since"] == "2026-11-22T10:19:55Z"
    assert {each["gate"]: (each["state"], each["code"]) for each in shown["signals"]} == {
        "wait-pr-approved": ("rejected", "revoked"),
        "wait-pr-merged": ("waits", "not-reached"),
    }


def test_one_gate_or_one_task(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    for workflow in fleet(12):
        cluster.store.load(WORKFLOWS, workflow)
    at_gate = taskgate("waiting", "--gate", "wait-pr-approved", environment=environment)
    assert gates(at_gate.output) == ["wait-pr-approved"] * 3
    of_task = taskgate("waiting", "--task", "3", "--output", "json", environment=environment)
    assert [each["task"] for each in json.loads(of_task.stdout)] == ["3"]
    nobody = taskgate("waiting", "--gate", "lunch", "--task", "9", environment=environment)
    assert nobody.output.startswith("No Workflow of task 9 with workflow-type=")
    assert nobody.output.endswith("is running in agent-platform and waits at lunch.\n")


@pytest.mark.parametrize("gate", ["wait-pr-approved", "wait-security-review"])
def test_of_two_gates_only_the_one_that_was_asked_for(
    cluster: EmbeddedCluster, environment: dict[str, str], gate: str
) -> None:
    cluster.store.load(WORKFLOWS, like("dag-parallel-gates", task=6))
    assert gates(taskgate("waiting", "--gate", gate, environment=environment).output) == [gate]
    (shown,) = json.loads(taskgate("waiting", "--gate", gate, "--output", "json", environment=environment).stdout)
    assert [each["gate"] for each in shown["gates"]] == [gate]


def test_what_is_wrong_is_shown(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    stopping, suspended, unlabelled = waiting_workflow(1), waiting_workflow(2), waiting_workflow(4)
    stopping["spec"]["shutdown"] = "Stop"
    suspended["spec"]["suspend"] = True
    del unlabelled["metadata"]["labels"]["task-id"]
    twins = [waiting_workflow(5), *(waiting_workflow(int(name[-1]), name=name) for name in ("first-6", "second-6"))]
    for workflow in (stopping, suspended, unlabelled, *twins, waiting_workflow(5, name="again")):
        cluster.store.load(WORKFLOWS, workflow)
    found = json.loads(taskgate("waiting", "--output", "json", environment=environment).stdout)
    assert {each["workflow"]: [problem["code"] for problem in each["problems"]] for each in found} == {
        "play-task-1-workflow": ["workflow-stopping"],
        "play-task-2-workflow": ["suspended"],
        "play-task-4-workflow": ["label-missing"],
        "play-task-5-workflow": [],  # its name says that it is the one
        "again": ["shadowed"],
        "first-6": ["several-workflows"],
        "second-6": ["several-workflows"],
    }
    table = taskgate("waiting", environment=environment).output
    for each in found:
        assert all(problem["what"] in table for problem in each["problems"])


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
    assert "taskgate.dev/state cannot be read: not JSON." in broken_row
    (empty_row,) = [row for row in rows if "play-task-2-workflow" in row]
    assert empty_row.startswith("(at no gate)")
    assert any("status.compressedNodes is not base64 of gzip of JSON" in row for row in rows)
    assert any("Its nodes are stored in a database" in row for row in rows)
    assert sum("play-task-6-workflow" in row for row in rows) == 2
    assert "\x1b" not in result.output


def test_nothing_waits(environment: dict[str, str]) -> None:
    result = taskgate("waiting", environment=environment)
    assert (result.exit_code, result.output) == (
        0,
        "No Workflow with workflow-type=play-orchestration is running in agent-platform.\n",
    )
    assert json.loads(taskgate("waiting", "--output", "json", environment=environment).stdout) == []


def test_a_cluster_that_does_not_answer_is_one_sentence(unreachable: dict[str, str]) -> None:
    result = taskgate("waiting", environment=unreachable)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith("Error: The Kubernetes API does not answer")
    nowhere = taskgate("waiting")
    assert nowhere.exit_code == 1
    assert nowhere.output.startswith("Error: KUBECONFIG is not set and this is not a pod")


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

"""`taskgate explain --workflow`: where one Workflow stands, why, and what a person does."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests import payloads
from tests.cli.running import taskgate
from tests.recorded_workflows import gate_node, like, recorded, waiting_workflow
from tests.remembering import push, remembering, signal

NAME = "play-task-3-workflow"
NOW = datetime.now(UTC).replace(microsecond=0)
EARLIER = NOW - timedelta(days=2, hours=3, minutes=30)
Told = Callable[..., dict[str, Any]]


@pytest.fixture
def told(environment: dict[str, str]) -> Told:
    """Return the explanation as data."""

    def run(name: str = NAME, exit_code: int = 0, **settings: str) -> dict[str, Any]:
        result = taskgate("explain", "--workflow", name, "--output", "json", environment={**environment, **settings})
        assert result.exit_code == exit_code, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return run


def of_gate(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [each for each in found if each["gate"] == name]


def test_where_it_waits_since_when_and_for_what(cluster: EmbeddedCluster, told: Told) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, created=EARLIER))
    found = told()
    assert found["summary"].startswith("It waits at wait-pr-approved since ")
    assert found["summary"].endswith("(2d3h). No signal has come for it.")
    assert [(one["gate"], one["state"]) for one in found["gates"]] == [
        ("wait-pr-created", "open"),
        ("wait-ready-for-qa", "open"),
        ("wait-pr-approved", "waiting"),
        ("wait-pr-merged", "not reached"),
    ]
    (node,) = of_gate(found["gates"], "wait-pr-approved")[0]["nodes"]
    assert found["facts"][0].startswith("No signal is remembered on it")
    first, second = found["opens"]["wait-pr-approved"]
    assert "review approved, fresh true, by reviewers (5DLabs-Tess[bot], 5DLabs-Tess, tess-5dlabs)" in first
    assert "names task 3" in second
    runs = [step["run"] for step in found["next"]]
    assert "taskgate explain payload.json --github-event pull_request_review" in runs
    assert any(""" | grep -F -e '"taskgate.task.id": "3"' """ in run for run in runs)
    assert f"argo resume -n agent-platform {NAME} --node-field-selector id={node}" in runs
    assert {request.method for request in cluster.requests} == {"GET"}


def test_the_log_is_searched_for_events_that_name_several_tasks_too(
    cluster: EmbeddedCluster, told: Told, environment: dict[str, str], tmp_path: Path
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, created=EARLIER))
    (search,) = [step["run"].partition(" | ")[2] for step in told()["next"] if step["run"].startswith("kubectl")]
    payload = tmp_path / "payload.json"
    payload.write_text(json.dumps(payloads.approved(labels=["task-3", "task-4"])))
    explained = taskgate("explain", str(payload), "--output", "json", environment=environment)
    logged = json.dumps({"body": json.loads(explained.stdout)["reason"]})
    assert subprocess.run(shlex.split(search), input=logged, check=False, text=True, capture_output=True).stdout


def test_a_signal_that_a_push_revoked(cluster: EmbeddedCluster, told: Told, send: Callable[..., str]) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-ready-for-qa", created=EARLIER))
    minute = timedelta(minutes=1)
    assert send(payloads.approved(happened=NOW - 9 * minute), "approval") == "parked"
    (waits,) = of_gate(told()["signals"], "wait-pr-approved")
    assert (waits["state"], waits["code"], waits["event"]) == ("waits", "not-reached", "approval")
    assert send(payloads.labeled(happened=NOW - 8 * minute), "label") == "opened"
    assert send(payloads.synchronize(happened=NOW - 7 * minute), "push") == "withdrawn"
    found = told()
    assert found["pull_request"] == "5dlabs/cto#123"
    assert [each["code"] for each in of_gate(found["signals"], "wait-ready-for-qa")] == ["opened"]
    (gone,) = of_gate(found["signals"], "wait-pr-approved")
    assert (gone["state"], gone["code"]) == ("rejected", "revoked")
    assert "revoked by pull_request.synchronize by 5DLabs-Rex[bot]" in gone["reason"]
    assert any("belongs to 5dlabs/cto#123" in fact for fact in found["facts"])


def test_what_a_new_approval_must_be_like(cluster: EmbeddedCluster, told: Told) -> None:
    cluster.store.load(WORKFLOWS, remembering(waiting_workflow(3), [signal(), push()]))
    found = told()
    assert found["summary"].endswith("The last signal for it: revoked.")
    assert "It happened after 2026-11-22T10:40:00Z: earlier signals were rejected." in " ".join(
        found["opens"]["wait-pr-approved"]
    )


def test_a_signal_that_the_rules_of_today_refuse(
    cluster: EmbeddedCluster, told: Told, send: Callable[..., str], tmp_path: Path
) -> None:
    from func.service.settings import BUILT_IN_RULES

    cluster.store.load(WORKFLOWS, waiting_workflow(3, "wait-ready-for-qa", created=EARLIER))
    assert send(payloads.approved(happened=NOW), "approval") == "parked"
    rules = tmp_path / "gates.yaml"
    rules.write_text(BUILT_IN_RULES.read_text().replace("'5DLabs-Tess[bot]', ", ""))
    (refused,) = of_gate(told(TASKGATE_CONFIG=str(rules))["signals"], "wait-pr-approved")
    assert (refused["state"], refused["code"]) == ("rejected", "no-longer-allowed")


def test_a_problem_comes_with_one_command_that_can_be_pasted(cluster: EmbeddedCluster, told: Told) -> None:
    odd = waiting_workflow(3)
    odd["metadata"]["labels"].pop("task-id")
    odd["metadata"]["annotations"]["taskgate.dev/state"] = "\x1b[31m"
    odd["spec"]["suspend"] = True
    cluster.store.load(WORKFLOWS, odd)
    found = told(exit_code=3)
    assert [each["code"] for each in found["problems"]] == ["annotation-unreadable", "label-missing", "suspended"]
    for each in found["problems"]:
        assert shlex.split(each["run"])
        assert not set("<>") & set(each["run"])
    unreadable = found["problems"][0]
    assert unreadable["remedy"].index("kubectl edit") < unreadable["remedy"].index("make Taskgate forget all")
    assert unreadable["run"] == f"kubectl annotate workflow -n agent-platform {NAME} taskgate.dev/state-"


def test_two_workflows_or_two_nodes_print_no_choice_of_commands(cluster: EmbeddedCluster, told: Told) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, name="play-3-first"))
    cluster.store.load(WORKFLOWS, waiting_workflow(3, name="play-3-again"))
    cluster.store.load(WORKFLOWS, waiting_workflow(3, None, name="play-3-finished"))
    (twins,) = told("play-3-first", exit_code=3)["problems"]
    assert twins["what"].startswith("Another running Workflow has the same task: play-3-again.")
    assert twins["run"].startswith("kubectl get workflows ")
    cluster.store.load(WORKFLOWS, waiting_workflow(3))  # the one that events find by its name
    assert told()["problems"] == []
    (shadowed,) = told("play-3-first", exit_code=3)["problems"]
    assert shadowed["run"].startswith("kubectl get workflows ")
    cluster.store.load(WORKFLOWS, like("same-gate-twice", task=6))
    found = told("play-task-6-workflow", exit_code=3)
    assert [each["run"] for each in found["problems"]] == ["argo get -n agent-platform play-task-6-workflow"]
    assert not any("argo resume" in step["run"] for step in found["next"])


def test_finished_offloaded_and_busy(cluster: EmbeddedCluster, told: Told) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3, None))
    finished = told()
    assert finished["summary"].startswith("It is finished (Succeeded)")
    assert finished["opens"] == {}
    offloaded = recorded("offloaded-nodes")
    cluster.store.load(WORKFLOWS, offloaded)
    found = told(offloaded["metadata"]["name"], exit_code=1)
    assert [each["code"] for each in found["problems"]] == ["offloaded"]
    busy = waiting_workflow(3)
    gate_node(busy, "wait-pr-approved").update({"type": "Pod", "displayName": "implement"})
    cluster.store.load(WORKFLOWS, busy)
    assert told()["summary"] == "It waits at no gate, and runs implement."


def test_for_people(cluster: EmbeddedCluster, environment: dict[str, str]) -> None:
    evil = signal(person="evil\x1b]0;title\x07")
    cluster.store.load(WORKFLOWS, remembering(waiting_workflow(3, "wait-ready-for-qa"), [evil]))
    result = taskgate("explain", "--workflow", f"agent-platform/{NAME}", environment=environment)
    assert result.exit_code == 0
    assert "wait-pr-approved   not reached  no-longer-allowed  pull_request_review.submitted approved by evil\\x1b" in (
        result.output
    )
    assert result.output.replace("\n", "").isprintable()


def test_wrong_names_are_one_sentence(environment: dict[str, str], unreachable: dict[str, str]) -> None:
    def said(*arguments: str, where: dict[str, str] = environment) -> tuple[int, str]:
        result = taskgate("explain", *arguments, environment=where)
        return result.exit_code, result.output

    assert said("--workflow", "none") == (
        1,
        "Error: there is no Workflow none in agent-platform; run taskgate waiting to list those that run\n",
    )
    assert said("--workflow", "")[1].startswith("Error: --workflow is '': expected the name of a Workflow in agent")
    assert said("--workflow", "other/none")[1].startswith(
        "Error: --workflow is 'other/none': expected the name of a Workflow in agent-platform"
    )
    assert said("event.json", "--workflow", NAME)[0] == 2
    code, text = said("--workflow", NAME, where=unreachable)
    assert (code, text.count("\n")) == (1, 1)
    assert text.startswith("Error: The Kubernetes API does not answer")

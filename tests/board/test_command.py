"""`taskgate board`, as people start it."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests.board.listening import Page
from tests.cli.running import running, taskgate
from tests.recorded_workflows import fleet, waiting_workflow


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_shows_the_fleet_until_it_is_ended(
    cluster: EmbeddedCluster, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for workflow in fleet(4):
        cluster.store.load(WORKFLOWS, workflow)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with running("board", "--port", 0) as command:
        url = re.search(r"http://127\.0\.0\.1:\d+/", command.line_with("Board of agent-platform"))
        assert url
        with Page(url[0]) as page:
            assert page.next() == "all"
            assert len(page.cards) == 4
            assert command.end(number) == 0
            assert page.next() == ""
    assert command.errors == []
    assert {request.method for request in cluster.requests} == {"GET"}


def test_shows_what_the_log_has_and_links_to_argo(
    cluster: EmbeddedCluster, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    attributes = {"taskgate.outcome": "refused", "taskgate.code": "fork", "taskgate.task.id": "3"}
    line = {"timestamp": "2026-11-22T11:00:00.123+00:00", "body": "It is a fork.", "attributes": attributes}
    (tmp_path / "log").write_text(f"Starting\n{json.dumps(line)}\n", encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    argo = "https://argo.example.com/"
    with running("board", "--port", 0, "--argo-ui", argo, "--log", str(tmp_path / "log")) as command:
        url = re.search(r"http://127\.0\.0\.1:\d+/", command.line_with("Board of agent-platform"))
        assert url
        with Page(url[0]) as page:
            page.until(lambda page: bool(page.answers))
            assert (page.answers[0]["at"], page.answers[0]["code"]) == ("2026-11-22T11:00:00Z", "fork")
            shown = page.cards["play-task-3-workflow"]["argo"]
            assert shown == "https://argo.example.com/workflows/agent-platform/play-task-3-workflow"
        assert command.end(signal.SIGTERM) == 0


def test_a_port_that_is_taken_is_named(kubeconfig: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = taskgate("board", "--port", port, environment={"KUBECONFIG": str(kubeconfig)})
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith(f"Error: --port is {port}: cannot listen there")


def test_a_wrong_kubeconfig_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("nothing: here\n", encoding="utf-8")
    result = taskgate("board", "--port", 0, environment={"KUBECONFIG": str(tmp_path / "kubeconfig")})
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith(f"Error: KUBECONFIG is {tmp_path / 'kubeconfig'}: expected the configuration")
    nowhere = taskgate("board", "--port", 0)
    assert nowhere.output.startswith("Error: KUBECONFIG is not set and this is not a pod")


def test_a_cluster_that_does_not_answer_is_one_sentence(cluster: EmbeddedCluster, kubeconfig: Path) -> None:
    cluster.stop()
    result = taskgate("board", "--port", 0, environment={"KUBECONFIG": str(kubeconfig)})
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith("Error: The Kubernetes API does not answer")


@pytest.mark.parametrize("command", ["board", "waiting"])
def test_a_cluster_that_does_not_know_us_is_one_sentence(kubeconfig: Path, command: str) -> None:
    text = kubeconfig.read_text(encoding="utf-8").replace('"user": {}', '"user": {"token": "wrong"}')
    kubeconfig.write_text(text, encoding="utf-8")
    result = taskgate(command, environment={"KUBECONFIG": str(kubeconfig)})
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith(
        "Error: The Kubernetes API does not accept our credential (its token): Unauthorized ("
    )


@pytest.mark.parametrize("address", ["http://github.example.com", "javascript:alert(1)", "https://a/?b", "https://"])
def test_an_address_that_is_none_is_named(kubeconfig: Path, address: str) -> None:
    for option, example in (("--github", "https://github.example.com"), ("--argo-ui", "https://argo.example.com")):
        result = taskgate("board", option, address, environment={"KUBECONFIG": str(kubeconfig)})
        assert result.exit_code == 1
        assert f"{option} is {address}: expected an address like {example}" in result.output


def test_help_has_an_example() -> None:
    assert "taskgate board --port 9000 --config gates.yaml" in taskgate("board", "--help").output

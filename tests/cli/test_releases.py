"""Argo Events' EventSource for Workflows on which keys wait, as the demo plays it."""

import socket
from queue import Empty
from typing import Any

import pytest

from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.devcluster.releases import Releases
from tests.cli.stand_in import Function
from tests.recorded_workflows import Workflow, waiting_workflow

TRIES = (0.0, 0.0, 0.0)


def parked(task: int) -> Workflow:
    workflow = waiting_workflow(task)
    workflow["metadata"]["labels"]["taskgate.dev/parked"] = "true"
    return workflow


def subject(function: Function) -> Any:  # noqa: ANN401  any JSON
    return function.came.get(timeout=60)["subject"]


def test_tells_of_each_change_while_the_label_is_there(cluster: EmbeddedCluster, function: Function) -> None:
    cluster.store.load(WORKFLOWS, parked(1))
    with Releases(cluster, function.url, TRIES):
        assert subject(function) == "agent-platform/play-task-1-workflow"  # it was there before
        cluster.store.load(WORKFLOWS, waiting_workflow(2))
        stored = cluster.store.load(WORKFLOWS, parked(2))  # the label is put on
        event = function.came.get(timeout=60)
        assert event["subject"] == "agent-platform/play-task-2-workflow"
        assert event["type"] == "io.argoproj.workflow.updated"
        assert event["id"] == f"{stored.uid}.{stored.version}"
        assert event["data"] == {"namespace": "agent-platform", "name": "play-task-2-workflow"}
        cluster.store.load(WORKFLOWS, waiting_workflow(2))  # and taken off
        cluster.store.load(WORKFLOWS, parked(3))
        assert subject(function) == "agent-platform/play-task-3-workflow"


def test_tries_again_until_it_was_taken(cluster: EmbeddedCluster, function: Function) -> None:
    function.answers = [(503, {}), (500, {})]
    with Releases(cluster, function.url, TRIES):
        cluster.store.load(WORKFLOWS, parked(1))
        ids = {function.came.get(timeout=60)["id"] for _ in TRIES}
        cluster.store.load(WORKFLOWS, parked(2))
        assert subject(function) == "agent-platform/play-task-2-workflow"
    assert len(ids) == 1


def test_ends_at_once_though_nobody_answers(cluster: EmbeddedCluster, function: Function) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    cluster.store.load(WORKFLOWS, parked(1))
    with Releases(cluster, url, pauses=(3600, 0)):
        pass
    cluster.store.load(WORKFLOWS, parked(2))
    with pytest.raises(Empty):
        function.came.get_nowait()

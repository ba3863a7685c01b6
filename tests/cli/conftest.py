"""What the commands look at, and what they send to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from func.core.cloud_event import read_cloudevent
from func.devcluster import EmbeddedCluster
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.workflows import Workflows
from func.service.pipeline import Pipeline
from func.service.settings import read_rules
from tests import payloads
from tests.cli.stand_in import Function


@pytest.fixture
def send(environment: dict[str, str]) -> Callable[..., str]:
    """An event goes its whole way; returns what came of it."""

    def run(payload: dict[str, Any], delivery: str, config: Path | None = None) -> str:
        api = connect(Path(environment["KUBECONFIG"]), 1)
        pipeline = Pipeline(read_rules(config), Workflows(api, "agent-platform"))
        incoming = read_cloudevent(*payloads.cloudevent_structured(payload, delivery=delivery))
        return pipeline.handle(incoming, Deadline.after(5)).outcome

    return run


@pytest.fixture
def environment(cluster: EmbeddedCluster, tmp_path: Path) -> dict[str, str]:
    """The settings of a person who looks at that cluster."""
    return {"KUBECONFIG": str(cluster.write_kubeconfig(tmp_path / "kubeconfig"))}


@pytest.fixture
def unreachable(own_cluster: EmbeddedCluster, tmp_path: Path) -> dict[str, str]:
    """The settings of a person whose cluster does not answer."""
    kubeconfig = own_cluster.write_kubeconfig(tmp_path / "unreachable")
    own_cluster.stop()
    return {"KUBECONFIG": str(kubeconfig)}


@pytest.fixture
def function() -> Iterator[Function]:
    """One that answers as it is told."""
    function = Function()
    thread = Thread(target=function.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield function
    function.server.shutdown()
    thread.join()
    function.server.server_close()

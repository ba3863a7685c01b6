"""A cluster for the commands that look at one."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from func.embedded import EmbeddedCluster
from tests.commands.stand_in import Function


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """A cluster without Workflows, in which they stay as they are."""
    with EmbeddedCluster(controller=False) as running:
        running.store.ensure_namespace("agent-platform")
        yield running


@pytest.fixture
def environment(cluster: EmbeddedCluster, tmp_path: Path) -> dict[str, str]:
    """The settings of a person who looks at that cluster."""
    return {"KUBECONFIG": str(cluster.write_kubeconfig(tmp_path / "kubeconfig"))}


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

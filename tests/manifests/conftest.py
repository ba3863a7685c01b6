"""A real API server for the manifests, with the schemas of all that they contain."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api_client import MERGE_PATCH, WORKFLOWS
from tests.cluster.api_server import RealApiServer
from tests.cluster.fixtures import WORKFLOW_CRD, running_api_server
from tests.cluster.processes import Processes
from tests.manifests.building import ROOT, Manifest

DATA = ROOT / "tests/data"
WORKFLOW_NAMESPACE = "agent-platform"


@pytest.fixture(scope="module")
def cluster(tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApiServer]:
    """One for each module, because manifests name their namespaces themselves."""
    with cluster_with(WORKFLOW_CRD, tools, processes, tmp_path_factory.mktemp("cluster")) as server:
        yield server


@contextmanager
def cluster_with(workflow_crd: Path, tools: Path, processes: Processes, folder: Path) -> Iterator[RealApiServer]:
    """A cluster with all schemas that the manifests need, and with the namespaces of Workflows."""
    with running_api_server(tools, processes, folder, workflow_crd) as server:
        server.install(
            *sorted((DATA / "crds").glob("knative-*.yaml")),
            *sorted((tools / "crds").glob("argoproj.io_*.yaml")),
            Path(__file__).parent / "jobsink-crd.yaml",
        )
        for namespace in (WORKFLOW_NAMESPACE, "factory", "argo-events", "elsewhere"):
            server.create_namespace(namespace)
        yield server


def apply(server: RealApiServer, manifests: list[Manifest]) -> None:
    """What `kubectl apply -k` does, but the server checks every field and says so.

    Raises:
        AssertionError: with kubectl's words, if one of them is refused.
    """
    command = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")
    run = server.kubectl(*command, objects=manifests)
    assert run.returncode == 0, run.stderr
    assert "Warning" not in run.stderr, run.stderr


@pytest.fixture
def workflow(cluster: RealApiServer) -> Iterator[Callable[..., Manifest]]:
    """Makes Workflows that wait at a gate, and takes them away after the test; None removes a field of the status."""
    path = WORKFLOWS.format(WORKFLOW_NAMESPACE)
    made: list[str] = []

    def make(name: str = "play-task-3-workflow", **changes: Any) -> Manifest:  # noqa: ANN401 - JSON
        recorded = json.loads((DATA / "argo-recordings/steps-supplied-outputs/waiting.json").read_text())
        kept = {key: recorded["metadata"][key] for key in ("annotations", "labels")}
        metadata = {**kept, **changes.pop("metadata", {}), "name": name, "namespace": WORKFLOW_NAMESPACE}
        status = {**recorded["status"], **changes.pop("status", {})}
        status = {key: value for key, value in status.items() if value is not None}
        created: Manifest = cluster.admin.must(
            "POST", path, {**recorded, "metadata": metadata, "status": status, **changes}
        )
        made.append(name)
        return created

    yield make
    for name in made:
        free = {"metadata": {"finalizers": None}}  # else it would stay
        cluster.admin.must("PATCH", f"{path}/{name}", free, content_type=MERGE_PATCH)
        cluster.admin.must("DELETE", f"{path}/{name}")

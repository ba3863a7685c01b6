"""The image, a pod's network, and an API server that the pod reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import Object
from tests.cluster.fixtures import CRDS, running_api_server
from tests.cluster.installation import OURS, install
from tests.cluster.processes import Processes
from tests.image.container import Container
from tests.image.network import PodNetwork
from tests.image.podman import Podman, find_image
from tests.recorded_workflows import waiting_workflow


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """Podman, with the image of this checkout; skips where there is none."""
    image = find_image()
    # Its path is short: where it has more than 40 characters or so, podman waits 20 s for the end of each container.
    with TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as folder:
        yield Podman.in_folder(image, Path(folder) / "files")


@pytest.fixture(scope="session")
def pod_network(processes: Processes) -> Iterator[PodNetwork]:
    """The network of the container."""
    network = PodNetwork(processes)
    yield network
    network.close()


@pytest.fixture(scope="session")
def reachable_cluster(
    podman: Podman,  # first: where it is missing nothing else has to start
    tools: Path,
    processes: Processes,
    tmp_path_factory: pytest.TempPathFactory,
    argo_events_manifests: list[Object],
    pod_network: PodNetwork,
) -> Iterator[RealApiServer]:
    """An API server that the pod reaches, on which somebody has done what docs/install.md says."""
    del podman
    folder = tmp_path_factory.mktemp("reachable")
    crds = [*sorted((tools / "crds").iterdir()), *sorted(CRDS.glob("knative-*.yaml"))]
    with running_api_server(tools, processes, folder, address=pod_network.machine) as server:
        install(server, crds, argo_events_manifests)
        yield server


@pytest.fixture
def cluster(reachable_cluster: RealApiServer) -> Iterator[RealApiServer]:
    """With one Workflow that waits at its gate."""
    workflow = waiting_workflow(3)
    workflow["metadata"] = {key: workflow["metadata"][key] for key in ("name", "labels")}
    reachable_cluster.admin.must("POST", OURS, workflow)
    yield reachable_cluster
    reachable_cluster.admin.must("DELETE", OURS)


@pytest.fixture
def start_container(
    podman: Podman,
    processes: Processes,
    pod_network: PodNetwork,
    cluster: RealApiServer,
    argo_events_manifests: list[Object],
    tmp_path: Path,
) -> Iterator[Callable[..., Container]]:
    """`start_container(*options, read_only=True)` runs the function in its image; one at a time."""
    with ExitStack() as started:

        def start(*options: str, read_only: bool = True) -> Container:
            container = Container(
                processes,
                podman,
                tmp_path / f"taskgate-{tmp_path.name}",
                pod_network,
                cluster,
                argo_events_manifests,
                options,
                read_only=read_only,
            )
            started.callback(container.close)
            container.start()
            return container

        yield start

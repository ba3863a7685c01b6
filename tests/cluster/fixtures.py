"""Fixtures that run real components, and the reports of their logs when a test fails."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.api_server import LOOPBACK, RealApiServer
from tests.cluster.argo_events import ArgoEvents, EventSource, Object, Sensor
from tests.cluster.built import find_tools
from tests.cluster.event_bus import Nats
from tests.cluster.installation import Installation, install
from tests.cluster.pod import Pod
from tests.cluster.processes import Processes
from tests.cluster.sink import Sink
from tests.manifests.building import build, find

CRDS = Path(__file__).parents[1] / "data" / "crds"
WORKFLOW_CRDS = {
    kind: CRDS / f"argo-workflows-v4.1.2-workflows-{file}"
    for kind, file in (("minimal", "minimal.yaml"), ("full", "full.yaml.gz"))
}
WORKFLOW_CRD = WORKFLOW_CRDS["minimal"]

PROCESSES = pytest.StashKey[Processes]()
STARTED = pytest.StashKey[float]()
MEASURED = pytest.StashKey[list[str]]()
USES = {"processes"}  # every fixture here that runs something asks for it


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of the real components; skips where they have not been built."""
    return find_tools()


@pytest.fixture(scope="session")
def processes(pytestconfig: pytest.Config) -> Iterator[Processes]:
    """All that this session starts; the logs stay if a test fails."""
    started = Processes(Path(tempfile.mkdtemp(prefix="taskgate-cluster-logs-")))
    pytestconfig.stash[PROCESSES] = started
    yield started
    started.end()


@pytest.fixture(scope="session")
def real_api_server(
    tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealApiServer]:
    """One API server with the Workflow CRD for all tests that keep to a namespace of their own."""
    with running_api_server(tools, processes, tmp_path_factory.mktemp("api-server")) as server:
        yield server


@pytest.fixture
def own_api_server(tools: Path, processes: Processes, tmp_path: Path) -> Iterator[RealApiServer]:
    """An API server for one test, to stop it or to fill it with what would disturb others."""
    with running_api_server(tools, processes, tmp_path / "api-server") as server:
        yield server


@contextmanager
def running_api_server(
    tools: Path, processes: Processes, folder: Path, workflow_crd: Path = WORKFLOW_CRD, address: str = LOOPBACK
) -> Iterator[RealApiServer]:
    """An API server with a CRD of Workflows, as long as the block runs."""
    server = RealApiServer(tools, processes, folder, address)
    try:
        server.start()
        server.install(workflow_crd)
        yield server
    finally:
        server.close()


@pytest.fixture
def namespace(real_api_server: RealApiServer) -> str:
    """A fresh namespace in the API server that all share."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    real_api_server.create_namespace(name)
    return name


@pytest.fixture
def control_plane(real_api_server: RealApiServer) -> RealApiServer:
    """The API server that `event_source` and `sensor` use; a module that wants another one overrides this."""
    return real_api_server


@pytest.fixture
def event_bus() -> dict[str, Any]:
    """The EventBus that `nats` is; a module that wants the one people apply overrides this."""
    return {"spec": {"jetstream": {"version": "latest"}}}


@pytest.fixture
def nats(tools: Path, processes: Processes, tmp_path: Path, event_bus: dict[str, Any]) -> Iterator[Nats]:
    """A NATS server with JetStream, empty for each test."""
    server = Nats(tools, processes, tmp_path / "nats", event_bus)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def argo_events(
    tools: Path, processes: Processes, tmp_path: Path, control_plane: RealApiServer, nats: Nats
) -> Iterator[ArgoEvents]:
    """What `event_source` and `sensor` have in common; ends what they started."""
    with ExitStack() as started:
        yield ArgoEvents(tools, processes, tmp_path / "argo-events", control_plane, nats, started)


@pytest.fixture
def event_source(argo_events: ArgoEvents) -> Callable[[Object], EventSource]:
    """`event_source(object)` starts the EventSource and waits until it takes events."""
    return argo_events.event_source


@pytest.fixture
def sensor(argo_events: ArgoEvents) -> Callable[[Object, Mapping[str, int]], Sensor]:
    """`sensor(object, {"name.namespace.svc.cluster.local": port})` starts the Sensor and waits until it takes events.

    The mapping says which port of the loopback stands for a Service; `name:8080` if its port is not 80.
    """
    return argo_events.sensor


@pytest.fixture(scope="session")
def argo_events_manifests() -> list[Object]:
    """What people apply with overlays/argo-events."""
    return build("overlays/argo-events")


@pytest.fixture(scope="session")
def installed_cluster(
    tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory, argo_events_manifests: list[Object]
) -> Iterator[RealApiServer]:
    """An API server on which somebody has done what docs/install.md says; tests leave no Workflow behind."""
    with running_api_server(tools, processes, tmp_path_factory.mktemp("installed")) as server:
        crds = [*sorted((tools / "crds").iterdir()), *sorted(CRDS.glob("knative-*.yaml"))]
        install(server, crds, argo_events_manifests)
        yield server


@pytest.fixture(scope="module")
def installed_sensor(argo_events_manifests: list[Object]) -> Object:
    """The Sensor of `installation`; a module that wants other waiting times overrides this."""
    return find(argo_events_manifests, "Sensor", "taskgate")


@pytest.fixture(scope="module")
def running_installation(
    tools: Path,
    processes: Processes,
    tmp_path_factory: pytest.TempPathFactory,
    installed_cluster: RealApiServer,
    argo_events_manifests: list[Object],
    installed_sensor: Object,
) -> Iterator[Installation]:
    """The processes of `installation`, for all tests of a module."""
    folder = tmp_path_factory.mktemp("installation")
    with ExitStack() as started:
        nats = Nats(tools, processes, folder / "nats", find(argo_events_manifests, "EventBus", "taskgate"))
        started.callback(nats.close)
        nats.start()
        argo = ArgoEvents(tools, processes, folder / "argo-events", installed_cluster, nats, started)
        function = Pod(processes, folder / "function", installed_cluster, argo_events_manifests)
        started.callback(function.close)
        yield Installation(installed_cluster, nats, argo, function, argo_events_manifests, installed_sensor)


@pytest.fixture
def installation(running_installation: Installation) -> Iterator[Installation]:
    """All that people install, running, with no Workflow and no dead letter: see Installation."""
    yield running_installation
    running_installation.clear()


@pytest.fixture
def measured(pytestconfig: pytest.Config) -> list[str]:
    """Lines for the summary at the end of the session."""
    return pytestconfig.stash.setdefault(MEASURED, [])


@pytest.fixture
def problems(tools: Path) -> Callable[[Iterable[Object]], list[str]]:
    """`problems(objects)` is what argo-events' own types and validators have against them, one line for each object."""

    def look(objects: Iterable[Object]) -> list[str]:
        documents = yaml.safe_dump_all(objects)
        result = subprocess.run([tools / "validate"], input=documents, capture_output=True, text=True, check=False)
        assert not result.stderr, result.stderr
        assert (result.returncode == 0) == (not result.stdout)
        return result.stdout.splitlines()

    return look


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A server in the place of the function that notes what it gets."""
    server = Sink()
    try:
        yield server
    finally:
        server.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Notes when a test began, to tell its processes from those that ended before."""
    item.stash[STARTED] = time.monotonic()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the ends of the logs to the report of a failed test that used real components."""
    report = yield
    started = item.config.stash.get(PROCESSES, None)
    if report.failed and started is not None and USES.intersection(getattr(item, "fixturenames", ())):
        for process in started.since(item.stash[STARTED]):
            report.sections.append((f"{process.name}: the end of {process.log}", process.tail()))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Removes the logs unless a test failed."""
    started = session.config.stash.get(PROCESSES, None)
    if started is not None and session.testsfailed == 0:
        shutil.rmtree(started.folder)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Shows what was measured, and says where the logs are, if they stayed."""
    for line in config.stash.get(MEASURED, []):
        terminalreporter.write_line(f"Measured: {line}")
    started = config.stash.get(PROCESSES, None)
    if started is not None and started.folder.exists():
        terminalreporter.write_line(f"Logs of the real components: {started.folder}")

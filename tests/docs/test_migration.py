"""Every command of the migration plan runs in order, and prints what the plan shows.

The test does the work of controllers and the kubelet: after `kubectl apply -k` it runs the function, the watch and the
Sensor from the applied objects, and `kubectl logs` prints the function's log. Everything else is real.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import recorded_workflows
from tests.cluster.api_client import WORKFLOWS
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import ArgoEvents, Object, Sensor
from tests.cluster.event_bus import Nats
from tests.cluster.fixtures import CRDS, running_api_server
from tests.cluster.function_client import FunctionClient
from tests.cluster.pod import Pod
from tests.cluster.processes import Processes, wait_for
from tests.docs.markdown import DOCS, ROOT
from tests.docs.shell import Shell, examples, on_a_cluster
from tests.manifests.building import build, find, forget_builds
from tests.programs import needs

SERVICE = "taskgate.taskgate.svc.cluster.local"
PLAN = (DOCS / "migration.md").read_text()
GATE = "wait-pr-approved"
# Argo Events before the migration, which stays.
EVENT_BUS: Object = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "EventBus",
    "metadata": {"name": "default", "namespace": "argo"},
    "spec": {"jetstream": {"version": "latest", "maxPayload": "8MB"}},
}
EVENT_SOURCE: Object = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "EventSource",
    "metadata": {"name": "github", "namespace": "argo"},
    "spec": {
        "github": {
            "org": {
                "organizations": ["5dlabs"],
                "webhook": {"endpoint": "/github/webhook", "method": "POST", "port": "12000"},
                "webhookSecret": {"name": "github-webhook-secret", "key": "secret"},
                "contentType": "json",
                "events": ["*"],
            }
        }
    },
}
OLD: list[Object] = [
    EVENT_BUS,
    EVENT_SOURCE,
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "github-webhook-secret", "namespace": "argo"},
        "stringData": {"secret": "the webhook's secret"},
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "argo-events-workflows-binding", "namespace": recorded_workflows.NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "argo-events-sa", "namespace": "argo"}],
    },
    {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": "stage-aware-workflow-resume", "namespace": "argo"},
        "spec": {
            "dependencies": [{"name": "a", "eventSourceName": "github", "eventName": "org"}],
            "triggers": [{"template": {"name": "a", "log": {}}}],
        },
    },
]


class Revision(Pod):
    """The function's pod. A new revision replaces the previous one, under the same address."""

    def listen_on(self, port: int) -> None:
        """Set the port, before the start."""
        self.port = port
        self._sandbox._environment["PORT"] = str(port)
        self._client = FunctionClient(f"http://127.0.0.1:{port}/")


class Cluster:
    """What runs in the cluster of the plan."""

    def __init__(
        self, api: RealApiServer, argo: ArgoEvents, nats: Nats, processes: Processes, folder: Path, stack: ExitStack
    ) -> None:
        self.api = api
        self.argo = argo
        self.nats = nats
        self.processes = processes
        self.folder = folder
        self.stack = stack
        self.function: Revision | None = None
        self.sensor: Sensor | None = None
        self.webhook = argo.event_source(EVENT_SOURCE).url("org")

    def catch_up(self, overlay: Path) -> None:
        """Do what Knative and Argo Events do when an overlay was applied."""
        forget_builds()  # the plan changes its overlay
        manifests = build(overlay)
        number = len(list(self.folder.glob("function-*")))
        function = Revision(self.processes, self.folder / f"function-{number}", self.api, manifests)
        self.stack.callback(function.close)
        if self.function is not None:
            self.function.kill()
            function.listen_on(self.function.port)
        function.start()
        self.function = function
        if self.sensor is None:
            self.argo.event_source(find(manifests, "EventSource", "waiting"))
            self.sensor = self.argo.sensor(find(manifests, "Sensor", "taskgate"), {SERVICE: function.port})

    def settle(self) -> None:
        """Wait until the Sensor has delivered everything that was sent."""
        sensor = self.sensor
        if sensor is not None:
            wait_for("the Sensor to be done", lambda: sensor.idle() or None)

    @property
    def log(self) -> str:
        """Return the log of the current function."""
        return str(self.function.process.log) if self.function else "/dev/null"


@pytest.fixture
def event_bus() -> Object:
    return EVENT_BUS


@pytest.fixture
def control_plane(tools: Path, processes: Processes, tmp_path: Path) -> Iterator[RealApiServer]:
    """The cluster before the migration."""
    with running_api_server(tools, processes, tmp_path / "api") as server:
        server.install(*sorted((tools / "crds").iterdir()), *sorted(CRDS.glob("knative-*.yaml")))
        server.create_namespace(recorded_workflows.NAMESPACE)
        server.create_namespace("argo")
        applied = server.kubectl("apply", "--server-side", "--filename=-", objects=OLD)
        assert applied.returncode == 0, applied.stderr
        workflows = [recorded_workflows.waiting_workflow(task, GATE) for task in (3, 7, 15)]
        workflows.append(recorded_workflows.waiting_workflow(11, GATE, name="play-11-k8d2f"))
        del workflows[2]["metadata"]["labels"]["repository"]
        for workflow in workflows:
            del workflow["metadata"]["resourceVersion"]
            server.admin.must("POST", WORKFLOWS.format(recorded_workflows.NAMESPACE), workflow)
        yield server


@pytest.fixture
def cluster(
    control_plane: RealApiServer, argo_events: ArgoEvents, nats: Nats, processes: Processes, tmp_path: Path
) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(control_plane, argo_events, nats, processes, tmp_path, stack)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what the plan uses, because the plan adds files."""
    folder = tmp_path / "checkout"
    for name in ("docs", "knative"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture
def shell(control_plane: RealApiServer, tools: Path, tmp_path: Path, checkout: Path) -> Iterator[Shell]:
    home = tmp_path / "home"
    home.mkdir()
    with Shell(checkout, on_a_cluster(control_plane.kubeconfig, tools, home)) as started:
        yield started


@needs("openssl", "jq", "curl")
def test_the_plan(shell: Shell, cluster: Cluster, checkout: Path) -> None:
    for command, shown in examples(PLAN):
        cluster.settle()
        answer = shell.run(f"FUNCTION_LOG={cluster.log} webhook={cluster.webhook}\nexport FUNCTION_LOG\n{command}")
        assert answer == shown, command
        if match := re.match(r"kubectl apply -k (\S+)", command):
            cluster.catch_up(checkout / match[1])


def test_each_step_says_how_to_check_it() -> None:
    assert len(examples(PLAN)) > 30
    assert PLAN.count("Check:") >= 5

"""Workflows of every size open on both CRDs of Argo, with the times that a real API server takes for them.

With the full CRD, which official installations of Argo 4 have, a write of 900 kB takes seconds: the API server decodes,
prunes and validates the Workflow by a schema of 2.8 MB. And it stops as soon as its client hangs up.
"""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from func.core.signals import STATE_ANNOTATION
from func.kube.call_log import ApiCall
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.errors import Unsure
from func.kube.workflows import Workflows
from tests.cluster.api_server import RealApiServer
from tests.cluster.events import of
from tests.cluster.fixtures import WORKFLOW_CRDS, running_api_server
from tests.cluster.kubeconfig_function import FunctionWithKubeconfig
from tests.cluster.processes import Processes, wait_for
from tests.payloads import Request, approved, cloudevent_structured
from tests.recorded_workflows import NAMESPACE, Workflow, compressed, gate_node, nodes_of, waiting_workflow

GATE = "wait-pr-approved"
PATH = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows"
SIZES = {"small": 0, "large": 2000, "compressed": 2000}


@pytest.fixture(scope="module", params=WORKFLOW_CRDS)
def crd(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def api(
    crd: str, tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealApiServer]:
    folder = tmp_path_factory.mktemp(f"api-server-{crd}")
    with running_api_server(tools, processes, folder, WORKFLOW_CRDS[crd]) as server:
        server.create_namespace(NAMESPACE)
        yield server


def put(api: RealApiServer, task: int, size: str) -> Workflow:
    """A Workflow that stands at its gate, as the controller writes it: finishedAt is null where a node runs."""
    workflow = waiting_workflow(task)
    nodes = workflow["status"]["nodes"]
    pattern = next(iter(nodes.values()))
    for number in range(SIZES[size]):
        name = f"{workflow['metadata']['name']}-{number}"
        node = {"id": name, "name": name, "displayName": f"work({number})", "type": "Pod", "phase": "Succeeded"}
        nodes[name] = copy.deepcopy(pattern) | node | {"children": [], "message": "x" * 100}
    for node in nodes.values():
        if node["phase"] == "Running":
            node["finishedAt"] = None
    if size == "compressed":
        workflow = compressed(workflow)
    metadata = {key: workflow["metadata"].get(key, {}) for key in ("name", "labels", "annotations")}
    api.admin.must("POST", PATH, {**workflow, "metadata": metadata})
    return get(api, task)


def get(api: RealApiServer, task: int) -> Workflow:
    found: Workflow = api.admin.must("GET", f"{PATH}/play-task-{task}-workflow")
    return found


def is_open(api: RealApiServer, task: int) -> bool:
    workflow = get(api, task)
    (gate,) = (node for node in nodes_of(workflow).values() if node["displayName"] == GATE)
    return gate["phase"] == "Succeeded" and STATE_ANNOTATION in workflow["metadata"]["annotations"]


def deliver(function: FunctionWithKubeconfig, event: Request) -> list[str]:
    """What came of an event, which is delivered again like the Sensor does it."""
    outcomes: list[str] = []
    ends = time.monotonic() + 150  # a write that goes on has ended by then, one after the other
    while not outcomes or outcomes[-1] == "unavailable":
        assert time.monotonic() < ends, "a circle of 503s"
        outcomes.append(function.post(event)[1]["outcome"])
    return outcomes


@pytest.fixture
def function(api: RealApiServer, processes: Processes) -> Iterator[FunctionWithKubeconfig]:
    started = FunctionWithKubeconfig(processes, api.kubeconfig)
    started.start()
    yield started
    started.close()


@pytest.mark.parametrize("size", SIZES)
def test_a_gate_opens_within_a_few_deliveries(
    crd: str, api: RealApiServer, function: FunctionWithKubeconfig, measured: list[str], size: str
) -> None:
    task = 3 + list(SIZES).index(size)
    workflow = put(api, task, size)
    if size != "compressed":
        # The API server drops a null that the schema does not allow.
        assert ("finishedAt" in gate_node(workflow, GATE)) == (crd == "minimal")
    event = cloudevent_structured(approved(**of(task)), delivery=f"{crd}-{size}")
    started = time.perf_counter()
    outcomes = deliver(function, event)
    measured.append(f"{crd} CRD, {size}: {', '.join(outcomes)} in {time.perf_counter() - started:.2f} s")
    assert outcomes[-1] == "opened"
    assert is_open(api, task)
    assert function.post(event)[1]["outcome"] == "duplicate"


def test_large_ones_open_on_an_api_server_that_is_loaded(
    crd: str, api: RealApiServer, function: FunctionWithKubeconfig, measured: list[str]
) -> None:
    tasks = range(40, 44)
    for task in tasks:
        put(api, task, "large")
    events = [cloudevent_structured(approved(**of(task)), delivery=f"{crd}-{task}") for task in tasks]
    with ThreadPoolExecutor(len(events)) as threads:  # the writes of the others are the load
        said = list(threads.map(lambda event: deliver(function, event), events))
    assert all(is_open(api, task) for task in tasks)
    assert {outcomes[-1] for outcomes in said} == {"opened"}
    told = Counter(" ".join(outcomes) for outcomes in said)
    measured.append(f"{crd} CRD, four large ones at once: {dict(told)}")


def test_the_api_server_stops_a_write_whose_client_hangs_up_and_ours_stay(api: RealApiServer) -> None:
    workflow = put(api, 30, "large")
    name, label = workflow["metadata"]["name"], "taskgate.dev/test"
    workflows = Workflows(connect(api.kubeconfig, 1), NAMESPACE)

    def value() -> str | None:
        found: dict[str, str] = get(api, 30)["metadata"]["labels"]
        return found.get(label)

    def write(text: str, deadline: Deadline) -> None:
        operations = [{"op": "add", "path": "/metadata/labels/taskgate.dev~1test", "value": text}]
        with pytest.raises(Unsure):
            workflows.patch(name, operations, deadline)

    workflows.api.call_timeout = 0.02  # far less than either CRD needs
    write("hung-up", Deadline.after(0.02))
    stays = Deadline.after(0.02)
    stays.log.calls.append(ApiCall("kubernetes", "GET", PATH, 0.0, 0.0, "200", size=900_000))
    write("stays", stays)
    wait_for("the write that goes on", lambda: value() == "stays" or None, timeout=60)
    assert value() == "stays"

"""overlays/deployment as it stands, on a real node: applied, rolled, drained, scaled and uninstalled."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests import payloads
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import Object
from tests.cluster.events import name_of, of
from tests.cluster.fixtures import CRDS, running_api_server
from tests.cluster.function_client import FunctionClient
from tests.cluster.installation import OURS, TOKEN, install
from tests.cluster.processes import Processes, wait_for
from tests.image.network import PodNetwork
from tests.image.podman import find_image
from tests.manifests.building import build, function
from tests.node.metrics import serving
from tests.node.node import NAME, Node, find_node_tools
from tests.recorded_workflows import NAMESPACE, gate_node, waiting_workflow

GATE = "wait-pr-approved"
TASKS = range(3, 400, 4)  # those whose Workflows wait for an approval
PODS = "/api/v1/namespaces/taskgate/pods"


class Cluster:
    """The API server with its node, and the function's Service, on which overlays/deployment is applied."""

    def __init__(self, api: RealApiServer, node: str, manifests: list[Object]) -> None:
        self.api = api
        self.manifests = manifests
        self._node = node
        self.wait_until_ready()
        address = api.admin.must("GET", "/api/v1/namespaces/taskgate/services/taskgate")["spec"]["clusterIP"]
        self.reach(address)
        self.client = FunctionClient(f"http://{address}/")

    def reach(self, address: str) -> None:
        """Let this machine reach the address of a Service or pod; the route goes away with the node."""
        subprocess.run(["ip", "route", "replace", address, "via", self._node], check=True, capture_output=True)

    def kubectl(self, *arguments: str, objects: list[Object] | None = None) -> str:
        done = self.api.kubectl(*arguments, objects=objects or [])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pods(self) -> list[Any]:
        """The pods that are ready, and are not going."""
        return [
            pod
            for pod in self.api.admin.must("GET", PODS)["items"]
            if "deletionTimestamp" not in pod["metadata"]
            and ("Ready", "True") in {(one["type"], one["status"]) for one in pod["status"].get("conditions", [])}
        ]

    def wait_until_ready(self, pods: int = 2) -> None:
        wait_for(f"{pods} pods", lambda: len(self.pods()) == pods or None, timeout=120)

    def create(self, task: int) -> None:
        workflow = waiting_workflow(task)
        workflow["metadata"] = {key: workflow["metadata"][key] for key in ("name", "labels")}
        self.api.admin.must("POST", OURS, workflow)

    def phase(self, task: int) -> str:
        return str(gate_node(self.api.admin.must("GET", f"{OURS}/{name_of(task)}"), GATE)["phase"])

    def approve(self, task: int) -> str:
        """The outcome of the event that opens the gate of a task, sent to the Service."""
        event = payloads.cloudevent_structured(payloads.approved(**of(task)), delivery=f"approved-{task}")
        return str(self.client.post(event, TOKEN)[1]["outcome"])


@pytest.fixture(scope="module")
def cluster(tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A node with the function as overlays/deployment has it: both of its pods are ready."""
    node_tools, image = find_node_tools(), find_image()
    network = PodNetwork(processes)
    with running_api_server(tools, processes, tmp_path_factory.mktemp("node"), address=network.machine) as api:
        node = Node(node_tools, processes, network, api)
        try:
            manifests = build("overlays/deployment")
            (container,) = function(manifests)["spec"]["template"]["spec"]["containers"]
            node.start({container["image"]: image})
            install(api, [*sorted((tools / "crds").iterdir()), *sorted(CRDS.glob("knative-*.yaml"))], manifests)
            yield Cluster(api, network.pod, manifests)
        finally:
            node.close()


def test_a_pod_opens_a_gate(cluster: Cluster) -> None:
    cluster.create(TASKS[0])
    wait_for("the Service", cluster.client.ready)
    assert cluster.approve(TASKS[0]) == "opened"
    assert cluster.phase(TASKS[0]) == "Succeeded"


def test_a_rolling_update_loses_no_event(cluster: Cluster, measured: list[str]) -> None:
    """Events come all the time, and each old pod has one in progress when it is asked to go."""
    for task in TASKS[1:]:
        cluster.create(task)
    old = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in cluster.pods()}
    slow, fast = TASKS[1 : 1 + len(old)], TASKS[1 + len(old) :]
    done = Event()

    def send() -> list[str]:
        outcomes = []
        for task in fast:
            outcomes.append(cluster.approve(task))
            if done.wait(0.15):
                break
        return outcomes

    with ThreadPoolExecutor() as executor:
        sending = executor.submit(send)
        in_progress = [begin(cluster, address, task) for address, task in zip(old.values(), slow, strict=True)]
        cluster.kubectl("--namespace=taskgate", "rollout", "restart", "deployment/taskgate")
        finishing = [executor.submit(finish, *one) for one in in_progress]
        wait_for("other pods", lambda: old.keys().isdisjoint(all_pods(cluster)) or None, timeout=120)
        done.set()
        outcomes, finished = sending.result(), [each.result() for each in finishing]
    measured.append(f"a rolling update: {len(finished)} events in progress finished, {len(outcomes)} more were sent")
    assert finished == [b"HTTP/1.1 200"] * 2
    assert set(outcomes) == {"opened"}  # each at its first attempt
    assert {cluster.phase(task) for task in slow} == {"Succeeded"}
    cluster.wait_until_ready()


def begin(cluster: Cluster, address: str, task: int) -> tuple[str, socket.socket, bytes]:
    """An event for one pod, whose body is not sent yet although the pod waits for it."""
    cluster.reach(address)
    headers, body = payloads.cloudevent_structured(payloads.approved(**of(task)), delivery=f"slow-{task}")
    headers |= {"Authorization": f"Bearer {TOKEN}", "Content-Length": str(len(body)), "Expect": "100-continue"}
    sender = socket.create_connection((address, 8080), timeout=15)
    head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Host": "taskgate"}.items())
    sender.sendall(f"POST / HTTP/1.1\r\n{head}\r\n".encode())
    assert sender.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
    return address, sender, body


def finish(address: str, sender: socket.socket, body: bytes) -> bytes:
    """Send the body once the pod was asked to go and takes no more connections; the answer's status."""
    pod = FunctionClient(f"http://{address}:8080/")
    wait_for("the pod to go", lambda: not pod.ready() or None, timeout=120)
    with sender:
        sender.sendall(body)
        return sender.recv(1 << 16)[:12]


def all_pods(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.api.admin.must("GET", PODS)["items"]}


def test_a_drain_takes_one_pod_and_leaves_the_other(cluster: Cluster) -> None:
    """The budget keeps the second pod, because this cluster has no other node for the first one."""
    drained = cluster.api.kubectl("drain", NAME, "--ignore-daemonsets", "--timeout=15s")
    assert drained.returncode != 0
    assert "Cannot evict pod as it would violate the pod's disruption budget" in drained.stderr
    assert len(cluster.pods()) == 1
    cluster.create(1003)
    assert cluster.approve(1003) == "opened"
    cluster.kubectl("uncordon", NAME)
    cluster.wait_until_ready()


def test_the_autoscaler_adds_a_pod_for_more_cpu(cluster: Cluster) -> None:
    """The controller and its rules are real; a stand-in of the metrics server tells it what each pod uses."""
    with serving(cluster.pods) as metrics:
        cluster.kubectl("apply", "--filename=-", objects=metrics.objects())
        try:
            metrics.cpu = "250m"  # two pods are enough up to 300 % of the request, 100m
            wait_for("the autoscaler to know the CPU", lambda: cpu_seen(cluster) == 250 or None, timeout=60)
            assert len(cluster.pods()) == 2
            metrics.cpu = "400m"
            cluster.wait_until_ready(3)
        finally:
            # A namespace cannot be deleted while a part of the API does not answer.
            cluster.kubectl("delete", "--filename=-", objects=metrics.objects())
    cluster.create(1007)
    assert cluster.approve(1007) == "opened"


def cpu_seen(cluster: Cluster) -> int | None:
    """The CPU that the autoscaler knows, in percent of the request."""
    scaler = cluster.api.admin.must("GET", "/apis/autoscaling/v2/namespaces/taskgate/horizontalpodautoscalers/taskgate")
    metrics = scaler["status"].get("currentMetrics") or []
    found = [each["resource"]["current"].get("averageUtilization") for each in metrics if "resource" in each]
    return found[0] if found else None


def test_an_uninstall_leaves_nothing(cluster: Cluster) -> None:
    cluster.kubectl("delete", "--filename=-", "--wait", "--timeout=90s", objects=cluster.manifests)
    assert cluster.api.admin.request("GET", "/api/v1/namespaces/taskgate").status == 404
    bound = "roles,rolebindings,clusterroles,clusterrolebindings"
    policies = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    left = cluster.kubectl("get", f"{bound},{policies}", "--all-namespaces", "--output=name").splitlines()
    assert [name for name in left if "taskgate" in name] == []
    assert cluster.phase(TASKS[0]) == "Succeeded"  # the Workflows stay
    assert NAMESPACE in cluster.kubectl("get", "namespaces", "--output=name")

"""The NetworkPolicies let through what the function needs, and nothing else."""

import copy
from pathlib import Path

import pytest

from tests.cluster.api_server import RealApiServer
from tests.manifests.building import Manifest, function, of_kind, with_component
from tests.manifests.conftest import apply
from tests.manifests.network import Peer, allows

OVERLAYS = ("overlays/argo-events", "overlays/deployment", "overlays/broker")
COMPONENT = "components/network-policies"
API = Peer(address="10.0.0.1")
DNS = Peer("kube-system", {"k8s-app": "kube-dns"})


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, tmp_path: Path) -> list[Manifest]:
    overlay: str = request.param
    return with_component(COMPONENT, overlay, tmp_path)


@pytest.fixture
def pod(manifests: list[Manifest]) -> Peer:
    """The function's."""
    workload = function(manifests)
    return Peer(workload["metadata"]["namespace"], workload["spec"]["template"]["metadata"]["labels"])


def sensor_of(manifests: list[Manifest], namespace: str = "taskgate") -> Peer:
    (sensor,) = of_kind(manifests, "Sensor")
    return Peer(namespace, sensor["spec"]["template"]["metadata"]["labels"])


def test_the_api_server_takes_them(cluster: RealApiServer, manifests: list[Manifest]) -> None:
    apply(cluster, manifests)


def test_what_the_function_sends(manifests: list[Manifest], pod: Peer) -> None:
    argo_server = Peer("argo", {"app": "argo-server"})
    for other, port, protocol in ((API, 443, "TCP"), (API, 6443, "TCP"), (DNS, 53, "UDP"), (argo_server, 2746, "TCP")):
        assert allows(manifests, "egress", pod, other, port, protocol)
    for other, port in (
        (API, 80),
        (Peer(address="169.254.169.254"), 80),  # the cloud's metadata, where credentials are
        (Peer("kube-system", {"app": "other"}), 53),
        (Peer("agent-platform", {"app": "agent"}), 8080),
        (Peer("agent-platform", {"app": "agent"}), 2746),
    ):
        assert not allows(manifests, "egress", pod, other, port)


def test_knative_reaches_its_proxy_and_nobody_else_does(manifests: list[Manifest], pod: Peer) -> None:
    for namespace in ("knative-serving", "kourier-system"):
        for port in (8012, 8013, 8112, 9090):
            assert allows(manifests, "ingress", pod, Peer(namespace), port)
        # The function itself, and the ports of queue-proxy that only the kubelet and Prometheus use.
        for port in (8080, 8022, 9091):
            assert not allows(manifests, "ingress", pod, Peer(namespace), port)
    for stranger in (Peer("agent-platform", {"app": "agent"}), Peer("taskgate", {"app": "other"})):
        for port in (8012, 8080):
            assert not allows(manifests, "ingress", pod, stranger, port)


def test_senders_without_knative_reach_the_function(tmp_path: Path) -> None:
    manifests = with_component(COMPONENT, "overlays/deployment", tmp_path)
    workload = function(manifests)
    pod = Peer("taskgate", workload["spec"]["template"]["metadata"]["labels"])
    (port,) = workload["spec"]["template"]["spec"]["containers"][0]["ports"]
    for sensor in (sensor_of(manifests), sensor_of(manifests, "argo-events"), Peer("knative-eventing")):
        assert allows(manifests, "ingress", pod, sensor, port["containerPort"])


def test_they_bind_the_function_alone(manifests: list[Manifest]) -> None:
    """EventSource, bus and Sensor have needs of their own."""
    for kind in ("EventSource", "Sensor"):
        for other in of_kind(manifests, kind):
            peer = Peer("taskgate", other["spec"]["template"]["metadata"]["labels"])
            assert allows(manifests, "ingress", peer, Peer("anywhere"), 12000)


def test_an_absent_policy_allows_everything(manifests: list[Manifest], pod: Peer) -> None:
    """So that the tests above can fail."""
    rest = [copy.deepcopy(m) for m in manifests if m["kind"] != "NetworkPolicy"]
    assert allows(rest, "ingress", pod, Peer("agent-platform"), 8080)

"""The image runs as its pod does: no privileges, a read-only root file system, the real rights and admission policy."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import payloads
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import Object
from tests.cluster.events import name_of, of
from tests.cluster.function_client import Reply
from tests.cluster.installation import OURS, TOKEN
from tests.cluster.processes import wait_for
from tests.image.container import PORT, Container
from tests.image.network import PodNetwork
from tests.image.podman import SOME_USER
from tests.manifests import building
from tests.payloads import Request
from tests.recorded_workflows import gate_node

Start = Callable[..., Container]
GATE = "wait-pr-approved"


def approval() -> Request:
    """The event that opens the gate of task 3."""
    return payloads.cloudevent_structured(payloads.approved(**of(3)), delivery="approved")


def approve(container: Container) -> Reply:
    return container.post(approval(), TOKEN)


def phase(cluster: RealApiServer) -> str:
    return str(gate_node(cluster.admin.must("GET", f"{OURS}/{name_of(3)}"), GATE)["phase"])


@pytest.mark.parametrize(
    ("options", "user"),
    [((), "65532:65532"), ((f"--user={SOME_USER}",), SOME_USER)],
    ids=["the image's user", "some user"],
)
def test_an_event_opens_its_gate(
    start_container: Start, cluster: RealApiServer, options: tuple[str, ...], user: str
) -> None:
    container = start_container(*options)
    assert [f"{uid}:{gid}" for uid, gid in zip(*map(container.status, ("Uid", "Gid")), strict=True)] == [user] * 4
    assert container.status("NSpid")[-1] == "1"  # the first process of its container: signals reach it directly
    assert {*container.status("CapEff"), *container.status("CapBnd")} == {"0" * 16}
    assert container.status("NoNewPrivs") == ["1"]
    assert container.status("Seccomp") == ["2"]  # a filter
    status, said = approve(container)
    assert (status, said["outcome"]) == (200, "opened"), said
    assert phase(cluster) == "Succeeded"


def test_an_event_in_progress_is_finished_when_the_pod_has_to_go(
    start_container: Start, cluster: RealApiServer, pod_network: PodNetwork
) -> None:
    container = start_container()
    headers, body = approval()
    headers |= {"Authorization": f"Bearer {TOKEN}", "Content-Length": str(len(body)), "Expect": "100-continue"}
    head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Host": "taskgate"}.items())
    with socket.create_connection((pod_network.pod, PORT), timeout=15) as sender:
        sender.sendall(f"POST / HTTP/1.1\r\n{head}\r\n".encode())
        assert sender.recv(1 << 16).startswith(b"HTTP/1.1 100 ")  # the function waits for the body
        container.terminate()
        wait_for("the function to take no more connections", lambda: not container.listening() or None)
        sender.sendall(body)
        assert sender.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    assert phase(cluster) == "Succeeded"
    assert container.process.wait() == 0


def test_many_large_events_at_once_fit_into_the_memory_limit(
    start_container: Start, argo_events_manifests: list[Object], measured: list[str]
) -> None:
    """As many as the Service lets in at once, among them some as large as GitHub sends them."""
    template = building.function(argo_events_manifests)["spec"]["template"]["spec"]
    (manifest,) = template["containers"]
    limit = manifest["resources"]["limits"]["memory"]
    container = start_container()
    approve(container)
    at_rest = container.memory()

    def post(size: int) -> Reply:
        payload = payloads.approved(**of(3))
        payload["pull_request"]["body"] = "x" * size
        return container.post(payloads.cloudevent_structured(payload, delivery=f"large-{size}"), TOKEN)

    sizes = [24 << 20] * 3 + [1 << 20] * (template["containerConcurrency"] - 3)
    with ThreadPoolExecutor(len(sizes)) as senders:
        replies = list(senders.map(post, sizes))
    answers = {(status, said["outcome"]) for status, said in replies}
    # The function itself asks for a retry where the bodies together are too large.
    assert {(200, "already-open")} <= answers <= {(200, "already-open"), (503, "unavailable")}
    assert container.process.running()  # the kernel ends it where it exceeds the limit
    measured.append(f"memory of the container: {at_rest:.0f} MiB at rest, {container.memory():.0f} at most, of {limit}")


@pytest.fixture(params=["as it is", "with faults"])
def watched(request: pytest.FixtureRequest, start_container: Start) -> tuple[Container, bool]:
    """A container whose root user may write, with or without the two faults that the next test looks for; it ended."""
    faults = ["--env=PYTHONPYCACHEPREFIX=/tmp/bytecode", "--env=PYTHONDONTWRITEBYTECODE="]
    faulty = request.param == "with faults"
    container = start_container("--user=0", "--env=PYTHONVERBOSE=1", *(faults if faulty else ()), read_only=False)
    assert approve(container)[1]["outcome"] == "opened"
    assert container.get("metrics").startswith("# HELP ")  # a library is imported for the first answer only
    container.terminate()
    assert container.process.wait() == 0
    return container, faulty


def test_it_writes_nothing_and_compiles_nothing(watched: tuple[Container, bool]) -> None:
    """Even where it could: with a root file system that can be written to, and as root."""
    container, faulty = watched
    assert bool(container.written()) == faulty, container.written()
    assert bool(container.compiled()) == faulty, container.compiled()

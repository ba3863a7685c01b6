"""An API server that takes its time: large Workflows end in an open gate, and the deadline holds whatever drips.

A kube-apiserver stops what it does for a client that hangs up before the write has reached etcd (seen on 1.35 in
tests/cluster/test_large_workflows.py), and so does the proxy here.
"""

from __future__ import annotations

import copy
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from func.core.workflows import read_workflow
from func.devcluster import EmbeddedCluster
from func.kube.argo_server import connect as connect_argo
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.errors import Unavailable
from func.kube.workflows import Workflows
from func.service import app
from tests.faults import proxy
from tests.faults.proxy import Exchange, Fault, Proxy
from tests.payloads import approved, cloudevent_structured
from tests.recorded_workflows import NAMESPACE, Workflow, waiting_workflow
from tests.service.site import Site, make_function

GATE = "wait-pr-approved"
EVENT = cloudevent_structured(approved())


def large_workflow(nodes: int = 300) -> Workflow:
    """The Workflow of task 3 with many pods."""
    workflow = waiting_workflow(3)
    found = workflow["status"]["nodes"]
    pattern = next(iter(found.values()))
    for number in range(nodes):
        name = f"{workflow['metadata']['name']}-{number}"
        node = {"id": name, "name": name, "displayName": f"work-{number}", "type": "Pod", "phase": "Succeeded"}
        found[name] = copy.deepcopy(pattern) | node | {"children": []}
    return workflow


def busy(seconds: float) -> Fault:
    """The API takes so long, and does nothing for a client that has hung up by then."""

    def fault(exchange: Exchange) -> None:
        if select.select([exchange._handler.connection], [], [], seconds)[0]:
            exchange.cut()
        else:
            exchange.answer(exchange.forward())

    return fault


@pytest.fixture
def way(fault_cluster: EmbeddedCluster) -> Iterator[Proxy]:
    with Proxy(fault_cluster.port) as between:
        yield between


@pytest.fixture
def site(fault_cluster: EmbeddedCluster, way: Proxy, tmp_path: Path) -> Site:
    """The function, whose API is behind the proxy."""
    function = make_function(fault_cluster, tmp_path)
    file = tmp_path / "slow"
    text = (tmp_path / "kubeconfig").read_text(encoding="utf-8")
    file.write_text(text.replace(fault_cluster.url, way.url), encoding="utf-8")
    function._pipeline.workflows = Workflows(connect(file, 16), NAMESPACE)
    return Site(fault_cluster, function)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_write_that_takes_longer_than_an_event_is_done_all_the_same(
    site: Site, way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "EVENT_SECONDS", 1.0)
    site.load(large_workflow())
    way.begin(lambda _, kind: busy(2.0) if kind == "PATCH" else proxy.pass_on)
    assert site.send(EVENT).outcome == "unavailable"
    assert site.phase(GATE) == "Running"
    until(lambda: site.phase(GATE) == "Succeeded")
    assert [site.send(EVENT).outcome for _ in range(2)] == ["opened", "duplicate"]
    assert way.calls == ["GET", "PATCH", "GET", "GET"]


def test_redeliveries_while_the_write_goes_on_open_the_gate_once(
    site: Site, way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "EVENT_SECONDS", 1.0)
    site.load(large_workflow())
    way.begin(lambda _, kind: busy(2.5) if kind == "PATCH" else proxy.pass_on)
    outcomes = [site.send(EVENT).outcome]
    while outcomes[-1] == "unavailable":
        assert len(outcomes) < 8  # no circle
        outcomes.append(site.send(EVENT).outcome)
    assert outcomes[-1] == "opened"
    assert site.phase(GATE) == "Succeeded"
    version = site.workflow()["metadata"]["resourceVersion"]
    until(lambda: not any(thread.name == "write" for thread in threading.enumerate()))  # the others have lost
    assert site.workflow()["metadata"]["resourceVersion"] == version
    assert site.workflow()["metadata"]["annotations"]["taskgate.dev/state"].count('"opened"') <= 1


def test_a_read_that_takes_longer_than_a_first_try_may_is_not_tried_for_ever(site: Site, way: Proxy) -> None:
    site.function._pipeline.workflows.api.call_timeout = 0.4
    site.load(large_workflow())
    way.begin(lambda _, kind: busy(0.9) if kind == "GET" else proxy.pass_on)
    assert site.send(EVENT).outcome == "opened"
    assert way.calls == ["GET", "GET", "PATCH"]


def test_small_workflows_wait_with_no_thread_of_their_own(site: Site, way: Proxy) -> None:
    site.load(waiting_workflow(3))
    seen: list[bool] = []

    def look(exchange: Exchange) -> None:
        seen.append(any(thread.name == "write" for thread in threading.enumerate()))
        proxy.pass_on(exchange)

    way.begin(lambda _, kind: look if kind == "PATCH" else proxy.pass_on)
    assert site.send(EVENT).outcome == "opened"
    site.load(large_workflow())
    assert site.send(EVENT).outcome == "opened"
    assert seen == [False, True]


def resolve(monkeypatch: pytest.MonkeyPatch, addresses: Callable[[], list[str]]) -> None:
    """Let the name `localhost` have these addresses."""
    real = socket.getaddrinfo

    def getaddrinfo(name: str, *rest: Any) -> list[Any]:  # noqa: ANN401 - as socket has it
        return [each for host in (addresses() if name == "localhost" else [name]) for each in real(host, *rest)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def named(folder: Path, cluster: EmbeddedCluster, server: str) -> Workflows:
    """Those of a cluster at another URL."""
    config = cluster.write_kubeconfig(folder / "config")
    config.write_text(config.read_text(encoding="utf-8").replace(cluster.url, server), encoding="utf-8")
    return Workflows(connect(config, 1), NAMESPACE)


def test_the_deadline_holds_when_dns_is_silent(
    fault_cluster: EmbeddedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflows = named(tmp_path, fault_cluster, f"http://localhost:{fault_cluster.port}")
    answers, asked = threading.Event(), []

    def wait() -> list[str]:
        asked.append("localhost")
        answers.wait(30)
        return ["127.0.0.1"]

    resolve(monkeypatch, wait)
    started = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(workflows.get, "a", Deadline.after(0.5)) for _ in range(8)]
        failed = [call.exception() for call in calls]
    assert time.monotonic() - started < 20  # a lookup takes 30 s
    why = f"the name of the host is not resolved in time (http://localhost:{fault_cluster.port}, context taskgate)"
    assert {str(each) for each in failed} == {f"The Kubernetes API does not answer: {why}."}
    assert asked == ["localhost"]  # by one thread, for all who wait
    answers.set()
    Site(fault_cluster, None).load(waiting_workflow(3))  # type: ignore[arg-type] # which needs no function
    assert workflows.get("play-task-3-workflow", Deadline.after(20))


def test_a_name_of_several_addresses_has_the_time_of_one(
    fault_cluster: EmbeddedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflows = named(tmp_path, fault_cluster, f"http://localhost:{fault_cluster.port}")
    found: list[str] = []
    resolve(monkeypatch, lambda: found)
    with ExitStack() as stack:
        for number in range(2, 14):
            found.append(f"127.0.0.{number}")
            silent = stack.enter_context(socket.create_server((found[-1], fault_cluster.port), backlog=0))
            for _ in range(2):  # its queue is full: it takes no connection and refuses none
                waiting = stack.enter_context(socket.socket())
                waiting.settimeout(0)
                waiting.connect_ex(silent.getsockname())
        started = time.monotonic()
        with pytest.raises(Unavailable, match="takes too long"):
            workflows.get("a", Deadline.after(0.7))
        assert time.monotonic() - started < 5  # 0.7 s for each would be 8 s
    found[:] = ["127.0.0.2", "127.0.0.1"]  # the first of them refuses now
    Site(fault_cluster, None).load(waiting_workflow(3))  # type: ignore[arg-type] # which needs no function
    assert workflows.get("play-task-3-workflow", Deadline.after(20))


@contextmanager
def no_more_threads(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """Let threads of this name fail to begin, as in a process that has as many as it may have."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        yield


def test_a_write_that_gets_no_thread_is_done_by_a_redelivery(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.load(large_workflow())
    with no_more_threads(monkeypatch, "write"):
        assert {site.send(EVENT).outcome for _ in range(3)} == {"unavailable"}
    assert site.send(EVENT).outcome == "opened"


def test_a_name_that_gets_no_thread_is_resolved_by_the_next_call(
    fault_cluster: EmbeddedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflows = named(tmp_path, fault_cluster, f"http://localhost:{fault_cluster.port}")
    Site(fault_cluster, None).load(waiting_workflow(3))  # type: ignore[arg-type] # which needs no function
    with no_more_threads(monkeypatch, "dns"), pytest.raises(Unavailable, match="no more threads"):
        workflows.get("play-task-3-workflow", Deadline.after(20))
    assert workflows.get("play-task-3-workflow", Deadline.after(20))


ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 600\r\n\r\n{"metadata": {}}'
DRIPS = {
    "status line": (b"", b"HTTP/1.1 200 OK" + b" " * 600),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100),
    "body": (ANSWER, b" " * 600),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 100),
}


class Dripping:
    """A server that answers each request with some bytes at once, and with others one by one."""

    def __init__(self, at_once: bytes, then: bytes) -> None:
        self._at_once, self._then = at_once, then
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(1 << 16)
                connection.sendall(self._at_once)
                for number in range(len(self._then)):
                    if self._ended.wait(0.05):
                        return
                    connection.sendall(self._then[number : number + 1])
            except OSError:
                return

    def close(self) -> None:
        self._ended.set()
        self._listening.close()


OF = (
    [("api", drip) for drip in DRIPS]
    + [("argo", drip) for drip in DRIPS]
    + [("proxy", "status line"), ("proxy", "headers")]
)


@pytest.mark.parametrize(("of", "drip"), OF)
def test_the_deadline_holds_whatever_drips(fault_cluster: EmbeddedCluster, tmp_path: Path, of: str, drip: str) -> None:
    server = Dripping(*DRIPS[drip])
    deadline = Deadline.after(0.7)
    config = fault_cluster.write_kubeconfig(tmp_path / "config")
    there = f'https://api.example", "proxy-url": "{server.url}' if of == "proxy" else server.url
    config.write_text(config.read_text(encoding="utf-8").replace(fault_cluster.url, there), encoding="utf-8")
    workflows, argo = Workflows(connect(config, 1), NAMESPACE), connect_argo(server.url, None)
    known = read_workflow(waiting_workflow(3))
    started = time.monotonic()
    with pytest.raises(Unavailable, match="takes too long"):
        argo.hydrate(known, deadline) if of == "argo" else workflows.get("a", deadline)
    server.close()
    assert time.monotonic() - started < 5  # all of it would take 30 s

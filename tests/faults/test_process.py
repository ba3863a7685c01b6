"""The real process on a bad day: a slow API with many events, SIGTERM, connections that come to nothing."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.service.app import MAX_EVENTS, THREADS
from func.service.pipeline import EVENT_SECONDS
from tests.faults.bad_day import GATE, Openings, through
from tests.faults.process import Served
from tests.faults.proxy import Exchange, Proxy, pass_on
from tests.payloads import approved, cloudevent_structured, push
from tests.recorded_workflows import waiting_workflow

FIRST_TASK = 50_000


@pytest.fixture
def way(fault_cluster: EmbeddedCluster) -> Iterator[Proxy]:
    with Proxy(fault_cluster.port) as proxy:
        yield proxy


@pytest.fixture
def served(fault_cluster: EmbeddedCluster, way: Proxy, tmp_path: Path) -> Iterator[Served]:
    with Served(through(way, fault_cluster, tmp_path / "kubeconfig")) as process:
        yield process


def machine_slack(served: Served) -> float:
    """Return the seconds that other work of the machine may add: 10 times what as many ignored events take now."""
    with ThreadPoolExecutor(MAX_EVENTS) as senders:
        began = time.monotonic()
        ignored = cloudevent_structured(push())
        answers = list(senders.map(served.send, [ignored] * 4 * THREADS))
        took = time.monotonic() - began
    assert all(answer and answer[0] == 200 for answer in answers)
    return 10 * took


class Door:
    """A fault that holds calls until it is opened."""

    def __init__(self, way: Proxy, calls: int) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        self._left = calls
        self._lock = threading.Lock()
        way.begin(lambda _number, _kind: self._hold)

    def _hold(self, exchange: Exchange) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.reached.set()
        self._open.wait(300)
        pass_on(exchange)

    def open(self) -> None:
        self._open.set()


def test_with_an_api_that_says_nothing_every_event_is_answered_within_5_seconds(served: Served, way: Proxy) -> None:
    slack = machine_slack(served)
    door = Door(way, calls=THREADS)
    with ThreadPoolExecutor(MAX_EVENTS) as senders:

        def timed(task: int) -> tuple[int, float]:
            began = time.monotonic()
            answer = served.send(cloudevent_structured(approved(task=task)))
            assert answer
            return answer[0], time.monotonic() - began

        first = [senders.submit(timed, FIRST_TASK + task) for task in range(2 * THREADS)]
        assert door.reached.wait(60)  # all threads wait for the API
        late = [senders.submit(timed, FIRST_TASK + task) for task in range(2 * THREADS)]
        answers = [each.result() for each in [*first, *late]]
    door.open()
    assert {status for status, _ in answers} == {503}
    # A call to the API would have taken 300 s, and an event that waits in turn as long as those before it.
    assert max(seconds for _, seconds in answers) <= EVENT_SECONDS + 0.5 + slack


def test_sigterm_finishes_what_is_in_work_and_takes_nothing_new(
    fault_cluster: EmbeddedCluster, served: Served, way: Proxy
) -> None:
    task = FIRST_TASK + 100
    fault_cluster.store.load(WORKFLOWS, waiting_workflow(task))
    kept = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    kept.request("GET", "/healthz")
    kept.getresponse().read()
    door = Door(way, calls=1)
    with closing(kept), Openings(fault_cluster) as openings, ThreadPoolExecutor(1) as sender:
        in_work = sender.submit(served.send, cloudevent_structured(approved(task=task)))
        assert door.reached.wait(60)
        served.signal(signal.SIGTERM)
        assert kept.sock.recv(1) == b"", "an idle connection is closed"
        assert served.send(cloudevent_structured(approved(task=task))) is None, "nobody listens any more"
        served.signal(signal.SIGTERM)  # an impatient operator changes nothing
        door.open()
        answer = in_work.result()
        assert answer
        assert answer[0] == 200
        assert json.loads(answer[2])["outcome"] == "opened"
        assert served.wait(60) in (0, -signal.SIGTERM)
        assert openings.of(f"play-task-{task}-workflow") == {GATE: 1}
    assert not served.tracebacks


def test_sigterm_while_the_api_says_nothing_ends_within_the_grace_period(served: Served, way: Proxy) -> None:
    slack = machine_slack(served)
    door = Door(way, calls=1)
    with ThreadPoolExecutor(1) as sender:
        in_work = sender.submit(served.send, cloudevent_structured(approved(task=FIRST_TASK)))
        assert door.reached.wait(60)
        began = time.monotonic()
        served.signal(signal.SIGTERM)
        answer = in_work.result()
        assert answer
        assert answer[0] == 503
        served.wait(60)
        assert time.monotonic() - began < 10 + slack
    door.open()


def test_slow_and_half_open_connections_keep_nobody_out(fault_cluster: EmbeddedCluster, served: Served) -> None:
    task = FIRST_TASK + 200
    fault_cluster.store.load(WORKFLOWS, waiting_workflow(task))
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n"
    with_body, in_head = MAX_EVENTS // 2, 300
    connections = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(with_body + in_head)]
    for connection in connections[:with_body]:
        connection.sendall(head + b"\r\n{")
    for connection in connections[with_body : with_body + in_head // 2]:
        connection.sendall(head)
    before = served.memory()
    answer = served.send(cloudevent_structured(approved(task=task)))
    assert answer
    assert json.loads(answer[2])["outcome"] == "opened"
    assert served.memory() < before + (20 << 20)
    for connection in connections:
        connection.close()
    assert not served.tracebacks

"""Large bodies, many at once, and bodies that come slowly: none of them takes the process down."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.service.app import BODY_SECONDS, MAX_BODY
from tests.faults.bad_day import GATE, Openings
from tests.faults.process import Served
from tests.payloads import Request, approved, cloudevent_binary
from tests.recorded_workflows import waiting_workflow
from tests.soak.report import Row

MEMORY_LIMIT = 512 << 20  # bytes, of the container in knative/base
_AT_ONCE = 8


def padded(request: Request, size: int) -> Request:
    """The same event with so many bytes."""
    headers, body = request
    padding = size - len(body) - len(b',"padding":""')
    return headers, body[:-1] + b',"padding":"' + b"x" * padding + b'"}'


def filled(request: Request, size: int) -> Request:
    """The same event with so many bytes, most of them strings of two characters."""
    headers, body = request
    return headers, body[:-1] + b',"padding":[' + b'"ab",' * ((size - len(body)) // 5) + b"1]}"


def prove(folder: Path, *, slow: bool = True, at_once: int = _AT_ONCE) -> list[Row]:
    """Bodies of all sizes, then an event as if nothing had been.

    Args:
        folder: for files.
        slow: also a body that stays away, which takes 10 s.
        at_once: so many bodies of 20 MiB come together.
    """
    with ExitStack() as stack:
        cluster = stack.enter_context(EmbeddedCluster(controller=False))
        for task in range(at_once + 2):
            cluster.store.load(WORKFLOWS, waiting_workflow(task, GATE))
        openings = stack.enter_context(Openings(cluster))
        served = stack.enter_context(Served(cluster.write_kubeconfig(folder / "kubeconfig")))

        def status(request: Request) -> int:
            answer = served.send(request, timeout=60)
            return answer[0] if answer else 0

        first = cloudevent_binary(approved(task=0))
        rows = [
            ("25 MiB", f"{_is(200, lambda: status(padded(first, MAX_BODY)))}"),
            ("26 MiB", f"{_is(413, lambda: status(padded(first, MAX_BODY + (1 << 20))))}"),
        ]
        many = [padded(cloudevent_binary(approved(task=task)), 20 << 20) for task in range(1, at_once + 1)]
        with ThreadPoolExecutor(at_once) as senders:
            counted = Counter(senders.map(status, many))
        assert set(counted) <= {200, 503}, counted
        assert counted[200] >= 1, counted
        shown = ", ".join(f"{number} x {code}" for code, number in sorted(counted.items()))
        rows.append((f"{at_once} of 20 MiB at once", shown))
        dense = [filled(cloudevent_binary(approved(task=0)), size << 20) for size in (24, 24, *[6] * at_once)]
        with ThreadPoolExecutor(len(dense)) as senders:
            counted = Counter(senders.map(status, dense))
        assert set(counted) <= {200, 400, 503}, counted
        assert counted[200] >= 1, counted
        shown = ", ".join(f"{number} x {code}" for code, number in sorted(counted.items()))
        rows.append((f"2 of 24 and {at_once} of 6 MiB, short strings", shown))
        for request in many:
            _is(200, lambda request=request: status(request))  # type: ignore[misc]
        rows.append(("peak memory", f"{_highest(served):.0f} MiB, limit {MEMORY_LIMIT >> 20} MiB"))
        assert openings.counted == {(f"play-task-{task}-workflow", GATE): 1 for task in range(at_once + 1)}
        if slow:
            rows.append(("a body that never arrives", f"503 after {_stays_away(served):.1f} s"))
        _is(200, lambda: status(cloudevent_binary(approved(task=at_once + 1))))
        assert not served.tracebacks, served.tracebacks
        return rows


def _is(wanted: int, ask: Callable[[], int]) -> int:
    found = ask()
    assert found == wanted, found
    return found


def _highest(served: Served) -> float:
    """MiB, of all that the process has ever had."""
    highest = served.highest_memory()
    assert highest < MEMORY_LIMIT, highest
    return highest / 2**20


def _stays_away(served: Served) -> float:
    headers, body = cloudevent_binary(approved(task=1))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        begun = f"POST / HTTP/1.1\r\nhost: localhost\r\n{head}content-length: {len(body)}\r\n\r\n{{"
        connection.sendall(begun.encode())
        answer = connection.makefile("rb").readline()
    assert answer.startswith(b"HTTP/1.1 503"), answer
    seconds = time.monotonic() - began
    assert seconds < BODY_SECONDS + 2
    return seconds

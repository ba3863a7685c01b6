"""Bodies in chunks of one byte, with and without a token that is asked for: how long others wait meanwhile."""

from __future__ import annotations

import http.client
import multiprocessing
import socket
import time
from contextlib import suppress
from pathlib import Path

from func.devcluster import EmbeddedCluster
from tests.faults.process import Served
from tests.soak.report import Row

MOST_SECONDS = 0.1
_CONNECTIONS = 4
_BODY_BYTES = 2_000_000
_PAUSE_SECONDS = 0.005
_HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def prove(folder: Path, seconds: float = 6.0) -> list[Row]:
    """Ask for `/healthz` on a kept connection, again and again, while the others send.

    Args:
        folder: for files.
        seconds: that each attack takes.
    """
    (folder / "tokens").write_text("a-token\n", encoding="utf-8")
    kinds = {"without a token": {"TASKGATE_TOKEN_FILE": str(folder / "tokens")}, "where none is needed": {}}
    rows = []
    with EmbeddedCluster(controller=False) as cluster:
        kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig")
        for kind, settings in kinds.items():
            with Served(kubeconfig, **settings) as served:
                waited = sorted(_attacked(served, seconds))
                assert not served.tracebacks, served.tracebacks
            assert waited[-1] <= MOST_SECONDS, waited[-1]
            worst, median = waited[-1] * 1000, waited[len(waited) // 2] * 1000
            what = f"{_CONNECTIONS} senders {kind}, for {seconds:.0f} s"
            rows.append(
                (what, f"{len(waited):,} answers to other requests, median {median:.1f} ms, worst {worst:.0f} ms")
            )
    return rows


def _attacked(served: Served, seconds: float) -> list[float]:
    """How long each answer took."""
    until = time.monotonic() + seconds
    attackers = [multiprocessing.Process(target=_send, args=(served.port, until)) for _ in range(_CONNECTIONS)]
    for attacker in attackers:
        attacker.start()
    waited = []
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    while time.monotonic() < until:
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        waited.append(time.perf_counter() - began)
        time.sleep(_PAUSE_SECONDS)
    connection.close()
    for attacker in attackers:
        attacker.join(30)
        attacker.kill()
    return waited


def _send(port: int, until: float) -> None:
    body = _HEAD + b"1\r\nx\r\n" * _BODY_BYTES
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(body)
            while connection.recv(1 << 16):
                pass

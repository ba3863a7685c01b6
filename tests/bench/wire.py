"""HTTP/1.1 with as little of it as will do: a client that costs next to nothing beside what it measures."""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

_LOOK = 0.001  # seconds between two attempts to connect
_PATIENCE = 30.0


class WireError(Exception):
    """The other side did not answer as it should; the message is one sentence."""


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    length = f"Content-Length: {len(body)}\r\n" if body or method != "GET" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}{length}\r\n".encode() + body


class Wire:
    """A kept connection.

    Args:
        context: for TLS; None without.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1") if context else plain
        self._received = bytearray()

    def exchange(self, sent: bytes) -> tuple[int, bytes]:
        """A request -> status and body of its answer.

        Raises: WireError, OSError.
        """
        self._socket.sendall(sent)
        head = self._until(b"\r\n\r\n").lower()
        status = int(head[9:12])
        if b"transfer-encoding: chunked" in head:
            return status, self._chunks()
        _, found, rest = head.partition(b"content-length:")
        return status, self._take(int(rest.split(b"\r\n", 1)[0])) if found else b""

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(self._until(b"\r\n"), 16):
            body += self._take(size + 2)[:size]
        self._until(b"\r\n")
        return bytes(body)

    def _until(self, mark: bytes) -> bytes:
        while (end := self._received.find(mark)) < 0:
            self._more()
        return self._take(end + len(mark))

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _more(self) -> None:
        piece = self._socket.recv(1 << 17)
        if not piece:
            raise WireError("The connection was closed in the middle of an answer.")
        self._received += piece


def connect(port: int, seconds: float = _PATIENCE) -> Wire:
    """A connection to somebody who may not listen yet.

    Raises: WireError, when nobody does in time.
    """
    deadline = time.perf_counter() + seconds
    while True:
        with suppress(ConnectionRefusedError):
            return Wire(port)
        if time.perf_counter() > deadline:
            raise WireError(f"Nobody listened on port {port} within {seconds:g} s.")
        time.sleep(_LOOK)


@dataclass(frozen=True, slots=True)
class Job:
    """Requests that are sent one after the other, each when the answer before is there.

    Args:
        expected: stands in the last answer.
        work: what the client does before each request; None for nothing.
    """

    requests: Sequence[bytes]
    expected: bytes
    work: Callable[[], None] | None = None

    def run(self, wire: Wire) -> float:
        """All of it; returns seconds, without those of the client's work.

        Raises: WireError, when an answer is no success.
        """
        taken = 0.0
        for each in self.requests:
            if self.work:
                self.work()
            began = time.perf_counter()
            status, body = wire.exchange(each)
            taken += time.perf_counter() - began
            if status >= 300:
                raise WireError(f"The answer was {status}: {body[:300].decode(errors='replace')}")
        if self.expected not in body:
            raise WireError(f"The answer was not {self.expected.decode()}: {body[:300].decode(errors='replace')}")
        return taken


def drive(wires: Sequence[Wire], jobs: Sequence[Job]) -> list[float]:
    """Do all jobs, as many at a time as there are connections.

    Returns: the seconds of each.
    Raises: WireError, OSError, of the first that fails.
    """
    left = deque(jobs)
    if len(wires) == 1:
        return [job.run(wires[0]) for job in jobs]

    def work(wire: Wire) -> list[float]:
        taken = []
        with suppress(IndexError):
            while True:
                taken.append(left.popleft().run(wire))
        return taken

    with ThreadPoolExecutor(len(wires)) as threads:
        return [seconds for each in threads.map(work, wires) for seconds in each]

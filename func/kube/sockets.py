"""What urllib3's connections lack for our calls: a deadline for the whole answer, and requests in one piece.

A timeout of urllib3 is for each piece that comes, so a server that drips a byte now and then is waited for without end,
in the head of its answer above all. Here what is left of the time is what each read may take.

Source: https://urllib3.readthedocs.io/en/stable/reference/urllib3.connection.html
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection

_thread = threading.local()


@contextmanager
def answered_by(until: float) -> Iterator[None]:
    """Let the requests that this thread makes meanwhile have all of their answers by then.

    Args:
        until: on the monotonic clock; reads after it raise TimeoutError.
    """
    _thread.until = until
    try:
        yield
    finally:
        _thread.until = None


def prepare(manager: PoolManager) -> None:
    """Let all connections that this manager will make do what this module is about."""
    classes = manager.pool_classes_by_scheme.items()
    manager.pool_classes_by_scheme = {scheme: _pool_class(pool) for scheme, pool in classes}


class _Connection(HTTPConnection):
    _pieces: list[bytes] | None = None

    def response_class(self, sock: socket.socket, *args: Any, **more: Any) -> HTTPResponse:  # type: ignore[override]  # noqa: ANN401
        """Called by http.client, for the answer of a proxy that is asked for a tunnel too."""
        until = getattr(_thread, "until", None)
        return HTTPResponse(sock if until is None else _Timed(sock, until), *args, **more)  # type: ignore[arg-type]

    def request(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as they come
        """Send head and body together: a head that comes alone wakes the server for nothing."""
        self._pieces = []
        try:
            super().request(*args, **more)
            whole = b"".join(self._pieces)
        finally:
            self._pieces = None
        self.send(whole)

    def send(self, data: Any) -> None:  # noqa: ANN401 - bytes, or what else http.client takes
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)


class _Timed:
    """A socket, of which http.client needs `makefile` alone."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always rb
        return io.BufferedReader(_TimedReads(self._sock, self._until))


class _TimedReads(io.RawIOBase):
    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - as io wants it
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer comes too slowly")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _pool_class(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = type("TaskgateConnection", (_Connection, pool.ConnectionCls), {})
    return type("TaskgatePool", (pool,), {"ConnectionCls": connection})

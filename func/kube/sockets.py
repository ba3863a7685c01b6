"""A deadline for the whole answer to a request, which urllib3 does not have.

urllib3's timeout applies to each read, so a server that sends a byte now and then is waited for without end, above all
in the head of its answer. Here each read may take the time that is left.

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
    """Set the time by which requests of this thread must have their whole answers.

    Args:
        until: on the monotonic clock; reads after it raise TimeoutError.
    """
    _thread.until = until
    try:
        yield
    finally:
        _thread.until = None


def prepare(manager: PoolManager) -> None:
    """Make a manager use the connections of this module."""
    classes = manager.pool_classes_by_scheme.items()
    manager.pool_classes_by_scheme = {scheme: _pool_class(pool) for scheme, pool in classes}


class _Connection(HTTPConnection):
    def response_class(self, sock: socket.socket, *args: Any, **more: Any) -> HTTPResponse:  # type: ignore[override]  # noqa: ANN401
        """Return the answer; http.client calls it also for the answer of a proxy to CONNECT."""
        until = getattr(_thread, "until", None)
        return HTTPResponse(sock if until is None else _Timed(sock, until), *args, **more)  # type: ignore[arg-type]


class _Timed:
    """A socket with the one method that http.client needs."""

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

"""What urllib3's connections lack for our calls: a deadline for all of a call, and requests in one piece.

A timeout of urllib3 is for each address of a host and for each piece of an answer, and there is none for the lookup of
the host's name. A silent DNS server, or an API server that sends a byte now and then, would be waited for without end.
Here each step gets what is left of the time.

Source: https://urllib3.readthedocs.io/en/stable/reference/urllib3.connection.html
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import is_ipaddress

_thread = threading.local()
_lookups: dict[str, Future[list[str]]] = {}  # of host names, in progress
_lookups_lock = threading.Lock()


class NameLookupTimeoutError(ConnectTimeoutError):
    """DNS does not answer in time."""


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

    def _new_conn(self) -> socket.socket:
        """Connect to one of the host's addresses, all within the time of a connection."""
        name, timeout = self._dns_host, self.timeout
        # A SOCKS proxy looks names up by itself.
        if timeout is None or hasattr(self, "_socks_options") or is_ipaddress(name.strip("[]")):
            return super()._new_conn()
        until = time.monotonic() + timeout
        addresses = self._look_up(name, until)
        try:
            while True:
                self._dns_host = addresses.pop(0)
                # At least a moment, so that the error is that of the address.
                self.timeout = max(0.001, until - time.monotonic()) / (len(addresses) + 1)
                try:
                    return super()._new_conn()
                except (ConnectTimeoutError, NewConnectionError):
                    if not addresses:
                        raise
        finally:
            self._dns_host, self.timeout = name, timeout

    def _look_up(self, name: str, until: float) -> list[str]:
        try:
            return _addresses_of(name, until)
        except socket.gaierror as error:
            raise NameResolutionError(name, self, error) from error
        except TimeoutError:
            raise NameLookupTimeoutError(self, f"{name} is not resolved in time") from None

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


def _addresses_of(name: str, until: float) -> list[str]:
    """Return the addresses of a host, one at least.

    `getaddrinfo` takes no timeout, so a thread calls it: one for each name, however many calls wait for it.

    Raises:
        socket.gaierror: it has none.
        TimeoutError: nobody knows yet.
    """
    with _lookups_lock:
        lookup = _lookups.get(name)
        if lookup is None:
            lookup = _lookups[name] = Future()
            threading.Thread(target=_look_up, args=(name, lookup), name="dns", daemon=True).start()
    return list(lookup.result(max(0.0, until - time.monotonic())))


def _look_up(name: str, lookup: Future[list[str]]) -> None:
    try:
        found = socket.getaddrinfo(name, None, allowed_gai_family(), socket.SOCK_STREAM)
    except Exception as error:
        del _lookups[name]
        is_name = not isinstance(error, UnicodeError)  # with labels of 63 characters at most
        lookup.set_exception(error if is_name else socket.gaierror(socket.EAI_NONAME, "not a name"))
    else:
        del _lookups[name]
        lookup.set_result([str(address[0]) for *_, address in found])


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

"""A deadline for all of a call, which urllib3 does not have.

urllib3's timeout applies to each address of a host and to each read of an answer, and the lookup of the host's name has
none. A silent DNS server, or an API server that sends a byte now and then, would be waited for without end. Here each
step gets the time that is left.

Source: https://urllib3.readthedocs.io/en/stable/reference/urllib3.connection.html
"""

from __future__ import annotations

import errno
import io
import socket
import threading
import time
from concurrent.futures import Future
from http.client import BadStatusLine, HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import is_ipaddress

from func.kube.responses import Response

_thread = threading.local()
_lookups: dict[str, Future[list[str]]] = {}  # of host names, in progress
_lookups_lock = threading.Lock()


class NameLookupTimeoutError(ConnectTimeoutError):
    """DNS does not answer in time."""


class AnsweredBy:
    """For `with`: the time by which requests of this thread must have their whole answers.

    Args:
        until: on the monotonic clock; reads after it raise TimeoutError.
    """

    def __init__(self, until: float) -> None:
        self._until = until

    def __enter__(self) -> None:
        _thread.until = self._until

    def __exit__(self, *_: object) -> None:
        _thread.until = None


def prepare(manager: PoolManager) -> None:
    """Make a manager use the connections of this module."""
    classes = manager.pool_classes_by_scheme.items()
    manager.pool_classes_by_scheme = {scheme: _pool_class(pool) for scheme, pool in classes}


class _Connection(HTTPConnection):
    _pieces: list[bytes] | None = None  # of a request, joined so that the server wakes up once

    def request(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - as urllib3 calls it
        pieces = self._pieces = []
        try:
            super().request(*arguments, **named)
        finally:
            self._pieces = None
        self.send(b"".join(pieces))

    def getresponse(self) -> Any:  # noqa: ANN401 - urllib3's own type
        """Return the answer; one that is not final or not HTTP raises, and urllib3 closes the connection."""
        try:
            response = super().getresponse()
        except ValueError:  # http.client on a chunk of negative length
            raise BadStatusLine("a chunk") from None
        # http.client returns 102 and 103 as the answer. The real one would then answer the connection's next request.
        if response.status < 200:
            raise BadStatusLine(str(response.status))
        return response

    def send(self, data: Any) -> None:  # noqa: ANN401 - as http.client calls it
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)

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
        """Return the answer; http.client calls it also for the answer of a proxy to CONNECT."""
        until = getattr(_thread, "until", None)
        return Response(sock if until is None else _Timed(sock, until), *args, **more)  # type: ignore[arg-type]


def _addresses_of(name: str, until: float) -> list[str]:
    """Return the addresses of a host, one at least.

    `getaddrinfo` takes no timeout, so a thread calls it: one for each name, however many calls wait for it.

    Raises:
        socket.gaierror: it has none.
        TimeoutError: nobody knows yet.
        OSError: there is no thread for the lookup.
    """
    with _lookups_lock:
        lookup = _lookups.get(name)
        if lookup is None:
            lookup = Future()
            try:
                threading.Thread(target=_look_up, args=(name, lookup), name="dns", daemon=True).start()
            except RuntimeError:
                raise OSError(errno.EAGAIN, "no more threads") from None
            _lookups[name] = lookup
    return list(lookup.result(max(0.0, until - time.monotonic())))


def _look_up(name: str, lookup: Future[list[str]]) -> None:
    try:
        found = socket.getaddrinfo(name, None, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError:  # a label of more than 63 characters
        _forget(name)
        lookup.set_exception(socket.gaierror(socket.EAI_NONAME, "not a name"))
    except Exception as error:
        _forget(name)
        lookup.set_exception(error)
    else:
        _forget(name)
        lookup.set_result([str(address[0]) for *_, address in found])


def _forget(name: str) -> None:
    with _lookups_lock:
        del _lookups[name]


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

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - as io calls it
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

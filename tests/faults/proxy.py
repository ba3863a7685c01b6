"""An HTTP proxy on loopback that does to chosen calls what a network, a load balancer or a sick API server would do.

A fault is a function that gets the exchange; without one a request is passed on and its answer comes back.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, TypeAlias

_HANG_SECONDS = 20.0
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True)
class Response:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Exchange:
    """One request on its way through the proxy."""

    proxy: Proxy
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    _handler: _Handler = field(repr=False)

    @property
    def kind(self) -> str:
        """The method; LIST for a collection."""
        is_collection = self.target.partition("?")[0].endswith("/workflows")
        return "LIST" if self.method == "GET" and is_collection else self.method

    def forward(self) -> Response:
        """Pass the request on to the API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream, timeout=_HANG_SECONDS)
        try:
            connection.request(self.method, self.target, self.body or None, dict(self.headers))
            response = connection.getresponse()
            return Response(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def answer(self, response: Response, *, length: int | None = None, last: bool = False) -> None:
        """Send an answer back.

        Args:
            length: what its Content-Length says; by default what is right.
            last: hang up after it.
        """
        handler = self._handler
        handler.send_response(response.status)
        for name, value in response.headers.items():
            if name.lower() not in {*_HOP_BY_HOP, "content-length", "date", "server"}:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(response.body) if length is None else length))
        if last:
            handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(response.body)
        handler.wfile.flush()

    def cut(self) -> None:
        """Hang up without another word."""
        self._handler.close_connection = True

    def hang(self) -> None:
        """Say nothing until the client has lost patience."""
        select.select([self._handler.connection], [], [], _HANG_SECONDS)
        self.cut()


Fault: TypeAlias = Callable[[Exchange], None]
Plan: TypeAlias = Callable[[int, str], Fault]


def pass_on(exchange: Exchange) -> None:
    """No fault."""
    exchange.answer(exchange.forward())


def cut_before(exchange: Exchange) -> None:
    """The connection is cut before the request has reached the API."""
    exchange.cut()


def cut_after(exchange: Exchange) -> None:
    """The API has done it, its answer is lost."""
    exchange.forward()
    exchange.cut()


def half_answer(exchange: Exchange) -> None:
    """The API has done it, the connection is cut in the middle of its answer."""
    response = exchange.forward()
    half = response.body[: len(response.body) // 2]
    exchange.answer(Response(response.status, response.headers, half), length=len(response.body), last=True)


def slow_request(exchange: Exchange) -> None:
    """The request is held up for so long that it reaches the API after the event was answered."""
    exchange.proxy.late.append(exchange)
    exchange.hang()


def slow_answer(exchange: Exchange) -> None:
    """The API has done it, its answer comes too late."""
    exchange.forward()
    exchange.hang()


def dripping(exchange: Exchange) -> None:
    """The API has done it, its answer comes a byte at a time, each in time, all together much too late."""
    response = exchange.forward()
    exchange.answer(Response(response.status, response.headers, b""), length=len(response.body))
    client = exchange._handler.connection
    for byte in response.body:
        if select.select([client], [], [], exchange.proxy.drip_seconds)[0]:
            break  # the client has hung up
        client.sendall(bytes([byte]))
    exchange.cut()


def twice(exchange: Exchange) -> None:
    """The request reaches the API twice; the second answer comes back."""
    exchange.forward()
    exchange.answer(exchange.forward())


def garbage(exchange: Exchange) -> None:
    """Something else answers 200 with a page for people, and the API gets nothing."""
    exchange.answer(Response(200, {"Content-Type": "text/html"}, b"<html>Sign in to continue</html>"))


def status(code: int, reason: str, message: str, **headers: str) -> Fault:
    """A Status object of the API, which has done nothing."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    text = json.dumps({**body, "reason": reason, "message": message}).encode()
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}

    def fault(exchange: Exchange) -> None:
        exchange.answer(Response(code, sent, text))

    return fault


class Proxy:
    """Listens on loopback from `with` on.

    Args:
        upstream: port of what it stands before.
        plan: says what is to be done with a call, by its number since the last `begin`, from 1 on, and its kind.
        drip_seconds: between two bytes of an answer that drips.
    """

    def __init__(self, upstream: int, drip_seconds: float = 1.0) -> None:
        self.upstream = upstream
        self.plan: Plan = lambda _number, _kind: pass_on
        self.late: list[Exchange] = []
        self.calls: list[str] = []
        self.drip_seconds = drip_seconds
        self._lock = threading.Lock()
        self._server = _Server(0, self)
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self, plan: Plan | None = None) -> None:
        """Count the calls anew."""
        with self._lock:
            self.calls = []
            self.plan = plan or (lambda _number, _kind: pass_on)

    def next(self, exchange: Exchange) -> Fault:
        """What is to be done with the next call."""
        with self._lock:
            self.calls.append(exchange.kind)
            return self.plan(len(self.calls), exchange.kind)

    def deliver_late(self) -> list[Response]:
        """What was held up reaches the API now."""
        late, self.late = self.late, []
        return [exchange.forward() for exchange in late]

    def refuse(self) -> None:
        """Take no connections any more."""
        self._server.stop()

    def listen_again(self) -> None:
        """Take connections again, on the same port."""
        self._server = _Server(self.port, self)
        self._server.begin()

    def __enter__(self) -> Self:
        self._server.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        self.busy: set[socket.socket] = set()

    def begin(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.01,), name="proxy", daemon=True).start()

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """A connection, in a thread of its own."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """A connection has ended."""
        self._open.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """Close the port, and the connections on which no request is under way."""
        self.shutdown()
        self.server_close()
        for connection in self._open - self.busy:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what this is about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        exchange = Exchange(self.server.proxy, self.command, self.path, headers, self.rfile.read(length), self)
        self.server.busy.add(self.connection)
        try:
            self.server.proxy.next(exchange)(exchange)
        finally:
            self.server.busy.discard(self.connection)

    do_GET = do_PATCH = do_PUT = do_POST = _handle  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Says nothing."""

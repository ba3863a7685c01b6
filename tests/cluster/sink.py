"""A small HTTP server that notes what it gets, in the place of the function."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.cluster.processes import wait_for


@dataclass(frozen=True)
class Request:
    """What came; header names are in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The body as JSON."""
        return json.loads(self.body)


class Sink:
    """Answers POST requests with what `answer` says: a status code for each request. A GET finds nothing."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], int] = lambda _: 200
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(sink.answer(request))
                self.end_headers()
                sink.requests.append(request)

            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"[]")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens, on the loopback."""
        return self._server.server_port

    def wait_for(self, count: int, timeout: float = 120.0) -> list[Request]:
        """All requests, once there are at least `count`; `timeout` in seconds."""
        return wait_for(
            f"{count} requests", lambda: self.requests if len(self.requests) >= count else None, timeout=timeout
        )

    def close(self) -> None:
        """Stops it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

"""A stand-in for the function, over HTTP."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any


class Function:
    """Stands in for the function: gives the answers that it is told, and keeps what it got."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []  # those that come first; then 200
        self.events: list[dict[str, Any]] = []
        self.came: SimpleQueue[dict[str, Any]] = SimpleQueue()  # the same, for those who wait for them
        self.authorizations: list[str | None] = []
        function = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/cloudevents+json"
                function.events.append(json.loads(body))
                function.came.put(function.events[-1])
                function.authorizations.append(self.headers.get("Authorization"))
                status, headers = function.answers.pop(0) if function.answers else (200, {})
                outcome = {200: "opened", 401: "invalid", 503: "unavailable"}.get(status, "odd")
                text = json.dumps({"outcome": outcome, "reason": f"Because of \x1b[31m {status}."}).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]

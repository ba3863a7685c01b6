"""Serves the board over HTTP: a page, its files, and a stream of changes. It is read-only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any, Self

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from func.board.answers import read_answer
from func.board.hub import Hub
from func.board.view import FINISHED, OTHER, UNDER_WAY, Names
from func.board.workflow_watch import Answered, Fleet, News, pause_after
from func.core.rules import Rules
from func.kube.workflows import Workflows
from func.service.sockets import is_loopback_host, listen

_STOP_SECONDS = 2
_FILES = {
    "/": ("index.html", "text/html"),
    "/board.css": ("board.css", "text/css"),
    **{f"/{name}": (name, "text/javascript") for name in ("board.js", "page.js", "words.js")},
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    # No script and no style but our own files, and no text that becomes markup.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def refusal(headers: Mapping[str, str]) -> str | None:
    """Return why a request with these headers is not from a page of this board; None when it is."""
    host = headers.get("host", "")
    if not is_loopback_host(host):
        return "The board answers to localhost only: open it at http://127.0.0.1 and its port."
    # Sent by browsers. Another site could not read an answer, but could take the places of all listeners; it may link.
    is_link = headers.get("sec-fetch-dest") == "document"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_link:
        return "The board answers to its own page only."
    return None


class Pages:
    """The ASGI application."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        folder = files("func.board") / "static"
        self._files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            response = self._answer(scope["method"], scope["path"], Headers(scope=scope))
            response.headers.update(_HEADERS)
            await response(scope, receive, send)

    def _answer(self, method: str, path: str, headers: Headers) -> Response:
        why_not = refusal(headers)
        if why_not:
            return PlainTextResponse(why_not, 403)
        if method != "GET":
            return PlainTextResponse("The board can only be read.", 405, {"Allow": "GET"})
        if path in self._files:
            body, kind = self._files[path]
            return Response(body, media_type=kind)
        if path != "/events":
            return PlainTextResponse("There is nothing here: the board is at /.", 404)
        return StreamingResponse(self._hub.listen(), media_type="text/event-stream")


class BoardServer:
    """The board on a port of loopback, in threads of this process.

    Args:
        port: 0 takes a free one.
        pause: seconds before the cluster is tried again, after so many failures in a row.

    Raises:
        OSError: when the port is already in use.
    """

    def __init__(
        self,
        workflows: Workflows,
        rules: Rules,
        names: Names,
        port: int,
        pause: Callable[[int], float] = pause_after,
    ) -> None:
        about = {
            "namespace": rules.workflows.namespace,
            "selector": rules.workflows.selector,
            "gates": list(rules.gates),
            "columns": {"other": OTHER, "underWay": UNDER_WAY, "finished": FINISHED},
        }
        self._hub = Hub(about, rules)
        self._socket = listen("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._loop = asyncio.new_event_loop()
        self._fleet = Fleet(workflows, rules, names, self._tell, pause)
        config: dict[str, Any] = {"lifespan": "off", "log_config": None, "access_log": False, "server_header": False}
        self._server = uvicorn.Server(
            uvicorn.Config(Pages(self._hub), ws="none", timeout_graceful_shutdown=_STOP_SECONDS, **config)
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="board-server", daemon=True)

    def __enter__(self) -> Self:
        """Start it, and return when all Workflows are read.

        Raises:
            Rejection: when they cannot be listed or watched.
        """
        try:
            self._fleet.start()
        except BaseException:
            self._socket.close()
            self._loop.close()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._fleet.close()
        self._call(self._hub.close)
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def wait(self) -> None:
        """Return when it ends by itself."""
        self._ended.wait()  # not join: a signal in it makes Python 3.11 take the thread for ended

    def read_log_line(self, line: str) -> None:
        """Show the event that a line of the function's log is about, if nothing else shows it. From any thread."""
        answer = read_answer(line)
        if answer:
            self._tell(Answered(answer))

    def _tell(self, news: News) -> None:
        self._call(self._hub.take, news)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function, *arguments)

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        finally:
            self._loop.close()
            self._ended.set()

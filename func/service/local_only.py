"""Without authentication, serve this machine alone, and no web page of another site that a browser here shows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from func.core.errors import SettingError
from func.service.sockets import is_loopback_host

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}|::1|localhost")
Senders = Literal["configured", "local", "anybody"]


def allowed_senders(host: str, environment: Mapping[str, str]) -> Senders:
    """Return who may send to a function that listens at this address.

    Args:
        host: a name or an address.

    Raises:
        SettingError: it would be open to everybody, and TASKGATE_AUTH does not say so.
    """
    chosen = environment.get("TASKGATE_AUTH")
    if (
        environment.get("KUBERNETES_SERVICE_HOST")
        or (chosen or environment.get("TASKGATE_TOKEN_FILE") or "none") != "none"
    ):
        return "configured"
    if _LOOPBACK.fullmatch(host):
        return "local"
    if not chosen:
        raise SettingError(
            f"--host is {host}: without authentication expected a loopback address; set TASKGATE_TOKEN_FILE, or "
            "TASKGATE_AUTH=none to let everybody who reaches the port open gates"
        )
    return "anybody"


class LocalOnly:
    """ASGI middleware that refuses requests whose Host is not a name of loopback.

    Args:
        app: ASGI.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or not is_loopback_host(hosts[0]):
                await _refuse(send)
                return
        await self._app(scope, receive, send)


async def _refuse(send: Send) -> None:
    reason = "Without authentication Taskgate answers to loopback names only: use 127.0.0.1 or localhost as Host."
    body = json.dumps({"reason": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 421, "headers": headers})
    await send({"type": "http.response.body", "body": body})

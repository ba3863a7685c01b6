"""Without authentication outside a cluster: this machine alone, whatever a web page makes a browser send."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from func.core.errors import SettingError
from func.service.local_only import LocalOnly, allowed_senders

TOKENS = {"TASKGATE_TOKEN_FILE": "/tokens"}
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what this is about
IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "TASKGATE_AUTH": "none"}


@pytest.mark.parametrize(
    ("host", "environment", "senders"),
    [
        ("127.0.0.1", {}, "local"),
        ("127.8.8.8", {}, "local"),
        ("::1", {}, "local"),
        ("localhost", {}, "local"),
        ("127.0.0.1", {"TASKGATE_AUTH": "none"}, "local"),
        (EVERYWHERE, {"TASKGATE_AUTH": "none"}, "anybody"),
        (EVERYWHERE, TOKENS, "configured"),
        ("::", {"TASKGATE_AUTH": "kubernetes"}, "configured"),
        ("127.0.0.1", TOKENS, "configured"),
        (EVERYWHERE, IN_CLUSTER, "configured"),
    ],
)
def test_who_may_send(host: str, environment: dict[str, str], senders: str) -> None:
    assert allowed_senders(host, environment) == senders


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.1.4", "build.example", "127.example"])
def test_everybody_only_when_it_is_asked_for(host: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"--host is {host}: ")):
        allowed_senders(host, {})


async def _app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    await send({"type": "http.response.start", "status": 200, "headers": []})


def status(*hosts: str) -> int:
    """What a request with these Host headers is answered."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
        sent.append(message)

    async def receive() -> Any:  # noqa: ANN401 - ASGI
        raise AssertionError("the body is not read")

    scope = {"type": "http", "headers": [(b"host", host.encode("latin-1")) for host in hosts]}
    asyncio.run(LocalOnly(_app)(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "127.8.8.8:8080", "localhost:8080", "LOCALHOST", "[::1]:8080"]
)
def test_a_name_of_loopback_is_served(host: str) -> None:
    assert status(host) == 200


@pytest.mark.parametrize(
    "hosts",
    [
        ("rebound.example",),
        ("rebound.example:8080",),
        ("127.0.0.1.rebound.example",),
        ("localhost.rebound.example",),
        ("127.0.0.1", "rebound.example"),
        ("127.0.0.1@rebound.example",),
        ("",),
        (),
        ("\u00e4",),
    ],
)
def test_any_other_name_is_refused_before_the_body_is_read(hosts: tuple[str, ...]) -> None:
    assert status(*hosts) == 421

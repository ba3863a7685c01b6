"""Client certificates, of a kubeconfig and of a credential plugin, to a server that accepts nothing else."""

from __future__ import annotations

import base64
import json
import ssl
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from func.core.errors import SettingError
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.errors import Unavailable
from func.kube.workflows import Workflows

DATA = Path(__file__).parents[1] / "data"
PLUGIN = """#!{python}
import json
status = json.load(open({status!r}))
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


class Server(ThreadingHTTPServer):
    """An API server of TLS that knows two client certificates, and keeps whose each request was."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(DATA / "loopback.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        for name in ("first", "second"):
            context.load_verify_locations(DATA / f"{name}-client.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.known = {"first", "second"}
        self.asked_by: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a handshake that failed."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        certificate: Any = self.connection.getpeercert()
        name = dict(pair for each in certificate["subject"] for pair in each)["commonName"].split()[0]
        self.server.asked_by.append(name)
        answer = {"kind": "Status"} if name in self.server.known else {"message": "Unauthorized"}
        body = json.dumps(answer).encode()
        self.send_response(200 if name in self.server.known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
        yield one
        one.shutdown()


def parts(name: str) -> tuple[str, str]:
    """Return a client certificate and its key, as PEM."""
    text = (DATA / f"{name}-client.pem").read_text(encoding="ascii")
    certificate, dashes, key = text.partition("-----BEGIN PRIVATE KEY-----")
    return certificate, dashes + key


def workflows(folder: Path, server: Server, user: dict[str, Any]) -> Workflows:
    authority = base64.b64encode((DATA / "loopback.pem").read_bytes()).decode()
    cluster = {"server": f"https://127.0.0.1:{server.server_port}", "certificate-authority-data": authority}
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "us"}}],
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "us", "user": user}],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return Workflows(connect(file, 2), "agent-platform")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("kind", ["data", "files"])
def test_the_one_of_a_kubeconfig(server: Server, tmp_path: Path, kind: str) -> None:
    certificate, key = parts("first")
    (tmp_path / "it.crt").write_text(certificate, encoding="ascii")
    (tmp_path / "it.key").write_text(key, encoding="ascii")
    user = {
        "data": {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)},
        "files": {"client-certificate": "it.crt", "client-key": "it.key"},
    }[kind]
    workflows(tmp_path, server, user).get("a", Deadline.after(20))
    assert server.asked_by == ["first"]


def test_without_one_the_server_does_not_talk(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"does not answer: (TLS fails|it closed the connection)"):
        workflows(tmp_path, server, {"token": "t0ken"}).get("a", Deadline.after(0.5))
    assert server.asked_by == []


def test_a_key_of_another_certificate_stops_the_start(server: Server, tmp_path: Path) -> None:
    user = {"client-certificate-data": encoded(parts("first")[0]), "client-key-data": encoded(parts("second")[1])}
    with pytest.raises(SettingError, match="the client certificate and its key do not match"):
        workflows(tmp_path, server, user)


class TestPlugin:
    @pytest.fixture
    def user(self, tmp_path: Path) -> dict[str, Any]:
        """A user whose plugin makes the first certificate."""
        file = tmp_path / "plugin"
        file.write_text(PLUGIN.format(python=sys.executable, status=str(tmp_path / "status")), encoding="utf-8")
        file.chmod(0o755)
        self.gives(tmp_path, "first")
        return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin"}}

    def gives(self, folder: Path, certificate: str, key: str = "") -> None:
        status = {
            "clientCertificateData": parts(certificate)[0],
            "clientKeyData": parts(key or certificate)[1],
        }
        (folder / "status").write_text(json.dumps(status), encoding="utf-8")

    def test_the_one_that_it_makes_is_used_and_made_anew_when_it_is_refused(
        self, server: Server, tmp_path: Path, user: dict[str, Any]
    ) -> None:
        found = workflows(tmp_path, server, user)
        found.get("a", Deadline.after(20))
        self.gives(tmp_path, "second")
        server.known = {"second"}
        made = found.api.credential._made  # type: ignore[attr-defined] # some time ago
        object.__setattr__(made, "made", 0.0)
        found.get("a", Deadline.after(20))  # on a new connection: the old one keeps the first certificate
        assert server.asked_by == ["first", "first", "second"]

    def test_a_key_of_another_certificate_stops_the_start(
        self, server: Server, tmp_path: Path, user: dict[str, Any]
    ) -> None:
        self.gives(tmp_path, "first", "second")
        with pytest.raises(SettingError, match=r"the credential plugin \./plugin cannot be used") as wrong:
            workflows(tmp_path, server, user)
        assert "PRIVATE KEY" not in str(wrong.value)

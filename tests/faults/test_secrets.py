"""No credential leaves the process, whatever fails: canaries in each of them, and a search through all that is said."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from func.devcluster import EmbeddedCluster
from func.kube.client import Api, ApiRequest
from func.service import app
from func.service.build import build_app
from tests.cli.running import taskgate
from tests.payloads import approved, cloudevent_structured
from tests.service.site import Site

CANARY = "canary-7f3a9"  # each secret has it in it
BASIC = base64.b64encode(f"ops:{CANARY}-password".encode()).decode()
PROXY_BASIC = base64.b64encode(f"ops:{CANARY}-proxy".encode()).decode()
FORMS = (CANARY, BASIC, BASIC.rstrip("=")[:-1], PROXY_BASIC, "canary%2D7f3a9")
EVENT = cloudevent_structured(approved())


class Faulty(ThreadingHTTPServer):
    """A server that does what `mode` says, whatever it is asked; it is Argo Server, a proxy and a collector too."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mode = "404"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Faulty

    def _answer(self) -> None:
        mode = self.server.mode
        if mode == "garbage":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            self.close_connection = True
            return
        # The worst: everything that we sent comes back in the message that is shown.
        echo = f"you sent {dict(self.headers)} to {self.path}"
        message = json.dumps({"kind": "Status", "message": echo, "reason": echo, "code": int(mode.split()[0])}).encode()
        self.send_response(int(mode.split()[0]), echo if mode.endswith("reason") else None)
        if mode == "307":
            self.send_header("Location", f"{self.server.url}/?{self.headers.get('Authorization')}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(message) + (9 if mode.endswith("half") else 0)))
        self.end_headers()
        self.wfile.write(message)

    do_GET = do_PUT = do_POST = do_PATCH = do_CONNECT = _answer  # noqa: N815 - as the base class wants it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    with Faulty() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def program(folder: Path, script: str) -> str:
    """A credential plugin."""
    file = folder / "plugin"
    file.write_text(f"#!{sys.executable}\nimport json, os, sys\n{script}\n")
    file.chmod(0o755)
    return str(file)


def exec_of(folder: Path, script: str) -> dict[str, Any]:
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": program(folder, script),
            "args": ["--client-secret", f"{CANARY}-argument", f"--api-key={CANARY}-argument-too"],
            "env": [{"name": "CLIENT_SECRET", "value": f"{CANARY}-variable"}],
        }
    }


_CREDENTIAL = (
    "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
    f" 'status': {{'token': '{CANARY}-exec'}}}}))"
)
_ECHO = "print(sys.argv, os.environ['CLIENT_SECRET'], file=sys.stderr)"
USERS: dict[str, Any] = {
    "token": lambda _: {"token": f"{CANARY}-token"},
    "token that ends in a newline": lambda _: {"token": f"{CANARY}-token\n"},
    "token with a newline in it": lambda _: {"token": f"{CANARY}-token\nand: more"},
    "token beyond latin-1": lambda _: {"token": f"{CANARY}-\u20ac"},
    "file that ends in a newline": lambda folder: {"tokenFile": written(folder / "token", f"{CANARY}-file\n")},
    "file with two lines": lambda folder: {"tokenFile": written(folder / "token", f"{CANARY}-file\n{CANARY}-2\n")},
    "password": lambda _: {"username": "ops", "password": f"{CANARY}-password"},
    "password and token": lambda _: {"username": "ops", "password": f"{CANARY}-password", "token": f"{CANARY}-token"},
    "a list as token": lambda _: {"token": [f"{CANARY}-token"]},
    "key that is none": lambda _: {"client-certificate-data": "!", "client-key-data": f"{CANARY}-key"},
    "auth-provider": lambda _: {"auth-provider": {"name": "oidc", "config": {"id-token": f"{CANARY}-id"}}},
    "plugin": lambda folder: exec_of(folder, _CREDENTIAL),
    "plugin that tells all and fails": lambda folder: exec_of(folder, f"{_CREDENTIAL}\n{_ECHO}\nsys.exit(3)"),
    "plugin that repeats its token and fails": lambda folder: exec_of(
        folder, f"{_CREDENTIAL}\nprint('no good: {CANARY}-exec', file=sys.stderr)\nsys.exit(1)"
    ),
    "plugin that prints no JSON": lambda folder: exec_of(folder, f"print('token: {CANARY}-exec')"),
    "plugin that prints a token with a newline": lambda folder: exec_of(
        folder, _CREDENTIAL.replace("exec'}", "\\\\n x'}")
    ),
}
MODES = ("garbage", "200", "200 half", "307", "401", "401 reason", "403", "404", "409", "422", "429", "500", "503")


def run(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def kubeconfig(folder: Path, user: dict[str, Any], **cluster: str) -> str:
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "us"}}],
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "us", "user": user}],
    }
    return written(folder / "kubeconfig", yaml.safe_dump(config))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "EVENT_SECONDS", 0.7)
    monkeypatch.setattr("func.cli.replay._PAUSE", 0.01)


def said_by(cluster: EmbeddedCluster, environment: dict[str, str], **headers: str) -> str:
    """What the start says, or else the answer to an event."""
    try:
        function = build_app(environment)
    except SystemExit as error:
        return f"start: {error}"
    function._pipeline.workflows.api.pause = lambda _: None
    reply = Site(cluster, function).send(EVENT, **headers)
    return f"{reply.status} {reply.headers} {reply.body.decode()}"


def check(said: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The answer, both streams: no canary, no traceback of a defect."""
    output = capfd.readouterr()
    everything = "\n".join((said, output.out, output.err))
    assert not [form for form in FORMS if form in everything], everything
    assert "Traceback" not in everything


GOOD = ("token", "file that ends in a newline", "password", "plugin")


@pytest.mark.parametrize(
    ("user", "mode"), [(user, mode) for user in USERS for mode in (["refused", *MODES] if user in GOOD else ["500"])]
)
def test_the_credential_of_a_kubeconfig(
    cluster: EmbeddedCluster, tmp_path: Path, faulty: Faulty, capfd: pytest.CaptureFixture[str], user: str, mode: str
) -> None:
    faulty.mode = mode if mode != "refused" else "404"
    server = faulty.url if mode != "refused" else "http://127.0.0.1:9"
    file = kubeconfig(tmp_path, USERS[user](tmp_path), server=server)
    said = said_by(cluster, {"KUBECONFIG": file})
    check(said, capfd)
    shown = taskgate("waiting", environment={"KUBECONFIG": file})
    check(shown.output, capfd)
    if user in GOOD:
        assert "start: " not in said
    if mode == "401" and "start: " not in said:
        assert "does not accept our credential" in said


@pytest.mark.parametrize("mode", ["refused", "nonsense", "407 reason", *MODES])
@pytest.mark.parametrize("target", ["http", "https"])
def test_the_password_of_a_proxy(
    cluster: EmbeddedCluster, tmp_path: Path, faulty: Faulty, capfd: pytest.CaptureFixture[str], target: str, mode: str
) -> None:
    faulty.mode = mode if mode not in ("refused", "nonsense") else "404"
    port = {"refused": "9", "nonsense": "nonsense"}.get(mode, str(faulty.server_port))
    proxy = f"http://ops:{CANARY}-proxy@127.0.0.1:{port}"
    file = kubeconfig(tmp_path, {}, server=f"{target}://api.example", **{"proxy-url": proxy})
    check(said_by(cluster, {"KUBECONFIG": file}), capfd)


@pytest.mark.parametrize("mode", ["refused", *MODES])
def test_the_tokens_of_argo_server_and_of_senders(
    cluster: EmbeddedCluster, tmp_path: Path, faulty: Faulty, capfd: pytest.CaptureFixture[str], mode: str
) -> None:
    from tests.recorded_workflows import recorded

    faulty.mode = mode if mode != "refused" else "404"
    environment = {
        "KUBECONFIG": str(cluster.write_kubeconfig(tmp_path / "kubeconfig")),
        "ARGO_SERVER": faulty.url if mode != "refused" else "http://127.0.0.1:9",
        "ARGO_SERVER_TOKEN_FILE": written(tmp_path / "argo", f"{CANARY}-argo\n"),
        "TASKGATE_TOKEN_FILE": written(tmp_path / "senders", f"{CANARY}-sender\n{CANARY}-sender-too\n"),
    }
    site = Site(cluster, build_app(environment))
    site.load(recorded("offloaded-nodes"))
    event = cloudevent_structured(approved(task=19))
    for authorization in (f"Bearer {CANARY}-sender", f"Bearer {CANARY}-wrong", f"Basic {CANARY}", f"{CANARY}-sender"):
        reply = site.send(event, authorization=authorization)
        check(f"{reply.status} {reply.headers} {reply.body.decode()}", capfd)


@pytest.mark.parametrize("output", ["table", "json"])
@pytest.mark.parametrize("mode", ["refused", "user in the URL", *MODES])
def test_the_token_of_a_replay(
    tmp_path: Path, faulty: Faulty, capfd: pytest.CaptureFixture[str], mode: str, output: str
) -> None:
    faulty.mode = mode if mode not in ("refused", "user in the URL") else "404"
    url = {"refused": "http://127.0.0.1:9", "user in the URL": f"http://ops:{CANARY}-password@127.0.0.1:9"}
    event = written(tmp_path / "event.json", json.dumps(json.loads(EVENT[1])))
    token = written(tmp_path / "token", f"{CANARY}-sender\n")
    shown = taskgate("replay", event, "--to", url.get(mode, faulty.url), "--token-file", token, "--output", output)
    check(shown.output, capfd)


@pytest.mark.parametrize(
    "variables",
    [
        {"ARGO_SERVER": f"ops:{CANARY}@argo:2746"},
        {"ARGO_SERVER": f"ftp://ops:{CANARY}-password@argo:2746"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": f"grpc://ops:{CANARY}-password@collector"},
        {"HTTPS_PROXY": f"http://ops:{CANARY}-password@proxy:port", "KUBECONFIG": "{https}"},
        {"KUBECONFIG": "{broken}"},
        {"KUBECONFIG": "{in the server}"},
    ],
    ids=range(6),
)
def test_a_start_that_fails(
    cluster: EmbeddedCluster,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
) -> None:
    (tmp_path / "https").mkdir()
    (tmp_path / "url").mkdir()
    files = {
        "{https}": kubeconfig(tmp_path / "https", {}, server="https://api.example"),
        "{broken}": written(tmp_path / "broken", f"users: [{{name: us, user: {{token: {CANARY}\n: }}"),
        "{in the server}": kubeconfig(tmp_path / "url", {}, server=f"https://ops:{CANARY}@api.example"),
    }
    good = {"KUBECONFIG": str(cluster.write_kubeconfig(tmp_path / "kubeconfig"))}
    environment = good | {name: files.get(value, value) for name, value in variables.items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = said_by(cluster, environment)
    assert said.startswith("start: "), said
    check(said, capfd)


def test_the_headers_for_a_collector(tmp_path: Path, faulty: Faulty) -> None:
    faulty.mode = "403"
    with EmbeddedCluster(controller=False) as cluster:
        environment = {
            "PATH": "/usr/bin:/bin",
            "KUBECONFIG": str(cluster.write_kubeconfig(tmp_path / "kubeconfig")),
            "OTEL_EXPORTER_OTLP_ENDPOINT": faulty.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{CANARY}-otlp,x-key={CANARY}-key%0Aand more",
            "TASKGATE_TOKEN_FILE": written(tmp_path / "senders", f"{CANARY}-sender\n"),
        }
        script = (
            "import logging, os\nfrom func.service.build import build_app\nbuild_app(os.environ)\n"
            "logging.getLogger('opentelemetry').error('no: %s', os.environ['OTEL_EXPORTER_OTLP_HEADERS'])"
        )
        ran = run(script, environment)
    assert "no: " in ran.stderr
    assert CANARY not in ran.stdout + ran.stderr


def test_a_defect_of_ours_whose_traceback_holds_all(
    cluster: EmbeddedCluster, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Api, _request: ApiRequest, headers: dict[str, str], *_rest: object) -> None:
        raise RuntimeError(f"can't send {headers} {headers['Authorization'].encode()!r}")

    monkeypatch.setattr(Api, "_send", broken)
    file = kubeconfig(tmp_path, {"token": f"{CANARY}-'\"\\"}, server="http://a.example")
    with pytest.raises(AssertionError, match="a defect"):  # what no answer may be
        said_by(cluster, {"KUBECONFIG": file})
    output = capfd.readouterr()
    assert "RuntimeError: can't send" in output.err
    assert CANARY not in output.out + output.err


def test_a_command_that_nobody_catches(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, {"token": f"{CANARY}-token"}, server="http://127.0.0.1:9")
    script = (
        "import threading\nfrom func.__main__ import main\nfrom func.kube.client import Api\n"
        "def broken(self, request, headers, *rest): raise RuntimeError(str(headers))\n"
        "Api._send = broken\nmain(['waiting'])"
    )
    ran = run(script, {"KUBECONFIG": file, "PATH": ""})
    assert "RuntimeError" in ran.stderr
    assert CANARY not in ran.stdout + ran.stderr

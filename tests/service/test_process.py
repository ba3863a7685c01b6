"""The real process: `python -m func serve` under the Functions Framework, spoken to over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from func.devcluster import EmbeddedCluster
from tests.payloads import approved, cloudevent_binary, cloudevent_structured
from tests.recorded_workflows import fleet
from tests.service.site import Reply, Site, make_function

ROOT = Path(__file__).parents[2]


@contextmanager
def serving(kubeconfig: Path, **settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The function on a free port: its URL and its process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TASKGATE_", "KUBE"))}
    with subprocess.Popen(
        [sys.executable, "-m", "func", "serve", "--port", "0"],
        cwd=ROOT,
        env=environment | {"KUBECONFIG": str(kubeconfig)} | settings,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr
            line = process.stderr.readline()
            said = json.loads(line)
            yield said["body"].removeprefix("Taskgate listens on "), process
        finally:
            process.kill()


def ask(url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
    request = urllib.request.Request(url, body, dict(headers))  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310
            return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def test_the_process_opens_one_gate_among_many(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    site = Site(cluster, make_function(cluster, tmp_path))
    site.load(*fleet(50))
    before = site.everything()
    with serving(tmp_path / "kubeconfig") as (url, process):
        assert ask(f"{url}/healthz", {}, None).status == 200
        for request, outcome in (
            (cloudevent_structured(approved()), "opened"),
            (cloudevent_binary(approved()), "duplicate"),
            (cloudevent_binary(approved(review_id=1)), "already-open"),
            (({"content-type": "application/json"}, b"{}"), "invalid"),
        ):
            headers, body = request
            reply = ask(url, headers, body)
            reply.check()
            assert reply.outcome == outcome
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) is not None
        assert process.stderr
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert [line["attributes"]["taskgate.outcome"] for line in lines] == [
        "opened",
        "duplicate",
        "already-open",
        "invalid",
    ]
    assert [line["attributes"]["faas.coldstart"] for line in lines] == [True, False, False, False]
    changed = {name for name, workflow in site.everything().items() if workflow != before[name]}
    assert changed == {"agent-platform/play-task-3-workflow"}


def test_without_authentication_other_names_than_loopback_are_refused(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    site = Site(cluster, make_function(cluster, tmp_path))
    site.load(*fleet(3))
    headers, body = cloudevent_structured(approved())
    with serving(tmp_path / "kubeconfig") as (url, _), site.unchanged():
        assert ask(url, {**headers, "Host": "rebound.example"}, body).status == 421
        assert ask(f"{url}/healthz", {"Host": "rebound.example"}, None).status == 421
        assert ask(f"{url}/healthz", {"Host": "localhost"}, None).status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_a_page_of_another_site_opens_nothing(cluster: EmbeddedCluster, tmp_path: Path, kind: str | None) -> None:
    # What a browser sends without asking first: three media types, or none, and no header of a CloudEvent.
    site = Site(cluster, make_function(cluster, tmp_path))
    site.load(*fleet(3))
    site_of_another = {"Origin": "http://attacker.example"} | ({"Content-Type": kind} if kind else {})
    asking_first = {**site_of_another, "Access-Control-Request-Method": "POST"}
    with serving(tmp_path / "kubeconfig") as (url, _), site.unchanged():
        connection = HTTPConnection(url.removeprefix("http://"), timeout=60)
        connection.request("POST", "/", cloudevent_structured(approved())[1], site_of_another)
        with connection.getresponse() as answer:
            assert answer.status == (415 if kind else 400)
        connection.close()
        connection.request("OPTIONS", "/", headers=asking_first)
        with connection.getresponse() as answer:
            assert answer.status == 405
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        connection.close()


def test_a_file_of_rules_that_is_missing_is_named_with_its_option(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    command = [sys.executable, "-m", "func", "serve", "--port", "0", "--config", str(missing)]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr == f"taskgate: --config is {missing}: cannot be read (No such file or directory)\n"


def test_everybody_may_send_only_where_it_is_asked_for(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    command = [sys.executable, "-m", "func", "serve", "--port", "0", "--host", "0.0.0.0"]  # noqa: S104
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig)}
    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("taskgate: --host is 0.0.0.0: without authentication expected")
    asked_for = environment | {"TASKGATE_AUTH": "none"}
    with subprocess.Popen(command, cwd=ROOT, env=asked_for, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        said, warned = (json.loads(process.stderr.readline()) for _ in range(2))
        url = f"http://127.0.0.1:{said['attributes']['server.port']}"
        assert warned["severity_text"] == "WARN"
        assert "everybody who reaches this port" in warned["body"]
        assert ask(f"{url}/healthz", {"Host": "taskgate.example"}, None).status == 200
        process.kill()


@pytest.mark.parametrize(
    ("settings", "named"), [({"TASKGATE_AUTH": "odd"}, "TASKGATE_AUTH"), ({"TASKGATE_CONFIG": "/none"}, "/none")]
)
def test_a_wrong_setting_ends_the_process_with_one_line(
    cluster: EmbeddedCluster, tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    ended = subprocess.run(
        [sys.executable, "-m", "func", "serve", "--port", "0"],
        cwd=ROOT,
        env=dict(os.environ) | {"KUBECONFIG": str(kubeconfig)} | settings,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("taskgate: ")
    assert named in line


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [
        (b"GET /", b"x"),
        (b"GET /healthz HTTP/1.1\r\nX-Long: ", b"x"),
        (b"GET /healthz HTTP/1.1\r\n", b"X-Many: of these\r\n"),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
            b"X-Trailer: and these\r\n",
        ),
    ],
    ids=["path", "header", "headers", "trailers"],
)
def test_a_request_without_an_end_is_cut_off(
    cluster: EmbeddedCluster, tmp_path: Path, begins: bytes, goes_on: bytes
) -> None:
    make_function(cluster, tmp_path)
    piece = goes_on * (2**16 // len(goes_on))
    with serving(tmp_path / "kubeconfig") as (url, _):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as sender:
            sender.sendall(begins)
            sent = 0
            with suppress(ConnectionError):
                while sent < 2**26:  # far beyond what the sockets hold
                    sent += sender.send(piece)
        assert sent < 2**25
        assert ask(f"{url}/healthz", {}, None).status == 200


def test_what_the_server_says_is_a_line_of_the_log_too(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    make_function(cluster, tmp_path)
    with serving(tmp_path / "kubeconfig") as (url, process):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as sender:
            sender.sendall(b"nonsense\r\n\r\n")
            assert sender.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert process.stderr
        line = json.loads(process.stderr.readline())
    assert (line["severity_text"], line["body"]) == ("WARN", "Invalid HTTP request received.")
    assert line["attributes"] == {"otel.scope.name": "uvicorn.error"}

"""The real process: `python -m func serve` under the Functions Framework, spoken to over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from func.embedded import EmbeddedCluster
from tests.fleet import fleet
from tests.function.site import Reply, Site, make_function
from tests.payloads import approved, cloudevent_binary, cloudevent_structured

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
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
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
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("taskgate: ")
    assert named in line

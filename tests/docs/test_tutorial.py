"""Every command of the tutorial runs, in order, and answers what the tutorial shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from func.core.outcomes import OUTCOMES
from tests.docs.markdown import DOCS, ROOT
from tests.docs.shell import Shell, examples

TEXT = (DOCS / "tutorial.md").read_text(encoding="utf-8")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell beside a running `make run`, with its ports in place of the tutorial's."""
    function, cluster, *_ = ports = _free_ports(6)
    folder = tmp_path / "demo"
    demo = subprocess.Popen(
        shlex.split(
            f"{sys.executable} -m func demo --stay --folder {folder} --port {function} --cluster-port {cluster}"
            " --board-port 0"
        ),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert demo.stdout
    while "Ctrl-C" not in (line := demo.stdout.readline()):
        assert line, "the demo ended"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TASKGATE_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    ports_of = dict(zip(_PORTS, map(str, ports), strict=True))
    with Shell(ROOT, environment | {"KUBECONFIG": str(folder / "kubeconfig")} | ports_of) as started:
        yield started
    demo.send_signal(signal.SIGINT)
    demo.communicate()


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PORTS = ("P8080", "P8090", "P8081", "P8082", "P8083", "P8084")


def _run(shell: Shell, command: str) -> str:
    for name in _PORTS:
        command = re.sub(rf"\b{name[1:]}\b", f"${name}", command)
    # Single quotes keep $ as it is, so what stands in them is put in by this test.
    command = re.sub(r"'s/\$(\w+)/9/'", r'"s/$\1/9/"', command)
    answer = shell.run(command)
    for name in _PORTS:
        answer = answer.replace(f"127.0.0.1:{shell.run(f'echo ${name}')}", f"127.0.0.1:{name[1:]}")
    return answer


def test_every_command_answers_what_the_tutorial_shows(shell: Shell) -> None:
    seen = set()
    for command, shown in examples(TEXT):
        if command.startswith("make "):
            continue
        answer = _run(shell, command)
        if not shown.startswith("{"):
            assert answer == shown, command
            continue
        wanted, got = (json.loads(_TIME.sub("then", text)) for text in (shown, answer))
        for fields in (wanted, got):
            if fields.get("workflow"):
                fields["workflow"]["uid"] = "new with every run"
        assert {name: got.get(name) for name in wanted} == wanted, command
        seen.add(got.get("outcome"))
    assert seen - {None} == set(OUTCOMES) - {"error"}  # which only a defect of ours is answered with

"""`make run` for the documents' commands, with free ports in place of those that the documents name."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.markdown import ROOT
from tests.docs.shell import Shell

_PORTS = ("8080", "8090", "8081", "8082", "8083", "8084")


class Demo:
    """A shell beside the demo.

    Args:
        ports: by the port that the documents name.
        log: the function's log.
    """

    def __init__(self, shell: Shell, ports: dict[str, int], log: Path) -> None:
        self._shell = shell
        self._ports = ports
        self.log = log

    def run(self, command: str) -> str:
        """Return the answer, with the documents' ports in it."""
        for named, port in self._ports.items():
            command = re.sub(rf"\b{named}\b", str(port), command)
        answer = self._shell.run(command)
        for named, port in self._ports.items():
            answer = answer.replace(f"127.0.0.1:{port}", f"127.0.0.1:{named}")
        return answer


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running_demo(folder: Path, *, cwd: Path = ROOT, tools: Path | None = None) -> Iterator[Demo]:
    """Run the demo until the block ends.

    Args:
        folder: for its files, empty.
        cwd: of the shell.
        tools: a folder of more programs for the shell.
    """
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    files, log = folder / "demo", folder / "function.log"
    options = f"--folder {files} --port {ports['8080']} --cluster-port {ports['8090']} --board-port 0"
    with log.open("w") as errors:
        demo = subprocess.Popen(
            shlex.split(f"{sys.executable} -m func demo --stay {options}"),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert demo.stdout
    while "Ctrl-C" not in (line := demo.stdout.readline()):
        assert line, "the demo ended"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TASKGATE_")}
    path = [Path(sys.executable).parent, environment["PATH"], *([tools] if tools else [])]
    environment["PATH"] = os.pathsep.join(map(str, path))
    with Shell(cwd, environment | {"KUBECONFIG": str(files / "kubeconfig")}) as shell:
        yield Demo(shell, ports, log)
    demo.send_signal(signal.SIGINT)
    demo.communicate()

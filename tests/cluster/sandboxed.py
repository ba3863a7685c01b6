"""A process in a sandbox, as a pod would have it: see sandbox.py for what that is."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from tests.cluster.processes import Processes

SANDBOX = Path(__file__).with_name("sandbox.py")


class Sandboxed:
    """A program with a root of its own, to be started, killed and started again.

    Args:
        folder: a new one, for what the sandbox needs.
        environment: all that the program gets.
    """

    def __init__(
        self, processes: Processes, name: str, folder: Path, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        folder.mkdir(parents=True)
        self._root = folder / "root"
        self._root.mkdir()
        self._spec = folder / "sandbox.json"
        self._command = list(command)
        self._environment = dict(environment)
        self.process = processes.add(name, [sys.executable, "-I", SANDBOX, self._spec], {"PYTHONUNBUFFERED": "1"})

    def start(
        self,
        *,
        show: Mapping[str, Path],
        inward: Mapping[int, int],
        outward: Sequence[tuple[str, int, int]],
        files: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Starts it, or starts it again; where both `inward` and `outward` are empty it has the machine's network.

        Args:
            show: path that the program sees -> file or folder of the machine.
            inward: port of the program -> port of the machine's loopback that leads to it.
            outward: address and port that the program asks, port of the machine's loopback that answers.
            files: path -> content, for the program alone.
        """
        self.process.stop()
        with ExitStack() as stack:
            listening = [
                (stack.enter_context(socket.create_server(("127.0.0.1", here))), there)
                for there, here in inward.items()
            ]
            self._spec.write_text(
                json.dumps(
                    {
                        "root": str(self._root),
                        "show": {path: str(machines) for path, machines in show.items()},
                        "files": dict(files),
                        "network": bool(inward or outward),
                        "inward": [[one.fileno(), port] for one, port in listening],
                        "outward": list(outward),
                        "command": self._command,
                        "environment": self._environment,
                    }
                )
            )
            self.process.start(pass_fds=[one.fileno() for one, _ in listening])

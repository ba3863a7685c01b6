"""The function as a process of its own, ended with whoever started it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import func
from func.cli.output import Problem

_LISTENS = re.compile(r'Taskgate listens on (http://[^\s"]+)')
_STOP_SECONDS = 15  # a little more than the function takes to finish what it has begun
# Settings that would change the function, or let it reach something else than loopback.
_NOT_INHERITED = re.compile(
    r"(TASKGATE_|ARGO_|KUBE|OTEL_|FUNCTION_|PYTHONPATH$|PYTHONSAFEPATH$|PORT$|.*_PROXY$)", re.IGNORECASE
)


class FunctionProcess:
    """`python -m func serve`, with the rules built in and without a token.

    Args:
        kubeconfig: of the cluster with the Workflows.
        port: on loopback; 0 takes a free one.
        log: called with each line of its log.
    """

    def __init__(self, kubeconfig: Path, port: int, log: Callable[[str], object]) -> None:
        self.url = ""
        # -P: not whatever is called func in the current folder.
        self._command = [sys.executable, "-P", "-m", "func", "serve", "--port", str(port)]
        self._environment = _environment(os.environ, kubeconfig)
        self._log = log
        self._said = ""  # the last line
        self._listens = threading.Event()

    def __enter__(self) -> Self:
        """Start it, and return when it listens.

        Raises:
            Problem: it does not.
        """
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C is for this process, which ends the function in order
        )
        self._reader = threading.Thread(target=self._read, name="function-log", daemon=True)
        self._reader.start()
        try:
            self._listens.wait()
            if not self.url:
                said = self._said.removeprefix("taskgate: ")
                raise Problem(f"the function did not start: {said or 'it gave no reason'}")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> int:
        """Return its exit code, when it ends by itself."""
        return self._process.wait()

    def stop(self) -> None:
        """End it, and return when it has ended."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stderr:
            self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr  # noqa: S101 - a pipe, as asked for above
        for line in self._process.stderr:
            match = _LISTENS.search(line)
            if match and not self.url:
                self.url = match[1]
                self._listens.set()
            else:
                self._said = line.strip() or self._said
                self._log(line.rstrip("\n"))
        self._listens.set()


def _environment(ours: Mapping[str, str], kubeconfig: Path) -> dict[str, str]:
    kept = {name: value for name, value in ours.items() if not _NOT_INHERITED.match(name)}
    return kept | {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(Path(func.__file__).parent.parent)}

"""Runs commands: inside the tests' process, or as processes that stay up."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from click.testing import CliRunner, Result

from func.__main__ import main

END_SECONDS = 90


def taskgate(*arguments: object, typed: str | None = None, environment: Mapping[str, str] | None = None) -> Result:
    """Run a command and return what it printed and its exit code.

    Args:
        arguments: e.g. `check`, a path.
        typed: Standard input.
        environment: The settings that it sees; none by default.
    """
    settings = ("KUBECONFIG", "TASKGATE_CONFIG", "TASKGATE_AUTH", "TASKGATE_MODE", "TASKGATE_TOKEN_FILE", "ARGO_SERVER")
    clear = dict.fromkeys([*settings, "KUBERNETES_SERVICE_HOST", "PORT"])
    result = CliRunner().invoke(
        main,
        [str(argument) for argument in arguments],
        input=typed,
        env={**clear, **(environment or {})},
        prog_name="taskgate",
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


class Running:
    """A command that stays up."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self.errors: list[str] = []
        assert process.stdout
        assert process.stderr
        self._readers = [
            Thread(target=lambda: self._read_lines(), daemon=True),
            Thread(target=lambda: self.errors.extend(process.stderr or ()), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_lines(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line_with(self, text: str) -> str:
        """The next line on standard output that holds this text."""
        while (line := self._lines.get(timeout=END_SECONDS)) is not None:
            if text in line:
                return line
        raise AssertionError(f"it ended without {text!r}: {''.join(self.errors)}")

    def end(self, number: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS)

    def close(self) -> None:
        """End it, whatever happens."""
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


@contextmanager
def running(*arguments: object, folder: Path | None = None) -> Iterator[Running]:
    """A command as a process of its own, in this folder."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "func", *map(str, arguments)],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    command = Running(process)
    try:
        yield command
    finally:
        command.close()

"""Child processes that end with the test run, each with a log file of its own."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TAIL_LINES = 30


class ClusterError(Exception):
    """A component did not do what it should; the message holds the end of its log."""


class Process:
    """A program in a process group of its own, which the kernel kills when this thread ends, however it ends.

    Start it from the main thread: the kernel watches the thread, not the process.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.started = 0.0
        self._command = [str(part) for part in command]
        self._environment = dict(environment or {})
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, pass_fds: Sequence[int] = ()) -> None:
        """Starts the program; a second start appends to the same log."""
        self.stop()
        self.started = time.monotonic()
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                pass_fds=pass_fds,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group too."""
        if self._child is None:
            raise ClusterError(f"{self.name} was not started")
        return self._child.pid

    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def stop(self, patience: float = 10.0) -> None:
        """Asks it to end, and kills it if it has not after `patience` seconds."""
        if self._child is None:
            return
        if self.running():
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(patience)
        self.kill()

    def wait(self, patience: float = 30.0) -> int:
        """Waits until it ends by itself, `patience` seconds at most; returns its exit code."""
        if self._child is None:
            raise ClusterError(f"{self.name} was not started")
        return self._child.wait(patience)

    def kill(self) -> None:
        """Ends it, and all of its group, at once."""
        if self._child is None:
            return
        self._signal(signal.SIGKILL)
        self._child.wait()
        self._child = None

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of the log."""
        if not self.log.exists():
            return ""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines))

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class Processes:
    """What a test session has started, and the folder of its logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._all: list[Process] = []

    def add(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        """A process that is not started yet, with a log file that no other has."""
        log = self.folder / f"{len(self._all):03}-{name}.log"
        process = Process(name, command, log, environment)
        self._all.append(process)
        return process

    def end(self) -> None:
        """Ends all that still run."""
        for process in self._all:
            process.kill()

    def since(self, moment: float) -> Iterator[Process]:
        """Those that run, and those that were started after `moment` (monotonic seconds)."""
        return (process for process in self._all if process.running() or process.started > moment)


def wait_for(what: str, look: Callable[[], T | None], process: Process | None = None, timeout: float = 120.0) -> T:
    """Looks until there is an answer.

    Args:
        what: ends the sentence "timed out waiting for ...".
        look: gives the answer, or None if it is not there yet.
        process: the one that is waited for; if it ends there is no use in waiting on.
        timeout: seconds.

    Raises:
        ClusterError: nothing in time, or the process ended.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = look()
        if answer is not None:
            return answer
        if process is not None and not process.running():
            raise ClusterError(f"{process.name} ended while waiting for {what}; {process.log}:\n{process.tail()}")
        if time.monotonic() > deadline:
            log = "" if process is None else f"; {process.log}:\n{process.tail()}"
            raise ClusterError(f"timed out after {timeout:g} s waiting for {what}{log}")
        time.sleep(0.02)


def free_port() -> int:
    """A port of the loopback that nobody listens on, outside the range that the kernel gives to clients."""
    while True:
        port = random.randint(20000, 32000)  # noqa: S311 - nothing secret about it
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


def busyness() -> float:
    """How many times as long things take as on an idle machine: the work there is for each core, at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))

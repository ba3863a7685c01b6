"""A program that is measured: started, looked at from outside through /proc, and ended with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_JOIN = 'echo $$ > "$0" && exec "$@"'


class Child:
    """A process in a session of its own.

    Args:
        environment: all of it.
        log: what it says goes there.
        cgroup: where it is put before it begins; None for no limit.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        cgroup: Path | None = None,
    ) -> None:
        # It ends with us, however we end. Started from the main thread: the kernel watches the thread.
        words = ["setpriv", "--pdeathsig", "KILL", "--", *(str(word) for word in command)]
        if cgroup:
            words = ["sh", "-c", _JOIN, str(cgroup / "cgroup.procs"), *words]
        self._log = log
        with log.open("wb") as sink:
            self.began = time.perf_counter()
            self._process = subprocess.Popen(
                words,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill it and all of its session."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def said(self) -> str:
        """The end of its log, in one line."""
        return " ".join(self.log().split())[-400:]

    def log(self) -> str:
        """All that it said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def cpu(self) -> float:
        """Seconds of processor time so far, user and system, of all of its processes."""
        return sum(cpu_ticks(stat) for _, stat in self._all()) / _TICKS

    def memory(self, name: str) -> float:
        """Megabytes of its largest process.

        Args:
            name: VmRSS for what is resident now, VmHWM for the most that ever was.
        """
        found = [0.0]
        for pid, _ in self._all():
            with suppress(OSError):
                found.append(kilobytes((Path("/proc") / pid / "status").read_text(encoding="ascii"), name))
        return max(found) * 1024 / 1e6

    def _all(self) -> Iterator[tuple[str, str]]:
        """Process id and /proc/<id>/stat of each process of the session."""
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal():
                with suppress(OSError):
                    stat = (Path(entry.path) / "stat").read_text(encoding="utf-8", errors="replace")
                    if session_of(stat) == self._process.pid:
                        yield entry.name, stat


def session_of(stat: str) -> int:
    """The session of a process.

    Args:
        stat: /proc/<pid>/stat; the name in it may hold anything.

    Source: proc_pid_stat(5).
    """
    return int(stat.rpartition(")")[2].split()[3])


def cpu_ticks(stat: str) -> int:
    """User and system time of a process and of the children it waited for, in ticks.

    Source: proc_pid_stat(5).
    """
    return sum(int(ticks) for ticks in stat.rpartition(")")[2].split()[11:15])


def kilobytes(status: str, name: str) -> float:
    """A line of /proc/<pid>/status.

    Source: proc_pid_status(5).
    """
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1])
    return 0.0


def spent(command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> tuple[float, float, float]:
    """Run a program to its end.

    Returns: seconds from start to end, seconds of processor time of all that it ran, megabytes of the largest process.
    Raises: OSError, when it fails; the message has its words.
    """
    with log.open("wb") as sink:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        words = " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-300:]
        raise OSError(f"{Path(command[0]).name} failed: {words}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6

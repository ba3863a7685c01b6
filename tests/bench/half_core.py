"""Half a core, as a container's CPU limit gives it; where that can't be had, a core shared with a busy neighbour."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PERIOD = 100_000  # microseconds, as the kubelet has it


@dataclass(frozen=True, slots=True)
class Limit:
    """How a process is held back.

    Args:
        how: in words, for the reader.
        cgroup: where it is put, None for none.
        prefix: of its command.
    """

    how: str
    cgroup: Path | None = None
    prefix: tuple[str, ...] = ()


@contextmanager
def half_a_core() -> Iterator[Limit]:
    """The limit, as long as the block runs; nothing may be left in it at the end."""
    with _cgroup() as cgroup:
        if cgroup:
            yield Limit("CPU quota of a cgroup, 50 ms in each 100 ms", cgroup)
            return
    core = str(max(os.sched_getaffinity(0)))
    pinned = ("taskset", "-c", core)
    neighbour = subprocess.Popen([*pinned, sys.executable, "-c", "while True: pass"])
    try:
        yield Limit(f"core {core} alone, shared with a process that never rests", prefix=pinned)
    finally:
        neighbour.kill()
        neighbour.wait()


@contextmanager
def _cgroup() -> Iterator[Path | None]:
    name = f"taskgate-bench-{os.getpid()}"
    v2 = (_ROOT / "cgroup.controllers").is_file()
    folder = (_ROOT if v2 else _ROOT / "cpu") / name
    try:
        folder.mkdir()
    except OSError:
        yield None
        return
    try:
        limited = False
        with suppress(OSError):
            if v2:
                (folder / "cpu.max").write_text(f"{_PERIOD // 2} {_PERIOD}")
            else:
                (folder / "cpu.cfs_period_us").write_text(str(_PERIOD))
                (folder / "cpu.cfs_quota_us").write_text(str(_PERIOD // 2))
            limited = True
        yield folder if limited else None
    finally:
        with suppress(OSError):
            folder.rmdir()

"""What a warm event executes: instructions of Python's bytecode, by package. It needs no clock."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.bench.contenders import TASKGATE, Contender
from tests.bench.lab import Lab
from tests.bench.processes import Child
from tests.bench.traced import COUNTED
from tests.bench.wire import connect, drive
from tests.cluster.processes import wait_for

PROFILE, WARM_EVENT = "profile", "warm event"
OURS = "Taskgate itself"
_TRACED = Path(__file__).with_name("traced.py")
_WARM_UP, _EVENTS = 4, 8
# Whose they are where the standard library does a package's work.
_STANDARD = {"asyncio": "asyncio", "selectors": "asyncio", "http": "http.client", "email": "http.client"}


def measure(lab: Lab, rounds: int) -> None:  # noqa: ARG001 - the same each time
    """Once."""
    lab.attempt(PROFILE, TASKGATE, partial(_measure, lab))


def _measure(lab: Lab) -> None:
    server = lab.server()
    jobs = [lab.approvals.job(waiting) for waiting in server.add(_WARM_UP + _EVENTS)]
    contender = traced(lab.stage.taskgate(server.view))
    with lab.started(contender) as started, closing(connect(started.port)) as wire:
        drive([wire], jobs[:_WARM_UP])
        started.child.signal(signal.SIGUSR1)
        drive([wire], jobs[_WARM_UP:])
        started.child.signal(signal.SIGUSR1)
        counted = wait_for("what was counted", partial(_counted, started.child))
    for package, instructions in by_package(counted).items():
        lab.figures.add(PROFILE, WARM_EVENT, package, instructions / _EVENTS)


def traced(function: Contender) -> Contender:
    """The same function, counted."""
    python, *_, serve, host, address = function.command
    environment = {**function.environment, "PYTHONPATH": str(function.folder)}
    return replace(function, command=[python, "-P", _TRACED, serve, host, address], environment=environment)


def _counted(child: Child) -> Mapping[str, int] | None:
    whole, _, _ = child.log().rpartition("\n")  # the last line may not be all there
    for line in whole.splitlines():
        if line.startswith(COUNTED):
            found: Mapping[str, int] = json.loads(line.removeprefix(COUNTED))
            return found
    return None


def by_package(counted: Mapping[str, int]) -> Mapping[str, int]:
    """The instructions of each package.

    Args:
        counted: by source file.
    """
    found: defaultdict[str, int] = defaultdict(int)
    for file, instructions in counted.items():
        found[package_of(file)] += instructions
    return found


def package_of(file: str) -> str:
    """A source file -> whose it is."""
    if match := re.search(r"/site-packages/([^/.]+)", file):
        return match[1]
    module = re.search(rf"/python{sys.version_info.major}\.{sys.version_info.minor}/([^/.]+)", file)
    if module or file.startswith("<"):
        return _STANDARD.get(module[1] if module else "", "other standard library")
    return OURS

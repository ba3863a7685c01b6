"""How much disk and memory the function takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.bench.api import Waiting
from tests.bench.contenders import ASGI, GO, TASKGATE, WSGI, Contender
from tests.bench.installation import megabytes
from tests.bench.lab import Lab, drive_all
from tests.bench.wire import Job, connect, request

DISK, MEMORY = "disk", "memory"
PACKAGES, BYTES, OWN_BYTES = "packages", "MB of packages", "MB of the function"
IDLE, FIRST, MANY, PEAK = "idle", "after the first event", "after {:,} events", "peak"
EVENTS = 10_000
_GO_EVENTS = 1_000
_AT_ONCE = 8
_PROBE = Job([request("GET", "/healthz", {})], b"ok")
_HELLO = Job([request("GET", "/", {})], b"Hello")


def measure(lab: Lab, rounds: int) -> None:
    """Memory is measured once: it hardly varies, and takes 10,000 events.

    Args:
        rounds: with 1, a tenth of the events, to see that it works.
    """
    installation = lab.stage.installation
    lab.figures.add(DISK, PACKAGES, TASKGATE, installation.packages())
    lab.figures.add(DISK, BYTES, TASKGATE, megabytes(installation.venv))
    lab.figures.add(DISK, OWN_BYTES, TASKGATE, megabytes(installation.app / "func"))
    if lab.stage.go:
        lab.figures.add(DISK, OWN_BYTES, GO, lab.stage.go.stat().st_size / 1e6)
    events = EVENTS if rounds > 1 else EVENTS // 10
    lab.attempt(MEMORY, TASKGATE, partial(_opens, lab, events))
    for name in (WSGI, ASGI):
        hello = lab.stage.hello(name, lab.server().view)
        lab.attempt(MEMORY, name, partial(_memory, lab, hello, lambda count: [_HELLO] * count, events))
    server = lab.server()
    for contender in lab.stage.go_function(server.view):
        jobs = partial(_opening, lab, server.add)
        lab.attempt(MEMORY, contender.name, partial(_memory, lab, contender, jobs, min(events, _GO_EVENTS)))


def _opens(lab: Lab, events: int) -> None:
    server, fleet = lab.fleet(events)
    jobs = partial(_opening, lab, lambda count: [fleet.pop() for _ in range(count)])
    _memory(lab, lab.stage.taskgate(server.view), jobs, events)


def _opening(lab: Lab, take: Callable[[int], list[Waiting]], count: int) -> list[Job]:
    return [lab.approvals.job(waiting) for waiting in take(count)]


def _memory(lab: Lab, contender: Contender, jobs: Callable[[int], list[Job]], events: int) -> None:
    with lab.started(contender) as started:
        dial = partial(connect, started.port)

        def look(case: str, name: str = "VmRSS") -> None:
            lab.figures.add(MEMORY, case, contender.name, started.child.memory(name))

        with dial() as wire:
            if contender.name == TASKGATE:
                _PROBE.run(wire)
                look(IDLE)
        drive_all(dial, 1, jobs(1))
        look(FIRST)
        drive_all(dial, _AT_ONCE, jobs(events - 1))
        look(MANY.format(events))
        look(PEAK, "VmHWM")

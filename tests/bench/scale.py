"""Does one event take longer when more Workflows wait? Each number of them has an API server of its own."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from tests.bench.contenders import TASKGATE
from tests.bench.events import write_rules_by_label
from tests.bench.lab import Lab, drive_all
from tests.bench.wire import connect

SCALE = "scale"
SIZES = (100, 1_000, 10_000)
BY_NAME, BY_LABEL = "by name", "by label"
_EVENTS = 25


def case(size: int) -> str:
    """The name of the case."""
    return f"{size:,} waiting"


def measure(lab: Lab, rounds: int) -> None:
    """Each number in turn, by name and by label."""
    ways = {BY_NAME: None, BY_LABEL: write_rules_by_label(lab.folder)}
    with ExitStack() as stack:
        ports: dict[tuple[int, str], int] = {}
        for size in SIZES:
            server, _ = lab.fleet(size)
            for way, rules in ways.items():
                contender = lab.stage.taskgate(server.view, config=rules)
                ports[size, way] = stack.enter_context(lab.started(contender)).port
        for number in range(rounds + 1):
            for (size, way), port in ports.items():
                lab.attempt(SCALE, f"{TASKGATE}, {way}", partial(_round, lab, size, way, port, counts=number > 0))


def _round(lab: Lab, size: int, way: str, port: int, *, counts: bool) -> None:
    server, fleet = lab.fleet(size)
    opened = [fleet.pop(0) for _ in range(_EVENTS)]
    seconds = drive_all(partial(connect, port), 1, [lab.approvals.job(waiting) for waiting in opened])
    server.remove(opened)
    lab.fleet(size)  # as many as before
    if counts:  # the first round is for connections and caches
        lab.figures.add(SCALE, case(size), way, *seconds)

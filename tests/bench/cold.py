"""Cold start: from exec of the container's command until the gate of the first event is open."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial

from tests.bench.contenders import HELLOS, TASKGATE, Contender
from tests.bench.half_core import Limit, half_a_core
from tests.bench.importtime import imports
from tests.bench.lab import Lab
from tests.bench.wire import Job, connect, request

ALL_CORES, HALF_CORE = "cold, all cores", "cold, half a core"
PARTS, IMPORTS = "cold, parts", "cold, imports"
LISTENS, ANSWERS, OPENS = "until it listens", "imports and server", "the first event"
OURS, STANDARD = "Taskgate itself", "standard library"
_HALF_CORE_ROUNDS = 0.6  # of the rounds; each takes three times as long
_PROBE = Job([request("GET", "/healthz", {})], b"ok")
_HELLO = Job([request("GET", "/", {})], b"Hello")


def measure(lab: Lab, rounds: int) -> None:
    """Each contender once a round."""
    server = lab.server()
    contenders = [lab.stage.taskgate(server.view), *lab.stage.go_function(server.view)]
    contenders += [lab.stage.hello(name, lab.server().view) for name in HELLOS]
    with half_a_core() as limit:
        lab.figures.run["half a core"] = limit.how
        _in_turn(lab, ALL_CORES, contenders, None, rounds)
        _in_turn(lab, HALF_CORE, contenders, limit, max(1, round(rounds * _HALF_CORE_ROUNDS)))
    for _ in range(rounds):
        lab.attempt(PARTS, TASKGATE, partial(_parts, lab))
    for _ in range(min(rounds, 5)):
        lab.attempt(IMPORTS, TASKGATE, partial(_imports, lab))


def _in_turn(lab: Lab, case: str, contenders: list[Contender], limit: Limit | None, rounds: int) -> None:
    for number in range(rounds):
        # The order turns, so that nobody always comes after the same one.
        first = number % len(contenders)
        for contender in contenders[first:] + contenders[:first]:
            lab.attempt(case, contender.name, partial(_start, lab, case, contender, limit))


def _start(lab: Lab, case: str, contender: Contender, limit: Limit | None) -> None:
    job = lab.approvals.job(lab.server().add(1)[0]) if contender.opens else _HELLO
    with lab.started(contender, limit) as started, connect(started.port) as wire:
        job.run(wire)
        lab.figures.add(case, "seconds", contender.name, time.perf_counter() - started.child.began)


def _parts(lab: Lab) -> None:
    server = lab.server()
    event = lab.approvals.job(server.add(1)[0])
    with lab.started(lab.stage.taskgate(server.view)) as started, connect(started.port) as wire:
        listens = time.perf_counter() - started.child.began
        answers = _PROBE.run(wire)
        lab.figures.add(PARTS, "seconds", LISTENS, listens)
        lab.figures.add(PARTS, "seconds", ANSWERS, answers)
        lab.figures.add(PARTS, "seconds", OPENS, event.run(wire))


def _imports(lab: Lab) -> None:
    server = lab.server()
    event = lab.approvals.job(server.add(1)[0])
    contender = lab.stage.taskgate(server.view, "-X", "importtime")
    with lab.started(contender) as started:
        with connect(started.port) as wire:
            event.run(wire)
        started.child.end()
        for package, seconds in by_package(started.child.log()).items():
            lab.figures.add(IMPORTS, "seconds", package, seconds)


def by_package(log: str) -> Mapping[str, float]:
    """The seconds that the imports of each package took, those of its own modules alone.

    Args:
        log: what `python -X importtime` has written, among other lines.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for module, seconds in imports(log):
        package = module.partition(".")[0]
        name = OURS if package == "func" else STANDARD if package in sys.stdlib_module_names else package
        found[name] += seconds
    return found

"""`python -m tests.bench.pairs FOLDER ...`: this function beside others, each in a folder with its own `func/`.

It shows what a change is worth: copy the project, take the change out, and run it with the copy. Cold starts and warm
events of all take turns, so that a slow moment of the machine is nobody's disadvantage. A figure is the median of the
differences within a round.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.bench.api import cluster_tools
from tests.bench.contenders import Contender, Stage
from tests.bench.figures import Figures
from tests.bench.installation import ROOT, install
from tests.bench.lab import Lab, drive_all
from tests.bench.spread import Spread
from tests.bench.wire import connect

_WARM_UP = 40
_EVENTS = {1: 40, 8: 80}  # at a time -> events a round
_COLD = "cold start"


def main(arguments: Sequence[str]) -> int:
    """Measure them all, and print what each other one takes beside this one."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pairs", description=__doc__)
    parser.add_argument("folder", nargs="+", type=Path, help="with the func/ of another function")
    parser.add_argument("--rounds", type=int, default=30)
    told = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="taskgate-pairs-") as name, ExitStack() as owner:
        folder = Path(name)
        sources = {"this one": ROOT} | {each.name: each for each in told.folder}
        stages = {}
        for number, (who, source) in enumerate(sources.items()):
            app = folder / str(number)
            app.mkdir()
            stages[who] = Stage(install(app, source))
        lab = Lab(Figures(), stages["this one"], cluster_tools(), folder, owner)
        contenders = {who: stage.taskgate(lab.server().view) for who, stage in stages.items()}
        _cold(lab, contenders, told.rounds)
        _warm(lab, contenders, told.rounds)
        for case in lab.figures.cases("pairs"):
            for who in list(contenders)[1:]:
                print(_line(lab.figures, case, who))  # noqa: T201 - what it is for
        return lab.failures()


def _in_turn(names: Sequence[str], number: int) -> list[str]:
    """Everybody in another order each round."""
    first = number % len(names)
    turned = [*names[first:], *names[:first]]
    return turned if number // len(names) % 2 else turned[::-1]


def _cold(lab: Lab, contenders: Mapping[str, Contender], rounds: int) -> None:
    for number in range(rounds):
        for who in _in_turn(list(contenders), number):
            job = lab.approvals.job(lab.server().add(1)[0])
            with lab.started(contenders[who]) as started, connect(started.port) as wire:
                job.run(wire)
                lab.figures.add("pairs", _COLD, who, time.perf_counter() - started.child.began)


def _warm(lab: Lab, contenders: Mapping[str, Contender], rounds: int) -> None:
    with ExitStack() as stack:
        dials = {who: partial(connect, stack.enter_context(lab.started(each)).port) for who, each in contenders.items()}
        for dial in dials.values():
            drive_all(dial, 4, [lab.approvals.job(each) for each in lab.server().add(_WARM_UP)])
        for number in range(rounds):
            for at_once, events in _EVENTS.items():
                for who in _in_turn(list(contenders), number):
                    jobs = [lab.approvals.job(each) for each in lab.server().add(events)]
                    taken = Spread.of(drive_all(dials[who], at_once, jobs)).median
                    lab.figures.add("pairs", f"warm, {at_once} at a time", who, taken)


def _line(figures: Figures, case: str, who: str) -> str:
    mine, others = (figures.values["pairs", case, each] for each in ("this one", who))
    shares = Spread.of([100 * (other - one) / one for one, other in zip(mine, others, strict=True)])
    median = Spread.of(mine).median * 1000
    return f"{case:22} {who:24} {shares.median:+6.1f} % ({shares.low:+.1f} to {shares.high:+.1f}) of {median:.2f} ms"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

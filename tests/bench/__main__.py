"""`python -m tests.bench [SCENARIO ...]`: the function beside its peers, and docs/benchmarks.md.

All scenarios together write the document; single ones are only told. `--render` writes it again from its figures.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from tests.bench import cold, cost, machine, page, profile, scale, size, warm
from tests.bench.api import cluster_tools
from tests.bench.contenders import Stage
from tests.bench.figures import Figures
from tests.bench.installation import ROOT, NotThere, go_function, install
from tests.bench.lab import Lab

# name -> how many rounds it takes in the full run, and the scenario
SCENARIOS: dict[str, tuple[int, Callable[[Lab, int], None]]] = {
    "cold": (15, cold.measure),
    "warm": (6, warm.measure),
    "large": (5, warm.measure_large),
    "full": (5, warm.measure_full),
    "profile": (1, profile.measure),
    "cost": (5, cost.measure),
    "scale": (6, scale.measure),
    "size": (2, size.measure),
}
DOCS = ROOT / "docs"


def main(arguments: Sequence[str]) -> int:
    """Measure, and say or write what was found.

    Returns: the exit code: 1 when something that can be measured here was not, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}; default: all, and the document")
    parser.add_argument("--rounds", type=int, help="of each scenario")
    parser.add_argument("--render", action="store_true", help="write the document from docs/benchmarks/figures.json")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the document is written")
    told = parser.parse_args(arguments)
    if unknown := set(told.scenario) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    if told.rounds is not None and told.rounds < 1:
        parser.error(f"--rounds is {told.rounds}: expected at least 1")
    if not told.render:
        command = f"python -m tests.bench {' '.join(arguments)}" if arguments else "make bench"
        figures = measure(told.scenario or list(SCENARIOS), told.rounds, command)
        _say(page.tables(figures))
        if told.scenario:
            return int(bool(figures.run["failures"]))
        (told.docs / "benchmarks").mkdir(parents=True, exist_ok=True)
        figures.save(told.docs / "benchmarks" / "figures.json")
    figures = Figures.load(told.docs / "benchmarks" / "figures.json")
    page.write(figures, told.docs)
    _say(page.goals_table(figures))
    return int(bool(figures.run["failures"]))


def measure(names: Sequence[str], rounds: int | None, command: str) -> Figures:
    """Run these scenarios, one after the other; one that fails is noted, and the next begins.

    Raises: SystemExit, when nothing can be measured at all.
    """
    figures = Figures(machine.describe() | {"command": command})
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="taskgate-bench-"))
    failures = 0
    before = signal.signal(signal.SIGTERM, _end)
    try:
        with ExitStack() as owner:
            lab = _lab(figures, folder, owner)
            for name in names:
                usual, scenario = SCENARIOS[name]
                _say(f"{name}, {rounds or usual} rounds ...")
                since = time.monotonic()
                try:
                    scenario(lab, rounds or usual)
                except Exception as error:
                    failures += 1
                    figures.note(f"`{name}` ended early: {' '.join(str(error).split())[:300]}.")
                _say(f"{name}: {time.monotonic() - since:.0f} s")
            failures += lab.failures()
    finally:
        signal.signal(signal.SIGTERM, before)
        shutil.rmtree(folder, ignore_errors=True)
    figures.run |= {"failures": failures, "seconds": round(time.monotonic() - began)}
    return figures


def _lab(figures: Figures, folder: Path, owner: ExitStack) -> Lab:
    tools = cluster_tools()
    figures.run["api"] = "kube-apiserver and etcd" if tools else "embedded API"
    if not tools:
        figures.note("The API was the embedded one: `make cluster-tools` builds the real one.")
    app = folder / "app"
    app.mkdir()
    _say("the packages of requirements.lock and the function in Go; the first time that takes a minute or two ...")
    try:
        installation = install(app)
    except NotThere as error:
        raise SystemExit(str(error)) from None
    go = None
    try:
        go = go_function()
    except NotThere as error:
        figures.note(str(error))
    return Lab(figures, Stage(installation, go), tools, folder, owner)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit("stopped by SIGTERM")  # so that all that was started is ended


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

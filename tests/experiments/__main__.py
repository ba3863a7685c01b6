"""Runs the experiments and writes their page: `python -m tests.experiments [KEY...]`.

With keys it runs those alone, measures nothing and writes nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster.processes import Processes
from tests.experiments.catalogue import EXPERIMENTS
from tests.experiments.figures import measure
from tests.experiments.page import PAGE, page
from tests.experiments.stage import Stage, find_tools, running_stage


def say(text: str) -> None:
    """Print a line of progress."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(stage: Stage, keys: list[str]) -> dict[str, str] | None:
    """Return the evidence of each experiment, or None if one failed."""
    seen: dict[str, str] = {}
    for key in keys or EXPERIMENTS:
        begun = time.monotonic()
        try:
            seen[key] = EXPERIMENTS[key].run(stage)
        except Exception as error:
            say(f"{key} FAILED: {EXPERIMENTS[key].answer}\n    {type(error).__name__}: {error}")
            return None
        say(f"{key} ({time.monotonic() - begun:.1f} s) {seen[key]}")
    return seen


def main(keys: list[str]) -> int:
    """Return 0 if every claim of the report holds."""
    tools = find_tools()
    if tools is None:
        say("The real components are not built: 'make cluster-tools' builds them.")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="taskgate-experiments-"))
    (folder / "logs").mkdir()
    processes = Processes(folder / "logs")
    try:
        with running_stage(tools, processes, folder) as stage:
            seen = run(stage, keys)
            if seen is None:
                say(f"Logs: {folder / 'logs'}")
                return 1
            if not keys:
                say("Measuring...")
                PAGE.write_text(page(seen, measure(stage)), encoding="utf-8")
                say(f"Written: {PAGE}")
    finally:
        processes.end()
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

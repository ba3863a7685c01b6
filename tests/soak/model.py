"""The function against a model of the contract, in runs of 50 steps chosen by hypothesis."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model import machine

RUNS, STEPS = 2_000, 50


def settings_for(runs: int) -> settings:
    """The same runs each time: what fails here fails everywhere."""
    return settings(
        max_examples=runs,
        stateful_step_count=STEPS,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def prove(runs: int = RUNS) -> Sequence[tuple[str, str]]:
    """Run the machine.

    Returns: rows for docs/soak.md.
    """
    machine.SEEN.clear()
    started = time.perf_counter()
    run_state_machine_as_test(machine.Machine, settings=settings_for(runs))
    seconds = time.perf_counter() - started
    outcomes = ", ".join(f"{outcome} {count:,}" for outcome, count in machine.SEEN.most_common())
    return [
        ("Runs of the model, of 50 steps each", f"{runs:,}"),
        ("Answers of the function that were as the model says", f"{sum(machine.SEEN.values()):,}"),
        ("Their outcomes", outcomes),
        ("Seconds", f"{seconds:,.0f}"),
    ]

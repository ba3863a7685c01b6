"""The function against a model of the contract, in runs of 50 steps chosen by chance."""

from __future__ import annotations

from tests.model import machine
from tests.soak.report import Row

RUNS, STEPS = 2_000, 50


def prove(runs: int = RUNS) -> list[Row]:
    """Run the machine; the same runs each time."""
    machine.SEEN.clear()
    for seed in range(runs):
        machine.History.of(seed, STEPS).check()
    return [
        (
            f"answers in {runs:,} runs of {STEPS} steps, as in the model",
            f"{machine.SEEN.total():,}",
        ),
    ]

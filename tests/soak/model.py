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
    outcomes = ", ".join(f"{outcome} {count:,}" for outcome, count in machine.SEEN.most_common())
    return [
        (f"runs of {STEPS} steps", f"{runs:,}"),
        ("answers, all as in the model", f"{machine.SEEN.total():,}"),
        ("outcomes", outcomes),
        ("gates whose state differs from the model", "0"),
        ("signals, uses, bindings and revocations that differ", "0"),
    ]

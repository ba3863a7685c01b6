"""The function against a model of the contract, in runs of 50 steps chosen by hypothesis."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model import machine
from tests.soak.report import Row

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


def prove(runs: int = RUNS) -> list[Row]:
    """Run the machine."""
    machine.SEEN.clear()
    run_state_machine_as_test(machine.Machine, settings=settings_for(runs))
    outcomes = ", ".join(f"{outcome} {count:,}" for outcome, count in machine.SEEN.most_common())
    return [
        (f"runs of {STEPS} steps", f"{runs:,}"),
        ("answers, all as in the model", f"{machine.SEEN.total():,}"),
        ("outcomes", outcomes),
        ("gates whose state differs from the model", "0"),
        ("signals, uses, bindings and revocations that differ", "0"),
    ]

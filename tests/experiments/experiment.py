"""What an experiment is: a question, the answer that the report gives, and a function that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.experiments.stage import Stage

Run = Callable[[Stage], str]


@dataclass(frozen=True)
class Experiment:
    """One claim that can be run.

    Args:
        key: its name in the report, e.g. `T4`.
        question: what was asked.
        answer: what the report says; `run` raises AssertionError where it is not so.
        run: does it, and says what was seen.
    """

    key: str
    question: str
    answer: str
    run: Run


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(key: str, question: str, answer: str) -> Callable[[Run], Run]:
    """Adds the function to the list."""

    def add(run: Run) -> Run:
        assert key not in EXPERIMENTS, key
        EXPERIMENTS[key] = Experiment(key, question, answer, run)
        return run

    return add

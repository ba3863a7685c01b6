"""An experiment: a question, the answer in the report, and the function that proves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.experiments.stage import Stage

Run = Callable[[Stage], str]


@dataclass(frozen=True)
class Experiment:
    """One claim that can be run.

    Args:
        key: Its name in the report, such as `T4`.
        question: What was tried.
        answer: The claim.
        run: Runs it, raises AssertionError if the claim is wrong, and returns evidence that the claim does not have.
    """

    key: str
    question: str
    answer: str
    run: Run


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(key: str, question: str, answer: str) -> Callable[[Run], Run]:
    """Add the function to the list."""

    def add(run: Run) -> Run:
        assert key not in EXPERIMENTS, key
        EXPERIMENTS[key] = Experiment(key, question, answer, run)
        return run

    return add

"""What the function has to reach, each as a ratio of two medians of the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench import cold, cost, scale, size, warm
from tests.bench.contenders import BARE, GO, TASKGATE, WSGI, WSGI_PACKAGES
from tests.bench.figures import Figures

Ratio = Callable[[Figures, str], float | None]
"""Of the function of that name; None where it was not measured."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that must not be above a bound.

    Args:
        name: what is divided by what.
        wanted: better than must be; None where there is no such thing.
        judged: False for a figure that only stands beside the others.
    """

    name: str
    ratio: Ratio
    most: float
    wanted: float | None = None
    judged: bool = True

    def verdict(self, figures: Figures) -> str:
        """Met, missed, or not measured."""
        found = self.ratio(figures, TASKGATE)
        if found is None:
            return "not measured"
        if not self.judged:
            return ""
        if found > self.most:
            return "**missed**"
        return "met" if self.wanted is None or found <= self.wanted else "met, target missed"


def _of(scenario: str, case: str, peer: str) -> Ratio:
    return lambda figures, who: figures.ratio(scenario, case, who, peer)


def _growth(way: str) -> Ratio:
    least, most = (scale.case(count) for count in (scale.SIZES[0], scale.SIZES[-1]))

    def ratio(figures: Figures, who: str) -> float | None:
        return figures.ratio(scale.SCALE, most, way, way, peer_case=least) if who == TASKGATE else None

    return ratio


def _cold(case: str, held: str) -> list[Goal]:
    packages = "hello world with the same packages"
    return [
        Goal(f"cold start / {packages}, {held}", _of(case, "seconds", WSGI_PACKAGES), 1.25),
        Goal(f"cold start / plain hello world, {held}", _of(case, "seconds", WSGI), 2.6, 1.9),
    ]


GOALS = (
    *_cold(cold.ALL_CORES, "all cores"),
    *_cold(cold.HALF_CORE, "half a core"),
    Goal("warm, one at a time / two bare API calls", _of(warm.WARM, warm.at_once(1), BARE), 1.7, 1.4),
    Goal("warm, Workflow of 900 kB / two bare API calls", _of(warm.LARGE, warm.large_case("large"), BARE), 1.3),
    Goal(
        "on Argo's full CRD, Workflow of 900 kB / two bare API calls",
        _of(warm.FULL, warm.large_case("large"), BARE),
        1.3,
        judged=False,
    ),
    Goal(
        "on Argo's full CRD, one at a time / two bare API calls",
        _of(warm.FULL, warm.large_case("small"), BARE),
        1.7,
        judged=False,
    ),
    Goal("CPU per event / one `kubectl patch`", _of(cost.COST, cost.CPU, cost.KUBECTL), 0.1),
    Goal("10,000 Workflows waiting / 100, found by name", _growth(scale.BY_NAME), 1.2),
    Goal("10,000 Workflows waiting / 100, found by label", _growth(scale.BY_LABEL), 3.0),
    Goal("peak memory / plain hello world", _of(size.MEMORY, size.PEAK, WSGI), 1.7),
)


def rows(figures: Figures) -> list[list[str]]:
    """The table of all goals."""
    return [
        [
            goal.name,
            _figure(goal.ratio(figures, TASKGATE)),
            f"{goal.most:g}" if goal.judged else "",
            f"{goal.wanted:g}" if goal.wanted and goal.judged else "",
            goal.verdict(figures),
            _figure(goal.ratio(figures, GO)),
        ]
        for goal in GOALS
    ]


def _figure(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}"

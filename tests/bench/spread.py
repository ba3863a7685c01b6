"""Many values of one thing -> its median, and how far they lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """What a number of measurements came to.

    Args:
        count: how many there were.
        least, low, median, high, most: the minimum, the quartiles, the maximum.
    """

    count: int
    least: float
    low: float
    median: float
    high: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value.

        Raises: ValueError, when there is none.
        """
        if not values:
            raise ValueError("no values")
        ordered = sorted(values)
        least, low, median, high, most = (quantile(ordered, share) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
        return cls(len(ordered), least, low, median, high, most)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies, between two of them by a straight line.

    Args:
        ordered: ascending.
        share: 0 to 1.

    Source: method 7 of Hyndman and Fan, which numpy and Excel take.
    """
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def digits(value: float, count: int = 3) -> str:
    """A number with so many significant digits, never as a power of ten."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = count - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    return f"{rounded:,.{max(0, places)}f}"

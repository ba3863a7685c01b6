"""Medians and quartiles."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.spread import Spread, digits

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


@given(VALUES)
def test_the_median_is_that_of_the_standard_library(values: list[float]) -> None:
    found = Spread.of(values)
    assert found.median == pytest.approx(statistics.median(values))
    assert (found.count, found.least, found.most) == (len(values), min(values), max(values))


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_so_are_the_quartiles(values: list[float]) -> None:
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    found = Spread.of(values)
    assert [found.low, found.high] == pytest.approx([low, high])


@given(VALUES)
def test_the_order_of_the_values_does_not_matter(values: list[float]) -> None:
    assert Spread.of(sorted(values)) == Spread.of(values) == Spread.of(values[::-1])


def test_one_value_is_its_own_spread() -> None:
    assert Spread.of([7]) == Spread(1, 7, 7, 7, 7, 7)


def test_no_values_have_none() -> None:
    with pytest.raises(ValueError, match="no values"):
        Spread.of([])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.5, "1.50"), (42.25, "42.2"), (999.6, "1,000"), (12345.6, "12,300")],
)
def test_three_digits_say_enough(value: float, text: str) -> None:
    assert digits(value) == text

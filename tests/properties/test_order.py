"""Signals in any order: a share of what `make soak` runs in full, and the bounds of the annotation."""

from __future__ import annotations

import math
import random

import pytest

from tests.properties.orders import Orders, check_bounds, history, some_set, subsets


@pytest.mark.parametrize("seed", range(20))
def test_random_deliveries_end_in_the_same_in_any_order_and_open_the_gate_as_in_the_order_of_time(seed: int) -> None:
    chosen = random.Random(seed)  # noqa: S311
    deliveries, policy = some_set(seed)
    orders = Orders(deliveries, policy)
    assert orders.count() == math.factorial(len(deliveries)) * (len(deliveries) + 1)
    for _ in range(5):
        orders.check_later(chosen.sample(range(len(deliveries)), len(deliveries)))


def test_whenever_the_gate_is_reached_it_is_as_in_the_order_of_time() -> None:
    small = subsets(2)
    larger = random.Random(3).sample(subsets(5)[len(small) :], 25)  # noqa: S311
    assert sum(Orders(history(names)).count() for names in [*small, *larger]) > 5000


def test_an_annotation_of_too_many_signals_forgets_only_what_lets_it_refuse() -> None:
    assert check_bounds(300, every=10) == 29

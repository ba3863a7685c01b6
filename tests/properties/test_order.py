"""Signals in any order: a share of what `make soak` runs in full, and the bounds of the annotation."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

import pytest

from tests.model.github import Delivery, GitHub
from tests.payloads import HAPPENED
from tests.properties.orders import check_bounds, check_orders, check_time_order, history, subsets

ACTIONS = (
    "approve", "approve", "approve", "refuse", "push", "dismiss", "unlabel", "label", "label", "close", "open",
    "retarget", "merge", "rename",
)  # fmt: skip


def some_deliveries(chosen: random.Random, count: int, pulls: int) -> list[Delivery]:
    """What GitHub delivers of things that happen by chance, sometimes several in a second."""
    github, now = GitHub(), HAPPENED
    while len(github.deliveries) < count:
        now += timedelta(seconds=chosen.randint(0, 1))
        github.act(chosen.choice(ACTIONS), chosen.randrange(pulls), chosen.randrange(24), now)
    return github.deliveries[:count]


@pytest.mark.parametrize("seed", range(40))
def test_the_same_deliveries_end_in_the_same_in_any_order(seed: int) -> None:
    chosen = random.Random(seed)  # noqa: S311
    deliveries = some_deliveries(chosen, chosen.randint(2, 8), chosen.choice([1, 2, 8]))
    orders = list(itertools.islice(itertools.permutations(range(len(deliveries))), 5040))
    assert check_orders(deliveries, iter(chosen.sample(orders, min(len(orders), 20)))) > 1


def test_whenever_the_gate_is_reached_it_is_as_in_the_order_of_time() -> None:
    small = subsets(2)
    larger = random.Random(3).sample(subsets(4)[len(small) :], 25)  # noqa: S311
    assert sum(check_time_order(history(names)) for names in [*small, *larger]) > 1000


def test_an_annotation_of_too_many_signals_forgets_only_what_lets_it_refuse() -> None:
    assert check_bounds(400, every=20) > 0

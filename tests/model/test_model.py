"""A small share of the long proof, see tests/soak/model.py."""

from __future__ import annotations

import pytest

from tests.model.machine import History
from tests.soak.model import STEPS


@pytest.mark.parametrize("seed", range(0, 120, 10))
def test_the_function_does_what_the_model_says(seed: int) -> None:
    for each in range(seed, seed + 10):
        History.of(each, STEPS).check()

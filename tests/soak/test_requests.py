"""A small share of the mutated requests."""

from __future__ import annotations

from pathlib import Path

from tests.soak import requests


def test_whatever_comes_in_one_of_the_documented_answers_goes_out(tmp_path: Path) -> None:
    requests.prove(1500, tmp_path)

"""The texts that `make mutants` takes out of the code are there, so that its table keeps its meaning."""

from __future__ import annotations

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.check)
def test_each_check_stands_in_the_code_once(mutant: Mutant) -> None:
    code = (ROOT / "func" / "core" / mutant.file).read_text(encoding="utf-8")
    assert code.count(mutant.text) == 1
    assert mutant.text != mutant.instead

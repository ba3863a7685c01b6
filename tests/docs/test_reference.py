"""The reference names every outcome and setting."""

from __future__ import annotations

import json
import re

from func.core.outcomes import OUTCOMES, Answer
from tests.docs.markdown import DOCS, ROOT

REFERENCE = (DOCS / "reference.md").read_text()


def test_all_outcomes_with_their_status() -> None:
    rows = dict(re.findall(r"^- `([a-z-]+)` \(([\d, ]+)\): ", REFERENCE, re.MULTILINE))
    assert list(rows) == list(OUTCOMES)
    for outcome in OUTCOMES:
        assert str(Answer(outcome, "a-code", "A reason.").status) in rows[outcome]


def test_all_settings() -> None:
    named = set(re.findall(r'"((?:TASKGATE_|ARGO_|KUBECONFIG)\w*)"', (ROOT / "func/service/settings.py").read_text()))
    rows = set(re.findall(r"^- `([A-Z_]+)`: ", REFERENCE, re.MULTILINE))
    assert named | {"PORT"} == rows


def test_the_start_page_counts_the_outcomes() -> None:
    assert f"one of {len(OUTCOMES)} words" in (DOCS / "README.md").read_text()


def test_the_figures_that_are_repeated_are_those_of_the_experiments() -> None:
    """Copy new figures of `make experiments` to the pages named here."""
    measured = (DOCS / "research" / "experiments.md").read_text().partition("## Figures")[2]
    for document, figures in {
        "research/README.md": ("25 ms", "89 MB", "29 ms", "183 MB"),
        "research/analysis.md": ("83 MB", "0.8 ms"),
        "research/options.md": (
            *("25 ms", "170 ms", "83 MB", "8.3 GB", "0.43 cores", "0.9 s", "95 s", "159 ms", "29 ms", "10 ms"),
            *("102 MB", "1.1 s", "59 ms", "55 MB", "183 MB", "0.009 cores", "445 MB", "0.027 cores"),
        ),
        "../README.md": ("183 MB", "445 MB"),
        "naming.md": ("1.0 ms", "0.8 ms", "12.1 ms"),
    }.items():
        text = (DOCS / document).read_text()
        assert [each for each in figures if each not in text or each not in measured] == [], document


def test_json_of_the_documents_is_json() -> None:
    for file in DOCS.rglob("*.json"):
        json.loads(file.read_text())

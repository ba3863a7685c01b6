"""The map of the original question has all of its items, and each link leads to an answer."""

from __future__ import annotations

import re
from collections import Counter

from tests.docs.markdown import DOCS, links, sections, table

MAP = DOCS / "research" / "map.md"
# As the original question counts them.
EXPECTED = {
    "question": 5,
    "area": 23,
    "criterion": 6,
    "constraint": 5,
    "point": 12,
    "report part": 5,
    "output": 5,
    "symptom": 1,
    "cannot": 4,
    "way out": 3,
}
AREAS = {1: 5, 2: 5, 3: 4, 4: 4, 5: 5}


def _rows() -> list[list[str]]:
    return [row.removeprefix("- ").split(": ", 1) for row in MAP.read_text().splitlines() if row.startswith("- ")]


def test_nothing_is_left_out() -> None:
    kinds = Counter(kind.rstrip("0123456789. ") for kind, _ in _rows())
    assert kinds == EXPECTED
    areas = [kind.split()[1] for kind, _ in _rows() if kind.startswith("area")]
    assert areas == [f"{question}.{number}" for question, count in AREAS.items() for number in range(1, count + 1)]
    items = {re.sub(r"\(.*", "", answer) for _, answer in _rows()}
    assert len(items) == sum(EXPECTED.values())


def test_each_answer_has_text() -> None:
    for kind, answer in _rows():
        (link,) = links(answer)
        path, _, fragment = link.partition("#")
        (section,) = [each for each in sections((MAP.parent / path).resolve().read_text()) if each.anchor == fragment]
        assert len(section.text) > 80, (kind, answer)


def test_each_criterion_is_a_column_for_all_eleven_options() -> None:
    rows = list(table((DOCS / "research" / "options.md").read_text(), "option"))
    assert [row[0].strip("*")[:3] for row in rows] == [f"({letter})" for letter in "abcdefghijk"]
    assert all(len(row) == 1 + EXPECTED["criterion"] and all(row) for row in rows)
    details = {section.title[:3] for section in sections((DOCS / "research" / "options.md").read_text())}
    assert details >= {f"({letter})" for letter in "abcdefghijk"}


def test_each_belief_has_a_verdict_with_evidence() -> None:
    rows = list(table((DOCS / "research" / "README.md").read_text(), "belief"))
    assert len(rows) == EXPECTED["cannot"]
    assert all(belief and verdict and evidence for belief, verdict, evidence in rows)

"""The map of the original question has all of its items, and each link leads to an answer."""

from __future__ import annotations

import re
from itertools import chain

from tests.docs.markdown import DOCS, links, sections, table

MAP = DOCS / "research" / "map.md"
# As the original question counts them; a question is its own first answer, before its areas.
EXPECTED = {
    **{f"Question {number}": 1 + areas for number, areas in enumerate((5, 5, 4, 4, 5), start=1)},
    "Criteria": 6,
    "Constraints": 5,
    "Points to analyse": 12,
    "Report": 5,
    "Outputs": 5,
    "Symptom": 1,
    "Argo Events cannot": 4,
    "Ways out": 3,
}


def _answers() -> dict[str, list[str]]:
    """Return the links of each kind of item, with their texts."""
    kinds = re.findall(r"^- (.*):\n((?:  .*\n)+)", MAP.read_text(), re.MULTILINE)
    return {kind: re.findall(r"\[.*\]\(\S+\)", items) for kind, items in kinds}


def test_nothing_is_left_out() -> None:
    answers = _answers()
    assert {kind: len(items) for kind, items in answers.items()} == EXPECTED
    for number in range(1, 6):
        areas = answers[f"Question {number}"][1:]
        assert [area.split()[0] for area in areas] == [f"[{number}.{count}" for count in range(1, len(areas) + 1)]
    items = {item.partition("](")[0] for same in answers.values() for item in same}
    assert len(items) == sum(EXPECTED.values())


def test_each_answer_has_text() -> None:
    for answer in chain.from_iterable(_answers().values()):
        (link,) = links(answer)
        path, _, fragment = link.partition("#")
        (section,) = [each for each in sections((MAP.parent / path).resolve().read_text()) if each.anchor == fragment]
        assert len(section.text) > 80, answer


def test_each_criterion_is_a_column_for_all_eleven_options() -> None:
    rows = list(table((DOCS / "research" / "options.md").read_text(), "option"))
    assert [row[0].strip("*")[:3] for row in rows] == [f"({letter})" for letter in "abcdefghijk"]
    assert all(len(row) == 1 + EXPECTED["Criteria"] and all(row) for row in rows)
    details = {section.title[:3] for section in sections((DOCS / "research" / "options.md").read_text())}
    assert details >= {f"({letter})" for letter in "abcdefghijk"}


def test_each_belief_has_a_verdict_with_evidence() -> None:
    rows = list(table((DOCS / "research" / "README.md").read_text(), "belief"))
    assert len(rows) == EXPECTED["Argo Events cannot"]
    assert all(belief and verdict and evidence for belief, verdict, evidence in rows)

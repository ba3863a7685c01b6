"""Charts: well-formed, and no text lies on another or outside."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import pytest

from tests.bench.spread import Spread
from tests.bench.svg import WIDTH, Bar, Drawing, Group, bars, text_width, ticks

SVG = "{http://www.w3.org/2000/svg}"
LONG = "hello world with the same packages, asynchronous"
CHARTS = {
    "one bar": [Group("", [Bar("Taskgate", Spread.of([0.4, 0.5]), ours=True)])],
    "long names": [Group("", [Bar(LONG, Spread.of([1, 2, 3])), Bar("Go", Spread.of([2000]))])],
    "groups": [
        Group(f"{count} at a time", [Bar(who, Spread.of([count, 3 * count])) for who in ("A", "B", "C")])
        for count in (1, 8, 32)
    ],
    "all alike": [Group("", [Bar(f"{i}", Spread.of([123456.0, 123456.0])) for i in range(15)])],
    "far apart": [Group("", [Bar("small", Spread.of([0.00012])), Bar("large", Spread.of([98765.4, 99999.9]))])],
    "a long tail": [Group("", [Bar("tail", Spread.of([1, 1, 1, 90])), Bar("none", Spread.of([1, 1, 1, 1]))])],
}


@pytest.fixture(params=list(CHARTS))
def drawing(request: pytest.FixtureRequest) -> Drawing:
    return bars("What takes how long", "milliseconds from exec to the first answer", CHARTS[request.param])


def test_no_text_lies_on_another(drawing: Drawing) -> None:
    assert [(a.text, b.text) for a, b in combinations(drawing.boxes, 2) if a.overlaps(b)] == []


def test_all_texts_are_on_the_paper(drawing: Drawing) -> None:
    outside = [
        box.text
        for box in drawing.boxes
        if box.left < 0 or box.top < 0 or box.right > WIDTH or box.bottom > drawing.height
    ]
    assert outside == []


def test_it_is_an_image_with_a_title_and_an_axis(drawing: Drawing) -> None:
    root = ElementTree.fromstring(drawing.svg())  # noqa: S314 - we made it
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert texts[0] == root.get("aria-label") == "What takes how long"
    assert "milliseconds from exec to the first answer" in texts
    assert "prefers-color-scheme: dark" in (root.findtext(f"{SVG}style") or "")


def test_bars_are_as_long_as_their_medians() -> None:
    drawn = bars("t", "a", [Group("", [Bar("one", Spread.of([10]), ours=True), Bar("two", Spread.of([40]))])])
    root = ElementTree.fromstring(drawn.svg())  # noqa: S314
    *_, one, two = (float(each.get("width", 0)) for each in root.iter(f"{SVG}rect"))
    assert two == pytest.approx(4 * one, rel=0.01)


def test_names_are_escaped() -> None:
    drawn = bars('<t> & "u"', "a", [Group("", [Bar("<script>", Spread.of([1]))])])
    root = ElementTree.fromstring(drawn.svg())  # noqa: S314
    assert "<script>" in [each.text for each in root.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("most", "expected"), [(10, [0, 2, 4, 6, 8, 10]), (0.5, [0, 0.1, 0.2, 0.3, 0.4, 0.5]), (93, [0, 20, 40, 60, 80])]
)
def test_ticks_are_round_numbers(most: float, expected: list[float]) -> None:
    assert list(ticks(most)) == pytest.approx(expected)


def test_a_longer_text_is_wider() -> None:
    assert text_width("ab", 12) == 2 * text_width("a", 12)

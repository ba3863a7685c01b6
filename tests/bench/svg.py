"""Bars as an SVG that needs nothing else, light or dark as its reader has it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from tests.bench.spread import Spread, digits

Scale = Callable[[float], float]
"""A value -> its place."""
WIDTH = 820.0
_MARGIN, _GAP = 16.0, 8.0
_ROW, _BAR, _GROUP = 24.0, 13.0, 30.0
_TITLE, _TEXT = 15.0, 12.0  # font sizes
_GLYPH = 0.58  # of the font size: a little more than a character takes on the average
_TICKS = 6
_STYLE = """
.paper{fill:#ffffff} text{stroke:#ffffff} .text{fill:#1f2328} .soft{fill:#59636e} .grid{stroke:#d1d9e0}
.ours{fill:#1a7f5a} .theirs{fill:#9aa4af} .range{stroke:#1f2328}
@media (prefers-color-scheme: dark){.paper{fill:#0d1117} text{stroke:#0d1117} .text{fill:#f0f6fc} .soft{fill:#9198a1}
.grid{stroke:#3d444d} .ours{fill:#3fb98a} .theirs{fill:#59636e} .range{stroke:#f0f6fc}}
text{paint-order:stroke;stroke-width:3px;stroke-linejoin:round;
font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart.

    Args:
        ours: drawn in the colour of the function, else in that of its peers.
    """

    label: str
    spread: Spread
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that belong together, under a title if there is one."""

    title: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a text is."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Do the two have room in common?"""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


@dataclass
class Drawing:
    """What is drawn, and where its texts are."""

    height: float
    title: str
    parts: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    def text(
        self, x: float, y: float, text: str, *, kind: str = "text", size: float = _TEXT, anchor: str = "start"
    ) -> None:
        """A text with its baseline at y."""
        width = text_width(text, size)
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        self.boxes.append(Box(text, left, y - size * 0.8, left + width, y + size * 0.25))
        weight = ' font-weight="600"' if size == _TITLE or kind == "text bold" else ""
        self.parts.append(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"{weight}>'
            f"{escape(text)}</text>"
        )

    def rectangle(self, kind: str, x: float, y: float, width: float, height: float) -> None:
        """A filled rectangle."""
        self.parts.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"/>'
        )

    def line(self, kind: str, x1: float, y1: float, x2: float, y2: float, width: float = 1.0) -> None:
        """A straight line."""
        self.parts.append(
            f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke-width="{width:g}"/>'
        )

    def svg(self) -> str:
        """The file."""
        size = f'viewBox="0 0 {WIDTH:g} {self.height:g}" width="{WIDTH:g}" height="{self.height:g}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(self.title)}">'
        paper = f'<rect class="paper" width="{WIDTH:g}" height="{self.height:g}" rx="6"/>'
        return "\n".join([head, f"<style>{_STYLE}</style>", paper, *self.parts, "</svg>"]) + "\n"


def bars(title: str, axis: str, groups: Sequence[Group]) -> Drawing:
    """A chart of horizontal bars: the median, and a line from the minimum to the upper quartile.

    Args:
        axis: what the values are, with their unit.
    """
    every = [bar for group in groups for bar in group.bars]
    names = [*(bar.label for bar in every), *(group.title for group in groups)]
    left = _MARGIN + max(text_width(name, _TEXT) for name in names) + _GAP
    room = max(text_width(digits(bar.spread.median), _TEXT) for bar in every) + 2 * _GAP
    most = max(bar.spread.high for bar in every)
    right = WIDTH - _MARGIN - room
    top = _MARGIN + 3 * _ROW
    bottom = top + sum(_GROUP * bool(group.title) + _ROW * len(group.bars) for group in groups)
    drawing = Drawing(bottom + 3 * _ROW, title)
    drawing.text(_MARGIN, _MARGIN + _TITLE, title, size=_TITLE)
    _legend(drawing, _MARGIN + 2 * _ROW - 4)

    def x(value: float) -> float:
        return left + (right - left) * value / most

    for tick in ticks(most):
        drawing.line("grid", x(tick), top, x(tick), bottom)
        drawing.text(x(tick), bottom + _TEXT + 6, f"{tick:,g}", kind="soft", anchor="middle")
    drawing.text((left + right) / 2, bottom + _ROW + _TEXT + 10, axis, anchor="middle")
    y = top
    for group in groups:
        if group.title:
            drawing.text(_MARGIN, y + _GROUP - 10, group.title, kind="text bold")
            y += _GROUP
        for bar in group.bars:
            _bar(drawing, bar, x, y)
            y += _ROW
    return drawing


def _bar(drawing: Drawing, bar: Bar, x: Scale, y: float) -> None:
    middle, spread = y + _ROW / 2, bar.spread
    drawing.text(x(0) - _GAP, middle + _TEXT * 0.35, bar.label, anchor="end")
    drawing.rectangle("ours" if bar.ours else "theirs", x(0), middle - _BAR / 2, x(spread.median) - x(0), _BAR)
    if spread.count > 1:
        drawing.line("range", x(spread.least), middle, x(spread.high), middle, 1.5)
        for end in (spread.least, spread.low, spread.high):
            drawing.line("range", x(end), middle - 4, x(end), middle + 4, 1.5)
    drawing.text(x(spread.high) + _GAP, middle + _TEXT * 0.35, digits(spread.median))


def _legend(drawing: Drawing, y: float) -> None:
    x = _MARGIN
    for kind, words in (("ours", "Taskgate"), ("theirs", "beside it")):
        drawing.rectangle(kind, x, y - 10, _BAR, _BAR)
        drawing.text(x + _BAR + 6, y, words, kind="soft")
        x += _BAR + 6 + text_width(words, _TEXT) + 2 * _GAP
    for end in (0.0, 12.0, 30.0):
        drawing.line("range", x + end, y - 8, x + end, y, 1.5)
    drawing.line("range", x, y - 4, x + 30, y - 4, 1.5)
    drawing.text(x + 38, y, "bar: median; line: minimum, lower and upper quartile", kind="soft")


def ticks(most: float) -> Iterator[float]:
    """Round numbers from 0 up to a value that is above 0."""
    rough = most / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return (step * number for number in range(math.floor(most / step * (1 + 1e-9)) + 1))


def text_width(text: str, size: float) -> float:
    """About how wide a text is, rather too much than too little."""
    return len(text) * size * _GLYPH

"""Plots of spreads, as SVG files. They need matplotlib, which the extra `bench` installs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.spread import Spread, digits

_OURS, _THEIRS, _RANGE = "#1a7f5a", "#9aa4af", "#1f2328"
_WIDTH, _ROW, _FRAME = 8.5, 0.28, 1.4  # inches


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a plot.

    Args:
        label: What was measured.
        spread: The values.
        ours: Whether it has the colour of the function, else that of its peers.

    """

    label: str
    spread: Spread
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that belong together, under a title if there is one."""

    title: str
    bars: Sequence[Bar]


def bars(title: str, axis: str, groups: Sequence[Group]) -> str:
    """Return an SVG with horizontal bars: the median, and a line from the minimum to the upper quartile.

    Args:
        title: Above the plot.
        axis: What the values are, with their unit.
        groups: From top to bottom.

    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows = [row for group in groups for row in ([group.title] if group.title else []) + list(group.bars)]
    found = list(enumerate(rows))  # a row is the title of a group or a bar
    shown = [(place, row) for place, row in found if isinstance(row, Bar)]
    # The same figures give the same file: no date, and ids that are not random. Text stays text.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "taskgate"}):
        figure = Figure(figsize=(_WIDTH, _FRAME + _ROW * len(rows)), layout="constrained")
        plot = figure.add_subplot()
        plot.set_title(title, loc="left", fontweight="bold")
        plot.set_xlabel(axis)
        plot.grid(axis="x", alpha=0.4)
        plot.set_axisbelow(True)
        spreads = [bar.spread for _, bar in shown]
        plot.barh(
            [place for place, _ in shown],
            [each.median for each in spreads],
            xerr=[[each.median - each.least for each in spreads], [each.high - each.median for each in spreads]],
            color=[_OURS if bar.ours else _THEIRS for _, bar in shown],
            error_kw={"ecolor": _RANGE, "capsize": 3},
        )
        for place, bar in shown:
            plot.annotate(
                digits(bar.spread.median), (bar.spread.high, place), (8, 0), textcoords="offset points", va="center"
            )
        plot.set_yticks([place for place, _ in found], [row.label if isinstance(row, Bar) else row for _, row in found])
        for (_, row), label in zip(found, plot.get_yticklabels(), strict=True):
            label.set_fontweight("normal" if isinstance(row, Bar) else "bold")
        plot.invert_yaxis()
        plot.margins(x=0.12)
        plot.set_xlim(left=0)
        legend = [Patch(color=_OURS, label="Taskgate"), Patch(color=_THEIRS, label="others")]
        note = "bar: median; line: minimum to upper quartile"
        figure.legend(handles=legend, title=note, loc="outside lower right", ncols=2, frameon=False)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Title": title})
    return file.getvalue()

"""Figures -> docs/benchmarks.md and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import cold, cost, goals, profile, scale, size, warm
from tests.bench.contenders import BARE, TASKGATE
from tests.bench.figures import Figures
from tests.bench.plots import Bar, Group, bars
from tests.bench.spread import Spread, digits

_LARGEST = 6


@dataclass(frozen=True, slots=True)
class Chart:
    """A table and a picture of the same values.

    Args:
        scenario: whose cases are the groups.
        unit: of the values as they are shown.
        factor: from the values as they were measured.
        axis: what the values are.
        cases: which of them; all where empty.
        ours: is it the function's own?
        shown: how many of each case at most, the largest first; None for all, as they were measured.
        on_page: is it in the document? Charts for those who make it faster are tables in the terminal only.
    """

    file: str
    title: str
    text: str
    scenario: str
    unit: str
    axis: str
    factor: float = 1.0
    cases: Sequence[str] = ()
    ours: Callable[[str], bool] = TASKGATE.__eq__
    shown: int | None = None
    on_page: bool = True

    def groups(self, figures: Figures) -> list[tuple[str, list[tuple[str, Spread]]]]:
        """Case, and the values of each who was measured in it."""
        found = []
        for case in self.cases or figures.cases(self.scenario):
            values = [
                (who, Spread.of([each * self.factor for each in figures.values[self.scenario, case, who]]))
                for who in figures.who(self.scenario, case)
            ]
            if self.shown is not None:
                values = sorted(values, key=lambda each: -each[1].median)[: self.shown]
            if values:
                found.append((case, values))
        return found


def _any(_who: str) -> bool:
    return True


CHARTS = (
    Chart(
        "cold",
        "Cold start, all cores",
        "From exec until the first event has opened its gate, or a hello world on `functions-framework` has answered.\n"
        "Those with the same packages import `kubernetes`, `pydantic`, `cloudevents` and `yaml`.",
        cold.ALL_CORES,
        "ms",
        "milliseconds from exec to the open gate, or to the first answer",
        1000,
    ),
    Chart(
        "cold-half-core",
        "Cold start, half a core",
        "The same with a CPU limit of 500m, enforced by a cgroup.",
        cold.HALF_CORE,
        "ms",
        "milliseconds from exec to the open gate, or to the first answer",
        1000,
        on_page=False,
    ),
    Chart(
        "cold-parts",
        "The parts of a cold start",
        "The first event includes the connection to the API server with TLS, and two API calls.",
        cold.PARTS,
        "ms",
        "milliseconds",
        1000,
        ours=_any,
        on_page=False,
    ),
    Chart(
        "cold-imports",
        "What the imports take",
        f"The {_LARGEST} packages with the longest `python -X importtime`, which slows all of them down.",
        cold.IMPORTS,
        "ms",
        "milliseconds in the package's own modules, while measured",
        1000,
        ours=cold.OURS.__eq__,
        shown=_LARGEST,
        on_page=False,
    ),
    Chart(
        "warm",
        "Warm events",
        "An event of 24 kB, one at a time. The two bare API calls are the GET and the JSON Patch that Taskgate sends,\n"
        "from a minimal client.",
        warm.WARM,
        "ms",
        "milliseconds for one event",
        1000,
        cases=(warm.at_once(1),),
    ),
    Chart(
        "warm-many",
        "Warm events, several at a time",
        "The same with 8 and 32 connections.",
        warm.WARM,
        "ms",
        "milliseconds for one event",
        1000,
        cases=(warm.at_once(8), warm.at_once(32)),
        on_page=False,
    ),
    Chart(
        "profile",
        "What a warm event executes",
        "Instructions of Python's bytecode for one event, by package. JSON parsing, TLS and the kernel are not "
        "bytecode.",
        profile.PROFILE,
        "instructions",
        "bytecode instructions",
        ours=profile.OURS.__eq__,
        shown=_LARGEST,
        on_page=False,
    ),
    Chart(
        "large",
        "Large Workflows",
        "For Workflows of 900 kB with 2,000 nodes.",
        warm.LARGE,
        "ms",
        "milliseconds for one event",
        1000,
    ),
    Chart(
        "full-crd",
        "Argo's full CRD",
        "That of official installations of Argo 4 validates the whole Workflow at each write.",
        warm.FULL,
        "ms",
        "milliseconds for one event",
        1000,
        on_page=False,
    ),
    Chart(
        "cpu",
        "CPU for each event",
        "Of the function, and of a process for each event. The script also finds the Workflow.",
        cost.COST,
        "s for 1,000 events",
        "CPU seconds for 1,000 events",
        cases=(cost.CPU,),
    ),
    Chart(
        "scale",
        "How many Workflows wait",
        "By label: the rules have no `name`, so a LIST comes first.",
        scale.SCALE,
        "ms",
        "milliseconds for one event",
        1000,
        ours=_any,
    ),
    Chart(
        "memory",
        "Memory",
        "The peak of the largest process.",
        size.MEMORY,
        "MB",
        "megabytes of the largest process",
        cases=(size.PEAK,),
    ),
)
ON_PAGE = tuple(chart for chart in CHARTS if chart.on_page)


def write(figures: Figures, docs: Path) -> None:
    """Write the document and its pictures.

    Args:
        docs: the folder of the documents.
    """
    (docs / "benchmarks").mkdir(parents=True, exist_ok=True)
    for chart in ON_PAGE:
        if drawn := picture(chart, figures):
            (docs / "benchmarks" / f"{chart.file}.svg").write_text(drawn, encoding="utf-8")
    (docs / "benchmarks.md").write_text(document(figures), encoding="utf-8")


def picture(chart: Chart, figures: Figures) -> str:
    """The SVG of a chart; empty where nothing was measured."""
    groups = chart.groups(figures)
    if not groups:
        return ""
    named = len(groups) > 1
    return bars(
        chart.title,
        chart.axis,
        [
            Group(case if named else "", [Bar(who, spread, ours=chart.ours(who)) for who, spread in values])
            for case, values in groups
        ],
    )


def document(figures: Figures) -> str:
    """docs/benchmarks.md."""
    run = figures.run
    parts = [
        "# Benchmarks",
        (
            "One machine ran everything, so compare the figures with each other only. Bars are medians, and lines go "
            "from the\nminimum to the upper quartile. [figures.json](benchmarks/figures.json) has more cases."
        ),
        (
            f"Measured on {run['date']}, commit {run['commit']}: `{run['command']}`, {run['seconds'] / 60:.0f} min, "
            f"{run['cores']} cores, {run['cpu']}, {run['memory']},\nLinux {run['kernel']}, Python {run['python']}, "
            f"{run['api']}.\nLoad at the start: {run['load']}{_busy(run)}."
        ),
        "## Goals",
        "Ratios of two medians.",
        goals_table(figures),
        left(figures),
    ]
    if figures.notes:
        parts.append("\n".join(f"- {note}" for note in figures.notes))
    for chart in ON_PAGE:
        if chart.groups(figures):
            parts += [f"## {chart.title}", chart.text, f"![{in_words(chart, figures)}](benchmarks/{chart.file}.svg)"]
    return "\n\n".join(part for part in parts if part) + "\n"


def goals_table(figures: Figures) -> str:
    """Each goal with its figure."""
    return _table(["ratio", "Taskgate", "goal: at most", "target", "", "Go"], goals.rows(figures))


def left(figures: Figures) -> str:
    """Where the time of a warm event goes; empty where that was not measured."""
    case = warm.at_once(1)
    whole, bare = (figures.median(warm.WARM, case, who) for who in (TASKGATE, BARE))
    processor = figures.median(cost.COST, cost.CPU, TASKGATE)
    if whole is None or bare is None or processor is None:
        return ""
    return (
        f"A warm event takes {digits(1000 * whole)} ms. The API server takes {digits(1000 * bare)} ms of that, and the "
        f"function {digits(processor)} ms of CPU time."
    )


def in_words(chart: Chart, figures: Figures) -> str:
    """Return the medians for readers who do not see the picture."""
    groups = chart.groups(figures)
    cases = []
    for case, values in groups:
        medians = "; ".join(f"{who} {digits(spread.median)}" for who, spread in values)
        cases.append(f"{case}: {medians}" if len(groups) > 1 else medians)
    return f"Medians, {chart.unit}: {'. '.join(cases)}"


def tables(figures: Figures) -> str:
    """All that was measured, for a terminal."""
    found = [f"{chart.title}\n{chart_table(chart, figures)}" for chart in CHARTS if chart.groups(figures)]
    return "\n\n".join([*found, *_size(figures), *figures.notes])


def chart_table(chart: Chart, figures: Figures) -> str:
    """Median and spread of each."""
    groups = chart.groups(figures)
    cells = [
        [
            f"{case}, {who}" if len(groups) > 1 else who,
            digits(spread.median),
            f"{digits(spread.low)}-{digits(spread.high)}" if spread.count > 1 else "",
        ]
        for case, values in groups
        for who, spread in values
    ]
    return _table(["", f"median, {chart.unit}", "quartiles"], cells) if cells else ""


def _size(figures: Figures) -> list[str]:
    """What the container needs on disk, and the memory of a process for each event."""
    disk = [
        [case, who, f"{value:,.3g}"]
        for case in figures.cases(size.DISK)
        for who in figures.who(size.DISK, case)
        if (value := figures.median(size.DISK, case, who)) is not None
    ]
    memory = [
        [who, digits(spread.median), digits(1000 * (figures.median(cost.COST, cost.SECONDS, who) or 0))]
        for who in figures.who(cost.COST, cost.MEMORY)
        if (spread := figures.spread(cost.COST, cost.MEMORY, who))
    ]
    parts = []
    if disk:
        parts.append("What is installed above the base image, bytecode included.")
        parts.append(_table(["what", "whose", "how much"], disk))
    if memory:
        parts.append(
            "Most memory of one process, and time of one event, of a function and of a process for each event."
        )
        parts.append(_table(["", "peak MB, median", "ms, median"], memory))
    return parts


def _busy(run: dict[str, object]) -> str:
    idle = float(str(run["load"])) <= 0.25 * int(str(run["cores"]))
    return "" if idle else ": **there was other work**, so times vary more than they should"


def _table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)

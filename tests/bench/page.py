"""Figures -> docs/benchmarks.md and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import cold, cost, goals, profile, scale, size, warm
from tests.bench.contenders import BARE, BARE_APART, TASKGATE
from tests.bench.figures import Figures
from tests.bench.plots import Bar, Group, bars
from tests.bench.spread import Spread, digits

_LARGEST = 14


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
        "From exec of the container's command until the gate of the first event is open; for a hello world until its "
        "first answer.\nThe hello worlds are run by `functions-framework` as in production; those with the same "
        "packages import\n`kubernetes`, `pydantic`, `cloudevents` and `yaml`. All bytecode is compiled.",
        cold.ALL_CORES,
        "ms",
        "milliseconds from exec to the open gate, or to the first answer",
        1000,
    ),
    Chart(
        "cold-half-core",
        "Cold start, half a core",
        "The same with the process held to half a core, as a CPU limit of 500m does.",
        cold.HALF_CORE,
        "ms",
        "milliseconds from exec to the open gate, or to the first answer",
        1000,
    ),
    Chart(
        "cold-parts",
        "The parts of a cold start",
        "A probe asked in between tells the parts apart: the interpreter and the socket; all imports and the server; "
        "the event\nwith its API calls, the connection and TLS.",
        cold.PARTS,
        "ms",
        "milliseconds",
        1000,
        ours=_any,
    ),
    Chart(
        "cold-imports",
        "What the imports take",
        f"`python -X importtime`, by package, each without what it imports in turn; the {_LARGEST} largest. "
        "The measuring makes them\nslower than they are: read them against each other.",
        cold.IMPORTS,
        "ms",
        "milliseconds in the package's own modules, while measured",
        1000,
        ours=cold.OURS.__eq__,
        shown=_LARGEST,
    ),
    Chart(
        "warm",
        "Warm events",
        "One event of 24 kB, each for another waiting Workflow, on kept connections. The two bare API calls are the "
        "GET of that\nWorkflow and the very JSON Patch that Taskgate writes, by a client of a few socket calls: what "
        "the API server itself takes.\nFor a client that does something in between it takes longer: its caches are "
        "cold by then. The work is not counted.\nAPI server, functions and client share the machine.",
        warm.WARM,
        "ms",
        "milliseconds for one event",
        1000,
        cases=(warm.at_once(1),),
    ),
    Chart(
        "warm-many",
        "Warm events, several at a time",
        "The same with 8 and 32 connections. The cores are busy then, with API server and client too.",
        warm.WARM,
        "ms",
        "milliseconds for one event",
        1000,
        cases=(warm.at_once(8), warm.at_once(32)),
    ),
    Chart(
        "profile",
        "What a warm event executes",
        "Instructions of Python's bytecode for one event, whose they are; the standard library's stand under what they "
        "do. Parsing\nJSON, TLS and the kernel are no bytecode, so this is the profile of the interpreter alone, and "
        "the same on every machine.",
        profile.PROFILE,
        "instructions",
        "bytecode instructions",
        ours=profile.OURS.__eq__,
        shown=_LARGEST,
    ),
    Chart(
        "large",
        "Large Workflows",
        "The same, one at a time, for Workflows of 900 kB with 2,000 nodes, and with those nodes compressed as Argo "
        "packs them.\nThe function in Go can't read compressed ones.",
        warm.LARGE,
        "ms",
        "milliseconds for one event",
        1000,
    ),
    Chart(
        "cpu",
        "CPU for each event",
        "User and system time of the function's process, and of a process for each event with all that it runs. The "
        "script finds\nthe Workflow by its label, takes the first and patches its node.",
        cost.COST,
        "s",
        "CPU seconds for 1,000 events",
        cases=(cost.CPU,),
    ),
    Chart(
        "scale",
        "How many Workflows wait",
        "The time of one event when 100, 1,000 and 10,000 Workflows wait in the same namespace, each number on an API "
        "server of\nits own. By label: the rules have no `name`, so a LIST of metadata comes first.",
        scale.SCALE,
        "ms",
        "milliseconds for one event",
        1000,
        ours=_any,
    ),
    Chart(
        "memory",
        "Memory",
        "Resident memory of the process, of gunicorn's hello worlds that of the larger of their two. The hello worlds "
        "got requests,\nthe function in Go a tenth of the events. Peak is the most that ever was resident.",
        size.MEMORY,
        "MB",
        "megabytes of the largest process",
    ),
)


def write(figures: Figures, docs: Path) -> None:
    """Write the document and its pictures.

    Args:
        docs: the folder of the documents.
    """
    (docs / "benchmarks").mkdir(parents=True, exist_ok=True)
    for chart in CHARTS:
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
            "`make bench` measures and writes this; `python -m tests.bench --render` writes it again from\n"
            "[the raw figures](benchmarks/figures.json). Read the figures against each other: all of them are of one "
            "machine that\nran function, API server and client at once. Contenders took turns, round by round. "
            "The function starts as in its pod:\nthe image's command and variables, the service account's "
            "files where the kubelet puts them, a token of the sender."
        ),
        _table(
            ["measured", "on"],
            [
                ["date, commit", f"{run['date']}, {run['commit']}"],
                ["machine", f"{run['cores']} cores, {run['cpu']}, {run['memory']}, Linux {run['kernel']}"],
                ["Python", run["python"]],
                ["Kubernetes API", run["api"]],
                ["half a core is", run.get("half a core", "-")],
                ["load at the start", f"{run['load']}{_busy(run)}"],
                ["command, time taken", f"`{run['command']}`, {run['seconds'] / 60:.0f} min"],
            ],
        ),
        "## Goals",
        "Each figure is one median divided by another.",
        goals_table(figures),
        left(figures),
    ]
    if figures.notes:
        parts.append("\n".join(f"- {note}" for note in figures.notes))
    for chart in CHARTS:
        if chart.groups(figures):
            parts += [f"## {chart.title}", chart.text, f"![{chart.title}](benchmarks/{chart.file}.svg)"]
            parts.append(chart_table(chart, figures))
    parts += ["## Size", *_size(figures)]
    return "\n\n".join(part for part in parts if part) + "\n"


def goals_table(figures: Figures) -> str:
    """Each goal with its figure."""
    return _table(["ratio", "Taskgate", "goal: at most", "wanted", "", "Go"], goals.rows(figures))


def left(figures: Figures) -> str:
    """Where the time of a warm event goes; empty where that was not measured."""
    case = warm.at_once(1)
    whole, bare, apart = (figures.median(warm.WARM, case, who) for who in (TASKGATE, BARE, BARE_APART))
    processor = figures.median(cost.COST, cost.CPU, TASKGATE)
    instructions = figures.of_case(profile.PROFILE, profile.WARM_EVENT)
    if whole is None or bare is None or apart is None or processor is None or not instructions:
        return ""
    own = instructions.get(profile.OURS, 0) / sum(instructions.values())
    return (
        f"Of the {digits(1000 * whole)} ms of a warm event, the API server takes {digits(1000 * bare)} where the two "
        f"calls follow each other at once,\nand {digits(1000 * apart)} where their client works for 1 ms before each. "
        f"The function takes {digits(processor)} ms of processor time. Of the\ninstructions of Python in it {own:.0%} "
        "are Taskgate's; the others are those of the server, the framework and the HTTP\nclient that it is built on "
        "([below](#what-a-warm-event-executes)). What is left to win is in them:\nhttp.client reads the head of each "
        "answer with the parser for e-mails, and h11 is HTTP in Python. httptools, which is\nfaster, has no bounds and "
        "loses the body of a request that offers an upgrade, as clients in Java do."
    )


def tables(figures: Figures) -> str:
    """All that was measured, for a terminal."""
    found = [f"{chart.title}\n{chart_table(chart, figures)}" for chart in CHARTS if chart.groups(figures)]
    return "\n\n".join([*found, *_size(figures), *figures.notes])


def chart_table(chart: Chart, figures: Figures) -> str:
    """Median and spread of each."""
    groups = chart.groups(figures)
    cells = [
        [
            *([case] if len(groups) > 1 else []),
            who,
            *(digits(each) for each in (spread.median, spread.least, spread.low, spread.high)),
            f"{spread.count:,}",
        ]
        for case, values in groups
        for who, spread in values
    ]
    head = ["", f"median, {chart.unit}", "minimum", "lower quartile", "upper quartile", "values"]
    return _table([*([""] if len(groups) > 1 else []), *head], cells) if cells else ""


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

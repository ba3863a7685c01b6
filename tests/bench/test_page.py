"""Figures become goals, tables and pictures; nothing that was not measured is claimed."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import cold, cost, goals, page, profile, scale, size, warm
from tests.bench.contenders import ASGI, ASGI_PACKAGES, BARE, BARE_APART, GO, TASKGATE, WSGI, WSGI_PACKAGES
from tests.bench.figures import Figures

RUN = {
    "date": "2026-11-25",
    "commit": "0123456789ab",
    "cores": 2,
    "cpu": "a processor",
    "memory": "8 GB",
    "python": "3.11.7",
    "kernel": "6.1",
    "load": "0.10",
    "api": "kube-apiserver and etcd",
    "command": "make bench",
    "seconds": 480,
    "failures": 0,
}


@pytest.fixture
def figures() -> Figures:
    """Every case, with values that are easy to divide."""
    found = Figures(dict(RUN))
    peers = {TASKGATE: 2.0, GO: 0.1, WSGI: 1.0, ASGI: 1.25, WSGI_PACKAGES: 2.0, ASGI_PACKAGES: 2.5}
    for case in (cold.ALL_CORES, cold.HALF_CORE):
        for who, seconds in peers.items():
            found.add(case, "seconds", who, seconds, seconds * 1.1, seconds * 0.9)
    for part in (cold.LISTENS, cold.ANSWERS, cold.OPENS):
        found.add(cold.PARTS, "seconds", part, 0.1, 0.2)
    for number in range(20):
        found.add(cold.IMPORTS, "seconds", f"package{number}", number / 1000)
    for who, seconds in ((TASKGATE, 0.003), (BARE, 0.002), (GO, 0.0025)):
        for count in (1, 8, 32):
            found.add(warm.WARM, warm.at_once(count), who, seconds * count, seconds * count * 1.5)
        found.add(warm.LARGE, warm.large_case("large"), who, seconds * 60)
        found.add(warm.FULL, warm.large_case("small"), who, seconds * 2)
    found.add(warm.WARM, warm.at_once(1), BARE_APART, 0.0025)
    found.add(profile.PROFILE, profile.WARM_EVENT, profile.OURS, 10_000)
    found.add(profile.PROFILE, profile.WARM_EVENT, "urllib3", 30_000)
    for who, seconds in ((TASKGATE, 3.0), (GO, 1.0), (cost.KUBECTL, 60.0)):
        found.add(cost.COST, cost.CPU, who, seconds)
        found.add(cost.COST, cost.MEMORY, who, 60)
        found.add(cost.COST, cost.SECONDS, who, 0.01)
    for count, seconds in zip(scale.SIZES, (0.005, 0.005, 0.0055), strict=True):
        found.add(scale.SCALE, scale.case(count), scale.BY_NAME, seconds)
        found.add(scale.SCALE, scale.case(count), scale.BY_LABEL, seconds * 2)
    found.add(size.DISK, size.PACKAGES, TASKGATE, 45)
    for who, megabytes in ((TASKGATE, 64.0), (WSGI, 37.0), (GO, 18.0)):
        found.add(size.MEMORY, size.PEAK, who, megabytes)
    return found


def verdicts(figures: Figures) -> dict[str, str]:
    return {goal.name: goal.verdict(figures) for goal in goals.GOALS if goal.judged}


def test_a_goal_is_what_the_figures_say(figures: Figures) -> None:
    found = verdicts(figures)
    assert found["cold start / plain hello world, all cores"] == "met, target missed"
    assert found["warm, one at a time / two bare API calls"] == "met, target missed"
    assert found["warm, Workflow of 900 kB / two bare API calls"] == "**missed**"
    assert found["peak memory / plain hello world"] == "**missed**"
    assert found["10,000 Workflows waiting / 100, found by name"] == "met"
    assert found["CPU per event / one `kubectl patch`"] == "met"


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert set(verdicts(Figures(dict(RUN))).values()) == {"not measured"}


def test_each_goal_follows_its_figures(figures: Figures) -> None:
    """Worse figures of the function turn each goal that is met into one that is missed."""
    for key in figures.values:
        if key[2] == TASKGATE or key[1] == scale.case(scale.SIZES[-1]):
            figures.values[key] = [value * 100 for value in figures.values[key]]
    assert set(verdicts(figures).values()) == {"**missed**"}


def test_go_stands_beside(figures: Figures) -> None:
    (row,) = [row for row in goals.rows(figures) if row[0].startswith("warm, one at a time")]
    assert row[1] == "1.50"
    assert row[-1] == "1.25"


def test_the_page_shows_every_picture_that_it_has(figures: Figures, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: `make bench` installs it")
    page.write(figures, tmp_path)
    text = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
    assert sorted(shown) == sorted(f"benchmarks/{file.name}" for file in (tmp_path / "benchmarks").glob("*.svg"))
    assert len(shown) == len(page.ON_PAGE)
    for name, chart in zip(shown, page.ON_PAGE, strict=True):
        root = ElementTree.parse(tmp_path / name).getroot()  # noqa: S314 - we made it
        texts = {"".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")}
        labels = {who for _, values in chart.groups(figures) for who, _ in values}
        assert {chart.title, chart.axis, *labels} <= texts
    for fact in ("0123456789ab", "a processor", "`make bench`, 8 min", "3.11.7", "kube-apiserver and etcd"):
        assert fact in text


def test_only_the_largest_imports_are_shown(figures: Figures) -> None:
    (chart,) = [chart for chart in page.CHARTS if chart.file == "cold-imports"]
    table = page.chart_table(chart, figures)
    assert "package19" in table
    assert "package2 " not in table


def test_where_the_time_of_a_warm_event_goes_is_told(figures: Figures) -> None:
    told = page.document(figures).replace("\n", " ")
    assert "takes 3.75 ms. The API server takes 2.50 ms of that, and the function 3.00 ms of CPU time." in told
    del figures.values[warm.WARM, warm.at_once(1), BARE]
    assert "A warm event takes" not in page.document(figures)


def test_a_peer_that_failed_leaves_the_others_on_the_page(figures: Figures) -> None:
    figures.values = {key: values for key, values in figures.values.items() if key[2] != GO}
    figures.note("Go, client-go failed in `warm`: no answer.")
    text = page.document(figures)
    assert "- Go, client-go failed in `warm`: no answer." in text
    assert "| 1.50 | 1.7 | 1.4 | met, target missed | - |" in text


def test_a_busy_machine_is_told(figures: Figures) -> None:
    assert "other work" not in page.document(figures)
    figures.run["load"] = "3.20"
    assert "3.20: **there was other work**" in page.document(figures)


def test_figures_are_the_same_after_they_were_saved(figures: Figures, tmp_path: Path) -> None:
    figures.note("A sentence.")
    figures.save(tmp_path / "figures.json")
    again = Figures.load(tmp_path / "figures.json")
    assert page.document(again) == page.document(figures)
    assert list(again.values) == list(figures.values)


def test_a_table_survives_a_name_with_a_bar(figures: Figures) -> None:
    figures.add(warm.WARM, warm.at_once(1), "a|b", 1.0)
    (chart,) = [chart for chart in page.CHARTS if chart.file == "warm"]
    (line,) = [line for line in page.chart_table(chart, figures).splitlines() if "a\\|b" in line]
    assert line.count(" | ") == 2

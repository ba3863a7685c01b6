"""The experiments of the report run here, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.processes import Processes
from tests.experiments.catalogue import EXPERIMENTS, MODULES, SECTIONS
from tests.experiments.page import PAGE, row, versions
from tests.experiments.snippets import loaded, printed
from tests.experiments.stage import Stage, running_stage

# JetStream waits half a minute for an acknowledgement.
SLOW = {"D10"}


@pytest.fixture(scope="module")
def stage(tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_stage(tools, processes, tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.mark.parametrize("key", [key for key in EXPERIMENTS if key not in SLOW])
def test_the_report_has_the_result(stage: Stage, key: str) -> None:
    assert row(key, EXPERIMENTS[key].run(stage)) in PAGE.read_text().splitlines()


def test_every_experiment_has_one_row() -> None:
    rows = re.findall(r"^\| \[?([A-Z]\d+)\b", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(EXPERIMENTS)
    assert {key[0] for key in EXPERIMENTS} == set(SECTIONS) == set(MODULES)


def test_every_printed_snippet_is_run_by_its_experiment() -> None:
    assert set(printed()) <= set(EXPERIMENTS)
    run = {printed()[key] for key in loaded()}
    assert [key for key, block in printed().items() if block not in run] == []


def test_the_versions_are_those_of_the_tools() -> None:
    text = PAGE.read_text()
    assert [name for name, version in versions().items() if f"{name} {version}" not in text] == []

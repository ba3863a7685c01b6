"""The experiments of the report run here too, and show what the report says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.processes import Processes
from tests.experiments.catalogue import EXPERIMENTS, MODULES, SECTIONS
from tests.experiments.page import PAGE, row, versions
from tests.experiments.stage import Stage, running_stage

# Half a minute, because JetStream waits that long for an acknowledgement.
SLOW = {"D10"}


@pytest.fixture(scope="module")
def stage(tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_stage(tools, processes, tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.mark.parametrize("key", [key for key in EXPERIMENTS if key not in SLOW])
def test_what_is_seen_is_what_the_report_says(stage: Stage, key: str) -> None:
    assert row(key, EXPERIMENTS[key].run(stage)) in PAGE.read_text().splitlines()


def test_every_experiment_has_its_row_and_no_other_is_there() -> None:
    rows = [line.split(" | ")[0].removeprefix("| ") for line in PAGE.read_text().splitlines()]
    assert sorted(key for key in rows if key in EXPERIMENTS) == sorted(EXPERIMENTS)
    assert {key[0] for key in EXPERIMENTS} == set(SECTIONS) == set(MODULES)


def test_the_versions_are_those_of_the_tools() -> None:
    text = PAGE.read_text()
    assert [name for name, version in versions().items() if f"| {name} | {version} |" not in text] == []

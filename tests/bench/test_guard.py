"""A new import before the first event, or a call more, has to be a decision."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bench import guard
from tests.bench.installation import ROOT, NotThere


def see(app: Path, *more: Path) -> list[str]:
    try:
        return guard.see(app, *more)
    except NotThere as reason:
        pytest.skip(str(reason))


def test_nothing_new_is_imported_or_asked_before_the_first_gate_is_open() -> None:
    listed = guard.read()
    if listed[0] != guard.python():
        pytest.skip(f"the list is for {listed[0]}, as in the image: run the tests with it instead of {guard.python()}")
    assert guard.difference(listed, see(ROOT)) == ""


@pytest.mark.parametrize("module", ["service/pipeline.py", "cli/serve.py", "core/rules.py"])
def test_an_import_on_the_way_of_an_event_is_noticed(tmp_path: Path, module: str) -> None:
    """A stand-in for a heavy package, imported where an event passes."""
    app, packages = tmp_path / "app", tmp_path / "packages"
    shutil.copytree(ROOT / "func", app / "func", ignore=shutil.ignore_patterns("__pycache__"))
    (packages / "weight").mkdir(parents=True)
    (packages / "weight" / "__init__.py").write_text("import weight.more\n", encoding="utf-8")
    (packages / "weight" / "more.py").write_text("", encoding="utf-8")
    file = app / "func" / module
    first = "from __future__ import annotations\n"
    text = file.read_text(encoding="utf-8")
    assert first in text
    file.write_text(text.replace(first, f"{first}import weight\n"), encoding="utf-8")

    told = guard.difference(see(ROOT, packages), see(app, packages))

    assert told.startswith("New before the first event: module weight, module weight.more. ")
    assert "inside the function that needs it" in told
    assert "`python -m tests.bench.guard` writes it down" in told
    assert "No longer there" not in told


def test_a_call_more_is_noticed() -> None:
    listed = ["python 3.11", "call GET", "call PATCH", "module func"]
    told = guard.difference(listed, ["python 3.11", "call GET", "call GET", "call PATCH", "module func"])
    assert "makes other calls: call GET, call GET, call PATCH; they were call GET, call PATCH." in told


def test_an_import_that_is_gone_is_taken_off_the_list() -> None:
    told = guard.difference(["module weight"], [])
    assert told == "No longer there: module weight. If it is meant, `python -m tests.bench.guard` writes it down."


def test_of_the_standard_library_only_packages_count() -> None:
    assert guard.lines({"json", "json.decoder", "_json", "weight.more", "weight"}) == [
        "standard json",
        "module weight",
        "module weight.more",
    ]

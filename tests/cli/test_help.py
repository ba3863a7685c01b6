"""What the command line says of itself: help, exit codes, completion."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from func.__main__ import main
from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests.cli.running import taskgate
from tests.docs.markdown import DOCS
from tests.recorded_workflows import waiting_workflow

COMMANDS = main.list_commands(click.Context(main))


def exit_codes(text: str) -> set[tuple[str, str]]:
    """(code, meaning) of all lists of exit codes in a help text."""
    found = set()
    for block in re.findall(r"^  Exit codes.*:\n((?:    .*\n)+)", text, re.MULTILINE):
        found |= {(code, meaning) for code, meaning in re.findall(r"^ +(\d+) +(.+)$", block, re.MULTILINE)}
    return found


def test_the_list_of_commands_is_not_cut() -> None:
    text = taskgate("--help", environment={"COLUMNS": "80"}).output
    listed = text.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    assert [line for line in listed if line.endswith("...") or len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_examples_and_exit_codes(name: str) -> None:
    text = taskgate(name, "--help").output
    assert re.search(rf"^  Examples:\n(    .*\n)*    .*\btaskgate {name}\b", text, re.MULTILINE)
    codes = exit_codes(text)
    assert ("2", "wrong usage") in codes
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name in ("check", "explain", "waiting", "replay", "demo")]
)
def test_commands_that_show_data_have_it_as_json_too(name: str) -> None:
    assert "--output [table|json]" in taskgate(name, "--help").output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_a_shell_evaluates(shell: str) -> None:
    if shell == "bash" and not shutil.which("bash"):
        pytest.skip("bash is not installed, which click asks for its version: install bash")
    result = taskgate(environment={"_TASKGATE_COMPLETE": f"{shell}_source"})
    assert result.exit_code == 0
    assert "_TASKGATE_COMPLETE=" in result.output
    assert f'eval "$(_TASKGATE_COMPLETE={shell}_source taskgate)"' in (DOCS / "reference.md").read_text() or (
        shell == "fish" and "_TASKGATE_COMPLETE=fish_source taskgate | source" in (DOCS / "reference.md").read_text()
    )


def completed(typed: str, **environment: str) -> list[str]:
    """What the shell would offer after these words."""
    words = typed.split(" ")
    asked = {"_TASKGATE_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    lines = taskgate(environment={**asked, **environment}).output.splitlines()
    return [line.partition(",")[2] for line in lines if line]


def test_completion_of_commands_options_values_and_workflows(
    cluster: EmbeddedCluster, environment: dict[str, str], unreachable: dict[str, str]
) -> None:
    assert completed("taskgate ex") == ["explain"]
    assert completed("taskgate waiting --outp") == ["--output"]
    assert completed("taskgate waiting --output j") == ["json"]
    for task in (3, 4):
        cluster.store.load(WORKFLOWS, waiting_workflow(task))
    cluster.store.load(WORKFLOWS, waiting_workflow(5, None))
    workflows = completed("taskgate explain --workflow play", **environment)
    assert workflows == ["play-task-3-workflow", "play-task-4-workflow"]
    assert completed("taskgate explain --workflow play", **unreachable) == []
    assert completed("taskgate explain --workflow play") == []


def test_a_real_bash_takes_the_completion(tmp_path: Path) -> None:
    script = taskgate(environment={"_TASKGATE_COMPLETE": "zsh_source"}).output
    assert "#compdef taskgate" in script
    shell = f'eval "$(_TASKGATE_COMPLETE=bash_source {sys.executable} -m func)"; complete -p taskgate'
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert "taskgate" in run.stdout, run.stderr

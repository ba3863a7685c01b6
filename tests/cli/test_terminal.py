"""What the commands do on a terminal only: colours, lines that fit, progress."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.service.settings import BUILT_IN_RULES
from tests import payloads
from tests.cli.events import cloudevent, written
from tests.cli.stand_in import Function
from tests.recorded_workflows import waiting_workflow
from tests.remembering import merge, remembering

DELIVERY = "7e41c3a0-5e6c-11f0-8d5c-0242ac120002"


def on_a_terminal(*arguments: object, columns: int = 80, **environment: str) -> str:
    """What a person would see of a command."""
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "func", *map(str, arguments)],
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **environment},
        stdin=side,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:
        pass  # Linux says so when the other side is closed
    finally:
        os.close(terminal)
        process.wait(20)
    return shown.decode()


def test_colours_on_a_terminal_unless_they_are_not_wanted(tmp_path: Path) -> None:
    file = written(cloudevent(payloads.approved()), tmp_path / "event.json")
    assert "\x1b[1m" in on_a_terminal("check", BUILT_IN_RULES, "--events", file)
    assert "\x1b" not in on_a_terminal("check", BUILT_IN_RULES, "--events", file, NO_COLOR="1")


@pytest.mark.parametrize("command", ["waiting", "explain", "replay"])
@pytest.mark.parametrize("columns", [60, 80])
def test_tables_fit_and_break_no_name(
    cluster: EmbeddedCluster,
    environment: dict[str, str],
    function: Function,
    tmp_path: Path,
    command: str,
    columns: int,
) -> None:
    name, repository = "play-workflow-with-a-generated-name-x7k2p", "a-very-long-name-of-a-repository"
    workflow = remembering(waiting_workflow(3, repository=repository, name=name), [merge()])
    cluster.store.load(WORKFLOWS, workflow)
    event = cloudevent(payloads.approved(by="somebody-with-a-long-name"), delivery=DELIVERY)
    file = written(event, tmp_path / "event.json")
    arguments: dict[str, tuple[object, ...]] = {
        "waiting": (),
        "explain": (file,),
        "replay": (file, "--to", function.url),
    }
    whole = {
        "waiting": (name, repository, "wait-pr-approved", "5dlabs/cto#123"),
        "explain": (DELIVERY, "pull_request_review.submitted", "somebody-with-a-long-name", "wait-pr-approved"),
        "replay": (DELIVERY, "com.github.pull_request_review"),
    }
    shown = on_a_terminal(command, *arguments[command], columns=columns, NO_COLOR="1", **environment)
    assert max(map(len, shown.splitlines())) <= columns
    assert [each for each in whole[command] if each not in shown] == []


def test_a_story_fits_a_narrow_terminal_but_for_commands_to_copy(
    cluster: EmbeddedCluster, environment: dict[str, str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    shown = on_a_terminal("explain", "--workflow", "play-task-3-workflow", columns=60, NO_COLOR="1", **environment)
    story, _, commands = shown.partition("Run next:")
    assert max(map(len, story.splitlines())) <= 60
    assert any(line.startswith("  argo resume ") and len(line) > 60 for line in commands.splitlines())


def test_rows_in_a_pipe_are_one_line_each_without_colours(
    cluster: EmbeddedCluster, environment: dict[str, str]
) -> None:
    workflow = remembering(waiting_workflow(3, repository="a-very-long-name-of-a-repository"), [merge()])
    cluster.store.load(WORKFLOWS, workflow)
    run = subprocess.run(
        [sys.executable, "-m", "func", "waiting"],
        env={**os.environ, **environment, "COLUMNS": "60", "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in run.stdout
    assert len(run.stdout.splitlines()) == 2


def test_progress_shows_while_many_events_are_read(tmp_path: Path) -> None:
    for number in range(3):
        written(cloudevent(payloads.approved()), tmp_path / f"{number}.json")
    shown = on_a_terminal("check", BUILT_IN_RULES, "--events", tmp_path)
    assert "Reading" in shown
    assert "3/3" in shown
    assert "Deciding" in shown


def test_progress_shows_while_the_cluster_fills(tmp_path: Path) -> None:
    shown = on_a_terminal("demo", "--tasks", 3, "--folder", tmp_path)
    assert "Filling the cluster with 3 Workflows" in shown
    assert "3/3" in shown
    assert "\x1b[32m" in shown
    assert "One event opened one gate of one Workflow" in shown


def test_the_words_above_a_command_are_comments_on_a_narrow_terminal(
    cluster: EmbeddedCluster, environment: dict[str, str]
) -> None:
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    name = "play-task-3-workflow"
    shown = on_a_terminal("explain", "--workflow", name, columns=60, NO_COLOR="1", **environment)
    _, _, steps = shown.partition("Run next:")
    programs = ("# ", "kubectl ", "taskgate ", "argo ")
    assert [line for line in steps.splitlines()[1:] if not line.strip().startswith(programs)] == []

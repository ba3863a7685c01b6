"""What the commands do on a terminal only: colours, lines that fit, progress."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from func.settings import BUILT_IN_RULES


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


def test_colours_on_a_terminal_unless_they_are_not_wanted() -> None:
    assert "\x1b[1m" in on_a_terminal("check", BUILT_IN_RULES)
    assert "\x1b" not in on_a_terminal("check", BUILT_IN_RULES, NO_COLOR="1")


def test_tables_fit_the_terminal() -> None:
    for columns in (60, 80, 120):
        shown = on_a_terminal("check", BUILT_IN_RULES, columns=columns, NO_COLOR="1")
        assert max(len(line) for line in shown.splitlines() if "gates.yaml" not in line) <= columns


def test_progress_shows_while_the_cluster_fills(tmp_path: Path) -> None:
    shown = on_a_terminal("demo", "--tasks", 3, "--folder", tmp_path)
    assert "Filling the cluster with 3 Workflows" in shown
    assert "100%" in shown
    assert "\x1b[32m" in shown
    assert "One event opened one gate of one Workflow" in shown

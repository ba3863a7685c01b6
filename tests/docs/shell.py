"""Runs the commands of a document in one shell, in order, as a reader would paste them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.markdown import ROOT, blocks

_END = "--- end of answer ---"
# `kubectl logs` needs a kubelet; the function's own log stands for it. No controller finishes deleted namespaces.
_KUBECTL = """#!/bin/bash
case " $* " in
  *" logs "*) cat "$FUNCTION_LOG" ;;
  *" delete -k "*) exec {kubectl} "$@" --wait=false ;;
  *) exec {kubectl} "$@" ;;
esac
"""
_TASKGATE = f'#!/bin/bash\nPYTHONPATH={ROOT} exec {sys.executable} -m func "$@"\n'


def examples(text: str) -> list[tuple[str, str]]:
    """Return (command, shown answer) in order. A block of `sh` has no answer."""
    found = []
    for language, block in blocks(text):
        if language == "sh":
            found.append((block.strip(), ""))
        elif language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, answer = part.partition("\n")
                found.append((command, answer.strip()))
    return found


def on_a_cluster(kubeconfig: Path, tools: Path, folder: Path) -> dict[str, str]:
    """Return the environment of a shell with `kubectl` and `taskgate`. FUNCTION_LOG is the function's log.

    Args:
        folder: An empty one, for the two and as HOME.
    """
    for name, text in (("kubectl", _KUBECTL.format(kubectl=tools / "kubectl")), ("taskgate", _TASKGATE)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder), "KUBECONFIG": str(kubeconfig), "LC_ALL": "C"}


class Shell:
    """A shell that stays up, and ends what was started in it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate()

    def run(self, command: str) -> str:
        """Return what a command prints."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{command}\necho; echo {shlex.quote(_END)}\n")
        self._process.stdin.flush()
        lines = []
        while (line := self._process.stdout.readline()) != f"{_END}\n":
            assert line, f"the shell ended at: {command}"
            lines.append(line)
        return "".join(lines).strip()

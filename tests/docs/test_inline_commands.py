"""Commands in sentences and tables, and all `make` lines: each is one that its program accepts.

Blocks of commands are run as a whole: tests/docs/test_commands.py. `log` is a function of the runbook, which runs it.
Programs of others that no test installs (gh, ssh, docker, mutmut) are not asked.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from func.__main__ import main
from tests.docs.markdown import DOCS, ROOT, blocks, documents, without_blocks
from tests.manifests.building import kubectl

Words = list[str]
# What the pages call a file of the reader's.
FILES = {"gates.yaml": "func/gates.yaml", "payload.json": "docs/events/approved-task-3.json", "recorded": "docs/events"}
# Commands of argo that tests/data has no recording of, each with its flags.
# Source: argo-workflows v3.7.9, cmd/argo/commands/suspend.go:14, submit.go:99, workflow/util/util.go:224-230
ARGO = {
    "suspend": set[str](),
    "submit": {"--from", "--name", "-l", "-p"},
}


def _taskgate(words: Words) -> None:
    with contextlib.suppress(click.exceptions.Exit):  # --help
        context = main.make_context("taskgate", list(words))
        name, command, arguments = main.resolve_command(context, list(words))
        assert command
        if arguments:  # otherwise the page only names the command
            command.make_context(name, arguments, parent=context)


def _make(words: Words) -> None:
    subprocess.run(["make", "--dry-run", *words], cwd=ROOT, check=True, capture_output=True)


def _kubectl(words: Words) -> None:
    """Kubectl parses all flags before it prints its help."""
    run = subprocess.run([kubectl(), *words, "--help"], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def _argo(words: Words) -> None:
    known = {name: set(flags) for name, flags in ARGO.items()}
    for recording in (ROOT / "tests/data").glob("argo-recordings*/*/argo.txt"):
        for line in re.findall(r"^\$ argo (.+)", recording.read_text(), re.MULTILINE):
            known.setdefault(line.split()[0], set()).update(_flags(line.split()))
    assert _flags(words) <= known[words[0]] | {"-n"}, words


def _flags(words: Words) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("-")}


def _python(words: Words) -> None:
    assert importlib.util.find_spec(words[0])


def _pip(words: Words) -> None:
    command, what = words
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert command == "install"
    assert what in (".", *(f".[{extra}]" for extra in extras))


PROGRAMS: dict[str, Callable[[Words], None]] = {
    "taskgate": _taskgate, "make": _make, "kubectl": _kubectl, "argo": _argo, "python -m": _python, "pip": _pip
}  # fmt: skip
_PROGRAM = re.compile(rf"(?:\.venv/bin/)?({'|'.join(PROGRAMS)}) ")


def _commands() -> Iterator[tuple[str, str]]:
    for document in documents():
        text = document.read_text()
        spans = re.findall(r"`([^`]+)`", without_blocks(text))
        lines = [line for language, block in blocks(text) if language == "sh" for line in block.splitlines()]
        for command in [*spans, *(line for line in lines if line.startswith("make "))]:
            yield str(document.relative_to(ROOT)), " ".join(command.replace("\\|", "|").split())
    for file in DOCS.rglob("*.yaml"):
        for command in re.findall(r"^#   (argo (?:.*\\\n#)*.*)", file.read_text(), re.MULTILINE):
            yield str(file.relative_to(ROOT)), command.replace("\\\n#", "")


def _cases() -> dict[str, str]:
    """Return the commands of the programs above, each with the first place that has it."""
    return {command: place for place, command in reversed(list(_commands())) if _PROGRAM.match(command)}


@pytest.mark.parametrize(
    "command", [pytest.param(command, id=f"{place}: {command}") for command, place in _cases().items()]
)
def test_its_program_accepts_it(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, file in {"docs": "docs", "knative": "knative", **FILES}.items():
        (tmp_path / name).symlink_to(ROOT / file)
    monkeypatch.chdir(tmp_path)
    alone = re.split(r" 2?>|[|;&]", re.sub(r"<([\w-]+)>", r"\1", command))[0]
    words = shlex.split(_PROGRAM.sub("", alone, 1), comments=True)
    PROGRAMS[_PROGRAM.findall(command)[0]](words)

"""Each check of a decision taken out of the code, and the tests that notice: `make mutants`.

The code is copied, one text in it is replaced by another, and the tests of the checks run against the copy. Prints a
table; exit code 1 when nobody notices a check that is gone, or when a text to replace is no longer there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = "tests/core/test_checks.py"
_FAILED = re.compile(rf"^FAILED {re.escape(TESTS)}::(\S+)", re.MULTILINE)
_SECONDS = 120


@dataclass(frozen=True)
class Mutant:
    """The code without one check.

    Args:
        check: its name in the table.
        file: below func/core.
        text: stands in the file exactly once.
        instead: what takes its place.
    """

    check: str
    file: str
    text: str
    instead: str


MUTANTS = (
    Mutant("task", "rules.py", "wanted = {self.labels.task: task.id}", "wanted: dict[str, str] = {}"),
    Mutant("repository", "rules.py", "        if self.labels.repository:\n", "        if False:\n"),
    Mutant("selector", "rules.py", "if not self.parsed_selector.matches(labels):", "if False:"),
    Mutant("stage", "workflows.py", 'and node.get("displayName") == gate', "and True"),
    Mutant("node type, read", "workflows.py", 'if raw.get("type") == "Suspend" else None', ""),
    Mutant("node type, written", "patches.py", '        _test(f"{path}/type", "Suspend"),\n', ""),
    Mutant("node phase, read", "decisions.py", '[node for node in nodes if node.phase == "Running"]', "nodes"),
    Mutant("node phase, written", "patches.py", '        _test(f"{path}/phase", node.phase),\n', ""),
    Mutant(
        "packed nodes, written",
        "patches.py",
        '        _test("/status/compressedNodes", workflow.raw["status"]["compressedNodes"]),\n',
        "",
    ),
    Mutant("uid, written", "patches.py", '[_test("/metadata/uid", workflow.ref.uid), *changes]', "changes"),
    Mutant("uid, of what is remembered", "state.py", "if state.uid == ref.uid:", "if True:"),
    Mutant("state, written", "patches.py", "return [_test(_annotation(), workflow.state), _add(", "return [_add("),
    Mutant(
        "person", "rules.py", "return any(group == ANYONE or self._has(group, facts) for group in by)", "return True"
    ),
    Mutant("fresh", "aim.py", "    if not facts.fresh:\n", "    if False:\n"),
    Mutant("fork", "aim.py", "    if not allowed:\n", "    if False:\n"),
    Mutant("inputs", "workflows.py", "and inputs.items() <= _inputs(node.raw).items()", "and True"),
    Mutant("pull request, bound", "decisions.py", "if bound not in (None, mine):", "if False:"),
    Mutant("pull request, closed", "decisions.py", "if closed and closed.pull_request == mine and", "if False and"),
    Mutant("age", "decisions.py", "return facts.happened < workflow.created - MAX_AGE", "return False"),
    Mutant("finished", "decisions.py", "    if workflow.finished:\n", "    if False:\n"),
    Mutant("happened-order, of keys", "decisions.py", "if key.happened > old.happened:", "if True:"),
    Mutant("happened-order, of withdrawals", "state.py", "return facts.happened <= self.happened", "return False"),
    Mutant(
        "happened-order, same second", "state.py", "facts.happened <= self.happened", "facts.happened < self.happened"
    ),
    Mutant("duplicate", "decisions.py", "    if used:\n", "    if False:\n"),
)


def run(mutant: Mutant | None) -> tuple[str, list[str]]:
    """Run the tests against a copy.

    Args:
        mutant: None for the code as it is.

    Returns: what is wrong with the run itself, else an empty text; and the tests that fail, the first of them.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "func", folder / "func", ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", folder)
        for part in ("core", "data"):
            shutil.copytree(ROOT / "tests" / part, folder / "tests" / part, ignore=ignored)
        for file in ("__init__.py", "recorded_workflows.py", "payloads.py"):
            shutil.copy(ROOT / "tests" / file, folder / "tests")
        if mutant:
            changed = folder / "func" / "core" / mutant.file
            code = changed.read_text(encoding="utf-8")
            if code.count(mutant.text) != 1:
                return f"{mutant.file} has {code.count(mutant.text)} times {mutant.text.strip()!r}, expected 1", []
            changed.write_text(code.replace(mutant.text, mutant.instead), encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-rf", "-p", "no:cacheprovider", TESTS],
            cwd=folder,
            env=dict(os.environ) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    if ended.returncode not in (0, 1):
        return f"the tests did not run: {' '.join(ended.stdout.split())[-200:]}", []
    return "", _FAILED.findall(ended.stdout)


def main() -> int:
    """Returns: the exit code."""
    wrong, failed = run(None)
    if wrong or failed:
        sys.stdout.write(f"The code as it is does not pass: {wrong or ', '.join(failed)}\n")
        return 1
    width = max(len(mutant.check) for mutant in MUTANTS)
    unnoticed = 0
    sys.stdout.write(f"{'without the check of'.ljust(width)}  fails\n")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, (wrong, failed) in zip(MUTANTS, pool.map(run, MUTANTS), strict=True):
            unnoticed += not failed
            shown = wrong or (failed[0] if failed else "NOTHING")
            sys.stdout.write(f"{mutant.check.ljust(width)}  {shown}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(MUTANTS) - unnoticed} of {len(MUTANTS)} are noticed.\n")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())

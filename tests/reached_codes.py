"""A plugin: which codes of `reasons.CODES` the tests of a run have reached, in all its workers.

`--require-all-codes` lets the run fail when one is missing; `make test` and `make check` give it.
"""

from __future__ import annotations

from typing import Any

import pytest

from func.core import reasons

REACHED: set[str] = set()
_WORKERS: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--require-all-codes", action="store_true", help="fail when no test reached one of CODES")


def pytest_configure() -> None:
    """Note each code whose sentence is asked for: no answer is without one."""
    original = reasons.Verdict.sentence

    def sentence(verdict: reasons.Verdict) -> str:
        REACHED.add(verdict.code)
        return str(original.__get__(verdict))

    reasons.Verdict.sentence = property(sentence)  # type: ignore[method-assign,assignment]


def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - of pytest-xdist
    """Take what a worker reached."""
    _WORKERS.update(getattr(node, "workeroutput", {}).get("codes", ()))


pytest_testnodedown = pytest.hookimpl(optionalhook=True)(pytest_testnodedown)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Give the controller what this worker reached; in the controller, fail where something is missing."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["codes"] = sorted(REACHED)
    elif session.config.getoption("--require-all-codes") and missing():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what is missing."""
    if config.getoption("--require-all-codes") and missing():
        terminalreporter.section("codes that no test has reached")
        terminalreporter.line(", ".join(missing()))


def missing() -> list[str]:
    """Return the codes that were not reached, in the order of the table."""
    return [code for code in reasons.CODES if code not in REACHED | _WORKERS]

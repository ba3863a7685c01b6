"""The explanations are what the command says, and tell reasons apart."""

from __future__ import annotations

import re

from func.core.reasons import CHECKS
from tests.docs.explanations import FILE, text


def test_they_are_what_the_command_says() -> None:
    assert FILE.read_text() == text(), "run: python -m tests.docs.explanations"


def test_each_check_that_an_event_can_fail_is_among_them() -> None:
    failed = set(re.findall(r"^NO   (\w+(?: \w+)?)  ", FILE.read_text(), re.MULTILINE))
    # Nobody asks a file for its token; a CloudEvent that is none says so in one line; no repositories are set.
    assert failed == set(CHECKS) - {"token", "cloudevent", "repository"}


def test_each_no_says_what_it_takes() -> None:
    for part in FILE.read_text().split("\n## ")[1:]:
        if "\nNO " in part:
            assert re.search(r"^What it takes: .", part, re.MULTILINE), part

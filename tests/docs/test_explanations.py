"""The page has what the command prints, for each check that an event can fail."""

from __future__ import annotations

import re

from func.core.reasons import CHECKS, CODES
from tests.docs.explanations import FILE, text


def test_they_are_what_the_command_says() -> None:
    assert FILE.read_text() == text(), "run: python -m tests.docs.explanations"


def test_each_check_that_an_event_can_fail_is_among_them() -> None:
    named = re.findall(r"code ([a-z-]+), HTTP|`([a-z-]+)`", FILE.read_text())
    failed = {CODES[code].check for code in map("".join, named) if code in CODES}
    # A file has no token. One that is not a CloudEvent gets one line. The rules built in set no repositories.
    assert failed >= set(CHECKS) - {"token", "cloudevent", "repository"}

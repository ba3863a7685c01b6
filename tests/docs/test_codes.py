"""The codes are documented as they are."""

from __future__ import annotations

from tests.docs.codes import FILE, text


def test_they_are_what_the_command_writes() -> None:
    assert FILE.read_text() == text(), "run: python -m tests.docs.codes"

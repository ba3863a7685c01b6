"""What the commands print."""

import pytest

from func.cli.output import Row, clean, table
from tests.cli.running import taskgate


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("5DLabs-Tess[bot]", "5DLabs-Tess[bot]"),
        ("Grüße, 世界", "Grüße, 世界"),
        ("red \x1b[31m", r"red \x1b[31m"),
        ("a\nb\tc\x00", r"a\nb\tc\x00"),
        ("left\u202eright", r"left\u202eright"),
        ("\ud800", r"\ud800"),
    ],
)
def test_nothing_reaches_the_terminal_that_it_would_act_on(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_columns_are_as_wide_as_they_need() -> None:
    assert table(("A", "LONGER"), [Row(("one", "two")), Row(("", "three"))]).splitlines()[1:] == [
        "one  two",
        "     three",
    ]


def test_the_widest_column_wraps_where_the_terminal_is_narrow() -> None:
    shown = table(("ID", "WHY"), [Row(("7", "it was never looked at by anybody"))], width=20).splitlines()
    assert shown[1:] == ["7   it was never", "    looked at by", "    anybody"]
    assert max(map(len, shown[1:])) <= 20


def test_the_commands_are_listed_and_each_has_help_with_examples() -> None:
    listed = taskgate("--help").output
    for command in ("cluster", "demo", "check", "explain", "waiting", "replay"):
        assert f"  {command} " in listed
        shown = taskgate(command, "--help")
        assert shown.exit_code == 0
        assert "Examples:" in shown.output


def test_completion_knows_the_commands() -> None:
    environment = {"_TASKGATE_COMPLETE": "bash_complete", "COMP_WORDS": "taskgate ", "COMP_CWORD": "1"}
    shown = taskgate(environment=environment).output
    assert "plain,explain" in shown.splitlines()


def test_a_column_without_any_text_is_no_trouble() -> None:
    assert table(("", "A"), [Row(("", "b"))]).splitlines()[1] == "   b"

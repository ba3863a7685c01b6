"""What the commands print: tables that fit the terminal, JSON, problems in one sentence."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import click

from func.redaction import redact

_GAP = "  "
_NARROWEST = 8  # characters of a column that was made narrower
_NOTE = "    "
_SEVERAL = 3  # items from which on a bar is shown
Item = TypeVar("Item")

output_option = click.option(
    "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="For people or scripts."
)


class Problem(click.ClickException):
    """What is wrong and what to do about it, in one sentence.

    Args:
        code: the command's exit code.
    """

    def __init__(self, message: object, code: int = 1) -> None:
        super().__init__(clean(message))
        self.exit_code = code  # type: ignore[misc]  # click has one for the class


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Args:
        style: as for `click.style`.
        notes: lines beneath it, over the whole width; in a pipe, where a row is one line, at its end.
    """

    cells: Sequence[str]
    style: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


def clean(value: object) -> str:
    """Return a value from outside, without credentials and without anything that a terminal would act on."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in redact(str(value))
    )


def table(titles: Sequence[str], rows: Iterable[Row], width: int | None = None) -> str:
    """Return columns side by side, their text cleaned; the widest wrap where the terminal is too narrow.

    Args:
        width: in characters; None for as wide as it gets.
    """
    lines = [Row(titles, {"bold": True}), *rows]
    cells = [[clean(cell) for cell in line.cells] for line in lines]
    columns = list(zip(*cells, strict=True))
    widths = _fitting([max(1, *map(len, column)) for column in columns], [*map(_longest_word, columns)], width)
    return "\n".join(_line(line, widths, row, width) for line, row in zip(cells, lines, strict=True))


def width_of(titles: Sequence[str], rows: Iterable[Row]) -> int:
    """Return the characters that a table takes when nothing in it wraps."""
    columns = zip(titles, *(map(clean, row.cells) for row in rows), strict=True)
    widths = [max(map(len, column)) for column in columns]
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _longest_word(column: Sequence[str]) -> int:
    return max(len(word) for cell in column for word in ["", *cell.split()])


def _fitting(widths: list[int], words: list[int], width: int | None) -> list[int]:
    """Return narrower columns, the widest first; words break only where the table does not fit without it."""
    for least in (words, [_NARROWEST] * len(words)):
        while width and sum(widths) + len(_GAP) * (len(widths) - 1) > width:
            spare = [(each, at) for at, each in enumerate(widths) if each > max(least[at], _NARROWEST)]
            if not spare:
                break
            widths[max(spare, key=lambda pair: pair[0])[1]] -= 1
    return widths


def _line(cells: list[str], widths: list[int], row: Row, width: int | None) -> str:
    style = row.style
    wrapped = [
        textwrap.wrap(cell, column, break_on_hyphens=False) or [""] for cell, column in zip(cells, widths, strict=True)
    ]
    lines = []
    for number in range(max(map(len, wrapped))):
        parts = [column[number] if number < len(column) else "" for column in wrapped]
        text = _GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        lines.append(click.style(text, **style) if style else text)
    if width is None:
        return _GAP.join([*lines, "; ".join(map(clean, row.notes))]) if row.notes else lines[0]
    return "\n".join([*lines, *(_wrapped(note, width, indent=_NOTE) for note in row.notes)])


def wrap(text: str, indent: str = "") -> str:
    """Return a sentence from outside, cleaned, in lines that fit the terminal; no word breaks."""
    return _wrapped(text, terminal_width(), indent)


def _wrapped(text: str, width: int | None, indent: str) -> str:
    if width is None:
        return indent + clean(text)
    margins = {"initial_indent": indent, "subsequent_indent": indent}
    return textwrap.fill(clean(text), width, **margins, break_on_hyphens=False, break_long_words=False)  # type: ignore[arg-type]


def terminal_width() -> int | None:
    """Return the characters in a line of the terminal; None when the output goes elsewhere and nothing has to fit."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(titles: Sequence[str], rows: Iterable[Row], *, movable: int = 0) -> None:
    """Print a table.

    Args:
        movable: how many of the last columns become notes, one after the other, while the table is too wide.
    """
    rows, width = list(rows), terminal_width()
    for _ in range(movable):
        if not width or width_of(titles, rows) <= width:
            break
        *titles, last = titles
        rows = [_with_note(row, last) for row in rows]
    click.echo(table(titles, rows, width))


def _with_note(row: Row, title: str) -> Row:
    *cells, last = row.cells
    return Row(cells, row.style, [f"{title.lower()}: {last}", *row.notes] if last else row.notes)


def print_advice(text: str | None, command: str | None) -> None:
    """Print what a person does, if anything; the command is never broken, so that it can be pasted."""
    if text:
        click.echo(wrap(f"What it takes: {text}"))
    if command:
        click.echo(f"  {clean(command)}")


def age(time: timedelta) -> str:
    """Return the two largest units, e.g. 3d4h."""
    seconds = max(int(time.total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days}d{hours % 24}h"
    if hours:
        return f"{hours}h{minutes % 60}m"
    return f"{minutes}m" if minutes else f"{seconds}s"


def print_json(value: object) -> None:
    """Print JSON, all of it ASCII: control characters stay escaped."""
    click.echo(redact(json.dumps(value, indent=2)))


def progress(items: Iterable[Item], length: int, label: str) -> AbstractContextManager[Iterator[Item]]:
    """Return the items, with a bar on standard error where somebody watches and there are several."""
    is_hidden = length < _SEVERAL or not sys.stderr.isatty()
    return click.progressbar(items, length, label, hidden=is_hidden, file=sys.stderr, show_pos=True)

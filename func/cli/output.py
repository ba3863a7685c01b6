"""What the commands print: tables that fit the terminal, JSON, problems in one sentence."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from func.redaction import redact

_GAP = "  "
_NARROWEST = 8  # characters of a column that was made narrower
_SEVERAL = 3  # items from which on a bar is shown
Item = TypeVar("Item")

output_option = click.option(
    "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="For people or scripts."
)


class Problem(click.ClickException):
    """What was wrong and what to do about it, in one sentence.

    Args:
        code: The command's exit code.
    """

    def __init__(self, message: object, code: int = 1) -> None:
        super().__init__(clean(redact(str(message))))
        self.exit_code = code  # type: ignore[misc]  # click has one for the class


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Args:
        style: As for `click.style`.
    """

    cells: Sequence[str]
    style: Mapping[str, Any] = field(default_factory=dict)


def clean(value: object) -> str:
    """A value from outside, without anything that a terminal would act on."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(value)
    )


def table(titles: Sequence[str], rows: Iterable[Row], width: int | None = None) -> str:
    """Columns side by side, their text cleaned; the widest wrap where the terminal is too narrow.

    Args:
        width: In characters; None for as wide as it gets.
    """
    lines = [Row(titles, {"bold": True}), *rows]
    cells = [[clean(cell) for cell in line.cells] for line in lines]
    widths = _fitting([max(1, *map(len, column)) for column in zip(*cells, strict=True)], width)
    return "\n".join(_line(line, widths, row.style) for line, row in zip(cells, lines, strict=True))


def _fitting(widths: list[int], width: int | None) -> list[int]:
    """The widest columns give way until the table fits."""
    while width and sum(widths) + len(_GAP) * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(cells: list[str], widths: list[int], style: Mapping[str, Any]) -> str:
    wrapped = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""] for cell, width in zip(cells, widths, strict=True)
    ]
    lines = []
    for number in range(max(map(len, wrapped))):
        parts = [column[number] if number < len(column) else "" for column in wrapped]
        text = _GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        lines.append(click.style(text, **style) if style else text)
    return "\n".join(lines)


def wrap(text: str, indent: str = "") -> str:
    """A sentence from outside, cleaned, in lines that fit the terminal."""
    width = terminal_width()
    return (
        indent + clean(text)
        if width is None
        else textwrap.fill(clean(text), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    )


def terminal_width() -> int | None:
    """Characters in a line of the terminal; None when the output goes elsewhere, where nothing has to fit."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(titles: Sequence[str], rows: Iterable[Row]) -> None:
    """A table on standard output."""
    click.echo(table(titles, rows, terminal_width()))


def print_json(value: object) -> None:
    """JSON on standard output, all of it ASCII: control characters stay escaped."""
    click.echo(json.dumps(value, indent=2))


def progress(items: Iterable[Item], length: int, label: str) -> AbstractContextManager[Iterator[Item]]:
    """The items, with a bar on standard error where somebody watches and there are several."""
    is_hidden = length < _SEVERAL or not sys.stderr.isatty()
    return click.progressbar(items, length, label, hidden=is_hidden, file=sys.stderr, show_pos=True)

"""The document of the long proofs: one section for each, kept until that proof is run again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

Row: TypeAlias = tuple[str, str]
"""What was looked at, and what was found."""

_HEAD = """# The long proofs

`make soak` runs them and writes this; `make test` runs a small share of each. A proof that fails writes nothing.
The numbers are those of the machine it ran on, function, API and client beside each other on its cores.
"""
_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def write(file: Path, sections: Mapping[str, Sequence[Row]]) -> None:
    """Put sections into the document, in the place of those of the same title.

    Args:
        sections: by title.
    """
    old = dict(_SECTION.findall(file.read_text(encoding="utf-8"))) if file.exists() else {}
    new = {title: _table(rows) for title, rows in sections.items()}
    text = "".join(f"\n## {title}\n{body.rstrip()}\n" for title, body in (old | new).items())
    file.write_text(_HEAD + text, encoding="utf-8")


def _table(rows: Sequence[Row]) -> str:
    return "\n".join(["", "| | |", "| --- | --- |", *(f"| {what} | {found} |" for what, found in rows), ""])

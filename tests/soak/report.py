"""The results of the soak tests: one section for each, kept until that test is run again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from tests.docs.markdown import item

Row: TypeAlias = tuple[str, str]
"""What was looked at, and what was found."""

_HEAD = """# Soak tests

`make soak` writes this file. A test that sees a gate open twice, or for an event that may not open it, fails and writes
nothing here.
"""
_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def write(file: Path, sections: Mapping[str, Sequence[Row]]) -> None:
    """Put sections into the document, in the place of those of the same title.

    Args:
        sections: by title.
    """
    old = dict(_SECTION.findall(file.read_text(encoding="utf-8"))) if file.exists() else {}
    new = {title: _list(rows) for title, rows in sections.items()}
    text = "".join(f"\n## {title}\n{body.rstrip()}\n" for title, body in (old | new).items())
    file.write_text(_HEAD + text, encoding="utf-8")


def _list(rows: Sequence[Row]) -> str:
    return "\n".join(["", *(item(f"{what}: {found}") for what, found in rows), ""])

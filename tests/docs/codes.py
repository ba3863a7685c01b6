"""Writes docs/codes.md, the codes of all reasons: `python -m tests.docs.codes`."""

from __future__ import annotations

from itertools import groupby

from func.core.reasons import CHECKS, CODES
from tests.docs.markdown import DOCS

FILE = DOCS / "codes.md"
_HEAD = """# Codes

Each answer has a `code`: the stable word for its `reason`, also in the log and in the metrics. Scripts and alerts use
the code; the sentence may change. Names in braces are filled in. The checks are in the order in which Taskgate makes
them, and the first that rejects an event answers. `taskgate explain` says what to do about each.
`python -m tests.docs.codes` writes this page.
"""


def text() -> str:
    """Return the document's content."""
    parts = [_HEAD]
    by_check = sorted(CODES.items(), key=lambda pair: CHECKS.index(pair[1].check))
    for check, pairs in groupby(by_check, key=lambda pair: pair[1].check):
        rows = [f"| `{code}` | `{reason.outcome}` | {_cell(reason.sentence)} |" for code, reason in pairs]
        head = [f"\n## {check.capitalize()}\n", "| code | outcome | reason |", "| --- | --- | --- |"]
        parts.append("\n".join([*head, *rows, ""]))
    return "".join(parts)


def _cell(sentence: str) -> str:
    return "(more than one sentence)" if sentence == "{detail}" else sentence.replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

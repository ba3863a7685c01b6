"""Writes docs/codes.md, the codes of all reasons: `python -m tests.docs.codes`."""

from __future__ import annotations

from itertools import groupby

from func.core.reasons import CHECKS, CODES
from tests.docs.markdown import DOCS, item

FILE = DOCS / "codes.md"
_HEAD = """# Codes

Each answer has a `code`, the stable word for its `reason`. The log and the metrics have it too. Alerts and scripts use
the code, because sentences may change. Names in braces are filled in. The checks run in this order, and the first one
that rejects an event answers. [`taskgate explain`](explanations.md) says what to do. `python -m tests.docs.codes`
writes this page.
"""
_SEVERAL = "one of several sentences"


def text() -> str:
    """Return the document's content."""
    parts = [_HEAD]
    by_check = sorted(CODES.items(), key=lambda pair: CHECKS.index(pair[1].check))
    for check, pairs in groupby(by_check, key=lambda pair: pair[1].check):
        parts.append(f"\n## {check.capitalize()}\n\n")
        for code, reason in pairs:
            sentence = _SEVERAL if reason.sentence == "{detail}" else reason.sentence
            parts.append(item(f"`{code}` ({reason.outcome}): {sentence}") + "\n")
    return "".join(parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

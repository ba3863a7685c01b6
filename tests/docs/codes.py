"""Writes docs/codes.md, the codes of all reasons: `python -m tests.docs.codes`."""

from __future__ import annotations

import re
from itertools import groupby

from func.core.reasons import CHECKS, CODES, Reason
from tests.docs.markdown import DOCS, item

FILE = DOCS / "codes.md"
_HEAD = """# Codes

Each answer, its log line and its metrics have a `code`, the stable word for the `reason`. Use it in alerts and scripts,
because sentences can change. Checks run in this order; the first rejection is the answer. Its sentence fills in the
names in braces, and says what to do, as `taskgate explain` does. `python -m tests.docs.codes` writes this page.
"""
_LABELS = "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"
# Codes whose sentence is made where they are found, or has a source here.
_ABOUT = {
    "malformed": "Not a CloudEvent, JSON in UTF-8, or HTTP/1.1.",
    "unsupported-media-type": "Another content type than JSON in UTF-8, a batch, or a compressed body.",
    "body-too-large": "The body has more than 25 MiB: send a smaller event.",
    "busy": "Too many events, bodies or tokens are in progress.",
    "body-too-slow": "The body did not arrive in time.",
    "api-unavailable": "The Kubernetes API or Argo Server does not answer, or refuses for load.",
    "api-unauthenticated": "The credential for the API is missing, expired or wrong (401).",
    "api-missing-permission": "Taskgate lacks a permission (403).",
    "api-forbidden": "The API refuses for another reason.",
    "impossible-label": f"No Workflow can have the labels of {{task}}: {{value}} is not [a label's value]({_LABELS}).",
    "nothing-to-release": "No signal waits on the Workflow, or none can be used yet.",
}


# What follows says what to do.
_ADVICE = re.compile(r"\. (?=[A-Z])|[:;] (?=(?:send|leave|stop|set|add) )|\.?{hint}|\.$")


def _meaning(code: str, reason: Reason) -> str:
    return _ADVICE.split(_ABOUT.get(code, reason.sentence))[0] + "."


def text() -> str:
    """Return the document's content."""
    parts = [_HEAD]
    by_check = sorted(CODES.items(), key=lambda pair: CHECKS.index(pair[1].check))
    for check, pairs in groupby(by_check, key=lambda pair: pair[1].check):
        reasons = dict(pairs)
        outcomes = {reason.outcome for reason in reasons.values()}
        shared = f": {outcomes.pop()}" if len(outcomes) == 1 else ""
        parts.append(f"\n## {check.capitalize().replace('event', 'Event')}{shared}\n\n")
        for code, reason in reasons.items():
            name = f"`{code}`" if shared else f"`{code}` ({reason.outcome})"
            parts.append(item(f"{name}: {_meaning(code, reason)}") + "\n")
    return "".join(parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

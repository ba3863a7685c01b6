"""Writes docs/codes.md, the codes of all reasons: `python -m tests.docs.codes`."""

from __future__ import annotations

from itertools import groupby

from func.core.reasons import CHECKS, CODES
from tests.docs.markdown import DOCS, item

FILE = DOCS / "codes.md"
_HEAD = """# Codes

Each answer, its log line and its metrics have a `code`, the stable word for the `reason`. Use it in alerts and scripts,
because sentences can change. Checks run in this order; the first rejection is the answer. Taskgate fills in the names
in braces.
"""
# Codes whose sentence is made where they are found.
_ABOUT = {
    "malformed": "Not a CloudEvent, not JSON in UTF-8, or not HTTP/1.1.",
    "unsupported-media-type": "The content type is not JSON in UTF-8, or the body is a batch or compressed.",
    "body-too-large": "The body has more than 25 MiB: send a smaller event.",
    "busy": "Too many events, bodies or tokens are in progress.",
    "body-too-slow": "The body did not arrive in time.",
    "api-unavailable": "The Kubernetes API or Argo Server does not answer, or refuses because of its load.",
    "api-unauthenticated": "The credential for the API is missing, expired or wrong (401).",
    "api-missing-permission": "Taskgate lacks the permission that the sentence names (403).",
    "api-forbidden": "The API refuses for another reason, which the sentence quotes.",
    "nothing-to-release": "No signal waits on the Workflow, or none can be used yet.",
}


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
            sentence = _ABOUT[code] if reason.sentence == "{detail}" else reason.sentence
            parts.append(item(f"{name}: {sentence}") + "\n")
    return "".join(parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

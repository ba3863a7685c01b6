"""Writes docs/codes.md, the codes of all reasons: `python -m tests.docs.codes`."""

from __future__ import annotations

import re
import textwrap
from itertools import groupby

from func.core.reasons import CHECKS, CODES
from tests.docs.markdown import DOCS, item

FILE = DOCS / "codes.md"
_HEAD = """# Codes

Each answer, its log line and its metrics have a `code`. Use it in alerts and scripts, because sentences can change.
Checks run in this order, and the first rejection is the answer. `taskgate explain` prints what to do about it.
After each outcome come its codes. `python -m tests.docs.codes` writes this page.
"""
# Codes whose sentence is made where they are found.
_ABOUT = {
    "malformed": "Not a CloudEvent, not JSON in UTF-8, or not HTTP/1.1.",
    "unsupported-media-type": "Another content type than JSON in UTF-8, a batch, or a compressed body.",
    "body-too-large": "The body has more than 25 MiB.",
    "busy": "Too many events, bodies or tokens are in progress.",
    "body-too-slow": "The body did not arrive in time.",
    "api-unavailable": "The Kubernetes API or Argo Server does not answer, or refuses for load.",
    "api-unauthenticated": "The credential for the Kubernetes API or Argo Server is wrong, expired or missing.",
    "api-missing-permission": "Taskgate lacks the permission that the sentence names.",
    "api-forbidden": "The Kubernetes API or Argo Server refuses for another reason.",
    "nothing-to-release": "No signal waits on the Workflow, or none can be used yet.",
}


# Codes that say what their sentence says.
_CLEAR = """
no-token unknown-token body-too-large body-too-slow no-rule no-task several-tasks repository-not-listed
pull-request-closed person-not-allowed no-person no-workflow workflow-gone several-workflows workflow-stopping
workflow-unreadable annotation-unreadable lost-race other-pull-request revoked opened failed already-open gate-failed
gate-skipped several-nodes missing-field api-unavailable
"""
_REST = re.compile(r"[.;] |\.?{hint}|: {\w+}(?=\W|$)(?! was)|, {how}|: (?:add|leave|send|set|this is) ")


def _what_happened(sentence: str) -> str:
    """Return the sentence without what to do, which `taskgate explain` prints, and without details at its end."""
    return f"{_REST.split(sentence)[0].rstrip('.')}."


def text() -> str:
    """Return the document's content."""
    parts = [_HEAD]
    clear_codes = set(_CLEAR.split())
    by_check = sorted(CODES.items(), key=lambda pair: CHECKS.index(pair[1].check))
    for check, pairs in groupby(by_check, key=lambda pair: pair[1].check):
        parts.append(f"\n## {check.capitalize().replace('event', 'Event')}\n\n")
        for outcome, same in groupby(pairs, key=lambda pair: pair[1].outcome):
            sentences = {code: _ABOUT.get(code) or _what_happened(reason.sentence) for code, reason in same}
            clear = ", ".join(f"`{code}`" for code in sentences if code in clear_codes)
            parts.append(item(f"`{outcome}`{': ' if clear else ''}{clear}") + "\n")
            others = [item(f"`{code}`: {what}", 118) for code, what in sentences.items() if code not in clear_codes]
            parts += [textwrap.indent(other, "  ") + "\n" for other in others]
    return "".join(parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

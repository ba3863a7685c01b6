"""Reads the documents: their headings, links, and blocks of code."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

# A block in an item of a list is indented.
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+(?:\([^()]*\))?)\)")


@dataclass(frozen=True)
class Section:
    """A heading and the text up to the next heading."""

    anchor: str
    title: str
    text: str


def documents() -> list[Path]:
    """Return all documents."""
    return sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "knative").glob("*.md")])


def blocks(text: str) -> list[tuple[str, str]]:
    """Return (language, content) of each block of code, in order."""
    return [(language, textwrap.dedent(content)) for _, language, content in _BLOCK.findall(text)]


def without_blocks(text: str) -> str:
    """Return the text without its blocks of code."""
    return _BLOCK.sub("", text)


def links(text: str) -> list[str]:
    """Return the targets of all links."""
    return _LINK.findall(without_blocks(text))


def item(text: str, width: int = 120) -> str:
    """Return an item of a list, in lines of about this width that break no code."""
    kept = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0"), text)
    lines = textwrap.fill(f"- {kept}", width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def anchor(title: str) -> str:
    """Return the anchor that code hosts make of a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def sections(text: str) -> list[Section]:
    """Return all sections. A `#` in a block of code is not a heading."""
    masked = _BLOCK.sub(lambda match: match[0].replace("\n#", "\n."), text)
    found = list(re.finditer(r"^#+ (.+)$", masked, re.MULTILINE))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [
        Section(anchor(match[1]), match[1], text[match.end() : end].strip())
        for match, end in zip(found, ends, strict=True)
    ]


def table(text: str, first: str) -> Iterator[list[str]]:
    """Return the cells of each row of the table whose head begins with `first`."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {first} |"):
            break
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]

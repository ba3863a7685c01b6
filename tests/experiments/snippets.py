"""The blocks of code in the report: what is printed there is what the experiments run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.docs.markdown import sections

RESEARCH = Path(__file__).parents[2] / "docs" / "research"

Object = dict[str, Any]

_BLOCK = re.compile(r"^```\w+\n# (?P<keys>[A-Z]\d+(?:, [A-Z]\d+)*)\b.*\n(?P<code>(?s:.*?))^```$", re.MULTILINE)
_loaded: set[str] = set()


@dataclass(frozen=True)
class Block:
    """A block of code in the report.

    Args:
        code: Without the line of the keys.
        link: To its section, relative to the report's folder.
    """

    code: str
    link: str


@cache
def printed() -> dict[str, Block]:
    """Return the block for each key that the first line of a block has.

    Raises:
        AssertionError: If two blocks have the same key.
    """
    found: dict[str, Block] = {}
    for page in sorted(RESEARCH.glob("*.md")):
        text = page.read_text()
        for block in _BLOCK.finditer(text):
            section = sections(text[: block.start()])[-1]
            for key in block["keys"].split(", "):
                assert key not in found, f"two blocks for {key}"
                found[key] = Block(block["code"], f"{page.name}#{section.anchor}")
    return found


def loaded() -> set[str]:
    """Return the keys whose code the imported experiments use."""
    return set(_loaded)


@dataclass(frozen=True)
class Snippet:
    """The block of code with this key."""

    key: str

    def __post_init__(self) -> None:
        assert self.key in printed(), f"no page of the report has a block of code with the key {self.key}"
        _loaded.add(self.key)

    @property
    def text(self) -> str:
        """The code."""
        return printed()[self.key].code

    @property
    def content(self) -> Object:
        """The code as YAML."""
        content: Object = yaml.safe_load(self.text)
        return content

    @property
    def trigger(self) -> Object:
        """Its only trigger."""
        trigger: Object
        (trigger,) = self.content["triggers"]
        return trigger

    @property
    def dependency(self) -> Object:
        """Its only dependency."""
        dependency: Object
        (dependency,) = self.content["dependencies"]
        return dependency

"""What the page on watching says is what the function tells."""

from __future__ import annotations

import re

from func.metrics import CATALOGUE
from tests.docs.markdown import DOCS, ROOT, table

PAGE = (DOCS / "observe.md").read_text()


def test_all_metrics() -> None:
    rows = [(row[0].strip("`"), row[1], re.findall(r"`(\w+)`", row[2]), row[3]) for row in table(PAGE, "metric")]
    assert rows == [(each.prometheus, each.kind, list(each.labels), each.help) for each in CATALOGUE]


def test_all_fields_and_attributes_of_the_log() -> None:
    source = (ROOT / "func/log.py").read_text()
    for head, fields in (
        ("attribute", re.findall(r'^        "([a-z_.0-9]+\.[a-z_.]+)": ', source, re.MULTILINE)),
        ("field", re.findall(r'"(\w+)": ', source)),
    ):
        named = [word for row in table(PAGE, head) for word in re.findall(r"`([\w.]+)`", row[0])]
        assert named == fields, head

"""The table of the webhook page is what GitHub's own example payloads say."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from tests.docs.markdown import DOCS, ROOT, table

PAYLOADS = ROOT / "tests" / "data" / "github"
PAGE = (DOCS / "research" / "webhook.md").read_text()


@cache
def _examples(event: str) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(PAYLOADS.glob(f"{event}.*.json"))]


def _events(cell: str) -> list[str]:
    """The names in the first cell: `a.opened`, `reopened` stands for a.opened and a.reopened."""
    names = [part.strip("` ") for part in cell.split(",")]
    family = names[0].partition(".")[0]
    dotted = "." in names[0]
    return [name if not dotted or "." in name else f"{family}.{name}" for name in names]


ROWS = [(event, row) for row in table(PAGE, "event") for event in _events(row[0])]


@pytest.mark.parametrize(("event", "row"), ROWS, ids=[event for event, _ in ROWS])
def test_the_table(event: str, row: list[str]) -> None:
    examples = _examples(event) or _examples(f"{event}.*")
    assert examples
    for payload in examples:
        pull_request = payload.get("pull_request", {})
        facts = {"labels", "title", "head"} <= set(pull_request) and "ref" in pull_request["head"]
        found = [facts, "merged" in pull_request, "label" in payload, "review" in payload]
        assert [cell.startswith("yes") for cell in row[1:]] == found


def test_the_number_of_examples() -> None:
    assert f"{len(list(PAYLOADS.glob('*.json')))} of them" in PAGE


def test_the_label_that_was_taken_away_is_still_listed_in_githubs_example() -> None:
    listed = [
        payload["label"]["name"] in [label["name"] for label in payload["pull_request"]["labels"]]
        for payload in _examples("pull_request.unlabeled")
    ]
    assert any(listed)

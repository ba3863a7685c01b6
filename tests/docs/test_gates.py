"""The reference of gates.yaml names everything that the rules can have, and its examples are valid."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from func.core import lint
from func.core.gates_file import parse_rules
from func.core.rules import Rule, Rules, WorkflowRules
from func.core.sources.facts import FACTS
from tests.docs.markdown import DOCS, ROOT, blocks, sections

PAGE = (DOCS / "gates.md").read_text()
WARNINGS = PAGE.partition("## Warnings of")[2]
EXAMPLES = [yaml.safe_load(text) for language, text in blocks(PAGE) if language == "yaml"]


def test_everything_that_a_rule_can_have_is_in_a_table() -> None:
    for model in (Rule, WorkflowRules):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}" in PAGE
    for fact in FACTS:
        assert f"`{fact}`" in PAGE
    assert Rules.model_fields.keys() <= {section.title for section in sections(PAGE)}


def test_every_warning_of_check_is_named() -> None:
    assert lint.TEXTS.keys() == set(re.findall(r"`([a-z]+-[a-z-]+)`", WARNINGS))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: next(iter(example)))
def test_the_examples_are_valid(example: dict[str, Any]) -> None:
    built_in = yaml.safe_load((ROOT / "func/gates.yaml").read_text())
    if "people" in example:
        example = {"people": built_in["people"] | example["people"]}
    parse_rules(yaml.safe_dump({**built_in, **example}), "gates.md")

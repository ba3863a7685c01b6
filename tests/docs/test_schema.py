"""The JSON schema of gates.yaml follows the rules' types: it accepts valid files and rejects mistakes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.docs.markdown import DOCS, ROOT, blocks
from tests.docs.schema import FILE, text

VALIDATOR = Draft202012Validator(json.loads(FILE.read_text()))
FILES = sorted([ROOT / "func/gates.yaml", *ROOT.glob("knative/**/gates.yaml"), *DOCS.glob("*/gates.yaml")])
EXAMPLES = [yaml.safe_load(block) for language, block in blocks((DOCS / "gates.md").read_text()) if language == "yaml"]


def test_it_is_what_the_command_writes() -> None:
    assert FILE.read_text() == text(), "run: python -m tests.docs.schema"
    Draft202012Validator.check_schema(json.loads(FILE.read_text()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_real_files_are_valid(file: Any) -> None:  # noqa: ANN401 - a path
    VALIDATOR.validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: next(iter(example)))
def test_examples_of_the_documents_are_valid(example: dict[str, Any]) -> None:
    whole = yaml.safe_load((ROOT / "func/gates.yaml").read_text())
    VALIDATOR.validate({**whole, **example})


@pytest.mark.parametrize(
    "wrong",
    [
        {"gatez": {}},
        {"gates": {}},
        {"gates": {"a": {"event": "push"}}},
        {"gates": {"a": {"event": "push", "by": "anyone", "fresch": True}}},
        {"gates": {"a": {"event": "push", "by": "anyone", "fresh": "yes"}}},
        {"gates": {"a": {"event": [], "by": "anyone"}}},
        {"gates": {"a": {"event": "push", "by": "anyone", "label": None}}},
        {"gates": {"a": {"event": "push", "by": "anyone", "review": "accepted"}}},
        {"workflows": {"namespace": "a"}},
        {"people": {"reviewers": "somebody"}},
        {"people": {"reviewers": [{"login": "somebody"}]}},
        {"repositories": "5dlabs/cto"},
    ],
    ids=str,
)
def test_mistakes_are_found(wrong: dict[str, Any]) -> None:
    whole = yaml.safe_load((ROOT / "func/gates.yaml").read_text())
    assert not VALIDATOR.is_valid({**whole, **wrong})

"""Codes are for code, sentences for people: nothing looks at the wording of a sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import func
from func.core.outcomes import OUTCOMES
from func.core.reasons import CHECKS, CODES

_CODE = Path(func.__file__).parent
SOURCES = sorted(path for path in _CODE.rglob("*.py") if path != _CODE / "core/reasons.py")
_WORDING = ("reason", "sentence")  # attributes that hold a sentence
_LOOKING = ("startswith", "endswith", "find", "index", "count", "partition", "split", "match", "search", "fullmatch")
_PARTS = [
    literal for reason in CODES.values() for literal, *_ in Formatter().parse(reason.sentence) if len(literal) > 6
]


def looks_at_wording(source: str) -> Iterator[str]:
    """Return the places where code branches on a sentence, or looks for a part of one in a text."""
    for node in ast.walk(ast.parse(source)):
        for part in _conditions(node):
            for inner in ast.walk(part):
                if isinstance(inner, ast.Attribute) and inner.attr in _WORDING and not _is_code(inner):
                    yield f"line {inner.lineno}: {ast.unparse(part)}"
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and _is_part(inner.value):
                    yield f"line {inner.lineno}: {inner.value!r} is a part of a sentence"


def _conditions(node: ast.AST) -> Iterator[ast.AST]:
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if isinstance(node, ast.Compare) or (is_method and node.func.attr in _LOOKING):  # type: ignore[attr-defined]
        yield node
    elif isinstance(node, ast.Match):
        yield node.subject


def _is_code(node: ast.Attribute) -> bool:
    """`Reason.sentence` of the table is not the sentence of an answer."""
    return ast.unparse(node).startswith("CODES[")


def _is_part(text: str) -> bool:
    return len(text) > 6 and " " in text.strip() and any(text in part for part in _PARTS)


def test_no_code_looks_at_the_wording_of_a_sentence() -> None:
    found = [f"{path}: {place}" for path in SOURCES for place in looks_at_wording(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'if answer.reason.startswith("The event\'s "): pass',
        'x = 1 if "has not reached" in reason else 2',
        "if verdict.sentence == other: pass",
        'found = [each for each in all if "was closed unmerged" not in each.reason]',
        "re.search(pattern, run.reason)",
        'match answer.reason:\n    case "a": pass',
    ],
)
def test_code_that_does_is_found(source: str) -> None:
    assert list(looks_at_wording(source))


def test_the_checks_come_in_the_order_that_is_documented() -> None:
    assert ", ".join(CHECKS) == (
        "token, cloudevent, rule, task, repository, fork, state, person, fresh, workflow, age, duplicate, "
        "pull request, signal, gate"
    )


def test_each_code_is_a_word_with_a_sentence() -> None:
    for code, reason in CODES.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert reason.outcome in OUTCOMES
        assert reason.sentence == "{detail}" or reason.sentence[0] in "{" or reason.sentence[0].isupper()

"""The page of GitHub's events is made of the code, and the payloads of GitHub's documentation have what it says."""

from __future__ import annotations

import re

import pytest

from func.core.errors import SettingError
from func.core.gates_file import parse_rules
from func.core.sources.facts import read_facts
from func.core.sources.github import paths_of
from func.core.sources.github_actions import ACTIONS
from tests.core.test_github_events import HEAD, examples
from tests.docs.github_events import FILE, USES, text, usable

_ITEM = re.compile(r"^- ((?:`\w+`[,\s]*)+): ([^;\n]*)(?:; (.*))?$", re.MULTILINE)
ROWS = {
    kind: (task, also)
    for kinds, task, also in _ITEM.findall(FILE.read_text())
    for kind in re.findall(r"`(\w+)`", kinds)
}
RULES = {
    "base": "base: main",
    "draft": "draft: false",
    "merged": "merged: true",
    "review, fresh": "review: approved, fresh: true",
    "not-author": "not-author: true",
}


def test_it_is_what_the_command_writes() -> None:
    assert FILE.read_text() == text(), "run: python -m tests.docs.github_events"
    assert ROWS.keys() == {kind for kind in ACTIONS if usable(kind)}


def test_the_rules_know_every_action_of_the_payloads() -> None:
    for kind, payloads in examples().items():
        given = {payload["action"] for payload in payloads if payload.get("action")}
        assert "*" in ACTIONS[kind] or given <= set(ACTIONS[kind])


@pytest.mark.parametrize("kind", sorted(examples().keys() & ROWS.keys()))
def test_the_payloads_have_what_a_rule_can_use(kind: str) -> None:
    task, also = ROWS[kind]
    for use in filter(None, [*task.split(", "), *also.replace("review, fresh", "review; fresh").split(", ")]):
        facts = [use] if use in USES["task"] else USES[use.replace(";", ",")]
        paths = [(fact, path) for fact in facts if (path := paths_of(kind).get(fact))]
        if not paths:
            paths = [("changed-label", paths_of(kind)["changed-label"])]
        assert any(read_facts(payload, *each) for payload in examples()[kind] for each in paths), use


@pytest.mark.parametrize("use", RULES)
def test_a_rule_that_uses_something_else_is_an_error(use: str) -> None:
    for kind, (task, also) in {**dict.fromkeys(ACTIONS, ("", "")), **ROWS}.items():
        given = "" if task else ", task: a.b"
        gates = f"gates: {{g: {{event: {kind}, by: anyone, {RULES[use]}{given}}}}}"
        if use in also:
            parse_rules(f"{HEAD}{gates}", "gates.yaml")
        else:
            with pytest.raises(SettingError, match="could never match"):
                parse_rules(f"{HEAD}{gates}", "gates.yaml")

"""What `taskgate check` warns of: valid rules that are not what they seem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from func.core.gates_file import parse_rules
from func.core.lint import lint
from func.service.settings import BUILT_IN_RULES

CASES = Path(__file__).parents[3] / "shared" / "cases"
WORKFLOWS = {"namespace": "a", "selector": "b=c", "labels": {"task": "task-id", "repository": "repository"}}
PEOPLE = {"team": [{"login": "tess", "id": 7}]}


def warned(gates: dict[str, Any], **more: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401  any YAML
    whole = {"workflows": WORKFLOWS, "people": PEOPLE, "task": {"label": "task-([0-9]+)"}, "gates": gates, **more}
    return [(each.code, each.level, each.place) for each in lint(parse_rules(yaml.safe_dump(whole), "gates.yaml"))]


def rule(event: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  any YAML
    return {"event": event, "by": "anyone", "task": "task", **more}


@pytest.mark.parametrize(
    ("unsafe", "safe", "code"),
    [
        (rule("check_suite.completed"), {"when": {"check_suite.conclusion": "success"}}, "verdict-not-checked"),
        (rule("workflow_run"), {"when": {"workflow_run.conclusion": ["success"]}}, "verdict-not-checked"),
        (rule("deployment_status"), {"when": {"deployment_status.state": "success"}}, "verdict-not-checked"),
        (rule("status"), {"when": {"state": "success"}}, "verdict-not-checked"),
        (rule("status", when={"state": "*"}), {"when": {"state": "success"}}, "verdict-not-checked"),
        (rule("pull_request_review"), {"review": "approved"}, "verdict-not-checked"),
        (rule("issue_comment.created"), {"when": {"comment.body": "/lgtm"}}, "comment-not-checked"),
        (rule("pull_request.labeled", label="ok"), {"withdraw": {"event": "pull_request.unlabeled"}}, None),
        (rule("pull_request.opened", draft=False), {"withdraw": {"event": "pull_request.converted_to_draft"}}, None),
        (rule("pull_request.opened", base="main"), {"withdraw": {"event": "pull_request.edited"}}, None),
        (rule("pull_request.opened", when={"pull_request.base.ref": "main"}), {"early": "refuse"}, None),
        (
            rule("pull_request.opened", when={"pull_request.labels.*.name": {"not": "hold"}}),
            {"withdraw": {"event": "pull_request.labeled", "label": "hold"}},
            None,
        ),
        (rule("pull_request.unlabeled", label="hold"), {"withdraw": {"event": "pull_request.labeled"}}, None),
        (
            rule("pull_request_review.submitted", review="approved", fresh=True),
            {"withdraw": {"event": "pull_request.synchronize"}},
            None,
        ),
        (rule("status", when={"state": "!failure"}), {"when": {"state": {"not": "failure"}}}, "negation-as-text"),
    ],
    ids=str,
)
def test_a_condition_that_is_missing_or_can_change(
    unsafe: dict[str, Any], safe: dict[str, Any], code: str | None
) -> None:
    assert warned({"g": unsafe}) == [(code or "condition-can-change", "warning", "gates.g")]
    assert warned({"g": {**unsafe, **safe}}) == []


def test_a_comment_can_be_a_command_with_an_exclamation_mark() -> None:
    assert warned({"g": rule("issue_comment.created", when={"comment.body": "!approve"})}) == []


def test_conditions_that_cannot_change() -> None:
    assert warned({"g": rule("pull_request.closed", base="main", merged=True)}) == []
    assert warned({"g": {"event": "pull_request.labeled", "by": "anyone", "label": "task-*"}}) == []
    other = {"event": "pull_request.labeled", "by": "anyone", "label": "ok"}
    other["withdraw"] = {"event": "pull_request.unlabeled", "label": "another"}  # type: ignore[assignment]
    assert warned({"g": other}) == [("condition-can-change", "warning", "gates.g")]


def test_people_without_id_and_names_of_several_sources() -> None:
    by_names = {"event": "pull_request.opened", "by": "team"}
    assert warned({"g": by_names}, people={"team": ["tess"]}) == [("person-without-id", "warning", "people.team")]
    assert warned({"g": by_names}) == []
    assert warned({"g": {**by_names, "by": "anyone"}}, people={"team": ["tess"]}) == []  # nobody asks for the group
    both = {"g": by_names, "h": {"event": "com.slack.pressed", "by": "team", "task": "t", "person": "p"}}
    both["h"]["repository"] = "r"
    assert ("names-of-several-sources", "warning", "people.team") in warned(both)
    prefixed = {"team": [{"login": "github:tess", "id": 7}, "slack:tess"]}
    assert ("names-of-several-sources", "warning", "people.team") not in warned(both, people=prefixed)


def test_an_id_is_asked_for_where_github_gives_one() -> None:
    pressed = {"event": "com.slack.pressed", "by": "team", "task": "t", "person": "p", "repository": "r"}
    both = {"g": {"event": "pull_request.opened", "by": "team"}, "h": pressed}
    assert warned(both, people={"team": [{"login": "github:tess", "id": 7}, "slack:U06"]}) == []


def test_groups_that_have_too_few_people() -> None:
    two = {"event": "pull_request.opened", "by": ["team", "more"], "quorum": 2}
    tess, cleo = {"login": "tess", "id": 7}, {"login": "cleo", "id": 8}
    assert warned({"g": two}, people={"team": [tess], "more": []}) == [("too-few-people", "warning", "gates.g")]
    assert warned({"g": two}, people={"team": [tess], "more": [cleo]}) == []
    assert warned({"g": {**two, "by": "anyone"}}) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("@tess", "not-a-login"),
        ("acme/platform", "not-a-login"),
        ("github:tess@example.com", "not-a-login"),
        ("gitub:tess", "person-of-unknown-source"),
        ("github:tess", None),
        ("5DLabs-Tess[bot]", None),
        ("tess_acme", None),  # a user whom a company manages
    ],
)
def test_names_that_nobody_has(name: str, code: str | None) -> None:
    found = warned({"g": {"event": "pull_request.opened", "by": "team"}}, people={"team": [{"login": name, "id": 7}]})
    assert found == ([(code, "warning", "people.team")] if code else [])


def test_an_id_where_the_event_gives_none() -> None:
    people = {"team": [{"login": "tess", "id": 7}, {"login": "github:cleo", "id": 8}]}
    pressed = {"event": "com.slack.pressed", "by": "team", "task": "t", "repository": "r", "person": "p"}
    by_path = {"event": "pull_request.opened", "by": "team", "person": "sender.login"}
    opened = {"event": "pull_request.opened", "by": "team"}
    assert [each[0] for each in warned({"g": pressed}, people=people)] == ["id-without-source"]
    assert [each[0] for each in warned({"g": by_path}, people=people)] == ["id-without-source"]
    assert warned({"g": opened}, people=people) == []
    assert warned({"g": pressed}, people={"team": ["tess", {"login": "github:cleo", "id": 8}]}) == []


def test_names_of_other_sources_have_any_form() -> None:
    people = {"team": ["slack:U061F7AUR", "slack:557058:c0b72ad0", "a b"]}
    scanned = {"event": "com.slack.pressed", "by": "team", "task": "t", "repository": "r", "person": "p"}
    assert warned({"g": scanned}, people=people) == []


@pytest.mark.parametrize(
    ("given", "withdraw", "is_reached"),
    [
        (rule("com.example.scanned", repository="repo"), "pull_request.synchronize", False),
        (rule("com.example.scanned", repository="repo"), "com.example.revoked", True),
        (rule("pull_request.labeled"), "pull_request_review.dismissed", False),
        (rule("pull_request_review.submitted", review="approved"), "pull_request_review.dismissed", True),
        (rule("pull_request.labeled"), "issue_comment.created", True),
    ],
    ids=str,
)
def test_a_withdrawal_that_can_never_revoke_anything(given: dict[str, Any], withdraw: str, *, is_reached: bool) -> None:
    found = warned({"g": {**given, "withdraw": {"event": withdraw}}})
    assert found == ([] if is_reached else [("withdraw-unreachable", "error", "gates.g.withdraw")])


@pytest.mark.parametrize(
    ("event", "task", "is_named"),
    [
        ("pull_request.opened", {"label": "task-([0-9]+)"}, True),
        ("pull_request.opened", {}, False),
        ("release.published", {"label": "task-([0-9]+)"}, False),
        ("release.published", {"title": "task-([0-9]+)"}, True),
    ],
)
def test_an_event_whose_task_no_pattern_looks_for(event: str, task: dict[str, str], *, is_named: bool) -> None:
    found = warned({"g": {"event": event, "by": "anyone"}}, task=task)
    assert found == ([] if is_named else [("task-unreachable", "warning", "gates.g")])


def test_the_place_is_the_one_that_the_user_wrote() -> None:
    several = [rule("pull_request.opened"), rule("status")]
    assert warned({"g": several}) == [("verdict-not-checked", "warning", "gates.g.1")]


def test_the_rules_built_in_lack_only_ids() -> None:
    rules = parse_rules(BUILT_IN_RULES.read_text(encoding="utf-8"), "gates.yaml")
    assert {each.code for each in lint(rules)} == {"person-without-id"}


@pytest.mark.skipif(not CASES.is_dir(), reason="no shared cases beside the repository; nothing else needs them")
@pytest.mark.parametrize(
    ("name", "code", "level"),
    [
        ("gates-check-suite.yaml", "verdict-not-checked", "warning"),
        ("lost-withdrawal-gates.yaml", "withdraw-unreachable", "error"),
    ],
)
def test_the_cases(name: str, code: str, level: str) -> None:
    rules = parse_rules((CASES / name).read_text(encoding="utf-8"), name)
    assert (code, level) in [(each.code, each.level) for each in lint(rules)]

"""Every kind of event that GitHub sends, by the example payloads of its documentation."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from func.core.events import Event, read_event
from func.core.gates_file import parse_rules
from func.core.intents import plan_event
from func.core.outcomes import EventRef
from func.core.rules import Rules
from func.core.sources.facts import read_facts
from func.core.sources.github import PATHS, paths_of
from func.core.sources.github_actions import ACTIONS

EXAMPLES = Path(__file__).parents[1] / "data" / "github-examples.json.gz"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
HEAD = "workflows: {namespace: a, selector: x=1, labels: {task: task-id}}\n"


@functools.cache
def examples() -> dict[str, list[dict[str, Any]]]:
    loaded = json.loads(gzip.decompress(EXAMPLES.read_bytes()))
    return {each["name"]: each["examples"] for each in loaded}


def named() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return kind, name and payload of each example."""
    for kind, payloads in examples().items():
        for payload in payloads:
            yield kind, f"{kind}.{payload['action']}" if payload.get("action") else kind, payload


def rules_for(event: str) -> Rules:
    """Return rules with a gate for an event, whose task is in a label, a branch or a title where it has them."""
    has_place = {"label", "branch", "title"} & paths_of(event.partition(".")[0]).keys()
    task = "" if has_place else ", task: {path: sender.login, pattern: '(.*)'}"
    patterns = "task: {label: 'task-([0-9]+)', branch: '(?:refs/heads/)?task-([0-9]+).*', title: 'task-([0-9]+).*'}\n"
    return parse_rules(f"{HEAD}{patterns}gates: {{g: {{event: {event}, by: anyone, forks: true{task}}}}}", "gates.yaml")


def read(kind: str, payload: dict[str, Any], rules: Rules) -> Event:
    return read_event(EventRef("1", f"com.github.{kind}", "/github"), None, payload, rules, NOW)


def test_there_are_all_of_them() -> None:
    assert sum(map(len, examples().values())) >= 329
    assert examples().keys() <= ACTIONS.keys()


def test_every_event_can_be_named_by_a_rule_with_its_action_and_without() -> None:
    for kind, name, payload in named():
        for event in {name, kind}:
            rules = rules_for(event)
            read_one = read(kind, payload, rules)
            assert read_one.signal.name == name
            assert rules.match(read_one.signal), event
            plan_event(read_one, rules)  # an answer, whatever is in it


def put(payload: dict[str, Any], path: str, value: str) -> dict[str, Any] | None:
    """Return a copy in which a value stands at a path; None where the payload has nothing there."""
    payload = json.loads(json.dumps(payload))
    *parents, last = [part for part in path.split(".") if part != "*"]
    at: Any = payload
    for part in parents:
        at = at.get(part) if isinstance(at, dict) else None
        if isinstance(at, list):
            at = at[0] if at else None
    if not isinstance(at, dict) or at.get(last) is None:
        return None
    at[last] = value
    return payload


@pytest.mark.parametrize("kind", sorted(PATHS))
def test_the_task_is_found_where_a_payload_names_one(kind: str) -> None:
    found = 0
    for place in ("label", "branch", "title"):
        path = PATHS[kind].get(place)
        if path is None:
            continue
        for payload in examples().get(kind, []):
            changed = put(payload, path, "task-7")
            if changed is None:
                continue
            rules = rules_for(kind)
            plan = plan_event(read(kind, changed, rules), rules)
            closed = plan.verdict is not None and plan.verdict.code == "pull-request-closed"
            assert closed or (plan.task is not None and (plan.task.id, plan.task.found_by) == ("7", place)), (
                place,
                plan,
            )
            found += 1
    assert found or not {"label", "branch", "title"} & PATHS[kind].keys()


@pytest.mark.parametrize("kind", sorted(PATHS))
def test_each_fact_of_a_kind_stands_in_one_of_its_payloads(kind: str) -> None:
    for fact, path in PATHS[kind].items():
        values = [value for payload in examples().get(kind, []) for value in read_facts(payload, fact, path)]
        # None of the examples is a comment on a pull request.
        assert values or (kind, fact) == ("issue_comment", "is-pull-request"), f"{kind} has no {fact} at {path}"


@pytest.mark.parametrize(
    ("kind", "path", "value", "is_fork"),
    [
        ("check_suite", "check_suite.pull_requests", [], True),  # GitHub lists none for a fork's commit
        ("check_run", "check_run.pull_requests", [], True),
        ("workflow_run", "workflow_run.head_repository.full_name", "stranger/Hello-World", True),
        ("deployment_review", "workflow_run.head_repository.full_name", "stranger/Hello-World", True),
        ("workflow_job", "workflow_job.head_branch", "task-7", True),
        ("deployment_status", "deployment.ref", "task-7", False),
        ("status", "sha", "0" * 40, False),
    ],
)
def test_a_branch_that_anybody_can_name_is_a_forks(kind: str, path: str, value: object, *, is_fork: bool) -> None:
    payload = json.loads(json.dumps(examples()[kind][0]))
    *parents, last = path.split(".")
    at = payload
    for part in parents:
        at = at[part]
    at[last] = value
    assert read(kind, payload, rules_for(kind)).signal.fork is is_fork


def test_a_comment_on_an_issue_is_about_no_pull_request_and_one_on_a_pull_request_is() -> None:
    payload = json.loads(json.dumps(examples()["issue_comment"][0]))
    rules = rules_for("issue_comment")
    assert read("issue_comment", payload, rules).signal.pull_request is None
    payload["issue"]["pull_request"] = {"url": "https://api.github.com/repos/a/b/pulls/1"}
    repository, number = payload["repository"]["full_name"], payload["issue"]["number"]
    assert read("issue_comment", payload, rules).signal.pull_request == f"{repository}#{number}"

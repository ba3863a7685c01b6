"""`when`: which data of an event a condition accepts."""

from __future__ import annotations

from typing import Any

import pytest

from func.core.reasons import Rejection
from func.core.signals import Signal
from tests.core.bench import Bench, at, plan_of, rules_with
from tests.payloads import cloudevent_structured

LONG = "x" * 300
DATA: dict[str, Any] = {
    "text": "  Release 1.2  ",
    "edge": "y" * 255,
    "long": f"{LONG} /lgtm",
    "zero": 0,
    "one": 1,
    "half": 0.5,
    "on-time": True,
    "is-late": False,
    "nothing": None,
    "empty": [],
    "object": {"a": 1, "b": "two", "*": "star"},
    "items": [{"name": "first"}, {"name": "second"}],
}


@pytest.mark.parametrize(
    ("when", "is_met"),
    [
        ("text: Release 1.2", True),
        ("text: 'Release*'", True),
        ("text: release*", False),
        ("text: Release", False),
        ("edge: 'y*'", True),
        ("long: '*/lgtm'", True),
        ("long: '*/lgtm?'", False),
        ("long: ['no', {not: '*/lgtm'}]", False),
        ("long: {not: '*/other'}", True),
        ("long: '*'", True),
        ("one: 1", True),
        ("one: 2", False),
        ("one: true", False),
        ("one: '1'", False),
        ("zero: 0", True),
        ("zero: false", False),
        ("half: 0.5", True),
        ("on-time: true", True),
        ("on-time: false", False),
        ("on-time: 1", False),
        ("is-late: false", True),
        ("is-late: '*'", True),
        ("nothing: null", True),
        ("nothing: '*'", False),
        ("missing: null", True),
        ("missing: '*'", False),
        ("missing.deeper: null", True),
        ("text: null", False),
        ("text: {not: null}", True),
        ("object: '*'", True),
        ("object: null", False),
        ("object: 'a'", False),
        ("object.a: 1", True),
        ("object.*: two", True),
        ("object.*: three", False),
        ("object.0: '*'", False),
        ("items.1.name: second", True),
        ("items.2.name: '*'", False),
        ("items.name: '*'", False),
        ("items.*.name: second", True),
        ("items.*.name: {not: second}", False),
        ("items.*.name: {not: third}", True),
        ("items.*.name: [third, first]", True),
        ("items.*.name: [third, fourth]", False),
        ("empty.*: null", True),
        ("one: 1, on-time: true", True),
        ("one: 1, on-time: false", False),
    ],
)
def test_a_condition_is_met_by_the_data_that_it_names(when: str, is_met: bool) -> None:  # noqa: FBT001
    rules = rules_with(
        f"  gate: {{event: com.example.done, task: task, repository: repo, by: anyone, when: {{{when}}}}}"
    )
    data = DATA | {"task": 3, "repo": "5dlabs/cto"}
    event = cloudevent_structured(data, "done", delivery="d", prefix="com.example.", source="/s")
    assert bool(plan_of(event, rules).intents) == is_met


@pytest.mark.parametrize("is_one_too_many", [False, True])
def test_an_event_with_more_values_than_can_be_compared_is_refused(is_one_too_many: bool) -> None:  # noqa: FBT001
    rules = rules_with(
        "  gate: {event: com.example.done, task: task, repository: repo, by: anyone, when: {many.*: '*'}}"
    )
    data = {"task": 3, "repo": "5dlabs/cto", "many": list(range(10_000 + is_one_too_many))}
    event = cloudevent_structured(data, "done", delivery="d", prefix="com.example.", source="/s")
    if not is_one_too_many:
        assert plan_of(event, rules).intents
        return
    with pytest.raises(Rejection) as caught:
        plan_of(event, rules)
    sentence = "The event's many.* is a list of too many values: expected at most 10000."
    assert caught.value.verdict.sentence == sentence


def test_a_signal_that_waits_carries_no_objects_and_no_long_texts_of_the_event() -> None:
    rules = rules_with(
        "  wait-pr-approved: {event: com.example.done, task: task, repository: repo, by: anyone,\n"
        "    when: {object: '*', long: '*/lgtm', one: 1}}"
    )
    bench = Bench.at("wait-ready-for-qa", rules)
    data = DATA | {"task": 3, "repo": "5dlabs/cto"}
    bench.deliver(cloudevent_structured(data, "done", delivery="d", prefix="com.example.", source="/s"))
    (kept,) = bench.state["signals"]
    assert (kept["data"]["object"], kept["data"]["one"]) == ([{}], [1])
    (found,) = kept["data"]["long"]
    assert found == {"matched": ["*", "*/lgtm"], "unmatched": []}
    assert LONG not in str(kept)
    bench.reach()
    assert bench.release().outcome == "opened"


@pytest.mark.parametrize(
    ("came", "today", "outcome"),
    [
        ("long: '*/lgtm'", "long: {not: '*xx*'}", "ignored"),
        ("long: ['*/lgtm', {not: '*yy*'}]", "long: {not: '*yy*'}", "opened"),
        ("long: '*/lgtm'", "long: {not: null}", "opened"),
        ("long: '*/lgtm'", "long: {not: 1}", "ignored"),
        ("many.*: v0", "many.*: {not: v99}", "ignored"),
        ("many.*: [v0, {not: other}]", "many.*: {not: other}", "opened"),
        ("many.*: [v0, true]", "many.*: {not: 1}", "ignored"),
    ],
)
def test_a_signal_that_waits_counts_only_where_it_tells_whether_the_conditions_of_today_hold(
    came: str, today: str, outcome: str
) -> None:
    rule = "  wait-pr-approved: {{event: com.example.done, task: task, repository: repo, by: anyone, when: {{{}}}}}"
    bench = Bench.at("wait-ready-for-qa", rules_with(rule.format(came)))
    data = DATA | {"task": 3, "repo": "5dlabs/cto", "many": [f"v{number}" for number in range(100)]}
    event = cloudevent_structured(data, "done", delivery="d", prefix="com.example.", source="/s")
    assert bench.deliver(event).outcome == "parked"
    bench.rules = rules_with(rule.format(today))
    bench.reach()
    assert bench.release().outcome == outcome


def test_the_data_of_a_signal_has_the_same_order_in_each_process() -> None:
    names = ["issues.opened", "pull_request.opened", "check_run.created", "workflow_run.completed"]
    names += ["issue_comment.created", "pull_request_review.submitted", "check_suite.completed", "push"]
    ways = "".join(
        f"  - {{event: {name}, by: anyone, when: {{first: a}}}}\n"
        f"  - {{event: {name.partition('.')[0]}, by: anyone, when: {{second: a}}}}\n"
        for name in names
    )
    rules = rules_with(f"  wait-pr-approved:\n{ways}")
    for name in names:
        assert [*rules.conditions_of(Signal("s", name, at(0)))] == ["first", "second"]

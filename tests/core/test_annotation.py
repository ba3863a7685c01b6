"""The annotation as it is written and read: nothing is lost, and what is wrong in it is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from func.core.reasons import Rejection
from func.core.signals import Signal, State, read_state
from func.core.workflows import read_workflow
from tests.core.bench import STATE, Bench
from tests.payloads import HAPPENED, approved, labeled
from tests.recorded_workflows import waiting_workflow
from tests.remembering import signal

EARLY = "wait-ready-for-qa"


def reading(text: str) -> State:
    document = waiting_workflow(3)
    document["metadata"]["annotations"][STATE] = text
    return read_state(read_workflow(document))


def with_facts(**facts: Any) -> str:  # noqa: ANN401  any JSON
    return json.dumps({"uid": "x", "signals": [{"id": "e", "name": "n", "happened": "2026-11-22T11:00:00Z"} | facts]})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "uid is missing"),
        ('{"uid": 3}', "uid is missing"),
        ('{"uid": "x", "keys": {}}', "an unreleased version of Taskgate wrote it"),
        ('{"uid": "x", "forgotten": []}', "forgotten is not an object"),
        ('{"uid": "x", "signals": {}}', "signals is not a list"),
        ('{"uid": "x", "used": [1]}', "used.0 is not an object"),
        ('{"uid": "x", "signals": [{"id": "e", "name": "n"}]}', "signals.0.happened is missing"),
        ('{"uid": "x", "used": [{"id": "e", "happened": "2026-11-22T11:00:00Z"}]}', "used.0.gate is missing"),
        (with_facts(labels="a"), "signals.0.labels: expected a list of strings"),
        (with_facts(labels=["a", 1]), "signals.0.labels: expected a list of strings"),
        (with_facts(outputs=["a"]), "signals.0.outputs: expected an object of strings"),
        (with_facts(outputs={"a": 1}), "signals.0.outputs: expected an object of strings"),
        (with_facts(data=["a"]), "signals.0.data: expected an object of lists"),
        (with_facts(data={"a": 1}), "signals.0.data: expected an object of lists"),
    ],
)
def test_what_is_wrong_is_named_with_the_workflow(text: str, why: str) -> None:
    with pytest.raises(Rejection) as rejected:
        reading(text)
    workflow = read_workflow(waiting_workflow(3)).ref
    command = f"kubectl annotate workflow -n agent-platform {workflow.name} taskgate.dev/state-"
    assert rejected.value.about == workflow
    assert rejected.value.verdict.code == "annotation-unreadable"
    data = rejected.value.verdict.data
    assert (data["why"], data["workflow"], data["annotation"], data["command"]) == (why, workflow.name, STATE, command)


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    record = {"id": "e", "newer": {"any": "thing"}, "name": "n", "happened": "2026-11-22T11:00:00Z"}
    (found,) = reading(json.dumps({"uid": "x", "signals": [record]})).signals
    assert (found.id, found.name, found.happened) == ("e", "n", HAPPENED)


def test_what_is_written_is_short_and_read_again_as_it_was() -> None:
    ref = read_workflow(waiting_workflow(3)).ref
    state = State(ref, (Signal("é", "n", HAPPENED, labels=("a", "b")),), (), {"*": HAPPENED})
    text = state.text()
    assert text == (
        f'{{"uid":"{ref.uid}","pull_request":null,'
        '"signals":[{"id":"é","name":"n","happened":"2026-11-22T11:00:00Z","labels":["a","b"]}],"used":[],'
        '"forgotten":{"*":"2026-11-22T11:00:00Z"}}'
    )
    assert reading(text) == state


def test_outputs_are_kept_until_their_signal_is_used() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(labeled())
    bench.deliver(approved(review_id=1))
    bench.reach(EARLY)
    bench.release()
    kept = {each["gate"]: "outputs" in each for each in bench.state["signals"]}
    assert kept == {EARLY: False, "wait-pr-approved": True}


def test_a_copy_keeps_no_outputs_and_says_that_it_is_one() -> None:
    text = json.dumps({"uid": "of-the-original", "signals": [signal(outputs={"a": "b"})]})
    (found,) = reading(text).signals
    assert (found.copied, found.gate, found.outputs) == (True, None, {})

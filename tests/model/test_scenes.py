"""Scenes of several steps that the machine came upon, each as short as it can be.

Each step compares the function with the specification; what is asserted here is the end that a person would notice.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.model.cluster import phases, state_of
from tests.model.machine import Deliver, Recreate, Release, Retry, Step, World
from tests.model.specification import GATES, POLICIES, Life

NAME = "play-task-3-workflow"
FIRST, SECOND = 0, 1  # pull requests #31 and #32


def world(*, policy: str = "built-in", gate: str = GATES[0]) -> World:
    """A Workflow of task 3."""
    scene = World(POLICIES[policy])
    scene.create(NAME, "3", together=False, gate=gate)
    return scene


def tell(scene: World, action: str, which: int = FIRST, detail: int = 0) -> None:
    """Something happens on GitHub, a second later, and is delivered."""
    scene.now += timedelta(seconds=1)
    delivery = scene.github.act(action, which, detail, scene.now)
    assert delivery
    scene.do(Deliver(scene, delivery))


def life(scene: World) -> Life:
    return scene.model.lives[NAME]


def test_a_workflow_that_is_deleted_before_the_write_is_not_in_the_answer() -> None:
    scene = world()
    opened = scene.github.act("open", FIRST, 0, scene.now)
    assert opened
    scene.race(Deliver(scene, opened), Recreate(scene, life(scene), again=False))
    assert scene.cluster.documents == {}


@pytest.mark.parametrize("action", ["merge", "close"])
def test_a_pull_request_is_gone_from_each_workflow_where_it_is_not_clear_which_one_is_meant(action: str) -> None:
    scene = world(policy="strict")  # where a closing without a merge fails a gate, too
    tell(scene, "open")
    scene.do(Step(scene, NAME, None, "", ends="Failed"))
    for _ in range(2):
        scene.resubmit(life(scene))
    tell(scene, action)
    documents = [scene.cluster.documents[each.name] for each in scene.model.lives.values() if not each.end]
    assert [json.loads(state_of(each) or "{}")["signals"][-1]["name"] for each in documents] == [
        "pull_request.closed"
    ] * 2


def test_an_approval_waits_through_a_failure_and_opens_the_gate_of_the_retried_workflow() -> None:
    scene = world(gate=GATES[2])
    scene.do(Step(scene, NAME, GATES[2], "Failed", ends="Failed"))
    tell(scene, "approve")
    scene.do(Retry(scene, NAME, GATES[2]))
    scene.do(Step(scene, NAME, GATES[2], "Running"))
    scene.do(Release(scene, NAME))
    assert phases(scene.cluster.documents[NAME])[GATES[2]] == "Succeeded"


def test_a_gate_that_stands_again_is_not_opened_by_what_is_older_than_the_last_use() -> None:
    scene = world(gate=GATES[2])
    late = scene.github.act("approve", FIRST, 1, scene.now)
    tell(scene, "approve", detail=2)
    scene.do(Step(scene, NAME, None, "", ends="Failed"))
    scene.do(Retry(scene, NAME, GATES[2]))
    scene.do(Step(scene, NAME, GATES[2], "Running"))
    assert late
    scene.do(Deliver(scene, late))
    assert phases(scene.cluster.documents[NAME])[GATES[2]] == "Running"
    tell(scene, "approve", detail=1)
    assert phases(scene.cluster.documents[NAME])[GATES[2]] == "Succeeded"


def test_a_renamed_label_takes_nothing_from_the_task_that_it_named() -> None:
    scene = world(gate=GATES[1])
    tell(scene, "approve")
    scene.github.act("rename", FIRST, 0, scene.now)
    tell(scene, "push")  # of task 4 now: GitHub did not tell that #31 has left task 3
    assert life(scene).waiting(GATES[2], scene.now)


def test_a_lead_fails_the_gate_and_two_approvals_open_it_after_a_retry() -> None:
    scene = world(policy="strict", gate=GATES[2])
    tell(scene, "refuse", detail=1)
    assert phases(scene.cluster.documents[NAME])[GATES[2]] == "Failed"
    scene.do(Step(scene, NAME, None, "", ends="Failed"))
    scene.do(Retry(scene, NAME, GATES[2]))
    scene.do(Step(scene, NAME, GATES[2], "Running"))
    tell(scene, "approve", detail=0)
    tell(scene, "approve", detail=2)
    assert phases(scene.cluster.documents[NAME])[GATES[2]] == "Running"  # the lead's word still stands
    tell(scene, "approve", detail=1)
    assert phases(scene.cluster.documents[NAME])[GATES[2]] == "Succeeded"

"""Scenes that the machine came upon, each as short as it can be."""

from __future__ import annotations

from datetime import timedelta

from tests.model.machine import Deliver, Recreate, Step, World


def world(*, together: bool = False) -> World:
    """A Workflow of task 3 at its first gate."""
    scene = World()
    scene.create("play-task-3-workflow", "3", together=together)
    return scene


def test_a_workflow_that_is_deleted_before_the_write_is_not_in_the_answer() -> None:
    scene = world()
    opened = scene.github.act("open", 0, 0, scene.now)
    assert opened
    (life,) = scene.model.lives.values()
    scene.race(Deliver(scene, opened), Recreate(scene, life, again=False))


def test_a_key_that_is_overtaken_is_named_in_the_answer() -> None:
    scene = world()
    scene.github.act("open", 0, 0, scene.now)
    for seconds in (0, 1):
        approved = scene.github.act("approve", 0, 0, scene.now + timedelta(seconds=seconds))
        assert approved
        answer = Deliver(scene, approved).run()
    assert answer.outcome == "parked"
    assert "The key of event d002 of 2026-11-22T11:00:01Z is overtaken." in answer.reason


def test_a_withdrawn_key_does_not_come_back_when_another_pull_request_had_its_place() -> None:
    scene = world()
    github, now = scene.github, scene.now
    deliveries = [
        github.act("approve", 1, 0, now),  # of #32, which waits
        github.act("open", 0, 0, now),  # #31 opens its gate: the Workflow is its own, and the key of #32 goes
        github.act("approve", 0, 0, now + timedelta(seconds=1)),
        github.act("close", 0, 0, now + timedelta(seconds=2)),  # it is free again
    ]
    outcomes = [Deliver(scene, each).run().outcome for each in deliveries if each]
    assert outcomes == ["parked", "opened", "parked", "withdrawn"]
    assert deliveries[0]
    assert Deliver(scene, deliveries[0]).run().outcome == "refused"


def test_of_two_reviews_of_a_second_the_first_does_not_follow_the_second_one_that_was_taken_back() -> None:
    scene = world()
    github, now = scene.github, scene.now
    first, second = github.act("approve", 0, 0, now), github.act("approve", 0, 0, now)
    taken_back = github.act("dismiss", 0, 0, now)
    outcomes = [Deliver(scene, each).run().outcome for each in (second, taken_back, first) if each]
    assert outcomes == ["parked", "withdrawn", "refused"]


def test_a_withdrawn_key_does_not_come_back_after_two_others_had_its_place() -> None:
    scene = world()
    github, now = scene.github, scene.now
    first, closed = github.act("approve", 0, 0, now), github.act("close", 0, 0, now + timedelta(seconds=1))
    github.act("open", 0, 0, now + timedelta(seconds=2))  # which is not delivered
    deliveries = [
        first,
        closed,
        github.act("approve", 0, 0, now + timedelta(seconds=3)),
        github.act("approve", 1, 0, now + timedelta(seconds=4)),
        github.act("close", 1, 0, now + timedelta(seconds=5)),
        first,
    ]
    outcomes = [Deliver(scene, each).run().outcome for each in deliveries if each]
    assert outcomes == ["parked", "withdrawn", "parked", "parked", "withdrawn", "refused"]


def test_a_key_that_expired_is_named_when_another_takes_its_place() -> None:
    scene = world()
    for days in (0, 8):
        scene.now += timedelta(days=days)
        approved = scene.github.act("approve", 0, 0, scene.now)
        assert approved
        answer = Deliver(scene, approved).run()
    assert answer.outcome == "parked"
    assert "d002" in answer.reason


def test_a_merge_before_the_pull_request_was_closed_unmerged_is_no_key() -> None:
    scene = world()
    github, now = scene.github, scene.now
    merged = github.act("merge", 0, 0, now)
    github.act("open", 0, 0, now + timedelta(seconds=1))
    closed = github.act("close", 0, 0, now + timedelta(seconds=2))
    assert [Deliver(scene, each).run().outcome for each in (closed, merged) if each] == ["withdrawn", "refused"]


def test_a_copy_knows_what_was_withdrawn_on_the_original_and_takes_what_only_waited_there() -> None:
    scene = world()
    github, now = scene.github, scene.now
    older, approved = github.act("approve", 0, 0, now), github.act("approve", 1, 0, now)
    pushed = github.act("push", 1, 0, now)
    assert [Deliver(scene, each).run().outcome for each in (approved, pushed) if each] == ["parked", "withdrawn"]
    (life,) = scene.model.lives.values()
    scene.do(Step(scene, life.name, None, "", ends="Failed"))
    scene.resubmit(life)
    assert [Deliver(scene, each).run().outcome for each in (approved, older) if each] == ["refused", "parked"]

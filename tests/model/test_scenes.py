"""Scenes that the machine came upon, each as short as it can be."""

from __future__ import annotations

from datetime import timedelta

from tests.model.machine import Deliver, Recreate, World


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

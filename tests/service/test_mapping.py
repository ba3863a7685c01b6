"""Which task an event means, and that no other one is touched: the whole way from the request to the Workflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.payloads import (
    CLEO,
    TESS,
    Payload,
    Request,
    approved,
    cloudevent_binary,
    cloudevent_structured,
    labeled,
    opened,
    push,
    unlabeled,
)
from tests.recorded_workflows import fleet, waiting_workflow
from tests.service.site import Site


@pytest.mark.parametrize(
    ("payload", "task", "gate", "outcome"),
    [
        (opened(labels=["task-5"], branch="fix-typo"), "5", "wait-pr-created", "opened"),
        (opened(labels=["enhancement", "task-8", "priority-high"], branch="x"), "8", "wait-pr-created", "opened"),
        (opened(labels=[], branch="task-12-implement-feature"), "12", "wait-pr-created", "opened"),
        (labeled("ready-for-qa", by=CLEO, labels=["task-3"]), "3", "wait-ready-for-qa", "opened"),
        (approved(by=TESS, labels=["task-7"], branch="work"), "7", "wait-pr-approved", "opened"),
        (push("refs/heads/task-9-fix-issues"), "9", None, "ignored"),
        (opened(labels=["task-abc"], branch="task-15-valid-branch"), "15", "wait-pr-created", "opened"),
        (opened(labels=["task-1", "task-2"], branch="work"), None, None, "ambiguous"),
        (opened(labels=["task-3"], branch="task-4-x"), None, None, "ambiguous"),
        (opened(labels=[], branch="feature/task-20-enhancement"), "20", "wait-pr-created", "opened"),
        (opened(labels=["bug", "documentation"], branch="fix/random-bug-fix"), None, None, "ignored"),
        # Further: what a title says names no task, digits are ASCII, values are matched whole.
        (opened(labels=[], branch="work", title="Task 3: all of it"), None, None, "ignored"),
        (opened(labels=["task-٣"], branch="work"), None, None, "ignored"),
        (opened(labels=["task-3\n"], branch="work"), None, None, "ignored"),
        (opened(labels=["my-task-3"], branch="work"), None, None, "ignored"),
        (opened(labels=["task-3", "task-3"], branch="feature/task-3"), "3", "wait-pr-created", "opened"),
        (opened(labels=["task-03"], branch="work"), "03", None, "no-workflow"),
        (opened(labels=[], branch="refs/heads/task-3"), None, None, "ignored"),  # a branch can have that name
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.parametrize("mode", [cloudevent_binary, cloudevent_structured], ids=["binary", "structured"])
def test_an_event_opens_the_gate_of_the_task_it_names_and_of_no_other(
    site: Site, mode: Callable[[Payload], Request], payload: Payload, task: str | None, gate: str | None, outcome: str
) -> None:
    # Every task waits at the very gate that the event opens, in this repository and in another one.
    workflows = fleet(20, gate=gate or "wait-pr-created")
    others = [
        waiting_workflow(number, gate or "wait-pr-created", repository="5dlabs-other", name=f"other-{number}")
        for number in (1, 2, 3, 4, 7)
    ]
    site.load(*workflows, *others)
    before = site.everything()

    reply = site.send(mode(payload))

    assert (reply.outcome, reply.task) == (outcome, task)
    changed = {name for name, workflow in site.everything().items() if workflow != before[name]}
    assert changed == ({f"agent-platform/play-task-{task}-workflow"} if outcome == "opened" else set())
    if outcome == "opened":
        assert site.phase(str(gate), f"play-task-{task}-workflow") == "Succeeded"


def test_the_task_of_the_same_number_in_another_repository_is_never_touched(site: Site) -> None:
    # The name is the one of our task, the labels say that it is somebody else's.
    site.load(waiting_workflow(3, repository="5dlabs-other"))
    with site.unchanged():
        reply = site.send(cloudevent_structured(approved()))
    assert reply.outcome == "no-workflow"
    assert "task 3 of 5dlabs/cto" in reply.reason


def test_a_repository_is_compared_as_in_the_label(site: Site) -> None:
    site.load(waiting_workflow(3, repository="5dlabs-my.tool_x"))
    assert site.send(cloudevent_structured(approved(repository="5dlabs/my.tool_x"))).outcome == "opened"


def test_a_workflow_outside_the_selector_is_never_touched(site: Site) -> None:
    workflow = waiting_workflow(3)
    workflow["metadata"]["labels"]["workflow-type"] = "something-else"
    site.load(workflow)
    with site.unchanged():
        assert site.send(cloudevent_structured(approved())).outcome == "no-workflow"


def test_a_workflow_in_another_namespace_is_never_touched(site: Site) -> None:
    site.load(waiting_workflow(3, namespace="elsewhere"))
    with site.unchanged():
        assert site.send(cloudevent_structured(approved())).outcome == "no-workflow"


def test_a_workflow_of_a_generated_name_is_found_by_its_labels(site: Site) -> None:
    site.load(waiting_workflow(3, name="play-workflow-dwrb4"), waiting_workflow(4, name="play-workflow-x7b2k"))
    reply = site.send(cloudevent_structured(approved()))
    assert reply.outcome == "opened"
    assert reply.data["workflow"]["name"] == "play-workflow-dwrb4"
    assert site.phase("wait-pr-approved", "play-workflow-x7b2k") == "Running"


def test_a_workflow_that_lacks_its_label_is_named_also_where_an_earlier_one_has_ended(site: Site) -> None:
    unlabelled = waiting_workflow(3)
    del unlabelled["metadata"]["labels"]["task-id"]
    site.load(unlabelled, waiting_workflow(3, None, gates=["wait-pr-created"], name="play-earlier"))
    reply = site.send(cloudevent_structured(approved()))
    assert (reply.data["code"], reply.data["workflow"]) == ("wrong-labels", None)
    assert "play-task-3-workflow" in reply.reason
    assert "has no label task-id" in reply.reason
    assert site.send(cloudevent_structured(opened())).outcome == "already-open"  # a late redelivery


def test_two_workflows_under_way_are_ambiguous_and_both_are_named(site: Site) -> None:
    site.load(waiting_workflow(3, name="play-a"), waiting_workflow(3, name="play-b"))
    with site.unchanged():
        reply = site.send(cloudevent_structured(approved()))
    assert reply.outcome == "ambiguous"
    assert "play-a" in reply.reason
    assert "play-b" in reply.reason


def test_two_tasks_are_ambiguous_and_both_are_named(site: Site) -> None:
    reply = site.send(cloudevent_structured(opened(labels=["task-1", "task-2"], branch="work")))
    assert "task 1 " in reply.reason
    assert "task 2 " in reply.reason


def test_a_finished_workflow_of_the_name_gives_way_to_the_one_under_way(site: Site) -> None:
    site.load(waiting_workflow(3, None), waiting_workflow(3, name="second-try"))
    reply = site.send(cloudevent_structured(approved()))
    assert reply.outcome == "opened"
    assert reply.data["workflow"]["name"] == "second-try"


def test_a_label_that_is_just_put_on_counts_and_one_that_is_taken_off_does_not(site: Site) -> None:
    site.load(*fleet(5, gate="wait-pr-created"))
    put_on = labeled("task-4", task=None)
    put_on["pull_request"]["labels"] = []  # some payloads don't have it among the labels yet
    assert site.send(cloudevent_structured(put_on)).task == "4"
    taken_off = unlabeled("task-3", labels=["task-5"], branch="work")
    taken_off["pull_request"]["labels"].append(taken_off["label"])
    assert site.send(cloudevent_structured(taken_off)).task == "5"


def test_a_label_put_right_moves_the_pull_request_to_the_other_task(site: Site) -> None:
    site.load(*fleet(5, gate="wait-pr-created"))
    put_on = labeled("task-4", labels=["task-3"], branch="work")
    assert site.send(cloudevent_structured(put_on)).outcome == "ambiguous"
    taken_off = unlabeled("task-3", labels=["task-4"], branch="work")
    reply = site.send(cloudevent_structured(taken_off))
    assert (reply.outcome, reply.task) == ("opened", "4")
    assert site.phase("wait-pr-created", "play-task-3-workflow") == "Running"


@pytest.mark.parametrize("prefix", ["com.github.", "dev.knative.source.github."])
def test_both_sources_of_github_events_are_understood(site: Site, prefix: str) -> None:
    site.load(waiting_workflow(3))
    request: Request = cloudevent_binary(approved(), prefix=prefix)
    assert site.send(request).outcome == "opened"

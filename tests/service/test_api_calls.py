"""What an event costs the Kubernetes API: a table of outcomes and calls, however many Workflows there are."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.payloads import (
    HAPPENED,
    HEAD,
    PUSHED,
    REX,
    Request,
    approved,
    changes_requested,
    closed,
    cloudevent_structured,
    labeled,
    opened,
    push,
    release_argo,
    synchronize,
    unlabeled,
)
from tests.recorded_workflows import Workflow, fleet, recorded, waiting_workflow
from tests.service.site import Site, built_in

NAMED, SOUGHT, NONE = {"GET": 1, "PATCH": 1}, {"GET": 2, "LIST": 1, "PATCH": 1}, dict[str, int]()
NAME = "play-task-3-workflow"


def generated() -> Workflow:
    """Task 3 under a name that nobody can guess."""
    return waiting_workflow(3, name="play-workflow-dwrb4")


# What came of it, the Workflow of task 3, the event, the calls.
TABLE: list[tuple[str, Workflow | None, Request, dict[str, int]]] = [
    ("opened", waiting_workflow(3), cloudevent_structured(approved()), NAMED),
    # The GET by the name that the rules give finds nothing; the LIST brings metadata only, so a GET follows.
    ("opened", generated(), cloudevent_structured(approved()), SOUGHT),
    ("refused", waiting_workflow(3), cloudevent_structured(approved(by=REX)), NONE),
    ("refused", waiting_workflow(3), cloudevent_structured(approved(head_repository="evil/cto")), NONE),
    ("refused", waiting_workflow(3), cloudevent_structured(approved(head_repository=None)), NONE),
    ("refused", waiting_workflow(3), cloudevent_structured(approved(sha=PUSHED, reviewed=HEAD)), NONE),
    ("ignored", waiting_workflow(3), cloudevent_structured(push("refs/heads/task-3-x")), NONE),
    ("ignored", waiting_workflow(3), cloudevent_structured(opened(task=None)), NONE),
    ("ambiguous", waiting_workflow(3), cloudevent_structured(opened(labels=["task-3", "task-4"])), NONE),
    ("invalid", waiting_workflow(3), ({"content-type": "application/json"}, b"{}"), NONE),
    ("refused", waiting_workflow(3), cloudevent_structured(approved(happened=HAPPENED - timedelta(1))), {"GET": 1}),
    ("already-open", waiting_workflow(3), cloudevent_structured(opened()), {"GET": 1}),
    # Remembered, because it ends what its person requests before it, also where that arrives later.
    ("already-open", waiting_workflow(3, "wait-pr-merged"), cloudevent_structured(approved()), NAMED),
    ("parked", waiting_workflow(3), cloudevent_structured(closed()), NAMED),
    ("withdrawn", waiting_workflow(3), cloudevent_structured(synchronize()), NAMED),
    ("no-workflow", None, cloudevent_structured(approved()), {"GET": 1, "LIST": 1}),
    ("ignored", None, cloudevent_structured(changes_requested()), {"GET": 1, "LIST": 1}),
    ("no-workflow", None, cloudevent_structured(opened(labels=[f"task-{'1' * 240}"], branch="x")), NONE),
    ("ignored", waiting_workflow(3), release_argo("agent-platform", NAME), {"GET": 1}),
    ("ignored", None, release_argo("agent-platform", NAME), {"GET": 1}),
    ("ignored", None, release_argo("elsewhere", NAME), NONE),
    ("unavailable", recorded("offloaded-nodes"), cloudevent_structured(approved(task=19)), {"GET": 1}),
]


@pytest.mark.parametrize(
    ("outcome", "workflow", "request_", "calls"),
    TABLE,
    ids=[f"{number}-{row[0]}" for number, row in enumerate(TABLE)],
)
def test_each_outcome_costs_so_many_calls(
    site: Site, outcome: str, workflow: Workflow | None, request_: Request, calls: dict[str, int]
) -> None:
    if workflow:
        site.load(workflow)
    assert site.send(request_).outcome == outcome
    assert site.calls() == calls


def test_the_same_event_again_costs_one_call(site: Site) -> None:
    site.load(waiting_workflow(3))
    site.send(cloudevent_structured(approved()))
    site.calls()
    assert site.send(cloudevent_structured(approved())).outcome == "duplicate"
    assert site.calls() == {"GET": 1}


def test_a_key_that_waits_already_costs_one_call(site: Site) -> None:
    site.load(waiting_workflow(3, "wait-ready-for-qa"))
    assert site.send(cloudevent_structured(approved())).outcome == "parked"
    site.calls()
    assert site.send(cloudevent_structured(approved())).outcome == "parked"
    assert site.calls() == {"GET": 1}


def test_each_further_task_that_an_event_leaves_costs_a_get_and_a_patch_more(site: Site) -> None:
    site.load(waiting_workflow(3, "wait-pr-created"), waiting_workflow(4, "wait-pr-created"))
    put_right = unlabeled("task-4", labels=["task-3"])
    assert site.send(cloudevent_structured(put_right)).outcome == "opened"
    assert site.calls() == {"GET": 2, "PATCH": 2}


@pytest.mark.parametrize("count", [10, 1000])
def test_the_number_of_workflows_does_not_matter(site: Site, count: int) -> None:
    site.load(*fleet(count), waiting_workflow(5000, name="play-workflow-dwrb4"))
    assert site.send(cloudevent_structured(approved())).outcome == "opened"
    assert site.calls() == NAMED
    assert site.send(cloudevent_structured(approved(task=5000, number=5000))).outcome == "opened"
    assert site.calls() == SOUGHT
    assert site.send(cloudevent_structured(labeled(by=REX))).outcome == "refused"
    assert site.calls() == NONE


def test_where_names_are_generated_no_name_is_tried(make_site: Callable[..., Site]) -> None:
    site = make_site("\n".join(line for line in built_in().splitlines() if "play-task-{task}" not in line))
    site.load(generated())
    assert site.send(cloudevent_structured(approved())).outcome == "opened"
    assert site.calls() == {"LIST": 1, "GET": 1, "PATCH": 1}


def test_the_log_line_tells_the_calls(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.load(waiting_workflow(3))
    site.send(cloudevent_structured(approved(title="$(rm -rf /) secret-title")))
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["attributes"]["taskgate.outcome"] == "opened"
    assert told["attributes"]["taskgate.api_calls"] == 2
    assert told["attributes"]["faas.coldstart"] is True
    assert told["attributes"]["taskgate.task.id"] == "3"
    assert told["attributes"]["taskgate.workflow.name"] == "play-task-3-workflow"
    assert "secret-title" not in line

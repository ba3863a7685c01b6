"""Events at once: one gate, one key, one winner."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from func.core.patches import Operation
from func.core.reasons import Rejection
from func.kube.deadline import Deadline
from func.kube.workflows import Workflows
from tests.payloads import (
    Request,
    approved,
    closed,
    cloudevent_structured,
    labeled,
    release_apiserver,
    release_argo,
    synchronize,
    unlabeled,
)
from tests.recorded_workflows import fleet, waiting_workflow
from tests.service.site import Site

NAME = "play-task-3-workflow"


def test_the_same_event_twenty_times_at_once_opens_once(site: Site) -> None:
    site.load(*fleet(10))
    before = site.cluster.store.version
    replies = site.send_all([cloudevent_structured(approved())] * 20)
    assert Counter(reply.outcome for reply in replies) == {"opened": 1, "duplicate": 19}
    assert site.cluster.store.version == before + 1


def test_two_events_for_the_same_gate_at_once_open_it_once(site: Site) -> None:
    site.load(waiting_workflow(3))
    before = site.cluster.store.version
    replies = site.send_all(cloudevent_structured(approved(review_id=number)) for number in (1, 2))
    assert Counter(reply.outcome for reply in replies) == {"opened": 1, "already-open": 1}
    assert site.cluster.store.version == before + 2  # one opens it, and the other approval is remembered
    (used,) = json.loads(site.workflow()["metadata"]["annotations"]["taskgate.dev/state"])["used"]
    assert used["gate"] == "wait-pr-approved"


def test_events_for_many_tasks_at_once_open_each_its_own(site: Site) -> None:
    site.load(*fleet(30, gate="wait-pr-approved"))
    replies = site.send_all(cloudevent_structured(approved(task=task, number=task)) for task in range(1, 31))
    assert {(reply.outcome, reply.task) for reply in replies} == {("opened", str(task)) for task in range(1, 31)}
    assert all(site.phase("wait-pr-approved", f"play-task-{task}-workflow") == "Succeeded" for task in range(1, 31))


def test_keys_for_several_gates_at_once_are_all_kept(site: Site) -> None:
    site.load(waiting_workflow(3, "wait-pr-created"))
    replies = site.send_all(cloudevent_structured(payload) for payload in (labeled(), approved(), closed()))
    assert [reply.outcome for reply in replies] == ["parked"] * 3
    reached = site.workflow()
    for gate in ("wait-ready-for-qa", "wait-pr-approved", "wait-pr-merged"):
        assert gate in reached["metadata"]["annotations"]["taskgate.dev/state"]


def test_twenty_releases_at_once_use_a_key_once(site: Site) -> None:
    site.load(waiting_workflow(3, "wait-ready-for-qa"))
    assert site.send(cloudevent_structured(approved())).outcome == "parked"
    kept = site.workflow()["metadata"]["annotations"]
    reached = waiting_workflow(3)
    reached["metadata"]["annotations"] = kept
    reached["metadata"]["labels"]["taskgate.dev/parked"] = "true"
    site.load(reached)
    before = site.cluster.store.version
    replies = site.send_all(
        release_argo("agent-platform", "play-task-3-workflow", event_id=str(number)) for number in range(20)
    )
    assert Counter(reply.outcome for reply in replies) == {"opened": 1, "ignored": 19}
    assert site.cluster.store.version == before + 1
    assert "taskgate.dev/parked" not in site.workflow()["metadata"]["labels"]


@pytest.mark.parametrize(
    "release",
    [
        release_argo("agent-platform", "play-task-3-workflow"),
        release_apiserver("agent-platform", "play-task-3-workflow"),
        release_apiserver("agent-platform", "play-task-3-workflow", change="add"),
    ],
    ids=["argo events", "api server", "api server, added"],
)
def test_whoever_tells_that_a_gate_is_reached_its_waiting_key_opens_it(site: Site, release: Request) -> None:
    site.load(waiting_workflow(3, "wait-ready-for-qa"))
    assert site.send(cloudevent_structured(approved())).outcome == "parked"
    kept = site.workflow()["metadata"]
    assert kept["labels"]["taskgate.dev/parked"] == "true"
    reached = waiting_workflow(3)
    reached["metadata"] |= {"annotations": kept["annotations"], "labels": kept["labels"]}
    site.load(reached)
    reply = site.send(release)
    assert (reply.outcome, reply.task, reply.data["gate"]) == ("opened", "3", "wait-pr-approved")
    assert site.calls() == {"GET": 1, "PATCH": 1}


@pytest.mark.parametrize(
    ("request_", "names", "outcome"),
    [
        (cloudevent_structured(unlabeled("task-3", labels=["task-3"], branch="task-4-x")), [NAME], "opened"),
        (cloudevent_structured(labeled("task-4", labels=["task-3"], branch="x")), [NAME], "ambiguous"),
        (cloudevent_structured(synchronize()), ["twin-1", "twin-2"], "ambiguous"),
    ],
    ids=["moves another gate", "names two tasks", "has two Workflows"],
)
def test_an_event_is_tried_again_until_it_has_revoked_all_that_it_revokes(
    site: Site, monkeypatch: pytest.MonkeyPatch, request_: Request, names: list[str], outcome: str
) -> None:
    site.load(waiting_workflow(4, "wait-pr-created"), *(waiting_workflow(3, name=name) for name in names))
    patch = Workflows.patch

    def fail(self: Workflows, name: str, operations: list[Operation], deadline: Deadline) -> None:
        if name == names[0]:
            raise Rejection("api-unavailable", detail="The Kubernetes API does not answer.")
        patch(self, name, operations, deadline)

    with monkeypatch.context() as outage:
        outage.setattr(Workflows, "patch", fail)
        assert site.send(request_).outcome == "unavailable"
    assert site.send(request_).outcome == outcome
    assert "taskgate.dev/state" in site.workflow(names[0])["metadata"]["annotations"]


def test_a_refused_event_that_could_revoke_is_refused_without_a_workflow(site: Site) -> None:
    merged = cloudevent_structured(closed(head_repository="evil/cto"))
    assert site.send(merged).data["code"] == "fork"
    site.load(waiting_workflow(3, name="twin-1"), waiting_workflow(3, name="twin-2"))
    assert site.send(merged).data["code"] == "fork"

"""Kubernetes Events about Workflows: what was written is told, and telling it changes nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from func.core.errors import SettingError
from func.core.outcomes import WorkflowRef
from func.devcluster import EVENTS, EmbeddedCluster
from func.kube.client import Api, ApiRequest
from func.kube.errors import Unavailable
from func.service.settings import read_settings
from func.telemetry.kubernetes_events import event_of
from tests.payloads import HAPPENED, REX, approved, closed, cloudevent_structured, synchronize
from tests.recorded_workflows import NAMESPACE, waiting_workflow
from tests.service.site import Site

_PUSH = synchronize(happened=HAPPENED - timedelta(minutes=1))
MakeSite = Callable[..., Site]
OPENED, PARKED, PUSHED = map(cloudevent_structured, (approved(), closed(), _PUSH))


@pytest.fixture
def telling(make_site: MakeSite) -> Site:
    """The function with Events, and the Workflow of task 3, which waits for its approval."""
    site = make_site(TASKGATE_KUBERNETES_EVENTS="true")
    site.load(waiting_workflow(3))
    return site


def told(cluster: EmbeddedCluster) -> list[dict[str, Any]]:
    """All Events, by their age."""
    found = [each.document for each in cluster.store.select(EVENTS).items]
    return sorted(found, key=lambda event: str(event["eventTime"]))


def test_what_was_written_is_told(telling: Site) -> None:
    replies = [telling.send(request) for request in (PARKED, PUSHED, OPENED)]
    assert [reply.outcome for reply in replies] == ["parked", "withdrawn", "opened"]
    events = told(telling.cluster)
    assert [event["reason"] for event in events] == ["SignalParked", "SignalRevoked", "GateOpened"]
    assert [event["message"] for event in events] == [reply.reason for reply in replies]
    for event in events:
        assert event["metadata"]["namespace"] == NAMESPACE
        assert event["reportingComponent"] == "taskgate"
        assert event["type"] == "Normal"
        assert event["involvedObject"] == {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            **(replies[0].data["workflow"]),
        }


def test_what_wrote_nothing_is_not_told(telling: Site) -> None:
    for request, outcome in (
        (PARKED, "parked"),
        (PARKED, "parked"),  # the same again
        (cloudevent_structured(approved(by=REX)), "refused"),
        (cloudevent_structured(approved(task=99)), "no-workflow"),
    ):
        assert telling.send(request).outcome == outcome
    assert len(told(telling.cluster)) == 1


def test_observing_tells_nothing(make_site: MakeSite) -> None:
    site = make_site(TASKGATE_KUBERNETES_EVENTS="true", TASKGATE_MODE="observe")
    site.load(waiting_workflow(3))
    assert site.send(OPENED).outcome == "observed"
    assert told(site.cluster) == []


def test_without_the_setting_nothing_is_told(site: Site) -> None:
    site.load(waiting_workflow(3))
    assert site.send(OPENED).outcome == "opened"
    assert told(site.cluster) == []
    assert site.calls() == {"GET": 1, "PATCH": 1}


def test_it_costs_one_call_after_the_write(telling: Site) -> None:
    assert telling.send(OPENED).outcome == "opened"
    assert [each.method for each in telling.cluster.requests] == ["GET", "PATCH", "POST"]


@pytest.mark.parametrize("problem", ["forbidden", "silent"])
def test_what_cannot_be_told_is_a_warning(
    telling: Site, problem: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = Api.call
    status = {"message": 'cannot create resource "events" in API group "events.k8s.io"'}
    seconds: list[object] = []

    def troubled(api: Api, request: ApiRequest, *rest: Any, **more: Any) -> Any:  # noqa: ANN401 - passed on
        if "events.k8s.io" not in request.path:
            return call(api, request, *rest, **more)
        seconds.append(rest[-1])
        if problem == "silent":
            raise Unavailable("The time for this event is used up.")
        return 403, json.dumps(status).encode(), {}

    monkeypatch.setattr(Api, "call", troubled)
    assert telling.send(OPENED).outcome == "opened"
    assert telling.phase("wait-pr-approved") == "Succeeded"
    assert seconds == [0.5]
    warning, event = map(json.loads, capsys.readouterr().err.splitlines())
    assert warning["severity_text"] == "WARN"
    assert "GateOpened could not be written" in warning["body"]
    assert problem == "silent" or status["message"] in warning["body"]
    assert warning["attributes"]["taskgate.workflow.name"] == "play-task-3-workflow"
    assert event["attributes"]["taskgate.outcome"] == "opened"


def test_a_long_name_and_a_long_reason_fit(cluster: EmbeddedCluster, make_site: MakeSite) -> None:
    name = f"{'a' * 199}-{'b' * 50}"
    site = make_site(TASKGATE_KUBERNETES_EVENTS="true")
    site.load(waiting_workflow(3, name=name))
    assert site.send(OPENED).outcome == "opened"
    (event,) = told(cluster)
    assert event["involvedObject"]["name"] == name
    assert event["metadata"]["name"].startswith("a" * 199 + ".")


def test_a_note_is_cut_between_characters() -> None:
    # A reason has 1000 characters at most, and a character up to 4 bytes.
    workflow = WorkflowRef(NAMESPACE, "play-task-3-workflow", "u-1")
    event = event_of(workflow, "\u00e4" * 1000, "GateOpened", "Open", "pod")
    assert event["note"] == "\u00e4" * 512


def test_the_setting_is_checked(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"TASKGATE_KUBERNETES_EVENTS is 'yes': expected one of true, false"):
        read_settings({"KUBECONFIG": str(tmp_path), "TASKGATE_KUBERNETES_EVENTS": "yes"})

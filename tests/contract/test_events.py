"""Events of events.k8s.io/v1: created by the newer name, read by the older one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.contract.api import Api
from tests.programs import needs


def event(api: Api, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """An Event about a Workflow, as the function writes it."""
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "waiting", "uid": "u-1"}
    return {
        "metadata": {"name": "waiting.1"},
        "eventTime": "2026-11-22T11:00:00.123456Z",
        "type": "Normal",
        "reason": "GateOpened",
        "action": "Open",
        "note": "It is open.",
        "regarding": {**workflow, "namespace": api.namespace},
        "reportingController": "taskgate",
        "reportingInstance": "pod-1",
    } | changes


def path(api: Api, version: str = "apis/events.k8s.io/v1") -> str:
    return f"/{version}/namespaces/{api.namespace}/events"


def test_it_is_kept_and_read_by_its_older_name(kubernetes_api: Api) -> None:
    sent = event(kubernetes_api)
    created = kubernetes_api.must("POST", path(kubernetes_api), sent)
    assert (created["apiVersion"], created["kind"]) == ("events.k8s.io/v1", "Event")
    assert {key: created[key] for key in sent if key != "metadata"} == {
        k: v for k, v in sent.items() if k != "metadata"
    }
    (kept,) = kubernetes_api.must("GET", path(kubernetes_api, "api/v1"))["items"]
    assert kept["metadata"]["uid"] == created["metadata"]["uid"]
    told = {key: value for key, value in kept.items() if key not in ("metadata", "kind", "apiVersion")}
    assert told == {
        "involvedObject": sent["regarding"],
        "message": "It is open.",
        "reportingComponent": "taskgate",
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        **{key: sent[key] for key in ("eventTime", "type", "reason", "action", "reportingInstance")},
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [({"regarding": {}}, "involvedObject.namespace"), ({"metadata": {"name": "Not.A.Name"}}, "metadata.name")],
)
def test_what_is_not_as_it_has_to_be_is_named(kubernetes_api: Api, change: dict[str, Any], field: str) -> None:
    answer = kubernetes_api.request("POST", path(kubernetes_api), event(kubernetes_api, **change))
    assert answer.refusal[:2] == (422, "Invalid")
    assert field in {cause["field"] for cause in answer.body["details"]["causes"]}, answer


def test_a_note_may_have_1024_bytes(kubernetes_api: Api) -> None:
    long = "ä" * 512
    assert kubernetes_api.must("POST", path(kubernetes_api), event(kubernetes_api, note=long))["note"] == long


def test_a_namespace_that_is_not_there_takes_none(kubernetes_api: Api) -> None:
    nowhere = kubernetes_api.within("nowhere")
    assert nowhere.request("POST", path(nowhere), event(nowhere)).refusal[:2] == (404, "NotFound")


@pytest.mark.parametrize("kubeconfig", ["real"], indirect=True)  # it selects by fields that only the real one has
@needs("kubectl")
def test_kubectl_describe_shows_it(kubernetes_api: Api, kubeconfig: Path) -> None:
    about = kubernetes_api.create()["metadata"]
    regarding = event(kubernetes_api)["regarding"] | {"uid": about["uid"]}
    kubernetes_api.must("POST", path(kubernetes_api), event(kubernetes_api, regarding=regarding))
    command = ["kubectl", "--kubeconfig", str(kubeconfig), "-n", kubernetes_api.namespace]
    described = subprocess.run(
        [*command, "describe", "workflow", "waiting"], capture_output=True, text=True, check=True
    ).stdout
    (line,) = [line for line in described.splitlines() if "GateOpened" in line]
    assert line.split() == ["Normal", "GateOpened", line.split()[2], "taskgate", "It", "is", "open."]

"""Creating, reading, replacing and deleting objects."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.api import MERGE_PATCH, PARTIAL, RECORDINGS, Api

WORKFLOW: dict[str, Any] = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {}}
MODIFIED = (
    'Operation cannot be fulfilled on workflows.argoproj.io "waiting": the object has been modified; '
    "please apply your changes to the latest version and try again"
)


@pytest.mark.parametrize("recording", sorted(path.parent.name for path in RECORDINGS.glob("*/waiting.json")))
def test_recorded_workflows_are_kept_as_they_are(kubernetes_api: Api, recording: str) -> None:
    created = kubernetes_api.create(recording=recording)
    assert created == kubernetes_api.must("GET", kubernetes_api.workflow("waiting"))
    assert created["metadata"]["labels"]["workflow-type"] == "play-orchestration"


def test_a_new_object_gets_its_identity_from_the_server(kubernetes_api: Api) -> None:
    body = {
        **WORKFLOW,
        "metadata": {"name": "new", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 9},
    }
    metadata = kubernetes_api.must("POST", kubernetes_api.workflows, body)["metadata"]
    assert str(uuid.UUID(metadata["uid"])) == metadata["uid"]
    age = datetime.now(UTC) - datetime.fromisoformat(metadata["creationTimestamp"])
    assert timedelta(seconds=-2) < age < timedelta(minutes=1)
    assert (metadata["namespace"], metadata["generation"]) == (kubernetes_api.namespace, 1)
    assert int(metadata["resourceVersion"]) > 1


def test_names_can_be_generated(kubernetes_api: Api) -> None:
    body = {**WORKFLOW, "metadata": {"generateName": "play-workflow-"}}
    names = {kubernetes_api.must("POST", kubernetes_api.workflows, body)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch(r"play-workflow-[a-z0-9]{5}", name) for name in names)


def test_a_name_is_taken_once(kubernetes_api: Api) -> None:
    kubernetes_api.create()
    answer = kubernetes_api.request("POST", kubernetes_api.workflows, {**WORKFLOW, "metadata": {"name": "waiting"}})
    assert answer.refusal == (409, "AlreadyExists", 'workflows.argoproj.io "waiting" already exists')
    assert answer.body["details"] == {"name": "waiting", "group": "argoproj.io", "kind": "workflows"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({**WORKFLOW, "metadata": {"name": "Upper"}}, (422, "Invalid")),
        ({**WORKFLOW, "metadata": {"name": "a_b"}}, (422, "Invalid")),
        ({**WORKFLOW, "metadata": {"name": "a" * 254}}, (422, "Invalid")),
        ({**WORKFLOW, "metadata": {}}, (422, "Invalid")),
        ({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "a"}}, (422, "Invalid")),
        ({**WORKFLOW, "metadata": {"name": "a"}, "spec": "x"}, (422, "Invalid")),
        ({**WORKFLOW, "metadata": {"name": "a", "labels": {"a b": "c"}}}, (422, "Invalid")),
        ({**WORKFLOW, "metadata": {"name": "a", "namespace": "default"}}, (400, "BadRequest")),
        ({**WORKFLOW, "metadata": {"name": "a", "labels": {"a": 1}}}, (400, "BadRequest")),
        ({**WORKFLOW, "apiVersion": "argoproj.io/v1", "metadata": {"name": "a"}}, (400, "BadRequest")),
        ({"metadata": {"name": "a"}, "spec": {}}, (400, "BadRequest")),
        ({**WORKFLOW, "kind": "CronWorkflow", "metadata": {"name": "a"}}, (422, "Invalid")),
        (b"{", (400, "BadRequest")),
        (b"[]", (400, "BadRequest")),
    ],
)
def test_what_is_no_workflow_is_not_created(kubernetes_api: Api, body: object, expected: tuple[int, str]) -> None:
    answer = kubernetes_api.request("POST", kubernetes_api.workflows, body)
    assert answer.refusal[:2] == expected
    assert kubernetes_api.must("GET", kubernetes_api.workflows)["items"] == []


def test_empty_and_unknown_fields_are_left_out(kubernetes_api: Api) -> None:
    metadata: dict[str, Any] = {"name": "new", "labels": {}, "annotations": None, "unknown": 1, "generateName": ""}
    created = kubernetes_api.must("POST", kubernetes_api.workflows, {**WORKFLOW, "metadata": metadata, "other": 1})
    assert set(created) == {"apiVersion", "kind", "metadata", "spec"}
    assert not {"labels", "annotations", "unknown", "generateName"} & set(created["metadata"])


def test_a_new_object_has_no_version(kubernetes_api: Api) -> None:
    body = {**WORKFLOW, "metadata": {"name": "new", "resourceVersion": "5"}}
    answer = kubernetes_api.request("POST", kubernetes_api.workflows, body)
    assert answer.refusal == (500, "", "resourceVersion should not be set on objects to be created")


def test_bodies_are_json(kubernetes_api: Api) -> None:
    body = {**WORKFLOW, "metadata": {"name": "new"}}
    answer = kubernetes_api.request("POST", kubernetes_api.workflows, body, content_type="text/plain")
    assert answer.refusal[:2] == (415, "UnsupportedMediaType")


def test_a_bad_name_is_explained(kubernetes_api: Api) -> None:
    answer = kubernetes_api.request("POST", kubernetes_api.workflows, {**WORKFLOW, "metadata": {"name": "Upper"}})
    assert answer.refusal[2].startswith(
        'Workflow.argoproj.io "Upper" is invalid: metadata.name: Invalid value: "Upper": a lowercase RFC 1123 subdomain'
    )
    details = answer.body["details"]
    assert (details["name"], details["group"], details["kind"]) == ("Upper", "argoproj.io", "Workflow")
    assert details["causes"][0]["field"] == "metadata.name"


def test_a_namespace_has_to_be_there(server: Api) -> None:
    nowhere = server.within("nowhere")
    answer = nowhere.request("POST", nowhere.workflows, {**WORKFLOW, "metadata": {"name": "a"}})
    assert answer.refusal == (404, "NotFound", 'namespaces "nowhere" not found')


def test_what_is_not_there_is_not_found(kubernetes_api: Api) -> None:
    answer = kubernetes_api.request("GET", kubernetes_api.workflow("nobody"))
    assert answer.refusal == (404, "NotFound", 'workflows.argoproj.io "nobody" not found')
    assert answer.body["details"] == {"name": "nobody", "group": "argoproj.io", "kind": "workflows"}
    assert kubernetes_api.request("DELETE", kubernetes_api.workflow("nobody")).status == 404
    body = {**WORKFLOW, "metadata": {"name": "nobody", "resourceVersion": "1"}}
    assert kubernetes_api.request("PUT", kubernetes_api.workflow("nobody"), body).status == 404


def test_metadata_alone_can_be_read(kubernetes_api: Api) -> None:
    whole = kubernetes_api.create()
    partial = kubernetes_api.must("GET", kubernetes_api.workflow("waiting"), accept=PARTIAL)
    assert partial == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": whole["metadata"],
    }


@pytest.mark.parametrize("accept", ["text/html", "application/json;as=Nothing;g=meta.k8s.io;v=v1"])
def test_a_form_that_is_not_served_is_not_acceptable(kubernetes_api: Api, accept: str) -> None:
    kubernetes_api.create()
    answer = kubernetes_api.request("GET", kubernetes_api.workflow("waiting"), accept=accept)
    assert answer.refusal[:2] == (406, "NotAcceptable")


@pytest.mark.parametrize("accept", ["*/*", "application/*", f"application/vnd.none,{PARTIAL},application/json"])
def test_the_first_form_that_is_served_is_taken(kubernetes_api: Api, accept: str) -> None:
    kubernetes_api.create()
    answer = kubernetes_api.must("GET", kubernetes_api.workflow("waiting"), accept=accept)
    assert answer["kind"] == ("PartialObjectMetadata" if PARTIAL in accept else "Workflow")


def test_an_update_names_the_version_that_it_replaces(kubernetes_api: Api) -> None:
    first = kubernetes_api.create()
    path = kubernetes_api.workflow("waiting")
    second = kubernetes_api.must("PUT", path, {**first, "spec": {**first["spec"], "suspend": True}})
    assert second["spec"]["suspend"] is True
    assert second["metadata"]["generation"] == 2
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    lost = kubernetes_api.request("PUT", path, {**first, "spec": {}})
    assert lost.refusal == (409, "Conflict", MODIFIED)
    assert lost.body["details"] == {"name": "waiting", "group": "argoproj.io", "kind": "workflows"}
    metadata = {key: value for key, value in second["metadata"].items() if key != "resourceVersion"}
    blind = kubernetes_api.request("PUT", path, {**second, "metadata": metadata})
    assert blind.refusal[:2] == (422, "Invalid")
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in blind.refusal[2]
    assert kubernetes_api.must("GET", path) == second


def test_an_update_that_changes_nothing_keeps_the_version(kubernetes_api: Api) -> None:
    before = kubernetes_api.create()
    assert kubernetes_api.must("PUT", kubernetes_api.workflow("waiting"), before) == before


def test_an_update_is_of_the_same_object(kubernetes_api: Api) -> None:
    before = kubernetes_api.create()
    path = kubernetes_api.workflow("waiting")
    renamed = {**before, "metadata": {**before["metadata"], "name": "other"}}
    answer = kubernetes_api.request("PUT", path, renamed)
    message = "the name of the object (other) does not match the name on the URL (waiting)"
    assert answer.refusal == (400, "BadRequest", message)
    other = {**before, "metadata": {**before["metadata"], "uid": str(uuid.uuid4())}}
    answer = kubernetes_api.request("PUT", path, other)
    assert answer.refusal[:2] == (409, "Conflict")
    assert "UID in precondition" in answer.refusal[2]


def test_a_merge_patch_merges_and_removes(kubernetes_api: Api) -> None:
    before = kubernetes_api.create()
    patch = {"metadata": {"labels": {"task-id": None, "new": "1"}}, "status": {"phase": "Failed"}}
    path = kubernetes_api.workflow("waiting")
    after = kubernetes_api.must("PATCH", path, patch, content_type=MERGE_PATCH)
    labels = {**before["metadata"]["labels"], "new": "1"}
    del labels["task-id"]
    assert after["metadata"]["labels"] == labels
    assert after["status"] == {**before["status"], "phase": "Failed"}
    assert after["metadata"]["generation"] == 2
    bad = kubernetes_api.request("PATCH", path, [1], content_type=MERGE_PATCH)
    assert bad.refusal[:2] == (400, "BadRequest")


def test_a_merge_patch_can_name_the_version_that_it_is_for(kubernetes_api: Api) -> None:
    before = kubernetes_api.create()
    path = kubernetes_api.workflow("waiting")
    patch = {"metadata": {"resourceVersion": before["metadata"]["resourceVersion"], "labels": {"a": "b"}}}
    assert kubernetes_api.request("PATCH", path, patch, content_type=MERGE_PATCH).status == 200
    again = {"metadata": {**patch["metadata"], "labels": {"a": "c"}}}
    assert kubernetes_api.request("PATCH", path, again, content_type=MERGE_PATCH).refusal == (
        409,
        "Conflict",
        MODIFIED,
    )


def test_deleting_answers_with_the_identity_of_what_is_gone(kubernetes_api: Api) -> None:
    uid = kubernetes_api.create()["metadata"]["uid"]
    path = kubernetes_api.workflow("waiting")
    gone = kubernetes_api.must("DELETE", path)
    assert (gone["kind"], gone["status"]) == ("Status", "Success")
    assert gone["details"] == {"name": "waiting", "group": "argoproj.io", "kind": "workflows", "uid": uid}
    assert kubernetes_api.request("GET", path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_bodies_have_a_largest_size(kubernetes_api: Api, method: str) -> None:
    kubernetes_api.create()
    path = kubernetes_api.workflows if method == "POST" else kubernetes_api.workflow("waiting")
    kind = MERGE_PATCH if method == "PATCH" else "application/json"
    answer = kubernetes_api.request(method, path, b'{"a": "' + b"x" * (3 << 20) + b'"}', content_type=kind)
    assert answer.refusal[:2] == (413, "RequestEntityTooLarge")
    assert answer.refusal[2] == "Request entity too large: limit is 3145728"


def test_objects_have_a_largest_size(kubernetes_api: Api) -> None:
    body = {**WORKFLOW, "metadata": {"name": "large"}, "spec": {"x": "x" * 1_600_000}}
    answer = kubernetes_api.request("POST", kubernetes_api.workflows, body)
    assert answer.status == 500
    assert "request is too large" in answer.body["message"]


@pytest.mark.parametrize(
    ("plural", "kind", "content"),
    [
        ("configmaps", "ConfigMap", {"data": {"a": "b"}}),
        ("events", "Event", {"reason": "GateOpened", "type": "Normal"}),
    ],
)
def test_other_kinds_are_kept_too(kubernetes_api: Api, plural: str, kind: str, content: dict[str, Any]) -> None:
    path = f"/api/v1/namespaces/{kubernetes_api.namespace}/{plural}"
    involved = {"involvedObject": {"namespace": kubernetes_api.namespace}} if kind == "Event" else {}
    body = {"kind": kind, "apiVersion": "v1", "metadata": {"name": "a"}, **content, **involved}
    created = kubernetes_api.must("POST", path, body)
    assert created == kubernetes_api.must("GET", f"{path}/a")
    assert {key: created[key] for key in content} == content
    listed = kubernetes_api.must("GET", path)
    assert (listed["kind"], [each["metadata"]["name"] for each in listed["items"]]) == (f"{kind}List", ["a"])
    unconditional = {**body, "metadata": {"name": "a", "labels": {"x": "y"}}}
    assert kubernetes_api.must("PUT", f"{path}/a", unconditional)["metadata"]["labels"] == {"x": "y"}

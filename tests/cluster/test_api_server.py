"""What the project relies on in the API server, asked of the real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.cluster.api_client import JSON_PATCH, WORKFLOWS, ApiClient
from tests.cluster.api_server import RealApiServer
from tests.cluster.processes import wait_for

RECORDINGS = Path(__file__).parent.parent / "data" / "argo-recordings"
STATE = "/metadata/annotations/taskgate.dev~1state"

Workflow = dict[str, Any]


def create(api: ApiClient, namespace: str, recording: str = "steps-first-gate") -> Workflow:
    """Creates a recorded Workflow that waits at its gate."""
    workflow = json.loads((RECORDINGS / recording / "waiting.json").read_text())
    metadata = {key: workflow["metadata"].get(key, {}) for key in ("name", "labels", "annotations")}
    workflow["metadata"] = {**metadata, "namespace": namespace}
    created: Workflow = api.must("POST", WORKFLOWS.format(namespace), workflow)
    assert created["spec"] == workflow["spec"]
    assert created["status"] == workflow["status"]
    return created


def path_of(workflow: Workflow) -> str:
    """Where the API has it."""
    metadata = workflow["metadata"]
    return f"{WORKFLOWS.format(metadata['namespace'])}/{metadata['name']}"


@pytest.mark.parametrize("recording", sorted(path.parent.name for path in RECORDINGS.glob("*/waiting.json")))
def test_takes_recorded_workflows_as_they_are(real_api_server: RealApiServer, namespace: str, recording: str) -> None:
    created = create(real_api_server.admin, namespace, recording)
    assert real_api_server.admin.must("GET", path_of(created)) == created


def test_patch_with_true_tests_changes_the_workflow(real_api_server: RealApiServer, namespace: str) -> None:
    workflow = create(real_api_server.admin, namespace)
    node = next(id_ for id_, node in workflow["status"]["nodes"].items() if node["type"] == "Suspend")
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": workflow["metadata"]["uid"]},
        {"op": "test", "path": f"/status/nodes/{node}/phase", "value": "Running"},
        {"op": "test", "path": STATE, "value": None},
        {"op": "replace", "path": f"/status/nodes/{node}/phase", "value": "Succeeded"},
        {"op": "add", "path": STATE, "value": "{}"},
    ]
    api = real_api_server.admin
    patched = api.must("PATCH", path_of(workflow), patch, content_type=JSON_PATCH)
    assert patched["status"]["nodes"][node]["phase"] == "Succeeded"
    assert patched["metadata"]["annotations"]["taskgate.dev/state"] == "{}"

    again = api.request("PATCH", path_of(workflow), patch, content_type=JSON_PATCH)
    assert (again.status, again.body["reason"]) == (422, "Invalid")
    assert api.must("GET", path_of(workflow)) == patched


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param({"op": "test", "path": "/metadata/uid", "value": "other"}, id="another uid"),
        pytest.param({"op": "test", "path": "/metadata/name", "value": None}, id="present where absent is wanted"),
        pytest.param({"op": "remove", "path": "/spec/nothing"}, id="remove what is not there"),
        pytest.param({"op": "add", "path": "/spec/nothing/below", "value": 1}, id="add below what is not there"),
    ],
)
def test_patch_that_does_not_fit_is_422_and_changes_nothing(
    real_api_server: RealApiServer, namespace: str, operation: dict[str, object]
) -> None:
    api = real_api_server.admin
    workflow = create(api, namespace)
    patch = [{"op": "add", "path": "/metadata/labels/changed", "value": "yes"}, operation]
    answer = api.request("PATCH", path_of(workflow), patch, content_type=JSON_PATCH)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert api.must("GET", path_of(workflow)) == workflow


def test_patch_of_a_missing_workflow_is_404(real_api_server: RealApiServer, namespace: str) -> None:
    path = f"{WORKFLOWS.format(namespace)}/nobody"
    answer = real_api_server.admin.request("PATCH", path, [], content_type=JSON_PATCH)
    assert (answer.status, answer.body["reason"]) == (404, "NotFound")


def test_patch_can_answer_with_metadata_only(real_api_server: RealApiServer, namespace: str) -> None:
    workflow = create(real_api_server.admin, namespace)
    answer = real_api_server.admin.must(
        "PATCH",
        path_of(workflow),
        [{"op": "test", "path": "/metadata/uid", "value": workflow["metadata"]["uid"]}],
        content_type=JSON_PATCH,
        headers={"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"},
    )
    assert answer["kind"] == "PartialObjectMetadata"
    assert "spec" not in answer
    assert "status" not in answer


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(
    real_api_server: RealApiServer, namespace: str
) -> None:
    admin = real_api_server.admin
    workflow = create(admin, namespace)
    account = admin.as_token(real_api_server.token_for("reader", namespace))
    refused = account.request("GET", path_of(workflow))
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")

    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["get"]}]
    admin.must("POST", f"{rbac}/roles", {"metadata": {"name": "reader"}, "rules": rules})
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    }
    admin.must("POST", f"{rbac}/rolebindings", binding)
    # The API server learns of rights by a watch, a moment later.
    wait_for("the right to be there", lambda: account.request("GET", path_of(workflow)).status == 200 or None)
    assert account.must("GET", path_of(workflow)) == workflow
    assert account.request("DELETE", path_of(workflow)).status == 403
    account.close()


def test_nobody_without_a_valid_token(real_api_server: RealApiServer, namespace: str) -> None:
    stranger = real_api_server.admin.as_token("not-a-token")
    assert stranger.request("GET", WORKFLOWS.format(namespace)).status == 401
    stranger.close()


def test_what_is_stored_outlives_a_restart(own_api_server: RealApiServer) -> None:
    own_api_server.create_namespace("lasting")
    workflow = create(own_api_server.admin, "lasting")
    own_api_server.stop()
    with pytest.raises(urllib3.exceptions.HTTPError):
        own_api_server.admin.request("GET", path_of(workflow))
    own_api_server.start()
    assert own_api_server.admin.must("GET", path_of(workflow)) == workflow


def test_kubectl_speaks_with_it(real_api_server: RealApiServer, namespace: str) -> None:
    result = real_api_server.kubectl("get", "namespace", namespace, "--output=name")
    assert (result.stdout.strip(), result.returncode) == (f"namespace/{namespace}", 0), result.stderr

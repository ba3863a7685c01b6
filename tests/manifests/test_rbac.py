"""What each account may do, asked of the real API server with its token."""

from pathlib import Path

import pytest

from func.core.outcomes import WorkflowRef
from func.telemetry.kubernetes_events import event_of
from tests.cluster.api_client import APPLY, JSON_PATCH, WORKFLOWS, ApiClient
from tests.cluster.api_server import RealApiServer
from tests.manifests.building import build, with_component
from tests.manifests.conftest import WORKFLOW_NAMESPACE, apply
from tests.manifests.test_admission import STATE, MakeWorkflow, path_of

OURS = WORKFLOWS.format(WORKFLOW_NAMESPACE)
OTHERS = WORKFLOWS.format("elsewhere")
BODY = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "new"}, "spec": {}}
METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}


@pytest.fixture(scope="module")
def installed(cluster: RealApiServer) -> RealApiServer:
    apply(cluster, build("overlays/argo-events"))
    return cluster


def account(cluster: RealApiServer, name: str) -> ApiClient:
    return cluster.admin.as_token(cluster.token_for(name, "taskgate"))


def test_the_function_can_do_its_work(installed: RealApiServer, workflow: MakeWorkflow) -> None:
    function, waiting = account(installed, "taskgate"), workflow()
    assert function.request("GET", path_of(waiting)).status == 200
    query = f"{OURS}?labelSelector=task-id%3D{waiting['metadata']['labels']['task-id']}"
    listed = function.request("GET", query, headers=METADATA_ONLY)
    assert (listed.status, len(listed.body["items"])) == (200, 1)
    change = [{"op": "add", "path": STATE, "value": "{}"}]
    assert function.request("PATCH", path_of(waiting), change, content_type=JSON_PATCH).status == 200


DENIED_TO_THE_FUNCTION: list[tuple[str, str, object]] = [
    ("POST", OURS, BODY),
    ("PUT", f"{OURS}/play-task-3-workflow", BODY),
    ("DELETE", f"{OURS}/play-task-3-workflow", None),
    ("DELETE", OURS, None),
    ("GET", f"{OURS}?watch=true&timeoutSeconds=1", None),
    ("GET", "/apis/argoproj.io/v1alpha1/workflows", None),
    ("GET", OTHERS, None),
    ("GET", f"{OTHERS}/any", None),
    ("PATCH", f"{OTHERS}/any", []),
    ("GET", "/apis/argoproj.io/v1alpha1/namespaces/taskgate/sensors", None),
    ("GET", "/api/v1/nodes", None),
    ("GET", "/api/v1/namespaces", None),
    *(
        (method, f"/api/v1/namespaces/{namespace}/{resource}", body)
        for namespace in ("taskgate", WORKFLOW_NAMESPACE, "elsewhere")
        for resource in ("secrets", "pods", "configmaps", "serviceaccounts")
        for method, body in (("GET", None), ("POST", {"metadata": {"name": "new"}}))
    ),
    ("GET", "/api/v1/namespaces/taskgate/secrets/taskgate-token", None),
    ("POST", "/api/v1/namespaces/taskgate/serviceaccounts/taskgate-sensor/token", {"spec": {}}),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/agent-platform/roles", {"metadata": {"name": "new"}}),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}}),
    ("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/taskgate-changes-gates-only", None),
]


@pytest.mark.parametrize(("method", "path", "body"), DENIED_TO_THE_FUNCTION)
def test_the_function_can_do_nothing_else(
    installed: RealApiServer, workflow: MakeWorkflow, method: str, path: str, body: object
) -> None:
    workflow()
    content_type = JSON_PATCH if method == "PATCH" else "application/json"
    answer = account(installed, "taskgate").request(method, path, body, content_type=content_type)
    assert answer.status == 403, answer
    assert "cannot" in answer.body["message"]  # RBAC's words, they name what is missing


def test_a_patch_that_would_create_a_workflow_is_refused(installed: RealApiServer) -> None:
    path = f"{OURS}/new?fieldManager=test"
    answer = account(installed, "taskgate").request("PATCH", path, BODY, content_type=APPLY)
    assert answer.status == 403, answer
    assert installed.admin.request("GET", f"{OURS}/new").status == 404


def test_the_watcher_can_look_and_not_touch(installed: RealApiServer, workflow: MakeWorkflow) -> None:
    watcher, waiting = account(installed, "taskgate-waiting"), workflow()
    assert watcher.request("GET", OURS).status == 200
    assert watcher.request("GET", f"{OURS}?watch=true&timeoutSeconds=1&resourceVersion=0").status == 200
    change = [{"op": "add", "path": STATE, "value": "{}"}]
    assert watcher.request("PATCH", path_of(waiting), change, content_type=JSON_PATCH).status == 403
    assert watcher.request("GET", OTHERS).status == 403
    assert watcher.request("GET", "/api/v1/namespaces/taskgate/secrets").status == 403


def test_the_sensor_can_put_down_dead_letters_and_nothing_else(installed: RealApiServer) -> None:
    sensor, here = account(installed, "taskgate-sensor"), "/api/v1/namespaces/taskgate/configmaps"
    letter = {"metadata": {"generateName": "taskgate-dead-letter-"}, "data": {"id": "1"}}
    made = sensor.request("POST", here, letter)
    assert made.status == 201, made
    name = made.body["metadata"]["name"]
    for method, path in (
        ("GET", here),
        ("GET", f"{here}/{name}"),
        ("DELETE", f"{here}/{name}"),
        ("PUT", f"{here}/{name}"),
        ("GET", OURS),
        ("POST", OURS),
        ("GET", "/api/v1/namespaces/taskgate/secrets"),
    ):
        answer = sensor.request(method, path, BODY if method in ("PUT", "POST") else None)
        assert answer.status == 403, (method, path, answer)
    elsewhere = sensor.request("POST", f"/api/v1/namespaces/{WORKFLOW_NAMESPACE}/configmaps", letter)
    assert elsewhere.status == 403, elsewhere


def test_with_events_the_function_may_tell_of_workflows_and_read_nothing(
    installed: RealApiServer, workflow: MakeWorkflow, tmp_path: Path
) -> None:
    apply(installed, with_component("components/kubernetes-events", "overlays/argo-events", tmp_path))
    function, waiting = account(installed, "taskgate"), workflow()["metadata"]
    here = f"/apis/events.k8s.io/v1/namespaces/{WORKFLOW_NAMESPACE}/events"
    about = WorkflowRef(WORKFLOW_NAMESPACE, waiting["name"], waiting["uid"])
    event = event_of(about, "It is open.", "GateOpened", "Open", "pod")  # what the function sends
    made = function.request("POST", here, event)
    assert made.status == 201, made
    elsewhere = here.replace(WORKFLOW_NAMESPACE, "elsewhere")
    for method, path in (
        ("GET", here),
        ("GET", f"{here}/{made.body['metadata']['name']}"),
        ("DELETE", f"{here}/{made.body['metadata']['name']}"),
        ("POST", elsewhere),
        ("POST", f"/api/v1/namespaces/{WORKFLOW_NAMESPACE}/events"),
    ):
        answer = function.request(method, path, event if method == "POST" else None)
        assert answer.status == 403, (method, path, answer)
    described = installed.kubectl("-n", WORKFLOW_NAMESPACE, "describe", "workflow", waiting["name"])
    assert "GateOpened" in described.stdout, described

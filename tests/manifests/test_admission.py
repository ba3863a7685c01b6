"""What the function's ServiceAccount may change of a Workflow, asked of the real API server with its token."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.api_client import APPLY, JSON_PATCH, MERGE_PATCH, WORKFLOWS, Answer, ApiClient
from tests.cluster.api_server import RealApiServer
from tests.cluster.processes import wait_for
from tests.manifests.building import Manifest, build
from tests.manifests.conftest import WORKFLOW_NAMESPACE, apply

POLICY = "ValidatingAdmissionPolicy 'taskgate-changes-gates-only'"
STATE = "/metadata/annotations/taskgate.dev~1state"
PARKED = "/metadata/labels/taskgate.dev~1parked"

MakeWorkflow = Callable[..., Manifest]


def path_of(workflow: Manifest) -> str:
    return f"{WORKFLOWS.format(WORKFLOW_NAMESPACE)}/{workflow['metadata']['name']}"


def patch(api: ApiClient, workflow: Manifest, *operations: Manifest) -> Answer:
    return api.request("PATCH", path_of(workflow), list(operations), content_type=JSON_PATCH)


def refused_by_policy(answer: Answer) -> bool:
    """403 as a policy says it; RBAC's 403 has other words."""
    return answer.status == 403 and answer.body["reason"] == "Forbidden" and POLICY in answer.body["message"]


@pytest.fixture(scope="module")
def function(cluster: RealApiServer) -> ApiClient:
    """The API server as the function sees it, with the policy in force."""
    apply(cluster, build("base"))
    api = cluster.admin.as_token(cluster.token_for("taskgate", "taskgate"))
    probe = {"metadata": {"name": "probe"}, "spec": {}, "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    created = cluster.admin.must("POST", WORKFLOWS.format(WORKFLOW_NAMESPACE), probe)

    def in_force() -> bool | None:
        change = {"op": "add", "path": "/metadata/labels", "value": {"probe": str(time.monotonic_ns())}}
        return refused_by_policy(patch(api, created, change)) or None

    wait_for("the policy to be in force", in_force)
    cluster.admin.must("DELETE", path_of(created))
    return api


def gate_of(workflow: Manifest) -> tuple[str, Manifest]:
    """Id and content of the node that waits."""
    nodes = workflow["status"]["nodes"]
    (waiting,) = [(i, n) for i, n in nodes.items() if n["type"] == "Suspend" and n["phase"] == "Running"]
    return waiting


def test_a_gate_can_be_opened(function: ApiClient, workflow: MakeWorkflow) -> None:
    waiting = workflow()
    id_, node = gate_of(waiting)
    at = f"/status/nodes/{id_}"
    answer = patch(
        function,
        waiting,
        {"op": "test", "path": "/metadata/uid", "value": waiting["metadata"]["uid"]},
        {"op": "test", "path": f"{at}/phase", "value": "Running"},
        {"op": "test", "path": STATE, "value": None},
        {"op": "replace", "path": f"{at}/phase", "value": "Succeeded"},
        {"op": "add", "path": f"{at}/finishedAt", "value": "2026-11-22T10:20:00Z"},
        {"op": "add", "path": f"{at}/message", "value": "approved"},
        {"op": "test", "path": f"{at}/outputs", "value": node["outputs"]},
        {"op": "replace", "path": f"{at}/outputs", "value": {"parameters": [{"name": "pr-number", "value": "1"}]}},
        {"op": "add", "path": "/status/outputs", "value": {"parameters": [{"name": "number", "value": "1"}]}},
        {"op": "add", "path": STATE, "value": "{}"},
        {"op": "add", "path": PARKED, "value": "true"},
    )
    assert answer.status == 200, answer.body
    assert answer.body["status"]["nodes"][id_]["phase"] == "Succeeded"
    assert answer.body["status"]["outputs"]["parameters"][0]["value"] == "1"


ALLOWED: dict[str, list[Manifest]] = {
    "first annotation": [
        {"op": "test", "path": "/metadata/annotations", "value": None},
        {"op": "add", "path": "/metadata/annotations", "value": {"taskgate.dev/state": "{}"}},
    ],
    "first label": [{"op": "add", "path": "/metadata/labels", "value": {"taskgate.dev/parked": "true"}}],
    "compressed nodes": [
        {"op": "remove", "path": "/status/nodes"},
        {"op": "add", "path": "/status/compressedNodes", "value": "H4sIAAAA"},
    ],
    "no outputs": [{"op": "add", "path": "/status/outputs", "value": {}}, {"op": "remove", "path": "/status/outputs"}],
}


@pytest.mark.parametrize("case", ALLOWED)
def test_a_workflow_without_labels_and_annotations_can_be_changed(
    function: ApiClient, workflow: MakeWorkflow, case: str
) -> None:
    bare = workflow(metadata={"labels": None, "annotations": None})
    answer = patch(function, bare, *ALLOWED[case])
    assert answer.status == 200, answer.body


def test_our_own_marks_can_be_changed_and_taken_away(function: ApiClient, workflow: MakeWorkflow) -> None:
    marked = workflow(metadata={"annotations": {"taskgate.dev/state": "{}"}, "labels": {"taskgate.dev/parked": "true"}})
    for operation in (
        {"op": "replace", "path": STATE, "value": '{"uid":"1"}'},
        {"op": "remove", "path": STATE},
        {"op": "remove", "path": PARKED},
    ):
        answer = patch(function, marked, operation)
        assert answer.status == 200, answer.body


OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1781c90d-e88b-491e-815b-e64a6b1d4617"}
DENIED: dict[str, Manifest] = {
    "suspend": {"op": "add", "path": "/spec/suspend", "value": True},
    "entrypoint": {"op": "replace", "path": "/spec/entrypoint", "value": "other"},
    "image of a template": {"op": "add", "path": "/spec/templates/0/container", "value": {"image": "evil"}},
    "another template": {"op": "add", "path": "/spec/templates/-", "value": {"name": "evil", "container": {}}},
    "service account": {"op": "add", "path": "/spec/serviceAccountName", "value": "admin"},
    "arguments": {"op": "replace", "path": "/spec/arguments", "value": {"parameters": []}},
    "whole spec": {"op": "replace", "path": "/spec", "value": {}},
    "stored templates": {"op": "add", "path": "/status/storedTemplates", "value": {"a": {"container": {}}}},
    "stored spec": {"op": "add", "path": "/status/storedWorkflowTemplateSpec", "value": {"entrypoint": "evil"}},
    "phase": {"op": "replace", "path": "/status/phase", "value": "Succeeded"},
    "message": {"op": "add", "path": "/status/message", "value": "done"},
    "finishedAt": {"op": "add", "path": "/status/finishedAt", "value": "2026-11-22T10:20:00Z"},
    "startedAt taken away": {"op": "remove", "path": "/status/startedAt"},
    "status without the rest": {"op": "replace", "path": "/status", "value": {"nodes": {}}},
    "whole status": {"op": "remove", "path": "/status"},
    "offloaded nodes": {"op": "add", "path": "/status/offloadNodeStatusVersion", "value": "fnv:1"},
    "artifact repository": {"op": "add", "path": "/status/artifactRepositoryRef/namespace", "value": "evil"},
    "another label": {"op": "add", "path": "/metadata/labels/other", "value": "x"},
    "another label of our prefix": {"op": "add", "path": "/metadata/labels/taskgate.dev~1other", "value": "x"},
    "the task's label": {"op": "replace", "path": "/metadata/labels/task-id", "value": "99"},
    "the task's label taken away": {"op": "remove", "path": "/metadata/labels/task-id"},
    "all labels": {"op": "remove", "path": "/metadata/labels"},
    "another annotation": {"op": "add", "path": "/metadata/annotations/other", "value": "x"},
    "another annotation of our prefix": {"op": "add", "path": "/metadata/annotations/taskgate.dev~1x", "value": "x"},
    "Argo's annotation": {
        "op": "replace",
        "path": "/metadata/annotations/workflows.argoproj.io~1pod-name-format",
        "value": "v1",
    },
    "all annotations": {"op": "remove", "path": "/metadata/annotations"},
    "owner": {"op": "add", "path": "/metadata/ownerReferences", "value": [OWNER]},
    "finalizer": {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/x"]},
    "generateName": {"op": "add", "path": "/metadata/generateName", "value": "play-"},
}


@pytest.mark.parametrize("case", DENIED)
def test_nothing_else_can_be_changed(
    cluster: RealApiServer, function: ApiClient, workflow: MakeWorkflow, case: str
) -> None:
    waiting = workflow()
    answer = patch(function, waiting, DENIED[case])
    assert refused_by_policy(answer), answer
    # The same change hidden in a good one.
    both = patch(function, waiting, {"op": "add", "path": STATE, "value": "{}"}, DENIED[case])
    assert refused_by_policy(both), both
    assert cluster.admin.must("GET", path_of(waiting)) == waiting
    # It is the policy that says no: for others the change is a good one.
    assert patch(cluster.admin, waiting, DENIED[case]).status == 200


def test_owners_and_finalizers_cannot_be_taken_away(function: ApiClient, workflow: MakeWorkflow) -> None:
    """Argo's artifact garbage collection relies on its finalizer, Kubernetes' on the owner."""
    kept = workflow(metadata={"finalizers": ["workflows.argoproj.io/artifact-gc"], "ownerReferences": [OWNER]})
    for field in ("finalizers", "ownerReferences"):
        answer = patch(function, kept, {"op": "remove", "path": f"/metadata/{field}"})
        assert refused_by_policy(answer), answer
        assert patch(function, kept, {"op": "replace", "path": f"/metadata/{field}", "value": []}).status == 403


@pytest.mark.parametrize(
    ("content_type", "change"),
    [
        (MERGE_PATCH, {"spec": {"suspend": True}}),
        (MERGE_PATCH, {"status": {"phase": "Failed"}}),
        (MERGE_PATCH, {"metadata": {"finalizers": ["example.com/x"]}}),
        (APPLY, {"spec": {"entrypoint": "evil"}}),
    ],
)
def test_no_kind_of_patch_is_a_way_around(
    function: ApiClient, workflow: MakeWorkflow, content_type: str, change: Manifest
) -> None:
    waiting = workflow()
    name = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"} if content_type == APPLY else {}
    query = "?fieldManager=test&force=true" if content_type == APPLY else ""
    answer = function.request("PATCH", path_of(waiting) + query, {**name, **change}, content_type=content_type)
    assert refused_by_policy(answer), answer


def large(kilobytes: int) -> dict[str, Any]:
    """Nodes of a Workflow, this much JSON."""
    node = {"type": "Pod", "phase": "Succeeded", "message": "x" * 800, "children": ["a", "b"]}
    return {f"node-{number}": node for number in range(kilobytes * 1000 // 890)}


@pytest.mark.parametrize("kilobytes", [900, 1400])
def test_large_workflows_stay_within_the_limits_of_cel(
    cluster: RealApiServer, function: ApiClient, workflow: MakeWorkflow, kilobytes: int
) -> None:
    big = workflow(status={"nodes": large(kilobytes)})
    begin = time.perf_counter()
    answer = patch(function, big, {"op": "replace", "path": "/status/nodes/node-1/phase", "value": "Failed"})
    ours = time.perf_counter() - begin
    assert answer.status == 200, answer.body
    begin = time.perf_counter()
    patch(cluster.admin, big, {"op": "replace", "path": "/status/nodes/node-1/phase", "value": "Error"})
    others = time.perf_counter() - begin
    assert refused_by_policy(patch(function, big, {"op": "add", "path": "/spec/suspend", "value": True}))
    assert ours < others + 1


def test_a_large_spec_and_stored_templates_are_compared_to_the_last_byte(
    function: ApiClient, workflow: MakeWorkflow
) -> None:
    templates = [{"name": f"t{number}", "container": {"image": "a", "args": ["x" * 800]}} for number in range(500)]
    stored = {f"t{number}": {"name": f"t{number}", "inputs": {"x": "y" * 800}} for number in range(500)}
    big = workflow(spec={"entrypoint": "t1", "templates": templates}, status={"storedTemplates": stored})
    assert patch(function, big, {"op": "add", "path": STATE, "value": "{}"}).status == 200
    for path in ("/spec/templates/499/container/image", "/status/storedTemplates/t499/name"):
        answer = patch(function, big, {"op": "replace", "path": path, "value": "evil"})
        assert refused_by_policy(answer), answer


def test_as_many_marks_as_kubernetes_takes_stay_within_the_limits_of_cel(
    function: ApiClient, workflow: MakeWorkflow
) -> None:
    """256 KiB of annotations and 2,000 labels: more keys than anybody has, each compared."""
    marks = {f"example.com/mark-{number}": "x" * 20 for number in range(2000)}
    many = workflow(metadata={"annotations": marks, "labels": marks})
    assert patch(function, many, {"op": "add", "path": STATE, "value": "{}"}).status == 200
    answer = patch(function, many, {"op": "remove", "path": "/metadata/annotations/example.com~1mark-1999"})
    assert refused_by_policy(answer), answer


def test_the_policy_holds_in_every_namespace_and_for_no_other_account(
    cluster: RealApiServer, function: ApiClient, workflow: MakeWorkflow
) -> None:
    """A right that was given by mistake opens a namespace, not the fields; and Argo's own accounts work on."""
    everything = {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["*"]}
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    cluster.admin.must("POST", f"{rbac}/clusterroles", {"metadata": {"name": "all"}, "rules": [everything]})
    for account, namespace in (("taskgate", "taskgate"), ("argo", "elsewhere")):
        binding = {
            "metadata": {"name": account},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "all"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        }
        cluster.admin.must("POST", f"{rbac}/namespaces/elsewhere/rolebindings", binding)
    there = WORKFLOWS.format("elsewhere")
    waiting = workflow()
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "a"},
        "spec": waiting["spec"],
    }
    cluster.admin.must("POST", there, body)
    change = [{"op": "add", "path": "/spec/suspend", "value": True}]

    ours = function.request("PATCH", f"{there}/a", change, content_type=JSON_PATCH)
    assert refused_by_policy(ours), ours
    replaced = function.request("PUT", f"{there}/a", {**function.must("GET", f"{there}/a"), "spec": {}})
    assert refused_by_policy(replaced), replaced

    controller = cluster.admin.as_token(cluster.token_for("argo", "elsewhere"))
    assert controller.request("PATCH", f"{there}/a", change, content_type=JSON_PATCH).status == 200

"""What the function's ServiceAccount may change of a Workflow, asked of the real API server with its token.

Every test runs with the minimal CRD of Argo Workflows and with the full one, whose types prune and default fields.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api_client import APPLY, JSON_PATCH, MERGE_PATCH, WORKFLOWS, Answer, ApiClient
from tests.cluster.api_server import RealApiServer
from tests.cluster.fixtures import WORKFLOW_CRDS
from tests.cluster.processes import Processes, wait_for
from tests.manifests.building import ROOT, Manifest, build
from tests.manifests.conftest import WORKFLOW_NAMESPACE, apply, cluster_with

POLICY = re.compile(r"ValidatingAdmissionPolicy '\S*taskgate-changes-gates-only\S*' ")  # with a prefix of an overlay
STATE = "/metadata/annotations/taskgate.dev~1state"
PARKED = "/metadata/labels/taskgate.dev~1parked"

MakeWorkflow = Callable[..., Manifest]


def path_of(workflow: Manifest) -> str:
    return f"{WORKFLOWS.format(WORKFLOW_NAMESPACE)}/{workflow['metadata']['name']}"


def patch(api: ApiClient, workflow: Manifest, *operations: Manifest) -> Answer:
    return api.request("PATCH", path_of(workflow), list(operations), content_type=JSON_PATCH)


def refused_by_policy(answer: Answer) -> bool:
    """403 as a policy says it; RBAC's 403 has other words."""
    return answer.status == 403 and answer.body["reason"] == "Forbidden" and bool(POLICY.search(answer.body["message"]))


@pytest.fixture(scope="module", params=WORKFLOW_CRDS)
def cluster(
    request: pytest.FixtureRequest, tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealApiServer]:
    crd: str = request.param
    with cluster_with(WORKFLOW_CRDS[crd], tools, processes, tmp_path_factory.mktemp("cluster")) as server:
        yield server


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


GATE, POD = "gate", "pod"
SUPPLIED: Manifest = {"valueFrom": {"supplied": {}}}
APPROVED = {"phase": "Succeeded", "finishedAt": "2026-11-22T10:20:00Z", "message": "approved"}


def nodes() -> Manifest:
    """A gate that waits, beside nodes of every kind that a forger would like to change."""

    def node(name: str, type_: str, phase: str, **fields: object) -> Manifest:
        common = {"id": name, "name": f"wf.{name}", "displayName": name, "type": type_, "phase": phase}
        return {**common, "startedAt": "2026-11-22T10:00:00Z", **fields}

    parameters = [
        {"name": "pr-number", "globalName": "number", **SUPPLIED},
        {"name": "approver", "valueFrom": {"supplied": {}, "default": "nobody"}},
        {"name": "fixed", "value": "1"},
    ]
    artifact = {"name": "report", "path": "/tmp/report", "s3": {"key": "good"}}  # noqa: S108 - a path in a pod
    return {
        GATE: node(GATE, "Suspend", "Running", templateName="gate", outputs={"parameters": parameters}),
        "parallel": node("parallel", "Suspend", "Running", templateName="gate"),
        "open": node("open", "Suspend", "Succeeded", templateName="gate"),
        POD: node(POD, "Pod", "Failed", templateName="build", message="exit code 1"),
        "running": node("running", "Pod", "Running", outputs={"artifacts": [artifact]}),
    }


def published() -> Manifest:
    """The outputs of the whole Workflow before the gate opens."""
    return {"parameters": [{"name": "earlier", "value": "1"}], "artifacts": [{"name": "log", "s3": {"key": "good"}}]}


def at(node: str, *field: str) -> str:
    return "/".join(("/status/nodes", node, *field))


def change(path: str, value: object) -> Manifest:
    return {"op": "add", "path": path, "value": value}


def opens(node: str = GATE, **fields: object) -> list[Manifest]:
    """What opens a gate, and what else of it changes."""
    return [change(at(node, field), value) for field, value in {**APPROVED, **fields}.items()]


def given(**changes: Manifest) -> Manifest:
    """The outputs of the open gate, with other parameters than the function would write."""
    parameters: dict[str, Manifest] = {
        "pr-number": {"name": "pr-number", "globalName": "number", "value": "123"},
        "approver": {"name": "approver", "value": "tess"},
        "fixed": {"name": "fixed", "value": "1"},
        **changes,
    }
    return {"parameters": [parameter for parameter in parameters.values() if parameter]}


def test_a_gate_can_be_opened(function: ApiClient, workflow: MakeWorkflow) -> None:
    waiting = workflow(status={"nodes": nodes(), "outputs": published()})
    outputs = published()
    outputs["parameters"].append({"name": "number", "value": "123"})
    answer = patch(
        function,
        waiting,
        {"op": "test", "path": "/metadata/uid", "value": waiting["metadata"]["uid"]},
        {"op": "test", "path": at(GATE, "phase"), "value": "Running"},
        {"op": "test", "path": STATE, "value": None},
        *opens(outputs=given()),
        change("/status/outputs", outputs),
        change(STATE, "{}"),
        change(PARKED, "true"),
    )
    assert answer.status == 200, answer.body
    assert answer.body["status"]["nodes"][GATE].items() >= {**APPROVED, "outputs": given()}.items()
    assert answer.body["status"]["outputs"] == outputs


GOOD: dict[str, list[Manifest]] = {
    "a gate without outputs": opens("parallel"),
    "a gate fails": opens(phase="Failed"),
    "a gate fails, with values": opens(phase="Failed", outputs=given()),
    "without values, as argo resume leaves them": opens(),
    "one value of two": opens(outputs=given(approver=nodes()[GATE]["outputs"]["parameters"][1])),
    "the first published value": [
        {"op": "remove", "path": "/status/outputs"},
        *opens(outputs=given()),
        change("/status/outputs", {"parameters": [{"name": "number", "value": "123"}]}),
    ],
}


@pytest.mark.parametrize("case", GOOD)
def test_a_gate_can_be_ended_in_each_way_of_argo(function: ApiClient, workflow: MakeWorkflow, case: str) -> None:
    first, *rest = GOOD[case]
    stored = None if first["op"] == "remove" else published()
    waiting = workflow(status={"nodes": nodes(), **({"outputs": stored} if stored else {})})
    answer = patch(function, waiting, *(GOOD[case] if stored else rest))
    assert answer.status == 200, answer.body


def test_a_value_published_before_can_be_replaced(function: ApiClient, workflow: MakeWorkflow) -> None:
    before = {"parameters": [{"name": "number", "value": "0", "globalName": "number"}]}
    after: Manifest = {"parameters": [{"name": "number", "value": "123", "globalName": "number"}]}
    waiting = workflow(status={"nodes": nodes(), "outputs": before})
    answer = patch(function, waiting, *opens(outputs=given()), change("/status/outputs", after))
    assert answer.status == 200, answer.body
    again = workflow("another", status={"nodes": nodes(), "outputs": before})
    after["parameters"][0]["valueFrom"] = {"expression": "1"}
    answer = patch(function, again, *opens(outputs=given()), change("/status/outputs", after))
    assert refused_by_policy(answer), answer


RECORDED = {
    f"{folder.parent.name}/{folder.name}/{after.name}": after
    for folder in sorted((ROOT / "tests/data").glob("argo-recordings*/*"))
    for after in (folder / "resumed.json", folder / "failed.json")
    if after.exists() and (folder / "waiting.json").exists()
}


@pytest.mark.parametrize("case", RECORDED)
def test_what_argo_itself_writes_is_what_may_be_written(function: ApiClient, workflow: MakeWorkflow, case: str) -> None:
    """Each recorded `argo resume` and `argo node set`; only one that opened two gates at once is refused."""
    before = json.loads((RECORDED[case].parent / "waiting.json").read_text())["status"]
    after = json.loads(RECORDED[case].read_text())["status"]
    moved = [id_ for id_, node in after.get("nodes", {}).items() if before["nodes"][id_] != node]
    waiting = workflow(status={"nodes": None, **before})
    operations = [change(at(id_), after["nodes"][id_]) for id_ in moved]
    operations += [change(f"/status/{key}", after[key]) for key in ("compressedNodes", "outputs") if key in after]
    answer = patch(function, waiting, *operations)
    if len(moved) > 1:
        assert refused_by_policy(answer), answer
    else:
        assert answer.status == 200, answer.body


_ARTIFACT = {"name": "report", "path": "/tmp/report", "s3": {"key": "forged"}}  # noqa: S108 - a path in a pod
FORGED: dict[str, list[Manifest]] = {
    "a failed pod made Succeeded": [change(at(POD, "phase"), "Succeeded")],
    "a running pod made Succeeded": opens("running"),
    "an artifact of another node": [change(at("running", "outputs", "artifacts"), [_ARTIFACT])],
    "an artifact of the gate": opens(outputs={**given(), "artifacts": [_ARTIFACT]}),
    "a result of the gate": opens(outputs={**given(), "result": "forged"}),
    "outputs for a gate that has none": opens("parallel", outputs=given()),
    "a node removed": [{"op": "remove", "path": at(POD)}],
    "a node removed while a gate opens": [*opens(), {"op": "remove", "path": at(POD)}],
    "the gate removed": [{"op": "remove", "path": at(GATE)}],
    "all nodes removed": [{"op": "remove", "path": "/status/nodes"}],
    "a node added": [change(at("forged"), nodes()["open"] | {"id": "forged"})],
    "a node put in the place of another": [change(at("forged"), nodes()[POD]), {"op": "remove", "path": at(POD)}],
    "nodes compressed": [
        {"op": "remove", "path": "/status/nodes"},
        change("/status/compressedNodes", "H4sIAAAA"),
    ],
    "compressed nodes beside the plain ones": [change("/status/compressedNodes", "H4sIAAAA")],
    "the type of the gate": opens(type="Pod"),
    "the type of a pod": [change(at("running", "type"), "Suspend"), *opens("running")],
    "a templateRef": opens(templateRef={"name": "evil", "template": "evil"}),
    "the template's name": opens(templateName="evil"),
    "the children": opens(children=["running"]),
    "the inputs": opens(inputs={"parameters": [{"name": "a", "value": "b"}]}),
    "the name": opens(displayName="other"),
    "the start": opens(startedAt="2026-11-22T11:00:00Z"),
    "the start removed": [*opens(), {"op": "remove", "path": at(GATE, "startedAt")}],
    "a gate made Skipped": opens(phase="Skipped"),
    "a gate made Error": opens(phase="Error"),
    "a gate made Pending": opens(phase="Pending"),
    "a gate that still runs": [change(at(GATE, "message"), "hello")],
    "an open gate failed": opens("open", phase="Failed"),
    "an open gate opened again": [change(at("open", "phase"), "Running")],
    "two gates at once": [*opens(), *opens("parallel")],
    "a gate and a pod": [*opens(), change(at(POD, "phase"), "Succeeded")],
    "another value of a fixed parameter": opens(outputs=given(fixed={"name": "fixed", "value": "2"})),
    "one parameter more": opens(outputs=given(more={"name": "more", "value": "1"})),
    "one parameter less": opens(outputs=given(fixed={})),
    "a parameter twice": opens(outputs=given(fixed={"name": "approver", "value": "mallory"})),
    "all outputs of the gate removed": [*opens(), {"op": "remove", "path": at(GATE, "outputs")}],
    "another global name": opens(outputs=given(approver={"name": "approver", "value": "a", "globalName": "earlier"})),
    "a value with another source": opens(
        outputs=given(approver={"name": "approver", "value": "a", "valueFrom": {"path": "/etc/passwd"}})
    ),
    "an artifact of the Workflow": [*opens(), change("/status/outputs/artifacts", [_ARTIFACT])],
    "the artifacts of the Workflow removed": [*opens(), {"op": "remove", "path": "/status/outputs/artifacts"}],
    "a result of the Workflow": [*opens(), change("/status/outputs/result", "forged")],
    "an earlier output of the Workflow": [*opens(), change("/status/outputs/parameters/0/value", "forged")],
    "an earlier output removed": [*opens(), {"op": "remove", "path": "/status/outputs/parameters/0"}],
    "an output that the gate does not publish": [
        *opens(),
        change("/status/outputs/parameters/-", {"name": "approver", "value": "forged"}),
    ],
    "an output with more than a value": [
        *opens(),
        change("/status/outputs/parameters/-", {"name": "number", "valueFrom": {"expression": "1"}}),
    ],
    "an output without a gate": [change("/status/outputs/parameters/-", {"name": "number", "value": "1"})],
}


@pytest.mark.parametrize("case", FORGED)
def test_nothing_else_of_the_nodes_and_outputs_can_be_changed(
    cluster: RealApiServer, function: ApiClient, workflow: MakeWorkflow, case: str
) -> None:
    waiting = workflow(status={"nodes": nodes(), "outputs": published()})
    answer = patch(function, waiting, *FORGED[case])
    assert refused_by_policy(answer), answer
    assert cluster.admin.must("GET", path_of(waiting)) == waiting
    assert patch(cluster.admin, waiting, *FORGED[case]).status == 200


def test_compressed_nodes_stay_compressed(function: ApiClient, workflow: MakeWorkflow) -> None:
    """The policy cannot read them, so any other string passes: the threat model names this."""
    waiting = workflow(status={"nodes": None, "compressedNodes": "H4sIAAAA"})
    answer = patch(function, waiting, change("/status/compressedNodes", "H4sIBBBB"), change(STATE, "{}"))
    assert answer.status == 200, answer.body
    for operations in (
        [{"op": "remove", "path": "/status/compressedNodes"}],
        [{"op": "remove", "path": "/status/compressedNodes"}, change("/status/nodes", nodes())],
        [change("/status/nodes", nodes())],
    ):
        answer = patch(function, waiting, *operations)
        assert refused_by_policy(answer), answer


ALLOWED: dict[str, list[Manifest]] = {
    "first annotation": [
        {"op": "test", "path": "/metadata/annotations", "value": None},
        {"op": "add", "path": "/metadata/annotations", "value": {"taskgate.dev/state": "{}"}},
    ],
    "first label": [{"op": "add", "path": "/metadata/labels", "value": {"taskgate.dev/parked": "true"}}],
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
    "image of a template": {
        "op": "replace",
        "path": "/spec/templates/0",
        "value": {"name": "main", "container": {"image": "evil"}},
    },
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


def many(count: int) -> Manifest:
    """A gate among this many nodes, as small steps leave them: 480 bytes each."""
    pod = nodes()[POD] | {"templateScope": "local/wf", "progress": "1/1", "children": ["a"], "message": "x" * 150}
    resources = {
        "resourcesDuration": {"cpu": 1, "memory": 2},
        "finishedAt": "2026-11-22T10:30:00Z",
        "hostNodeName": "n",
    }
    return nodes() | {f"step-{number}": {**pod, **resources, "id": f"step-{number}"} for number in range(count)}


@pytest.mark.parametrize("count", [2000, 2900])
def test_a_gate_opens_among_thousands_of_nodes_and_the_last_byte_is_compared(
    cluster: RealApiServer, function: ApiClient, workflow: MakeWorkflow, measured: list[str], count: int
) -> None:
    """2,900 nodes are 1.4 MB, which is about what etcd takes."""
    big = workflow(status={"nodes": many(count), "outputs": published()})
    for path in (at(f"step-{count - 1}", "phase"), at("step-0", "hostNodeName")):
        answer = patch(function, big, *opens(outputs=given()), change(path, "forged"))
        assert refused_by_policy(answer), answer
    took: dict[ApiClient, list[float]] = {function: [], cluster.admin: []}
    for api in (function, cluster.admin) * 2:
        begin = time.perf_counter()
        answer = patch(api, big, *opens(outputs=given()))
        took[api].append(time.perf_counter() - begin)
        assert answer.status == 200, answer.body
        closed = patch(cluster.admin, big, change(at(GATE), nodes()[GATE]))
        assert closed.status == 200
    ours, others = min(took[function]), min(took[cluster.admin])
    size = len(json.dumps(big["status"], separators=(",", ":"))) // 1000
    measured.append(
        f"a patch of a Workflow of {count} nodes, {size} kB: {ours * 1000:.0f} ms with the policy,"
        f" {others * 1000:.0f} ms without"
    )


def test_a_large_spec_and_stored_templates_are_compared_to_the_last_byte(
    function: ApiClient, workflow: MakeWorkflow
) -> None:
    templates = [{"name": f"t{number}", "container": {"image": "a", "args": ["x" * 2000]}} for number in range(200)]
    stored = {f"t{number}": {"name": f"t{number}", "inputs": {"x": "y" * 800}} for number in range(500)}
    big = workflow(spec={"entrypoint": "t1", "templates": templates}, status={"storedTemplates": stored})
    assert patch(function, big, {"op": "add", "path": STATE, "value": "{}"}).status == 200
    for path in ("/spec/templates/199/container/image", "/status/storedTemplates/t499/name"):
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
    controller = cluster.admin.as_token(cluster.token_for("argo", "elsewhere"))
    clients = (function, controller)  # the API server learns of their rights by a watch, a moment later
    wait_for("the rights", lambda: all(by.request("GET", f"{there}/a").status == 200 for by in clients) or None)

    ours = function.request("PATCH", f"{there}/a", change, content_type=JSON_PATCH)
    assert refused_by_policy(ours), ours
    replaced = function.request("PUT", f"{there}/a", {**function.must("GET", f"{there}/a"), "spec": {}})
    assert refused_by_policy(replaced), replaced

    assert controller.request("PATCH", f"{there}/a", change, content_type=JSON_PATCH).status == 200

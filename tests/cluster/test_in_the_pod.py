"""What the function's pod has: its ServiceAccount's rights, its token and the API server's certificate.

tests/manifests asks the API server what these rights are; here it is the function that meets their limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import payloads
from tests.cluster.api_client import JSON_PATCH
from tests.cluster.api_server import RealApiServer, generate_certificate
from tests.cluster.argo_events import Object
from tests.cluster.events import name_of, of
from tests.cluster.function_client import Reply
from tests.cluster.installation import OURS, TOKEN
from tests.cluster.kubeconfig_function import FunctionWithKubeconfig
from tests.cluster.pod import Pod
from tests.cluster.processes import Processes, wait_for
from tests.manifests.building import build, find
from tests.recorded_workflows import NAMESPACE, gate_node, waiting_workflow

GATE = "wait-pr-approved"
BINDINGS = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings"
ROLE = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/taskgate"
CLUSTER_ROLES = "/apis/rbac.authorization.k8s.io/v1/{}"


@pytest.fixture
def cluster(installed_cluster: RealApiServer) -> Iterator[RealApiServer]:
    """With one Workflow that stands at its gate."""
    workflow = waiting_workflow(3)
    workflow["metadata"] = {key: workflow["metadata"][key] for key in ("name", "labels")}
    installed_cluster.admin.must("POST", OURS, workflow)
    yield installed_cluster
    installed_cluster.admin.must("DELETE", OURS)


@pytest.fixture
def pod(
    processes: Processes, cluster: RealApiServer, tmp_path: Path, argo_events_manifests: list[Object]
) -> Iterator[Pod]:
    """The function as overlays/argo-events has it."""
    running = Pod(processes, tmp_path / "pod", cluster, argo_events_manifests)
    running.start()
    yield running
    running.close()


def approve(pod: Pod, token: str | None = TOKEN) -> Reply:
    """The event that opens the gate of task 3."""
    return pod.post(payloads.cloudevent_structured(payloads.approved(**of(3)), delivery="approved"), token)


def phase(cluster: RealApiServer) -> str:
    return str(gate_node(cluster.admin.must("GET", f"{OURS}/{name_of(3)}"), GATE)["phase"])


def wait_for_right(pod: Pod, cluster: RealApiServer, method: str, *, given: bool) -> None:
    """Returns once the API server has heard of a change: it decides by what it remembers of Roles."""
    account = cluster.admin.as_token((pod.account / "token").read_text())
    body: object = [] if method == "PATCH" else None

    def look() -> bool | None:
        status = account.request(method, f"{OURS}/{name_of(3)}", body, content_type=JSON_PATCH).status
        return (status == (200 if given else 403)) or None

    wait_for(f"the right to {method}: {given}", look)
    account.close()


def test_without_its_role_the_function_names_the_right_that_is_missing(pod: Pod, cluster: RealApiServer) -> None:
    binding = cluster.admin.must("GET", f"{BINDINGS}/taskgate")
    cluster.admin.must("DELETE", f"{BINDINGS}/taskgate")
    try:
        wait_for_right(pod, cluster, "GET", given=False)
        status, said = approve(pod)
    finally:
        del binding["metadata"]["resourceVersion"]
        cluster.admin.must("POST", BINDINGS, binding)
    assert (status, said["outcome"], said["code"]) == (500, "forbidden", "api-missing-permission")
    missing = "The permission to get workflows.argoproj.io in namespace agent-platform is missing"
    assert missing in said["reason"]
    assert "kubectl create role" in said["reason"]
    assert phase(cluster) == "Running"
    wait_for_right(pod, cluster, "GET", given=True)
    assert approve(pod)[1]["outcome"] == "opened"
    assert phase(cluster) == "Succeeded"


def test_with_the_right_to_read_alone_it_names_the_one_to_patch(pod: Pod, cluster: RealApiServer) -> None:
    role = cluster.admin.must("GET", ROLE)
    usual = role["rules"][0]["verbs"]
    role["rules"][0]["verbs"] = ["get", "list"]
    role = cluster.admin.must("PUT", ROLE, role)
    try:
        wait_for_right(pod, cluster, "PATCH", given=False)
        status, said = approve(pod)
    finally:
        role["rules"][0]["verbs"] = usual
        cluster.admin.must("PUT", ROLE, role)
        wait_for_right(pod, cluster, "PATCH", given=True)
    assert (status, said["outcome"]) == (500, "forbidden")
    assert "The permission to patch workflows.argoproj.io in namespace agent-platform is missing" in said["reason"]
    assert phase(cluster) == "Running"


def test_a_token_of_the_api_server_that_expired_is_forbidden_until_a_new_one_is_there(
    processes: Processes, cluster: RealApiServer, tmp_path: Path, argo_events_manifests: list[Object]
) -> None:
    pod = Pod(processes, tmp_path / "pod", cluster, argo_events_manifests)
    good = (pod.account / "token").read_text()
    (pod.account / "token").write_text(revoked(cluster, []))
    pod.start()
    try:
        status, said = approve(pod)
        assert (status, said["outcome"], said["code"]) == (500, "forbidden", "api-unauthenticated")
        assert "does not accept our credential" in said["reason"]
        assert phase(cluster) == "Running"
        (pod.account / "token").write_text(good)
        assert approve(pod)[1]["outcome"] == "opened"
        assert phase(cluster) == "Succeeded"
    finally:
        pod.close()


def revoked(cluster: RealApiServer, audiences: list[str]) -> str:
    """A token that was good once: its ServiceAccount is gone. (None lives for less than ten minutes.)"""
    token = cluster.token_for("short-lived", "taskgate", audiences)
    cluster.admin.must("DELETE", "/api/v1/namespaces/taskgate/serviceaccounts/short-lived")
    return token


def test_an_api_server_with_another_certificate_gets_no_token(
    processes: Processes, cluster: RealApiServer, tmp_path: Path, tools: Path
) -> None:
    """The function with a kubeconfig, first one that trusts somebody else's certificate."""
    token = cluster.token_for("taskgate", "taskgate")
    kubeconfig = cluster.kubeconfig_for(token)
    stranger, _ = generate_certificate(tools, tmp_path / "stranger")
    distrustful = cluster.kubeconfig_for(token, certificate=stranger)
    for file, expected in ((distrustful, (503, "unavailable")), (kubeconfig, (200, "opened"))):
        function = FunctionWithKubeconfig(processes, file)
        function.start()
        try:
            status, said = function.post(payloads.cloudevent_structured(payloads.approved(**of(3))))
            assert (status, said["outcome"]) == expected, said
        finally:
            function.close()


def test_without_a_credential_it_says_so_and_nobody_is_told_to_permit_everybody(
    processes: Processes, cluster: RealApiServer, tmp_path: Path
) -> None:
    config = yaml.safe_load(cluster.kubeconfig_for("unused").read_text())
    config["users"][0]["user"] = {}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    function = FunctionWithKubeconfig(processes, tmp_path / "kubeconfig")
    function.start()
    try:
        status, said = function.post(payloads.cloudevent_structured(payloads.approved(**of(3))))
    finally:
        function.close()
    assert (status, said["code"]) == (500, "api-unauthenticated")
    # The server took it for this user, and says that the user lacks a permission.
    assert "system:anonymous" in said["reason"]
    assert "kubectl create" not in said["reason"]


@pytest.fixture
def broker_pod(processes: Processes, cluster: RealApiServer, tmp_path: Path) -> Iterator[Pod]:
    """The function as overlays/broker has it: TASKGATE_AUTH=kubernetes; the right to ask for it is not there yet."""
    running = Pod(processes, tmp_path / "pod", cluster, build("overlays/broker"))
    running.start()
    yield running
    running.close()


def test_the_api_server_says_whose_token_it_is(broker_pod: Pod, cluster: RealApiServer) -> None:
    sender = cluster.token_for("a-trigger", "taskgate", ["taskgate"])
    status, said = approve(broker_pod, sender)
    assert (status, said["outcome"]) == (500, "forbidden")
    assert "The permission to create tokenreviews.authentication.k8s.io in the whole cluster" in said["reason"]

    manifests = build("overlays/broker")
    for kind, plural in (("ClusterRole", "clusterroles"), ("ClusterRoleBinding", "clusterrolebindings")):
        cluster.admin.must("POST", CLUSTER_ROLES.format(plural), find(manifests, kind, "taskgate-token-review"))
    try:
        stranger = wait_for(
            "the right to be there", lambda: ((reply := approve(broker_pod, "garbage"))[0] != 500 and reply) or None
        )
        assert (stranger[0], stranger[1]["outcome"]) == (401, "invalid")
        for refused in (
            None,
            cluster.token_for("a-trigger", "taskgate"),  # for the API server
            cluster.token_for("a-trigger", "taskgate", ["somebody-else"]),
            cluster.token_for("any-pod", NAMESPACE, ["taskgate"]),  # of another namespace
            revoked(cluster, ["taskgate"]),
            f"{sender[:-4]}AAAA",
        ):
            assert approve(broker_pod, refused)[0] == 401
        assert phase(cluster) == "Running"
        assert approve(broker_pod, sender)[1]["outcome"] == "opened"
        assert phase(cluster) == "Succeeded"
    finally:
        for plural in ("clusterrolebindings", "clusterroles"):
            cluster.admin.must("DELETE", f"{CLUSTER_ROLES.format(plural)}/taskgate-token-review")

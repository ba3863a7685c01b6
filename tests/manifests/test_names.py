"""Another namespace, another prefix, two installations in one cluster: every name follows, and the policy holds."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.api_client import JSON_PATCH, WORKFLOWS, Answer, ApiClient
from tests.cluster.api_server import RealApiServer
from tests.cluster.processes import wait_for
from tests.docs.markdown import blocks
from tests.manifests.building import CONFIGURATIONS, KNATIVE, Manifest, build, function, of_kind
from tests.manifests.conftest import WORKFLOW_NAMESPACE, apply
from tests.manifests.names import dangling, objects
from tests.manifests.test_admission import STATE, change, refused_by_policy

MOVED: dict[str, Any] = {
    "namespace": "gates",
    "namePrefix": "factory-",
    "installation": {"workflows-namespace": "factory"},
}
CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "Namespace",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
BESIDE = {"overlays/sensor": ["EventBus argo-events/default"] * 2 + ["EventSource argo-events/github"]}  # not ours
RENAMED = [folder for folder in CONFIGURATIONS if folder != "overlays/example"]  # which is an overlay of this kind


@pytest.mark.parametrize("folder", CONFIGURATIONS)
def test_every_name_leads_somewhere(folder: str) -> None:
    assert dangling(build(folder)) == BESIDE.get(folder, [])


@pytest.mark.parametrize("fields", [MOVED, {"namespace": "gates"}, {"namePrefix": "a-"}, {"nameSuffix": "-b"}])
@pytest.mark.parametrize("folder", RENAMED)
def test_every_name_follows(folder: str, fields: dict[str, object], tmp_path: Path) -> None:
    manifests = objects(folder, tmp_path, components=("kubernetes-events",), **fields)
    assert dangling(manifests) == BESIDE.get(folder, [])
    for m in manifests:
        name: str = m["metadata"]["name"]
        if m["kind"] != "Namespace":
            assert name.startswith(str(fields.get("namePrefix", "")))
            assert str(fields.get("nameSuffix", "")) in name


@pytest.mark.parametrize("folder", RENAMED)
def test_everything_is_in_one_namespace_but_the_permissions_on_workflows(folder: str, tmp_path: Path) -> None:
    manifests = objects(folder, tmp_path, components=("kubernetes-events",), **MOVED)
    places = {m["metadata"]["namespace"]: m for m in manifests if m["kind"] not in CLUSTER_WIDE}
    assert places.keys() == {"gates", "factory", *(["argo-events"] if folder in BESIDE else [])}
    there = [m for m in manifests if m["metadata"].get("namespace") == "factory"]
    assert {m["kind"] for m in there} == {"Role", "RoleBinding"}
    assert {m["metadata"]["name"] for m in there} >= {"factory-taskgate", "factory-taskgate-events"}
    # Only gates.yaml still has the old namespace, which is the user's to write.
    rest = [m for m in manifests if not m["metadata"]["name"].startswith("factory-taskgate-gates-")]
    assert WORKFLOW_NAMESPACE not in yaml.safe_dump_all(rest)
    watched = [
        m["spec"]["resource"]["workflow"]["namespace"]
        for m in of_kind(manifests, "EventSource")
        if "resource" in m["spec"]
    ]
    watched += [
        m["spec"]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for m in of_kind(manifests, "ApiServerSource")
    ]
    assert watched == ([] if folder == "base" else ["factory"])


@pytest.mark.parametrize("folder", RENAMED)
def test_without_new_names_nothing_changes(folder: str, tmp_path: Path) -> None:
    assert objects(folder, tmp_path) == build(folder)


def test_the_example_of_the_readme_is_such_an_overlay(tmp_path: Path) -> None:
    (example,) = [text for _, text in blocks((KNATIVE / "README.md").read_text()) if "kind: Kustomization" in text]
    shutil.copytree(KNATIVE, tmp_path / "checkout/knative")
    mine = tmp_path / "checkout/clusters/mine"
    mine.mkdir(parents=True)
    (mine / "kustomization.yaml").write_text(example)
    assert build(mine) == objects("overlays/argo-events", tmp_path, **MOVED)


def test_only_what_kustomize_makes_of_it_reaches_the_cluster(tmp_path: Path) -> None:
    """The ConfigMap with the parameters is none of the cluster's."""
    for manifests in (build("base"), objects("base", tmp_path, **MOVED)):
        assert len(of_kind(manifests, "ConfigMap")) == 1


def workflow_in(cluster: RealApiServer, namespace: str) -> str:
    """Makes a Workflow; gives its path."""
    path = WORKFLOWS.format(namespace)
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "wf", "annotations": {"a": "b"}},
    }
    if cluster.admin.request("GET", f"{path}/wf").status == 404:
        cluster.admin.must("POST", path, {**body, "spec": {"entrypoint": "main"}})
    return f"{path}/wf"


def account(cluster: RealApiServer, manifests: list[Manifest]) -> ApiClient:
    """The API server as the function of this installation sees it."""
    service = function(manifests)
    name = service["spec"]["template"]["spec"]["serviceAccountName"]
    return cluster.admin.as_token(cluster.token_for(name, service["metadata"]["namespace"]))


def patch(api: ApiClient, path: str, *operations: Manifest) -> Answer:
    return api.request("PATCH", path, list(operations), content_type=JSON_PATCH)


def policy_in_force(api: ApiClient, path: str) -> None:
    def refused() -> bool | None:
        return refused_by_policy(patch(api, path, change("/spec/entrypoint", str(time.monotonic_ns())))) or None

    wait_for("the policy to be in force", refused)


def test_two_installations_in_one_cluster(cluster: RealApiServer, tmp_path: Path) -> None:
    """Each works in its own namespace, is held to gates, and stays when the other one is removed."""
    first, second = build("overlays/broker"), objects("overlays/broker", tmp_path, **MOVED)
    paths = [workflow_in(cluster, namespace) for namespace in (WORKFLOW_NAMESPACE, "factory")]
    for manifests in (first, second):
        apply(cluster, manifests)
    functions = [account(cluster, manifests) for manifests in (first, second)]
    for own, other, api in zip(paths, reversed(paths), functions, strict=True):
        policy_in_force(api, own)
        assert patch(api, own, change(STATE, "{}")).status == 200
        assert patch(api, other, change(STATE, "{}")).status == 403
        review = {"spec": {"token": "x", "audiences": ["taskgate"]}}
        assert api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review).status == 201

    shared = {(m["kind"], m["metadata"]["name"]) for m in first} & {(m["kind"], m["metadata"]["name"]) for m in second}
    assert shared == set()
    removed = cluster.kubectl("delete", "--wait=false", "-f", "-", objects=second)
    assert removed.returncode == 0, removed.stderr
    policy_in_force(functions[0], paths[0])
    assert patch(functions[0], paths[0], change(STATE, "{}")).status == 200


@pytest.mark.parametrize(
    "fields", [{"namespace": "gates"}, {"namespace": "gates", "namePrefix": "x-", "nameSuffix": "-y"}]
)
def test_whoever_forgets_to_carry_the_names_is_still_held_to_gates(
    own_api_server: RealApiServer, tmp_path: Path, fields: dict[str, object]
) -> None:
    """Then the permissions stand in the wrong namespace, but the policy knows the account."""
    cluster = own_api_server
    cluster.install(Path(__file__).parents[1] / "data/crds/knative-serving-service.yaml")
    manifests = objects("base", tmp_path, names=False, **fields)
    apply(cluster, manifests)
    (binding,) = of_kind(manifests, "RoleBinding")
    assert binding["metadata"]["namespace"] == "gates"
    path = workflow_in(cluster, "gates")
    api = account(cluster, manifests)
    policy_in_force(api, path)
    assert patch(api, path, change(STATE, "{}")).status == 200

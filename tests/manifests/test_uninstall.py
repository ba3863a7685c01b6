"""`kubectl delete -k` leaves nothing of an overlay, and nothing else is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api_client import WORKFLOWS
from tests.cluster.api_server import DISCOVERY, RealApiServer
from tests.manifests.building import CONFIGURATIONS, KNATIVE, Manifest
from tests.manifests.conftest import WORKFLOW_NAMESPACE
from tests.manifests.names import overlay
from tests.manifests.test_names import MOVED

Name = tuple[str, str, str, str]
OF_THE_SERVER = {"events", "leases", "apiservices"}  # it makes and changes these by itself


def everything(cluster: RealApiServer) -> set[Name]:
    """Group, resource, namespace and name of each object that the cluster has, of whatever kind."""
    found = set()
    for group, path, resource in _resources(cluster):
        for one in cluster.admin.must("GET", f"{path}/{resource}")["items"] or ():
            metadata: Manifest = one["metadata"]
            if "deletionTimestamp" not in metadata:
                found.add((group, resource, metadata.get("namespace", ""), metadata["name"]))
    return found


def _resources(cluster: RealApiServer) -> Iterator[tuple[str, str, str]]:
    for root in ("/api", "/apis"):
        for group in cluster.admin.must("GET", root, headers={"Accept": DISCOVERY})["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"][:1]:
                for resource in version["resources"]:
                    if "list" in resource["verbs"] and resource["resource"] not in OF_THE_SERVER:
                        path = "/".join(filter(None, (root, name, version["version"])))
                        yield name, path, resource["resource"]


@pytest.mark.parametrize("installation", [*CONFIGURATIONS, "another namespace and prefix"])
def test_nothing_is_left(cluster: RealApiServer, installation: str, tmp_path: Path) -> None:
    """A namespace goes with all that is in it, but for that it needs a controller, which does not run here."""
    path = KNATIVE / installation
    if installation not in CONFIGURATIONS:
        path = overlay("overlays/broker", tmp_path, **MOVED, components=("network-policies", "kubernetes-events"))
    if cluster.admin.request("GET", f"{WORKFLOWS.format(WORKFLOW_NAMESPACE)}/bystander").status == 404:
        workflow = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": "bystander"},
            "spec": {},
        }
        cluster.admin.must("POST", WORKFLOWS.format(WORKFLOW_NAMESPACE), workflow)
    before = everything(cluster)
    applied = cluster.kubectl("apply", "-k", str(path))
    assert applied.returncode == 0, applied.stderr
    installed = everything(cluster)
    assert len(installed - before) >= len(applied.stdout.splitlines())  # the server adds an address to a Service
    deleted = cluster.kubectl("delete", "--wait=false", "-k", str(path))
    assert deleted.returncode == 0, deleted.stderr
    assert everything(cluster) == before
    _finish(cluster)


def _finish(cluster: RealApiServer) -> None:
    """Lets the namespaces that are Terminating go, as their controller would."""
    for namespace in cluster.admin.must("GET", "/api/v1/namespaces")["items"]:
        if "deletionTimestamp" in namespace["metadata"]:
            name = namespace["metadata"]["name"]
            cluster.admin.must("PUT", f"/api/v1/namespaces/{name}/finalize", {**namespace, "spec": {"finalizers": []}})

"""What `kubectl apply -k` would send, as Python objects: the YAML that people apply, nothing rewritten."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.built import find_tools

ROOT = Path(__file__).resolve().parents[2]
KNATIVE = ROOT / "knative"
WITH_KNATIVE = (
    "base",
    "overlays/argo-events",
    "overlays/observe",
    "overlays/broker",
    "overlays/example",
    "overlays/sensor",
)
CONFIGURATIONS = (*WITH_KNATIVE, "overlays/deployment")

# Kubernetes objects have as many shapes as kinds; the API server is what checks them.
Manifest = dict[str, Any]


@cache
def kubectl() -> str:
    """The kubectl of the machine, else the one that was built with the other real components."""
    return shutil.which("kubectl") or str(find_tools() / "kubectl")


@cache
def _built(folder: Path) -> str:
    run = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert not run.stderr, run.stderr  # warnings about deprecated fields
    return run.stdout


def forget_builds() -> None:
    """Build every kustomization anew, because its files have changed."""
    _built.cache_clear()


def build(folder: str | Path) -> list[Manifest]:
    """The objects of a kustomization.

    Args:
        folder: relative to `knative/`, or absolute.
    """
    return [manifest for manifest in yaml.safe_load_all(_built(KNATIVE / folder)) if manifest]


def with_component(component: str, overlay: str, folder: Path) -> list[Manifest]:
    """The objects of an overlay of somebody's own, which adds a component to one of ours.

    Args:
        component, overlay: relative to `knative/`.
        folder: for a copy of `knative/`, as kustomize reads no files from outside.
    """
    shutil.copytree(KNATIVE, folder / "knative")
    mine = folder / "knative/overlays/mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(f"resources: [../../{overlay}]\ncomponents: [../../{component}]\n")
    return build(mine)


def find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one object of this kind and name."""
    found = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """All objects of this kind."""
    return [m for m in manifests if m["kind"] == kind]


def function(manifests: list[Manifest]) -> Manifest:
    """The Knative Service, or the Deployment in its place; both have their pod under `spec.template`."""
    kinds = (("serving.knative.dev/v1", "Service"), ("apps/v1", "Deployment"))
    (found,) = [m for m in manifests if (m["apiVersion"], m["kind"]) in kinds]
    return found


def host(manifests: list[Manifest]) -> str:
    """The name under which senders in the cluster reach the function."""
    metadata = function(manifests)["metadata"]
    return f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"

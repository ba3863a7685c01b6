"""The common labels of Kubernetes are on everything, and the image is named once."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from func import __version__
from tests.manifests.building import CONFIGURATIONS, KNATIVE, ROOT, Manifest, build, function, kubectl
from tests.manifests.names import objects

COMMON = {f"app.kubernetes.io/{key}" for key in ("name", "version", "component", "part-of", "managed-by")}
COMPONENTS = ("kubernetes-events", "monitoring", "network-policies")
TEMPLATES = {
    "Service serving.knative.dev/v1": ("spec.template",),
    "Deployment apps/v1": ("spec.template",),
    "EventSource argoproj.io/v1alpha1": ("spec.template",),
    "Sensor argoproj.io/v1alpha1": ("spec.template",),
    "EventBus argoproj.io/v1alpha1": ("spec.jetstream",),
    "JobSink sinks.knative.dev/v1alpha1": ("spec.job", "spec.job.spec.template"),
}


def labelled(manifest: Manifest) -> Iterator[tuple[str, dict[str, str]]]:
    """The labels of an object, and of each pod template in it."""
    kind = f"{manifest['kind']} {manifest['apiVersion']}"
    yield kind, manifest["metadata"]["labels"]
    for path in TEMPLATES.get(kind, ()):
        at = manifest
        for key in path.split("."):
            at = at[key]
        yield f"{kind} {path}", at["metadata"]["labels"]


@pytest.fixture(params=CONFIGURATIONS)
def manifests(request: pytest.FixtureRequest, tmp_path: Path) -> list[Manifest]:
    overlay: str = request.param
    return objects(overlay, tmp_path, names=False, components=COMPONENTS)


def test_every_object_and_every_pod_has_the_common_labels(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        for where, labels in labelled(manifest):
            assert labels.keys() >= COMMON, (where, manifest["metadata"]["name"])
            assert labels["app.kubernetes.io/name"] == labels["app.kubernetes.io/part-of"] == "taskgate"
            assert labels["app.kubernetes.io/version"] == __version__


def test_a_pod_has_the_component_of_its_object(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        assert len({labels["app.kubernetes.io/component"] for _, labels in labelled(manifest)}) == 1


@pytest.mark.parametrize("folder", CONFIGURATIONS)
def test_the_documents_find_the_functions_pods(folder: str) -> None:
    labels = function(build(folder))["spec"]["template"]["metadata"]["labels"]
    documents = [ROOT / "docs" / name for name in ("runbook.md", "runbook.sh", "migration.sh")]
    text = "".join(each.read_text() for each in documents).replace("$installation", "taskgate")
    selectors = re.findall(r"-l (\S+/(?:component|instance)=\S+?)[\s`]", text)
    assert len(selectors) >= 3
    for selector in selectors:
        key, _, value = selector.partition("=")
        assert labels[key] == value


def test_no_selector_has_a_version(manifests: list[Manifest]) -> None:
    """A Deployment's selector can't be changed, and the next version's pods have to be found too."""
    for manifest in manifests:
        selector = manifest.get("spec", {}).get("selector") or {}
        assert "app.kubernetes.io/version" not in str(selector)


def images(manifests: list[Manifest]) -> set[str]:
    return set(re.findall(r"image: (\S+)", yaml.safe_dump_all(manifests)))


def test_one_place_says_which_image_runs() -> None:
    for folder in CONFIGURATIONS:
        image = "ghcr.io/example/taskgate:" + __version__
        assert images(build(folder)) == {image} or folder == "overlays/example"
    named = [p for p in KNATIVE.rglob("*.yaml") if re.search(r"(newTag|digest): |taskgate[:@]\d", _code(p))]
    assert sorted(str(p.relative_to(KNATIVE)) for p in named) == [
        "base/kustomization.yaml",
        "overlays/example/kustomization.yaml",
    ]


def _code(file: Path) -> str:
    """Without its comments."""
    return re.sub(r"#.*", "", file.read_text())


def test_a_release_pins_the_digest_with_one_command(tmp_path: Path) -> None:
    """What `kustomize edit set image` writes; kubectl has no `edit`."""
    shutil.copytree(KNATIVE, tmp_path / "knative")
    base = tmp_path / "knative/base/kustomization.yaml"
    digest = "sha256:" + "5" * 64
    base.write_text(base.read_text().replace(f"  newTag: {__version__}", f"  digest: {digest}"))
    for overlay in ("argo-events", "broker", "deployment"):
        run = [kubectl(), "kustomize", str(tmp_path / "knative/overlays" / overlay)]
        text = subprocess.run(run, capture_output=True, text=True, check=True).stdout
        assert set(re.findall(r"image: (\S+)", text)) == {f"ghcr.io/example/taskgate@{digest}"}

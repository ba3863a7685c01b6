"""Overlays that rename or move an installation, and the names in it that lead nowhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.manifests.building import KNATIVE, Manifest, build, host

INSTALLATION = {"name": "taskgate-installation", "namespace": "taskgate", "behavior": "merge"}


def overlay(of: str, folder: Path, *, names: bool = True, components: tuple[str, ...] = (), **fields: object) -> Path:
    """Makes an overlay of somebody's own in a copy of `knative/`.

    Args:
        of: the overlay that it changes, relative to `knative/`.
        folder: for the copy.
        names: whether it has the transformer that carries names.
        components: relative to `knative/components`.
        fields: of the kustomization; `installation` are the parameters of the names.
    """
    if not (folder / "knative").exists():
        shutil.copytree(KNATIVE, folder / "knative")
    mine = folder / "knative/overlays" / f"mine-{len(list((folder / 'knative/overlays').iterdir()))}"
    mine.mkdir()
    parameters = fields.pop("installation", None)
    assert isinstance(parameters, dict | None)
    kustomization = {
        "resources": [f"../../{of}"],
        "components": [f"../../components/{c}" for c in components],
        **fields,
    }
    if names:
        kustomization["transformers"] = ["../../names"]
    if parameters:
        literals = [f"{key}={value}" for key, value in parameters.items()]
        kustomization["configMapGenerator"] = [{**INSTALLATION, "literals": literals}]
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return mine


def objects(of: str, folder: Path, **how: object) -> list[Manifest]:
    """The objects of such an overlay."""
    return build(overlay(of, folder, **how))  # type: ignore[arg-type]


def dangling(manifests: list[Manifest]) -> list[str]:
    """The references to objects that are not among the manifests, and addresses where nobody answers."""
    there = {(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in manifests}
    return [
        *(
            f"{kind} {namespace}/{name}"
            for kind, namespace, name in _references(manifests)
            if (kind, namespace, name) not in there
        ),
        *(url for url in _addresses(manifests) if url != f"http://{host(manifests)}/"),
    ]


def _addresses(manifests: list[Manifest]) -> Iterator[str]:
    for sensor in (m for m in manifests if m["kind"] == "Sensor"):
        for trigger in sensor["spec"]["triggers"]:
            yield trigger["template"]["http"]["url"]


# Which kinds name which, and where.
_NAMES = (
    ("RoleBinding", "roleRef.name", "Role"),
    ("ClusterRoleBinding", "roleRef.name", "ClusterRole"),
    ("EventSource", "spec.eventBusName", "EventBus"),
    ("EventSource", "spec.template.serviceAccountName", "ServiceAccount"),
    ("Sensor", "spec.eventBusName", "EventBus"),
    ("Sensor", "spec.template.serviceAccountName", "ServiceAccount"),
    ("Sensor", "spec.dependencies.*.eventSourceName", "EventSource"),
    ("Trigger", "spec.broker", "Broker"),
    ("Trigger", "spec.subscriber.ref.name", "Service"),
    ("Broker", "spec.delivery.deadLetterSink.ref.name", "JobSink"),
    ("ApiServerSource", "spec.serviceAccountName", "ServiceAccount"),
    ("ApiServerSource", "spec.sink.ref.name", "Broker"),
    ("ValidatingAdmissionPolicyBinding", "spec.policyName", "ValidatingAdmissionPolicy"),
    ("HorizontalPodAutoscaler", "spec.scaleTargetRef.name", "Deployment"),
    *((kind, "spec.template.spec.serviceAccountName", "ServiceAccount") for kind in ("Service", "Deployment")),
    *((kind, "spec.template.spec.volumes.*.configMap.name", "ConfigMap") for kind in ("Service", "Deployment")),
)


def _references(manifests: list[Manifest]) -> Iterator[tuple[str, str | None, str]]:
    """Kind, namespace and name of each object that another one names."""
    for m in manifests:
        here = m["metadata"].get("namespace")
        for holder, path, kind in _NAMES:
            if holder == m["kind"]:
                yield from ((kind, here, str(name)) for name in _at(m, path.split(".")))
        yield from (("ServiceAccount", subject["namespace"], subject["name"]) for subject in m.get("subjects", ()))


def _at(value: object, path: list[str]) -> Iterator[object]:
    """What is at a path; `*` is each element of a list."""
    if not path:
        yield value
    elif path[0] == "*" and isinstance(value, list):
        for each in value:
            yield from _at(each, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])

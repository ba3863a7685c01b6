"""Knative accepts our Services, and each rule that says so finds its fault."""

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.manifests.building import KNATIVE, Manifest, build, function, with_component
from tests.manifests.knative_rules import AUTOSCALING, RULES, Rule, complaints

OVERLAYS = sorted(str(path.parent.relative_to(KNATIVE)) for path in KNATIVE.glob("overlays/*/kustomization.yaml"))

SPEC = "spec/template/spec"
CONTAINER = f"{SPEC}/containers/0"
VOLUMES = f"{SPEC}/volumes"
ANNOTATIONS = "spec/template/metadata/annotations"
SERVING = "serving.knative.dev/"


def services(manifests: list[Manifest]) -> list[Manifest]:
    """Return the Knative Services; an overlay for a cluster without Knative has none."""
    return [m for m in manifests if m["apiVersion"].startswith(SERVING)]


def sentences(service: Manifest) -> list[str]:
    return [sentence for _, sentence in complaints(service)]


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_knative_accepts_every_service(folder: str) -> None:
    assert [sentences(service) for service in services(build(folder))] in ([], [[]])


@pytest.mark.parametrize("component", ["kubernetes-events", "observe"])
def test_knative_accepts_the_service_with_a_component(component: str, tmp_path: Path) -> None:
    assert sentences(function(with_component(f"components/{component}", "overlays/broker", tmp_path))) == []


Fault = tuple[str, dict[str, Any], str]
# Where, which fields are set there, and what the complaint has to say. A real API server with the real webhook refused
# each of these, but for those with a comment.
FAULTS: list[Fault] = [
    ("metadata", {"name": "Taskgate"}, "metadata.name must be a DNS label"),
    ("metadata", {"annotations": {f"{AUTOSCALING}max-scale": "3"}}, f"leave {AUTOSCALING} keys to the template"),
    ("metadata", {"annotations": {f"{SERVING}rollout-duration": "1.5s"}}, "have a rollout-duration of whole seconds"),
    ("spec", {"traffic": [{"latestRevision": True, "percent": 50}]}, "spec must have no other fields than template"),
    ("spec/template/metadata", {"name": "other"}, "have a template without a name"),
    *(
        (ANNOTATIONS, {f"{AUTOSCALING}{key}": value}, f"have only known {AUTOSCALING} keys with valid values")
        for key, value in (
            ("maxscale", "3"),  # accepted, and without effect
            ("max-scale", 3),
            ("max-scale", "-1"),
            ("activation-scale", "1"),
            ("class", "xpa.autoscaling.knative.dev"),
            ("initial-scale", "0"),
            ("metric", "cpu"),
            ("min-scale", "none"),
            ("panic-threshold-percentage", "100"),
            ("panic-window-percentage", "0.5"),
            ("scale-down-delay", "2h"),
            ("scale-to-zero-pod-retention-period", "61m"),
            ("target", "0"),
            ("target-burst-capacity", "-2"),
            ("target-utilization-percentage", "101"),
            ("window", "5s"),
            ("window", "6500ms"),
        )
    ),
    (ANNOTATIONS, {f"{AUTOSCALING}min-scale": "4"}, "have min-scale <= activation-scale <= max-scale"),
    (ANNOTATIONS, {f"{AUTOSCALING}activation-scale": "4"}, "have min-scale <= activation-scale <= max-scale"),
    (ANNOTATIONS, {f"{SERVING}progress-deadline": "soon"}, "have a progress-deadline of whole seconds"),
    (ANNOTATIONS, {f"queue.sidecar.{SERVING}cpu-resource-limit": "much"}, "have quantities for queue-proxy"),
    (
        ANNOTATIONS,
        {"networking.knative.dev/visibility": "cluster-local"},
        "have only known networking.knative.dev/ keys",
    ),
    # The pod
    (SPEC, {"timeoutSeconds": 601}, "timeoutSeconds must be between 0 and 600"),
    (SPEC, {"containerConcurrency": 1001}, "containerConcurrency must be between 0 and 1000"),
    *(
        (SPEC, {field: value}, "spec.template.spec must have no other fields than automountServiceAccountToken")
        for field, value in (
            ("hostNetwork", True),
            ("initContainers", [{"name": "first", "image": "busybox"}]),
            ("nodeSelector", {"disk": "fast"}),
            ("runtimeClassName", "gvisor"),
            ("securityContext", {"runAsNonRoot": True}),
            ("terminationGracePeriodSeconds", 30),
            ("tolerations", [{"operator": "Exists"}]),
        )
    ),
    (SPEC, {"automountServiceAccountToken": True}, "automountServiceAccountToken must be false"),
    (SPEC, {"serviceAccountName": "Task_gate"}, "serviceAccountName must be a DNS label"),
    # accepted: the rules for sidecars are not covered
    (f"{SPEC}/containers", {"+": {"name": "second", "image": "busybox"}}, "containers must be one container"),
    # Volumes
    (VOLUMES, {"+": {"name": "more", "emptyDir": {}}}, "mount each volume, and have a volume for each mount"),
    (f"{CONTAINER}/volumeMounts", {"+": {"name": "more", "mountPath": "/more"}}, "mount each volume"),
    (VOLUMES, {"+": {"name": "gates", "emptyDir": {}}}, "volumes must differ in name"),
    (f"{VOLUMES}/0", {"name": "Gates"}, "volumes[0].name must be a DNS label"),
    (
        f"{VOLUMES}/0",
        {"configMap": None, "persistentVolumeClaim": {"claimName": "x"}},
        "no other fields than configMap",
    ),
    (f"{VOLUMES}/0", {"emptyDir": {}}, "volumes[0] must have exactly one of"),
    (f"{VOLUMES}/0", {"configMap": None, "emptyDir": {"medium": "Disk"}}, "emptyDir.medium must be one of"),
    (f"{VOLUMES}/0/configMap", {"items": [{"key": "", "path": "x"}]}, "configMap.items[0] must have key and path"),
    (f"{VOLUMES}/1/secret/items/0", {"path": ""}, "secret.items[0] must have key and path"),
    *(
        (f"{VOLUMES}/2/projected/sources/0", {"serviceAccountToken": None, **source}, complaint)
        for source, complaint in (
            (
                {"podCertificate": {"signerName": "a.b/c", "keyType": "ED25519"}},
                "no other fields than configMap, downward",
            ),
            ({"configMap": {"name": "x"}, "secret": {"name": "x"}}, "sources[0] must have exactly one of"),
            ({"configMap": {"name": ""}}, "sources[0].configMap must have name"),
            ({"configMap": {"name": "x", "items": [{"key": "", "path": "x"}]}}, "configMap.items[0] must have key and"),
            ({"secret": {"name": ""}}, "sources[0].secret must have name"),
            ({"secret": {"name": "x", "items": [{"key": "", "path": "x"}]}}, "secret.items[0] must have key and path"),
            ({"serviceAccountToken": {"path": ""}}, "serviceAccountToken must have path"),
            ({"downwardAPI": {"items": [{"path": "x"}]}}, "items[0] must have exactly one of fieldRef"),
            (
                {"downwardAPI": {"items": [{"path": "", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                "items[0] must have path",
            ),
        )
    ),
    # The container
    (CONTAINER, {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}, "containers[0] must have no other fields than"),
    (CONTAINER, {"image": None}, "containers[0] must have image"),
    (CONTAINER, {"image": "Taskgate:0.1.0"}, "image must be an image reference"),
    (CONTAINER, {"name": "queue-proxy"}, "name must not be one of queue-proxy"),
    (CONTAINER, {"terminationMessagePolicy": "Never"}, "terminationMessagePolicy must be one of"),
    (f"{CONTAINER}/resources", {"claims": [{"name": "gpu"}]}, "resources must have no other fields than"),
    (f"{CONTAINER}/env", {"+": {"name": "", "value": "x"}}, "env[3] must have name"),
    (f"{CONTAINER}/env", {"+": {"name": "PORT", "value": "8080"}}, "env[3].name must not be one of PORT"),
    (
        f"{CONTAINER}/env",
        {"+": {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}},
        "env[3].valueFrom must have no other fields than configMapKeyRef",
    ),
    (CONTAINER, {"envFrom": [{"prefix": "X"}]}, "envFrom[0] must have exactly one of configMapRef, secretRef"),
    (f"{CONTAINER}/ports", {"+": {"containerPort": 8081}}, "ports must be one port"),
    (f"{CONTAINER}/ports/0", {"hostPort": 8080}, "ports[0] must have no other fields than"),
    (f"{CONTAINER}/ports/0", {"name": "http"}, "ports[0].name must be one of"),
    (f"{CONTAINER}/ports/0", {"protocol": "UDP"}, "ports[0].protocol must be one of"),
    (f"{CONTAINER}/ports/0", {"containerPort": 65536}, "containerPort must be between 0 and 65535"),
    (f"{CONTAINER}/ports/0", {"containerPort": 8012}, "containerPort must not be one of"),
    # Probes
    (f"{CONTAINER}/livenessProbe", {"httpGet": None}, "livenessProbe must have exactly one of"),
    (f"{CONTAINER}/readinessProbe", {"tcpSocket": {"port": 8080}}, "readinessProbe must have exactly one of"),
    (CONTAINER, {"startupProbe": {"periodSeconds": 1}}, "startupProbe must have exactly one of"),
    (f"{CONTAINER}/livenessProbe/httpGet", {"port": "web"}, "name its own port in its probes"),
    (f"{CONTAINER}/readinessProbe", {"failureThreshold": 3}, "only with periodSeconds"),
    (f"{CONTAINER}/readinessProbe", {"timeoutSeconds": 3}, "only with periodSeconds"),
    *(
        (f"{CONTAINER}/readinessProbe", {"periodSeconds": 1, field: -1}, f"readinessProbe.{field} must be between")
        for field in ("periodSeconds", "initialDelaySeconds", "successThreshold", "timeoutSeconds", "failureThreshold")
    ),
    # Mounts
    (
        f"{CONTAINER}/volumeMounts/0",
        {"mountPropagation": "HostToContainer"},
        "volumeMounts[0] must have no other fields",
    ),
    (f"{CONTAINER}/volumeMounts/0", {"mountPath": "/dev/log/"}, "mountPath must be an absolute path"),
    (f"{CONTAINER}/volumeMounts/0", {"mountPath": "etc"}, "mountPath must be an absolute path"),
    (f"{CONTAINER}/volumeMounts/0", {"mountPath": "/etc/taskgate-token"}, "volumeMounts must differ in mountPath"),
    # What the container may do
    (f"{CONTAINER}/securityContext", {"procMount": "Unmasked"}, "securityContext must have no other fields than"),
    (f"{CONTAINER}/securityContext", {"privileged": True}, "privileged must be false"),
    (
        f"{CONTAINER}/securityContext/capabilities",
        {"add": ["NET_ADMIN"]},
        "capabilities must have no other fields than",
    ),
    (f"{CONTAINER}/securityContext", {"runAsUser": -1}, "runAsUser must be between 0"),
    (f"{CONTAINER}/securityContext", {"runAsGroup": 2**31}, "runAsGroup must be between 0"),
    # accepted with a warning, from here on
    (CONTAINER, {"securityContext": None}, "containers[0] must have securityContext"),
    (f"{CONTAINER}/securityContext", {"seccompProfile": None}, "securityContext must have runAsNonRoot"),
    (f"{CONTAINER}/securityContext/capabilities", {"drop": ["all"]}, "drop must be written ALL"),
]


def faulty(where: str, change: dict[str, Any]) -> Manifest:
    """Return our Service with a change: None removes a field, `+` appends to a list."""
    service = copy.deepcopy(function(build("base")))
    at: Any = service
    for step in where.split("/"):
        at = at[int(step) if step.isdigit() else step]
    for field, value in change.items():
        if field == "+":
            at.append(value)
        elif value is None:
            at.pop(field, None)
        else:
            at[field] = value
    return service


@pytest.mark.parametrize(("where", "change", "complaint"), FAULTS)
def test_a_fault_is_found(where: str, change: dict[str, Any], complaint: str) -> None:
    assert any(complaint in sentence for sentence in sentences(faulty(where, change)))


def test_each_rule_finds_a_fault() -> None:
    broken: set[Rule] = {rule for where, change, _ in FAULTS for rule, _ in complaints(faulty(where, change))}
    assert [rule for rule in RULES if rule not in broken] == []

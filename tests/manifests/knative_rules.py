"""What Knative Serving's admission webhook refuses, and what it should but does not.

The webhook itself is no part of these tests. Source: knative/serving, pkg/apis/serving/k8s_validation.go, fieldmask.go,
metadata_validation.go, pkg/apis/autoscaling/register.go and annotation_validation.go.
"""

from tests.manifests.building import Manifest

AUTOSCALING = "autoscaling.knative.dev/"
AUTOSCALING_KEYS = frozenset(
    AUTOSCALING + key
    for key in (
        "activation-scale",
        "class",
        "initial-scale",
        "max-scale",
        "metric",
        "metric-aggregation-algorithm",
        "min-scale",
        "panic-threshold-percentage",
        "panic-window-percentage",
        "scale-down-delay",
        "scale-to-zero-pod-retention-period",
        "target",
        "target-burst-capacity",
        "target-utilization-percentage",
        "window",
    )
)
POD_FIELDS_REFUSED = (
    "affinity",
    "dnsPolicy",
    "hostNetwork",
    "nodeSelector",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "terminationGracePeriodSeconds",
    "tolerations",
)
SECURITY_CONTEXT_TAKEN = frozenset(
    (
        "allowPrivilegeEscalation",
        "capabilities",
        "readOnlyRootFilesystem",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "seccompProfile",
    )
)
VOLUMES_TAKEN = frozenset(("configMap", "emptyDir", "projected", "secret"))
PORTS_RESERVED = frozenset((8008, 8012, 8013, 8022, 9090, 9091))
ENV_RESERVED = frozenset(("K_CONFIGURATION", "K_REVISION", "K_SERVICE", "PORT"))


def complaints(service: Manifest) -> list[str]:
    """Everything that is wrong with a Knative Service of one container.

    Args:
        service: the object as it is applied.

    Returns:
        One line for each fault; none if Knative takes it and every autoscaling key means something.
    """
    template = service["spec"]["template"]
    pod = template["spec"]
    return [
        *_autoscaling(service["metadata"].get("annotations", {}), template["metadata"].get("annotations", {})),
        *(f"pod: {field} is refused" for field in POD_FIELDS_REFUSED if field in pod),
        *_volumes(pod.get("volumes", [])),
        *(line for container in pod["containers"] for line in _container(container)),
    ]


def _autoscaling(of_service: dict[str, object], of_revision: dict[str, object]) -> list[str]:
    return [
        *(f"{key} belongs on the template" for key in of_service if key.startswith(AUTOSCALING)),
        *(
            f"{key} is no key of Knative's autoscaler"
            for key in of_revision
            if key.startswith(AUTOSCALING) and key not in AUTOSCALING_KEYS
        ),
        *(f"{key} is no string" for key, value in of_revision.items() if not isinstance(value, str)),
        *(
            f"{key} must not be 0"
            for key, value in of_revision.items()
            if (key, value) == (f"{AUTOSCALING}initial-scale", "0")
        ),
    ]


def _volumes(volumes: list[Manifest]) -> list[str]:
    return [
        f"volume {volume['name']}: {source} is refused"
        for volume in volumes
        for source in volume.keys() - {"name"}
        if source not in VOLUMES_TAKEN
    ]


def _container(container: Manifest) -> list[str]:
    ports = [port["containerPort"] for port in container.get("ports", [])]
    environment = container.get("env", [])
    readiness = container.get("readinessProbe", {})
    return [
        *(["more than one port"] if len(ports) > 1 else []),
        *(f"port {port} is Knative's own" for port in ports if port in PORTS_RESERVED),
        *(f"env {variable['name']} is Knative's own" for variable in environment if variable["name"] in ENV_RESERVED),
        *(f"env {v['name']}: fieldRef is refused" for v in environment if "fieldRef" in v.get("valueFrom", {})),
        *(["lifecycle is refused"] if "lifecycle" in container else []),
        *(
            f"securityContext.{field} is refused"
            for field in container.get("securityContext", {})
            if field not in SECURITY_CONTEXT_TAKEN
        ),
        *(
            f"readinessProbe.{field} is refused without periodSeconds"
            for field in ("failureThreshold", "timeoutSeconds")
            if field in readiness and not readiness.get("periodSeconds")
        ),
    ]

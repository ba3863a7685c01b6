"""What Knative Serving's admission webhook refuses or warns about, as data.

The rules follow knative/serving 98e5ef90 (August 2026) with its default configuration. Each names its source, relative
to pkg/apis there. Masks of fieldmask.go that keep every field of their type, such as ProbeMask, have no rule here: the
API server's schema checks those fields. The rules for sidecars and for `traffic` are left out, because no manifest has
either, and a rule enforces that.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.manifests.building import Manifest

AUTOSCALING = "autoscaling.knative.dev/"
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers[]"
VOLUME = f"{POD}.volumes[]"
PROJECTED = f"{VOLUME}.projected.sources[]"
ANNOTATIONS = "spec.template.metadata.annotations"


class Rule(NamedTuple):
    """One thing that must hold wherever its path leads.

    Args:
        where: names with dots; `[]` stands for every item of a list.
        must: what is expected, for the complaint.
        holds: whether a value meets it.
        source: file and function.
    """

    where: str
    must: str
    holds: Callable[[Any], bool]
    source: str


Check = tuple[str, Callable[[Any], bool]]


def complaints(service: Manifest) -> list[tuple[Rule, str]]:
    """Check a Knative Service.

    Args:
        service: the object as it is applied.

    Returns:
        Each broken rule with a sentence that names the place; none if Knative accepts the Service without a warning and
        every autoscaling key has an effect.
    """
    return [
        (rule, f"{place} must {rule.must} ({rule.source})")
        for rule in RULES
        for place, value in _at(service, rule.where)
        if not rule.holds(value)
    ]


def _at(value: Any, where: str, place: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    """All values that a path leads to, each with its place."""
    if not where:
        yield place.removesuffix("."), value
        return
    step, _, rest = where.partition(".")
    name = step.removesuffix("[]")
    if name in value:
        below = value[name]
        items = [(f"{name}[{i}]", item) for i, item in enumerate(below)] if step.endswith("[]") else [(name, below)]
        for found, item in items:
            yield from _at(item, rest, f"{place}{found}.")


def _only(*fields: str) -> Check:
    return f"have no other fields than {', '.join(fields)}", lambda value: value.keys() <= set(fields)


def _with(*fields: str) -> Check:
    return f"have {' and '.join(fields)}", lambda value: all(value.get(field) not in (None, "") for field in fields)


def _exactly_one(*fields: str) -> Check:
    return f"have exactly one of {', '.join(fields)}", lambda value: len(value.keys() & set(fields)) == 1


def _among(*values: object) -> Check:
    return f"be one of {', '.join(map(str, values))}", lambda value: value in values


def _not_among(*values: object) -> Check:
    return f"not be one of {', '.join(map(str, values))}", lambda value: value not in values


def _between(low: float, high: float) -> Check:
    return f"be between {low} and {high}", lambda value: low <= value <= high


def _like(what: str, pattern: str) -> Check:
    return f"be {what}", lambda value: re.fullmatch(pattern, value) is not None


def _different(*fields: str) -> Check:
    def holds(items: list[Manifest]) -> bool:
        return all(max(Counter(item.get(field) for item in items).values(), default=1) == 1 for field in fields)

    return f"differ in {' and in '.join(fields)}", holds


def _number(low: float, high: float = float("inf")) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(r"-?\d+(\.\d+)?", text) is not None and low <= float(text) <= high


def _whole(low: int) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(r"\d+", text) is not None and low <= int(text) < 2**31


def _seconds(text: str) -> float | None:
    """A duration as Go writes it."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    if not re.fullmatch(r"(\d+(\.\d+)?(h|ms|m|s))+", text):
        return None
    return sum(float(number) * units[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)(h|ms|m|s)", text))


def _duration(low: int, high: float = 3600, *, whole: bool = True) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        seconds = _seconds(text)
        return seconds is not None and low <= seconds <= high and (seconds.is_integer() or not whole)

    return holds


# The keys are those of autoscaling/register.go, the values those that autoscaling/annotation_validation.go accepts.
# Knative also accepts older spellings (maxScale) and ignores unknown keys. Both are errors here.
AUTOSCALING_VALUES: dict[str, Callable[[str], bool]] = {
    "activation-scale": _whole(2),
    "class": lambda text: not text.endswith(".knative.dev") or text.split(".")[0] in ("kpa", "hpa"),
    "initial-scale": _whole(1),  # 0 needs allow-zero-initial-scale in config-autoscaler
    "max-scale": _whole(0),
    "metric": lambda text: text in ("concurrency", "rps"),  # of the default class
    "metric-aggregation-algorithm": lambda text: text in ("linear", "weighted-exponential"),
    "min-scale": _whole(0),
    "panic-threshold-percentage": _number(110, 1000),
    "panic-window-percentage": _number(1, 100),
    "scale-down-delay": _duration(0),
    "scale-to-zero-pod-retention-period": _duration(0, whole=False),
    "target": _number(0.01),
    "target-burst-capacity": lambda text: text == "-1" or _number(0)(text),
    "target-utilization-percentage": _number(1, 100),
    "window": _duration(6),
}


def _autoscaling_values(annotations: dict[str, Any]) -> bool:
    for key, value in annotations.items():
        if key.startswith(AUTOSCALING):
            accepts = AUTOSCALING_VALUES.get(key.removeprefix(AUTOSCALING))
            if accepts is None or not isinstance(value, str) or not accepts(value):
                return False
    return True


def _scales_in_order(annotations: dict[str, Any]) -> bool:
    def scale(key: str, otherwise: int) -> int:
        text = str(annotations.get(f"{AUTOSCALING}{key}-scale"))
        return int(text) if _whole(1)(text) else otherwise

    low, high = scale("min", 0), scale("max", 2**31)
    return low <= scale("activation", low) <= high


def _names_its_revision(service: Manifest) -> bool:
    prefix = f"{service['metadata']['name']}-"
    name: str = service["spec"]["template"]["metadata"].get("name", prefix)
    return name.startswith(prefix)


def _volumes_are_mounted(pod: Manifest) -> bool:
    mounted = {mount["name"] for container in pod["containers"] for mount in container.get("volumeMounts", [])}
    return mounted == {volume.get("name") for volume in pod.get("volumes", [])}


def _port_of_probes(container: Manifest) -> bool:
    names = {port.get("name", "http") for port in container.get("ports", [])} or {"http"}
    probes = [container.get(probe, {}) for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
    ports = [probe[kind].get("port") for probe in probes for kind in ("httpGet", "tcpSocket") if kind in probe]
    return all(not isinstance(port, str) or port in names for port in ports)


_K8S, _MASK, _AUTO = "serving/k8s_validation.go", "serving/fieldmask.go", "autoscaling/annotation_validation.go"
_V1 = "serving/v1/revision_validation.go"
_LABEL = _like("a DNS label", r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_IMAGE = r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*(:[\w.-]{1,127})?(@sha256:[0-9a-f]{64})?"
_QUANTITY = r"\d+(\.\d+)?(m|[kKMGTPE]i?)?"
_NETWORKING = "networking.knative.dev/"
_NETWORKING_KEYS = (
    *("certificate.class", "certificate-class", "disable-auto-tls", "disable-external-domain-tls", "disableAutoTLS"),
    *("http-protocol", "httpOption", "ingress.class", "ingress-class"),
)
_SIDECAR_KEYS = [
    f"{kind}-resource-{end}" for kind in ("cpu", "memory", "ephemeral-storage") for end in ("request", "limit")
]

RULES = (
    # The Service and its template
    Rule("metadata.name", *_LABEL, "knative.dev/pkg/apis/metadata_validation.go ValidateObjectMetadata"),
    Rule(
        "metadata.annotations",
        f"leave {AUTOSCALING} keys to the template",
        lambda annotations: not any(key.startswith(AUTOSCALING) for key in annotations),
        "serving/metadata_validation.go ValidateHasNoAutoscalingAnnotation",
    ),
    Rule(
        "metadata.annotations",
        "have a rollout-duration of whole seconds",
        lambda annotations: _duration(0, float("inf"))(annotations.get("serving.knative.dev/rollout-duration", "0s")),
        "serving/metadata_validation.go ValidateRolloutDurationAnnotation",
    ),
    Rule("spec", *_only("template"), "serving/v1/route_validation.go validateTrafficList: not covered here"),
    Rule(
        "",
        "have a template without a name, or with one that begins with its own",
        _names_its_revision,
        f"{_V1} validateRevisionName",
    ),
    # Annotations of the template
    Rule(ANNOTATIONS, f"have only known {AUTOSCALING} keys with valid values", _autoscaling_values, _AUTO),
    Rule(
        ANNOTATIONS, "have min-scale <= activation-scale <= max-scale", _scales_in_order, f"{_AUTO} validateMinMaxScale"
    ),
    Rule(
        ANNOTATIONS,
        "have a progress-deadline of whole seconds",
        lambda annotations: _duration(0, float("inf"))(annotations.get("serving.knative.dev/progress-deadline", "0s")),
        f"{_V1} validateProgressDeadlineAnnotation",
    ),
    Rule(
        ANNOTATIONS,
        "have quantities for queue-proxy, and not the deprecated resource-percentage",
        lambda annotations: all(
            key.split("/")[1] in _SIDECAR_KEYS and re.fullmatch(_QUANTITY, value)
            for key, value in annotations.items()
            if key.startswith("queue.sidecar.serving.knative.dev/")
        ),
        f"{_V1} validateQueueSidecarResourceAnnotations",
    ),
    Rule(
        ANNOTATIONS,
        f"have only known {_NETWORKING} keys",
        lambda annotations: all(
            key.removeprefix(_NETWORKING) in _NETWORKING_KEYS for key in annotations if key.startswith(_NETWORKING)
        ),
        "knative.dev/networking/pkg/apis/networking/metadata_validation.go ValidateAnnotations",
    ),
    # The pod
    Rule(f"{POD}.timeoutSeconds", *_between(0, 600), f"{_V1} validateTimeoutSeconds"),
    Rule(
        f"{POD}.containerConcurrency",
        *_between(0, 1000),
        "serving/metadata_validation.go ValidateContainerConcurrency",
    ),
    Rule(
        POD,
        *_only(
            *("automountServiceAccountToken", "containers", "enableServiceLinks", "imagePullSecrets"),
            *("serviceAccountName", "volumes"),
            # RevisionSpec's own, in serving/v1/revision_types.go
            *("containerConcurrency", "idleTimeoutSeconds", "responseStartTimeoutSeconds", "timeoutSeconds"),
        ),
        f"{_MASK} PodSpecMask",
    ),
    Rule(f"{POD}.automountServiceAccountToken", "be false", lambda value: value is False, f"{_MASK} PodSpecMask"),
    Rule(f"{POD}.serviceAccountName", *_LABEL, f"{_K8S} ValidatePodSpec"),
    Rule(
        f"{POD}.containers", "be one container", lambda it: len(it) == 1, f"{_K8S} validateContainers: not covered here"
    ),
    # Volumes
    Rule(POD, "mount each volume, and have a volume for each mount", _volumes_are_mounted, f"{_K8S} ValidateVolumes"),
    Rule(f"{POD}.volumes", *_different("name"), f"{_K8S} ValidateVolumes"),
    Rule(f"{VOLUME}.name", *_LABEL, f"{_K8S} validateVolume"),
    Rule(VOLUME, *_only("configMap", "emptyDir", "name", "projected", "secret"), f"{_MASK} VolumeSourceMask"),
    Rule(VOLUME, *_exactly_one("configMap", "emptyDir", "projected", "secret"), f"{_K8S} validateVolume"),
    Rule(f"{VOLUME}.secret.items[]", *_with("key", "path"), f"{_K8S} validateKeyToPath"),
    Rule(f"{VOLUME}.configMap.items[]", *_with("key", "path"), f"{_K8S} validateKeyToPath"),
    Rule(f"{VOLUME}.emptyDir.medium", *_among("", "Memory"), f"{_K8S} validateEmptyDirFields"),
    Rule(
        PROJECTED,
        *_only("configMap", "downwardAPI", "secret", "serviceAccountToken"),
        f"{_MASK} VolumeProjectionMask",
    ),
    Rule(
        PROJECTED,
        *_exactly_one("configMap", "downwardAPI", "secret", "serviceAccountToken"),
        f"{_K8S} validateProjectedVolumeSource",
    ),
    Rule(f"{PROJECTED}.configMap", *_with("name"), f"{_K8S} validateConfigMapProjection"),
    Rule(f"{PROJECTED}.configMap.items[]", *_with("key", "path"), f"{_K8S} validateKeyToPath"),
    Rule(f"{PROJECTED}.secret", *_with("name"), f"{_K8S} validateSecretProjection"),
    Rule(f"{PROJECTED}.secret.items[]", *_with("key", "path"), f"{_K8S} validateKeyToPath"),
    Rule(f"{PROJECTED}.serviceAccountToken", *_with("path"), f"{_K8S} validateServiceAccountTokenProjection"),
    Rule(f"{PROJECTED}.downwardAPI.items[]", *_with("path"), f"{_K8S} validateDownwardAPIVolumeFile"),
    Rule(
        f"{PROJECTED}.downwardAPI.items[]",
        *_exactly_one("fieldRef", "resourceFieldRef"),
        f"{_K8S} validateDownwardAPIVolumeFile",
    ),
    # The container
    Rule(
        CONTAINER,
        *_only(
            *("args", "command", "env", "envFrom", "image", "imagePullPolicy", "livenessProbe", "name", "ports"),
            *("readinessProbe", "resources", "securityContext", "startupProbe", "terminationMessagePath"),
            *("terminationMessagePolicy", "volumeMounts", "workingDir"),
        ),
        f"{_MASK} ContainerMask",
    ),
    Rule(CONTAINER, *_with("image"), f"{_K8S} validate"),
    Rule(f"{CONTAINER}.image", *_like("an image reference", _IMAGE), f"{_K8S} validate"),
    Rule(f"{CONTAINER}.name", *_not_among("queue-proxy"), f"{_K8S} validate"),
    Rule(f"{CONTAINER}.terminationMessagePolicy", *_among("File", "FallbackToLogsOnError"), f"{_K8S} validate"),
    Rule(f"{CONTAINER}.resources", *_only("limits", "requests"), f"{_MASK} ResourceRequirementsMask"),
    Rule(f"{CONTAINER}.env[]", *_with("name"), f"{_K8S} validateEnvVar"),
    Rule(
        f"{CONTAINER}.env[].name",
        *_not_among("PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"),
        f"{_K8S} validateEnvVar",
    ),
    Rule(f"{CONTAINER}.env[].valueFrom", *_only("configMapKeyRef", "secretKeyRef"), f"{_MASK} EnvVarSourceMask"),
    Rule(f"{CONTAINER}.envFrom[]", *_exactly_one("configMapRef", "secretRef"), f"{_K8S} validateEnvFrom"),
    Rule(f"{CONTAINER}.ports", "be one port", lambda ports: len(ports) == 1, f"{_K8S} validateContainersPorts"),
    Rule(f"{CONTAINER}.ports[]", *_only("containerPort", "name", "protocol"), f"{_MASK} ContainerPortMask"),
    Rule(f"{CONTAINER}.ports[].name", *_among("", "h2c", "http1"), f"{_K8S} validateContainerPorts"),
    Rule(f"{CONTAINER}.ports[].protocol", *_among("", "TCP"), f"{_K8S} validateContainerPorts"),
    Rule(f"{CONTAINER}.ports[].containerPort", *_between(0, 65535), f"{_K8S} validateContainerPortBasic"),
    Rule(
        f"{CONTAINER}.ports[].containerPort",
        *_not_among(8008, 8012, 8013, 8022, 9090, 9091),
        f"{_K8S} validateContainerPortBasic",
    ),
    # Probes
    *(
        Rule(f"{CONTAINER}.{probe}", *_exactly_one("httpGet", "tcpSocket", "exec", "grpc"), f"{_K8S} validateProbe")
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
    ),
    Rule(CONTAINER, "name its own port in its probes, or none", _port_of_probes, f"{_K8S} validateProbe"),
    Rule(
        f"{CONTAINER}.readinessProbe",
        "have failureThreshold and timeoutSeconds only with periodSeconds",
        lambda probe: probe.get("periodSeconds") or not {"failureThreshold", "timeoutSeconds"} & probe.keys(),
        f"{_K8S} validateReadinessProbe",
    ),
    *(
        Rule(f"{CONTAINER}.readinessProbe.{field}", *_between(low, 2**31 - 1), f"{_K8S} validateReadinessProbe")
        for field, low in (
            ("periodSeconds", 0),
            ("initialDelaySeconds", 0),
            ("successThreshold", 1),
            ("timeoutSeconds", 1),
            ("failureThreshold", 1),
        )
    ),
    # Mounts
    Rule(
        f"{CONTAINER}.volumeMounts[]",
        *_only("mountPath", "name", "readOnly", "subPath"),
        f"{_MASK} VolumeMountMask",
    ),
    Rule(
        f"{CONTAINER}.volumeMounts[].mountPath",
        *_like("an absolute path, not / nor /dev nor /dev/log", r"/(?!(dev(/log)?)?/*$).+"),
        f"{_K8S} validateVolumeMounts",
    ),
    Rule(f"{CONTAINER}.volumeMounts", *_different("mountPath"), f"{_K8S} validateVolumeMounts"),
    # What the container may do
    Rule(
        f"{CONTAINER}.securityContext",
        *_only(
            *("allowPrivilegeEscalation", "capabilities", "privileged", "readOnlyRootFilesystem", "runAsGroup"),
            *("runAsNonRoot", "runAsUser", "seccompProfile"),
        ),
        f"{_MASK} SecurityContextMask",
    ),
    Rule(
        f"{CONTAINER}.securityContext.privileged",
        "be false",
        lambda value: value is False,
        f"{_MASK} SecurityContextMask",
    ),
    Rule(f"{CONTAINER}.securityContext.capabilities", *_only("drop"), f"{_MASK} CapabilitiesMask"),
    *(
        Rule(f"{CONTAINER}.securityContext.{field}", *_between(0, 2**31 - 1), f"{_K8S} validateSecurityContext")
        for field in ("runAsUser", "runAsGroup")
    ),
    # A warning of Knative, which would be an error under the profile "restricted"
    Rule(CONTAINER, *_with("securityContext"), f"{_K8S} warnDefaultContainerSecurityContext"),
    Rule(
        f"{CONTAINER}.securityContext",
        *_with("runAsNonRoot", "allowPrivilegeEscalation", "seccompProfile", "capabilities"),
        f"{_K8S} warnDefaultContainerSecurityContext",
    ),
    Rule(
        f"{CONTAINER}.securityContext.capabilities.drop",
        "be written ALL",
        lambda drop: drop == ["ALL"],
        f"{_K8S} warnDefaultContainerSecurityContext",
    ),
)

"""The function's Service: each setting that was asked for is there, in every configuration."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.cluster.pod import SERVICE_ACCOUNT
from tests.manifests.building import (
    CONFIGURATIONS,
    KNATIVE,
    ROOT,
    WITH_KNATIVE,
    Manifest,
    build,
    find,
    function,
    of_kind,
    with_component,
)


@pytest.fixture(params=CONFIGURATIONS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    folder: str = request.param
    return build(folder)


@pytest.fixture
def container(manifests: list[Manifest]) -> Manifest:
    (only,) = function(manifests)["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def environment(container: Manifest) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["env"]}


@pytest.mark.parametrize("folder", WITH_KNATIVE)
def test_it_can_be_reached_from_inside_only(folder: str) -> None:
    manifests = build(folder)
    assert function(manifests)["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"


@pytest.mark.parametrize("folder", WITH_KNATIVE)
def test_it_scales_to_zero_and_no_further_than_it_should(folder: str) -> None:
    annotations = function(build(folder))["spec"]["template"]["metadata"]["annotations"]
    assert annotations["autoscaling.knative.dev/min-scale"] == "0"
    assert 1 <= int(annotations["autoscaling.knative.dev/max-scale"]) <= 10


@pytest.mark.parametrize("folder", WITH_KNATIVE)
def test_concurrency_and_timeout(folder: str) -> None:
    pod = function(build(folder))["spec"]["template"]["spec"]
    assert pod["containerConcurrency"] >= 10  # 1 makes 26 pods for 20 events
    assert 5 < pod["timeoutSeconds"] <= 10  # the function's own time, and the Sensor's


def test_the_container_keeps_to_the_restricted_profile(container: Manifest) -> None:
    assert container["securityContext"] == {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_the_probes_are_those_that_ask_nobody(container: Manifest) -> None:
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert "startupProbe" not in container


@pytest.mark.parametrize("folder", WITH_KNATIVE)
def test_knative_probes_as_often_as_it_likes(folder: str) -> None:
    """With `periodSeconds` the first answer from zero comes up to 0.2 s later."""
    (container,) = function(build(folder))["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"].keys() == {"httpGet"}


def test_resources_are_limited(container: Manifest) -> None:
    resources = container["resources"]
    assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}


def test_the_pod_alone_mounts_the_credential_for_the_kubernetes_api(
    manifests: list[Manifest], container: Manifest
) -> None:
    """Knative refuses `automountServiceAccountToken: true`, so a volume does what automounting would do.

    Source: `generateServiceAccountVolume` in kubernetes/kubernetes, plugin/pkg/admission/serviceaccount/admission.go.
    """
    pod = function(manifests)["spec"]["template"]["spec"]
    account = find(manifests, "ServiceAccount", pod["serviceAccountName"])
    assert account["metadata"]["namespace"] == function(manifests)["metadata"]["namespace"]
    assert account["automountServiceAccountToken"] is False
    assert "automountServiceAccountToken" not in pod
    (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == SERVICE_ACCOUNT]
    (volume,) = [v for v in pod["volumes"] if v["name"] == mount["name"]]
    assert volume["projected"]["sources"] == [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ]


def test_no_variable_of_a_kubernetes_service_stands_among_our_settings(manifests: list[Manifest]) -> None:
    assert function(manifests)["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_every_mounted_volume_is_there_and_every_volume_is_mounted(
    manifests: list[Manifest], container: Manifest
) -> None:
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in function(manifests)["spec"]["template"]["spec"]["volumes"]}
    assert mounts.keys() == volumes.keys()
    for name, volume in volumes.items():
        assert mounts[name].get("readOnly", False) is ("emptyDir" not in volume), name


def test_the_rules_are_where_the_function_looks_for_them(manifests: list[Manifest], container: Manifest) -> None:
    (volume,) = [v for v in function(manifests)["spec"]["template"]["spec"]["volumes"] if "configMap" in v]
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == volume["name"]]
    rules = find(manifests, "ConfigMap", volume["configMap"]["name"])
    assert environment(container)["TASKGATE_CONFIG"] == f"{mount['mountPath']}/gates.yaml"
    assert rules["data"].keys() == {"gates.yaml"}
    assert rules["immutable"] is True
    assert rules["metadata"]["namespace"] == function(manifests)["metadata"]["namespace"]


def test_the_token_is_where_the_function_looks_for_it() -> None:
    for folder in ("base", "overlays/argo-events", "overlays/observe", "overlays/example"):
        pod = function(build(folder))["spec"]["template"]["spec"]
        (volume,) = [v for v in pod["volumes"] if "secret" in v]
        (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == volume["name"]]
        assert volume["secret"] == {"secretName": "taskgate-token", "items": [{"key": "token", "path": "token"}]}
        settings = environment(pod["containers"][0])
        assert settings["TASKGATE_AUTH"] == "token"
        assert settings["TASKGATE_TOKEN_FILE"] == f"{mount['mountPath']}/token"


def test_no_secret_is_committed(manifests: list[Manifest]) -> None:
    assert of_kind(manifests, "Secret") == []


def test_changed_rules_make_a_new_revision(tmp_path: Path) -> None:
    shutil.copytree(KNATIVE, tmp_path / "knative")
    rules = tmp_path / "knative/base/gates.yaml"
    rules.write_text(rules.read_text().replace("wait-pr-merged", "wait-pr-closed"))
    before, after = function(build("base")), function(build(tmp_path / "knative/base"))
    assert before["spec"]["template"] != after["spec"]["template"]


def test_the_rules_are_those_built_in() -> None:
    built_in = yaml.safe_load((ROOT / "func/gates.yaml").read_text())
    assert yaml.safe_load((KNATIVE / "base/gates.yaml").read_text()) == built_in


def test_shadow_mode_cannot_write() -> None:
    shadow, real = build("overlays/observe"), build("overlays/argo-events")
    assert environment(function(shadow)["spec"]["template"]["spec"]["containers"][0])["TASKGATE_MODE"] == "observe"
    assert find(shadow, "Role", "taskgate")["rules"][0]["verbs"] == ["get", "list"]
    changed = [new["kind"] for new, old in zip(shadow, real, strict=True) if new != old]
    assert sorted(changed) == ["Role", "Service"]


def test_shadow_mode_goes_with_the_broker_too(tmp_path: Path) -> None:
    manifests = with_component("components/observe", "overlays/broker", tmp_path)
    settings = environment(function(manifests)["spec"]["template"]["spec"]["containers"][0])
    assert settings["TASKGATE_MODE"] == "observe"
    assert settings["TASKGATE_AUTH"] == "kubernetes"


@pytest.mark.parametrize("overlay", ["overlays/argo-events", "overlays/broker", "overlays/example"])
def test_events_are_asked_for_by_a_setting_and_a_right(overlay: str, tmp_path: Path) -> None:
    before, after = build(overlay), with_component("components/kubernetes-events", overlay, tmp_path)
    settings = environment(function(after)["spec"]["template"]["spec"]["containers"][0])
    assert settings["TASKGATE_KUBERNETES_EVENTS"] == "true"
    assert [m["kind"] for m in after if m not in before] == ["Role", "RoleBinding", "Service"]


def test_an_overlay_moves_the_workflows_namespace_and_the_image_everywhere() -> None:
    manifests = build("overlays/example")
    assert "agent-platform" not in yaml.safe_dump_all(manifests)
    assert "ghcr.io/example" not in yaml.safe_dump_all(manifests)
    assert {m["metadata"]["namespace"] for m in of_kind(manifests, "Role")} == {"factory", "taskgate"}
    rules = yaml.safe_load(of_kind(manifests, "ConfigMap")[0]["data"]["gates.yaml"])
    assert rules["workflows"]["namespace"] == "factory"


def test_the_controllers_requeue_time_is_patched_and_nothing_else(tmp_path: Path) -> None:
    shutil.copytree(KNATIVE, tmp_path / "knative")
    controller = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "workflow-controller", "namespace": "argo"},
        "spec": {
            "selector": {"matchLabels": {"app": "workflow-controller"}},
            "template": {
                "metadata": {"labels": {"app": "workflow-controller"}},
                "spec": {
                    "containers": [
                        {"name": "workflow-controller", "image": "argo", "env": [{"name": "A", "value": "b"}]}
                    ]
                },
            },
        },
    }
    argo = tmp_path / "argo"
    argo.mkdir()
    (argo / "controller.yaml").write_text(yaml.safe_dump(controller))
    (argo / "kustomization.yaml").write_text(
        "resources: [controller.yaml]\ncomponents: [../knative/components/controller-requeue]\n"
    )
    (patched,) = build(argo)
    (container,) = patched["spec"]["template"]["spec"]["containers"]
    assert environment(container) == {"A": "b", "DEFAULT_REQUEUE_TIME": "100ms"}
    assert container["image"] == "argo"

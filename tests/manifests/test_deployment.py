"""The function without Knative: the same pod, always on, and never away as a whole."""

import copy
from pathlib import Path

import pytest

from tests.manifests.building import Manifest, build, find, function, of_kind, with_component
from tests.manifests.names import objects


@pytest.fixture
def manifests() -> list[Manifest]:
    return build("overlays/deployment")


@pytest.fixture
def deployment(manifests: list[Manifest]) -> Manifest:
    return find(manifests, "Deployment", "taskgate")


def pod_of(workload: Manifest) -> Manifest:
    pod: Manifest = copy.deepcopy(workload["spec"]["template"]["spec"])
    return pod


def test_the_pod_is_that_of_the_knative_service_but_for_what_only_one_of_them_knows(deployment: Manifest) -> None:
    ours, knatives = pod_of(deployment), pod_of(function(build("overlays/argo-events")))
    assert {key: knatives.pop(key) for key in ("containerConcurrency", "timeoutSeconds")}
    assert {key: ours.pop(key) for key in ("terminationGracePeriodSeconds", "topologySpreadConstraints")}
    (container,) = ours["containers"]
    assert container.pop("lifecycle")
    assert container["readinessProbe"].pop("periodSeconds") <= 2  # the kubelet's own default is 10 s
    ports = [container["ports"][0].pop("name")]
    ports += [container[probe]["httpGet"].pop("port") for probe in ("livenessProbe", "readinessProbe")]
    assert set(ports) == {"http"}
    assert ours == knatives


def test_all_else_is_that_of_the_argo_events_overlay(manifests: list[Manifest]) -> None:
    with_knative = build("overlays/argo-events")
    assert [m for m in with_knative if m not in manifests] == [function(with_knative)]
    assert sorted(m["kind"] for m in manifests if m not in with_knative) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "Service",
    ]
    assert not [m for m in manifests if "knative.dev" in m["apiVersion"]]


def test_its_service_has_the_address_of_the_knative_service(manifests: list[Manifest], deployment: Manifest) -> None:
    service, knatives = find(manifests, "Service", "taskgate"), function(build("overlays/argo-events"))
    for field in ("name", "namespace"):
        assert service["metadata"][field] == knatives["metadata"][field]
    (port,) = service["spec"]["ports"]
    (container_port,) = pod_of(deployment)["containers"][0]["ports"]
    assert (port["port"], port["targetPort"]) == (80, container_port["name"])  # Knative's address has port 80
    assert container_port["containerPort"] == 8080  # where `serve` listens unless PORT says otherwise


def labels_of(workload: Manifest) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def test_every_selector_finds_the_pods_and_no_others(deployment: Manifest, tmp_path: Path) -> None:
    """Also those of a second installation in the same namespace, whose pods have other rules."""
    manifests = objects("overlays/deployment", tmp_path, namePrefix="shop-")
    second = find(manifests, "Deployment", "shop-taskgate")
    (spread,) = pod_of(second)["topologySpreadConstraints"]
    selectors = [
        second["spec"]["selector"]["matchLabels"],
        find(manifests, "Service", "shop-taskgate")["spec"]["selector"],
        find(manifests, "PodDisruptionBudget", "shop-taskgate")["spec"]["selector"]["matchLabels"],
        spread["labelSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels_of(second).items()
        assert not selector.items() <= labels_of(deployment).items()
        assert selector["app.kubernetes.io/component"] == "function"


def test_a_pod_is_there_while_others_go(manifests: list[Manifest], deployment: Manifest) -> None:
    (scaler,) = of_kind(manifests, "HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]  # kubectl apply would set it back
    assert scaler["spec"]["minReplicas"] >= 2
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert find(manifests, "PodDisruptionBudget", "taskgate")["spec"]["maxUnavailable"] == 1


def test_a_pod_that_goes_finishes_its_events(deployment: Manifest) -> None:
    """It gets events until the endpoints are up to date; then the function needs 5 s for each at most."""
    pod = pod_of(deployment)
    waits = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= waits + 5 + 5


@pytest.mark.parametrize("component", ["observe", "kubernetes-events"])
def test_components_for_the_function_change_the_deployment_as_the_knative_service(
    component: str, tmp_path: Path
) -> None:
    def changed(overlay: str) -> tuple[Manifest, list[Manifest]]:
        before, after = build(overlay), with_component(f"components/{component}", overlay, tmp_path / overlay)
        rest = [m for m in after if m not in before and m != function(after)]
        return pod_of(function(after))["containers"][0]["env"], rest

    assert changed("overlays/deployment") == changed("overlays/argo-events")


def test_a_broker_delivers_to_it_too(tmp_path: Path) -> None:
    manifests = with_component("components/deployment", "overlays/broker", tmp_path)
    service = find(manifests, "Service", "taskgate")
    for trigger in of_kind(manifests, "Trigger"):
        assert trigger["spec"]["subscriber"]["ref"] == {
            "apiVersion": service["apiVersion"],
            "kind": service["kind"],
            "name": service["metadata"]["name"],
        }

"""The checker of Knative's rules finds each fault; without this a green test of our Service would mean nothing."""

import copy
from collections.abc import Callable

import pytest

from tests.manifests.building import CONFIGURATIONS, Manifest, build, function
from tests.manifests.knative_rules import complaints


@pytest.mark.parametrize("folder", CONFIGURATIONS)
def test_knative_takes_our_service(folder: str) -> None:
    assert complaints(function(build(folder))) == []


def _template(service: Manifest) -> Manifest:
    template: Manifest = service["spec"]["template"]
    return template


def _container(service: Manifest) -> Manifest:
    container: Manifest = _template(service)["spec"]["containers"][0]
    return container


FAULTS: dict[str, tuple[Callable[[Manifest], object], str]] = {
    "a misspelt autoscaling key": (
        lambda s: _template(s)["metadata"]["annotations"].update({"autoscaling.knative.dev/maxscale": "3"}),
        "autoscaling.knative.dev/maxscale is no key of Knative's autoscaler",
    ),
    "an annotation that is no string": (
        lambda s: _template(s)["metadata"]["annotations"].update({"autoscaling.knative.dev/max-scale": 3}),
        "autoscaling.knative.dev/max-scale is no string",
    ),
    "an autoscaling key on the Service": (
        lambda s: s["metadata"].update({"annotations": {"autoscaling.knative.dev/max-scale": "3"}}),
        "autoscaling.knative.dev/max-scale belongs on the template",
    ),
    "initial-scale 0": (
        lambda s: _template(s)["metadata"]["annotations"].update({"autoscaling.knative.dev/initial-scale": "0"}),
        "autoscaling.knative.dev/initial-scale must not be 0",
    ),
    "two ports": (lambda s: _container(s)["ports"].append({"containerPort": 8081}), "more than one port"),
    "queue-proxy's port": (
        lambda s: _container(s).update({"ports": [{"containerPort": 8012}]}),
        "port 8012 is Knative's own",
    ),
    "PORT": (
        lambda s: _container(s)["env"].append({"name": "PORT", "value": "8080"}),
        "env PORT is Knative's own",
    ),
    "fieldRef": (
        lambda s: _container(s)["env"].append({"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        "env X: fieldRef is refused",
    ),
    "lifecycle": (lambda s: _container(s).update({"lifecycle": {}}), "lifecycle is refused"),
    "privileged": (
        lambda s: _container(s)["securityContext"].update({"privileged": True}),
        "securityContext.privileged is refused",
    ),
    "a probe's threshold without a period": (
        lambda s: _container(s)["readinessProbe"].update({"failureThreshold": 3}),
        "readinessProbe.failureThreshold is refused without periodSeconds",
    ),
    "terminationGracePeriodSeconds": (
        lambda s: _template(s)["spec"].update({"terminationGracePeriodSeconds": 30}),
        "pod: terminationGracePeriodSeconds is refused",
    ),
    "securityContext of the pod": (
        lambda s: _template(s)["spec"].update({"securityContext": {"runAsNonRoot": True}}),
        "pod: securityContext is refused",
    ),
    "nodeSelector": (lambda s: _template(s)["spec"].update({"nodeSelector": {}}), "pod: nodeSelector is refused"),
    "a claimed volume": (
        lambda s: _template(s)["spec"]["volumes"].append({"name": "disk", "persistentVolumeClaim": {"claimName": "x"}}),
        "volume disk: persistentVolumeClaim is refused",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str) -> None:
    make, complaint = FAULTS[fault]
    service = copy.deepcopy(function(build("base")))
    make(service)
    assert complaints(service) == [complaint]

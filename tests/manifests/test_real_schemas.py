"""Every manifest is accepted by the real API server with real schemas, and by argo-events' own types and validators."""

import copy
from collections.abc import Callable

import pytest
import yaml

from tests.cluster.api_server import RealApiServer
from tests.manifests.building import CONFIGURATIONS, KNATIVE, Manifest, build, find, function, of_kind
from tests.manifests.conftest import apply
from tests.manifests.knative_rules import complaints

Problems = Callable[[list[Manifest]], list[str]]


def refusal(cluster: RealApiServer, manifest: Manifest) -> str:
    """The API server's words about it; empty if it takes it."""
    run = cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", objects=[manifest]
    )
    return "" if run.returncode == 0 else run.stderr


@pytest.mark.parametrize("folder", CONFIGURATIONS)
def test_the_api_server_takes_every_manifest(cluster: RealApiServer, folder: str) -> None:
    apply(cluster, build(folder))


@pytest.mark.parametrize(
    ("folder", "count"),
    [
        ("overlays/argo-events", 4),
        ("overlays/observe", 4),
        ("overlays/example", 4),
        ("overlays/deployment", 4),
        ("overlays/sensor", 2),
    ],
)
def test_argo_events_takes_its_own(problems: Problems, folder: str, count: int) -> None:
    manifests = build(folder)
    ours = [*of_kind(manifests, "EventBus"), *of_kind(manifests, "EventSource"), *of_kind(manifests, "Sensor")]
    assert len(ours) == count
    assert problems(ours) == []


def test_the_job_of_a_dead_letter_is_one(cluster: RealApiServer) -> None:
    apply(cluster, build("base"))
    job = find(build("overlays/broker"), "JobSink", "taskgate-dead-letters")["spec"]["job"]
    whole = {"apiVersion": "batch/v1", "kind": "Job", **copy.deepcopy(job)}
    whole["metadata"] = {**whole["metadata"], "name": "a", "namespace": "taskgate"}
    assert refusal(cluster, whole) == ""
    whole["spec"]["template"]["spec"]["containers"][0]["comand"] = []
    assert "comand" in refusal(cluster, whole)


def test_the_requeue_patch_fits_a_deployment(cluster: RealApiServer) -> None:
    patch = yaml.safe_load((KNATIVE / "components/controller-requeue/patch.yaml").read_text())
    labels = {"app": "workflow-controller"}
    patch["spec"] |= {"selector": {"matchLabels": labels}}
    patch["spec"]["template"]["metadata"] = {"labels": labels}
    patch["spec"]["template"]["spec"]["containers"][0]["image"] = "argo"
    assert refusal(cluster, patch) == ""


# A fault, what it is made in, and who finds it.

SERVER_FAULTS: dict[str, tuple[str, str, Callable[[Manifest], object], str]] = {
    "a misspelt Knative field": (
        "base",
        "Service",
        lambda m: m["spec"]["template"]["spec"].update({"containerConcurency": 1}),
        ".spec.template.spec.containerConcurency: field not declared in schema",
    ),
    "a misspelt field of the container": (
        "base",
        "Service",
        lambda m: m["spec"]["template"]["spec"]["containers"][0].update({"readynessProbe": {}}),
        ".spec.template.spec.containers[0].readynessProbe: field not declared in schema",
    ),
    "a misspelt field of a Broker": (
        "overlays/broker",
        "Broker",
        lambda m: m["spec"].update({"delivry": {}}),
        ".spec.delivry: field not declared in schema",
    ),
    "a verb that is no list": (
        "base",
        "Role",
        lambda m: m["rules"][0].update({"verbs": "get"}),
        ".rules[0].verbs: expected list",
    ),
    "an expression that is none": (
        "base",
        "ValidatingAdmissionPolicy",
        lambda m: m["spec"]["validations"][0].update({"expression": "object.spec =="}),
        "Syntax error",
    ),
}


@pytest.mark.parametrize("fault", SERVER_FAULTS)
def test_the_api_server_finds_a_fault(cluster: RealApiServer, fault: str) -> None:
    folder, kind, make, words = SERVER_FAULTS[fault]
    apply(cluster, build(folder))
    manifest = copy.deepcopy(of_kind(build(folder), kind)[0])
    assert refusal(cluster, manifest) == ""
    make(manifest)
    assert words in refusal(cluster, manifest)


def _trigger(sensor: Manifest) -> Manifest:
    trigger: Manifest = sensor["spec"]["triggers"][0]
    return trigger


def _rename(mapping: Manifest, old: str, new: str) -> None:
    mapping[new] = mapping.pop(old)


ARGO_FAULTS: dict[str, tuple[str, str, Callable[[Manifest], object], str]] = {
    "`secret` for `webhookSecret`": (
        "EventSource",
        "github",
        lambda m: _rename(m["spec"]["github"]["webhook"], "webhookSecret", "secret"),
        'unknown field "secret"',
    ),
    "a quoted factor": (
        "Sensor",
        "taskgate",
        lambda m: _trigger(m)["retryStrategy"].update({"factor": "2"}),
        "factor",
    ),
    "a quoted factor of the dead letter": (
        "Sensor",
        "taskgate",
        lambda m: _trigger(m)["dlqTrigger"]["retryStrategy"].update({"factor": "2"}),
        "factor",
    ),
    "a dead letter without atLeastOnce": (
        "Sensor",
        "taskgate",
        lambda m: _trigger(m)["dlqTrigger"].pop("atLeastOnce"),
        "atLeastOnce must be set to true within the dlqTrigger",
    ),
    "a trigger with a dead letter and without atLeastOnce": (
        "Sensor",
        "taskgate",
        lambda m: _trigger(m).pop("atLeastOnce"),
        "to use dlqTrigger, trigger.atLeastOnce must be set to true",
    ),
    "a misspelt policy": (
        "Sensor",
        "taskgate",
        lambda m: _rename(_trigger(m)["policy"]["status"], "allow", "allowed"),
        'unknown field "allowed"',
    ),
    "a misspelt size": (
        "EventBus",
        "taskgate",
        lambda m: _rename(m["spec"]["jetstream"], "maxPayload", "maxPayloadSize"),
        'unknown field "maxPayloadSize"',
    ),
    "no repositories": (
        "EventSource",
        "github",
        lambda m: m["spec"]["github"]["webhook"].pop("repositories"),
        "either repositories or organizations is required",
    ),
}


@pytest.mark.parametrize("fault", ARGO_FAULTS)
def test_argo_events_finds_a_fault_that_the_api_server_lets_through(
    cluster: RealApiServer, problems: Problems, fault: str
) -> None:
    kind, name, make, words = ARGO_FAULTS[fault]
    apply(cluster, build("overlays/argo-events"))
    manifest = copy.deepcopy(find(build("overlays/argo-events"), kind, name))
    make(manifest)
    assert refusal(cluster, manifest) == ""
    (problem,) = problems([manifest])
    assert words in problem


def test_a_misspelt_autoscaling_key_is_found_by_our_own_list_alone(cluster: RealApiServer) -> None:
    apply(cluster, build("base"))
    service = copy.deepcopy(function(build("base")))
    _rename(
        service["spec"]["template"]["metadata"]["annotations"],
        "autoscaling.knative.dev/max-scale",
        "autoscaling.knative.dev/maxscale",
    )
    assert refusal(cluster, service) == ""
    ((rule, _),) = complaints(service)
    assert rule.where == "spec.template.metadata.annotations"


def test_with_the_broker_the_function_can_ask_whose_token_it_is(cluster: RealApiServer) -> None:
    apply(cluster, build("overlays/broker"))
    function_api = cluster.admin.as_token(cluster.token_for("taskgate", "taskgate"))
    for audience, known in (("taskgate", True), ("somebody-else", False)):
        token = cluster.token_for("sender", "elsewhere", [audience])
        review = {"spec": {"token": token, "audiences": ["taskgate"]}}
        answer = function_api.must("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
        assert answer["status"].get("authenticated", False) is known
    attributes = {"spec": {"user": "x", "resourceAttributes": {"verb": "get", "resource": "pods"}}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert function_api.request("POST", path, attributes).status == 403

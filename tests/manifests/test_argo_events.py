"""The Argo Events overlay fits together, and does what the running system needs of it."""

import copy
import re

import pytest
import yaml

from tests.manifests.building import Manifest, build, find, function, host, of_kind

MIB = 1 << 20
WORKFLOW = 1.5 * MIB  # what etcd takes of one object


@pytest.fixture(params=["overlays/argo-events", "overlays/observe", "overlays/example", "overlays/deployment"])
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    folder: str = request.param
    return build(folder)


@pytest.fixture
def sensor(manifests: list[Manifest]) -> Manifest:
    """One for all tasks and all of GitHub's events."""
    (only,) = of_kind(manifests, "Sensor")
    return only


@pytest.fixture
def triggers(sensor: Manifest) -> dict[str, Manifest]:
    return {trigger["template"]["name"]: trigger for trigger in sensor["spec"]["triggers"]}


def size(text: str) -> float:
    """Bytes of a NATS size: 8MB is 8 MiB there."""
    found = re.fullmatch(r"(\d+)MB", text)
    assert found
    return int(found[1]) * MIB


def sources(parameters: list[Manifest], prefix: str = "") -> dict[str, Manifest]:
    return {parameter["dest"].removeprefix(prefix): parameter["src"] for parameter in parameters}


def test_all_are_on_the_same_bus(manifests: list[Manifest], sensor: Manifest) -> None:
    (bus,) = of_kind(manifests, "EventBus")
    parts = [sensor, *of_kind(manifests, "EventSource")]
    assert {part["spec"]["eventBusName"] for part in parts} == {bus["metadata"]["name"]}
    assert {part["metadata"]["namespace"] for part in (bus, *parts)} == {"taskgate"}


def test_the_sensor_waits_for_events_that_are_made(manifests: list[Manifest], sensor: Manifest) -> None:
    made = {
        (source["metadata"]["name"], event)
        for source in of_kind(manifests, "EventSource")
        for kind in ("github", "resource")
        for event in source["spec"].get(kind, {})
    }
    assert {(d["eventSourceName"], d["eventName"]) for d in sensor["spec"]["dependencies"]} == made


def test_two_triggers_each_with_its_own_event(triggers: dict[str, Manifest]) -> None:
    dependency = {"github": "github", "release": "waiting"}
    assert triggers.keys() == dependency.keys()
    for name, trigger in triggers.items():
        assert trigger["template"]["conditions"] == dependency[name]
        dead_letter = trigger["dlqTrigger"]["template"]["k8s"]["parameters"]
        # A parameter of an event that is not there has no value, and the sensor crashes on it.
        assert {p["src"]["dependencyName"] for p in (*trigger["template"]["http"]["payload"], *dead_letter)} == {
            dependency[name]
        }


def test_only_what_a_retry_can_help_is_retried_for_half_a_minute(triggers: dict[str, Manifest]) -> None:
    for trigger in triggers.values():
        assert trigger["atLeastOnce"] is True
        assert trigger["policy"]["status"]["allow"] == [200, 202, 204, 400, 413, 415, 422]
        for strategy in (trigger["retryStrategy"], trigger["dlqTrigger"]["retryStrategy"]):
            assert type(strategy["factor"]) in (int, float)
            assert type(strategy["jitter"]) in (int, float)
            waits = [
                int(strategy["duration"].removesuffix("s")) * strategy["factor"] ** n
                for n in range(strategy["steps"] - 1)
            ]
            assert 25 <= sum(waits) <= 35


def test_the_request_reaches_the_function(manifests: list[Manifest], triggers: dict[str, Manifest]) -> None:
    for trigger in triggers.values():
        http = trigger["template"]["http"]
        assert http["url"] == f"http://{host(manifests)}/"
        assert http["method"] == "POST"
        pod = function(manifests)["spec"]["template"]["spec"]
        assert http["timeout"] == 10 >= pod.get("timeoutSeconds", 0)  # a field of Knative
        assert http["headers"] == {"Content-Type": "application/cloudevents+json"}
        assert http["secureHeaders"] == [
            {
                "name": "Authorization",
                "valueFrom": {"secretKeyRef": {"name": "taskgate-token", "key": "authorization"}},
            }
        ]


def test_it_is_a_cloudevent(triggers: dict[str, Manifest]) -> None:
    required = {"specversion", "id", "type", "source"}
    for trigger in triggers.values():
        attributes = sources(trigger["template"]["http"]["payload"])
        assert required < attributes.keys()
        assert attributes["specversion"]["value"] == "1.0"
    github = sources(triggers["github"]["template"]["http"]["payload"])
    assert github["id"]["dataKey"] == "headers.X-Github-Delivery.0"  # the same when GitHub sends it again
    assert github["data"] == {"dependencyName": "github", "dataKey": "body", "useRawData": True}


def test_a_release_names_the_workflow_and_does_not_carry_it(triggers: dict[str, Manifest]) -> None:
    payload = sources(triggers["release"]["template"]["http"]["payload"])
    assert payload["type"]["value"] == "io.argoproj.workflow.updated"
    assert payload["subject"]["dataTemplate"] == "{{ .Input.body.metadata.namespace }}/{{ .Input.body.metadata.name }}"
    data = {key: src["dataKey"] for key, src in payload.items() if key.startswith("data.")}
    assert data == {"data.namespace": "body.metadata.namespace", "data.name": "body.metadata.name"}


def test_an_event_without_a_pull_request_fills_every_parameter(triggers: dict[str, Manifest]) -> None:
    """A path that leads nowhere is an error, tried again six times: only `with` may lead into a payload of GitHub."""
    for parameter in triggers["github"]["template"]["http"]["payload"]:
        src = parameter["src"]
        assert src.get("dataKey", "body") in ("body", "headers.X-Github-Delivery.0")
        template = src.get("dataTemplate", "")
        assert re.findall(r"\.Input\.body", re.sub(r"\{\{ with \.Input\.body\.\w+ \}\}", "", template)) == []


def test_a_dead_letter_holds_what_was_sent(triggers: dict[str, Manifest]) -> None:
    for trigger in triggers.values():
        dead_letter = trigger["dlqTrigger"]
        assert dead_letter["atLeastOnce"] is True
        k8s = dead_letter["template"]["k8s"]
        resource = k8s["source"]["resource"]
        assert (k8s["operation"], resource["kind"]) == ("create", "ConfigMap")
        assert resource["metadata"]["labels"] == {"taskgate.dev/dead-letter": "true"}
        assert "name" not in resource["metadata"]
        sent = sources(trigger["template"]["http"]["payload"])
        kept = sources(k8s["parameters"], "data.")
        attributes = {key: src for key, src in sent.items() if key.split(".")[0] != "data"}
        assert {key: src for key, src in kept.items() if key != "data"} == attributes
        assert "useRawData" not in kept["data"]  # a ConfigMap holds text
    github = sources(triggers["github"]["dlqTrigger"]["template"]["k8s"]["parameters"], "data.")
    assert github["data"]["dataKey"] == "body"


def test_two_copies_of_the_largest_workflow_fit(manifests: list[Manifest]) -> None:
    (bus,) = of_kind(manifests, "EventBus")
    webhook = find(manifests, "EventSource", "github")["spec"]["github"]["webhook"]["webhook"]
    most = size(bus["spec"]["jetstream"]["maxPayload"])
    assert 2 * WORKFLOW < webhook["maxPayloadSize"] < most


def test_the_bus_keeps_what_fits_on_its_disk(manifests: list[Manifest]) -> None:
    (bus,) = of_kind(manifests, "EventBus")
    jetstream = bus["spec"]["jetstream"]
    disk = int(jetstream["persistence"]["volumeSize"].removesuffix("Gi")) << 30
    assert yaml.safe_load(jetstream["streamConfig"])["maxBytes"] < disk


def test_github_signs_and_only_listening_is_done(manifests: list[Manifest]) -> None:
    github = find(manifests, "EventSource", "github")["spec"]
    source = github["github"]["webhook"]
    assert source["webhookSecret"] == {"name": "taskgate-github-webhook", "key": "secret"}
    assert not {"apiToken", "githubApp", "secret"} & source.keys()
    assert "serviceAccountName" not in github["template"]  # `default`, which has no rights


def test_only_workflows_with_a_waiting_key_are_watched(manifests: list[Manifest]) -> None:
    waiting = find(manifests, "EventSource", "waiting")["spec"]
    source = waiting["resource"]["workflow"]
    assert source["filter"]["labels"] == [{"key": "taskgate.dev/parked", "operation": "==", "value": "true"}]
    assert source["eventTypes"] == ["ADD", "UPDATE"]
    assert source["namespace"] == find(manifests, "Role", "taskgate-waiting")["metadata"]["namespace"]
    assert waiting["template"]["serviceAccountName"] == "taskgate-waiting"


def test_the_pods_of_argo_events_run_without_privileges(manifests: list[Manifest], sensor: Manifest) -> None:
    for part in (sensor, *of_kind(manifests, "EventSource")):
        context = part["spec"]["template"]["container"]["securityContext"]
        assert context["runAsNonRoot"] is context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_beside_another_argo_events_the_sensor_and_the_watch_are_the_same_but_for_names() -> None:
    """So what is tested of them here, and with the real ones, holds there too."""

    def without_names(manifests: list[Manifest]) -> list[Manifest]:
        parts = [
            copy.deepcopy(find(manifests, kind, name))
            for kind, name in (("Sensor", "taskgate"), ("EventSource", "waiting"))
        ]
        for part in parts:
            del part["metadata"], part["spec"]["eventBusName"]
        return parts

    assert without_names(build("overlays/sensor")) == without_names(build("overlays/argo-events"))

"""The Knative Broker overlay fits together."""

import pytest

from tests.manifests.building import Manifest, build, find, function, of_kind


@pytest.fixture
def manifests() -> list[Manifest]:
    return build("overlays/broker")


def passes(trigger: Manifest, event_type: str) -> bool:
    """Whether the event goes through. Source: https://knative.dev/docs/eventing/triggers/#new-trigger-filters"""
    (only,) = trigger["spec"]["filters"]
    return any(
        event_type.startswith(rule["prefix"]["type"]) if "prefix" in rule else event_type == rule["exact"]["type"]
        for rule in only["any"]
    )


@pytest.mark.parametrize(
    ("event_type", "by"),
    [
        ("com.github.pull_request", ["taskgate-github"]),
        ("dev.knative.source.github.pull_request_review", ["taskgate-github"]),
        ("dev.knative.apiserver.ref.add", ["taskgate-release"]),
        ("dev.knative.apiserver.ref.update", ["taskgate-release"]),
        ("dev.knative.apiserver.ref.delete", []),
        ("dev.taskgate.opened", []),
        ("dev.taskgate.parked", []),
        ("com.githubber.pull_request", []),
    ],
)
def test_events_reach_the_function_and_its_own_answers_do_not(
    manifests: list[Manifest], event_type: str, by: list[str]
) -> None:
    triggers = of_kind(manifests, "Trigger")
    assert [t["metadata"]["name"] for t in triggers if passes(t, event_type)] == by


def test_triggers_name_the_broker_the_function_and_the_audience(manifests: list[Manifest]) -> None:
    metadata = function(manifests)["metadata"]
    for trigger in of_kind(manifests, "Trigger"):
        assert trigger["spec"]["broker"] == of_kind(manifests, "Broker")[0]["metadata"]["name"]
        assert trigger["spec"]["subscriber"]["ref"]["name"] == metadata["name"]
        assert trigger["spec"]["subscriber"]["audience"] == "taskgate"
        assert trigger["metadata"]["namespace"] == metadata["namespace"]


def test_undelivered_events_are_retried_and_kept(manifests: list[Manifest]) -> None:
    delivery = of_kind(manifests, "Broker")[0]["spec"]["delivery"]
    assert (delivery["backoffPolicy"], delivery["backoffDelay"]) == ("exponential", "PT1S")
    assert 25 <= sum(2**n for n in range(delivery["retry"])) <= 35
    assert find(manifests, delivery["deadLetterSink"]["ref"]["kind"], delivery["deadLetterSink"]["ref"]["name"])


def test_the_source_sends_references_of_workflows_with_a_waiting_key(manifests: list[Manifest]) -> None:
    (source,) = of_kind(manifests, "ApiServerSource")
    spec = source["spec"]
    assert spec["mode"] == "Reference"
    assert spec["resources"][0]["selector"] == {"matchLabels": {"taskgate.dev/parked": "true"}}
    role = find(manifests, "Role", spec["serviceAccountName"])
    assert spec["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": role["metadata"]["namespace"]}
    assert spec["sink"]["ref"]["name"] == of_kind(manifests, "Broker")[0]["metadata"]["name"]


def test_the_sender_is_asked_for_by_the_api_server_and_no_secret_is_needed(manifests: list[Manifest]) -> None:
    pod = function(manifests)["spec"]["template"]["spec"]
    settings = {variable["name"]: variable["value"] for variable in pod["containers"][0]["env"]}
    assert settings == {"TASKGATE_AUTH": "kubernetes", "TASKGATE_CONFIG": "/etc/taskgate/gates.yaml"}
    assert [volume["name"] for volume in pod["volumes"] if "secret" in volume] == []

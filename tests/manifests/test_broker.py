"""The Knative Broker overlay fits together."""

import json

import pytest

from func.core.sources.github_actions import ACTIONS
from tests.manifests.building import ROOT, Manifest, build, find, function, of_kind


@pytest.fixture
def manifests() -> list[Manifest]:
    return build("overlays/broker")


def accepts(rule: Manifest, event: dict[str, str]) -> bool:
    """Return what a filter says. Source: https://knative.dev/docs/eventing/triggers/#supported-filter-dialects"""
    ((dialect, wanted),) = rule.items()
    match dialect:
        case "any":
            return any(accepts(each, event) for each in wanted)
        case "not":
            return not accepts(wanted, event)
        case "prefix":
            return all(event[name].startswith(value) for name, value in wanted.items())
        case "exact":
            return all(event[name] == value for name, value in wanted.items())
    raise AssertionError(f"{dialect} is not a filter that this test knows")


def receivers(manifests: list[Manifest], event_type: str) -> list[str]:
    """Return the names of the Triggers that send an event to the function."""
    event = {"type": event_type, "source": "https://github.com/acme/shop", "subject": "acme/shop#1"}
    triggers = of_kind(manifests, "Trigger")
    return [t["metadata"]["name"] for t in triggers if all(accepts(each, event) for each in t["spec"]["filters"])]


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
        ("com.githubber.pull_request", ["taskgate-others"]),
    ],
)
def test_events_reach_the_function_once_and_its_own_answers_do_not(
    manifests: list[Manifest], event_type: str, by: list[str]
) -> None:
    assert receivers(manifests, event_type) == by


def test_every_event_that_a_rule_can_name_reaches_the_function(manifests: list[Manifest]) -> None:
    of_github = [f"{prefix}.{kind}" for kind in ACTIONS for prefix in ("com.github", "dev.knative.source.github")]
    of_others = [json.loads(file.read_text())["type"] for file in (ROOT / "docs/sources/events").iterdir()]
    received = {event_type: receivers(manifests, event_type) for event_type in (*of_github, *of_others)}
    assert {event_type for event_type, by in received.items() if len(by) != 1} == set()


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

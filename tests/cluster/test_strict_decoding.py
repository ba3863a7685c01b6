"""EventBus, EventSources and Sensor decoded as argo-events does, but strictly: the API server takes misspelt fields."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.cluster.argo_events import Object
from tests.manifests.building import build, of_kind

Problems = Callable[[Iterable[Object]], list[str]]

KINDS = ("EventBus", "EventSource", "Sensor")


@pytest.mark.parametrize("folder", ["overlays/argo-events", "overlays/observe", "overlays/example"])
def test_what_people_apply_is_right(problems: Problems, folder: str) -> None:
    objects = build(folder)
    assert all(of_kind(objects, kind) for kind in KINDS)
    assert problems(objects) == []


def secret_for_webhook_secret(kinds: dict[str, Any]) -> None:
    source = kinds["EventSource"]["spec"]["github"]["webhook"]
    source["secret"] = source.pop("webhookSecret")


def quoted_factor(kinds: dict[str, Any]) -> None:
    kinds["Sensor"]["spec"]["triggers"][0]["retryStrategy"]["factor"] = "2"


def quoted_factor_of_the_dead_letter(kinds: dict[str, Any]) -> None:
    kinds["Sensor"]["spec"]["triggers"][0]["dlqTrigger"]["retryStrategy"]["factor"] = "2"


def dead_letter_without_at_least_once(kinds: dict[str, Any]) -> None:
    kinds["Sensor"]["spec"]["triggers"][0]["atLeastOnce"] = False


def misspelt_field_of_the_bus(kinds: dict[str, Any]) -> None:
    jetstream = kinds["EventBus"]["spec"]["jetstream"]
    jetstream["maxpayloadsize"] = jetstream.pop("maxPayload")


def two_servers(kinds: dict[str, Any]) -> None:
    kinds["EventBus"]["spec"]["jetstream"]["replicas"] = 2


def misspelt_kind(kinds: dict[str, Any]) -> None:
    kinds["Sensor"]["kind"] = "Sensors"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (secret_for_webhook_secret, 'EventSource github: .* unknown field "secret"'),
        (quoted_factor, "Sensor taskgate: trigger github: retryStrategy: invalid factor"),
        (quoted_factor_of_the_dead_letter, "Sensor taskgate: trigger github: retryStrategy: invalid factor"),
        (
            dead_letter_without_at_least_once,
            "Sensor taskgate: to use dlqTrigger, trigger.atLeastOnce must be set to true",
        ),
        (misspelt_field_of_the_bus, 'EventBus taskgate: .* unknown field "maxpayloadsize"'),
        (two_servers, "EventBus taskgate: .* 1 replica or >= 3 replicas"),
        (misspelt_kind, "Sensors taskgate: argo-events has no such kind"),
    ],
)
def test_each_mistake_is_named(problems: Problems, spoil: Callable[[dict[str, Any]], None], said: str) -> None:
    objects = copy.deepcopy(build("overlays/argo-events"))
    # Of the two EventSources the one of GitHub comes first.
    spoil({kind: of_kind(objects, kind)[0] for kind in KINDS})
    found = problems(objects)
    assert len(found) == 1
    assert re.match(said, found[0])


def test_nothing_to_look_at_is_a_problem(problems: Problems) -> None:
    assert problems(build("base")) == [
        "there is no EventBus, EventSource or Sensor of argoproj.io/v1alpha1 in the input"
    ]

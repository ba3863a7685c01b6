"""From `kubectl apply -k` to an open gate, for each overlay that gets its events from Argo Events.

API server, EventSource, JetStream and Sensor are real. The function is a process of this machine, with the settings,
files, account and permissions of its pod.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import payloads
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import ArgoEvents, Object
from tests.cluster.event_bus import Nats
from tests.cluster.events import name_of, of
from tests.cluster.fixtures import CRDS, WORKFLOW_CRDS, running_api_server
from tests.cluster.installation import SECRETS, Installation, hastened
from tests.cluster.pod import Pod
from tests.cluster.processes import Processes, wait_for
from tests.cluster.test_waiting_signals import GATE, gate_phases, reach_the_gate, task_before_its_gate, wait_for_answer
from tests.manifests.building import KNATIVE, build, find, function, of_kind
from tests.manifests.names import dangling, overlay
from tests.recorded_workflows import NAMESPACE, waiting_workflow

# An Argo Events that somebody else installed, under names of their own.
THEIRS = "events"
PARAMETERS = {
    "argo-events-namespace": THEIRS,
    "event-bus": "shared",
    "github-event-source": "webhooks",
    "github-event": "all",
}


@dataclass(frozen=True)
class Case:
    """An installation.

    Args:
        of: the overlay.
        mine: fields of an overlay on top of it, where there is one.
        beside: whether the bus and the EventSource for GitHub are somebody else's.
    """

    of: str
    mine: dict[str, Any] = field(default_factory=dict)
    beside: bool = False


CASES = {
    "argo-events": Case("overlays/argo-events"),
    "argo-events, moved": Case(
        "overlays/argo-events", {"namespace": "gates", "namePrefix": "team-", "nameSuffix": "-a"}
    ),
    "deployment": Case("overlays/deployment"),
    "sensor": Case("overlays/sensor", {"installation": PARAMETERS}, beside=True),
    "sensor, deployment": Case(
        "overlays/sensor",
        {"installation": PARAMETERS, "namePrefix": "team-", "components": ("deployment",)},
        beside=True,
    ),
}


def theirs() -> list[Object]:
    """Bus and EventSource as somebody else may have them."""
    ours = build("overlays/argo-events")
    bus, source = copy.deepcopy(find(ours, "EventBus", "taskgate")), copy.deepcopy(find(ours, "EventSource", "github"))
    bus["metadata"] = {"name": "shared", "namespace": THEIRS}
    source["metadata"] = {"name": "webhooks", "namespace": THEIRS}
    source["spec"]["eventBusName"] = "shared"
    source["spec"]["github"] = {"all": source["spec"]["github"]["webhook"]}
    return [bus, source]


@pytest.fixture(scope="module", params=CASES)
def installation(
    request: pytest.FixtureRequest, tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The overlay as `kubectl apply -k` installs it, running."""
    case, folder = CASES[request.param], tmp_path_factory.mktemp("overlay")
    path = overlay(case.of, folder, **case.mine) if case.mine else KNATIVE / case.of
    manifests = build(path)
    with ExitStack() as started:
        api = started.enter_context(running_api_server(tools, processes, folder / "api", WORKFLOW_CRDS["full"]))
        api.install(*sorted((tools / "crds").iterdir()), *sorted(CRDS.glob("knative-*.yaml")))
        prepare(api, theirs() if case.beside else [])
        applied = api.kubectl("apply", "-k", str(path))
        assert applied.returncode == 0, applied.stderr
        assert "Warning" not in applied.stderr
        make_secrets(api, manifests)
        present = [*manifests, *(theirs() if case.beside else [])]
        (bus,) = of_kind(present, "EventBus")
        nats = Nats(tools, processes, folder / "nats", bus)
        started.callback(nats.close)
        nats.start()
        argo = ArgoEvents(tools, processes, folder / "argo-events", api, nats, started)
        pod = Pod(processes, folder / "function", api, manifests)
        started.callback(pod.close)
        (sensor,) = of_kind(manifests, "Sensor")
        yield Installation(api, nats, argo, pod, present, hastened(sensor, "150ms"))


def prepare(api: RealApiServer, existing: list[Object]) -> None:
    """The cluster before Taskgate."""
    for namespace in (NAMESPACE, THEIRS):
        api.create_namespace(namespace)
    for one in existing:
        plural = {"EventBus": "eventbus", "EventSource": "eventsources"}[one["kind"]]
        api.admin.must("POST", f"/apis/argoproj.io/v1alpha1/namespaces/{THEIRS}/{plural}", one)


def make_secrets(api: RealApiServer, manifests: list[Object]) -> None:
    """Where knative/README.md says: beside the function, and beside the Sensor."""
    (sensor,) = of_kind(manifests, "Sensor")
    for namespace in {function(manifests)["metadata"]["namespace"], sensor["metadata"]["namespace"]}:
        for name, data in SECRETS.items():
            path = f"/api/v1/namespaces/{namespace}/secrets"
            api.admin.must("POST", path, {"metadata": {"name": name}, "stringData": data})


def test_an_event_opens_its_gate_and_a_forged_or_wrong_one_does_not(installation: Installation) -> None:
    installation.create(waiting_workflow(3), waiting_workflow(4), waiting_workflow(5))
    before = installation.open_gates()
    assert installation.deliver(payloads.approved(**of(4)), "forged", secret="not the secret") == 400
    assert installation.deliver(payloads.approved(**of(5), by="octocat"), "stranger") == 200
    assert installation.deliver(payloads.approved(**of(3)), "approved") == 200
    installation.wait_until_done()
    answers = installation.answers(["forged", "stranger", "approved"])
    assert answers == {"forged": [], "stranger": ["refused"], "approved": ["opened"]}
    assert installation.open_gates() - before == {(name_of(3), GATE)}


def test_an_approval_that_comes_before_its_gate_opens_it_later(installation: Installation) -> None:
    task_before_its_gate(installation, 6)
    assert installation.deliver(payloads.approved(**of(6)), "early") == 200
    wait_for_answer(installation, "early", "parked")
    reach_the_gate(installation, 6)
    wait_for("the gate to open", lambda: gate_phases(installation, 6)[GATE] == "Succeeded" or None)


def test_an_event_that_nobody_takes_is_kept_where_it_can_be_found(installation: Installation) -> None:

    def is_it(letter: Object) -> bool:
        return bool(letter["data"]["id"] == "kept")  # a release may have become one too

    installation.function.kill()
    try:
        assert installation.deliver(payloads.approved(**of(7)), "kept") == 200
        letter = wait_for("the dead letter", lambda: next(filter(is_it, installation.dead_letters()), None), timeout=90)
    finally:
        installation.function.start()
    assert json.loads(letter["data"]["data"])["pull_request"]["number"] == 7


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case].beside])
def test_beside_an_argo_events_nothing_of_it_is_changed_or_doubled(case: str, tmp_path: Path) -> None:
    manifests = build(overlay(CASES[case].of, tmp_path, **CASES[case].mine))
    assert of_kind(manifests, "EventBus") == []
    assert [m["spec"].keys() & {"github", "resource"} for m in of_kind(manifests, "EventSource")] == [{"resource"}]
    with_theirs = [*manifests, *theirs()]
    assert dangling(with_theirs) == []
    assert dangling(manifests) == [f"EventBus {THEIRS}/shared"] * 2 + [f"EventSource {THEIRS}/webhooks"]

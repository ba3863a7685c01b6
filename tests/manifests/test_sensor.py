"""What the real Sensor makes of events from the real EventSources and bus: requests and dead letters."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from func.core.sources.github_actions import ACTIONS
from tests import payloads
from tests.cluster.api_client import MERGE_PATCH
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import EventSource, Sensor
from tests.cluster.processes import wait_for
from tests.cluster.sink import Request, Sink
from tests.cluster.webhooks import deliver
from tests.core.test_github_events import examples
from tests.manifests.building import Manifest, build, find
from tests.manifests.conftest import WORKFLOW_NAMESPACE, apply
from tests.manifests.test_admission import MakeWorkflow, large, path_of
from tests.payloads import Payload

SECRET = "the webhook's secret"
PARKED = {"taskgate.dev/parked": "true"}

StartEventSource = Callable[[Manifest], EventSource]
StartSensor = Callable[[Manifest, Mapping[str, int]], Sensor]


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return build("overlays/argo-events")


@pytest.fixture(scope="module")
def control_plane(cluster: RealApiServer, manifests: list[Manifest]) -> RealApiServer:
    """Where EventSources and Sensor find their rights and Secrets."""
    apply(cluster, manifests)
    for name, data in (
        ("taskgate-github-webhook", {"secret": SECRET}),
        ("taskgate-token", {"token": "abc", "authorization": "Bearer abc"}),
    ):
        body = {"metadata": {"name": name}, "stringData": data}
        cluster.admin.must("POST", "/api/v1/namespaces/taskgate/secrets", body)
    return cluster


@pytest.fixture
def event_bus(manifests: list[Manifest]) -> Manifest:
    return find(manifests, "EventBus", "taskgate")


@pytest.fixture
def github(event_source: StartEventSource, sensor: StartSensor, sink: Sink, manifests: list[Manifest]) -> str:
    """Where webhooks go; everything behind it runs, with the sink as the function."""
    event_source(find(manifests, "EventSource", "waiting"))
    webhooks = event_source(find(manifests, "EventSource", "github"))
    sensor(find(manifests, "Sensor", "taskgate"), {"taskgate.taskgate.svc.cluster.local": sink.port})
    return webhooks.url("webhook")


def attributes(request: Request) -> dict[str, str]:
    return {key: value for key, value in request.json.items() if key != "data"}


def test_events_without_a_pull_request_or_a_repository_come_out_too(github: str, sink: Sink) -> None:
    push = payloads.real("push.1")
    organization = {key: value for key, value in push.items() if key != "repository"}
    for number, payload in enumerate((push, organization, payloads.opened(number=123, task="3")), 1):
        assert deliver(github, payload, SECRET, delivery=f"delivery-{number}") == 200
    requests = sorted(sink.wait_for(3), key=lambda request: str(request.json["id"]))  # the sink has a thread for each
    assert [request.json["id"] for request in requests] == ["delivery-1", "delivery-2", "delivery-3"]
    assert [request.json["subject"] for request in requests] == [
        push["repository"]["full_name"],
        "github",
        f"{requests[2].json['data']['repository']['full_name']}#123",
    ]
    assert requests[0].json["source"] == push["repository"]["html_url"]
    assert requests[1].json["source"] == "https://github.com"


def every_event() -> Iterator[tuple[str, str, Payload]]:
    """Yield the name of each event that a rule can name, with its kind and a payload."""
    for kind, actions in ACTIONS.items():
        payload = next(iter(examples().get(kind, ())), {"sender": {"login": "octocat"}})
        for action in actions:
            yield f"{kind}.{action}", kind, {**payload, "action": action}
        if not actions:
            yield kind, kind, payload


def test_every_event_that_a_rule_can_name_comes_out(github: str, sink: Sink) -> None:
    sent = {"last": "com.github.pull_request_review"}
    for name, kind, payload in every_event():
        assert deliver(github, payload, SECRET, delivery=name, event=kind) == 200
        sent[name] = f"com.github.{kind}"
    assert deliver(github, payloads.approved(), SECRET, delivery="last") == 200

    def all_received() -> dict[str, str] | None:  # in any order: the sink has a thread for each
        received = {request.json["id"]: request.json["type"] for request in list(sink.requests)}
        return received if len(received) >= len(sent) else None

    assert wait_for("every event", all_received, timeout=300) == sent


def test_an_update_of_the_largest_workflow_comes_out_as_a_few_bytes(
    github: str, sink: Sink, control_plane: RealApiServer, workflow: MakeWorkflow
) -> None:
    del github
    big = workflow(metadata={"labels": PARKED}, status={"nodes": large(1400)})
    assert len(json.dumps(big)) > 1_400_000
    sink.wait_for(1)
    changed = control_plane.admin.must("PATCH", path_of(big), {"status": {"message": "x"}}, content_type=MERGE_PATCH)
    for request, of in zip(sink.wait_for(2), (big, changed), strict=True):
        metadata = of["metadata"]
        assert request.json["id"] == f"{metadata['uid']}.{metadata['resourceVersion']}"
        assert request.json["subject"] == f"{WORKFLOW_NAMESPACE}/{metadata['name']}"
        assert request.json["data"] == {"namespace": WORKFLOW_NAMESPACE, "name": metadata["name"]}
        assert len(request.body) < 500


def test_what_nobody_takes_is_tried_for_half_a_minute_and_kept_whole(
    github: str, sink: Sink, control_plane: RealApiServer, workflow: MakeWorkflow
) -> None:
    tried: dict[str, list[float]] = {}

    def refuse(request: Request) -> int:
        tried.setdefault(request.json["id"], []).append(time.monotonic())
        return 503

    sink.answer = refuse
    payload = payloads.approved()
    assert deliver(github, payload, SECRET, delivery="delivery-1") == 200
    parked = workflow(metadata={"labels": PARKED})
    selector = "/api/v1/namespaces/taskgate/configmaps?labelSelector=taskgate.dev%2Fdead-letter%3Dtrue"

    def both() -> list[dict[str, Any]] | None:
        letters: list[dict[str, Any]] = control_plane.admin.must("GET", selector)["items"]
        return letters if len(letters) == 2 else None

    letters = {letter["data"]["id"]: letter["data"] for letter in wait_for("two dead letters", both, timeout=300)}
    release = f"{parked['metadata']['uid']}.{parked['metadata']['resourceVersion']}"
    assert letters.keys() == tried.keys() == {"delivery-1", release}
    for id_, times in tried.items():
        assert len(times) == 6
        assert times[-1] - times[0] > 25  # how much more depends on the machine
        sent = [request for request in sink.requests if request.json["id"] == id_]
        assert len({request.body for request in sent}) == 1
        letter = dict(letters[id_])
        assert json.loads(letter.pop("data")) == sent[0].json["data"]
        assert letter == attributes(sent[0])

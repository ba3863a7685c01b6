"""All that an overlay with Argo Events makes of a cluster, running: from GitHub's webhook to the Workflow."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.api_client import WORKFLOWS
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import ArgoEvents, Object
from tests.cluster.event_bus import Nats
from tests.cluster.pod import Pod
from tests.cluster.processes import wait_for
from tests.cluster.webhooks import deliver
from tests.manifests.building import host
from tests.payloads import Payload
from tests.recorded_workflows import NAMESPACE, Workflow

TOKEN, WEBHOOK_SECRET = "the-function's-token", "the webhook's secret"
SECRETS = {
    "taskgate-github-webhook": {"secret": WEBHOOK_SECRET},
    "taskgate-token": {"token": TOKEN, "authorization": f"Bearer {TOKEN}"},
}
SERVICE = "taskgate.taskgate.svc.cluster.local"
OURS = WORKFLOWS.format(NAMESPACE)
SECRETS_PATH = "/api/v1/namespaces/taskgate/secrets"
DEAD_LETTERS = "/api/v1/namespaces/{}/configmaps?labelSelector=taskgate.dev%2Fdead-letter%3Dtrue"


def install(api: RealApiServer, crds: Iterable[Path], manifests: list[Object]) -> None:
    """Does with an empty API server what docs/install.md says."""
    api.install(*crds)
    api.create_namespace(NAMESPACE)
    applied = api.kubectl("apply", "--server-side", "--validate=strict", "--filename=-", objects=manifests)
    assert applied.returncode == 0, applied.stderr
    for name, data in SECRETS.items():
        api.admin.must("POST", SECRETS_PATH, {"metadata": {"name": name}, "stringData": data})


def hastened(sensor: Object, duration: str) -> Object:
    """The same Sensor, whose triggers wait this long instead of a second before the second try, and so on."""
    sensor = copy.deepcopy(sensor)
    for trigger in sensor["spec"]["triggers"]:
        for each in (trigger, trigger["dlqTrigger"]):
            each["retryStrategy"]["duration"] = duration
    return sensor


class Installation:
    """The running whole. Only the workflow-controller is not there: a test that wants a Workflow to move moves it.

    Args:
        manifests: also the EventSource for GitHub that is there already, where the overlay has none.
        sensor: the one of the manifests, or one with other waiting times.
    """

    def __init__(
        self, api: RealApiServer, nats: Nats, argo: ArgoEvents, function: Pod, manifests: list[Object], sensor: Object
    ) -> None:
        sources = [(m, m["spec"]) for m in manifests if m["kind"] == "EventSource"]
        (waiting,) = [source for source, spec in sources if "resource" in spec]
        (github,) = [source for source, spec in sources if "github" in spec]
        self._event = next(iter(github["spec"]["github"]))
        self._dead_letters = DEAD_LETTERS.format(sensor["metadata"]["namespace"])
        self.api = api
        self.nats = nats
        self.function = function
        function.start()
        self.waiting = argo.event_source(waiting)
        self.github = argo.event_source(github)
        self.sensor = argo.sensor(sensor, {host(manifests): function.port})

    def deliver(
        self, payload: Payload, delivery: str, secret: str = SECRETS["taskgate-github-webhook"]["secret"]
    ) -> int:
        """GitHub's webhook; gives the status of the EventSource's answer."""
        return deliver(self.github.url(self._event), payload, secret, delivery)

    def create(self, *workflows: Workflow) -> None:
        """Puts Workflows into the cluster with their status; what the API server gives an object is its own."""
        for workflow in workflows:
            metadata = {key: workflow["metadata"].get(key, {}) for key in ("name", "labels", "annotations")}
            self.api.admin.must("POST", OURS, {**workflow, "metadata": metadata})

    def workflow(self, name: str) -> Workflow:
        """A Workflow as it is now."""
        found: Workflow = self.api.admin.must("GET", f"{OURS}/{name}")
        return found

    def open_gates(self) -> set[tuple[str, str]]:
        """All gates that are open, as (Workflow's name, gate)."""
        return {
            (workflow["metadata"]["name"], node["displayName"])
            for workflow in self.api.admin.must("GET", OURS)["items"]
            for node in workflow["status"]["nodes"].values()
            if (node["type"], node["phase"]) == ("Suspend", "Succeeded")
        }

    def answers(self, deliveries: Iterable[str]) -> dict[str, list[str]]:
        """The outcomes that the function gave to these deliveries, in order."""
        said: dict[str, list[str]] = {delivery: [] for delivery in deliveries}
        for answer in self.function.answers():
            if answer.get("cloudevents.event_id") in said:
                said[answer["cloudevents.event_id"]].append(answer["taskgate.outcome"])
        return said

    def dead_letters(self) -> list[Object]:
        """The ConfigMaps with events that could not be delivered."""
        found: list[Object] = self.api.admin.must("GET", self._dead_letters)["items"]
        return found

    def wait_until_done(self, timeout: float = 180.0) -> None:
        """Returns once the Sensor is done with all that came in."""
        wait_for("the Sensor to be done", lambda: self.sensor.idle() or None, timeout=timeout)

    def clear(self) -> None:
        """Takes away all Workflows and dead letters."""
        self.api.admin.must("DELETE", OURS)
        self.api.admin.must("DELETE", self._dead_letters)

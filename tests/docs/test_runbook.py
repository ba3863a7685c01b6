"""Every command of the runbook runs after its incident has happened, and answers what the runbook shows.

Incidents are real: the function's pod with the rights of the manifests, a real API server. `kubectl logs` needs a
kubelet; the function's own log stands for it. Times and ages are compared as such.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from func.core.outcomes import OUTCOMES
from tests import payloads
from tests.cli.events import cloudevent, dead_letter
from tests.cluster.api_client import JSON_PATCH
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import Object
from tests.cluster.fixtures import CRDS, running_api_server
from tests.cluster.installation import OURS, SECRETS_PATH, TOKEN, install
from tests.cluster.pod import Pod
from tests.cluster.processes import Processes, wait_for
from tests.docs.markdown import DOCS, ROOT, sections, without_blocks
from tests.docs.shell import Shell, examples, on_a_cluster
from tests.programs import needs
from tests.recorded_workflows import NAMESPACE, recorded, waiting_workflow

TEXT = (DOCS / "runbook.md").read_text()
# Headings that alerts link to.
STOP = "stop-all-writing"
ANCHORS = [
    "a-gate-does-not-open", "a-wrong-person", "dead-letters-grow", "401", "403", "503", "argo-waits-10-seconds"
]  # fmt: skip
BINDING = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings/taskgate"
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "workflow-controller"},
    "spec": {
        "selector": {"matchLabels": {"app": "workflow-controller"}},
        "template": {
            "metadata": {"labels": {"app": "workflow-controller"}},
            "spec": {"containers": [{"name": "workflow-controller", "image": "argo"}]},
        },
    },
}


class Incidents:
    """What went wrong before somebody opens the runbook."""

    def __init__(self, api: RealApiServer, pod: Pod) -> None:
        self.api = api
        self.pod = pod
        self.now = datetime.now(UTC).replace(microsecond=0)

    def create(self, *workflows: dict[str, Any]) -> None:
        for workflow in workflows:
            metadata = {name: workflow["metadata"].get(name, {}) for name in ("name", "labels", "annotations")}
            self.api.admin.must("POST", OURS, {**workflow, "metadata": metadata})

    def send(self, delivery: str, payload: dict[str, Any], token: str = TOKEN) -> str:
        event = payloads.cloudevent_structured(payload, delivery=delivery)
        _, answer = self.pod.post(event, token)
        return str(answer["outcome"])

    def facts(self, task: int, late: int = 0) -> Any:  # noqa: ANN401 - arguments
        return {"task": task, "number": 120 + task, "happened": self.now + timedelta(seconds=late)}

    def gate(self) -> None:
        """Task 7: events that open nothing. Task 8: a push revoked the approval before the gate was reached."""
        self.create(waiting_workflow(7), waiting_workflow(8, "wait-ready-for-qa"))
        assert self.send("delivery-1", payloads.approved(**self.facts(7), by="mallory")) == "refused"
        assert self.send("delivery-2", payloads.approved(**self.facts(7), reviewed="0" * 40)) == "refused"
        assert self.send("delivery-10", payloads.commented(**self.facts(7))) == "ignored"
        assert self.send("delivery-11", payloads.labeled(**self.facts(7))) == "already-open"
        assert self.send("delivery-12", payloads.approved(**self.facts(7), labels=["task-7", "task-8"])) == "ambiguous"
        assert self.send("delivery-3", payloads.approved(**self.facts(8))) == "parked"
        assert self.send("delivery-4", payloads.synchronize(**self.facts(8, 1))) == "withdrawn"
        status = waiting_workflow(8)["status"]
        patch = [{"op": "replace", "path": "/status/nodes", "value": status["nodes"]}]
        assert (
            self.api.admin.request("PATCH", f"{OURS}/play-task-8-workflow", patch, content_type=JSON_PATCH).status
            == 200
        )

    def person(self) -> None:
        """Task 11 was opened."""
        self.create(waiting_workflow(11))
        assert self.send("delivery-5", payloads.approved(**self.facts(11))) == "opened"

    def dead_letters(self) -> None:
        """The Workflow of task 12 is offloaded, and the event of task 13 became a dead letter."""
        offloaded = recorded("offloaded-nodes")
        offloaded["metadata"]["labels"] |= {"task-id": "12", "repository": "5dlabs-cto"}
        offloaded["metadata"]["name"] = "play-task-12-workflow"
        self.create(offloaded, waiting_workflow(13))
        assert self.send("delivery-6", payloads.approved(**self.facts(12))) == "unavailable"
        letter = dead_letter(cloudevent(payloads.approved(**self.facts(13)), delivery="delivery-7"))
        self.api.admin.must("POST", "/api/v1/namespaces/taskgate/configmaps", letter)

    def unknown(self) -> None:
        """Only one half of the Secret was changed."""
        self.api.admin.must("DELETE", f"{SECRETS_PATH}/taskgate-token")
        secret = {"metadata": {"name": "taskgate-token"}, "stringData": {"token": TOKEN, "authorization": "Bearer old"}}
        self.api.admin.must("POST", SECRETS_PATH, secret)
        assert self.send("delivery-8", payloads.approved(**self.facts(7)), "old") == "invalid"

    def rights(self) -> None:
        """The RoleBinding is gone."""
        self.api.admin.must("DELETE", BINDING)
        forbidden = lambda: self.send("delivery-9", payloads.approved(**self.facts(7))) == "forbidden" or None  # noqa: E731
        wait_for("the rights to be gone", forbidden)

    def controller(self) -> None:
        """Argo's controller has its default settings."""
        self.api.create_namespace("argo")
        self.api.admin.must("POST", "/apis/apps/v1/namespaces/argo/deployments", DEPLOYMENT)


@pytest.fixture
def api(
    tools: Path, processes: Processes, tmp_path: Path, argo_events_manifests: list[Object]
) -> Iterator[RealApiServer]:
    with running_api_server(tools, processes, tmp_path / "api") as server:
        crds = [*sorted((tools / "crds").iterdir()), *sorted(CRDS.glob("knative-*.yaml"))]
        install(server, crds, argo_events_manifests)
        yield server


@pytest.fixture
def pod(processes: Processes, api: RealApiServer, tmp_path: Path, argo_events_manifests: list[Object]) -> Iterator[Pod]:
    running = Pod(processes, tmp_path / "pod", api, argo_events_manifests)
    running.start()
    yield running
    running.close()


@pytest.fixture
def shell(api: RealApiServer, pod: Pod, tools: Path, tmp_path: Path) -> Iterator[Shell]:
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    for name in ("docs", "knative"):
        shutil.copytree(ROOT / name, checkout / name)
    home.mkdir()
    with Shell(checkout, on_a_cluster(api.kubeconfig, tools, home) | {"FUNCTION_LOG": str(pod.process.log)}) as started:
        yield started


def inline(text: str) -> list[str]:
    """Return the commands in lists and sentences, so that they change nothing."""
    found = re.findall(r"`((?:kubectl|log) [^`]+)`", without_blocks(text))
    changes = re.compile(r" (?:delete|patch) ")
    return [
        f"{command} --dry-run=server" if changes.search(command) else command
        for command in found
        if "<overlay>" not in command
    ]


def timeless(answer: str) -> str:
    """Return an answer without what differs in each run: times, ages, and the API server's port."""
    answer = re.sub(r"https://127\.0\.0\.1:\d+", "https://127.0.0.1:PORT", answer)
    answer = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", answer)
    return re.sub(r"\((?:\d+[dhms])+\)", "(AGE)", answer)


@needs("jq")
def test_the_runbook(shell: Shell, api: RealApiServer, pod: Pod) -> None:
    incidents = Incidents(api, pod)
    happen: dict[str, Callable[[], None]] = {
        "a-gate-does-not-open": incidents.gate,
        "a-wrong-person": incidents.person,
        "dead-letters-grow": incidents.dead_letters,
        "401": incidents.unknown,
        "403": incidents.rights,
        "argo-waits-10-seconds": incidents.controller,
    }
    different = []
    for section in sections(TEXT):
        if section.anchor == STOP:  # tests/manifests/test_stop.py runs it
            continue
        happen.get(section.anchor, lambda: None)()
        for command, shown in examples(section.text):
            answer = shell.run(command)
            if timeless(answer) != timeless(shown):
                different.append(f"$ {command}\n{answer}")
        for command in inline(section.text):
            answer = shell.run(f"{command} && echo worked")
            if not answer.endswith("worked"):
                different.append(f"$ {command}\n{answer}")
    assert different == []


def test_the_headings_that_alerts_link_to() -> None:
    assert [section.anchor for section in sections(TEXT)][1:] == [STOP, *ANCHORS]


def test_every_outcome_has_an_item_that_says_what_to_do() -> None:
    (gate,) = [section for section in sections(TEXT) if section.anchor == "a-gate-does-not-open"]
    _, _, events = gate.text.partition("**2. Look")
    named = " ".join(re.findall(r"^- (`.*?):", events.partition("**3. Look")[0], re.MULTILINE))
    assert {outcome for outcome in OUTCOMES if f"`{outcome}`" not in named} == set()


def test_each_section_says_what_answers_mean_and_what_to_do() -> None:
    for section in sections(TEXT)[2:]:
        assert re.search(r"^```console$.*^```\n+- .*: ", section.text, re.MULTILINE | re.DOTALL), section.title

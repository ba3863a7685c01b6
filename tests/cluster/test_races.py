"""Many senders at once, while a stand-in for the workflow-controller rewrites the status again and again.

On the real API server, with the ServiceAccount's rights and the admission policy. Eight gates of a Workflow wait beside
each other, so that all of its events race for the same object.
"""

from __future__ import annotations

import copy
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3
import yaml

from tests.cluster.api_server import RealApiServer
from tests.cluster.installation import OURS
from tests.cluster.kubeconfig_function import FunctionWithKubeconfig
from tests.cluster.processes import Processes
from tests.cluster.watching import Watch
from tests.recorded_workflows import NAMESPACE, Workflow, gate_node, node_id, waiting_workflow

WORKFLOWS, GATES, WRITERS = 12, 8, 8
RULES = {
    "workflows": {
        "namespace": NAMESPACE,
        "selector": "workflow-type=play-orchestration",
        "name": "play-task-{task}-workflow",
        "labels": {"task": "task-id"},
    },
    "task": {"label": "task-([0-9]+)"},
    "gates": {
        f"gate-{number}": {"event": f"test.gate-{number}", "task": "task", "by": "anyone"} for number in range(GATES)
    },
}
Event = tuple[int, int]  # task, gate


def with_parallel_gates(task: int) -> Workflow:
    """A Workflow that stands at all of its gates at once."""
    workflow = waiting_workflow(task, "gate-0", gates=["gate-0"])
    name, nodes = workflow["metadata"]["name"], workflow["status"]["nodes"]
    first = gate_node(workflow, "gate-0")
    for number in range(1, GATES):
        node = copy.deepcopy(first) | {"displayName": f"gate-{number}", "name": f"{name}[0].gate-{number}"}
        node["id"] = node_id(name, node["name"])
        nodes[node["id"]] = node
    workflow["metadata"] = {key: workflow["metadata"][key] for key in ("name", "labels")}
    return workflow


@pytest.fixture
def function(
    processes: Processes, installed_cluster: RealApiServer, tmp_path: Path
) -> Iterator[FunctionWithKubeconfig]:
    """The function, with the rights that people give it."""
    rules = tmp_path / "gates.yaml"
    rules.write_text(yaml.safe_dump(RULES))
    kubeconfig = installed_cluster.kubeconfig_for(installed_cluster.token_for("taskgate", "taskgate"))
    running = FunctionWithKubeconfig(processes, kubeconfig, TASKGATE_CONFIG=str(rules))
    running.start()
    yield running
    running.close()
    installed_cluster.admin.must("DELETE", OURS)


class Controller:
    """Reads a Workflow, counts in its status and puts all of it back, as long as it is entered.

    As the real one it works on what it read, and a write that comes too late is refused by the resourceVersion. It
    keeps to the first Workflow with gates that wait, for that is where the senders are.
    """

    def __init__(self, api: RealApiServer, names: list[str]) -> None:
        self._names = names
        self.writes = 0
        self.conflicts = 0
        self._api = api.admin.as_token(api.admin.token)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="controller")

    def __enter__(self) -> Controller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._api.close()

    def _work(self) -> None:
        while not self._ended.is_set():
            for name in self._names:
                path = f"{OURS}/{name}"
                while self._rewrite(path):
                    self.writes += 1

    def _rewrite(self, path: str) -> bool:
        """One turn; False when no gate waits any more, or the end has come."""
        workflow = self._api.must("GET", path)
        nodes = workflow["status"]["nodes"].values()
        if self._ended.is_set() or not any(node["phase"] == "Running" for node in nodes if node["type"] == "Suspend"):
            return False
        workflow["status"]["estimatedDuration"] = self.writes
        answer = self._api.request("PUT", path, workflow)
        assert answer.status in (200, 409), answer
        self.conflicts += answer.status == 409
        return True


def sender(url: str, answers: dict[Event, list[str]]) -> Callable[[Event], None]:
    """Sends one event as the Sensor does, which tries again six times, but waits a tenth as long."""
    http = urllib3.PoolManager(maxsize=WRITERS, retries=False, timeout=120)

    def send(event: Event) -> None:
        task, gate = event
        body = {
            "specversion": "1.0",
            "id": f"{task}-{gate}",
            "type": f"test.gate-{gate}",
            "source": "/test",
            "data": {"task": str(task)},
        }
        for pause in (0.1, 0.2, 0.4, 0.8, 1.6, 0):
            headers = {"Content-Type": "application/cloudevents+json"}
            answer = http.request("POST", url, body=json.dumps(body), headers=headers)
            answers[event].append(answer.json()["outcome"])
            if answer.status != 503:
                return
            time.sleep(pause * random.uniform(1, 1.1))  # noqa: S311 - as the Sensor's jitter

    return send


def test_eight_writers_and_a_controller_open_each_gate_exactly_once(
    installed_cluster: RealApiServer, function: FunctionWithKubeconfig, measured: list[str]
) -> None:
    tasks = range(1, WORKFLOWS + 1)
    for task in tasks:
        installed_cluster.admin.must("POST", OURS, with_parallel_gates(task))
    events = [(task, gate) for task in tasks for gate in range(GATES)]
    # Those of one Workflow come together, so that they race; each comes twice.
    twice = sorted(events * 2, key=lambda event: (event[0], random.Random(str(event)).random()))  # noqa: S311
    answers: dict[Event, list[str]] = {event: [] for event in events}
    begin = time.monotonic()
    names = [f"play-task-{task}-workflow" for task in tasks]
    with Watch(installed_cluster.admin, NAMESPACE) as watch, Controller(installed_cluster, names) as controller:
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(sender(function.url, answers), twice))
        took = time.monotonic() - begin
        watch.wait_for_gates(*((f"play-task-{task}-workflow", f"gate-{gate}") for task, gate in events))
    said = Counter(outcome for outcomes in answers.values() for outcome in outcomes)
    measured.append(
        f"{len(events)} gates, {WRITERS} writers, each event twice: {took:.1f} s; {dict(said)};"
        f" the controller wrote {controller.writes} times, {controller.conflicts} of them too late"
    )
    assert {len(moments) for moments in watch.opened.values()} == {1}
    for outcomes in answers.values():
        final = Counter(outcomes)
        del final["unavailable"]
        assert final == {"opened": 1, "duplicate": 1}
    for workflow in installed_cluster.admin.must("GET", OURS)["items"]:
        task = workflow["metadata"]["labels"]["task-id"]
        used = json.loads(workflow["metadata"]["annotations"]["taskgate.dev/state"])["used"]
        assert {each["gate"]: each["id"] for each in used} == {
            f"gate-{gate}": f"{task}-{gate}" for gate in range(GATES)
        }
        assert {gate_node(workflow, f"gate-{gate}")["phase"] for gate in range(GATES)} == {"Succeeded"}
    assert controller.writes > 30, "there was nobody to race against"

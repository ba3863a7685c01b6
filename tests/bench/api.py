"""The Kubernetes API that all contenders use, the real one or the embedded one, and the Workflows that wait in it."""

from __future__ import annotations

import itertools
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests.bench.pod import View, kubeconfig_view, pod_view
from tests.bench.wire import Wire, WireError, request
from tests.cluster.api_server import ADMIN_TOKEN
from tests.cluster.built import BUILD
from tests.cluster.fixtures import WORKFLOW_CRDS, running_api_server
from tests.cluster.processes import Processes, wait_for
from tests.recorded_workflows import CREATED as _CREATED
from tests.recorded_workflows import NAMESPACE, Workflow, compressed, node_id, stamp, waiting_workflow

GATE = "wait-pr-approved"
WORKFLOWS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows"
_WRITERS = 8
_BATCH = 400
_LARGE_NODES = 2000


def cluster_tools() -> Path | None:
    """The folder of the real components; None where they are not built."""
    found = subprocess.run([BUILD, "--where"], text=True, capture_output=True, check=False)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


@dataclass
class ApiServer:
    """A running API server, with nothing in it but the Workflows that were asked for.

    Args:
        name: for the reader.
        context: for TLS; None without.
        kubeconfig: for programs that are in no pod.
        view: of the functions.
    """

    name: str
    port: int
    context: ssl.SSLContext | None
    token: str | None
    kubeconfig: Path
    view: View
    _tasks: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def connect(self) -> Wire:
        """A new connection."""
        return Wire(self.port, self.context)

    def headers(self, **more: str) -> dict[str, str]:
        """Of a request: who we are, and `content_type` or `accept`."""
        told = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        told |= {"Accept": "application/json"}
        return told | {name.replace("_", "-").title(): value for name, value in more.items()}

    def add(self, count: int, kind: str = "small") -> list[Waiting]:
        """That many Workflows more, each of a task of its own, all at the gate of the approval.

        Args:
            kind: `small`, `large` (900 kB, 2,000 nodes) or `compressed` (the same nodes, packed).
        """
        added: list[Waiting] = []
        while len(added) < count:
            tasks = list(itertools.islice(self._tasks, min(_BATCH, count - len(added))))
            sent = [
                request("POST", WORKFLOWS, self.headers(content_type="application/json"), _encode(make(kind, task)))
                for task in tasks
            ]
            added += [Waiting(task, body) for task, body in zip(tasks, self._all(sent), strict=True)]
        return added

    def remove(self, waiting: Sequence[Waiting]) -> None:
        """Take these Workflows away."""
        self._all([request("DELETE", f"{WORKFLOWS}/{each.name}", self.headers()) for each in waiting])

    def _all(self, requests: Sequence[bytes]) -> list[bytes]:
        wires = [self.connect() for _ in range(_WRITERS)]

        def share(number: int) -> list[bytes]:
            return [_must(wires[number].exchange(each)) for each in requests[number::_WRITERS]]

        with ThreadPoolExecutor(_WRITERS) as threads:
            shares = list(threads.map(share, range(_WRITERS)))
        for wire in wires:
            wire.close()
        answers: list[bytes] = [b""] * len(requests)
        for number, each in enumerate(shares):
            answers[number::_WRITERS] = each
        return answers


@dataclass(frozen=True, slots=True)
class Waiting:
    """A Workflow that waits.

    Args:
        body: JSON, as the API server has it.
    """

    task: int
    body: bytes

    @property
    def name(self) -> str:
        return f"play-task-{self.task}-workflow"

    @property
    def document(self) -> Workflow:
        """As an object."""
        document: Workflow = json.loads(self.body)
        return document


def make(kind: str, task: int) -> Workflow:
    """A Workflow of this task that stands at the gate of the approval.

    Args:
        kind: see `ApiServer.add`.
    """
    workflow = waiting_workflow(task, GATE)
    for given in ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"):
        workflow["metadata"].pop(given, None)  # by the API server
    if kind == "small":
        return workflow
    name = workflow["metadata"]["name"]
    time = stamp(_CREATED)
    for number in range(_LARGE_NODES - len(workflow["status"]["nodes"])):
        node = {
            "id": node_id(name, f"{name}[0].work({number}:{number})"),
            "name": f"{name}[0].work({number}:{number})",
            "displayName": f"work({number}:{number})",
            "type": "Pod",
            "phase": "Succeeded",
            "boundaryID": name,
            "templateName": "work",
            "templateScope": f"local/{name}",
            "startedAt": time,
            "finishedAt": time,
            "progress": "1/1",
            "resourcesDuration": {"cpu": 1, "memory": 1},
            "hostNodeName": "node-1",
            "outputs": {"exitCode": "0"},
        }
        workflow["status"]["nodes"][node["id"]] = node
    return compressed(workflow) if kind == "compressed" else workflow


@contextmanager
def api_server(folder: Path, tools: Path | None, crd: str = "minimal") -> Iterator[ApiServer]:
    """An empty API server, as long as the block runs.

    Args:
        folder: empty.
        tools: of the real one; None for the embedded one, in a process of its own.
        crd: of Workflows, `minimal` or `full`; the embedded one has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    processes = Processes(folder)
    try:
        if tools:
            with running_api_server(tools, processes, folder / "real", WORKFLOW_CRDS[crd]) as real:
                real.create_namespace(NAMESPACE)
                context = ssl.create_default_context(cafile=str(real.ca_file))
                with pod_view(folder / "pod", real.port, real.ca_file, ADMIN_TOKEN) as pod:
                    view = pod or kubeconfig_view(folder / "pod", real.kubeconfig)
                    yield ApiServer("kube-apiserver", real.port, context, ADMIN_TOKEN, real.kubeconfig, view)
        else:
            kubeconfig = folder / "kubeconfig"
            command = [sys.executable, "-m", "func", "cluster", "--no-controller", "--kubeconfig", str(kubeconfig)]
            process = processes.add("embedded", command)
            process.start()
            wait_for("the embedded API", lambda: True if "ready" in process.tail() else None, process)
            url = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]["server"]
            server = ApiServer(
                "embedded API", urlsplit(url).port or 0, None, None, kubeconfig, kubeconfig_view(folder, kubeconfig)
            )
            namespace = _encode({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            with server.connect() as wire:
                headers = server.headers(content_type="application/json")
                _must(wire.exchange(request("POST", "/api/v1/namespaces", headers, namespace)))
            yield server
    finally:
        processes.end()


def _encode(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _must(answer: tuple[int, bytes]) -> bytes:
    status, body = answer
    if status >= 300:
        raise WireError(f"The API server answered {status}: {body[:300].decode(errors='replace')}")
    return body

"""Where the experiments happen: real etcd, API server, JetStream, EventSource and Sensors, and two recorders.

One recorder stands on the Sensor's PATH under the name of a program (`argo`, `kubectl`) and notes its arguments. The
other is an HTTP server in the place of Argo Server or of a function.
"""

from __future__ import annotations

import copy
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests import recorded_workflows
from tests.cluster.api_client import WORKFLOWS
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import ArgoEvents, EventSource, Sensor
from tests.cluster.event_bus import Nats
from tests.cluster.kubeconfig_function import FunctionWithKubeconfig
from tests.cluster.processes import Processes, wait_for
from tests.cluster.sandboxed import Sandboxed
from tests.cluster.webhooks import deliver
from tests.payloads import Payload

NAMESPACE = "experiments"  # of EventSource and Sensors
WORKFLOWS_PATH = WORKFLOWS.format(recorded_workflows.NAMESPACE)
SECRET = "the webhook's secret"
TOKEN = "the-function's-token"
ACCOUNT = "operate-workflow"  # of the Sensors
SERVER = "argo-server.argo.svc.cluster.local"
DEPENDENCY = "github"
ALL_EVENTS = {"name": DEPENDENCY, "eventSourceName": "github", "eventName": "webhook"}
MACHINE_FOLDERS = ("/usr", "/bin", "/lib", "/lib64")

Object = dict[str, Any]

_RECORDER = """#!/bin/sh
new=$(mktemp {notes}/.new.XXXXXX)
printf '%s\\0' "${{0##*/}}" "$@" > "$new"
mv "$new" {notes}/$(date +%s.%N).${{new##*.}}
exit $(cat {notes}/.exit)
"""

EVENT_SOURCE: Object = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "EventSource",
    "metadata": {"name": "github", "namespace": NAMESPACE},
    "spec": {
        "github": {
            "webhook": {
                "repositories": [{"owner": "5dlabs", "names": ["cto"]}],
                "webhook": {"endpoint": "/github", "method": "POST", "port": "12000"},
                "webhookSecret": {"name": "github-webhook", "key": "secret"},
                "contentType": "json",
                "events": ["*"],
            }
        }
    },
}

RIGHTS: Sequence[Object] = (
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": ACCOUNT, "namespace": recorded_workflows.NAMESPACE},
        "rules": [
            {
                "apiGroups": ["argoproj.io"],
                "resources": ["workflows"],
                "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
            }
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": ACCOUNT, "namespace": recorded_workflows.NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
    },
)


@dataclass(frozen=True)
class Request:
    """What the HTTP recorder got."""

    method: str
    path: str
    body: bytes
    came: float  # time.monotonic()

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The body as JSON."""
        return json.loads(self.body)


class HttpRecorder:
    """Notes each request and answers with the status that `answer` gives."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], int] = lambda _: 200
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def _note(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, body, time.monotonic())
                recorder.requests.append(request)
                self.send_response(recorder.answer(request))
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT = do_PATCH = do_GET = _note  # noqa: N815 - the names that http.server looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens, on the loopback."""
        return self._server.server_port

    def wait_for(self, count: int, timeout: float = 30.0) -> list[Request]:
        """All requests, once there are at least `count`."""
        return wait_for(
            f"{count} requests", lambda: self.requests if len(self.requests) >= count else None, timeout=timeout
        )

    def close(self) -> None:
        """Stops it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Programs:
    """Recorders with the names of programs, and their notes: a folder that a Sensor sees under its own path."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder / "programs"
        self.notes = folder / "notes"
        self.folder.mkdir(parents=True)
        self.notes.mkdir()
        self.exit_with(0)
        for name in names:
            program = self.folder / name
            program.write_text(_RECORDER.format(notes=self.notes))
            program.chmod(0o755)

    def exit_with(self, code: int) -> None:
        """The exit code of the runs to come."""
        (self.notes / ".exit").write_text(str(code))

    def runs(self) -> list[list[str]]:
        """Name and arguments of each run so far, in the order in which they ran."""
        notes = sorted(note for note in self.notes.iterdir() if not note.name.startswith("."))
        return [note.read_text().rstrip("\0").split("\0") for note in notes]

    def wait_for(self, count: int, timeout: float = 30.0) -> list[list[str]]:
        """All runs, once there are at least `count`."""

        def enough() -> list[list[str]] | None:
            runs = self.runs()
            return runs if len(runs) >= count else None

        return wait_for(f"{count} runs of a program", enough, timeout=timeout)


class _Shown(Sandboxed):
    """A sandbox that shows some more folders."""

    more: Mapping[str, Path] = MappingProxyType({})

    def start(
        self,
        *,
        show: Mapping[str, Path],
        inward: Mapping[int, int],
        outward: Sequence[tuple[str, int, int]],
        files: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().start(show={**show, **self.more}, inward=inward, outward=outward, files=files)


class SensorWithPrograms(Sensor):
    """A Sensor whose image has programs, as the one of argo-events has `argo`."""

    def __init__(
        self, argo: ArgoEvents, resource: Object, services: Mapping[str, int], programs: Programs | None
    ) -> None:
        super().__init__(argo, resource, services)
        if programs is None:
            return
        plain = self._sandbox
        folder = argo.folder / f"with-programs-{self.name}"
        shown = _Shown(
            argo.processes,
            f"sensor-{self.name}",
            folder,
            plain._command,  # its, in another sandbox
            {**plain._environment, "PATH": f"{programs.folder}:/usr/bin:/bin"},
        )
        there = {path: Path(path) for path in MACHINE_FOLDERS if Path(path).exists()}
        shown.more = {**there, str(programs.folder): programs.folder, str(programs.notes): programs.notes}
        self._sandbox = shown
        self._process = shown.process

    def idle(self) -> bool:
        consumers = self._argo.nats.consumers()
        mine = [consumers[name] for name in self._consumer_names() if name in consumers]
        return bool(mine) and all(each["num_pending"] == each["num_ack_pending"] == 0 for each in mine)

    def _ready(self) -> bool | None:
        # Of two dependencies on one event of one EventSource a trigger has one consumer, named after either.
        consumers = self._argo.nats.consumers()
        for trigger in self._resource["spec"]["triggers"]:
            names = [self._consumer_name(trigger, each) for each in self._resource["spec"]["dependencies"]]
            if not any(consumers.get(name, {}).get("num_waiting", 0) > 0 for name in names):
                return None
        return True

    def _consumer_names(self) -> Iterator[str]:
        for trigger in self._resource["spec"]["triggers"]:
            for dependency in self._resource["spec"]["dependencies"]:
                yield self._consumer_name(trigger, dependency)

    def _consumer_name(self, trigger: Object, dependency: Object) -> str:
        # Source: getDurableName in pkg/eventbus/jetstream/sensor of argo-events.
        value = 0x811C9DC5
        for byte in f"{self.name}-{trigger['template']['name']}-{dependency['name']}".encode():
            value = (value ^ byte) * 0x01000193 % 2**32
        return f"group-{value}"


@dataclass
class Stage:
    """What an experiment has; each experiment gets names of its own, so one stage serves all of them."""

    api: RealApiServer
    nats: Nats
    argo: ArgoEvents
    source: EventSource
    processes: Processes
    tools: Path
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def sensor(
        self,
        *triggers: Object,
        dependencies: Sequence[Object] = (ALL_EVENTS,),
        programs: Programs | None = None,
        http: HttpRecorder | None = None,
        more: Mapping[str, int] = MappingProxyType({}),
    ) -> Iterator[SensorWithPrograms]:
        """A running Sensor with these triggers, as long as the block runs."""
        running = self.start_sensor(*triggers, dependencies=dependencies, programs=programs, http=http, more=more)
        try:
            yield running
        finally:
            running.close()

    def start_sensor(
        self,
        *triggers: Object,
        dependencies: Sequence[Object] = (ALL_EVENTS,),
        programs: Programs | None = None,
        http: HttpRecorder | None = None,
        name: str | None = None,
        more: Mapping[str, int] = MappingProxyType({}),
    ) -> SensorWithPrograms:
        """A running Sensor; the caller closes it. `more` says which ports stand for further Services."""
        services = {**({f"{SERVER}:2746": http.port} if http else {}), **more}
        number = next(self._numbers)
        # A folder of its own, so that a Sensor can come again under its name.
        argo = ArgoEvents(self.tools, self.processes, self.folder / f"argo-{number}", self.api, self.nats, ExitStack())
        made = SensorWithPrograms(
            argo, self.sensor_object(*triggers, dependencies=dependencies, name=name), services, programs
        )
        try:
            made.start()
        except BaseException:
            made.close()
            raise
        return made

    def sensor_object(
        self, *triggers: Object, dependencies: Sequence[Object] = (ALL_EVENTS,), name: str | None = None
    ) -> Object:
        """The Sensor as people would apply it."""
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Sensor",
            "metadata": {"name": name or f"sensor-{next(self._numbers)}", "namespace": NAMESPACE},
            "spec": {
                "template": {"serviceAccountName": ACCOUNT},
                "dependencies": list(dependencies),
                "triggers": list(triggers),
            },
        }

    def programs(self, *names: str) -> Programs:
        """Recorders with these names; `argo` if none is given."""
        return Programs(self.folder / f"programs-{next(self._numbers)}", names or ("argo",))

    @contextmanager
    def http(self) -> Iterator[HttpRecorder]:
        """The HTTP recorder, as long as the block runs."""
        recorder = HttpRecorder()
        try:
            yield recorder
        finally:
            recorder.close()

    def second_source(
        self,
        name: str,
        events: Mapping[str, Object] = MappingProxyType({"webhook": {}}),
        *,
        secret: bool = True,
        **fields: object,
    ) -> EventSource:
        """Start another EventSource, which the caller closes.

        Args:
            name: Of the EventSource.
            events: What differs between its events, by their names.
            secret: Whether it checks signatures.
            fields: What all of its events have.
        """
        resource = copy.deepcopy(EVENT_SOURCE)
        resource["metadata"]["name"] = name
        common = resource["spec"]["github"].pop("webhook") | fields
        if not secret:
            del common["webhookSecret"]
        resource["spec"]["github"] = {event: copy.deepcopy(common) | own for event, own in events.items()}
        return self.argo.event_source(resource)

    @contextmanager
    def function(self) -> Iterator[int]:
        """Run the function with the built-in rules and the Sensor's token, as long as the block runs.

        Yields:
            Its port.
        """
        token = self.folder / "token"
        token.write_text(TOKEN)
        settings = {"TASKGATE_AUTH": "token", "TASKGATE_TOKEN_FILE": str(token)}
        running = FunctionWithKubeconfig(self.processes, self.api.kubeconfig, **settings)
        try:
            running.start()
            port = urlsplit(running.url).port
            assert port is not None
            yield port
        finally:
            running.close()

    @contextmanager
    def applied(
        self, file: Path, namespace: str, programs: Programs
    ) -> Iterator[tuple[EventSource, SensorWithPrograms]]:
        """Apply a file to an empty namespace, and run its EventSource and Sensor as long as the block runs."""
        objects = list(yaml.safe_load_all(file.read_text()))
        self.api.create_namespace(namespace)
        secret = {"metadata": {"name": "github-webhook"}, "stringData": {"secret": SECRET}}
        self.api.admin.must("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
        applied = self.api.kubectl("apply", "--server-side", "--validate=strict", f"--filename={file}")
        assert applied.returncode == 0, applied.stderr
        kinds = {each["kind"]: each for each in objects}
        with ExitStack() as stack:
            nats = Nats(self.tools, self.processes, self.folder / f"nats-{namespace}", kinds["EventBus"])
            stack.callback(nats.close)
            nats.start()
            argo = ArgoEvents(self.tools, self.processes, self.folder / f"argo-{namespace}", self.api, nats, stack)
            source = argo.event_source(kinds["EventSource"])
            sensor = SensorWithPrograms(argo, kinds["Sensor"], {}, programs)
            stack.callback(sensor.close)
            sensor.start()
            yield source, sensor

    def port_of(self, source: EventSource) -> int:
        """Return the port of its webhooks."""
        port = urlsplit(source.url("webhook")).port
        assert port is not None
        return port

    def send_to(
        self, source: EventSource, payload: Payload, delivery: str | None = None, endpoint: str = "webhook"
    ) -> int:
        """The same to another EventSource."""
        return deliver(source.url(endpoint), payload, SECRET, delivery)

    def wait_a_second(self) -> None:
        """Times of Kubernetes are whole seconds; after this the next one has begun."""
        time.sleep(1.1)

    def send(self, payload: Payload, delivery: str | None = None) -> int:
        """One signed webhook; gives the status of the EventSource's answer."""
        return deliver(self.source.url("webhook"), payload, SECRET, delivery)

    def done(self, sensor: Sensor, timeout: float = 30.0) -> None:
        """Waits until the Sensor has taken all that is on the bus, and half a second for what it started then."""
        wait_for("the Sensor to be done", lambda: sensor.idle() or None, timeout=timeout)
        time.sleep(0.5)

    def create(self, *workflows: Object) -> None:
        """Puts Workflows into the cluster, with their status."""
        for workflow in workflows:
            metadata = {key: value for key, value in workflow["metadata"].items() if key != "resourceVersion"}
            self.api.admin.must("POST", WORKFLOWS_PATH, {**workflow, "metadata": metadata})

    def clear(self) -> None:
        """Takes all Workflows away."""
        self.api.admin.must("DELETE", WORKFLOWS_PATH)

    def workflow(self, name: str) -> Object:
        """A Workflow as it is now."""
        found: Object = self.api.admin.must("GET", f"{WORKFLOWS_PATH}/{name}")
        return found

    def problems(self, resource: Object) -> str:
        """What the types and validators of argo-events have against it."""
        run = subprocess.run(
            [self.tools / "validate"], input=json.dumps(resource), capture_output=True, text=True, check=False
        )
        return run.stdout

    def open_gates(self) -> list[str]:
        """`<Workflow>/<gate>` of each open gate."""
        return sorted(
            f"{workflow['metadata']['name']}/{node['displayName']}"
            for workflow in self.api.admin.must("GET", WORKFLOWS_PATH)["items"]
            for node in recorded_workflows.nodes_of(workflow).values()
            if node.get("type") == "Suspend" and node.get("phase") == "Succeeded"
        )


def find_tools() -> Path | None:
    """The folder of the real components, or None where they have not been built."""
    build = Path(__file__).parents[1] / "cluster" / "build"
    found = subprocess.run([build, "--where"], text=True, capture_output=True, check=False)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


@contextmanager
def running_stage(tools: Path, processes: Processes, folder: Path) -> Iterator[Stage]:
    """The stage, as long as the block runs."""
    with ExitStack() as stack:
        api = RealApiServer(tools, processes, folder / "api")
        stack.callback(api.close)
        api.start()
        data = Path(__file__).parents[1] / "data" / "crds"
        api.install(*sorted((tools / "crds").iterdir()), *sorted(data.glob("argo-workflows-*.yaml")))
        for namespace in (NAMESPACE, recorded_workflows.NAMESPACE):
            api.create_namespace(namespace)
        secrets = {"github-webhook": {"secret": SECRET}, "taskgate-token": {"authorization": f"Bearer {TOKEN}"}}
        for name, content in secrets.items():
            secret = {"metadata": {"name": name}, "stringData": content}
            api.admin.must("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)
        applied = api.kubectl("apply", "--server-side", "--validate=strict", "--filename=-", objects=RIGHTS)
        assert applied.returncode == 0, applied.stderr
        nats = Nats(tools, processes, folder / "nats", {"spec": {"jetstream": {"version": "latest"}}})
        stack.callback(nats.close)
        nats.start()
        argo = ArgoEvents(tools, processes, folder / "argo-events", api, nats, stack)
        yield Stage(api, nats, argo, argo.event_source(EVENT_SOURCE), processes, tools, folder)

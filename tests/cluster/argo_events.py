"""Real argo-events processes, made from EventSource and Sensor objects as its controller would."""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import urllib3

from tests.cluster.api_server import RealApiServer
from tests.cluster.event_bus import Nats
from tests.cluster.processes import Process, Processes, free_port, wait_for
from tests.cluster.sandboxed import Sandboxed

KUBECONFIG = "/etc/taskgate/kubeconfig"
METRICS_PORT = 7777
_WITH_WEBHOOKS = ("github", "gitlab", "bitbucket", "slack", "webhook")  # EventSources that listen

Object = dict[str, Any]
C = TypeVar("C", bound="_Component")


class ArgoEvents:
    """Starts EventSources and Sensors, and knows what they share: programs, API server, event bus."""

    def __init__(
        self, tools: Path, processes: Processes, folder: Path, api: RealApiServer, nats: Nats, started: ExitStack
    ) -> None:
        self._started = started
        self.tools = tools
        self.processes = processes
        self.folder = folder
        self.api = api
        self.nats = nats

    def event_source(self, resource: Object, services: Mapping[str, int] = MappingProxyType({})) -> EventSource:
        """Starts an EventSource and waits until it takes events; `services` as for `sensor`."""
        return self._start(EventSource(self, resource, services))

    def sensor(self, resource: Object, services: Mapping[str, int]) -> Sensor:
        """Starts a Sensor and waits until it takes events.

        Args:
            resource: the Sensor.
            services: which port of the loopback stands for a Service: `{"name.namespace.svc.cluster.local:80": 8080}`.
        """
        return self._start(Sensor(self, resource, services))

    def _start(self, component: C) -> C:
        self._started.callback(component.close)
        component.start()
        return component

    def secret(self, namespace: str, selector: Object) -> str:
        """The value of a key of a Secret: `{name, key}`."""
        found = self.api.admin.must("GET", f"/api/v1/namespaces/{namespace}/secrets/{selector['name']}")
        return base64.b64decode(found["data"][selector["key"]]).decode()

    def files(self, resource: Object, hosts: Mapping[str, str]) -> dict[str, str]:
        """What its pod would see: Secrets of its namespace, its ServiceAccount's token, the addresses of Services."""
        namespace = resource["metadata"]["namespace"]
        account = resource["spec"].get("template", {}).get("serviceAccountName", "default")
        kubeconfig = self.api.kubeconfig_for(self.api.token_for(account, namespace), namespace)
        secrets = self.api.admin.must("GET", f"/api/v1/namespaces/{namespace}/secrets")["items"]
        return {
            KUBECONFIG: kubeconfig.read_text(),
            "/etc/hosts": "".join(
                f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **hosts}.items()
            ),
            **{
                f"/argo-events/secrets/{secret['metadata']['name']}/{key}": base64.b64decode(value).decode()
                for secret in secrets
                for key, value in secret.get("data", {}).items()
            },
        }


class _Component(ABC):
    """One process, in a sandbox because each binds port 7777 and reads Secrets under /argo-events."""

    def __init__(
        self,
        argo: ArgoEvents,
        resource: Object,
        command: str,
        variable: str,
        ports: Sequence[int] = (),
        services: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        metadata = resource["metadata"]
        self.name: str = metadata["name"]
        self._namespace: str = metadata["namespace"]
        self._argo = argo
        self._resource = resource
        self._ports = {port: free_port() for port in [METRICS_PORT, *ports]}
        self._services = services
        environment = {
            variable: _encoded(resource),
            "EVENTBUS_CONFIG": _encoded(argo.nats.config),
            "EVENTBUS_SUBJECT": f"eventbus-{metadata['namespace']}",
            "POD_NAME": f"{self.name}-0",
            "NAMESPACE": metadata["namespace"],
            "KUBECONFIG": KUBECONFIG,
        }
        folder = argo.folder / f"{resource['kind']}-{self.name}"
        program = [str(argo.tools / "argo-events"), command]
        self._sandbox = Sandboxed(argo.processes, f"{command}-{self.name}", folder, program, environment)
        self._process = self._sandbox.process
        self._http = urllib3.PoolManager(retries=False, timeout=60)

    def start(self) -> None:
        """Starts it, or starts it again, and waits until it is ready."""
        self._process.stop()
        hosts: dict[str, str] = {}
        outward = [("127.0.0.1", port, port) for port in (self._argo.api.port, self._argo.nats.port)]
        for service, port in self._services.items():
            name, _, service_port = service.partition(":")
            # An address for each name, so that two Services may have the same port.
            address = hosts.setdefault(name, f"127.0.1.{len(hosts) + 1}")
            outward.append((address, int(service_port or 80), port))
        self._sandbox.start(
            show={str(self._argo.tools): self._argo.tools},
            files=self._argo.files(self._resource, hosts),
            inward=self._ports,
            outward=outward,
        )
        wait_for(f"{self._process.name} to be ready", self._ready, self._process)

    def stop(self) -> None:
        """Asks it to end, as Kubernetes would, and waits until it has."""
        self._process.stop()

    def kill(self) -> None:
        """Takes it away at once."""
        self._process.kill()

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._http.clear()

    @property
    def process(self) -> Process:
        """Its process."""
        return self._process

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._process.log.read_text()

    def metrics(self) -> str:
        """Its Prometheus metrics, empty while it does not answer."""
        try:
            return self._http.request("GET", f"http://127.0.0.1:{self._ports[METRICS_PORT]}/metrics").data.decode()
        except urllib3.exceptions.HTTPError:
            return ""

    @abstractmethod
    def _ready(self) -> bool | None:
        """True once it does its work."""


class EventSource(_Component):
    """An EventSource's process."""

    def __init__(self, argo: ArgoEvents, resource: Object, services: Mapping[str, int]) -> None:
        found = {
            event: source.get("webhook", source)
            for kind in _WITH_WEBHOOKS
            for event, source in resource["spec"].get(kind, {}).items()
        }
        self._webhooks = {event: webhook for event, webhook in found.items() if "endpoint" in webhook}
        ports = sorted({int(webhook["port"]) for webhook in self._webhooks.values()})
        super().__init__(argo, resource, "eventsource-service", "EVENTSOURCE_OBJECT", ports, services)

    def url(self, event: str) -> str:
        """Where its sender would send the webhooks of this event."""
        webhook = self._webhooks[event]
        return f"http://127.0.0.1:{self._ports[int(webhook['port'])]}{webhook['endpoint']}"

    def _ready(self) -> bool | None:
        if "argo_events_event_service_running_total{" not in self.metrics():
            return None
        return all(self._active(event) for event in self._webhooks) or None

    def _active(self, event: str) -> bool:
        """Whether the endpoint takes webhooks; asked with one that it refuses whatever the signature."""
        headers = {"Content-Type": "text/plain"}
        if secret := self._webhooks[event].get("authSecret"):
            # Without its token the answer is 401, active or not.
            headers["Authorization"] = f"Bearer {self._argo.secret(self._namespace, secret)}"
        try:
            answer = self._http.request("POST", self.url(event), headers=headers)
        except urllib3.exceptions.HTTPError:
            return False
        return b"inactive" not in answer.data


class Sensor(_Component):
    """A Sensor's process."""

    def __init__(self, argo: ArgoEvents, resource: Object, services: Mapping[str, int]) -> None:
        super().__init__(argo, resource, "sensor-service", "SENSOR_OBJECT", services=services)

    def idle(self) -> bool:
        """Whether each trigger is done with all events of the bus so far."""
        consumers = self._argo.nats.consumers()
        return all(
            name in consumers and consumers[name]["num_pending"] == consumers[name]["num_ack_pending"] == 0
            for name in self._consumer_names()
        )

    def _ready(self) -> bool | None:
        consumers = self._argo.nats.consumers()
        return all(consumers.get(name, {}).get("num_waiting", 0) > 0 for name in self._consumer_names()) or None

    def _consumer_names(self) -> Iterator[str]:
        """Source: getDurableName in pkg/eventbus/jetstream/sensor of argo-events."""
        spec = self._resource["spec"]
        for trigger in spec["triggers"]:
            conditions = trigger["template"].get("conditions")
            for dependency in spec["dependencies"]:
                if conditions is None or dependency["name"] in re.findall(r"[\w-]+", conditions):
                    key = f"{self.name}-{trigger['template']['name']}-{dependency['name']}"
                    yield f"group-{_fnv32a(key)}"


def _encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def _fnv32a(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    return value

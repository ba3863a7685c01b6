"""A real NATS server with JetStream, set up as argo-events' controller would for an EventBus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.cluster.api_server import generate_certificate
from tests.cluster.processes import Processes, free_port, wait_for

# The defaults of argo-events' controller, but for one server instead of three.
# Source: manifests/base/controller-manager/controller-config.yaml of argo-events.
STREAM_CONFIG = {"maxMsgs": 50000, "maxAge": "168h", "maxBytes": -1, "duplicates": "300s", "retention": 0, "discard": 0}
SETTINGS = "max_memory_store: -1\nmax_file_store: 1TB"
MAX_PAYLOAD = "1MB"


class Nats:
    """One server, whose streams outlive a restart."""

    def __init__(self, tools: Path, processes: Processes, folder: Path, event_bus: dict[str, Any]) -> None:
        certificate, key = generate_certificate(tools, folder)
        self._bus = event_bus["spec"]["jetstream"]
        self.port, self._monitor = free_port(), free_port()
        config = folder / "nats.conf"
        config.write_text(
            f"listen: 127.0.0.1:{self.port}\n"
            f"http: 127.0.0.1:{self._monitor}\n"
            f"max_payload: {self._bus.get('maxPayload', MAX_PAYLOAD)}\n"
            f"jetstream {{\nstore_dir: {str(folder / 'store')!r}\n{self._bus.get('settings', SETTINGS)}\n}}\n"
            # argo-events speaks TLS with any JetStream, and takes any certificate.
            f"tls {{\ncert_file: {str(certificate)!r}\nkey_file: {str(key)!r}\n}}\n"
        )
        self._process = processes.add("nats-server", [tools / "nats-server", "--config", config])
        self._http = urllib3.PoolManager(retries=False, timeout=5)

    @property
    def config(self) -> dict[str, Any]:
        """What argo-events' controller puts into the status of the EventBus, and its processes get."""
        stream = {**STREAM_CONFIG, **yaml.safe_load(self._bus.get("streamConfig") or "{}"), "replicas": 1}
        url = f"nats://127.0.0.1:{self.port}"
        return {"jetstream": {"url": url, "streamConfig": yaml.safe_dump(stream)}}

    def start(self) -> None:
        """Starts it and waits until JetStream is ready."""
        self._process.start()
        wait_for("JetStream", self._ready, self._process)

    def kill(self) -> None:
        """Takes it away at once; what it has stored stays."""
        self._process.kill()

    def consumers(self) -> dict[str, dict[str, Any]]:
        """The state of each consumer by name, as the server's monitoring gives it."""
        return {consumer["name"]: consumer for consumer in self._consumers()}

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._http.clear()

    def _consumers(self) -> Iterator[dict[str, Any]]:
        monitoring = self._http.request("GET", f"http://127.0.0.1:{self._monitor}/jsz?consumers=true").json()
        for account in monitoring.get("account_details", ()):
            for stream in account.get("stream_detail", ()):
                yield from stream.get("consumer_detail", ())

    def _ready(self) -> bool | None:
        try:
            answer = self._http.request("GET", f"http://127.0.0.1:{self._monitor}/healthz?js-enabled-only=true")
        except urllib3.exceptions.HTTPError:
            return None
        return answer.status == 200 or None

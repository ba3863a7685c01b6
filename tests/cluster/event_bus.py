"""A real NATS server with JetStream, set up as argo-events' controller would for an EventBus."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.cluster.api_server import generate_certificate
from tests.cluster.processes import Process, Processes, free_port, wait_for

# The defaults of argo-events' controller, but for one server instead of three.
# Source: manifests/base/controller-manager/controller-config.yaml of argo-events.
STREAM_CONFIG = {"maxMsgs": 50000, "maxAge": "168h", "maxBytes": -1, "duplicates": "300s", "retention": 0, "discard": 0}
SETTINGS = "max_memory_store: -1\nmax_file_store: 1TB"
MAX_PAYLOAD = "1MB"


class Nats:
    """One server, whose streams outlive a restart."""

    def __init__(self, tools: Path, processes: Processes, folder: Path, event_bus: dict[str, Any]) -> None:
        self._certificate, key = generate_certificate(tools, folder)
        self._bus = event_bus["spec"]["jetstream"]
        self.port, self._monitor = free_port(), free_port()
        config = folder / "nats.conf"
        config.write_text(
            f"listen: 127.0.0.1:{self.port}\n"
            f"http: 127.0.0.1:{self._monitor}\n"
            f"max_payload: {self._bus.get('maxPayload', MAX_PAYLOAD)}\n"
            f"jetstream {{\nstore_dir: {str(folder / 'store')!r}\n{self._bus.get('settings', SETTINGS)}\n}}\n"
            # argo-events speaks TLS with any JetStream, and takes any certificate.
            f"tls {{\ncert_file: {str(self._certificate)!r}\nkey_file: {str(key)!r}\n}}\n"
        )
        self._process = processes.add("nats-server", [tools / "nats-server", "--config", config])
        self._http = urllib3.PoolManager(retries=False, timeout=60)

    @property
    def process(self) -> Process:
        """Its process."""
        return self._process

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

    def redeliver_after(self, seconds: int) -> None:
        """How long a consumer may be silent about a message before it gets it again; 30 s unless this is called.

        Source: https://docs.nats.io/nats-concepts/jetstream/consumers and .../reference/nats_api_reference
        """
        for name, consumer in self.consumers().items():
            config = {**consumer["config"], "ack_wait": seconds * 10**9}
            stream = consumer["stream_name"]
            answer = self._ask(
                f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{name}", {"stream_name": stream, "config": config}
            )
            assert "error" not in answer, answer

    def _ask(self, subject: str, question: object) -> Any:  # noqa: ANN401 - JSON
        """Asks JetStream, as its clients do.

        Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
        """
        body = json.dumps(question).encode()
        context = ssl.create_default_context(cafile=str(self._certificate))
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as plain:
            while b"\n" not in plain.recv(4096):
                pass  # what the server says of itself, before TLS begins
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured, secured.makefile("rwb") as stream:
                stream.write(
                    f'CONNECT {{"verbose":false}}\r\nSUB here 1\r\nPUB {subject} here {len(body)}\r\n'.encode()
                )
                stream.write(body + b"\r\n")
                stream.flush()
                while not (line := stream.readline()).startswith(b"MSG "):
                    assert line.startswith((b"INFO", b"PING", b"+OK")), line
                return json.loads(stream.read(int(line.split()[-1])))

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._http.clear()

    def _consumers(self) -> Iterator[dict[str, Any]]:
        monitoring = self._http.request(
            "GET", f"http://127.0.0.1:{self._monitor}/jsz?consumers=true&config=true"
        ).json()
        for account in monitoring.get("account_details", ()):
            for stream in account.get("stream_detail", ()):
                yield from stream.get("consumer_detail", ())

    def _ready(self) -> bool | None:
        try:
            answer = self._http.request("GET", f"http://127.0.0.1:{self._monitor}/healthz?js-enabled-only=true")
        except urllib3.exceptions.HTTPError:
            return None
        return answer.status == 200 or None

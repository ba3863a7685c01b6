"""A stand-in for the metrics server: the same CPU for each pod of the function, until somebody changes it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.cluster.argo_events import Object
from tests.manifests.building import ROOT

_GROUP, _VERSION = "metrics.k8s.io", "v1beta1"
_API = f"{_GROUP}/{_VERSION}"
_NAME = "metrics-server"
_CERTIFICATE = ROOT / "tests" / "data" / "loopback.pem"  # with its key
_RESOURCE = {"name": "pods", "singularName": "", "kind": "PodMetrics", "namespaced": True, "verbs": ["get", "list"]}


class Metrics(ThreadingHTTPServer):
    """An API for the API server's aggregation layer, on loopback.

    Args:
        pods: returns the pods that have metrics.

    Source: https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/
    """

    def __init__(self, pods: Callable[[], list[Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._pods = pods
        self.cpu = "0m"  # of each container
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_CERTIFICATE)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def answer(self, path: str) -> object | None:
        """The answer to a GET; None for an unknown path."""
        if path == f"/apis/{_API}":
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": _API, "resources": [_RESOURCE]}
        if not path.startswith(f"/apis/{_API}/namespaces/taskgate/pods?"):
            return None
        items = [
            {
                "metadata": {key: pod["metadata"][key] for key in ("name", "namespace", "labels")},
                "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "window": "1s",
                "containers": [
                    {"name": each["name"], "usage": {"cpu": self.cpu, "memory": "60Mi"}}
                    for each in pod["spec"]["containers"]
                ],
            }
            for pod in self._pods()
        ]
        return {"kind": "PodMetricsList", "apiVersion": _API, "metadata": {}, "items": items}

    def objects(self) -> list[Object]:
        """What the API server needs to find it."""
        port = self.server_address[1]
        service = {"name": _NAME, "namespace": "kube-system"}
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": service,
                "spec": {"type": "ExternalName", "externalName": "127.0.0.1", "ports": [{"port": port}]},
            },
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": f"{_VERSION}.{_GROUP}"},
                "spec": {
                    "group": _GROUP,
                    "version": _VERSION,
                    "service": {**service, "port": port},
                    "insecureSkipTLSVerify": True,
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                },
            },
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Metrics

    def do_GET(self) -> None:
        found = self.server.answer(self.path)
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving(pods: Callable[[], list[Any]]) -> Iterator[Metrics]:
    """The stand-in, as long as the block runs.

    Args:
        pods: returns the pods that have metrics.
    """
    server = Metrics(pods)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

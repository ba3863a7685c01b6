"""A stand-in of Argo Server for Workflows whose nodes it keeps, as in tests/data/argo-recordings/offloaded-nodes.

The Workflow is in the cluster, without nodes. GET gives it with them, `set` opens a suspend node.

Source: workflow/util/util.go (updateSuspendedNode) and util/fields of argo-workflows
"""

from __future__ import annotations

import copy
import json
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from func.devcluster import WORKFLOWS, ApiError, EmbeddedCluster
from tests.recorded_workflows import Workflow, stamp

_NOT_WAITING = "currently, set only targets suspend nodes: no suspend nodes matching nodeFieldSelector: {}"


class _Refusal(Exception):
    """What gRPC's gateway answers: a code of gRPC and a message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ArgoServer:
    """Listens on loopback from `with` on.

    Args:
        cluster: where the Workflows are.
        token: the one that callers must send; None for any.
    """

    def __init__(self, cluster: EmbeddedCluster, token: str | None = None) -> None:
        self.token = token
        self.opened: Counter[tuple[str, str]] = Counter()
        self.before_set: Callable[[], None] = lambda: None
        self.after_set: Callable[[], None] = lambda: None
        self._cluster = cluster
        self._nodes: dict[str, dict[str, Any]] = {}  # by uid of the Workflow
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def load(self, workflow: Workflow) -> None:
        """Put a Workflow into the cluster and its nodes into the database."""
        workflow = copy.deepcopy(workflow)
        nodes = workflow["status"].pop("nodes")
        workflow["status"]["offloadNodeStatusVersion"] = _version(nodes)
        self._nodes[workflow["metadata"]["uid"]] = nodes
        self._cluster.store.load(WORKFLOWS, workflow)

    def nodes(self, namespace: str, name: str) -> dict[str, Any]:
        """All nodes of a Workflow, by id, as they are now."""
        return self._nodes[self._workflow(namespace, name)["metadata"]["uid"]]

    def gate(self, namespace: str, name: str, gate: str) -> dict[str, Any]:
        """The suspend node of that name."""
        (node,) = [each for each in self.nodes(namespace, name).values() if each["displayName"] == gate]
        found: dict[str, Any] = node
        return found

    def answer(self, method: str, target: str, authorization: str | None, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON."""
        try:
            if self.token is not None and authorization != f"Bearer {self.token}":
                raise _Refusal(401, 16, "token not valid. see https://argo-workflows.readthedocs.io/en/latest/faq/")
            url = urlsplit(target)
            match (method, url.path.split("/")[1:]):
                case ("GET", ["api", "v1", "workflows", namespace, name]):
                    found = self._hydrated(namespace, name)
                    fields = parse_qs(url.query).get("fields")
                    return 200, _projected(found, fields[0].split(",")) if fields else found
                case ("PUT", ["api", "v1", "workflows", namespace, name, "set"]):
                    self.before_set()
                    self._set(namespace, name, json.loads(body))
                    workflow = self._workflow(namespace, name)
                    self.after_set()
                    return 200, workflow
            raise _Refusal(404, 5, "Not Found")
        except _Refusal as refusal:
            return refusal.status, {"code": refusal.code, "message": str(refusal)}

    def _workflow(self, namespace: str, name: str) -> Workflow:
        try:
            return copy.deepcopy(self._cluster.store.get(WORKFLOWS, namespace, name).document)
        except ApiError:
            raise _Refusal(404, 5, f'workflows.argoproj.io "{name}" not found') from None

    def _hydrated(self, namespace: str, name: str) -> Workflow:
        workflow = self._workflow(namespace, name)
        if workflow["status"].pop("offloadNodeStatusVersion", None):
            workflow["status"]["nodes"] = self._nodes[workflow["metadata"]["uid"]]
        return workflow

    def _set(self, namespace: str, name: str, request: dict[str, str]) -> None:
        """Open the one node that the selector names."""
        with self._lock:
            workflow = self._workflow(namespace, name)
            nodes = copy.deepcopy(self._nodes[workflow["metadata"]["uid"]])
            selector = request["nodeFieldSelector"]
            node = nodes.get(selector.removeprefix("id="))
            if not node or node["type"] != "Suspend" or node["phase"] != "Running":
                raise _Refusal(500, 13, _NOT_WAITING.format(selector))
            self.opened[name, node["displayName"]] += 1
            node |= {"phase": request["phase"], "message": request["message"], "finishedAt": stamp(datetime.now(UTC))}
            for parameter, value in json.loads(request["outputParameters"]).items():
                _supply(node, parameter, value)
            self._nodes[workflow["metadata"]["uid"]] = nodes
            workflow["status"]["offloadNodeStatusVersion"] = _version(nodes)
            self._cluster.store.replace(WORKFLOWS, namespace, name, workflow)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="argo-server", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _version(nodes: dict[str, Any]) -> str:
    return f"fnv:{zlib.crc32(json.dumps(nodes).encode())}"


def _projected(workflow: Workflow, fields: list[str]) -> Workflow:
    found: Workflow = {}
    for field in fields:
        outer, _, inner = field.partition(".")
        value = workflow.get(outer, {})
        if inner in value:
            found.setdefault(outer, {})[inner] = value[inner]
    return found


def _supply(node: dict[str, Any], name: str, value: str) -> None:
    for parameter in node.get("outputs", {}).get("parameters", []):
        if parameter["name"] == name:
            if "supplied" not in parameter.pop("valueFrom", {}):
                message = (
                    "set output parameters: cannot set output parameters because parameter is not of type supplied"
                )
                raise _Refusal(500, 13, message)
            parameter["value"] = value
            return
    raise _Refusal(500, 13, f"cannot set output parameters: node is not expecting output parameter '{name}'")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, argo: ArgoServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.argo = argo

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is none of its business."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, answer = self.server.argo.answer(self.command, self.path, self.headers.get("Authorization"), body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = _handle  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Says nothing."""

"""Plain requests to whichever API server a kubeconfig names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import kubernetes
import urllib3

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
RECORDINGS = Path(__file__).parent.parent / "data" / "argo-recordings"

Json = Any


@dataclass(frozen=True)
class Answer:
    """What the server said: HTTP status and JSON."""

    status: int
    body: Json

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status, reason and message of a Status object, after a check that it is one."""
        assert self.body["kind"] == "Status", self.body
        assert (self.body["status"], self.body["code"]) == ("Failure", self.status)
        return self.status, self.body.get("reason", ""), self.body["message"]


@dataclass(frozen=True)
class Api:
    """An API server, seen from one namespace."""

    url: str
    pool: urllib3.PoolManager
    headers: Mapping[str, str]
    namespace: str = ""

    @classmethod
    def of(cls, kubeconfig: Path) -> Api:
        """The server of a kubeconfig, as the kubernetes client reads it."""
        configuration = kubernetes.client.Configuration()
        load = cast("Callable[..., None]", kubernetes.config.load_kube_config)
        load(config_file=str(kubeconfig), client_configuration=configuration)
        settings = cast("dict[str, dict[str, str]]", configuration.auth_settings())
        headers = {each["key"]: each["value"] for each in settings.values() if each["value"]}
        pool = urllib3.PoolManager(ca_certs=configuration.ssl_ca_cert, retries=False, timeout=urllib3.Timeout(120))
        return cls(str(configuration.host), pool, headers)

    def within(self, namespace: str) -> Api:
        return replace(self, namespace=namespace)

    def close(self) -> None:
        self.pool.clear()

    @property
    def workflows(self) -> str:
        """The path of the Workflows of the namespace."""
        return f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/workflows"

    def workflow(self, name: str) -> str:
        return f"{self.workflows}/{name}"

    def request(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        content_type: str | None = "application/json",
        accept: str = "application/json",
        **query: object,
    ) -> Answer:
        """Send one request; a body of bytes is sent as it is, another one as JSON."""
        headers = {**self.headers, "Accept": accept}
        if body is not None and content_type:
            headers["Content-Type"] = content_type
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        url = self.url + path + (f"?{urlencode(query)}" if query else "")
        response = self.pool.request(method, url, body=data, headers=headers)
        return Answer(response.status, json.loads(response.data))

    def must(self, method: str, path: str, body: Json = None, **how: Any) -> Json:  # noqa: ANN401 - JSON
        """The body of the answer to a request that has to succeed."""
        answer = self.request(method, path, body, **how)
        assert 200 <= answer.status < 300, answer
        return answer.body

    def create(self, name: str = "waiting", recording: str = "steps-first-gate", **metadata: Any) -> Json:  # noqa: ANN401
        """Create a recorded Workflow in this namespace under another name."""
        workflow = json.loads((RECORDINGS / recording / "waiting.json").read_text())
        kept = {key: workflow["metadata"].get(key, {}) for key in ("labels", "annotations")}
        workflow["metadata"] = {"name": name, **kept, **metadata}
        return self.must("POST", self.workflows, workflow)

    def patch(self, name: str, operations: Json, **how: Any) -> Answer:  # noqa: ANN401 - passed on
        """Send a JSON Patch."""
        return self.request("PATCH", self.workflow(name), operations, content_type=JSON_PATCH, **how)

    def watch(self, path: str, *, accept: str = "application/json", **query: object) -> Iterator[Json]:
        """The events of a watch, until it ends by itself."""
        parameters = urlencode({"watch": "true", "timeoutSeconds": 5, **query})
        headers = {**self.headers, "Accept": accept}
        response = self.pool.request("GET", f"{self.url}{path}?{parameters}", headers=headers, preload_content=False)
        assert response.status == 200, response.data
        rest = b""
        try:
            # Piece by piece, because read() would wait for the end.
            for piece in response.stream(None):
                *lines, rest = (rest + piece).split(b"\n")
                yield from (json.loads(line) for line in lines)
        finally:
            response.close()

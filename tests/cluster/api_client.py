"""Plain requests to a Kubernetes API, for tests that look at status codes and bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/{}/workflows"


@dataclass(frozen=True)
class Answer:
    """What the API said."""

    status: int
    body: Any


class ApiClient:
    """One identity's view of an API server."""

    def __init__(self, url: str, ca_file: Path, token: str) -> None:
        self.url = url
        self.ca_file = ca_file
        self.token = token
        self._pool = urllib3.PoolManager(ca_certs=str(ca_file), retries=False, timeout=urllib3.Timeout(120))

    def as_token(self, token: str) -> ApiClient:
        """The same server seen by the owner of `token`."""
        return ApiClient(self.url, self.ca_file, token)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Sends one request.

        Args:
            method: GET, POST, ...
            path: with its query.
            body: anything JSON can say; None is no body.
            content_type: of the body; for PATCH it names the kind of patch.
            headers: further ones.

        Raises:
            urllib3.exceptions.HTTPError: no answer.
        """
        sent = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **(headers or {})}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = content_type
        response = self._pool.request(method, self.url + path, body=data, headers=sent)
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        return Answer(response.status, json.loads(response.data) if is_json else response.data.decode())

    def must(self, method: str, path: str, body: object = None, **how: Any) -> Any:  # noqa: ANN401 - JSON
        """The body of the answer to a request that has to succeed.

        Raises:
            AssertionError: it did not.
        """
        answer = self.request(method, path, body, **how)
        if not 200 <= answer.status < 300:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body}")
        return answer.body

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

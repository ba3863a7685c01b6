"""What talks to a running function."""

from __future__ import annotations

import json
from typing import Any

import urllib3

from tests.payloads import Request

Reply = tuple[int, dict[str, Any]]  # status, body


class FunctionClient:
    """Sends events to the function at `url`, which ends with a slash."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = urllib3.PoolManager(retries=False, timeout=120)

    def post(self, event: Request, token: str | None = None) -> Reply:
        """Posts a CloudEvent, with a token for the Authorization header or none."""
        headers, body = event
        if token is not None:
            headers = headers | {"Authorization": f"Bearer {token}"}
        answer = self._http.request("POST", self.url, body=body, headers=headers)
        return answer.status, json.loads(answer.data)

    def get(self, path: str) -> str:
        """The body of the answer to a GET request; the path has no slash at its start."""
        return self._http.request("GET", f"{self.url}{path}").data.decode()

    def ready(self) -> bool | None:
        """True if the function is ready, None if it is not: for `wait_for`."""
        try:
            return self._http.request("GET", f"{self.url}readyz", timeout=1).status == 200 or None
        except urllib3.exceptions.HTTPError:
            return None

    def close(self) -> None:
        """Closes the connections."""
        self._http.clear()

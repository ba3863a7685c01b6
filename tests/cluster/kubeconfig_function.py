"""The function outside of a cluster: `python -m func serve` with a kubeconfig."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import urllib3

from tests.cluster.pod import Reply
from tests.cluster.processes import Processes, free_port, wait_for
from tests.payloads import Request


class FunctionWithKubeconfig:
    """A process on the loopback.

    Args:
        kubeconfig: of whom it acts for.
        settings: further variables of its environment.
    """

    def __init__(self, processes: Processes, kubeconfig: Path, **settings: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        environment = {"KUBECONFIG": str(kubeconfig), **settings}
        self._process = processes.add(
            "function", [sys.executable, "-m", "func", "serve", "--port", str(port)], environment
        )
        self._http = urllib3.PoolManager(retries=False, timeout=15)

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        self._process.start()
        wait_for("the function to be ready", self._ready, self._process)

    def post(self, event: Request) -> Reply:
        """Posts a CloudEvent."""
        headers, body = event
        answer = self._http.request("POST", self.url, body=body, headers=headers)
        return answer.status, json.loads(answer.data)

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._http.clear()

    def _ready(self) -> bool | None:
        try:
            return self._http.request("GET", f"{self.url}readyz").status == 200 or None
        except urllib3.exceptions.HTTPError:
            return None

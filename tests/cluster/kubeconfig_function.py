"""The function outside of a cluster: `python -m func serve` with a kubeconfig."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cluster.function_client import FunctionClient, Reply
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
        self._client = FunctionClient(f"http://127.0.0.1:{port}/")
        environment = {"KUBECONFIG": str(kubeconfig), **settings}
        self._process = processes.add(
            "function", [sys.executable, "-m", "func", "serve", "--port", str(port)], environment
        )

    @property
    def url(self) -> str:
        """Where it takes events."""
        return self._client.url

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        self._process.start()
        wait_for("the function to be ready", self._client.ready, self._process)

    def post(self, event: Request) -> Reply:
        """Posts a CloudEvent."""
        return self._client.post(event)

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._client.close()

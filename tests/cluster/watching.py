"""What happens to Workflows, as the API server tells it to whoever watches."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import urllib3

from tests.cluster.api_client import WORKFLOWS, ApiClient
from tests.cluster.processes import ClusterError
from tests.recorded_workflows import Workflow

Gate = tuple[str, str]  # Workflow's name, gate's name


class Watch:
    """All changes of the Workflows in a namespace while it is entered.

    `workflows` has each as it was last seen, by name; `changes` are all of them, in order, with the moment (monotonic
    seconds); `opened` has the moments at which the node of a gate went from Running to Succeeded.
    """

    def __init__(self, api: ApiClient, namespace: str) -> None:
        self.workflows: dict[str, Workflow] = {}
        self.changes: list[tuple[float, Workflow]] = []
        self.opened: dict[Gate, list[float]] = defaultdict(list)
        self._api = api
        self._path = WORKFLOWS.format(namespace)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._follow, name="watch")

    def __enter__(self) -> Self:
        listed = self._api.must("GET", self._path)
        self.workflows = {one["metadata"]["name"]: one for one in listed["items"]}
        version = listed["metadata"]["resourceVersion"]
        self._http = urllib3.PoolManager(ca_certs=str(self._api.ca_file), retries=False, timeout=urllib3.Timeout(120))
        self._stream = self._http.request(
            "GET",
            f"{self._api.url}{self._path}?watch=true&resourceVersion={version}",
            headers={"Authorization": f"Bearer {self._api.token}"},
            preload_content=False,
        )
        assert self._stream.status == 200, self._stream.data
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.shutdown()
        self._thread.join()
        self._stream.close()
        self._http.clear()

    def wait_for(self, what: str, look: Callable[[], bool], timeout: float = 120.0) -> None:
        """Returns once `look` says yes; it is asked after each change.

        Args:
            what: ends the sentence "timed out waiting for ...".
            timeout: seconds.

        Raises:
            ClusterError: not in time.
        """
        with self._changed:
            if not self._changed.wait_for(look, timeout):
                raise ClusterError(f"timed out after {timeout:g} s waiting for {what}")

    def wait_for_gates(self, *gates: Gate, timeout: float = 120.0) -> None:
        """Returns once all of these have been opened while this watches."""
        wanted = set(gates)
        try:
            self.wait_for(f"{len(gates)} gates", lambda: wanted <= self.opened.keys(), timeout)
        except ClusterError as error:
            raise ClusterError(f"{error}; not open: {sorted(wanted - self.opened.keys())}") from None

    def _follow(self) -> None:
        buffer = b""
        try:
            for chunk in self._stream.stream(1 << 20):
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
        except urllib3.exceptions.HTTPError:
            pass  # shut down

    def _take(self, event: dict[str, Any]) -> None:
        now, workflow = time.monotonic(), event["object"]
        name = workflow["metadata"]["name"]
        with self._changed:
            before = self.workflows.get(name)
            if event["type"] == "DELETED":
                self.workflows.pop(name, None)
            else:
                for gate in _phases(workflow, "Succeeded") & _phases(before or {}, "Running"):
                    self.opened[name, gate].append(now)
                self.workflows[name] = workflow
            self.changes.append((now, workflow))
            self._changed.notify_all()


def _phases(workflow: Workflow, phase: str) -> set[str]:
    """The gates of a Workflow in this phase."""
    nodes = workflow.get("status", {}).get("nodes", {}).values()
    return {node["displayName"] for node in nodes if (node["type"], node["phase"]) == ("Suspend", phase)}

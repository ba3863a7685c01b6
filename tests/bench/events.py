"""Approvals, and the two calls to the API that the same approval takes at the least."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from func.core.decisions import decide
from func.core.patches import encode
from func.core.workflows import read_workflow
from func.service.settings import BUILT_IN_RULES
from tests.bench.api import WORKFLOWS, ApiServer, Waiting
from tests.bench.pod import AUTHORIZATION
from tests.bench.wire import Job, request
from tests.core.bench import built_in, patch_of, plan_of
from tests.payloads import Request, approved, cloudevent_structured

_TASK = 987654321  # stands in the template, and nowhere else
_DELIVERY = "delivery-placeholder"
_FRESH = timedelta(minutes=1)  # an event long before its Workflow is refused
_WORK_SECONDS = 0.001
_OPENED = b'"opened"'  # the outcome, in anybody's JSON
# What func/kube/client.py asks for: all of a Workflow that it reads, little of one that it has written.
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"


class Approvals:
    """GitHub's event of an approval for any task, 24 kB each."""

    def __init__(self) -> None:
        self._make()

    def _make(self) -> None:
        self._now = datetime.now(UTC)
        payload = approved(task=_TASK, happened=self._now)
        self._headers, self._body = cloudevent_structured(payload, delivery=_DELIVERY)

    def event(self, task: int) -> Request:
        """Headers and body."""
        if datetime.now(UTC) - self._now > _FRESH:
            self._make()
        body = self._body.replace(str(_TASK).encode(), str(task).encode())
        headers = self._headers | {"authorization": AUTHORIZATION}
        return headers, body.replace(_DELIVERY.encode(), f"delivery-{task}".encode())

    def job(self, waiting: Waiting, *, expected: bytes = _OPENED) -> Job:
        """The event of this Workflow's approval, sent to a function."""
        headers, body = self.event(waiting.task)
        return Job([request("POST", "/", headers, body)], expected)

    def patch(self, waiting: Waiting) -> bytes:
        """The JSON Patch that Taskgate would write for it, byte for byte but for the time of day."""
        (intent,) = plan_of(self.event(waiting.task), built_in(), self._now).intents
        document = waiting.document
        return encode(patch_of(document, decide(intent, built_in(), read_workflow(document), self._now)))

    def bare(self, waiting: Waiting, server: ApiServer, *, apart: bool = False) -> Job:
        """The GET and the PATCH alone.

        Args:
            apart: the client does something before each, as one has to that decides.
        """
        path = f"{WORKFLOWS}/{waiting.name}"
        headers = server.headers(accept=_METADATA, content_type="application/json-patch+json")
        gets = request("GET", path, server.headers())
        return Job(
            [gets, request("PATCH", path, headers, self.patch(waiting))],
            b'"PartialObjectMetadata"',
            self._work if apart else None,
        )

    def _work(self) -> None:
        until = time.perf_counter() + _WORK_SECONDS
        while time.perf_counter() < until:
            json.loads(self._body)


def write_rules_by_label(folder: Path) -> Path:
    """gates.yaml as it is built in, where names are generated: found by labels alone."""
    text = BUILT_IN_RULES.read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if "play-task-{task}" not in line]
    file = folder / "by-label.yaml"
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return file

"""The function against an embedded cluster: events go in as HTTP requests, replies come out.

Every reply is held to what all replies promise (see `Reply`), whatever the test is about.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloudevents.http import from_http
from starlette.requests import Request as HttpRequest

from func.core.outcomes import OUTCOMES
from func.core.reasons import CODES
from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.service.app import App
from func.service.build import build_app
from func.service.settings import BUILT_IN_RULES
from tests.payloads import Request
from tests.recorded_workflows import NAMESPACE, Workflow, gate_node

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)  # an hour after most events of tests/payloads.py
_FIELDS = {"outcome", "reason", "code", "event", "task", "gate", "workflow", "node"}
_SENTENCE = re.compile(r"[^\n\r\t]{10,1000}[.]")
STATUS = {"parked": 202, "ambiguous": 422, "incomplete": 422, "unavailable": 503, "forbidden": 500, "error": 500}


@dataclass(frozen=True)
class Reply:
    """An HTTP reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object in it."""
        data = json.loads(self.body)
        assert isinstance(data, dict)
        return data

    @property
    def outcome(self) -> str:
        return str(self.data["outcome"])

    @property
    def reason(self) -> str:
        return str(self.data["reason"])

    @property
    def task(self) -> str | None:
        """The id of the task that the event names."""
        task = self.data["task"]
        return task and str(task["id"])

    def check(self) -> None:
        """What every answer to an event promises, whatever came of it."""
        if self.status == 204:
            assert self.body == b""
            return
        data = self.data
        assert data.keys() - {"would"} == _FIELDS
        assert data["outcome"] in OUTCOMES
        assert _SENTENCE.fullmatch(data["reason"]), data["reason"]
        assert "Traceback" not in data["reason"]
        assert data["code"] in CODES
        assert data["code"] != "defect", "a defect"
        assert ("would" in data) == (data["outcome"] == "observed")
        if data["outcome"] == "invalid":
            assert self.status in (400, 401, 413, 415)
        else:
            assert self.status == STATUS.get(data["outcome"], 200)
        assert ("retry-after" in self.headers) == (self.status == 503)
        if self.status < 300:
            # A Knative Broker takes nothing else.
            event = from_http(self.headers, self.body)
            assert event.get_attributes()["specversion"] == "1.0"
            assert event["type"] == f"dev.taskgate.{data['outcome']}"
            assert event["source"] == "/taskgate"
            assert event["id"]
            assert datetime.fromisoformat(event["time"]) <= datetime.now(UTC)
            workflow = data["workflow"]
            subject = f"{workflow['namespace']}/{workflow['name']}" if workflow else None
            assert event.get("subject") == subject
            assert event.data == data
        assert self.headers["content-type"] == "application/json"


@dataclass
class Site:
    """A cluster, and the function that serves it."""

    cluster: EmbeddedCluster
    function: App
    ids: set[str] = field(default_factory=set)

    def send(self, request: Request, **more: str) -> Reply:
        """Post an event to the function.

        Args:
            request: headers and body, as tests/payloads.py makes them.
            more: further headers.
        """
        headers, body = request
        return self.request("POST", "/", headers | more, body)

    def send_all(self, requests: Iterable[Request]) -> list[Reply]:
        """Post events at once."""

        async def at_once() -> list[Reply]:
            return await asyncio.gather(*(self._ask("POST", "/", headers, [body]) for headers, body in requests))

        return asyncio.run(at_once())

    def request(self, method: str, path: str, headers: Mapping[str, str], *body: bytes) -> Reply:
        """Any request; the body in one piece or several."""
        return asyncio.run(self._ask(method, path, headers, list(body)))

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: list[bytes]) -> Reply:
        chunks = iter(body)

        async def receive() -> dict[str, Any]:
            chunk = next(chunks, b"")
            return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
        response = await self.function(HttpRequest(scope, receive))
        reply = Reply(response.status_code, dict(response.headers), bytes(response.body))
        if path == "/" and method == "POST":
            reply.check()
            self._check_id(reply)
        return reply

    def _check_id(self, reply: Reply) -> None:
        if 200 <= reply.status < 300 and reply.body:
            assert reply.headers["ce-id"] not in self.ids, "an id was given twice"
            self.ids.add(reply.headers["ce-id"])

    def calls(self) -> dict[str, int]:
        """How many API requests of each kind there were since the last time that this was asked."""
        counted: Counter[str] = Counter()
        while self.cluster.requests:
            method, target = self.cluster.requests.popleft()
            listed = target.partition("?")[0].endswith("/workflows")
            counted["LIST" if method == "GET" and listed else method] += 1
        return dict(counted)

    def load(self, *workflows: Workflow) -> None:
        """Put Workflows into the cluster, or in the place of those of that name; requests are counted from here."""
        for workflow in workflows:
            self.cluster.store.load(WORKFLOWS, workflow)
        self.cluster.requests.clear()

    def workflow(self, name: str = "play-task-3-workflow", namespace: str = NAMESPACE) -> Workflow:
        """A Workflow as it is now."""
        return self.cluster.store.get(WORKFLOWS, namespace, name).document

    def everything(self) -> dict[str, Workflow]:
        """All Workflows as they are now, by namespace and name."""
        found = (stored.document for stored in self.cluster.store.select(WORKFLOWS).items)
        return {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each for each in found}

    def phase(self, gate: str, name: str = "play-task-3-workflow") -> str:
        """The phase of a gate's node."""
        return str(gate_node(self.workflow(name), gate)["phase"])

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nothing is written, to no Workflow."""
        before = self.cluster.store.version
        yield
        assert self.cluster.store.version == before, "something was written"


def make_function(cluster: EmbeddedCluster, folder: Path, rules: str | None = None, **environment: str) -> App:
    """The function as it starts in a process, with the kubeconfig of the cluster and a clock that stands still.

    Args:
        rules: the text of gates.yaml; None for the rules built in.
        environment: further settings.
    """
    kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig")
    settings = {"KUBECONFIG": str(kubeconfig)} | environment
    if rules is not None:
        (folder / "gates.yaml").write_text(rules, encoding="utf-8")
        settings["TASKGATE_CONFIG"] = str(folder / "gates.yaml")
    function = build_app(settings)
    function._pipeline.clock = lambda: NOW
    return function


def built_in() -> str:
    """The text of the rules built in."""
    return BUILT_IN_RULES.read_text(encoding="utf-8")


def with_gates(gates: str, *, workflows: str = "", more: str = "") -> str:
    """The rules built in, with other gates.

    Args:
        gates: YAML of the gates, each line indented by two spaces.
        workflows: further lines of `workflows`, indented so too.
        more: further lines at the top.
    """
    before, rest = built_in().split("\ngates:", 1)
    _, after = rest.split("\noutputs:", 1)
    if workflows:
        before = before.replace("\ntask:", f"\n{workflows}\ntask:", 1)
    return f"{before}\ngates:\n{gates}\noutputs:{after}\n{more}\n"

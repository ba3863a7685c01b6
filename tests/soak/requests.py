"""Mutated requests: whatever comes in, one of the documented answers goes out, and no other task is touched."""

from __future__ import annotations

import asyncio
import gc
import http.client
import io
import json
import os
import random
import re
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

import func
from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.devcluster.store import Event
from tests.faults.process import Served
from tests.odd_workflows import ODD, OF_THE_GATE, made_odd
from tests.payloads import approved, cloudevent_structured
from tests.recorded_workflows import Workflow, compressed, fleet, nodes_of, waiting_workflow
from tests.service.site import Reply
from tests.soak import raw_http
from tests.soak.mutations import Case, Headers, Recipe, made
from tests.soak.report import Row

FIRST = 1_000  # requests, after which memory is measured
MAX_GROWTH = 1.2
_RESTORED_EVERY = 100  # requests, so that there is always something to open
_MAX_CORPUS = 2_000
_MAX_RECIPE = 6
_SENDERS = 8
_OF_THE_LARGEST = 5
_FUNC = str(Path(func.__file__).parent)
_BRANCH = re.compile(r"(?:feature/)?task-([0-9]+)(?:-.*)?", re.ASCII | re.DOTALL)
_LABEL = re.compile(r"task-([0-9]+)", re.ASCII | re.IGNORECASE)  # as on GitHub
_STATUSES = {200, 202, 204, 400, 401, 404, 405, 413, 415, 421, 422, 503}
# What a server of HTTP itself may say of bytes that never reach the function.
_OF_THE_SERVER = {100, 408, 414, 426, 431, 501, 505}


def workflows() -> list[Workflow]:
    """A fleet, and Workflows of every odd kind."""
    offloaded = waiting_workflow(8)
    del offloaded["status"]["nodes"]
    offloaded["status"]["offloadNodeStatusVersion"] = "fnv:1"
    stranger = waiting_workflow(9)
    stranger["metadata"]["labels"]["workflow-type"] = "other"
    return [
        *fleet(5),
        waiting_workflow(6, outputs={"pr-number": None, "approver": "nobody", "unknown": "é < & \u2028"}),
        compressed(waiting_workflow(7)),
        offloaded,
        stranger,
        waiting_workflow(10, name="generated-abc"),
        waiting_workflow(10, None, name="generated-old"),
        waiting_workflow(11, name="first-of-two"),
        waiting_workflow(11, name="second-of-two"),
        waiting_workflow(12, outputs={"unknown": None}),
    ]


class Lines:
    """The lines of the function that a request reached; those that reach others than before are worth keeping."""

    def __init__(self) -> None:
        self._reached: set[tuple[str, int]] = set()
        self._known: set[int] = set()

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Look at all threads that begin here, unless somebody else does already."""
        if sys.gettrace() or threading.gettrace():
            yield
            return
        threading.settrace(self._call)
        try:
            yield
        finally:
            threading.settrace(None)

    def is_new(self) -> bool:
        """Did the request reach a set of lines that none before it did?"""
        here = hash(frozenset(self._reached))
        self._reached.clear()
        is_new = here not in self._known
        if len(self._known) < 10_000:
            self._known.add(here)
        return is_new

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401, ARG002 - a trace function
        return self._line if frame.f_code.co_filename.startswith(_FUNC) else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401, ARG002 - a trace function
        self._reached.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


@dataclass
class Inside:
    """The function as the Functions Framework wraps it, in this process, with a cluster behind it."""

    cluster: EmbeddedCluster
    app: Any
    changes: list[Event] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)

    async def post(self, headers: Headers, body: bytes) -> Reply:
        """One request through the ASGI application."""
        sent: list[dict[str, Any]] = []
        left = [body]

        async def receive() -> dict[str, Any]:
            if left:
                return {"type": "http.request", "body": left.pop(), "more_body": False}
            await asyncio.sleep(3600)  # the sender waits for the answer
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/",
            "root_path": "",
            "query_string": b"",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
            "headers": [(name.lower(), value) for name, value in headers],
        }
        await self.app(scope, receive, send)
        start, *rest = sent
        found = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
        return Reply(start["status"], found, b"".join(each.get("body", b"") for each in rest))

    async def check(self, case: Case) -> None:
        """Send a case, and hold the answer and the cluster to what is promised."""
        self.changes.clear()
        headers, body = case.written()
        reply = await self.post(headers, body)
        assert reply.status in _STATUSES, reply
        reply.check()
        outcome = str(reply.data["outcome"]) if reply.body else "none (204)"
        assert outcome != "forbidden", reply.data
        assert outcome != "unavailable" or reply.data["code"] in ("offloaded", "api-unavailable"), reply.data
        self._check_log()
        changed = [change.new.document["metadata"]["name"] for change in self.changes if change.new]
        # One Workflow for an event, and those of tasks that it leaves or is ambiguous about: 5 at most, each once.
        assert len(set(changed)) == len(changed) <= 5
        for change in self.changes:
            assert outcome in ("opened", "parked", "withdrawn", "ignored", "refused", "already-open", "ambiguous"), (
                outcome
            )
            _check_change(change, reply, _named(headers, body))

    def _check_log(self) -> None:
        log = self.log.getvalue()
        self.log.seek(0)
        self.log.truncate()
        assert "Traceback" not in log, log
        for line in log.splitlines():
            assert line.startswith("{"), log
            json.loads(line)


def _check_change(change: Event, reply: Reply, named: set[str]) -> None:
    """Only the Workflow that the event names, one gate of it at most, and nothing that is not the function's."""
    assert change.old
    assert change.new
    old, new = change.old.document, change.new.document
    metadata = new["metadata"]
    is_main = reply.data["workflow"] is not None and reply.data["workflow"]["name"] == metadata["name"]
    assert metadata["name"] in named or metadata["labels"]["task-id"] in named, named
    assert new["spec"] == old["spec"]
    before, after = nodes_of(old), nodes_of(new)
    assert before.keys() == after.keys()
    opened = [identity for identity, node in before.items() if node["phase"] != after[identity]["phase"]]
    assert len(opened) == (is_main and reply.outcome == "opened")
    assert all((before[each]["phase"], after[each]["phase"]) == ("Running", "Succeeded") for each in opened)


def _named(headers: Headers, body: bytes) -> set[str]:
    """All that the request names, read as simply as can be: tasks of a pull request, or the Workflow of a release."""
    event: Any = json.loads(body or b"{}")
    first = reversed(headers)  # the first of a name counts
    attributes = {name.decode("latin-1").removeprefix("ce-"): value.decode("latin-1") for name, value in first}
    media_type = attributes.get("content-type", "")
    if media_type.strip().lower().startswith("application/cloudevents+json"):
        attributes = event
        event = event.get("data")
    if "workflow" in str(attributes.get("type")) or "apiserver" in str(attributes.get("type")):
        subject = unquote(str(attributes.get("subject") or ""))
        return {subject.rpartition("/")[2] or str(event.get("name")), str(event.get("name"))}
    pull = event["pull_request"]
    labels = [each for each in pull.get("labels") or () if isinstance(each, dict)]
    if event["action"] in ("labeled", "unlabeled"):
        labels.append(event.get("label") or {})  # what it comes to, or leaves
    matches = [_LABEL.fullmatch(_text(each.get("name"))) for each in labels]
    matches.append(_BRANCH.fullmatch(_text((pull.get("head") or {}).get("ref"))))
    return {match[1] for match in matches if match}


def _text(value: object) -> str:
    """What a pattern may match."""
    return value if isinstance(value, str) and len(value) < 256 else ""


@contextmanager
def inside(folder: Path) -> Iterator[Inside]:
    """The application and its cluster, while `with` lasts."""
    from functions_framework.aio import create_asgi_app

    with ExitStack() as stack:
        cluster = stack.enter_context(EmbeddedCluster(controller=False))
        cluster.store._history = deque(maxlen=10)  # what is measured is the function's memory
        settings = {"KUBECONFIG": str(cluster.write_kubeconfig(folder / "kubeconfig"))}
        stack.enter_context(patch.dict(os.environ, settings))
        app = create_asgi_app("taskgate", f"{_FUNC}/main.py", "http")  # type: ignore[no-untyped-call]
        found = Inside(cluster, app)
        stack.enter_context(redirect_stderr(found.log))
        stack.enter_context(_without_callbacks())
        _, subscription = cluster.store.snapshot(WORKFLOWS, found.changes.append)
        stack.callback(subscription.close)
        yield found


@contextmanager
def _without_callbacks() -> Iterator[None]:
    """Those of the garbage collector: in the depths of nested JSON, one of another library only says so in the log."""
    callbacks = gc.callbacks[:]
    gc.callbacks.clear()
    try:
        yield
    finally:
        gc.callbacks.extend(callbacks)


def prove(requests: int, folder: Path, seed: int = 1) -> list[Row]:
    """Nine of ten requests in this process, the others over a socket to a process of its own.

    Args:
        requests: how many in all.
        folder: for files.
    """
    over_sockets = requests // 10
    _inside(requests - over_sockets, folder, random.Random(seed))  # noqa: S311 - no secret
    outside = _outside(over_sockets, folder, random.Random(seed + 1))  # noqa: S311
    return [("in one process", f"{requests - over_sockets:,}"), *outside]


def _inside(requests: int, folder: Path, chance: random.Random) -> None:
    lines = Lines()
    corpus: list[Recipe] = []
    first = last = 0
    with inside(folder) as site, lines.traced(), asyncio.Runner() as runner:
        for number in range(requests):
            if number % _RESTORED_EVERY == 0:
                place, odd = chance.choice(OF_THE_GATE), chance.choice(ODD)
                for workflow in [*workflows(), made_odd(waiting_workflow(5), place, odd)]:
                    site.cluster.store.load(WORKFLOWS, workflow)
                site.cluster.requests.clear()
            if number == FIRST:
                first = _blocks()
            recipe = chance.choice(corpus) if corpus and chance.random() < 0.5 else (chance.getrandbits(48),)
            if chance.random() < 0.9 and len(recipe) < _MAX_RECIPE:
                recipe = (*recipe, chance.getrandbits(48))
            try:
                runner.run(site.check(made(recipe)))
            except Exception as error:
                error.add_note(f"request {number}, made by recipe {recipe}: {str(made(recipe))[:3000]}")
                raise
            if lines.is_new():
                if len(corpus) < _MAX_CORPUS:
                    corpus.append(recipe)
                else:
                    corpus[chance.randrange(_MAX_CORPUS)] = recipe
        last = _blocks()
    if requests > 5 * FIRST:
        assert last <= MAX_GROWTH * first, (first, last)


def _outside(requests: int, folder: Path, chance: random.Random) -> list[Row]:
    with EmbeddedCluster(controller=False) as cluster, ExitStack() as stack:
        for workflow in workflows():
            cluster.store.load(WORKFLOWS, workflow)
        settings = {"MALLOC_ARENA_MAX": "1"}  # as in the container
        served = stack.enter_context(Served(cluster.write_kubeconfig(folder / "kubeconfig"), **settings))
        senders = stack.enter_context(ThreadPoolExecutor(_SENDERS))
        # The largest come first, all at once: what is taken after that is a leak.
        largest = raw_http.framed(_largest())
        for _ in range(_OF_THE_LARGEST if requests > FIRST else 0):
            list(senders.map(lambda _: raw_http.send(served.port, largest), range(_SENDERS)))
        first, done = served.memory(), 0
        while done < requests:
            count = min(100, requests - done)
            cases = [made((chance.getrandbits(48), chance.getrandbits(48))) for _ in range(count)]
            sent = [
                raw_http.spoiled(case, chance) if chance.random() < 0.5 else raw_http.framed(case) for case in cases
            ]
            for answers in senders.map(lambda each: raw_http.send(served.port, each), sent):
                for status, text in answers:
                    assert status in _STATUSES | _OF_THE_SERVER, text
                    assert b"Traceback" not in text
                    assert b"failed on this event" not in text, text
            assert _is_up(served.port)
            done += count
            if done <= FIRST:
                first = served.memory()
        last = served.memory()
        cluster.store.load(WORKFLOWS, waiting_workflow(3))
        answer = served.send(cloudevent_structured(approved(), delivery="the-last"))
        assert answer
        assert json.loads(answer[2])["outcome"] == "opened"
        assert not served.tracebacks, "\n".join(served.log)
    if requests > 5 * FIRST:
        assert last <= MAX_GROWTH * first, (first, last)
    return [
        ("over sockets, half of them invalid HTTP", f"{requests:,}"),
        (f"memory after {FIRST:,} requests, at the end", f"{first >> 20} MiB, {last >> 20} MiB"),
    ]


def _largest() -> Case:
    payload = approved(labels=[f"{number}-{'x' * 4000}" for number in range(3000)])
    attributes = {"specversion": "1.0", "id": "largest", "source": "/soak", "type": "com.github.pull_request_review"}
    return Case(attributes, payload, is_structured=True)


def _is_up(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    return status == 200


def _blocks() -> int:
    """Of memory, that Python's objects of this process have."""
    gc.collect()
    return sys.getallocatedblocks()

"""A client that offers events at a steady rate, whatever comes back: `python -m tests.soak.client`.

A process of its own, so that it can keep its pace. It reads, as JSON, port, rate (events a second), indices (of the
events) and connections; it prints, as JSON, what came of each event.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.payloads import approved, cloudevent_structured, commented

_TASK, _DELIVERY = 987654321, "delivery-placeholder"
_HEAD = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\nContent-Length: %d\r\n\r\n"
)
_TICK = 0.01  # seconds
_PATIENCE = 30.0  # seconds without any answer
KINDS = 15


def kind_of(index: int) -> str:
    """What an event is: one in fifteen opens a gate, all others must not."""
    place = index % KINDS
    if place == 0:
        return "opens"
    return ("stranger", "no workflow", "again", "comment")[(place - 1) * 4 // (KINDS - 1)]


def delivery_of(index: int) -> str:
    """Its id. What is sent again has the id of the event that opened the gate."""
    return f"delivery-{index - index % KINDS if kind_of(index) == 'again' else index}"


def task_of(index: int) -> int:
    """The task that it names."""
    number = index // KINDS
    return {"opens": 1, "again": 1, "stranger": 2, "comment": 2, "no workflow": 3}[kind_of(index)] * 1_000_000 + number


def _templates() -> dict[str, tuple[bytes, bytes]]:
    payloads = {
        "opens": approved(task=_TASK),
        "again": approved(task=_TASK),
        "no workflow": approved(task=_TASK),
        "stranger": approved(task=_TASK, by="5DLabs-Tess"[::-1]),
        "comment": commented(task=_TASK),
    }
    return {
        kind: (
            _HEAD,
            cloudevent_structured(payload, delivery=_DELIVERY)[1],
        )
        for kind, payload in payloads.items()
    }


_TEMPLATES = _templates()


def request_of(index: int) -> bytes:
    """The whole HTTP request."""
    head, body = _TEMPLATES[kind_of(index)]
    body = body.replace(str(_TASK).encode(), str(task_of(index)).encode())
    body = body.replace(_DELIVERY.encode(), delivery_of(index).encode())
    return head % len(body) + body


@dataclass
class Answer:
    """What came of one event.

    Args:
        seconds: from the moment when it was written to its connection.
    """

    index: int
    status: int
    outcome: str
    retry_after: bool
    seconds: float


class _Connection(asyncio.Protocol):
    def __init__(self, client: Client) -> None:
        self._client = client
        self._received = bytearray()
        self._work: tuple[int, float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._client.idle.append(self)

    def send(self, index: int) -> None:
        self._work = index, time.monotonic()
        self._received.clear()
        self._transport.write(request_of(index))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or self._work is None:
            return
        lines = head.decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        if len(body) < int(headers["content-length"]):
            return
        (index, sent), self._work = self._work, None
        outcome = json.loads(body)["outcome"]
        status = int(lines[0].split()[1])
        self._client.answered(Answer(index, status, outcome, "retry-after" in headers, time.monotonic() - sent))
        if headers.get("connection") == "close":
            self._transport.close()
        else:
            self._client.idle.append(self)
            self._client.feed()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - it is that of a Protocol
        self._client.connections -= 1
        if self in self._client.idle:
            self._client.idle.remove(self)
        if self._work:
            index, sent = self._work
            self._client.answered(Answer(index, 0, "", retry_after=False, seconds=time.monotonic() - sent))


@dataclass
class Client:
    """Sends events when they are due, each on an idle connection or a new one.

    Args:
        limit: of connections; with all of them busy an event waits here.
    """

    port: int
    limit: int
    idle: list[_Connection] = field(default_factory=list)
    connections: int = 0
    answers: list[Answer] = field(default_factory=list)
    waiting: deque[int] = field(default_factory=deque)
    most_waiting: int = 0
    heard: float = field(default_factory=time.monotonic)

    def answered(self, answer: Answer) -> None:
        """One event is done."""
        self.answers.append(answer)
        self.heard = time.monotonic()

    def feed(self) -> None:
        """Give what waits to idle connections, and open new ones for the rest."""
        while self.waiting and self.idle:
            self.idle.pop().send(self.waiting.popleft())
        self.most_waiting = max(self.most_waiting, len(self.waiting))

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.port)
        except OSError:
            self.connections -= 1
        self.feed()

    async def run(self, indices: list[int], rate: float) -> dict[str, Any]:
        """All events at their times, then patience while answers come."""
        began = time.monotonic()
        opening: set[asyncio.Task[None]] = set()
        at = 0
        while len(self.answers) < len(indices) and time.monotonic() < self.heard + _PATIENCE:
            due = min(len(indices), int((time.monotonic() - began) * rate) + 1)
            while at < due:
                self.waiting.append(indices[at])
                at += 1
            self.feed()
            for _ in range(min(len(self.waiting), self.limit - self.connections)):
                self.connections += 1
                task = asyncio.create_task(self._open())
                opening.add(task)
                task.add_done_callback(opening.discard)
            await asyncio.sleep(_TICK)
        return {
            "seconds": time.monotonic() - began,
            "most_waiting": self.most_waiting,
            "connections": self.connections,
            "answers": [
                [each.index, each.status, each.outcome, each.retry_after, round(each.seconds, 4)]
                for each in self.answers
            ],
        }


def main() -> None:
    """Read, send, print."""
    spec = json.load(sys.stdin)
    client = Client(spec["port"], spec["connections"])
    print(json.dumps(asyncio.run(client.run(spec["indices"], spec["rate"]))))  # noqa: T201 - its result


if __name__ == "__main__":
    main()

"""Webhooks for the Workflows of tests/recorded_workflows.py: those that open their gates and those that must not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypedDict

from tests import payloads
from tests.cluster.installation import Installation
from tests.payloads import Payload
from tests.recorded_workflows import AGENTS

MakePayload = Callable[[int], Payload]  # of a task


class Own(TypedDict):
    """What makes an event one of now about one task: each has a pull request of its own, by its agent."""

    task: int
    number: int
    author: str
    happened: datetime


def of(task: int) -> Own:
    """The facts of an event that happens now."""
    author = f"{AGENTS[task % len(AGENTS)]}[bot]"
    return {"task": task, "number": task, "author": author, "happened": datetime.now(UTC)}


def name_of(task: int) -> str:
    """The name of its Workflow."""
    return f"play-task-{task}-workflow"


RIGHT: dict[str, MakePayload] = {
    "wait-pr-created": lambda task: payloads.opened(**of(task)),
    "wait-ready-for-qa": lambda task: payloads.labeled(**of(task)),
    "wait-pr-approved": lambda task: payloads.approved(**of(task)),
    "wait-pr-merged": lambda task: payloads.closed(**of(task)),
}
# Events that open nothing and leave no key, wherever the Workflow stands.
WRONG: dict[str, MakePayload] = {
    "a stranger approves": lambda task: payloads.approved(**of(task), by="octocat"),
    "the author approves": lambda task: payloads.approved(**of(task), by=of(task)["author"]),
    "an approval of an old commit": lambda task: payloads.approved(**of(task), reviewed=payloads.PUSHED),
    "an approval in a fork": lambda task: payloads.approved(**of(task), head_repository="octocat/cto"),
    "an approval in another repository": lambda task: payloads.approved(**of(task), repository="5dlabs/other"),
    "two tasks": lambda task: payloads.approved(**of(task), labels=[f"task-{task}", "task-9999"]),
    "a comment": lambda task: payloads.commented(**of(task)),
    "another label": lambda task: payloads.labeled("bug", **of(task)),
    "the author says ready": lambda task: payloads.labeled(**of(task), by=of(task)["author"]),
    "a push": lambda task: payloads.push(f"refs/heads/task-{task}-implementation"),
}


def send(
    installation: Installation, deliveries: Iterable[tuple[str, Payload]], per_second: float = 0
) -> dict[str, float]:
    """Delivers webhooks, four at a time; gives when each was sent (monotonic seconds).

    Args:
        deliveries: delivery id and payload.
        per_second: how many at most; 0 for as many as the EventSource takes.
    """
    sent: dict[str, float] = {}

    def one(delivery: tuple[str, Payload]) -> int:
        sent.setdefault(delivery[0], time.monotonic())
        return installation.deliver(delivery[1], delivery[0])

    begin = time.monotonic()
    with ThreadPoolExecutor(4) as senders:
        statuses = []
        for number, delivery in enumerate(deliveries):
            if per_second:
                time.sleep(max(0.0, begin + number / per_second - time.monotonic()))
            statuses.append(senders.submit(one, delivery))
        assert {status.result() for status in statuses} == {200}
    return sent

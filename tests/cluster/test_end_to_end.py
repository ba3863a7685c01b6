"""From a signed webhook of GitHub to an open gate, with everything real but the workflow-controller.

GitHub EventSource, JetStream, Sensor and function run from the objects that people apply, against the API server with
its RBAC and its admission policy.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypedDict

from tests import payloads
from tests.cluster.installation import Installation
from tests.cluster.watching import Gate, Watch
from tests.fleet import NAMESPACE, PIPELINE, waiting_workflow
from tests.payloads import Payload

MakePayload = Callable[[int], Payload]


class Own(TypedDict):
    """What makes an event one of today about one task; each task has a pull request of its own."""

    task: int
    number: int
    happened: datetime


def of(task: int) -> Own:
    return {"task": task, "number": task, "happened": datetime.now(UTC)}


# The event that opens each gate.
RIGHT: dict[str, MakePayload] = {
    "wait-pr-created": lambda task: payloads.opened(**of(task)),
    "wait-ready-for-qa": lambda task: payloads.labeled(**of(task)),
    "wait-pr-approved": lambda task: payloads.approved(**of(task)),
    "wait-pr-merged": lambda task: payloads.closed(**of(task)),
}
# Events that open nothing, each for a Workflow that stands at the gate it is about.
WRONG: dict[str, tuple[str, MakePayload]] = {
    "a stranger approves": ("wait-pr-approved", lambda task: payloads.approved(**of(task), by="octocat")),
    "the author approves": ("wait-pr-approved", lambda task: payloads.approved(**of(task), by=payloads.REX)),
    "an approval of an old commit": (
        "wait-pr-approved",
        lambda task: payloads.approved(**of(task), reviewed=payloads.PUSHED),
    ),
    "an approval of a fork": (
        "wait-pr-approved",
        lambda task: payloads.approved(**of(task), head_repository="octocat/cto"),
    ),
    "an approval in another repository": (
        "wait-pr-approved",
        lambda task: payloads.approved(**of(task), repository="5dlabs/other"),
    ),
    "a comment": ("wait-pr-approved", lambda task: payloads.commented(**of(task))),
    "two tasks": (
        "wait-pr-approved",
        lambda task: payloads.approved(**of(task), labels=[f"task-{task}", "task-9999"]),
    ),
    "another label": ("wait-ready-for-qa", lambda task: payloads.labeled("bug", **of(task))),
    "the author says ready": ("wait-ready-for-qa", lambda task: payloads.labeled(**of(task), by=payloads.REX)),
    "a push": ("wait-pr-merged", lambda task: payloads.push(f"refs/heads/task-{task}-implementation")),
}


def send(
    installation: Installation, deliveries: Iterable[tuple[str, Payload]], per_second: float = 0
) -> dict[str, float]:
    """Delivers webhooks, four at a time; gives when each was sent (monotonic seconds).

    Args:
        deliveries: delivery id and payload.
        per_second: how many at most; 0 as many as the EventSource takes.
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


def name_of(task: int) -> str:
    return f"play-task-{task}-workflow"


def answers(installation: Installation, deliveries: Iterable[str]) -> dict[str, list[str]]:
    """What the function said to each of these deliveries, one or more times."""
    found: dict[str, list[str]] = {delivery: [] for delivery in deliveries}
    for answer in installation.function.answers():
        if answer.get("event") in found:
            found[answer["event"]].append(answer["outcome"])
    return found


def test_200_signed_webhooks_open_the_gates_that_they_should_and_no_other(
    installation: Installation, measured: list[str]
) -> None:
    """The time is that from sending the webhook until a watch of the API server shows the open gate."""
    right = {task: PIPELINE[task % len(PIPELINE)] for task in range(1, 161)}
    wrong = {task: list(WRONG.values())[task % len(WRONG)] for task in range(161, 201)}
    gates = right | {task: gate for task, (gate, _) in wrong.items()}
    installation.create(*(waiting_workflow(task, gate) for task, gate in gates.items()))
    before = installation.open_gates()
    webhooks = [(f"e2e-{task}", RIGHT[gate](task)) for task, gate in right.items()]
    webhooks += [(f"e2e-{task}", make(task)) for task, (_, make) in wrong.items()]
    random.Random(1).shuffle(webhooks)  # noqa: S311 - the same order each time

    should: dict[Gate, str] = {(name_of(task), gate): f"e2e-{task}" for task, gate in right.items()}
    with Watch(installation.api.admin, NAMESPACE) as watch:
        sent = send(installation, webhooks, per_second=20)
        watch.wait_for_gates(*should)
        installation.wait_until_done()
    assert installation.open_gates() - before == should.keys()
    assert {len(moments) for moments in watch.opened.values()} == {1}
    took = [watch.opened[gate][0] - sent[delivery] for gate, delivery in should.items()]
    percentiles = statistics.quantiles(took, n=100)
    measured.append(
        f"200 webhooks in {max(sent.values()) - min(sent.values()):.1f} s; from the webhook to the open gate:"
        f" p50 {percentiles[49] * 1000:.0f} ms, p99 {percentiles[98] * 1000:.0f} ms"
    )
    assert percentiles[98] < 2
    assert installation.dead_letters() == []

"""kill -9 at random moments under load, with redelivery: nothing lost, nothing twice."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from func.core.signals import STATE_ANNOTATION
from func.core.workflows import PARKED_LABEL
from func.devcluster import WORKFLOWS, EmbeddedCluster
from tests.faults.argo_server import ArgoServer
from tests.faults.bad_day import GATE, RETRIED, Openings
from tests.faults.process import Served
from tests.payloads import Request, approved, cloudevent_structured, release_argo
from tests.recorded_workflows import NAMESPACE, Workflow, waiting_workflow
from tests.soak.report import Row

SENDERS = 6
MAX_TASKS = 6000
_LIFE = 0.4  # seconds at most from a start to the kill
_KINDS = ("at once", "early", "offloaded", "stranger")


@dataclass
class Site:
    """What a killed process leaves behind is all that there is."""

    cluster: EmbeddedCluster
    argo: ArgoServer
    openings: Openings
    served: Served
    up: threading.Event = field(default_factory=threading.Event)
    deliveries: int = 0
    unanswered: int = 0

    def deliver(self, request: Request) -> str:
        """Send until there is a final answer, as the Sensor does; returns its outcome."""
        while True:
            self.up.wait()
            self.deliveries += 1
            answer = self.served.send(request)
            if answer is None:
                self.unanswered += 1
            elif answer[0] not in RETRIED:
                return str(json.loads(answer[2])["outcome"])

    def workflow(self, task: int) -> Workflow:
        return self.cluster.store.get(WORKFLOWS, NAMESPACE, name_of(task)).document

    def reach(self, task: int) -> None:
        """The controller's part: the Workflow stands at the gate. It writes as the API server lets it."""

        def change(old: Workflow) -> Workflow:
            new = waiting_workflow(task, GATE)
            return old | {"spec": new["spec"], "status": new["status"]}

        self.cluster.store.change(WORKFLOWS, NAMESPACE, name_of(task), change)


def name_of(task: int) -> str:
    return f"play-task-{task}-workflow"


def kind_of(task: int) -> str:
    return _KINDS[task % len(_KINDS)]


def approval(task: int) -> Request:
    by = "somebody-else" if kind_of(task) == "stranger" else "5DLabs-Tess[bot]"
    return cloudevent_structured(approved(task=task, by=by), delivery=f"approval-{task}")


def work(site: Site, task: int) -> None:
    """One Workflow and its events, all redelivered until they are answered."""
    kind = kind_of(task)
    if kind == "offloaded":
        site.argo.load(waiting_workflow(task, GATE))
    else:
        site.cluster.store.load(WORKFLOWS, waiting_workflow(task, "wait-ready-for-qa" if kind == "early" else GATE))
    outcome = site.deliver(approval(task))
    expected = {"stranger": {"refused"}, "early": {"parked"}}.get(kind, {"opened", "duplicate"})
    assert outcome in expected, (task, kind, outcome)
    if kind == "early":
        site.reach(task)
        assert site.deliver(release_argo(NAMESPACE, name_of(task))) in ("opened", "ignored")
    if random.random() < 0.3:  # noqa: S311 - GitHub's own redelivery, by hand
        assert site.deliver(approval(task)) in ("duplicate", "refused")


def prove(kills: int, folder: Path) -> list[Row]:
    """Kill the process again and again while events come.

    Args:
        kills: how many.
        folder: for files.
    """
    with ExitStack() as stack:
        cluster = stack.enter_context(EmbeddedCluster(controller=False))
        argo = stack.enter_context(ArgoServer(cluster))
        openings = stack.enter_context(Openings(cluster))
        kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig")
        served = stack.enter_context(Served(kubeconfig, ARGO_SERVER=argo.url))
        site = Site(cluster, argo, openings, served)
        done = list(_under_load(site, lambda: _kill(site, kills)))
        _check(site, done)
        assert not served.tracebacks, served.tracebacks
        gates = sum(kind_of(task) != "stranger" for task in done)
        return [
            ("kill -9", f"{kills} times"),
            ("deliveries, and how many were interrupted", f"{site.deliveries:,}, {site.unanswered:,}"),
            ("gates, each opened exactly once by its own event", f"{gates:,}"),
        ]


def _under_load(site: Site, meanwhile: Callable[[], None]) -> Iterator[int]:
    """The tasks that were worked on while something happened."""
    numbers = itertools.count(1)
    stop = threading.Event()
    done: list[int] = []
    failures: list[BaseException] = []

    def send() -> None:
        try:
            while not stop.is_set():
                task = next(numbers)
                if task > MAX_TASKS:  # enough Workflows; what goes on is redelivery
                    site.deliver(approval(random.choice(done)))  # noqa: S311 - no secret
                else:
                    work(site, task)
                    done.append(task)
        except BaseException as failure:
            failures.append(failure)
            raise

    senders = [threading.Thread(target=send, name=f"sender-{number}") for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        meanwhile()
    finally:
        stop.set()
        site.up.set()
        for sender in senders:
            sender.join()
    assert not failures, failures
    yield from done


def _kill(site: Site, kills: int) -> None:
    for _ in range(kills):
        site.up.set()
        time.sleep(random.uniform(0, _LIFE))  # noqa: S311 - the random moment
        site.up.clear()
        site.served.kill()
        site.served.start()
    site.up.set()


def _check(site: Site, tasks: list[int]) -> None:
    for task in tasks:
        name, kind = name_of(task), kind_of(task)
        counted = site.argo.opened[name, GATE] if kind == "offloaded" else site.openings.of(name).get(GATE, 0)
        assert counted == (kind != "stranger"), f"{name} ({kind}) was opened {counted} times"
        metadata = site.workflow(task)["metadata"]
        assert PARKED_LABEL not in metadata["labels"], f"{name} still has a signal that waits"
        if kind != "stranger":
            (use,) = json.loads(metadata["annotations"][STATE_ANNOTATION])["used"]
            assert (use["gate"], use["id"], use.get("claimed", False)) == (GATE, f"approval-{task}", False)
    assert set(site.openings.counted) <= {(name_of(task), GATE) for task in tasks}


def prove_claims(kills: int, folder: Path) -> list[Row]:
    """Kill the process between the claim of an offloaded node and Argo Server's `set`, and between `set` and used.

    Args:
        kills: at each of the two places.
        folder: for files.
    """
    with ExitStack() as stack:
        cluster = stack.enter_context(EmbeddedCluster(controller=False))
        argo = stack.enter_context(ArgoServer(cluster))
        kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig")
        served = stack.enter_context(Served(kubeconfig, ARGO_SERVER=argo.url))
        for task in range(1, 2 * kills + 1):
            between_claim_and_set = task <= kills
            argo.load(waiting_workflow(task, GATE))
            request = cloudevent_structured(approved(task=task), delivery=f"approval-{task}")
            if between_claim_and_set:
                argo.before_set = lambda: _never_sent(served)
            else:
                argo.after_set = served.kill_from_outside
            assert served.send(request) is None
            argo.before_set = argo.after_set = lambda: None
            served.wait()
            assert argo.opened[name_of(task), GATE] == (not between_claim_and_set)
            served.start()
            again = request if task % 2 else release_argo(NAMESPACE, name_of(task))
            answer = served.send(again)
            assert answer
            assert json.loads(answer[2])["outcome"] == "opened"
            duplicate = served.send(request)
            assert duplicate
            assert json.loads(duplicate[2])["outcome"] == "duplicate"
            assert argo.opened[name_of(task), GATE] == 1
        return [
            ("kill -9 before and after `set`", f"{2 * kills} times"),
            ("finished later, exactly once", f"{2 * kills}"),
        ]


def _never_sent(served: Served) -> None:
    """Killed before the request was out: Argo Server knows nothing of it."""
    served.kill_from_outside()
    raise ConnectionAbortedError

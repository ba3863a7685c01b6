"""Each fault at each API call of each kind of event, until the sender has its last answer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Self

from func.core.workflows import PARKED_LABEL
from func.devcluster import WORKFLOWS, ApiError, EmbeddedCluster
from func.devcluster.store import Event, Subscription
from tests.faults import proxy
from tests.faults.proxy import Exchange, Fault, Plan, Proxy
from tests.payloads import Request, approved, cloudevent_structured, release_argo, synchronize
from tests.recorded_workflows import NAMESPACE, nodes_of, waiting_workflow
from tests.service.site import Reply, Site, make_function

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
GATE = "wait-pr-approved"
RETRIED = (401, 500, 503)  # and no answer, as our Sensor does
_RETRIES = 5
_MAX_SECONDS = 5.0  # in which the Sensor wants its answer
_SIDE_BY_SIDE = 12
_POLICY = "ValidatingAdmissionPolicy 'taskgate' with binding 'taskgate' denied request: only gates"


@dataclass(frozen=True)
class Trouble:
    """A fault, and what the sender is told at once: when it strikes one call, and when all later ones of its kind too.

    Args:
        reading, writing: the outcome for a call of that kind; None for what comes of the event without a fault.
        words: the API's own, which a sender who is refused must see.
    """

    name: str
    fault: Fault
    reading: tuple[str | None, str | None]
    writing: tuple[str | None, str | None]
    words: str = ""


def _refused(exchange: Exchange) -> None:
    """The call before a refused one: after it nobody listens any more."""
    response = exchange.forward()
    exchange.proxy.refuse()
    exchange.answer(response, last=True)


_AGAIN = (None, "unavailable")
_NEVER = ("forbidden", "forbidden")
_DONE = (None, None)
_BUSY = ("unavailable", "unavailable")
TROUBLES = (
    Trouble("connection refused", _refused, _BUSY, _BUSY),
    Trouble("cut before the request arrives", proxy.cut_before, _AGAIN, _AGAIN),
    Trouble("cut after it was done", proxy.cut_after, _AGAIN, _DONE),
    Trouble("half an answer", proxy.half_answer, _AGAIN, _DONE),
    Trouble("request arrives after the event's answer", proxy.slow_request, _AGAIN, _AGAIN),
    Trouble("answer beyond the timeout", proxy.slow_answer, _AGAIN, _DONE),
    Trouble("answer drips", proxy.dripping, _AGAIN, _DONE),
    Trouble("request doubled", proxy.twice, _DONE, ("doubled", "doubled")),
    Trouble("a page instead of JSON", proxy.garbage, _AGAIN, _AGAIN),
    Trouble("401", proxy.status(401, "Unauthorized", "Unauthorized"), _NEVER, _NEVER),
    Trouble("403", proxy.status(403, "Forbidden", "User cannot patch workflows"), _NEVER, _NEVER, "User cannot"),
    Trouble("404", proxy.status(404, "NotFound", "not found"), ("gone", "gone"), _AGAIN),
    Trouble("409", proxy.status(409, "Conflict", "the object has been modified"), _NEVER, _AGAIN),
    Trouble(
        "422, a test failed",
        proxy.status(422, "Invalid", "the server rejected our request due to an error in our request"),
        _NEVER,
        _AGAIN,
    ),
    Trouble("422, a policy says no", proxy.status(422, "Invalid", _POLICY), _NEVER, _NEVER, _POLICY),
    Trouble("429", proxy.status(429, "TooManyRequests", "too many requests"), _AGAIN, _BUSY),
    Trouble(
        "429, Retry-After: 1",
        proxy.status(429, "TooManyRequests", "too many requests", Retry_After="1"),
        _AGAIN,
        _BUSY,
    ),
    Trouble("500", proxy.status(500, "InternalError", "etcdserver: leader changed"), _AGAIN, _AGAIN),
    Trouble("503", proxy.status(503, "ServiceUnavailable", "apiserver is shutting down"), _AGAIN, _AGAIN),
)


@dataclass(frozen=True)
class Flow:
    """A kind of event.

    Args:
        calls: what it asks of the API.
        done: what comes of it.
        doubled: what comes of it when its write was done twice.
        opens: whether the gate is open in the end.
    """

    name: str
    calls: tuple[str, ...]
    done: str
    doubled: str
    opens: bool = True


_BY_LABELS = ("GET", "LIST", "GET", "PATCH")
FLOWS = (
    Flow("event", _BY_LABELS, "opened", "duplicate"),
    Flow("release", ("GET", "PATCH"), "opened", "ignored"),
    Flow("parking", _BY_LABELS, "parked", "parked"),
    Flow("withdrawal", _BY_LABELS, "withdrawn", "withdrawn", opens=False),
)


@dataclass(frozen=True)
class Case:
    """A fault at a call of an event.

    Args:
        call: its number, from 1 on.
        lasting: it strikes all later calls of that kind too, until the event is answered.
    """

    trouble: Trouble
    flow: Flow
    call: int
    lasting: bool

    def __str__(self) -> str:
        how_long = "from then on" if self.lasting else "once"
        return f"{self.trouble.name}, {how_long}, at call {self.call} ({self.kind}) of the {self.flow.name}"

    @property
    def kind(self) -> str:
        return self.flow.calls[self.call - 1]

    @property
    def expected(self) -> str:
        """What the sender is told at once."""
        told = (self.trouble.writing if self.kind == "PATCH" else self.trouble.reading)[self.lasting]
        if told == "gone":
            return self._when_gone()
        return {"doubled": self.flow.doubled, None: self.flow.done}.get(told, str(told))

    def _when_gone(self) -> str:
        """A read that says 404: the one by name is answered so anyway, a LIST never is, and the other is done again."""
        if self.flow.name == "release":
            return "ignored"
        if self.kind == "LIST":
            return "forbidden"
        return "unavailable" if self.lasting else self.flow.done

    @property
    def is_final(self) -> bool:
        """The sender of a release was told that there is no such Workflow, so that is the end of it."""
        return self.trouble.name == "404" and self.expected == "ignored"


def cases() -> Iterator[Case]:
    """All of them."""
    for trouble in TROUBLES:
        for flow in FLOWS:
            for call in range(1, len(flow.calls) + 1):
                if trouble.fault is not _refused:
                    yield Case(trouble, flow, call, lasting=False)
                yield Case(trouble, flow, call, lasting=True)


class Openings:
    """Counts how often the function opened each gate of each Workflow, as the API wrote it."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.counted: Counter[tuple[str, str]] = Counter()
        self.messages: dict[tuple[str, str], str] = {}
        self._subscription: Subscription = cluster.store.subscribe(WORKFLOWS, self._seen)

    def _seen(self, event: Event) -> None:
        if event.new is None or event.old is None:
            return
        before = nodes_of(event.old.document) if "nodes" in event.old.document["status"] else {}
        after = nodes_of(event.new.document) if "nodes" in event.new.document["status"] else {}
        for key, node in after.items():
            old = before.get(key, {}).get("phase")
            by_us = "taskgate" in node.get("message", "")
            if node["type"] == "Suspend" and node["phase"] == "Succeeded" != old and by_us:
                gate = event.new.name, node["displayName"]
                self.counted[gate] += 1
                self.messages[gate] = node.get("message", "")

    def of(self, name: str) -> dict[str, int]:
        """The gates of a Workflow that were opened, and how often; other threads count meanwhile."""
        return {gate: count for (workflow, gate), count in dict(self.counted).items() if workflow == name}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._subscription.close()


@dataclass(frozen=True)
class Result:
    """What the sender saw.

    Args:
        first: the answer while the fault was there.
        last: the answer after which it stopped.
        seconds: until the first.
    """

    case: Case
    first: Reply
    last: Reply
    seconds: float
    problems: tuple[str, ...]


class BadDay:
    """A cluster, a proxy before it and the function behind that.

    Args:
        cluster: of any number of these.
        call_timeout: seconds; None for what the function takes by itself.
    """

    def __init__(
        self, cluster: EmbeddedCluster, openings: Openings, folder: Path, call_timeout: float | None = None
    ) -> None:
        self.proxy = Proxy(cluster.port, drip_seconds=(call_timeout or 2.0) / 3)
        self._cluster = cluster
        self._openings = openings
        folder.mkdir(parents=True)
        kubeconfig = through(self.proxy, cluster, folder / "proxied")
        self._site = Site(cluster, make_function(cluster, folder, KUBECONFIG=str(kubeconfig)))
        # With shorter timeouts the function is done long before, unless the machine has much else to do.
        self._max_seconds = 60.0 if call_timeout else _MAX_SECONDS
        if call_timeout:
            self._site.function._pipeline.workflows.api.call_timeout = call_timeout

    def run(self, case: Case, task: int) -> Result:
        """One case, with a Workflow of its own.

        Args:
            task: which no other case has.
        """
        name = f"generated-{task}"
        request = self._prepare(case.flow, task, name)
        self.proxy.begin(self._plan(case))
        if case.trouble.fault is _refused and case.call == 1:
            self.proxy.refuse()
        began = monotonic()
        first = self._site.send(request)
        seconds = monotonic() - began
        if case.trouble.fault is _refused:
            self.proxy.listen_again()
        self.proxy.begin()
        self.proxy.deliver_late()
        last = first
        for _ in range(_RETRIES):
            if last.status not in RETRIED:
                break
            last = self._site.send(request)
        self._afterwards(case.flow, task, name)
        return Result(case, first, last, seconds, tuple(self._problems(case, name, first, last, seconds)))

    def _plan(self, case: Case) -> Plan:
        refused = case.trouble.fault is _refused
        strikes_at = case.call - 1 if refused else case.call
        struck: list[int] = []

        def plan(number: int, kind: str) -> Fault:
            # On a busy machine a call may be tried again, so that the ones behind it come later: its kind counts too.
            is_it = number == strikes_at if refused else number >= strikes_at and kind == case.kind and not struck
            if is_it:
                struck.append(number)
            strikes = is_it or (case.lasting and number > strikes_at and kind == case.kind)
            return case.trouble.fault if strikes else proxy.pass_on

        return plan

    def _prepare(self, flow: Flow, task: int, name: str) -> Request:
        """A Workflow as it is before the event; returns the event."""
        self.proxy.begin()
        approval = cloudevent_structured(approved(task=task))
        self._reach(GATE if flow.name == "event" else "wait-ready-for-qa", task, name)
        if flow.name in ("event", "parking"):
            return approval
        assert self._site.send(approval).outcome == "parked"
        if flow.name == "release":
            self._reach(GATE, task, name)
            return release_argo(NAMESPACE, name)
        return cloudevent_structured(synchronize(task=task))

    def _reach(self, gate: str, task: int, name: str) -> None:
        """The controller's part: the Workflow stands at the gate."""
        workflow = waiting_workflow(task, gate, name=name)
        with suppress(ApiError):  # none is there yet
            old = self._site.workflow(name)["metadata"]
            workflow["metadata"]["annotations"] = old.get("annotations", {})
            workflow["metadata"]["labels"] |= {
                label: value for label, value in old["labels"].items() if label == PARKED_LABEL
            }
        self._cluster.store.load(WORKFLOWS, workflow)

    def _afterwards(self, flow: Flow, task: int, name: str) -> None:
        """The gate is reached at the latest now, and whoever watches parked Workflows says so."""
        if flow.name in ("parking", "withdrawal"):
            self._reach(GATE, task, name)
            self._site.send(release_argo(NAMESPACE, name))

    def _problems(self, case: Case, name: str, first: Reply, last: Reply, seconds: float) -> Iterator[str]:
        if first.outcome != case.expected:
            yield f"{case}: {first.outcome} instead of {case.expected}, {first.reason}"
        if last.status in RETRIED:
            yield f"{case}: the sender never had an answer, {last.reason}"
        if seconds > self._max_seconds:
            yield f"{case}: it took {seconds:.1f} s"
        if case.trouble.words not in first.reason and first.outcome == "forbidden":
            yield f"{case}: {first.reason} does not say {case.trouble.words}"
        if "Retry-After: 1" in case.trouble.name and first.status == 503 and first.headers["retry-after"] != "1":
            yield f"{case}: Retry-After is {first.headers['retry-after']}"
        opened = self._openings.of(name)
        wanted = {GATE: 1} if case.flow.opens and not case.is_final else {}
        if opened != wanted:
            yield f"{case}: opened {opened} instead of {wanted}"

    def __enter__(self) -> Self:
        self.proxy.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.__exit__(None, None, None)


def through(way: Proxy, cluster: EmbeddedCluster, file: Path) -> Path:
    """A kubeconfig whose API server is the proxy before the cluster's."""
    cluster.write_kubeconfig(file)
    file.write_text(file.read_text(encoding="utf-8").replace(cluster.url, way.url), encoding="utf-8")
    return file


def run_all(cluster: EmbeddedCluster, chosen: Iterable[Case], folder: Path, call_timeout: float | None) -> list[Result]:
    """Cases side by side, since they wait most of the time."""
    local, starting = threading.local(), threading.Lock()
    with ExitStack() as stack, Openings(cluster) as openings:
        numbers = iter(range(1, 100_000))

        def own() -> None:
            with starting:  # modules that are loaded when they are used are not for several threads at once
                day = BadDay(cluster, openings, folder / f"day-{next(numbers)}", call_timeout)
                local.day = stack.enter_context(day)

        def run(numbered: tuple[int, Case]) -> Result:
            task, case = numbered
            day: BadDay = local.day
            return day.run(case, 1000 + task)

        with ThreadPoolExecutor(_SIDE_BY_SIDE, initializer=own) as threads:
            return list(threads.map(run, enumerate(chosen)))


_HEAD = """# Faults of the Kubernetes API

Each cell is the outcome that the sender gets within 5 s if a call to the Kubernetes API fails. After the slash, all
later calls of that kind fail too. After the sender's retries, the gate was opened exactly once, except for a
withdrawal, and for a release (a change of the Workflow) that gets 404.

- `done`: the outcome without the fault, such as `opened` or `parked`.
- `unavailable` (503) and `forbidden` (500): the sender retries. All others are final.

`make soak` tests each cell.

"""


def document() -> str:
    """Return the table of faults, in Markdown: what is expected, which each case proves. Equal rows are one."""
    rows: dict[str, list[str]] = {}
    for trouble in TROUBLES:
        cells = " | ".join(_cell(trouble, kind) for kind in ("GET", "LIST", "PATCH"))
        rows.setdefault(cells, []).append(trouble.name)
    lines = [f"| {'; '.join(names)} | {cells} |" for cells, names in rows.items()]
    return "\n".join([f"{_HEAD}| fault | GET | LIST | PATCH |", "| --- | --- | --- | --- |", *lines]) + "\n"


def _cell(trouble: Trouble, kind: str) -> str:
    """Return the outcomes at a kind of call: those of most flows, then those of the others."""
    flows: dict[str, dict[str, None]] = {}
    for flow in FLOWS:
        for call, each in enumerate(flow.calls, 1):
            if each == kind:
                flows.setdefault(_outcomes(trouble, flow, call), {})[flow.name] = None
    usual, *others = sorted(flows, key=lambda outcomes: -len(flows[outcomes]))
    return "; ".join([usual, *(f"{' and '.join(flows[each])}: {each}" for each in others)])


def _outcomes(trouble: Trouble, flow: Flow, call: int) -> str:
    """Return the outcome of a fault at one call and, if it differs, at all later ones too."""
    lasting = (True,) if trouble.fault is _refused else (False, True)
    outcomes = (Case(trouble, flow, call, lasting=each).expected for each in lasting)
    return " / ".join(dict.fromkeys("done" if each == flow.done else each for each in outcomes))


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")

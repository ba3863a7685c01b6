"""Warm: how long one event takes on a kept connection, some at a time, beside what the API server itself takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from tests.bench.api import Waiting
from tests.bench.contenders import BARE, BARE_APART, TASKGATE
from tests.bench.lab import FULL_CRD, Lab, drive_all
from tests.bench.wire import Job, Wire, connect

WARM, LARGE, FULL = "warm", "warm, large Workflows", "warm, full CRD"
# at a time -> events a round
_EVENTS = {1: 80, 8: 160, 32: 320}
_WARM_UP = 40
_KINDS = {"large": 4, "compressed": 4}
_FULL_KINDS = {"small": 40, "large": 2}
_LARGE_CASES = {"small": "4 kB", "large": "900 kB, 2,000 nodes", "compressed": "the same nodes, compressed"}
Peer = tuple[Callable[[], Wire], Callable[[Waiting], Job]]
"""How to connect to it, and what is sent for a Workflow."""


def at_once(count: int) -> str:
    """The name of the case."""
    return f"{count} at a time"


def large_case(kind: str) -> str:
    """The name of the case."""
    return _LARGE_CASES[kind]


def measure(lab: Lab, rounds: int) -> None:
    """Each contender in turn, each event for another Workflow; the functions run all the time."""
    with ExitStack() as stack:
        peers = _peers(lab, stack)
        for _ in range(rounds):
            for count, events in _EVENTS.items():
                for name, peer in peers.items():
                    if name == BARE_APART and count > 1:
                        continue  # the others keep the API server busy then
                    lab.attempt(WARM, name, partial(_round, lab, WARM, at_once(count), name, peer, count, events))


def measure_large(lab: Lab, rounds: int) -> None:
    """The same, one at a time, with Workflows of 900 kB."""
    with ExitStack() as stack:
        peers = _peers(lab, stack)
        for _ in range(rounds):
            for kind, events in _KINDS.items():
                for name, peer in peers.items():
                    if name == BARE_APART or (kind == "compressed" and name not in (TASKGATE, BARE)):
                        continue  # the function in Go can't read compressed ones
                    work = partial(_round, lab, LARGE, large_case(kind), name, peer, 1, events, kind)
                    lab.attempt(LARGE, name, work)


def measure_full(lab: Lab, rounds: int) -> None:
    """The same, one at a time, on an API server that has Argo's full CRD, as official installations of Argo 4."""
    with ExitStack() as stack:
        peers = _peers(lab, stack, FULL_CRD)
        for _ in range(rounds):
            for kind, events in _FULL_KINDS.items():
                for name in (TASKGATE, BARE):
                    work = partial(
                        _round, lab, FULL, large_case(kind), name, peers[name], 1, events, kind, server=FULL_CRD
                    )
                    lab.attempt(FULL, name, work)


def _peers(lab: Lab, stack: ExitStack, where: str = "shared") -> Mapping[str, Peer]:
    server = lab.server(where)
    peers: dict[str, Peer] = {}
    for contender in [lab.stage.taskgate(server.view), *lab.stage.go_function(server.view)]:
        port = stack.enter_context(lab.started(contender)).port
        peers[contender.name] = partial(connect, port), lab.approvals.job
    peers[BARE] = server.connect, partial(lab.approvals.bare, server=server)
    peers[BARE_APART] = server.connect, partial(lab.approvals.bare, server=server, apart=True)
    for name, (dial, job) in peers.items():
        jobs = [job(waiting) for waiting in server.add(_WARM_UP)]
        lab.attempt(WARM, name, partial(_warm_up, dial, jobs))
    return peers


def _warm_up(dial: Callable[[], Wire], jobs: Sequence[Job]) -> None:
    drive_all(dial, 4, jobs)


def _round(
    lab: Lab,
    scenario: str,
    case: str,
    name: str,
    peer: Peer,
    count: int,
    events: int,
    kind: str = "small",
    server: str = "shared",
) -> None:
    dial, job = peer
    jobs = [job(waiting) for waiting in lab.server(server).add(events, kind)]
    lab.figures.add(scenario, case, name, *drive_all(dial, count, jobs))

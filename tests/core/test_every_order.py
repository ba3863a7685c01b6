"""Every order in which GitHub's deliveries can arrive: no order opens a gate with a key that was taken back.

Each order is a way down a tree; at each step the gate is open exactly if it should be.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest

from func.core.aim import Aim
from tests.core.bench import Bench, aim_of, built_in
from tests.payloads import (
    HAPPENED,
    HEAD,
    PUSHED,
    Payload,
    approved,
    changes_requested,
    closed,
    dismissed,
    opened,
    synchronize,
)

REACHED = "the gate is reached"
FIRST, PUSH, DISMISSAL, NO, SECOND = "approved c1", "push c2", "dismissed", "changes requested c2", "approved c2"
EVENTS = (FIRST, PUSH, DISMISSAL, NO, SECOND)


def made(seconds: tuple[int, ...]) -> dict[str, Payload]:
    """The five events, at so many seconds."""
    first, push, dismissal, no, second = (HAPPENED + timedelta(seconds=each) for each in seconds)
    return {
        FIRST: approved(sha=HEAD, review_id=1001, happened=first),
        PUSH: synchronize(sha=PUSHED, before=HEAD, happened=push),
        # GitHub leaves the review's submitted_at as it was.
        DISMISSAL: dismissed(sha=PUSHED, reviewed=HEAD, review_id=1001, happened=first, updated=dismissal),
        NO: changes_requested(sha=PUSHED, review_id=1002, happened=no),
        SECOND: approved(sha=PUSHED, review_id=1003, happened=second),
    }


def is_due(delivered: frozenset[str], seconds: tuple[int, ...]) -> bool:
    """Is the newest word on the head, as far as it has come, a yes that was not taken back?

    The approval of c1 is taken back by the push, by its dismissal and by the changes requested later; the approval of
    c2 only by changes requested in the same second: GitHub's times are no finer, and then the no wins.
    """
    _, _, _, no, second = seconds
    if SECOND in delivered and not (NO in delivered and second <= no):
        return True
    return FIRST in delivered and not delivered & {PUSH, DISMISSAL, NO}


# All in one second, each in the next one, and each two neighbours in one second.
TIMES = [
    (0, 0, 0, 0, 0),
    (0, 1, 2, 3, 4),
    (0, 0, 1, 2, 3),
    (0, 1, 1, 2, 3),
    (0, 1, 2, 2, 3),
    (0, 1, 2, 3, 3),
    (0, 0, 1, 1, 1),
]


def ways(bench: Bench, aims: dict[str, Aim], left: frozenset[str], done: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Walk all orders of what is left from here.

    Yields: each order after which the bench is not as it should be.
    """
    for step in sorted(left):
        branch = bench.copy()
        if step == REACHED:
            branch.reach()
            branch.release()
        else:
            branch.deliver(aims[step])
        way = (*done, step)
        if REACHED not in way:
            assert branch.phase() is None
        elif branch.is_open != due(way, aims):
            yield way
        if not branch.is_open:  # what is open stays open
            yield from ways(branch, aims, left - {step}, way)


def due(way: tuple[str, ...], aims: dict[str, Aim]) -> bool:
    """Should the gate be open after this order? (It is open for good from the first moment in which it was due.)"""
    seconds = tuple(int((aims[name].event.facts.happened - HAPPENED).total_seconds()) for name in EVENTS)
    reached = way.index(REACHED) + 1
    return any(is_due(frozenset(way[:count]), seconds) for count in range(reached, len(way) + 1))


@pytest.mark.parametrize("seconds", TIMES, ids=lambda seconds: "-".join(map(str, seconds)))
def test_whatever_the_order_the_gate_opens_with_the_newest_word_on_the_head_only(seconds: tuple[int, ...]) -> None:
    aims = {name: aim_of(payload, built_in()) for name, payload in made(seconds).items()}
    wrong = list(ways(Bench.at("wait-ready-for-qa"), aims, frozenset({*EVENTS, REACHED}), ()))
    assert wrong == []


def test_an_open_gate_stays_open_and_its_key_used_whatever_comes_then() -> None:
    aims = {name: aim_of(payload, built_in()) for name, payload in made((0, 1, 2, 3, 4)).items()}
    for order in itertools.permutations(set(EVENTS) - {FIRST}):
        bench = Bench.at()
        assert bench.deliver(aims[FIRST]).outcome == "opened"
        opened = bench.document["status"]
        outcomes = [bench.deliver(aims[name]).outcome for name in order]
        assert set(outcomes) == {"already-open"}
        assert bench.document["status"] == opened
        assert bench.key_state() == "used"
        assert bench.deliver(aims[FIRST]).outcome == "duplicate"


PUSH_2, ON_2, PUSH_3, ON_3 = "push c2", "approved c2", "push c3", "approved c3"
C2, C3 = "2" * 40, "3" * 40


@pytest.mark.parametrize("seconds", [(0, 1, 2, 3), (0, 0, 1, 1), (0, 1, 1, 1), (0, 0, 0, 1), (0, 0, 0, 0)])
def test_of_two_pushes_only_an_approval_of_the_newest_counts(seconds: tuple[int, ...]) -> None:
    times = [HAPPENED + timedelta(seconds=each) for each in seconds]
    payloads = {
        PUSH_2: synchronize(sha=C2, before=HEAD, happened=times[0]),
        ON_2: approved(sha=C2, review_id=1, happened=times[1]),
        PUSH_3: synchronize(sha=C3, before=C2, happened=times[2]),
        ON_3: approved(sha=C3, review_id=2, happened=times[3]),
    }
    aims = {name: aim_of(payload, built_in()) for name, payload in payloads.items()}
    for order in itertools.permutations(payloads):
        bench = Bench.at("wait-ready-for-qa")
        for name in order:
            bench.deliver(aims[name])
        bench.reach()
        bench.release()
        # In one second nothing tells which push was the newer one, so that neither approval is taken.
        assert bench.is_open == (seconds[0] < seconds[3]), order
        if bench.is_open:
            assert bench.key()["head"] == C3, order


def test_a_push_back_to_an_older_commit_brings_no_approval_back() -> None:
    payloads = [
        approved(sha=HEAD, review_id=1, happened=HAPPENED),
        synchronize(sha=C2, before=HEAD, happened=HAPPENED + timedelta(seconds=1)),
        synchronize(sha=C3, before=C2, happened=HAPPENED + timedelta(seconds=2)),
        synchronize(sha=HEAD, before=C3, happened=HAPPENED + timedelta(seconds=3)),
    ]
    aims = [aim_of(payload, built_in()) for payload in payloads]
    for order in itertools.permutations(aims):
        bench = Bench.at("wait-ready-for-qa")
        for aim in order:
            bench.deliver(aim)
        assert bench.key_state() == "withdrawn"
        writes = bench.writes
        for aim in order:
            bench.deliver(aim)  # once more
        assert bench.writes == writes
        assert bench.deliver(approved(review_id=2, happened=HAPPENED + timedelta(seconds=4))).outcome == "parked"


A, B, A_CLOSED, A_AGAIN = "123 approved", "124 approved", "123 closed unmerged", "123 approved again"


def opener(way: tuple[str, ...], bound: int | None) -> str | None:
    """Which of the events opens the gate, when the deliveries of two pull requests come in this order.

    A closing frees the Workflow and takes away what its pull request brought up to then; a newer key takes the place
    of an older one; a Workflow that is bound takes the keys of its own pull request only.
    """
    happened = {A: 0, B: 1, A_CLOSED: 2, A_AGAIN: 3}
    is_closed, is_reached, key = False, False, None
    for step in way:
        is_reached |= step == REACHED
        if step == A_CLOSED:
            is_closed = True
            bound = None if bound == 123 else bound
            key = None if key == A else key
        elif step != REACHED:
            mine = 124 if step == B else 123
            if bound in (None, mine) and not (step == A and is_closed) and happened[step] >= happened.get(key or "", 0):
                key = step
        if key and is_reached:
            return key
    return None


@pytest.mark.parametrize("bound", [None, 123, 124])
def test_of_two_pull_requests_of_a_task_the_one_that_was_closed_opens_nothing_more(bound: int | None) -> None:
    seconds = {A: 0, B: 1, A_CLOSED: 2, A_AGAIN: 3}
    times = {name: HAPPENED + timedelta(seconds=each) for name, each in seconds.items()}
    payloads = {
        A: approved(number=123, review_id=1, happened=times[A]),
        B: approved(number=124, review_id=2, happened=times[B]),
        A_CLOSED: closed(number=123, merged=False, happened=times[A_CLOSED]),
        A_AGAIN: approved(number=123, review_id=3, happened=times[A_AGAIN]),
    }
    aims = {name: aim_of(payload, built_in()) for name, payload in payloads.items()}
    first = Bench.at("wait-pr-created")
    if bound:
        assert first.deliver(opened(number=bound, happened=HAPPENED - timedelta(minutes=1))).outcome == "opened"
    for count in range(2, 6):
        for way in itertools.permutations((*payloads, REACHED), count):
            bench = first.copy()
            for step in way:
                if step == REACHED:
                    bench.reach()
                    bench.release()
                else:
                    bench.deliver(aims[step])
            due_to = opener(way, bound)
            assert bench.is_open == (due_to is not None), way
            if due_to:
                assert bench.key()["event"] == aims[due_to].event.ref.id, way

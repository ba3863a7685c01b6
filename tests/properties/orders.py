"""What stands depends on the set of signals and on the moves of gates, never on the order in which signals came."""

from __future__ import annotations

import functools
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from func.core.cloud_event import Incoming
from func.core.events import read_event
from func.core.fold import fold
from func.core.intents import Plan, plan_event
from func.core.signals import State, read_state
from func.core.workflows import read_workflow
from tests.core.bench import GATE, STATE, Bench, built_in, rules_with
from tests.core.bench import plan_of as core_plan
from tests.model.github import Delivery, GitHub, PullRequest
from tests.model.specification import BUILT_IN, GATES, Life
from tests.payloads import (
    HAPPENED,
    Payload,
    approved,
    changes_requested,
    closed,
    dismissed,
    labeled,
    synchronize,
)
from tests.recorded_workflows import Workflow, gate_node
from tests.soak.report import Row

CROWD = rules_with(
    "  wait-pr-approved:\n"
    "    event: pull_request_review.submitted\n"
    "    review: approved\n"
    "    by: anyone\n"
    "    withdraw:\n"
    "    - {event: pull_request.synchronize}\n"
    "    - {event: pull_request_review.dismissed}\n"
    "    - {event: pull_request_review.submitted, review: changes_requested, by: anyone}"
)
EARLY = "wait-ready-for-qa"  # the gate before the one of the approval
# name -> action and detail of tests/model/github.py, in the order of time
EVENTS: dict[str, tuple[str, int]] = {
    "approved c1": ("approve", 0),
    "push c2": ("push", 0),
    "approved c2": ("approve", 0),
    "changes requested by another": ("refuse", 1),
    "dismissal": ("dismiss", 1),
    "label off": ("unlabel", 0),
    "label on": ("label", 2),
    "second label on": ("label", 1),
    "second label off": ("unlabel", 1),
    "closed": ("close", 0),
    "reopened": ("open", 1),
    "base changed": ("retarget", 0),
}


def plan_of(incoming: Incoming) -> Plan:
    event = read_event(incoming.ref, incoming.time, incoming.data, built_in(), Bench.at(EARLY).now)
    return plan_event(event, built_in())


def history(names: Sequence[str]) -> list[Delivery]:
    """What GitHub delivers of these events of one pull request, a second after one another.

    The dismissal is of the first approval where there is one, and of the approval of another day where there is none.
    """
    pull = PullRequest(31, "fix-typo", ["task-3"], state="open")
    github = GitHub([pull])
    if "dismissal" in names and not any(name.startswith("approved") for name in names):
        github.act("approve", 0, 0, HAPPENED - timedelta(seconds=1))
    github.deliveries.clear()
    for second, name in enumerate(EVENTS):
        if name in names:
            action, detail = EVENTS[name]
            if name == "dismissal":
                detail = len(pull.reviews) - 1 or 5  # no multiple of five: the account is still there
            if action == "unlabel" and len(pull.labels) <= detail:
                detail = 0

            delivery = getattr(github, f"_{action}")(pull, detail, HAPPENED + timedelta(seconds=second))
            if delivery:
                github.deliveries.append(delivery)
    return github.deliveries


@functools.cache
def _reached() -> Workflow:
    bench = Bench.at(EARLY)
    bench.reach()
    return bench.document


def reach(bench: Bench) -> None:
    """As `Bench.reach`, without reading the recording again."""
    metadata = bench.document["metadata"]
    both = {name: metadata[name] for name in ("annotations", "labels") if name in metadata}
    bench.document = _reached() | {"metadata": _reached()["metadata"] | both}


def remembered(bench: Bench) -> Any:  # noqa: ANN401
    """The annotation, but for when it was written; without the outputs' order."""
    state = json.loads(json.dumps(bench.state))
    for signal in state["signals"]:
        signal.pop("written", None)
    return state


def check_orders(deliveries: Sequence[Delivery], orders: Iterator[Sequence[int]]) -> int:
    """While no gate moves, each order with repeats ends in the same.

    Returns: how many orders.
    """
    plans = [plan_of(each.incoming) for each in deliveries]
    ends: list[Any] = []
    for order in orders:
        bench = Bench.at(EARLY)
        gate_node(bench.document, EARLY)["phase"] = "Pending"  # so that no gate moves
        for place in (*order, *order[::2]):
            bench.deliver(plans[place])
        end = [remembered(bench), bench.is_parked]
        reach(bench)
        bench.release()
        end += [bench.phase(), bench.used()]
        ends.append(end)
        assert end == ends[0], [deliveries[place] for place in order]
    return len(ends)


def check_time_order(deliveries: Sequence[Delivery]) -> int:
    """Each order of these, the gate reached before, between and after: the gate is as the specification has it.

    Returns: how many orders, times the places of the gate.
    """
    plans = [plan_of(each.incoming) for each in deliveries]
    return _walk(Bench.at(EARLY), [], plans, deliveries, is_reached=False)


def _walk(
    bench: Bench, done: list[int], plans: Sequence[Plan], deliveries: Sequence[Delivery], *, is_reached: bool
) -> int:
    count = 0
    if not is_reached:
        standing = bench.copy()
        reach(standing)
        standing.release()
        due = _life(bench, deliveries, done).due(GATE, bench.now)
        assert standing.is_open == bool(due), [deliveries[place] for place in done]
        assert standing.used() == [each.event.id for each in due], [deliveries[place] for place in done]
        if not standing.is_open:  # what is open stays open
            count += _walk(standing, done, plans, deliveries, is_reached=True)
    if len(done) == len(plans):
        return count + 1
    for place in set(range(len(plans))) - set(done):
        following = bench.copy()
        following.deliver(plans[place])
        if is_reached:
            life = _life(bench, deliveries, [*done, place])
            event = deliveries[place].event
            due = life.due(GATE, bench.now, event)
            assert following.is_open == bool(due), [deliveries[each] for each in (*done, place)]
            if following.is_open:
                count += 1
                continue
        count += _walk(following, [*done, place], plans, deliveries, is_reached=is_reached)
    return count


def _life(bench: Bench, deliveries: Sequence[Delivery], known: Sequence[int]) -> Life:
    """The specification's Workflow, to which these were delivered in the order of time, its gate not reached."""
    life = Life("play-task-3-workflow", "", "3", HAPPENED - timedelta(minutes=1), BUILT_IN)
    life.phases = dict.fromkeys(GATES[:2], "Succeeded")
    for place in sorted(known):
        event = deliveries[place].event
        if "3" in event.tasks | event.tasks_left:
            life.learn(event, bench.now)
        way = next((each for each in BUILT_IN if each.matches(event)), None)
        if way and event.tasks == {"3"} and way.accepts(event):
            life.deliver(event, way, bench.now)
    return life


def check_bounds(count: int, *, every: int) -> int:
    """Deliver many signals of many people and pull requests to one Workflow, with and without bounds.

    Args:
        every: how often what stands is compared with what stands for the set that was never pruned.

    Returns: how often something stood.
    """
    chosen = random.Random(count)  # noqa: S311
    bench = Bench.at(EARLY, CROWD)
    whole = State(read_workflow(bench.document).ref)
    stood = 0
    for number in range(count):
        plan = core_plan(_of_a_crowd(chosen, number), CROWD, bench.now)
        for intent in plan.intents:
            whole = whole.with_signal(intent.signal._replace(written=bench.now))
        bench.deliver(plan)
        text = bench.document["metadata"]["annotations"].get(STATE, "")
        assert len(text.encode()) <= 64 * 1024
        assert len(bench.signals()) <= 64
        if number % every == every - 1:
            kept = _standing(read_state(read_workflow(bench.document)), bench)
            assert kept <= _standing(whole, bench), number
            stood += bool(kept)
    return stood


def _of_a_crowd(chosen: random.Random, number: int) -> Payload:
    build = chosen.choices(
        [approved, dismissed, labeled, changes_requested, synchronize, closed], [200, 20, 5, 2, 1, 1]
    )[0]
    if build is dismissed:  # of one of the last reviews, or of one that was not delivered yet
        number = max(0, number + chosen.randint(-60, 5))
    own = random.Random(number)  # noqa: S311
    people = 5 if build is changes_requested else own.choice([5, 200])
    # Most deliveries are late or early by some.
    happened = HAPPENED + timedelta(seconds=max(0, number // 4 + own.randint(-40, 5)))
    facts: dict[str, Any] = {
        "number": 100 + own.randrange(4),
        "sha": f"{own.randrange(3):040x}",
        "by": f"person-{own.randrange(people)}",
        "happened": happened,
    }
    if build in (approved, changes_requested, dismissed):
        facts["review_id"] = number
    if build is dismissed:
        facts["updated"] = happened + timedelta(seconds=chosen.randint(0, 30))
    if build is closed:
        facts["merged"] = chosen.random() < 0.2
    payload: Payload = build(**facts)
    return payload


def _standing(state: State, bench: Bench) -> set[str]:
    """The signals that may open the gate now."""
    standings = fold(state, CROWD, GATE, bench.now).standings
    return {signal.id for standing in standings if standing.movers() for signal in standing.signals}


def subsets(size: int) -> list[tuple[str, ...]]:
    """All sets of up to so many of the events."""
    return [each for count in range(1, size + 1) for each in itertools.combinations(EVENTS, count)]


def prove(size: int = 5, signals: int = 10_000) -> list[Row]:
    """All of it."""
    stood = check_bounds(signals, every=signals // 20)
    every = subsets(size)
    orders = sum(check_time_order(history(names)) for names in every)
    return [
        (f"sets of up to {size} of {len(EVENTS)} events of one pull request", f"{len(every):,}"),
        ("orders of delivery", f"{orders:,}"),
        ("gates whose state depends on the order", "0"),
        ("signals on one Workflow, of 200 people and 4 pull requests, at most 64 kept", f"{signals:,}"),
        ("comparisons with the whole set in which a signal counts", f"{stood} of 20"),
    ]

"""What stands depends on the set of signals and on the moves of gates, never on the order in which signals came."""

from __future__ import annotations

import functools
import itertools
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from func.core.bounds import MAX_SIGNALS
from func.core.cloud_event import Incoming
from func.core.events import read_event
from func.core.fold import Identity, fold
from func.core.intents import Plan, plan_event
from func.core.rules import Rules
from func.core.signals import Signal, State, read_state
from func.core.situation import Situation as Known
from func.core.workflows import read_workflow
from tests.core.bench import GATE, NOW, STATE, Bench, rules_with
from tests.core.bench import plan_of as core_plan
from tests.model.github import PEOPLE, Delivery, GitHub, PullRequest, Review
from tests.model.machine import rules_of
from tests.model.specification import GATES, POLICIES, Event, Life, Policy
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
from tests.recorded_workflows import Workflow, waiting_workflow
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
# name -> action of tests/model/github.py and who does it, in the order of time
EVENTS: dict[str, tuple[str, int]] = {
    "approved c1": ("approve", 0),
    "push c2": ("push", 0),
    "approved c2": ("approve", 0),
    "changes requested by another": ("refuse", 1),
    "dismissal": ("dismiss", 0),
    "label off": ("unlabel", 0),
    "label on": ("label", 2),
    "second label on": ("label", 1),
    "second label off": ("unlabel", 1),
    "closed": ("close", 0),
    "reopened": ("open", 1),
    "base changed": ("retarget", 0),
}
ACTIONS = (
    *["approve"] * 5, *["refuse"] * 3, *["push", "dismiss", "label", "unlabel"] * 2,
    "close", "open", "retarget", "merge",
)  # fmt: skip


def history(names: Sequence[str]) -> list[Delivery]:
    """What GitHub delivers of these events of one pull request, a second after one another.

    Before the first of them, the pull request is such that each of them changes something. The dismissal is of the
    first approval, or of one of another day.
    """
    labels = [] if "label on" in names and "label off" not in names else ["task-3"]
    labels += ["task-4"] if "second label off" in names and "second label on" not in names else []
    was_closed = "reopened" in names and "closed" not in names
    pull = PullRequest(31, "fix-typo", labels, state="closed" if was_closed else "open")
    github = GitHub([pull])
    if "dismissal" in names and not any(name.startswith("approved") for name in names):
        pull.reviews.append(Review(1000, pull.commits[-1], PEOPLE[0], HAPPENED - timedelta(days=1)))
    for second, name in enumerate(EVENTS):
        if name in names:
            action, detail = EVENTS[name]
            if name == "dismissal":
                detail = len(pull.reviews) - 1 or 1  # no multiple of five: the account is still there
            elif action == "unlabel":
                detail = pull.labels.index(("task-3", "task-4")[detail])
            delivery = getattr(github, f"_{action}")(pull, detail, HAPPENED + timedelta(seconds=second))
            github.deliveries.append(delivery)
    return github.deliveries


def some_deliveries(chosen: random.Random, most: int) -> list[Delivery]:
    """What GitHub delivers of things that happen by chance to some pull requests, sometimes several in a second."""
    github, now = GitHub(), HAPPENED
    for pull in github.pulls:
        pull.state = "open"
    count, pulls = chosen.randint(3, most), chosen.choice([1, 1, 2, 8])
    while len(github.deliveries) < count:
        now += timedelta(seconds=chosen.randint(0, 2))
        github.act(chosen.choice(ACTIONS), chosen.randrange(pulls), chosen.randrange(24), now)
    return github.deliveries[:count]


def some_set(seed: int) -> tuple[list[Delivery], Policy]:
    """Up to 8 deliveries by chance, and the rules: the ones built in, or others with `quorum` and `then: fail`."""
    return some_deliveries(random.Random(seed), 8), POLICIES[("built-in", "strict")[seed % 2]]  # noqa: S311


def plan_of(incoming: Incoming, rules: Rules) -> Plan:
    """Return what an event is for."""
    return plan_event(read_event(incoming.ref, incoming.time, incoming.data, rules, NOW), rules)


@functools.cache
def _reached() -> Workflow:
    return waiting_workflow(3, GATE)


def start(rules: Rules) -> Bench:
    """A Workflow that has not reached the gate; the gates before it were opened by hand."""
    status = _reached()["status"]
    nodes = {key: node for key, node in status["nodes"].items() if node["displayName"] != GATE}
    return Bench(_reached() | {"status": status | {"nodes": nodes}}, rules)


def reach(bench: Bench) -> None:
    """The Workflow goes on to the gate."""
    bench.document = bench.document | {"status": _reached()["status"]}


@dataclass(eq=False)
class Situation:
    """A Workflow and what was delivered to it, however it came to that.

    Args:
        known: places of the deliveries that it knows.
        following: what happens next -> the situation after it.
    """

    bench: Bench
    known: frozenset[int]
    is_reached: bool = False
    following: dict[int | str, Situation] = field(default_factory=dict)

    @property
    def has_moved(self) -> bool:
        """Whether the gate has opened or failed."""
        return self.bench.phase() not in (None, "Running")

    @functools.cached_property
    def owners(self) -> set[str]:
        """The pull request that has moved the gate."""
        return {use["pull_request"] for use in self.bench.state["used"]}


class Orders:
    """All situations that some deliveries lead to, in any order and with repeats, each one visited once.

    What happens next depends on the situation alone. So all orders end in the same, if any two neighbours of an order
    can be exchanged in every situation, and if a delivery that is repeated changes nothing.

    A Workflow that belongs to a pull request keeps no events of others until that one is gone: there the order matters.

    Args:
        deliveries: in the order of time.
        policy: the rules.
    """

    def __init__(self, deliveries: Sequence[Delivery], policy: Policy = POLICIES["built-in"]) -> None:
        self.deliveries = deliveries
        self.situations: dict[tuple[object, ...], Situation] = {}
        self._ways, self._rules = policy.ways, rules_of(policy)
        self._plans = [plan_of(each.incoming, self._rules) for each in deliveries]
        self._lives: dict[frozenset[int], Life] = {}
        self._counts: dict[Situation, int] = {}
        self.start = self._found(start(self._rules), frozenset(), is_reached=False)
        for situation in self.situations.values():
            self._check_exchanges(situation)

    def _found(self, bench: Bench, known: frozenset[int], *, is_reached: bool) -> Situation:
        key = (json.dumps(bench.document, sort_keys=True), known, is_reached)
        if key not in self.situations:
            found = self.situations[key] = Situation(bench, known, is_reached)
            self._explore(found)
        return self.situations[key]

    def _explore(self, situation: Situation) -> None:
        """Let each thing happen that can happen next."""
        for place, plan in enumerate(self._plans):
            bench = situation.bench.copy()
            bench.deliver(plan)
            known = situation.known | {place}
            after = self._found(bench, known, is_reached=situation.is_reached)
            situation.following[place] = after
            stands = situation.is_reached and not situation.has_moved
            if stands:
                self._check_gate(after, self.deliveries[place].event)
            is_same = place in situation.known and not self._is_of_another(situation, place)
            if is_same and not (stands and after.has_moved):
                assert after is situation, f"repeating {self.deliveries[place]} after {self._of(situation)}"
        if situation.is_reached:
            bench = situation.bench.copy()
            bench.release()
            after = self._found(bench, situation.known, is_reached=True)
            if situation.has_moved:
                assert after is situation, f"a second gate was moved after {self._of(situation)}"
            else:
                self._check_gate(after)
                assert after is situation or after.has_moved
        else:
            bench = situation.bench.copy()
            reach(bench)
            situation.following["reach"] = self._found(bench, situation.known, is_reached=True)

    def _check_gate(self, after: Situation, event: Event | None = None) -> None:
        """The gate is as the specification has it, to which the same was told in the order of time."""
        due = self.life(after.known).due(GATE, NOW, event)
        assert after.has_moved == bool(due), f"{self._of(after)}, at the gate {event or 'a release'}"
        assert sorted(after.bench.used()) == sorted(each.event.id for each in due), self._of(after)

    def _check_exchanges(self, situation: Situation) -> None:
        """Two things in a row end in the same, whichever is first, where neither moves the gate."""
        for one, other in itertools.combinations(situation.following, 2):
            first = situation.following[one].following.get(other)
            second = situation.following[other].following.get(one)
            if (
                first
                and second
                and first.has_moved == second.has_moved == situation.has_moved
                and not self._is_of_another(situation, one, other)
            ):
                names = [str(self.deliveries[each]) if isinstance(each, int) else each for each in (one, other)]
                assert first is second, f"after {self._of(situation)}: {' and '.join(names)} in both orders"

    def _is_of_another(self, situation: Situation, *places: int | str) -> bool:
        """Whether the Workflow belongs to another pull request than the one of a delivery, or did."""
        pulls = {self.deliveries[place].event.pull for place in places if isinstance(place, int)}
        return bool(situation.owners) and not pulls <= situation.owners

    def _of(self, situation: Situation) -> list[Delivery]:
        return [self.deliveries[place] for place in sorted(situation.known)]

    def life(self, known: frozenset[int]) -> Life:
        """The specification's Workflow, to which these were told in the order of time, its gate not reached."""
        if known not in self._lives:
            life = Life("play-task-3-workflow", "", "3", HAPPENED - timedelta(minutes=1), self._ways)
            life.phases = dict.fromkeys(GATES[:2], "Succeeded")
            for place in sorted(known):
                event = self.deliveries[place].event
                if "3" in event.tasks | event.tasks_left:
                    life.learn(event, NOW)
                way = next((each for each in self._ways if each.matches(event)), None)
                if way and event.tasks == {"3"} and way.accepts(event):
                    life.deliver(event, way, NOW)
            self._lives[known] = life
        return self._lives[known]

    def check_later(self, order: Sequence[int]) -> None:
        """Minute by minute in this order, with repeats, all ends in the same but for when it was written."""
        bench, end = start(self._rules), self.start
        for place in (*order, *order[::2]):
            bench.now += timedelta(minutes=1)
            bench.deliver(self._plans[place])
            end = end.following[place]
        assert _unwritten(bench) == _unwritten(end.bench)

    def count(self, situation: Situation | None = None) -> int:
        """How many orders there are, times the places in them where the gate is reached."""
        situation = situation or self.start
        if situation not in self._counts:
            new = [each for what, each in situation.following.items() if what not in situation.known]
            self._counts[situation] = sum(map(self.count, new)) or 1
        return self._counts[situation]


def _unwritten(bench: Bench) -> Any:  # noqa: ANN401
    state = bench.state
    for signal in state["signals"]:
        signal.pop("written", None)
    return state, bench.is_parked


def check_bounds(count: int, *, every: int) -> int:
    """Deliver many signals of many people and pull requests to one Workflow, with and without bounds.

    Args:
        every: how often what stands is compared with what stands for the set that was never pruned: at the next moment
            at which something stands and the annotation is full.

    Returns:
        How many comparisons.
    """
    chosen = random.Random(count)  # noqa: S311
    bench = Bench.at("wait-ready-for-qa", CROWD)
    whole: dict[Identity, Signal] = {}
    compared = 0
    for number in range(count):
        plan = core_plan(_of_a_crowd(chosen, number), CROWD, bench.now)
        whole |= {intent.signal.identity: intent.signal._replace(written=bench.now) for intent in plan.intents}
        bench.deliver(plan)
        text = bench.document["metadata"]["annotations"].get(STATE, "")
        assert len(text.encode()) <= 64 * 1024
        assert len(bench.signals()) <= MAX_SIGNALS
        if number // every > compared and len(bench.signals()) == MAX_SIGNALS:
            kept = _standing(read_state(read_workflow(bench.document)), bench)
            if kept:
                compared += 1
                # Whether the others stand is of no interest, but they may revoke.
                signals = [each if each.id in kept else each._replace(gate=None) for each in whole.values()]
                state = State(read_workflow(bench.document).ref, tuple(signals))
                assert _standing(state, bench) == kept, f"after {number} signals"
    return compared


def _of_a_crowd(chosen: random.Random, number: int) -> Payload:
    build = chosen.choices(
        [approved, dismissed, labeled, changes_requested, synchronize, closed], [200, 20, 5, 3, 5, 2]
    )[0]
    if build is dismissed:  # of one of the last reviews, or of one that was not delivered yet
        number = max(0, number + chosen.randint(-60, 60))
    own = random.Random(number)  # noqa: S311
    people = 5 if build is changes_requested else own.choice([5, 200])
    # Most deliveries are late or early by some, and some of them by much.
    late = own.choice([40, 40, 40, 400])
    happened = HAPPENED + timedelta(seconds=max(0, number // 4 + own.randint(-late, 5)))
    facts: dict[str, Any] = {
        "number": own.choices([100, 101, 102, 103, 104], [20, 20, 5, 2, 1])[0],
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
    standings = fold(Known(CROWD, read_workflow(bench.document), state, bench.now), GATE).standings
    return {signal.id for standing in standings if standing.movers() for signal in standing.signals}


def subsets(size: int) -> list[tuple[str, ...]]:
    """All sets of up to so many of the events."""
    return [each for count in range(1, size + 1) for each in itertools.combinations(EVENTS, count)]


def prove(size: int = 5, sets: int = 200, signals: int = 10_000) -> list[Row]:
    """All of it."""
    every, orders = subsets(size), 0
    for names in every:
        found = Orders(history(names)).count()
        assert found == math.factorial(len(names)) * (len(names) + 1), names
        orders += found
    random_orders = sum(Orders(*some_set(seed)).count() for seed in range(sets))
    return [
        (
            f"orders of up to {size} of {len(EVENTS)} events",
            f"{orders:,}",
        ),
        (f"orders of {sets:,} sets of 3 to 8 random events", f"{random_orders:,}"),
        ("signals on one Workflow, which keeps 64", f"{signals:,}"),
        (
            "comparisons of a full annotation with the whole set",
            f"{check_bounds(signals, every=signals // 200)}",
        ),
    ]

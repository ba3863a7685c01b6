"""The function and the model side by side, step by step."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from func.core.state import State
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from func.core.cloud_event import Incoming
from func.core.outcomes import Answer, EventRef
from func.service.pipeline import Case, Pipeline
from func.service.settings import read_rules
from tests.model.cluster import PARKED, Cluster, Document, Killed, phases, state_of
from tests.model.github import Delivery, GitHub
from tests.model.specification import EXPIRY, GATES, Life, Model
from tests.payloads import HAPPENED, REPOSITORY
from tests.recorded_workflows import NAMESPACE

TASKS = ("3", "4")
MAX_ANNOTATION = 16 * 1024  # bytes
RULES = read_rules(None)
SEEN: Counter[str] = Counter()  # outcomes of all runs, so that one can see that all of them came


class Operation(Protocol):
    """Something that happens to the cluster, then to the model."""

    is_event: bool

    def run(self) -> Answer | None:
        """Let it happen in the cluster."""

    def expect(self, answer: Answer | None) -> None:
        """Let it happen in the model, and compare."""


@dataclass
class World:
    """The cluster, the function, the model, and the time that it is for all of them."""

    now: datetime = HAPPENED
    cluster: Cluster = field(default_factory=Cluster)
    model: Model = field(default_factory=Model)
    github: GitHub = field(default_factory=GitHub)
    together: set[str] = field(default_factory=set)  # uids of Workflows whose gates do not wait for one another
    is_whole: bool = True  # no step has failed
    _checked: dict[str, Document] = field(default_factory=dict)
    _copies: int = 0

    def __post_init__(self) -> None:
        self.pipeline = Pipeline(RULES, self.cluster.workflows, clock=lambda: self.now)

    def handle(self, incoming: Incoming) -> Answer:
        """What the function answers."""
        answer = self.pipeline.handle(Case(incoming))
        SEEN[answer.outcome] += 1
        return answer

    def live(self, which: int) -> Life | None:
        """One of the Workflows."""
        lives = list(self.model.lives.values())
        return lives[which % len(lives)] if lives else None

    def create(self, name: str, task: str, *, together: bool, like: Life | None = None) -> None:
        """A new Workflow, or a copy of one."""
        self.now += timedelta(seconds=1)
        original = self.cluster.documents[like.name] if like else None
        document = self.cluster.create(name, task, self.now, original)
        uid = document["metadata"]["uid"]
        copied = (*like.copied, tuple(like.history)) if like else ()
        self.model.lives[name] = Life(name, uid, task, self.now, phases(document), copied=copied)
        if together:
            self.together.add(uid)

    def resubmit(self, life: Life) -> None:
        """A copy under another name, as `argo resubmit` makes it."""
        self._copies += 1
        name = f"play-task-{life.task}-workflow-{self._copies}"
        self.create(name, life.task, together=life.uid in self.together, like=life)

    def do(self, operation: Operation) -> None:
        """One thing after another."""
        self.is_whole = False
        before = dict(self.cluster.documents)
        answer = operation.run()
        operation.expect(answer)
        self.check(before, answer)

    def race(self, outer: Operation, inner: Operation) -> None:
        """The inner operation happens between the outer one's reading and its first write."""
        self.is_whole = False
        before = dict(self.cluster.documents)
        answers: list[Answer | None] = []

        def interfere() -> None:
            answers.append(inner.run())
            self._check_traces(before, answers[0])
            before.clear()
            before.update(self.cluster.documents)
            self.cluster.written.clear()

        self.cluster.before_write = interfere
        answer = outer.run()
        self.cluster.before_write = None
        if not answers:  # the outer one wrote nothing
            outer.expect(answer)
        elif self.cluster.written[0] and not inner.is_event:
            # It was not disturbed, so that it was the first of the two.
            outer.expect(answer)
            inner.expect(answers[0])
        else:
            inner.expect(answers[0])
            outer.expect(answer)
        self.check(before, answer)

    def kill(self, operation: Operation, *, written: bool) -> None:
        """The function is killed at its first write, when that is done or before; nobody gets an answer."""
        self.is_whole = False
        before = dict(self.cluster.documents)

        def die() -> None:
            raise Killed

        answer = None
        if written:
            self.cluster.after_write = die
        else:
            self.cluster.before_write = die
        try:
            answer = operation.run()
            operation.expect(answer)
        except Killed:
            if written:
                operation.expect(None)
        self.cluster.before_write = self.cluster.after_write = None
        self.check(before, answer, is_heard=answer is not None)

    def check(self, before: dict[str, Document], answer: Answer | None, *, is_heard: bool = True) -> None:
        """All that holds after every step."""
        assert self.cluster.documents.keys() == self.model.lives.keys()
        if is_heard:
            self._check_traces(before, answer)
        for name, life in self.model.lives.items():
            document = self.cluster.documents[name]
            if document is self._checked.get(name):
                continue
            self._checked[name] = document
            assert phases(document) == life.phases
            text = state_of(document)
            assert len(text or "") < MAX_ANNOTATION
            if text:
                assert State.model_validate_json(text).text() == text
                self._check_state(life, document, json.loads(text))
        self.is_whole = True

    def _check_traces(self, before: dict[str, Document], answer: Answer | None) -> None:
        """A key that waited is still there, whatever became of it, or the answer says what did."""
        for name, document in self.cluster.documents.items():
            if document is not before.get(name, document):
                _compare_keys(_keys_of(before[name]), _keys_of(document), answer.reason if answer else "")

    def _check_state(self, life: Life, document: Document, state: Document) -> None:
        if state["uid"] != life.uid:
            return  # the function did not write to this copy yet
        keys = state["keys"]
        waiting = {gate: key["event"] for gate, key in keys.items() if key["state"] == "waiting"}
        used = {gate: key["event"] for gate, key in keys.items() if key["state"] == "used"}
        assert (document["metadata"]["labels"].get(PARKED) == "true") == bool(waiting)
        assert PARKED not in document["metadata"]["labels"] or waiting
        due = {kept.gate: kept.event.id for kept in life.waiting(self.now)}
        assert due.items() <= waiting.items()
        for gate, event in waiting.items():
            # A key that expired is taken away when somebody looks.
            fates = [life.fate(place, self.now) for place, kept in life.kept() if kept.event.id == event]
            assert due.get(gate) == event or "expired" in fates
        events = {gate: life.used(gate) for gate in GATES}
        assert used == {gate: event.id for gate, event in events.items() if event}
        assert len(set(used.values())) == len(used), "two gates for one event"
        mine = life.pull_request()
        assert state["pull_request"] == (f"{REPOSITORY}#{mine}" if mine else None)


def _keys_of(document: Document) -> Document:
    """The keys on a Workflow by gate; none where the function did not write to it."""
    state = json.loads(state_of(document) or "{}")
    keys: Document = state["keys"] if state.get("uid") == document["metadata"]["uid"] else {}
    return keys


def _compare_keys(old: Document, new: Document, reason: str) -> None:
    for gate, key in old.items() if new else ():
        is_same = new[gate]["event"] == key["event"]
        if key["state"] == "waiting" and not is_same:
            (number,) = re.findall(r"d\d{3}", key["event"])
            assert number in reason, f"no trace of {key['event']}"
        if key["state"] in ("withdrawn", "used") and is_same:
            assert new[gate]["state"] == key["state"], "what was taken away or used comes back"


@dataclass
class Deliver:
    """An event comes in."""

    world: World
    delivery: Delivery
    is_event = True

    def run(self) -> Answer:
        self.before = dict(self.world.cluster.documents)
        return self.world.handle(self.delivery.incoming)

    def expect(self, answer: Answer | None) -> None:
        outcome, life = self.world.model.deliver(self.delivery.event, self.world.now)
        if answer is None:
            return
        assert answer.outcome == outcome, f"{answer.outcome}, expected {outcome}: {answer.reason}"
        assert (answer.workflow.uid if answer.workflow else None) == (life.uid if life else None)
        if answer.task and outcome != "ambiguous":
            assert {answer.task.id} == self.delivery.event.tasks
        if outcome == "opened":
            assert answer.gate == self.delivery.event.gate


@dataclass
class Release:
    """A Workflow with waiting keys has changed; so it is said at least."""

    world: World
    name: str
    is_event = True

    def run(self) -> Answer:
        reference = EventRef("r", "io.argoproj.workflow.updated", "parked-workflows")
        return self.world.handle(Incoming(reference, self.world.now, f"{NAMESPACE}/{self.name}", {}))

    def expect(self, answer: Answer | None) -> None:
        life = self.world.model.lives.get(self.name)
        allowed = life.release(self.world.now) if life else []
        if life and allowed:
            opened = [gate for gate in allowed if phases(self.world.cluster.documents[self.name])[gate] == "Succeeded"]
            assert len(opened) == 1
            assert answer is None or (answer.outcome, answer.gate) == ("opened", opened[0]), answer
            life.use(opened[0], self.world.now)
        elif answer:
            assert answer.outcome == "ignored", answer


@dataclass
class Step:
    """The controller or a person gives a gate its phase.

    Args:
        ends: the phase of the whole Workflow, where it ends with this.
    """

    world: World
    name: str
    gate: str | None
    phase: str
    ends: str | None = None
    is_event = False

    def run(self) -> None:
        if self.gate:
            self.world.cluster.set_phase(self.name, self.gate, self.phase)
        if self.ends:
            self.world.cluster.end(self.name, self.ends, self.world.now)

    def expect(self, answer: Answer | None) -> None:
        assert answer is None
        life = self.world.model.lives[self.name]
        if self.gate:
            life.phases[self.gate] = self.phase
        life.is_finished |= self.ends is not None


@dataclass
class Recreate:
    """A Workflow is deleted, and perhaps one of the same name is created."""

    world: World
    life: Life
    again: bool
    is_event = False

    def run(self) -> None:
        world = self.world
        del world.cluster.documents[self.life.name]
        del world.model.lives[self.life.name]
        if self.again:
            world.create(self.life.name, self.life.task, together=self.life.uid in world.together)

    def expect(self, answer: Answer | None) -> None:
        assert answer is None


def controller(world: World, life: Life, detail: int) -> Step | None:
    """What Argo's controller does next with a Workflow; None where it has nothing to do."""
    if life.is_finished:
        return None
    for gate, phase in life.phases.items():
        if phase == "Pending":
            return Step(world, life.name, gate, "Running")
    is_open = all(phase == "Succeeded" for phase in life.phases.values())
    following = [gate for gate in GATES if gate not in life.phases]
    if following and (is_open or life.uid in world.together):
        return Step(world, life.name, following[0], ("Running", "Running", "Running", "Pending")[detail % 4])
    return Step(world, life.name, None, "", ends="Succeeded") if is_open else None


def by_hand(world: World, life: Life, detail: int) -> Step | None:
    """A person opens a gate, or stops it."""
    running = [gate for gate, phase in life.phases.items() if phase == "Running"]
    if not running or life.is_finished:
        return None
    gate = running[detail % len(running)]
    if detail % 8 == 7:
        return Step(world, life.name, gate, "Failed", ends="Failed")
    if detail % 8 == 6:
        return Step(world, life.name, gate, "Skipped")
    return Step(world, life.name, gate, "Succeeded")


WHICH = st.integers(0, 15)
# What happens, as often as it stands here.
KINDS = (
    *["happens on GitHub, and is told at once"] * 9,
    *["happens on GitHub"] * 5,
    *["an event is delivered"] * 6,
    *["a release"] * 3,
    *["the controller goes on"] * 6,
    *["two things at once"] * 4,
    *["the function is killed"] * 2,
    *["time goes by"] * 3,
    "a release is raced",
    "somebody opens by hand",
    "Workflows come and go",
)
ACTIONS = (
    *["approve"] * 6, *["label"] * 5, *["push"] * 3, *["merge"] * 2, *["dismiss"] * 2, *["unlabel"] * 2, "close",
    "close", "open", "refuse", "comment",
)  # fmt: skip
SECONDS = (1, 1, 60, 240, 400, 1, int(EXPIRY.total_seconds()) + 3600)


class Machine(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(together=st.booleans(), both=st.booleans())
    def begin(self, *, together: bool, both: bool) -> None:
        self.world.create("play-task-3-workflow", "3", together=together)
        if both:
            self.world.create("play-task-4-workflow", "4", together=not together)

    @rule(kind=st.sampled_from(KINDS), which=WHICH, other=st.integers(0, 239), detail=st.integers(0, 23))
    def step(self, kind: str, which: int, other: int, detail: int) -> None:  # noqa: C901 - one case each
        world = self.world
        life = world.live(which)
        match kind:
            case "happens on GitHub" | "happens on GitHub, and is told at once":
                self._github(which, other, detail, at_once=kind.endswith("at once"))
            case "an event is delivered":
                self._do(self._delivery(which))
            case "time goes by":
                world.now += timedelta(seconds=SECONDS[which % len(SECONDS)])
            case "two things at once":
                self._race(which, other, detail)
            case _ if life is None:
                missing = TASKS[which % len(TASKS)]
                world.create(f"play-task-{missing}-workflow", missing, together=detail % 2 == 0)
            case "a release":
                self._release(life)
            case "the controller goes on":
                self._do(controller(world, life, detail))
            case "somebody opens by hand":
                self._do(by_hand(world, life, detail))
            case "a release is raced":
                if step := by_hand(world, life, detail) or controller(world, life, detail):
                    world.race(Release(world, life.name), step)
            case "the function is killed":
                operation = Release(world, life.name) if detail % 3 == 0 else self._delivery(which)
                if operation:
                    world.kill(operation, written=other % 2 == 0)
            case _:
                self._come_and_go(life, detail)

    def _do(self, operation: Operation | None) -> None:
        if operation:
            self.world.do(operation)

    def _github(self, which: int, other: int, detail: int, *, at_once: bool) -> None:
        self.world.now += timedelta(seconds=other // len(ACTIONS) % 3)
        delivery = self.world.github.act(ACTIONS[other % len(ACTIONS)], which, detail, self.world.now)
        if delivery and at_once:
            self.world.do(Deliver(self.world, delivery))

    def _release(self, life: Life) -> None:
        self.world.do(Release(self.world, life.name))
        document = self.world.cluster.documents[life.name]
        is_parked = bool(life.waiting(self.world.now))
        assert (PARKED in document["metadata"]["labels"]) == is_parked
        running = [gate for gate, phase in life.phases.items() if phase == "Running"]
        if not {kept.gate for kept in life.waiting(self.world.now)} & set(running):
            self.world.do(Release(self.world, life.name))
            assert self.world.cluster.documents[life.name] is document, "a release with nothing to do wrote something"

    def _race(self, which: int, other: int, detail: int) -> None:
        outer = self._delivery(which)
        if outer is None:
            return
        target = self.world.model.find(min(outer.delivery.event.tasks, default=""))
        life = target if isinstance(target, Life) else self.world.live(other)
        inner: Operation | None
        match other % 8:
            case 0 | 1 | 2:
                inner = self._delivery(other // 8)
            case _ if life is None:
                inner = None
            case 3:
                inner = Release(self.world, life.name)
            case 4 | 5:
                inner = controller(self.world, life, detail)
            case 6:
                inner = by_hand(self.world, life, detail)
            case _:
                inner = Recreate(self.world, life, again=detail % 2 == 0)
        if inner:
            self.world.race(outer, inner)

    def _come_and_go(self, life: Life, detail: int) -> None:
        match detail % 6:
            case 0 | 1 | 2 if len(self.world.model.lives) < 5:
                self.world.resubmit(life)
            case 3 | 4:
                self.world.do(Recreate(self.world, life, again=detail % 6 == 3))
            case 5 if not life.is_finished:
                self.world.do(Step(self.world, life.name, None, "", ends="Failed"))

    def teardown(self) -> None:
        """What GitHub still has comes in, and the watch tells of every Workflow until nothing more happens."""
        if not self.world.is_whole:
            return
        for delivery in self.world.github.deliveries:
            self.world.do(Deliver(self.world, delivery))
        for life in list(self.world.model.lives.values()):
            for _ in range(len(GATES) + 1):
                document = self.world.cluster.documents[life.name]
                self.world.do(Release(self.world, life.name))
                if self.world.cluster.documents[life.name] is document:
                    break
            else:
                raise AssertionError("releases never come to an end")
            running = {gate for gate, phase in life.phases.items() if phase == "Running"}
            assert life.is_finished or not {kept.gate for kept in life.waiting(self.world.now)} & running

    def _delivery(self, which: int) -> Deliver | None:
        """The newest first."""
        all_of_them = self.world.github.deliveries
        return Deliver(self.world, all_of_them[-1 - which % len(all_of_them)]) if all_of_them else None

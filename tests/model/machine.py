"""The function and the model side by side, step by step."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from func.core.cloud_event import Incoming
from func.core.gates_file import parse_rules
from func.core.outcomes import Answer, EventRef
from func.core.rules import Rules
from func.core.signals import read_state
from func.core.workflows import read_workflow
from func.kube.deadline import Deadline
from func.service.pipeline import Pipeline
from tests.core.bench import built_in
from tests.model.cluster import PARKED, Cluster, Document, Killed, phases, state_of
from tests.model.github import Delivery, GitHub
from tests.model.specification import BUILT_IN, EXPIRY, GATES, STRICT, STRICT_GATES, Life, Model
from tests.payloads import HAPPENED
from tests.recorded_workflows import NAMESPACE

TASKS = ("3", "4")
MAX_ANNOTATION = 64 * 1024  # bytes
SEEN: Counter[str] = Counter()  # outcomes of all runs, so that one can see that all of them came


def strict_rules() -> Rules:
    """The rules of STRICT."""
    text = built_in_text().replace("people:\n", "people:\n  leads: [5DLabs-Tess]\n", 1)
    head, _, _ = text.partition("\ngates:")
    return parse_rules(f"{head}\ngates:{STRICT_GATES}", "strict.yaml")


def built_in_text() -> str:
    """The rules built in."""
    from func.service.settings import BUILT_IN_RULES

    return BUILT_IN_RULES.read_text(encoding="utf-8")


RULES = (built_in(), strict_rules())


class Operation(Protocol):
    """Something that happens to the cluster, then to the model."""

    is_event: bool

    def run(self) -> Answer | None:
        """Let it happen in the cluster."""

    def expect(self, answer: Answer | None) -> None:
        """Let it happen in the model, and compare."""


@dataclass
class World:
    """The cluster, the function, the model, and the time that it is for all of them.

    Args:
        together: uids of Workflows whose gates do not wait for one another.
        is_whole: no step has failed.
    """

    is_strict: bool = False
    now: datetime = HAPPENED
    cluster: Cluster = field(default_factory=Cluster)
    model: Model = field(default_factory=Model)
    github: GitHub = field(default_factory=GitHub)
    together: set[str] = field(default_factory=set)
    is_whole: bool = True
    _checked: dict[str, Document] = field(default_factory=dict)
    _copies: int = 0

    def __post_init__(self) -> None:
        self.model.ways = STRICT if self.is_strict else BUILT_IN
        self.pipeline = Pipeline(RULES[self.is_strict], self.cluster.workflows, clock=lambda: self.now)

    def handle(self, incoming: Incoming, written: set[str]) -> Answer:
        """What the function answers.

        Args:
            written: the uids of the Workflows that it wrote to are put here.
        """
        outer, self.cluster.changed = self.cluster.changed, written
        try:
            answer = self.pipeline.handle(incoming, Deadline.after(60))
        finally:
            self.cluster.changed = outer
        SEEN[answer.outcome] += 1
        return answer

    def use_up(self, written: set[str]) -> None:
        """The function looks at gates that were opened by hand when it writes to their Workflow."""
        for life in self.model.lives.values():
            if life.uid in written:
                life.use_up(self.now)

    def live(self, which: int) -> Life | None:
        """One of the Workflows."""
        lives = list(self.model.lives.values())
        return lives[which % len(lives)] if lives else None

    def create(self, name: str, task: str, *, together: bool, gate: str = GATES[0], like: Life | None = None) -> None:
        """A new Workflow that stands at a gate, the ones before it opened by hand; or a copy of one."""
        self.now += timedelta(seconds=1)
        original = self.cluster.documents[like.name] if like else None
        document = self.cluster.create(name, task, self.now, gate, original)
        uid = document["metadata"]["uid"]
        life = like.copy_for(name, uid, self.now) if like else Life(name, uid, task, self.now, self.model.ways)
        life.phases = phases(document)
        self.model.lives[name] = life
        self.now += timedelta(seconds=GATES.index(gate))  # when it reached the gate
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
        operation.expect(operation.run())
        self.check()

    def race(self, outer: Operation, inner: Operation) -> None:
        """The inner operation happens between the outer one's reading and its first write."""
        self.is_whole = False
        answers: list[Answer | None] = []

        def interfere() -> None:
            answers.append(inner.run())
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
        self.check()

    def kill(self, operation: Operation, *, written: bool) -> None:
        """The function is killed at its first write, when that is done or before; then the event is sent again."""
        self.is_whole = False

        def die() -> None:
            raise Killed

        if written:
            self.cluster.after_write = die
        else:
            self.cluster.before_write = die
        try:
            operation.expect(operation.run())
        except Killed:
            if not written:
                operation.expect(operation.run())
            else:
                if isinstance(operation, Deliver):  # the Workflows that it leaves may not be written yet
                    operation.run()
                operation.expect(None)
        self.cluster.before_write = self.cluster.after_write = None
        self.check()

    def check(self) -> None:
        """All that holds after every step."""
        assert self.cluster.documents.keys() == self.model.lives.keys()
        for name, life in self.model.lives.items():
            document = self.cluster.documents[name]
            if document is self._checked.get(name):
                continue
            self._checked[name] = document
            assert phases(document) == life.phases
            self._check_state(life, document)
        self.is_whole = True

    def _check_state(self, life: Life, document: Document) -> None:
        text = state_of(document)
        assert len((text or "").encode()) < MAX_ANNOTATION
        state = read_state(read_workflow(document))
        if text and json.loads(text)["uid"] == life.uid:
            assert state.text() == text, "what is read is not what was written"
            assert json.loads(text)["pull_request"] == life.bound
        used = {use.id: use.gate for use in state.used}
        spent = {use.event.id: use.gate for use in life.used}
        assert used == spent, f"used {used}, expected {spent}"
        kept = {signal.id: signal.gate for signal in state.signals if signal.gate}
        standing = {each.event.id: gate for gate in GATES for each in life.standing(gate, self.now)}
        assert standing.items() <= kept.items(), f"lost {set(standing.items()) - set(kept.items())}"
        gone = {signal.id for signal in state.signals if signal.gone}
        left = {name for name, each in life.known.items() if each.is_gone}
        assert gone == left, f"gone {gone}, expected {left}"
        known = {name: each.way.gate for name, each in life.known.items() if each.way}
        assert kept.items() <= known.items(), f"kept {set(kept.items()) - set(known.items())}"


@dataclass
class Deliver:
    """An event comes in."""

    world: World
    delivery: Delivery
    written: set[str] = field(default_factory=set)
    is_event = True

    def run(self) -> Answer:
        return self.world.handle(self.delivery.incoming, self.written)

    def expect(self, answer: Answer | None) -> None:
        self.world.use_up(self.written)
        outcomes, life = self.world.model.deliver(self.delivery.event, self.world.now)
        if answer is None:
            return
        assert answer.outcome in outcomes, f"{answer.outcome}, expected {outcomes}: {answer.reason}"
        if life:
            assert answer.workflow
            assert answer.workflow.uid == life.uid
        if answer.task and answer.outcome != "ambiguous":
            assert answer.task.id in self.delivery.event.tasks | self.delivery.event.tasks_left


@dataclass
class Release:
    """A Workflow with waiting signals has changed; so it is said at least."""

    world: World
    name: str
    written: set[str] = field(default_factory=set)
    is_event = True

    def run(self) -> Answer:
        reference = EventRef("r", "io.argoproj.workflow.updated", "parked-workflows")
        incoming = Incoming(reference, self.world.now, f"{NAMESPACE}/{self.name}", {})
        return self.world.handle(incoming, self.written)

    def expect(self, answer: Answer | None) -> None:
        life = self.world.model.lives.get(self.name)
        if life is None:
            assert answer is None or answer.outcome == "ignored", answer
            return
        life.use_up(self.world.now)
        allowed = life.releases(self.world.now)
        if allowed:
            now = phases(self.world.cluster.documents[self.name])
            moved = [gate for gate in allowed if now[gate] != "Running"]
            assert len(moved) == 1, f"{allowed} may be moved, {moved} were: {answer}"
            life.move(moved[0], life.due(moved[0], self.world.now))
            assert answer is None or (answer.outcome in ("opened", "failed") and answer.gate == moved[0]), answer
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
        self.started = self.world.now
        if self.gate:
            self.world.cluster.set_phase(self.name, self.gate, self.phase, self.world.now)
        if self.ends:
            self.world.cluster.end(self.name, self.ends, self.world.now)

    def expect(self, answer: Answer | None) -> None:
        assert answer is None
        life = self.world.model.lives[self.name]
        if self.gate:
            life.phases[self.gate] = self.phase
        if self.ends:
            life.end = self.ends


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


@dataclass
class Stop:
    """Somebody stops a Workflow; the controller sees it later."""

    world: World
    name: str
    is_event = False

    def run(self) -> None:
        self.world.cluster.stop(self.name)

    def expect(self, answer: Answer | None) -> None:
        assert answer is None
        self.world.model.lives[self.name].is_stopping = True


@dataclass
class Retry:
    """Somebody retries a Workflow that failed, from one of its gates on."""

    world: World
    name: str
    gate: str
    is_event = False

    def run(self) -> None:
        self.world.now += timedelta(seconds=1)  # a node that starts again does so in another second
        self.world.cluster.retry(self.name, self.gate)

    def expect(self, answer: Answer | None) -> None:
        assert answer is None
        life = self.world.model.lives[self.name]
        gone = GATES[GATES.index(self.gate) :]
        life.phases = {gate: phase for gate, phase in life.phases.items() if gate not in gone}
        life.moved -= set(gone)
        life.end, life.is_stopping = "", False


def controller(world: World, life: Life, detail: int) -> Step | None:
    """What Argo's controller does next with a Workflow; None where it has nothing to do."""
    if life.end:
        return None
    if life.is_stopping:
        running = [gate for gate, phase in life.phases.items() if phase == "Running"]
        return Step(world, life.name, running[0] if running else None, "Failed", ends="Failed")
    for gate, phase in life.phases.items():
        if phase == "Pending":
            return Step(world, life.name, gate, "Running")
        if phase == "Failed":
            return Step(world, life.name, None, "", ends="Failed")
    is_open = all(phase in ("Succeeded", "Skipped") for phase in life.phases.values())
    following = [gate for gate in GATES if gate not in life.phases]
    if following and (is_open or life.uid in world.together):
        phase = ("Running", "Running", "Running", "Pending", "Running", "Skipped")[detail % 6]
        return Step(world, life.name, following[0], phase)
    return Step(world, life.name, None, "", ends="Succeeded") if is_open else None


def by_hand(world: World, life: Life, detail: int) -> Operation | None:
    """A person opens a gate, or fails it, or stops all of it."""
    running = [gate for gate, phase in life.phases.items() if phase == "Running"]
    if not running or life.end:
        return None
    gate = running[detail % len(running)]
    if detail % 8 == 7:
        return Step(world, life.name, gate, "Failed", ends="Failed")
    if detail % 8 == 6:
        return Stop(world, life.name)
    return Step(world, life.name, gate, "Succeeded")


def retry(world: World, life: Life, detail: int) -> Operation | None:
    """A person retries a Workflow, or makes it one that failed."""
    if life.end == "Failed":
        return Retry(world, life.name, list(life.phases)[detail % len(life.phases)]) if life.phases else None
    return None if life.end else Step(world, life.name, None, "", ends="Failed")


WHICH = st.integers(0, 15)
# What happens, as often as it stands here.
KINDS = (
    *["happens on GitHub, and is told at once"] * 16,
    *["happens on GitHub"] * 5,
    *["an event is delivered"] * 6,
    *["a release"] * 3,
    *["the controller goes on"] * 5,
    *["two things at once"] * 4,
    *["the function is killed"] * 2,
    *["time goes by"] * 2,
    *["somebody retries"] * 2,
    "a release is raced",
    "somebody opens by hand",
    "Workflows come and go",
)
ACTIONS = (
    *["approve"] * 6, *["label"] * 4, *["push"] * 3, *["dismiss"] * 2, *["unlabel"] * 3, *["refuse"] * 3,
    "merge", "close", "open", "comment", "retarget", "rename",
)  # fmt: skip
SECONDS = (1, 1, 60, 240, 400, 1, int(EXPIRY.total_seconds()) + 3600)


class Machine(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(together=st.booleans(), both=st.booleans(), is_strict=st.booleans(), gate=st.sampled_from(GATES))
    def begin(self, *, together: bool, both: bool, is_strict: bool, gate: str) -> None:
        self.world = World(is_strict)
        self.world.create("play-task-3-workflow", "3", together=together, gate=gate)
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
            case "somebody retries":
                self._do(retry(world, life, detail))
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
        if not life.releases(self.world.now):
            document = self.world.cluster.documents[life.name]
            self.world.do(Release(self.world, life.name))
            assert self.world.cluster.documents[life.name] is document, "a release with nothing to do wrote something"

    def _race(self, which: int, other: int, detail: int) -> None:
        outer = self._delivery(which)
        if outer is None:
            return
        found = self.world.model.find(min(outer.delivery.event.tasks, default=""))
        life = found[0] if len(found) == 1 else self.world.live(other)
        inner: Operation | None
        match other % 9:
            case 0 | 1 | 2:
                inner = self._delivery(other // 9)
            case _ if life is None:
                inner = None
            case 3:
                inner = Release(self.world, life.name)
            case 4 | 5:
                inner = controller(self.world, life, detail)
            case 6:
                inner = by_hand(self.world, life, detail)
            case 7:
                inner = retry(self.world, life, detail)
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
            case _:
                self._do(Step(self.world, life.name, None, "", ends="Failed") if not life.end else None)

    def teardown(self) -> None:
        """What GitHub still has comes in, and the watch tells of every Workflow until nothing more happens."""
        if not self.world.is_whole:
            return
        for delivery in self.world.github.deliveries:
            self.world.do(Deliver(self.world, delivery))
        for life in list(self.world.model.lives.values()):
            for _ in range(len(GATES) + 2):
                document = self.world.cluster.documents[life.name]
                self.world.do(Release(self.world, life.name))
                if self.world.cluster.documents[life.name] is document:
                    break
            else:
                raise AssertionError("releases never come to an end")
            assert not life.releases(self.world.now)
            if not (life.end or life.is_stopping):
                assert (PARKED in document["metadata"]["labels"]) == life.is_waiting(self.world.now)

    def _delivery(self, which: int) -> Deliver | None:
        """The newest first."""
        all_of_them = self.world.github.deliveries
        return Deliver(self.world, all_of_them[-1 - which % len(all_of_them)]) if all_of_them else None

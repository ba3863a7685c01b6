"""The function and the model side by side, step by step."""

from __future__ import annotations

import functools
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from func.core.cloud_event import Incoming
from func.core.gates_file import parse_rules
from func.core.outcomes import Answer, EventRef
from func.core.rules import Rules
from func.core.signals import read_state
from func.core.workflows import read_workflow
from func.kube.deadline import Deadline
from func.service.pipeline import Pipeline
from func.service.settings import BUILT_IN_RULES
from tests.model.cluster import PARKED, Argo, Cluster, Document, Killed, phases, state_of
from tests.model.github import Delivery, GitHub
from tests.model.specification import EXPIRY, GATES, POLICIES, Life, Model, Policy, gate_of
from tests.payloads import HAPPENED
from tests.recorded_workflows import NAMESPACE

if TYPE_CHECKING:
    from func.kube.argo_server import ArgoServer

TASKS = ("3", "4")
MAX_ANNOTATION = 64 * 1024  # bytes
SEEN: Counter[str] = Counter()  # outcomes of all runs, so that one can see that all of them came


@functools.cache
def rules_of(policy: Policy) -> Rules:
    """The gates.yaml of a policy."""
    text = BUILT_IN_RULES.read_text(encoding="utf-8").replace("people:\n", "people:\n  leads: [5DLabs-Tess]\n", 1)
    if policy.has_titles:
        text = text.replace("  label: 'task-", "  title: 'Task ([0-9]+): .*'\n  label: 'task-", 1)
    if not policy.is_one_pull_request:
        text = text.replace("workflows:\n", "workflows:\n  one-pull-request: false\n", 1)
    head, _, _ = text.partition("\ngates:")
    return parse_rules(f"{head}\ngates:{policy.gates}" if policy.gates else text, "model.yaml")


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
    """

    policy: Policy = POLICIES["built-in"]
    now: datetime = HAPPENED
    cluster: Cluster = field(default_factory=Cluster)
    model: Model = field(default_factory=Model)
    github: GitHub = field(default_factory=GitHub)
    together: set[str] = field(default_factory=set)
    _checked: dict[str, Document] = field(default_factory=dict)
    _copies: int = 0

    def __post_init__(self) -> None:
        self.model.ways = self.policy.ways
        self.github.has_titles = self.policy.has_titles
        argo = cast("ArgoServer", Argo(self.cluster))
        self.pipeline = Pipeline(rules_of(self.policy), self.cluster.workflows, argo, clock=lambda: self.now)

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

    def create(
        self,
        name: str,
        task: str,
        *,
        together: bool,
        gate: str = GATES[0],
        is_offloaded: bool = False,
        like: Life | None = None,
    ) -> None:
        """A new Workflow that stands at a gate, the ones before it opened by hand; or a copy of one."""
        self.now += timedelta(seconds=1)
        original = self.cluster.documents[like.name] if like else None
        document = self.cluster.create(name, task, self.now, gate, original)
        uid = document["metadata"]["uid"]
        if is_offloaded:
            self.cluster.offloaded.add(uid)
        one = self.policy.is_one_pull_request
        life = like.copy_for(name, uid, self.now) if like else Life(name, uid, task, self.now, self.model.ways, one)
        life.phases = phases(document)
        self.model.lives[name] = life
        self.now += timedelta(seconds=GATES.index(gate))  # when it reached the gate
        if together:
            self.together.add(uid)

    def loop(self, life: Life, gate: str) -> None:
        """The gate where it stands is one of a loop with two items."""
        self.cluster.retry(life.name, gate)
        for item in ITEMS:
            self.cluster.set_phase(life.name, gate + item, "Running", self.now)
        life.phases = phases(self.cluster.documents[life.name])

    def resubmit(self, life: Life) -> None:
        """A copy under another name, as `argo resubmit` makes it."""
        self._copies += 1
        name = f"play-task-{life.task}-workflow-{self._copies}"
        is_offloaded = life.uid in self.cluster.offloaded
        self.create(name, life.task, together=life.uid in self.together, is_offloaded=is_offloaded, like=life)

    def do(self, operation: Operation) -> None:
        """One thing after another."""
        operation.expect(operation.run())
        self.check()

    def race(self, outer: Operation, inner: Operation) -> None:
        """The inner operation happens between the outer one's reading and its first write."""
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
                operation.run()  # the Workflows that it leaves may not be written yet, and a claim is not finished
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

    def _check_state(self, life: Life, document: Document) -> None:
        text = state_of(document)
        assert len((text or "").encode()) < MAX_ANNOTATION
        state = read_state(read_workflow(document))
        if text and json.loads(text)["uid"] == life.uid:
            assert state.text() == text, "what is read is not what was written"
            assert not life.is_one_pull_request or json.loads(text)["pull_request"] == life.bound
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
            moved = [gate for gate, node in allowed.items() if now[node] != "Running"]
            if answer:  # another gate may have been opened by hand in the meantime
                moved = [gate for gate in moved if gate == answer.gate]
            assert len(moved) == 1, f"{allowed} may be moved, {moved} were: {answer}"
            life.move(allowed[moved[0]], life.due(moved[0], self.world.now))
            assert answer is None or (answer.outcome in ("opened", "failed") and answer.gate == moved[0]), answer
        elif answer:
            due = [gate for gate in GATES if len(life.running(gate)) > 1 and life.due(gate, self.world.now)]
            # Where people are missing, too, it may complain of the several nodes before there are enough.
            waiting = [gate for gate in GATES if len(life.running(gate)) > 1 and life.waiting(gate, self.world.now)]
            stuck = {"ambiguous"} if waiting and not life.is_stopping else set()
            assert answer.outcome in (stuck if due and stuck else stuck | {"ignored"}), answer


@dataclass
class Step:
    """The controller or a person gives a gate's node its phase.

    Args:
        ends: the phase of the whole Workflow, where it ends with this.
    """

    world: World
    name: str
    node: str | None
    phase: str
    ends: str | None = None
    is_event = False

    def run(self) -> None:
        self.started = self.world.now
        if self.node:
            self.world.cluster.set_phase(self.name, self.node, self.phase, self.world.now)
        if self.ends:
            self.world.cluster.end(self.name, self.ends, self.world.now)

    def expect(self, answer: Answer | None) -> None:
        assert answer is None
        life = self.world.model.lives[self.name]
        if self.node:
            life.phases[self.node] = self.phase
            life.by_hand[self.node] = self.started
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
        life.phases = {node: phase for node, phase in life.phases.items() if gate_of(node) not in gone}
        life.moved &= life.phases.keys()
        life.end, life.is_stopping = "", False


def controller(world: World, life: Life, detail: int) -> Step | None:
    """What Argo's controller does next with a Workflow; None where it has nothing to do."""
    if life.end:
        return None
    if life.is_stopping:
        running = [node for node, phase in life.phases.items() if phase == "Running"]
        return Step(world, life.name, running[0] if running else None, "Failed", ends="Failed")
    for node, phase in life.phases.items():
        if phase == "Pending":
            return Step(world, life.name, node, "Running")
        if phase == "Failed":
            return Step(world, life.name, None, "", ends="Failed")
        if (other := node.replace(*ITEMS)) not in life.phases:
            return Step(world, life.name, other, "Running")
    is_open = all(phase in ("Succeeded", "Skipped") for phase in life.phases.values())
    last = list(life.phases)[-1] if life.phases else None
    if last and is_open and detail % 8 == 5:
        shown, _, again = last.partition("~")
        return Step(world, life.name, f"{shown}~{int(again or 1) + 1}", "Running")
    following = [gate for gate in GATES if not life.nodes(gate)]
    if following and (is_open or life.uid in world.together):
        phase = ("Running", "Running", "Running", "Pending", "Running", "Skipped")[detail % 6]
        node = following[0] + (ITEMS[0] if detail % 8 == 4 else "")
        return Step(world, life.name, node, phase)
    return Step(world, life.name, None, "", ends="Succeeded") if is_open else None


def by_hand(world: World, life: Life, detail: int) -> Operation | None:
    """A person opens a gate, or fails it, or stops all of it."""
    running = [node for node, phase in life.phases.items() if phase == "Running"]
    if not running or life.end:
        return None
    node = running[detail % len(running)]
    if detail % 8 == 7:
        return Step(world, life.name, node, "Failed", ends="Failed")
    if detail % 8 == 6:
        return Stop(world, life.name)
    return Step(world, life.name, node, "Succeeded")


def retry(world: World, life: Life, detail: int) -> Operation | None:
    """A person retries a Workflow, or makes it one that failed."""
    if life.end == "Failed":
        gates = [gate_of(node) for node in life.phases]
        return Retry(world, life.name, gates[detail % len(gates)]) if gates else None
    return None if life.end else Step(world, life.name, None, "", ends="Failed")


# What happens, as often as it stands here.
KINDS = (
    *["happens on GitHub, and is told at once"] * 16,
    *["happens on GitHub"] * 5,
    *["an event is delivered"] * 6,
    *["a release"] * 3,
    *["the controller goes on"] * 8,
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
    "merge", "close", "open", "comment", "retarget", "rename", "retitle", "retitle",
)  # fmt: skip
ITEMS = ("(0:qa)", "(1:docs)")  # of a loop
SECONDS = (1, 1, 60, 240, 400, 1, int(EXPIRY.total_seconds()) + 3600)


class Begin(NamedTuple):
    """How a run begins.

    Args:
        together: the gates do not wait for one another.
        both: there is a Workflow of task 4, too.
        shape: of the Workflow of task 3.
    """

    policy: str
    gate: str
    shape: str
    together: bool
    both: bool


class Happening(NamedTuple):
    """What happens next.

    Args:
        which, other, detail: choose among all that may be meant, counted round.
    """

    kind: str
    which: int
    other: int
    detail: int


@dataclass(frozen=True)
class History:
    """One run."""

    begin: Begin
    steps: Sequence[Happening]

    @classmethod
    def of(cls, seed: int, steps: int) -> History:
        """A history by chance; the same for the same seed."""
        chosen = random.Random(seed)  # noqa: S311
        begin = Begin(
            chosen.choice(list(POLICIES)),
            chosen.choice(GATES),
            chosen.choice(["plain", "plain", "plain", "offloaded", "loop"]),
            chosen.random() < 0.5,
            chosen.random() < 0.5,
        )
        return cls(
            begin,
            [
                Happening(chosen.choice(KINDS), chosen.randrange(16), chosen.randrange(240), chosen.randrange(24))
                for _ in range(steps)
            ],
        )

    def check(self) -> None:
        """Let it happen.

        Raises:
            AssertionError: where the function and the model differ, with the shortest part of it that shows that.
        """
        if self._error():
            shortest = self._shortest()
            lines = "\n".join(str(each) for each in (shortest.begin, *shortest.steps))
            raise AssertionError(f"{shortest._error()!r} after\n{lines}") from shortest._error()

    def _error(self) -> Exception | None:
        machine = Machine(self.begin)
        try:
            for step in self.steps:
                machine.do(step)
            machine.end()
        except Exception as error:
            return error
        return None

    def _shortest(self) -> History:
        """Leave out one step after another, as long as something differs."""
        shortest = self
        for place in reversed(range(len(self.steps))):
            shorter = replace(shortest, steps=[*shortest.steps[:place], *shortest.steps[place + 1 :]])
            if shorter._error():
                shortest = shorter
        return shortest


class Machine:
    """What may happen, in any order."""

    def __init__(self, begin: Begin) -> None:
        self.world = World(POLICIES[begin.policy])
        name, is_offloaded = "play-task-3-workflow", begin.shape == "offloaded"
        self.world.create(name, "3", together=begin.together, gate=begin.gate, is_offloaded=is_offloaded)
        if begin.shape == "loop":
            self.world.loop(self.world.model.lives[name], begin.gate)
        if begin.both:
            self.world.create("play-task-4-workflow", "4", together=not begin.together)

    def do(self, step: Happening) -> None:  # noqa: C901 - one case each
        """One step."""
        world = self.world
        which, other, detail = step.which, step.other, step.detail
        life = world.live(which)
        match step.kind:
            case "happens on GitHub" | "happens on GitHub, and is told at once":
                self._github(which, other, detail, at_once=step.kind.endswith("at once"))
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
            case "a release is raced" if not world.cluster.offloaded:
                if change := by_hand(world, life, detail) or controller(world, life, detail):
                    world.race(Release(world, life.name), change)
            case "the function is killed":
                operation = Release(world, life.name) if detail % 3 == 0 else self._delivery(which)
                if operation:
                    world.kill(operation, written=other % 2 == 0)
            case "Workflows come and go":
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
        if inner and (inner.is_event or not self.world.cluster.offloaded):
            self.world.race(outer, inner)

    def _come_and_go(self, life: Life, detail: int) -> None:
        match detail % 6:
            case 0 | 1 | 2 if len(self.world.model.lives) < 5:
                self.world.resubmit(life)
            case 3 | 4:
                self.world.do(Recreate(self.world, life, again=detail % 6 == 3))
            case _:
                self._do(Step(self.world, life.name, None, "", ends="Failed") if not life.end else None)

    def end(self) -> None:
        """What GitHub still has comes in, and the watch tells of every Workflow until nothing more happens."""
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

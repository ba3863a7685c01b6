"""What the contract requires, written from the contract alone: nothing of the function is imported here.

It is slow and plain on purpose. A Workflow knows a list of events, and everything else is computed from that list each
time somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

GATES = ("wait-pr-created", "wait-ready-for-qa", "wait-pr-approved", "wait-pr-merged")
EXPIRY, MAX_AGE = timedelta(days=7), timedelta(minutes=5)
_BRANCH = re.compile(r"(?:feature/)?task-([0-9]+)(?:-.*)?")
_LABEL = re.compile(r"task-([0-9]+)", re.IGNORECASE)


class Event(NamedTuple):
    """One thing that happened on GitHub, as its delivery tells it.

    Args:
        labels, before: of the pull request, after the event and before it.
        is_closed: the pull request is, after the event.
        commit: what a review is about; `head` is the pull request's.
        submitted: when a review was; `happened` of a dismissal is later.
        verdict: of a review, e.g. `approved`.
        retargeted: the base was changed.
        titled, titled_before: the tasks that the title names after the event and before it.
    """

    id: str
    name: str
    happened: datetime
    pull: str
    person: str
    author: str
    head: str
    labels: frozenset[str]
    before: frozenset[str]
    branch: str
    is_fork: bool = False
    is_closed: bool = False
    label: str | None = None
    merged: bool = False
    review: int = 0
    submitted: datetime | None = None
    commit: str | None = None
    verdict: str | None = None
    retargeted: bool = False
    titled: frozenset[str] = frozenset()
    titled_before: frozenset[str] = frozenset()

    @property
    def tasks(self) -> frozenset[str]:
        """Those that it names."""
        return _tasks(self.labels, self.branch) | self.titled

    @property
    def tasks_before(self) -> frozenset[str]:
        """Those that its pull request named before it."""
        return _tasks(self.before, self.branch) | self.titled_before

    @property
    def tasks_left(self) -> frozenset[str]:
        """Those that its pull request no longer names alone, and did before, or names only together with others."""
        before, after = self.tasks_before, self.tasks
        if self.is_closed or before == after:
            return frozenset()
        return before - after if len(after) == 1 else before | after

    @property
    def is_closing(self) -> bool:
        """Whether it closes the pull request without a merge."""
        return self.name == "pull_request.closed" and not self.merged

    @property
    def place(self) -> tuple[datetime, int]:
        """Of a review among reviews, which have numbers in the order of their submission."""
        return self.submitted or self.happened, self.review


def _tasks(labels: Iterable[str], branch: str) -> frozenset[str]:
    found = [_LABEL.fullmatch(each) for each in labels] + [_BRANCH.fullmatch(branch)]
    return frozenset(each[1] for each in found if each)


class Way(NamedTuple):
    """One rule of gates.yaml.

    Args:
        by, withdraw_by: logins in lower case; None for anyone.
        withdraw: what revokes, besides changes that somebody of `withdraw_by` requests.
        is_early_refused: what comes before the gate is reached is not kept.
        has_rounds: the gate comes again.
    """

    gate: str
    matches: Callable[[Event], bool]
    by: frozenset[str] | None = None
    then: str = "open"
    quorum: int = 1
    fresh: bool = False
    not_author: bool = False
    withdraw: Callable[[Event], bool] = lambda _: False
    withdraw_by: frozenset[str] = frozenset()
    is_early_refused: bool = False
    has_rounds: bool = False

    def accepts(self, event: Event) -> bool:
        """The checks that need no Workflow."""
        person = event.person.lower()
        return not (
            event.is_fork
            or (event.is_closed and event.name != "pull_request.closed")
            or (self.by is not None and person not in self.by)
            or (self.not_author and person == event.author.lower())
            or (self.fresh and event.commit != event.head)
        )

    def withdraws(self, event: Event) -> bool:
        """Whether the event is one of `withdraw`."""
        return self.withdraw(event) or (
            event.verdict == "changes_requested" and event.person.lower() in self.withdraw_by
        )


REVIEWERS = frozenset({"5dlabs-tess[bot]", "5dlabs-tess", "tess-5dlabs"})
QUALITY = frozenset({"5dlabs-cleo[bot]", "5dlabs-cleo", "cleo-5dlabs"})
LEADS = frozenset({"5dlabs-tess"})


def _ready(event: Event) -> bool:
    return event.name == "pull_request.labeled" and event.label == "ready-for-qa"


def _stale(event: Event) -> bool:
    return event.name in ("pull_request.synchronize", "pull_request_review.dismissed") or event.retargeted


CREATED = (
    Way(GATES[0], lambda event: event.name in ("pull_request.opened", "pull_request.reopened")),
    Way(
        GATES[0],
        lambda event: (
            event.name in ("pull_request.labeled", "pull_request.unlabeled")
            and (event.label or "").lower().startswith("task-")
        ),
    ),
)
READY = Way(
    GATES[1],
    _ready,
    by=QUALITY,
    withdraw=lambda event: event.name == "pull_request.unlabeled" and event.label == "ready-for-qa",
)
APPROVED = Way(
    GATES[2],
    lambda event: event.verdict == "approved",
    by=REVIEWERS,
    fresh=True,
    withdraw=_stale,
    withdraw_by=REVIEWERS,
)
MERGED = Way(GATES[3], lambda event: event.name == "pull_request.closed" and event.merged)

BUILT_IN = (*CREATED, READY, APPROVED, MERGED)
# The same gates; two people must approve, a lead's changes_requested fails, and so does a closing without a merge.
STRICT = (
    *CREATED,
    READY,
    APPROVED._replace(quorum=2, not_author=True),
    Way(
        GATES[2],
        lambda event: event.verdict == "changes_requested",
        by=LEADS,
        then="fail",
        withdraw=_stale,
    ),
    MERGED,
    Way(
        GATES[3],
        lambda event: event.is_closing,
        then="fail",
        withdraw=lambda event: event.name == "pull_request.reopened",
    ),
)
# What the other two leave out.
LOOSE = (
    *CREATED,
    READY._replace(has_rounds=True),
    APPROVED._replace(is_early_refused=True),
    Way(
        GATES[2],
        lambda event: event.verdict == "changes_requested",
        by=REVIEWERS,
        then="fail",
        quorum=2,
        withdraw=_stale,
    ),
    MERGED,
)
STRICT_GATES = """
  wait-pr-created:
  - {event: [pull_request.opened, pull_request.reopened], by: anyone}
  - {event: [pull_request.labeled, pull_request.unlabeled], label: 'task-*', by: anyone}
  wait-ready-for-qa:
    {event: pull_request.labeled, label: ready-for-qa, by: quality,
     withdraw: [{event: pull_request.unlabeled, label: ready-for-qa}]}
  wait-pr-approved:
  - event: pull_request_review.submitted
    review: approved
    by: reviewers
    fresh: true
    quorum: 2
    not-author: true
    withdraw:
    - {event: pull_request.synchronize}
    - {event: pull_request.edited, when: {changes.base.ref.from: '*'}}
    - {event: pull_request_review.dismissed}
    - {event: pull_request_review.submitted, review: changes_requested, by: reviewers}
  - event: pull_request_review.submitted
    review: changes_requested
    by: leads
    then: fail
    withdraw:
    - {event: pull_request.synchronize}
    - {event: pull_request.edited, when: {changes.base.ref.from: '*'}}
    - {event: pull_request_review.dismissed}
  wait-pr-merged:
  - {event: pull_request.closed, merged: true, by: anyone}
  - {event: pull_request.closed, merged: false, by: anyone, then: fail, withdraw: [{event: pull_request.reopened}]}
"""

LOOSE_GATES = """
  wait-pr-created:
  - {event: [pull_request.opened, pull_request.reopened], by: anyone}
  - {event: [pull_request.labeled, pull_request.unlabeled], label: 'task-*', by: anyone}
  wait-ready-for-qa:
    {event: pull_request.labeled, label: ready-for-qa, by: quality, rounds: true,
     withdraw: [{event: pull_request.unlabeled, label: ready-for-qa}]}
  wait-pr-approved:
  - event: pull_request_review.submitted
    review: approved
    by: reviewers
    fresh: true
    early: refuse
    withdraw:
    - {event: pull_request.synchronize}
    - {event: pull_request.edited, when: {changes.base.ref.from: '*'}}
    - {event: pull_request_review.dismissed}
    - {event: pull_request_review.submitted, review: changes_requested, by: reviewers}
  - event: pull_request_review.submitted
    review: changes_requested
    by: reviewers
    then: fail
    quorum: 2
    withdraw:
    - {event: pull_request.synchronize}
    - {event: pull_request.edited, when: {changes.base.ref.from: '*'}}
    - {event: pull_request_review.dismissed}
  wait-pr-merged: {event: pull_request.closed, merged: true, by: anyone}
"""


class Policy(NamedTuple):
    """One gates.yaml.

    Args:
        gates: its text; None for the gates built in.
        has_titles: `Task 3: ...` as a title names task 3.
    """

    ways: Sequence[Way]
    gates: str | None = None
    is_one_pull_request: bool = True
    has_titles: bool = False


POLICIES = {
    "built-in": Policy(BUILT_IN),
    "strict": Policy(STRICT, STRICT_GATES),
    "loose": Policy(LOOSE, LOOSE_GATES, is_one_pull_request=False, has_titles=True),
}


@dataclass
class Known:
    """An event that a Workflow knows.

    Args:
        way: by which it may move a gate; None where it only revokes.
        is_gone: its pull request left this Workflow's task with it, or was closed or merged.
        is_copied: it came along from the Workflow that this one was resubmitted from.
    """

    event: Event
    way: Way | None
    written: datetime
    is_gone: bool = False
    is_copied: bool = False


@dataclass
class Use:
    """An event that moved a gate, or was used up when somebody else did.

    Args:
        on_copy: on the Workflow that this one was resubmitted from.
    """

    event: Event
    gate: str
    by_hand: bool = False
    on_copy: bool = False


def gate_of(node: str) -> str:
    """The gate of a node: `wait` of its second round `wait~2`, or of a loop's `wait(0:qa)`."""
    return re.split(r"[(~]", node)[0]


def _order(known: Known) -> tuple[datetime, int, str]:
    return known.event.happened, known.event.review, known.event.id


def _is_newest(fail: Known, opening: Known) -> bool:
    """Whether a failing signal is the newer word; in one second it is, unless reviews' numbers tell otherwise."""
    if fail.event.happened == opening.event.happened and fail.event.review and opening.event.review:
        return fail.event.review > opening.event.review
    return fail.event.happened >= opening.event.happened


@dataclass
class Life:
    """One Workflow.

    Args:
        phases: node of a gate -> its phase, of those reached.
        moved: nodes that were moved by an event since they last started.
        by_hand: node -> when somebody opened it.
        is_one_pull_request: it belongs to one.
        end: `Succeeded` or `Failed`, where it has come to its end.
    """

    name: str
    uid: str
    task: str
    created: datetime
    ways: Sequence[Way]
    is_one_pull_request: bool = True
    phases: dict[str, str] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    by_hand: dict[str, datetime] = field(default_factory=dict)
    end: str = ""
    is_stopping: bool = False
    known: dict[str, Known] = field(default_factory=dict)
    used: list[Use] = field(default_factory=list)

    def copy_for(self, name: str, uid: str, created: datetime) -> Life:
        """The Workflow that `argo resubmit` makes of it."""
        known = {
            name: Known(each.event, None, each.written, each.is_gone, is_copied=True)
            for name, each in self.known.items()
        }
        used = [Use(each.event, each.gate, on_copy=True) for each in self.used]
        return Life(name, uid, self.task, created, self.ways, self.is_one_pull_request, known=known, used=used)

    # What stands.

    @property
    def bound(self) -> str | None:
        """The pull request that it belongs to."""
        for use in self.used:
            if not (use.by_hand or use.on_copy) and not any(
                each.event.pull == use.event.pull and each.event.happened >= use.event.happened
                for each in self.known.values()
                if each.is_gone
            ):
                return use.event.pull
        return None

    @property
    def owner(self) -> str | None:
        """The only pull request that may move it."""
        return self.bound if self.is_one_pull_request else None

    def is_revoked(self, event: Event, way: Way) -> bool:
        """Whether anything known revokes it."""
        return any(
            self._revokes(each, event, way) for each in self.known.values() if each.event.id != event.id
        ) or self._is_overtaken(event)

    @staticmethod
    def _revokes(known: Known, event: Event, way: Way) -> bool:
        revoker = known.event
        if revoker.pull != event.pull:
            return False
        if known.is_gone and not revoker.merged and revoker.happened >= event.happened:
            # Of one second, the one begins with the tasks that the other ended with: that is their order.
            before = event.tasks_before
            is_next = revoker.happened == event.happened and revoker.tasks_before != revoker.tasks == before
            # Two webhooks deliver one closing with two ids; a merge of the same second is another event.
            is_closing = revoker.name == event.name == "pull_request.closed" and not event.merged
            is_same = is_closing and revoker.happened == event.happened
            if not (is_next and before and before != event.tasks) and not is_same:
                return True
        if not way.withdraws(revoker):
            return False
        if revoker.name == "pull_request_review.dismissed":
            return revoker.review == event.review
        if revoker.name == "pull_request.synchronize" and event.commit == revoker.head:
            return False
        if revoker.happened == event.happened and revoker.review and event.review:
            return revoker.review > event.review
        return revoker.happened >= event.happened

    def _words(self, pull: str) -> dict[str, Event]:
        """Person -> the newest review of the person that counts; a dismissal is found by its review's number."""
        reviews = [each.event for each in self.known.values() if each.event.pull == pull and each.event.review]
        people = {each.review: each.person.lower() for each in reviews if each.verdict != "dismissed"}
        found: dict[str, tuple[tuple[datetime, int], bool, Event]] = {}
        for event in reviews:
            person = people.get(event.review, event.person.lower())
            word = (event.place, event.verdict == "dismissed", event)
            found[person] = max(word, found.get(person, word), key=lambda each: each[:2])
        return {person: word for person, (_, _, word) in found.items()}

    def _is_overtaken(self, event: Event) -> bool:
        if not event.review:
            return False
        newest = self._words(event.pull).get(event.person.lower())
        return bool(newest and newest.place > event.place)

    def objectors(self, pull: str, way: Way) -> set[str]:
        """Those whose changes_requested stands."""
        return {
            person
            for person, word in self._words(pull).items()
            if word.verdict == "changes_requested" and person in way.withdraw_by
        }

    def last_move(self, gate: str) -> datetime | None:
        """When the newest event happened that was used at the gate."""
        return max((each.event.happened for each in self.used if each.gate == gate and not each.on_copy), default=None)

    def why_not(self, known: Known, now: datetime) -> str | None:
        """Why it does not stand; None where it does."""
        assert known.way
        last = self.last_move(known.way.gate)
        if known.event.id in {each.event.id for each in self.used}:
            return "used"
        if self.is_revoked(known.event, known.way):
            return "revoked"
        if last and known.event.happened <= last:
            return "not newer"
        return "expired" if now - known.written > EXPIRY else None

    def standing(self, gate: str, now: datetime) -> list[Known]:
        """What waits for a gate, in the order of time."""
        found = [
            each
            for each in self.known.values()
            if each.way and each.way.gate == gate and self.why_not(each, now) is None
        ]
        return sorted(found, key=_order)

    def due(self, gate: str, now: datetime, event: Event | None = None) -> list[Known]:
        """What moves the gate, once the Workflow stands at it: the oldest pull request's that has enough.

        Args:
            event: moves it only together with itself.
        """
        owner, standing = self.owner, self.standing(gate, now)
        for pull in dict.fromkeys(each.event.pull for each in standing):
            if owner not in (None, pull):
                continue
            words = self._newest_kind([each for each in standing if each.event.pull == pull])
            people: dict[str, Known] = {}
            for each in sorted(words, key=lambda each: each.event != event):
                people.setdefault(each.event.person.lower(), each)
            if words and words[0].way and len(people) >= words[0].way.quorum:
                chosen = list(people.values())[: words[0].way.quorum]
                return chosen if event is None or event in [each.event for each in chosen] else []
        return []

    def _newest_kind(self, words: list[Known]) -> list[Known]:
        """Of one pull request's signals for a gate: those that the newest word, open or fail, does not overtake."""
        opens, fails = (
            [
                each
                for each in words
                if each.way and each.way.then == then and not (then == "open" and self.is_objected(each))
            ]
            for then in ("open", "fail")
        )
        newer = [each for each in opens if not any(_is_newest(fail, each) for fail in fails)]
        return newer or [each for each in fails if all(_is_newest(each, one) for one in opens)]

    def waiting(self, gate: str, now: datetime) -> list[Known]:
        """What would move the gate, or will when a request for changes or another pull request is out of the way."""
        standing = self.standing(gate, now)
        newest = [
            each
            for pull in {each.event.pull for each in standing}
            for each in self._newest_kind([each for each in standing if each.event.pull == pull])
        ]
        return [each for each in standing if each in newest or self.is_objected(each)]

    def is_objected(self, known: Known) -> bool:
        """Whether somebody's changes_requested stands against an approval."""
        return bool(known.way and known.event.verdict == "approved" and self.objectors(known.event.pull, known.way))

    # What happens.

    def nodes(self, gate: str) -> dict[str, str]:
        """The nodes of a gate, with their phases."""
        return {node: phase for node, phase in self.phases.items() if gate_of(node) == gate}

    def running(self, gate: str) -> list[str]:
        """The nodes of a gate that wait."""
        return [node for node, phase in self.nodes(gate).items() if phase == "Running" and not self.end]

    def stands_at(self, gate: str) -> bool:
        """Whether one node of the gate waits."""
        return len(self.running(gate)) == 1 and not self.is_stopping

    def has_rounds(self, gate: str) -> bool:
        """Whether the rules have it that the gate comes again."""
        return any(way.has_rounds for way in self.ways if way.gate == gate)

    def is_over(self, gate: str) -> bool:
        """Whether the gate no longer waits, and is not known to come again."""
        phases = set(self.nodes(gate).values())
        if not phases or not phases <= {"Succeeded", "Failed", "Skipped"}:
            return False
        return not self.has_rounds(gate) if "Succeeded" in phases else not self.end

    def learn(self, event: Event, now: datetime) -> None:
        """It revokes what it revokes, whatever else becomes of it."""
        if self.end == "Succeeded" or self._is_too_old(event):
            return
        is_gone = event.name == "pull_request.closed" or self.task in event.tasks_left
        if is_gone or any(way.withdraws(event) for way in self.ways) or self._is_word(event):
            known = self.known.setdefault(event.id, Known(event, None, now, is_gone))
            known.is_gone, known.is_copied = is_gone, False

    def _is_word(self, event: Event) -> bool:
        """Whether it is an approval that may end what the same person said before, to let the gate fail."""
        return (
            event.verdict == "approved"
            and len(event.tasks) == 1
            and any(way.matches(event) and way.accepts(event) for way in self.ways)
            and any(way.then == "fail" and event.person.lower() in (way.by or ()) for way in self.ways)
        )

    def _is_too_old(self, event: Event) -> bool:
        return event.verdict != "dismissed" and event.happened < self.created - MAX_AGE

    def deliver(self, event: Event, way: Way, now: datetime) -> str:
        """It may move a gate: returns the outcome."""
        gate = way.gate
        if self._is_too_old(event) or (self.is_stopping and not self.end):
            return "refused"
        if event.id in {each.event.id for each in self.used}:
            return "duplicate"
        if self.end == "Succeeded":
            return "already-open" if "Succeeded" in self.nodes(gate).values() else "no-workflow"
        if self.owner not in (None, event.pull):
            return "refused"
        if self.is_over(gate):
            self._end_objection(event, now)
            return "already-open" if "Succeeded" in self.nodes(gate).values() else "refused"
        old = self.known.get(event.id)
        known = old if old and old.way else Known(event, way, now, bool(old and old.is_gone))
        self.known[event.id] = known
        outcome = self._move_or_wait(known, way, now)
        if outcome == "ambiguous" or (outcome != "opened" and way.is_early_refused and not self.running(gate)):
            self.known.pop(event.id)
            if old:
                self.known[event.id] = old
            return "ambiguous" if outcome == "ambiguous" else "refused"
        return outcome

    def _move_or_wait(self, known: Known, way: Way, now: datetime) -> str:
        gate = way.gate
        if self.why_not(known, now):
            return "refused"
        if self.is_objected(known):
            return "parked"
        if len(self.running(gate)) > 1:
            return "ambiguous"
        due = self.due(gate, now, known.event)
        if due and self.stands_at(gate):
            self.move(self.running(gate)[0], due)
            return "opened" if way.then == "open" else "failed"
        return "parked" if known in self.waiting(gate, now) else "refused"

    def _end_objection(self, event: Event, now: datetime) -> None:
        """An approval that comes too late for its gate is kept: it ends what its person has requested or will."""
        if event.verdict == "approved" and any(event.person.lower() in way.withdraw_by for way in self.ways):
            self.known.setdefault(event.id, Known(event, None, now))

    def move(self, node: str, due: list[Known]) -> None:
        """What is due moves a node."""
        assert due[0].way
        self.phases[node] = "Succeeded" if due[0].way.then == "open" else "Failed"
        self.moved.add(node)
        self.used += [Use(each.event, gate_of(node)) for each in due]

    def releases(self, now: datetime) -> dict[str, str]:
        """The gates of which a release moves one, each with its node."""
        return {gate: self.running(gate)[0] for gate in GATES if self.stands_at(gate) and self.due(gate, now)}

    def use_up(self, now: datetime) -> None:
        """What waited for a gate when somebody opened it by hand is used up."""
        for gate in GATES:
            by_hand = [
                node for node, phase in self.nodes(gate).items() if phase == "Succeeded" and node not in self.moved
            ]
            if self.end or not by_hand:
                continue
            newest = max(self.by_hand.get(node, self.created) for node in by_hand)
            waiting = [each for each in self.waiting(gate, now) if self.is_over(gate) or each.written < newest]
            self.used += [Use(each.event, gate, by_hand=True) for each in waiting]

    def is_waiting(self, now: datetime) -> bool:
        """Whether a signal waits for a gate that may still be reached, and may move it as things are."""
        waiting = [each for gate in GATES if not self.is_over(gate) for each in self.waiting(gate, now)]
        return any(self.owner in (None, each.event.pull) for each in waiting)


@dataclass
class Model:
    """All Workflows, by name."""

    ways: Sequence[Way] = BUILT_IN
    lives: dict[str, Life] = field(default_factory=dict)

    def find(self, task: str) -> list[Life]:
        """The Workflow of a task; several where it is not clear which."""
        named = self.lives.get(f"play-task-{task}-workflow")
        if named and not named.end:
            return [named]
        mine = [each for each in self.lives.values() if each.task == task]
        running = [each for each in mine if not each.end]
        return running or sorted(mine, key=lambda each: each.created)[-1:]

    def deliver(self, event: Event, now: datetime) -> tuple[set[str], Life | None]:
        """Returns: the outcomes that are right, and the Workflow that it was for."""
        for task in event.tasks | event.tasks_left:
            for life in self.find(task):
                life.learn(event, now)
        way = next((each for each in self.ways if each.matches(event)), None)
        if way and len(event.tasks) > 1:
            return {"ambiguous"}, None
        if way is None or not event.tasks or not way.accepts(event):
            return REVOKING, None
        found = self.find(*event.tasks)
        if len(found) != 1:
            return {"ambiguous" if found else "no-workflow"}, None
        return {found[0].deliver(event, way, now)}, found[0]


REVOKING = {"withdrawn", "refused", "ignored", "already-open", "no-workflow", "ambiguous", "duplicate"}

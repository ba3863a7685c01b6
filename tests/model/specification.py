"""What must come of each event, derived from the history of a Workflow and nothing else.

Written from the contract, for the rules built in. Nothing is kept but what came, in the order in which it came: whether
a key waits, was used or was taken back is looked up in that history each time it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

CREATED, READY, APPROVED, MERGED = "wait-pr-created", "wait-ready-for-qa", "wait-pr-approved", "wait-pr-merged"
GATES = (CREATED, READY, APPROVED, MERGED)
REVIEWERS = ("5dlabs-tess[bot]", "5dlabs-tess", "tess-5dlabs")
QUALITY = ("5dlabs-cleo[bot]", "5dlabs-cleo", "cleo-5dlabs")
EXPIRY = timedelta(days=7)
BEFORE_CREATION = timedelta(minutes=5)


@dataclass(frozen=True)
class Event:
    """What GitHub says.

    Args:
        id: of the delivery.
        pull_request: its number.
        person: the review's author, else the sender.
        head: the head of the pull request by then.
        commit: the one that the review is about.
        labels: those of the pull request after the event.
    """

    id: str
    name: str
    happened: datetime
    pull_request: int
    person: str
    head: str
    labels: frozenset[str]
    branch: str
    is_fork: bool = False
    label: str | None = None
    review: int | None = None
    verdict: str | None = None
    commit: str | None = None
    merged: bool = False

    @property
    def gate(self) -> str | None:
        """The gate that it brings a key for."""
        if self.name in ("pull_request.opened", "pull_request.reopened"):
            return CREATED
        if self.name in ("pull_request.labeled", "pull_request.unlabeled") and fnmatchcase(self.label or "", "task-*"):
            return CREATED
        if self.name == "pull_request.labeled" and self.label == "ready-for-qa":
            return READY
        if self.name == "pull_request_review.submitted" and self.verdict == "approved":
            return APPROVED
        return MERGED if self.name == "pull_request.closed" and self.merged else None

    @property
    def takes_back(self) -> str | None:
        """The gate whose key it takes away."""
        if self.name == "pull_request.unlabeled" and self.label == "ready-for-qa":
            return READY
        if self.name in ("pull_request.synchronize", "pull_request_review.dismissed"):
            return APPROVED
        return APPROVED if self.verdict == "changes_requested" else None

    @property
    def closes(self) -> bool:
        """Its pull request was closed unmerged."""
        return self.name == "pull_request.closed" and not self.merged

    @property
    def tasks(self) -> frozenset[str]:
        """All tasks that it names."""
        found = [re.fullmatch(r"task-([0-9]+)", label) for label in self.labels]
        found.append(re.fullmatch(r"(?:feature/)?task-([0-9]+)(?:-.*)?", self.branch))
        return frozenset(match[1] for match in found if match)

    @property
    def moment(self) -> tuple[datetime, int]:
        """When; GitHub numbers reviews in order, which tells those of one second apart."""
        return self.happened, self.review or 0

    def is_against(self, key: Event) -> bool:
        """Does this withdrawal take that key away?"""
        if self.pull_request != key.pull_request:
            return False
        if self.name == "pull_request_review.dismissed":
            return self.review == key.review
        if self.name == "pull_request.synchronize" and self.head == key.commit:
            return False
        return key.happened <= self.happened

    def answer(self) -> str | None:
        """What comes of it whatever Workflows there are; None where that depends on them."""
        if not (self.gate or self.takes_back or self.closes) or not self.tasks:
            return "ignored"
        if len(self.tasks) > 1:
            return "ambiguous"
        return "refused" if self.is_fork or not self._may or self._is_stale else None

    @property
    def _may(self) -> bool:
        person = self.person.lower()
        if self.gate == READY:
            return person in QUALITY
        if self.gate == APPROVED or self.name.startswith("pull_request_review."):
            return person in REVIEWERS
        return True

    @property
    def _is_stale(self) -> bool:
        return self.gate == APPROVED and self.commit != self.head


@dataclass(frozen=True)
class Kept:
    """The key of an event waits for its gate."""

    gate: str
    event: Event
    written: datetime


@dataclass(frozen=True)
class Used:
    """The key of an event was used, by the function or because somebody had opened the gate by hand."""

    gate: str
    event: Event


@dataclass(frozen=True)
class TakenBack:
    """A withdrawal came."""

    gate: str
    event: Event


@dataclass(frozen=True)
class Closed:
    """A pull request of the task was closed unmerged."""

    event: Event


@dataclass(frozen=True)
class Ended:
    """It was seen that the Workflow has come to its end."""


Entry = Kept | Used | TakenBack | Closed | Ended


@dataclass
class Life:
    """One Workflow, from its creation to its end.

    Args:
        phases: of the gates that were reached.
        history: what came, in the order in which it came.
        copied: the histories of the Workflow that this one is a copy of, up to then, and of those that that one was.
    """

    name: str
    uid: str
    task: str
    created: datetime
    phases: dict[str, str]
    is_finished: bool = False
    history: list[Entry] = field(default_factory=list)
    copied: tuple[tuple[Entry, ...], ...] = ()

    def deliver(self, event: Event, now: datetime) -> str:
        """The event finds this Workflow: what comes of it."""
        is_too_old = event.happened < self.created - BEFORE_CREATION
        if self.is_finished and (is_too_old or not event.gate):
            return "no-workflow" if event.gate else "ignored"
        if is_too_old:
            return "refused"
        if any(entry.event.id == event.id for entry in self._used(copied=True)):
            return "duplicate"
        if self.is_finished:
            return self._too_late(event)
        if event.closes:
            self.history.append(Closed(event))
            return "withdrawn"
        if not self._is_of_my_pull_request(event):
            return "refused"
        return self._bring(event, event.gate, now) if event.gate else self._take_back(event, now)

    def release(self, now: datetime) -> list[str]:
        """Somebody looks whether a waiting key can be used.

        Returns: the gates that may open now: one of them must, where there is one.
        """
        if self.is_finished:
            self.history.append(Ended())
            return []
        heard_of = [entry.gate for entry in self.history if isinstance(entry, Kept | Used | TakenBack)]
        for kept in sorted(self.waiting(now), key=lambda kept: heard_of.index(kept.gate)):
            if self.phases.get(kept.gate) == "Succeeded":  # opened by hand, which uses the key up
                self.history.append(Used(kept.gate, kept.event))
        ready = [kept for kept in self.waiting(now) if self.phases.get(kept.gate) == "Running"]
        oldest = min((kept.event.happened for kept in ready), default=None)
        return [kept.gate for kept in ready if kept.event.happened == oldest]

    def use(self, gate: str, now: datetime) -> None:
        """The waiting key opens its gate."""
        (event,) = [kept.event for kept in self.waiting(now) if kept.gate == gate]
        self._open(event, gate)

    def waiting(self, now: datetime) -> list[Kept]:
        """The keys that wait now."""
        return [kept for place, kept in self.kept() if self.fate(place, now) is None]

    def kept(self) -> Iterator[tuple[int, Kept]]:
        """All keys that ever waited, with their places in the history."""
        for place, entry in enumerate(self.history):
            if isinstance(entry, Kept):
                yield place, entry

    def used(self, gate: str) -> Event | None:
        """The event that used this gate."""
        return next((entry.event for entry in self._used(copied=False) if entry.gate == gate), None)

    def fate(self, place: int, now: datetime) -> str | None:
        """What has become of the key that was kept at this place of the history; None while it waits."""
        key = self.history[place]
        assert isinstance(key, Kept)
        fates = (self._done_to(key, later) for later in range(place + 1, len(self.history)))
        return next(filter(None, fates), "expired" if now - key.written > EXPIRY else None)

    def _done_to(self, key: Kept, later: int) -> str | None:
        """What a later entry of the history does to a key that waits until then."""
        match self.history[later]:
            case Kept(key.gate, _, written):
                return "expired" if written - key.written > EXPIRY else "overtaken"
            case Used(key.gate, event):
                return "used" if event.id == key.event.id else "overtaken"
            case Used(_, event) if event.pull_request != key.event.pull_request and self._binds(later):
                return "withdrawn"
            case TakenBack(key.gate, event) if event.is_against(key.event):
                return "withdrawn"
            case Closed(event) if event.pull_request == key.event.pull_request:
                return "withdrawn" if key.event.happened <= event.happened else None
            case Ended():
                return "withdrawn"
        return None

    def pull_request(self, until: int | None = None) -> int | None:
        """The one that the Workflow belongs to."""
        mine = None
        entries = self.history[:until]
        for place, entry in enumerate(entries):
            if isinstance(entry, Used) and mine is None:
                mine = entry.event.pull_request
            if isinstance(entry, Closed) and entry.event.pull_request == mine:
                # A closing of before is no news of a pull request that was used since it was opened again.
                since = [
                    use
                    for use in entries[:place]
                    if isinstance(use, Used)
                    and use.event.pull_request == mine
                    and use.event.happened > entry.event.happened
                ]
                mine = mine if since else None
        return mine

    def _binds(self, place: int) -> bool:
        entry = self.history[place]
        return isinstance(entry, Used) and self.pull_request(place) is None

    def _used(self, *, copied: bool) -> list[Used]:
        entries = self._all() if copied else self.history
        return [entry for entry in entries if isinstance(entry, Used)]

    def _too_late(self, event: Event) -> str:
        is_open = event.gate and (self.used(event.gate) or self.phases.get(event.gate) == "Succeeded")
        return "already-open" if is_open else "no-workflow"

    def _is_of_my_pull_request(self, event: Event) -> bool:
        if self.pull_request() not in (None, event.pull_request):
            return False
        closed = [entry.event for entry in self.history if isinstance(entry, Closed)]
        newest = max((each.happened for each in closed), default=None)
        last = [each for each in closed if each.happened == newest][-1:]
        return not any(each.pull_request == event.pull_request and event.happened <= each.happened for each in last)

    def _take_back(self, event: Event, now: datetime) -> str:
        gate = event.takes_back
        assert gate
        if self.used(gate):
            return "already-open"
        newer = any(
            kept.gate == gate and kept.event.pull_request == event.pull_request and kept.event.happened > event.happened
            for kept in self.waiting(now)
            if not event.is_against(kept.event)
        )
        self.history.append(TakenBack(gate, event))
        return "refused" if newer else "withdrawn"

    def _bring(self, event: Event, gate: str, now: datetime) -> str:
        if self.used(gate):
            return "already-open"
        if not self._is_good(event, gate, now):
            return "refused"
        phase = self.phases.get(gate)
        if phase == "Running":
            self._open(event, gate)
            return "opened"
        if phase in (None, "Pending"):
            if not any(kept.event.id == event.id for kept in self.waiting(now)):
                self.history.append(Kept(gate, event, now))
            return "parked"
        return "already-open" if phase == "Succeeded" else "refused"

    def _is_good(self, event: Event, gate: str, now: datetime) -> bool:
        """No withdrawal stands against it, and no newer key."""
        taken_back = [each for each in self._all() if isinstance(each, TakenBack) and each.gate == gate]
        if any(each.event.is_against(event) for each in taken_back):
            return False
        fates = [*self._fates_on_the_original(gate), *self._fates(gate, now)]
        for place, (kept, fate) in enumerate(fates):
            if fate is None:
                if event.id != kept.event.id and event.moment <= kept.event.moment:
                    return False
            elif fate != "overtaken" and event.pull_request == kept.event.pull_request:
                # It gives way only to what happened later. If one of another pull request took its place, then seconds
                # are all that is known of it.
                after = fates[place + 1][0].event if place + 1 < len(fates) else event
                is_known = after.pull_request == event.pull_request
                if not (event.moment > kept.event.moment if is_known else event.happened > kept.event.happened):
                    return False
        return True

    def _fates(self, gate: str, now: datetime) -> list[tuple[Kept, str | None]]:
        """The keys of a gate that were not used, and what has become of them."""
        fates = [(kept, self.fate(place, now)) for place, kept in self.kept() if kept.gate == gate]
        return [(kept, fate) for kept, fate in fates if fate != "used"]

    def _fates_on_the_original(self, gate: str) -> list[tuple[Kept, str | None]]:
        originals = [Life(self.name, "", self.task, self.created, {}, history=list(each)) for each in self.copied]
        # One that only waited there may come again.
        return [(kept, fate or "overtaken") for each in originals for kept, fate in each._fates(gate, self.created)]

    def _all(self) -> list[Entry]:
        return [entry for history in (*self.copied, self.history) for entry in history]

    def _open(self, event: Event, gate: str) -> None:
        self.history.append(Used(gate, event))
        self.phases[gate] = "Succeeded"


@dataclass
class Model:
    """All Workflows that there are."""

    lives: dict[str, Life] = field(default_factory=dict)

    def find(self, task: str) -> Life | str | None:
        """The Workflow of a task; the outcome where it is not one; None where there is none."""
        named = self.lives.get(f"play-task-{task}-workflow")
        if named and not named.is_finished:
            return named
        mine = [life for life in self.lives.values() if life.task == task]
        active = [life for life in mine if not life.is_finished]
        if len(active) > 1:
            return "ambiguous"
        return active[0] if active else max(mine, key=lambda life: life.created, default=None)

    def deliver(self, event: Event, now: datetime) -> tuple[str, Life | None]:
        """What comes of an event, and the Workflow that it finds."""
        answer = event.answer()
        if answer:
            return answer, None
        (task,) = event.tasks
        life = self.find(task)
        if life is None:
            return ("no-workflow" if event.gate else "ignored"), None
        if isinstance(life, str):
            return life, None
        return life.deliver(event, now), life

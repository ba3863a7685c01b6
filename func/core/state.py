"""What is remembered on a Workflow: one annotation, one JSON object, one key for each gate.

All of it is values: each function takes a state and gives the next one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from func.core.events import Facts
from func.core.outcomes import No, Outcome
from func.core.values import Time, describe
from func.core.workflows import STATE_ANNOTATION, Workflow

EXPIRY = timedelta(days=7)
# In the annotation of every key: what says which event it was.
_ALWAYS: dict[str, object] = dict.fromkeys(("event", "happened", "pull_request", "person", "head", "review", "state"))
_MAX_NOTES = 16  # withdrawals remembered for one gate; older ones become a bound on time


class _Part(BaseModel):
    # What a newer version wrote is kept when this one writes.
    model_config = ConfigDict(frozen=True, extra="allow")


class Note(_Part):
    """A withdrawal that keys of its pull request will find.

    Args:
        head: the new head of the pull request; reviews of this very commit are not touched.
        review: the review that was dismissed; other reviews are not touched.
    """

    event: StrictStr
    happened: Time
    pull_request: StrictStr | None = None
    head: StrictStr | None = None
    review: int | None = None

    @classmethod
    def of(cls, facts: Facts) -> Note:
        """What a withdrawing event leaves for keys that come late."""
        return cls(
            event=facts.event,
            happened=facts.happened,
            pull_request=facts.pull_request,
            head=facts.head if facts.name == "pull_request.synchronize" else None,
            review=facts.review if facts.name == "pull_request_review.dismissed" else None,
        )

    def is_against(self, facts: Facts) -> bool:
        """Does it take the key of this event away? At the same second the withdrawal wins."""
        if self.pull_request != facts.pull_request:
            return False
        if self.review is not None:
            return self.review == facts.review
        if self.head is not None and self.head == facts.head:
            return False
        return facts.happened <= self.happened

    def replaces(self, other: Note) -> bool:
        """Say both the same, but for the time?"""
        return (self.pull_request, self.review, self.head is None) == (
            other.pull_request,
            other.review,
            other.head is None,
        )


class Key(Facts):
    """The key of one gate, with the facts of its event.

    Args:
        state: waiting for its gate; claimed (about to open the node); used; or withdrawn.
        task: the id of the task that its event named, and its repository.
        written: when it was kept or used; None when only a withdrawal came so far.
        outputs: values for supplied outputs of the gate, by name.
        node: the node that it opened or claims.
        unfinished: the gate's nodes that were not finished when it was written.
        why: what became of it, where that needs a word.
        notes: withdrawals, the newest of each kind and pull request.
        floor: whatever happened until then is taken as withdrawn.
        rounds: events that opened the gate in earlier rounds, or on the Workflow that this one is a copy of.
    """

    state: Literal["waiting", "claimed", "used", "withdrawn"]
    task: StrictStr | None = None
    repository: StrictStr | None = None
    written: Time | None = None
    outputs: Mapping[StrictStr, StrictStr] = {}
    node: StrictStr | None = None
    unfinished: tuple[StrictStr, ...] = ()
    why: StrictStr | None = None
    notes: tuple[Note, ...] = ()
    floor: Time | None = None
    rounds: tuple[StrictStr, ...] = ()

    @property
    def was_kept(self) -> bool:
        """A key was here, not a withdrawal alone."""
        return self.written is not None

    def shown(self) -> dict[str, object]:
        """As in the annotation: what says which event it was always, the rest where it says something."""
        return _ALWAYS | self.model_dump(mode="json", exclude_defaults=True)

    def with_(self, **changes: object) -> Key:
        """A copy with these fields changed."""
        return self.model_copy(update=changes)

    def used(self, node: str, why: str | None = None) -> Key:
        """The same key, after its gate was opened; it keeps what later events are compared with."""
        return self.with_(state="used", node=node, why=why, outputs={}, unfinished=())

    def given_way(self, to: Facts) -> Key:
        """The same key; if it was withdrawn, that is noted, so that it does not come back when another had its place.

        Args:
            to: the key that takes its place.
        """
        if self.state != "withdrawn" or not self.was_kept:
            return self
        # Of reviews of one pull request in one second, the note is for this one only.
        is_at_once = (to.pull_request, to.happened) == (self.pull_request, self.happened)
        review = self.review if is_at_once else None
        note = Note(event=self.event, happened=self.happened, pull_request=self.pull_request, review=review)
        return self.with_(**_noted(self, note))

    def withdrawn(self, why: str) -> Key:
        """The same key, taken away; it keeps what later events are compared with."""
        return self.with_(state="withdrawn", why=why, outputs={}, unfinished=())


class Closed(_Part):
    """The last pull request of the task that was closed unmerged."""

    pull_request: StrictStr
    happened: Time


class State(_Part):
    """The annotation.

    Args:
        uid: of the Workflow that it was written for.
        pull_request: the one that the Workflow belongs to.
        keys: by slot: the gate, and its inputs where the rules tell gates of one name apart by them.
    """

    uid: StrictStr
    pull_request: StrictStr | None = None
    closed: Closed | None = None
    keys: Mapping[StrictStr, Key] = Field(default_factory=dict)

    @property
    def is_parked(self) -> bool:
        """Is there a key that a release may have to look at?"""
        return any(key.state in ("waiting", "claimed") for key in self.keys.values())

    def with_key(self, slot: str, key: Key) -> State:
        """A copy with this key in the slot."""
        return self.model_copy(update={"keys": {**self.keys, slot: key}})

    def used_by(self, event: str) -> tuple[str, Key] | None:
        """The slot of the gate that this very event opened, with its key."""
        for slot, key in self.keys.items():
            if (key.state == "used" and key.event == event) or event in key.rounds:
                return slot, key
        return None

    def text(self) -> str:
        """The annotation's text."""
        shown = self.model_dump(mode="json", include={"uid", "pull_request", "closed"} | set(self.model_extra or {}))
        shown["keys"] = {slot: key.shown() for slot, key in self.keys.items()}
        return json.dumps(shown, separators=(",", ":"))


def slot_of(gate: str, inputs: Mapping[str, str]) -> str:
    """The name under which the key of a gate is kept, e.g. `wait-pr-merged` or `wait-event(event=merged)`."""
    pairs = ",".join(f"{name}={value}" for name, value in sorted(inputs.items()))
    return f"{gate}({pairs})" if pairs else gate


def read_state(workflow: Workflow) -> State:
    """The Workflow's annotation -> State; an empty one where there is none.

    What a copy (`argo resubmit`) carried along counts for events that were used and for withdrawals only.

    Raises: No, `refused`, when the annotation is not ours.
    """
    ref = workflow.ref
    if workflow.state is None:
        return State(uid=ref.uid)
    try:
        state = State.model_validate(json.loads(workflow.state))
    except (ValidationError, ValueError, RecursionError) as error:
        what = describe(error) if isinstance(error, ValidationError) else "it is not JSON"
        raise No(
            "refused",
            f"The annotation {STATE_ANNOTATION} of {ref.name} can't be read, {what}; {free_by_hand(workflow)}.",
            workflow=ref,
        ) from None
    if state.uid == ref.uid:
        return state
    return State(uid=ref.uid, keys={slot: _of_a_copy(key) for slot, key in state.keys.items()})


def _of_a_copy(key: Key) -> Key:
    if key.state == "withdrawn":
        return key
    used = (key.event,) if key.state in ("used", "claimed") else ()
    # A key that only waited on the original was never used: it may come again.
    return Key(
        state="withdrawn",
        name=key.name,
        event="" if key.state == "waiting" else key.event,
        happened=key.happened,
        notes=key.notes,
        floor=key.floor,
        rounds=key.rounds + used,
        why="it came with a copy of another Workflow",
    )


def free_by_hand(workflow: Workflow) -> str:
    """How a person makes a Workflow forget all that is remembered."""
    ref = workflow.ref
    return f"to free it: kubectl annotate workflow -n {ref.namespace} {ref.name} {STATE_ANNOTATION}-"


def tidy(state: State, workflow: Workflow, now: datetime) -> State:
    """Keys that wait in vain are withdrawn: after 7 days, and when the Workflow has come to its end."""
    for slot, key in state.keys.items():
        if key.state != "waiting":
            continue
        if workflow.finished:
            state = state.with_key(slot, key.withdrawn("the Workflow came to its end"))
        elif key.written is not None and now - key.written > EXPIRY:
            state = state.with_key(slot, key.withdrawn(f"it expired after {EXPIRY.days} days"))
    return state


def withdraw(state: State, slot: str, facts: Facts, *, rounds: bool) -> tuple[State, Outcome, str]:
    """A withdrawal for one gate -> the next state, what came of it, and a sentence that says so.

    It is noted whatever waits there, so that the order of delivery does not matter.

    Args:
        facts: of the withdrawing event.
        rounds: the gate can come again, so that a used key does not end the matter.
    """
    key, note = state.keys.get(slot), Note.of(facts)
    if key is None:
        key = Key(**facts.model_dump(), state="withdrawn", notes=(note,))
        return state.with_key(slot, key), "withdrawn", f"A late key for {slot} will find this withdrawal."
    if key.state in ("used", "claimed") and not rounds:
        return state, "already-open", f"{slot} was opened before, so there is nothing to take back."
    noted = key.with_(**_noted(key, note))
    if key.state == "waiting" and note.is_against(key):
        taken = noted.withdrawn(f"taken back by event {note.event} ({_cause(facts)})")
        return state.with_key(slot, taken), "withdrawn", f"The key of event {key.event} for {slot} is taken back."
    if key.state == "waiting" and key.pull_request == note.pull_request and key.happened > note.happened:
        reason = f"Overtaken by event {key.event}, whose key for {slot} is newer and stays."
        return state.with_key(slot, noted), "refused", reason
    return state.with_key(slot, noted), "withdrawn", f"A late key for {slot} will find this withdrawal."


def _cause(facts: Facts) -> str:
    """`pull_request.synchronize by octocat, commit 6113728`"""
    verdict = facts.verdict if facts.verdict and not facts.name.endswith(facts.verdict) else None
    by = f"by {facts.person}" if facts.person else None
    commit = f", commit {facts.head[:7]}" if facts.head else ""
    return " ".join(filter(None, (facts.name, verdict, facts.label, by))) + commit


def _noted(key: Key, note: Note) -> dict[str, object]:
    alike = [other for other in key.notes if note.replaces(other)]
    by_age = sorted([*alike, note], key=lambda other: other.happened, reverse=True)
    # A push leaves reviews of its own head alone, and the newest push of another head does not: both are needed.
    needed = [by_age[0], *[other for other in by_age if other.head != by_age[0].head][:1]]
    if needed == alike:
        return {}
    notes = [*(other for other in key.notes if other not in alike), *needed]
    floor = key.floor
    while len(notes) > _MAX_NOTES:
        oldest = min(notes, key=lambda other: other.happened)
        notes.remove(oldest)
        floor = max(floor or oldest.happened, oldest.happened)
    return {"notes": tuple(notes), "floor": floor}


def close(state: State, facts: Facts) -> State:
    """A pull request was closed unmerged: its keys go, and the Workflow is free of it."""
    pull_request = facts.pull_request
    if pull_request is None:
        return state
    for slot, key in state.keys.items():
        is_older = key.happened <= facts.happened and key.event != facts.event
        if key.state == "waiting" and key.pull_request == pull_request and is_older:
            state = state.with_key(slot, key.withdrawn(f"{pull_request} was closed unmerged"))
    if state.closed is None or state.closed.happened <= facts.happened:
        closed = Closed(pull_request=pull_request, happened=facts.happened)
        state = state.model_copy(update={"closed": closed})
    later_use = any(
        key.state in ("used", "claimed") and key.pull_request == pull_request and key.happened > facts.happened
        for key in state.keys.values()
    )
    if state.pull_request == pull_request and not later_use:
        state = state.model_copy(update={"pull_request": None})
    return state


def use(state: State, slot: str, key: Key, *, binds: bool) -> State:
    """The key has opened its gate, or is about to.

    Args:
        key: used, or claimed.
        binds: the Workflow belongs to the pull request of the first key used on it; waiting keys of others go.
    """
    state = state.with_key(slot, key)
    if not binds or key.pull_request is None or state.pull_request is not None:
        return state
    for other_slot, other in state.keys.items():
        if other.state == "waiting" and other.pull_request not in (None, key.pull_request):
            state = state.with_key(other_slot, other.withdrawn(f"the Workflow belongs to {key.pull_request}"))
    return state.model_copy(update={"pull_request": key.pull_request})

"""The state of a Workflow in its annotation: a set of signals, and which of them moved a gate.

`fold` computes what the signals come to; that is never stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import compress
from operator import ne
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from func.core.reasons import Rejection
from func.core.values import format_time, parse_time, read_boolean, read_integer, read_string

if TYPE_CHECKING:
    from func.core.outcomes import WorkflowRef
    from func.core.workflows import Node, Workflow

STATE_ANNOTATION = "taskgate.dev/state"
EVERY = "*"  # the pull request of a bound that counts for all
LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
EXPIRY_DAYS = 7
OPINIONATED = ("approved", "changes_requested", "dismissed")  # verdicts of reviews; a comment is no opinion
MOVED = {"open": "opened", "fail": "failed"}  # how a node is moved -> the word for it afterwards


def pull_request_key(pull_request: str | None) -> str:
    """Return what pull requests are compared by: repositories have no case. Empty where an event names none."""
    return (pull_request or "").casefold()


class Signal(NamedTuple):
    """The facts of one event that rules need, now and after it has waited.

    Args:
        id: of the event; for GitHub the delivery's.
        source: of the CloudEvent; None for GitHub, whose delivery ids are unique by themselves.
        name: e.g. `pull_request.labeled`; for sources other than GitHub the CloudEvent's type.
        happened: UTC, whole seconds.
        pull_request: `owner/name#number`.
        person: login of the review's author, else of the sender.
        author: of the pull request.
        head: the commit that a review is about, else the head of the pull request.
        review: the review's number.
        submitted: when the review was, where `happened` is another time.
        verdict: of the review, e.g. `approved`.
        label: the label of a `labeled` or `unlabeled` event.
        labels: those of the pull request that a rule asks for, where the event has no label of its own.
        fork: the head is in another repository than the base, or may be.
        fresh: `head` is the head of the pull request.
        data: what conditions of rules asked of the event's data: path -> what was found.
        task: the task's id.
        gate: the gate that it may open or fail; None where it only revokes.
        gone: the pull request was `closed` unmerged, has `left` the task, or was `merged`.
        outputs: values for supplied outputs of the gate.
        named, names: the tasks that the pull request named before and after an event that changed them.
        copied: it came with the annotation of the Workflow that this one was resubmitted from: it only revokes.
        written: when it was remembered.
    """

    id: str
    name: str
    happened: datetime
    source: str | None = None
    pull_request: str | None = None
    person: str | None = None
    person_id: int | None = None
    author: str | None = None
    author_id: int | None = None
    head: str | None = None
    review: int | None = None
    submitted: datetime | None = None
    verdict: str | None = None
    label: str | None = None
    labels: tuple[str, ...] = ()
    merged: bool | None = None
    draft: bool | None = None
    base: str | None = None
    fork: bool = False
    fresh: bool = True
    data: Mapping[str, list[Any]] = {}
    task: str | None = None
    repository: str | None = None
    gate: str | None = None
    gone: str | None = None
    outputs: Mapping[str, str] = {}
    named: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    copied: bool = False
    written: datetime | None = None

    @property
    def identity(self) -> tuple[str, str | None]:
        """What distinguishes this event from all others."""
        return self.id, self.source

    def is_of(self, pull_request: str | None) -> bool:
        """Return whether it is of a pull request; None for those that name none."""
        return pull_request_key(self.pull_request) == pull_request_key(pull_request)

    @property
    def order(self) -> tuple[datetime, int, str, str]:
        """Its place in time; the numbers of reviews order those of one second."""
        return self.happened, self.review or 0, self.id, self.source or ""

    @property
    def expires(self) -> datetime | None:
        """When it is no longer accepted, if it was remembered."""
        return self.written + timedelta(days=EXPIRY_DAYS) if self.written else None

    def without_gate(self) -> Signal:
        """Return it as a signal that only revokes."""
        return self._replace(gate=None, outputs={})


class Use(NamedTuple):
    """The use of a signal: it moved a node, or was used up when the node was moved manually.

    Args:
        id, source: identity of the signal.
        gate: of the rules.
        node: the node's id; None on a copy of the Workflow.
        started: when the node started, so that the same node started again is told apart.
        at: when it was moved.
        how: `open` or `fail`.
        by_hand: somebody moved the node manually, which used the signal up.
        claimed: Argo Server has not confirmed it yet.
        pull_request: of the signal.
        happened: of the signal.
    """

    id: str
    gate: str
    happened: datetime
    source: str | None = None
    node: str | None = None
    started: str | None = None
    at: datetime | None = None
    how: str = "open"
    by_hand: bool = False
    claimed: bool = False
    pull_request: str | None = None

    @property
    def identity(self) -> tuple[str, str | None]:
        """The identity of its signal."""
        return self.id, self.source


class State(NamedTuple):
    """The annotation.

    Args:
        ref: the Workflow.
        signals: in the order of time.
        used: in the order of use.
        forgotten: pull request, or EVERY -> signals that happened up to then are not accepted, because something that
            may have revoked them was dropped.
    """

    ref: WorkflowRef
    signals: tuple[Signal, ...] = ()
    used: tuple[Use, ...] = ()
    forgotten: Mapping[str, datetime] = {}

    def find(self, identity: tuple[str, str | None]) -> Signal | None:
        """Return the signal of an event."""
        return next((signal for signal in self.signals if signal.identity == identity), None)

    def use_of(self, identity: tuple[str, str | None]) -> Use | None:
        """Return how an event was used."""
        return next((use for use in self.used if use.identity == identity), None)

    @property
    def unused(self) -> list[Signal]:
        """The signals for gates that have moved none."""
        used = {use.identity for use in self.used}
        return [signal for signal in self.signals if signal.gate and signal.identity not in used]

    def mover_of(self, node: Node) -> Use | None:
        """Return the last signal that moved a node since it started."""
        return next((use for use in reversed(self.used) if (use.node, use.started) == (node.id, node.started)), None)

    def with_signal(self, signal: Signal) -> State:
        """Return a copy that remembers a signal; the same event for the same gate changes nothing."""
        old = self.find(signal.identity)
        if old and not old.copied and signal.gate in (None, old.gate):
            return self
        others = [each for each in self.signals if each is not old]
        return self._replace(signals=tuple(sorted([*others, signal], key=lambda each: each.order)))

    def with_uses(self, uses: Iterable[Use]) -> State:
        """Return a copy in which signals have moved a node; their outputs are no longer needed."""
        new = {use.identity: use for use in uses}
        signals = tuple(
            each._replace(outputs={}) if each.outputs and each.identity in new else each for each in self.signals
        )
        kept = [use for use in self.used if use.identity not in new]
        return State(self.ref, signals, (*kept, *new.values()), self.forgotten)

    def last_move(self, gate: str, nodes: Collection[str] = ()) -> datetime | None:
        """Return when the newest signal that moved a gate happened; only newer ones move it again.

        Args:
            nodes: ids of its nodes, where rules with other inputs can move them too.
        """
        moves = (use.happened for use in self.used if use.node and (use.gate == gate or use.node in nodes))
        return max(moves, default=None)

    @property
    def claims(self) -> tuple[Use, ...]:
        """Uses that Argo Server has not confirmed."""
        return tuple(use for use in self.used if use.claimed)

    @property
    def bound(self) -> str | None:
        """The pull request that the Workflow belongs to: of the first signal used on it, unless that is gone.

        One that was closed, left the task or was merged after its signal frees the Workflow, also where this came with
        the annotation of the Workflow that this one was resubmitted from.
        """
        for use in self.used:
            if use.pull_request and use.node and not use.by_hand:
                gone = (each for each in self.signals if each.gone and each.is_of(use.pull_request))
                if not any(use.happened <= each.happened for each in gone):
                    return use.pull_request
        return None

    def text(self) -> str:
        """Return the annotation's text."""
        shown: dict[str, object] = {
            "uid": self.ref.uid,
            "pull_request": self.bound,
            "signals": [_shown(signal) for signal in self.signals],
            "used": [_shown(use) for use in self.used],
        }
        if self.forgotten:
            shown["forgotten"] = dict(sorted(self.forgotten.items()))
        return _ENCODER.encode(shown)


_Record = TypeVar("_Record", Signal, Use)


def _shown(record: Signal | Use) -> dict[str, object]:
    """Return the fields of a record that are not their defaults."""
    return dict(compress(zip(record._fields, record, strict=True), map(ne, record, _DEFAULTS[type(record)])))


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=format_time)
_DEFAULTS: Mapping[type[Signal | Use], tuple[object, ...]] = {
    record: tuple(record._field_defaults.get(name) for name in record._fields) for record in (Signal, Use)
}


def read_state(workflow: Workflow) -> State:
    """Return the state of a Workflow; an empty one where there is no annotation.

    `argo resubmit` copies annotations. Of a copied state only uses and revocations count.

    Raises:
        Rejection: `annotation-unreadable`, when it is not what Taskgate writes.
    """
    text = workflow.state_text
    if text is None:
        return State(workflow.ref)
    try:
        uid, state = _parse(text, workflow.ref)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        is_ours = isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError)
        raise Rejection(
            "annotation-unreadable",
            about=workflow.ref,
            annotation=STATE_ANNOTATION,
            workflow=workflow.ref.name,
            why=str(error) if is_ours else "not JSON",
            command=forget_command(workflow.ref),
        ) from None
    return state if uid == workflow.ref.uid else _of_a_copy(state)


def forget_command(ref: WorkflowRef) -> str:
    """Return the command that removes the state of a Workflow."""
    return f"kubectl annotate workflow -n {ref.namespace} {ref.name} {STATE_ANNOTATION}-"


def _of_a_copy(state: State) -> State:
    signals = tuple(signal.without_gate()._replace(copied=True) for signal in state.signals)
    used = tuple(use._replace(node=None, claimed=False) for use in state.used)
    return state._replace(signals=signals, used=used)


def _reader_of(holder: type, kind: type, expected: str) -> Callable[[object], object]:
    """Return a reader of a list or an object whose items are all of one kind; a list becomes a tuple."""

    def read(value: object) -> object:
        items = value.values() if isinstance(value, dict) else value
        if not isinstance(value, holder) or not all(isinstance(each, kind) for each in items):  # type: ignore[attr-defined]
            raise ValueError(f"expected {expected}")
        return tuple(value) if isinstance(value, list) else value

    return read


_READERS: Mapping[str, Callable[[object], object]] = {
    **dict.fromkeys(Signal._fields, read_string),
    **dict.fromkeys(Use._fields, read_string),
    **dict.fromkeys(("happened", "submitted", "written", "at"), parse_time),
    **dict.fromkeys(("person_id", "author_id", "review"), read_integer),
    **dict.fromkeys(("merged", "draft", "fork", "fresh", "copied", "by_hand", "claimed"), read_boolean),
    **dict.fromkeys(("labels", "named", "names"), _reader_of(list, str, "a list of strings")),
    "outputs": _reader_of(dict, str, "an object of strings"),
    "data": _reader_of(dict, list, "an object of lists"),
}


def _parse(text: str, ref: WorkflowRef) -> tuple[str, State]:
    given = json.loads(text)
    if not isinstance(given, dict) or not isinstance(given.get("uid"), str):
        raise ValueError("uid is missing")  # noqa: TRY004
    if "keys" in given:
        raise ValueError("an unreleased version of Taskgate wrote it")
    forgotten = given.get("forgotten", {})
    if not isinstance(forgotten, dict):
        raise ValueError("forgotten is not an object")  # noqa: TRY004
    return given["uid"], State(
        ref,
        tuple(_records(Signal, given, "signals")),
        tuple(_records(Use, given, "used")),
        {name: parse_time(time) for name, time in forgotten.items()},
    )


def _records(kind: type[_Record], given: Mapping[str, Any], name: str) -> Iterator[_Record]:
    records = given.get(name, [])
    if not isinstance(records, list):
        raise ValueError(f"{name} is not a list")  # noqa: TRY004
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(f"{name}.{index} is not an object")  # noqa: TRY004
        fields: dict[str, Any] = {}
        for field, value in record.items():
            if field in kind._fields:  # else a newer version wrote it
                try:
                    fields[field] = _READERS[field](value)
                except ValueError as error:
                    raise ValueError(f"{name}.{index}.{field}: {error}") from None
        for field in kind._fields[: -len(kind._field_defaults)]:
            if field not in fields:
                raise ValueError(f"{name}.{index}.{field} is missing")
        yield kind(**fields)

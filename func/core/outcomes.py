"""What came of an event: the names, their HTTP status, and the answer that tells it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

Outcome: TypeAlias = Literal[
    "opened",
    "duplicate",
    "already-open",
    "parked",
    "withdrawn",
    "refused",
    "ignored",
    "no-workflow",
    "observed",
    "ambiguous",
    "incomplete",
    "invalid",
    "unavailable",
    "forbidden",
]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

# The checks, in the order in which they are made; the first that says no answers.
Check: TypeAlias = Literal[
    "token",
    "cloudevent",
    "rule",
    "task",
    "repository",
    "fork",
    "person",
    "fresh",
    "workflow",
    "age",
    "duplicate",
    "pull request",
    "key",
    "gate",
]
CHECKS: tuple[Check, ...] = get_args(Check)

_STATUS: Mapping[Outcome, int] = {
    "parked": 202,
    "ambiguous": 422,
    "incomplete": 422,
    "invalid": 400,
    "unavailable": 503,
    "forbidden": 500,
}

# Outcomes that write to the Workflow; observe mode answers `observed` instead.
WRITES: frozenset[Outcome] = frozenset({"opened", "parked", "withdrawn"})


_MAX_REASON = 1000  # characters


def _one_line(text: str) -> str:
    """Words from outside may be long, and hold what a terminal would act on."""
    shown = text if len(text) <= _MAX_REASON else f"{text[: _MAX_REASON - 4]}...."
    return shown if shown.isprintable() else "".join(each if each.isprintable() else " " for each in shown)


@dataclass(frozen=True, slots=True)
class EventRef:
    """The CloudEvent that an answer is about.

    Args:
        traceparent: as it came, valid or not.
    """

    id: str
    type: str
    source: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """Which task an event names, and how we know.

    Args:
        id: the task's id as text, as in the Workflow's label.
        repository: `owner/name`, or None for sources that name none.
        found_by: `label`, `branch`, `title` or `data`.
    """

    id: str
    repository: str | None
    found_by: str

    def __str__(self) -> str:
        return f"task {self.id}" + (f" of {self.repository}" if self.repository else "")


@dataclass(frozen=True, slots=True)
class WorkflowRef:
    """One Workflow, by all that identifies it."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one event, as it goes to the sender and to the log.

    Args:
        reason: one sentence for a person.
        node: the suspend node's id.
        would: in observe mode, the outcome that was not carried out.
        code: an HTTP status where the outcome has more than one.
        retry_after: seconds after which trying again may help.
    """

    outcome: Outcome
    reason: str
    event: EventRef | None = None
    task: Task | None = None
    gate: str | None = None
    workflow: WorkflowRef | None = None
    node: str | None = None
    would: Outcome | None = None
    code: int | None = None
    retry_after: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", _one_line(self.reason))

    @property
    def status(self) -> int:
        """The HTTP status that this answer is sent with."""
        return self.code or _STATUS.get(self.outcome, 200)

    @property
    def subject(self) -> str | None:
        """The CloudEvent subject, `<namespace>/<workflow>`."""
        return f"{self.workflow.namespace}/{self.workflow.name}" if self.workflow else None

    @property
    def sentence(self) -> str:
        """The reason, as it is told."""
        return f"Observe mode, nothing written: {self.reason}" if self.would else self.reason

    def data(self) -> dict[str, object]:
        """The answer as the JSON object that a sender receives."""
        event, task, workflow = self.event, self.task, self.workflow
        shown: dict[str, object] = {
            "outcome": self.outcome,
            "reason": self.sentence,
            "event": {"id": event.id, "type": event.type, "source": event.source} if event else None,
            "task": {"id": task.id, "repository": task.repository, "found_by": task.found_by} if task else None,
            "gate": self.gate,
            "workflow": (
                {"namespace": workflow.namespace, "name": workflow.name, "uid": workflow.uid} if workflow else None
            ),
            "node": self.node,
        }
        if self.would:
            shown["would"] = self.would
        return shown

    def observed(self) -> Answer:
        """The same answer in observe mode: what would have been written was not."""
        return replace(self, outcome="observed", would=self.outcome) if self.outcome in WRITES else self


class No(Exception):
    """A check says no: the event ends here, with this outcome and reason.

    Args:
        outcome: what the sender is told.
        reason: one sentence for a person.
        code: an HTTP status where the outcome has more than one.
        retry_after: seconds after which trying again may help.
        event, task, gate, node, workflow: what was known by then and belongs into the answer.
    """

    def __init__(
        self,
        outcome: Outcome,
        reason: str,
        *,
        code: int | None = None,
        retry_after: int | None = None,
        event: EventRef | None = None,
        task: Task | None = None,
        gate: str | None = None,
        node: str | None = None,
        workflow: WorkflowRef | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = Answer(outcome, reason, event, task, gate, workflow, node, None, code, retry_after)

    @property
    def outcome(self) -> Outcome:
        """What the sender is told."""
        return self.answer.outcome

    def about(self, task: Task | None, gate: str | None) -> No:
        """The same no, with what it is about."""
        self.answer = replace(self.answer, task=task, gate=gate)
        return self


@dataclass(slots=True)
class Trail:
    """The checks of one event, in their order: what `explain` shows.

    Args:
        steps: those that said yes, with what was found.
        at: the one that is being made; after a no, the one that said it.
    """

    steps: list[tuple[Check, str]] = field(default_factory=list)
    at: Check = "token"

    def ask(self, check: Check) -> None:
        """Begin a check; when it was made before (a race was lost), all from there on are made again."""
        self.at = check
        while self.steps and CHECKS.index(self.steps[-1][0]) >= CHECKS.index(check):
            self.steps.pop()

    def found(self, found: str) -> None:
        """The check said yes."""
        self.steps.append((self.at, found))

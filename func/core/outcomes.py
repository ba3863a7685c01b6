"""Outcomes, and the answer to an event: for the sender, the log and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Severity: TypeAlias = Literal["INFO", "WARN", "ERROR"]
Outcome: TypeAlias = Literal[
    "opened",
    "failed",
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
    "error",
]


OBSERVED = "Observe mode, nothing written: "  # before the reason


class Traits(NamedTuple):
    """What follows from an outcome.

    Args:
        status: HTTP status of the reply.
        severity: of the line in the log.
        retry: whether sending the event again can help.
        writes: whether it changes the Workflow; observe mode answers `observed` instead.
    """

    status: int = 200
    severity: Severity = "INFO"
    retry: bool = False
    writes: bool = False


OUTCOMES: Mapping[Outcome, Traits] = {
    "opened": Traits(writes=True),
    "failed": Traits(writes=True),
    "duplicate": Traits(),
    "already-open": Traits(),
    "parked": Traits(202, writes=True),
    "withdrawn": Traits(writes=True),
    "refused": Traits(),
    "ignored": Traits(),
    "no-workflow": Traits(),
    "observed": Traits(),
    "ambiguous": Traits(422),
    "incomplete": Traits(422),
    "invalid": Traits(400),
    "unavailable": Traits(503, "ERROR", retry=True),
    "forbidden": Traits(500, "ERROR", retry=True),
    "error": Traits(500, "ERROR", retry=True),
}


class EventRef(NamedTuple):
    """The CloudEvent that an answer is about.

    Args:
        traceparent: as it came, valid or not.
    """

    id: str
    type: str
    source: str
    traceparent: str | None = None


class Task(NamedTuple):
    """The task that an event names.

    Args:
        id: as in the Workflow's label.
        repository: `owner/name`, or None for sources that name none.
        found_by: what named it: `label`, `branch`, `title`, `data`, or `signal` for a signal that waited.
    """

    id: str
    repository: str | None
    found_by: str

    def __str__(self) -> str:
        return f"task {self.id}" + (f" of {self.repository}" if self.repository else "")


class WorkflowRef(NamedTuple):
    """One Workflow, by all that identifies it."""

    namespace: str
    name: str
    uid: str


class Answer(NamedTuple):
    """The answer to one event.

    Args:
        code: the stable word for the reason; `reasons.CODES` has them all.
        reason: one sentence for a person.
        node: the suspend node's id.
        would: in observe mode, the outcome that was not carried out.
        http_status: where it differs from the outcome's.
        retry_after: seconds after which trying again may help.
        written: whether the Workflow was changed for this event.
    """

    outcome: Outcome
    code: str
    reason: str
    event: EventRef | None = None
    task: Task | None = None
    gate: str | None = None
    workflow: WorkflowRef | None = None
    node: str | None = None
    would: Outcome | None = None
    http_status: int | None = None
    retry_after: int | None = None
    written: bool = False

    @property
    def status(self) -> int:
        """The HTTP status that this answer is sent with."""
        return self.http_status or OUTCOMES[self.outcome].status

    @property
    def subject(self) -> str | None:
        """The CloudEvent subject, `<namespace>/<workflow>`."""
        return f"{self.workflow.namespace}/{self.workflow.name}" if self.workflow else None

    def data(self) -> dict[str, object]:
        """Return the answer as the JSON object that a sender receives."""
        event, task, workflow = self.event, self.task, self.workflow
        shown: dict[str, object] = {
            "outcome": self.outcome,
            "reason": self.reason,
            "code": self.code,
            "event": {"id": event.id, "type": event.type, "source": event.source} if event else None,
            "task": {"id": task.id, "repository": task.repository, "found_by": task.found_by} if task else None,
            "gate": self.gate,
            "workflow": workflow._asdict() if workflow else None,
            "node": self.node,
        }
        if self.would:
            shown["would"] = self.would
        return shown

    def observed(self) -> Answer:
        """Return the same answer in observe mode: what would have been written was not."""
        if not OUTCOMES[self.outcome].writes:
            return self
        return self._replace(outcome="observed", would=self.outcome, reason=OBSERVED + self.reason)

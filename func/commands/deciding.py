"""What would become of an event, and at which check: the function's own way, without a write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn

from func.commands.recorded import Recorded
from func.core.cloudevents import OWN_TYPES, Incoming
from func.core.events import Event, read_event
from func.core.outcomes import Answer, Check, No, Trail
from func.core.rules import Rules
from func.kube import Api, Budget, Workflows
from func.pipeline import Case, Pipeline

SECONDS = 20.0  # for one event; a person waits longer than a Sensor


class NeedsWorkflow(Exception):
    """All that can be told without a cluster was told."""


class NoCluster(Workflows):
    """In the place of Workflows where there is no cluster."""

    def __init__(self, namespace: str) -> None:
        super().__init__(Api(None), namespace)

    def get(self, name: str, budget: Budget) -> NoReturn:  # noqa: ARG002 - as the real one
        """Raises: NeedsWorkflow."""
        raise NeedsWorkflow(name)

    def list_metadata(self, selector: str, budget: Budget) -> NoReturn:  # noqa: ARG002 - as the real one
        """Raises: NeedsWorkflow."""
        raise NeedsWorkflow(selector)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of one event.

    Args:
        name: What happened, e.g. `pull_request.labeled`.
        event: None where it can't be read.
        passed: The checks that said yes, with what was found.
        stopped_at: The check that said no; None where none did.
        answer: What the function would answer; None where that depends on a Workflow that could not be looked at.
        found: Task and gate, as far as they are known.
    """

    recorded: Recorded
    name: str
    event: Event | None
    passed: list[tuple[Check, str]]
    stopped_at: Check | None
    answer: Answer | None
    found: dict[str, Any]

    @property
    def would(self) -> str | None:
        """The outcome, were it sent for good."""
        return (self.answer.would or self.answer.outcome) if self.answer else None

    @property
    def reason(self) -> str | None:
        """Why; that nothing was written is said elsewhere."""
        return self.answer.reason.removeprefix("Observe mode, nothing written: ") if self.answer else None

    @property
    def is_yes(self) -> bool:
        """It would change its Workflow."""
        return self.would in ("opened", "parked", "withdrawn")

    def data(self) -> dict[str, Any]:
        """For scripts."""
        answer = self.answer.data() if self.answer else {}
        task, gate = self.found.get("task"), self.found.get("gate")
        return {
            "where": self.recorded.where,
            "event": {name: self.recorded.event.get(name) for name in ("id", "type", "source")},
            "name": self.name,
            "outcome": self.would,
            "reason": self.reason,
            "task": {"id": task.id, "repository": task.repository, "found_by": task.found_by} if task else None,
            "gate": gate,
            "workflow": answer.get("workflow"),
            "node": answer.get("node"),
            "passed": [{"check": check, "found": found} for check, found in self.passed],
            "stopped_at": self.stopped_at,
        }


def decide_offline(recorded: Recorded, rules: Rules) -> Verdict:
    """As far as it goes without any API call."""
    return decide(recorded, Pipeline(rules, NoCluster(rules.workflows.namespace), writes=False))


def decide(recorded: Recorded, pipeline: Pipeline) -> Verdict:
    """All the way.

    Args:
        pipeline: One that writes nothing.
    """
    trail = Trail()
    trail.passed("token", "nobody asks for one here")
    try:
        incoming = recorded.incoming()
    except No as no:
        answer = Answer(no.outcome, no.reason, code=no.code)
        return Verdict(recorded, str(recorded.event.get("type") or ""), None, trail.steps, "cloudevent", answer, {})
    event = _event(incoming, pipeline)
    name = event.facts.name if event else incoming.ref.type
    if incoming.ref.type.startswith(OWN_TYPES):
        trail.passed("cloudevent", incoming.ref.type)
        answer = Answer("ignored", "It is an answer of Taskgate itself, which is taken and not answered.", code=204)
        return Verdict(recorded, name, event, trail.steps, "rule", answer, {})
    case = Case(incoming, Budget.of(SECONDS), trail)
    try:
        answer = pipeline.handle(case)
    except NeedsWorkflow:
        return Verdict(recorded, name, event, trail.steps, None, None, case.found)
    found = {**case.found, "task": answer.task, "gate": answer.gate}
    verdict = Verdict(recorded, name, event, trail.steps, None, answer, found)
    if verdict.is_yes:
        return verdict
    stopped_at = _stopped_at(verdict, trail, is_release="task" not in case.found)
    # What was found before holds on; a check that said yes at first is not shown as both.
    return replace(verdict, stopped_at=stopped_at, passed=[step for step in trail.steps if step[0] != stopped_at])


def _event(incoming: Incoming, pipeline: Pipeline) -> Event | None:
    try:
        return read_event(incoming.ref, incoming.time, incoming.data, pipeline.clock())
    except No:
        return None


def _stopped_at(verdict: Verdict, trail: Trail, *, is_release: bool) -> Check | None:
    """The check that said no, as people would name it."""
    match trail.stopped_at, verdict.would:
        case "rule", "invalid":  # a field of the payload is missing or of the wrong kind
            return "cloudevent"
        case ("age", "ignored") if is_release:
            return "gate"
        case ("pull request", "no-workflow" | "ignored"):  # it has come to its end
            return "workflow"
        case "pull request", "already-open":
            return "gate"
        case stopped_at, _:
            return stopped_at

"""What would become of an event, and at which check: the function's own way, without a write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn

from func.cli.recorded import Recorded
from func.core.cloud_event import OWN_TYPES, Incoming
from func.core.events import Event, Facts, read_event
from func.core.outcomes import Answer, Check, No, Task, Trail, WorkflowRef
from func.core.rules import Rules
from func.core.state import Key, State, read_state
from func.core.workflows import read_workflow
from func.kube.client import Workflows
from func.kube.deadline import Budget
from func.service.pipeline import Case, Pipeline

SECONDS = 20.0  # for one event; a person waits longer than a Sensor
_TELLING = ("name", "happened", "pull_request", "person", "head", "review")  # facts that tell events apart


class NeedsWorkflow(Exception):
    """All that can be told without a cluster was told."""


class NoCluster(Workflows):
    """In the place of Workflows where there is no cluster."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace  # and no API

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
        task: As far as it is known, as is the gate.
        near: A Workflow that has the task's name, and why it is not the one.
        state: What its Workflow remembers, which may be why.
    """

    recorded: Recorded
    name: str
    event: Event | None
    passed: list[tuple[Check, str]]
    stopped_at: Check | None
    answer: Answer | None
    task: Task | None = None
    gate: str | None = None
    near: str | None = None
    state: State | None = None

    @property
    def would(self) -> str | None:
        """The outcome, were it sent for good."""
        return (self.answer.would or self.answer.outcome) if self.answer else None

    @property
    def reason(self) -> str | None:
        """Why."""
        return self.answer.reason if self.answer else None

    @property
    def is_yes(self) -> bool:
        """It would change its Workflow."""
        return self.would in ("opened", "parked", "withdrawn")

    def data(self) -> dict[str, Any]:
        """For scripts."""
        answer = self.answer.data() if self.answer else {}
        task = self.task
        return {
            "where": self.recorded.where,
            "event": {name: self.recorded.event.get(name) for name in ("id", "type", "source")},
            "name": self.name,
            "outcome": self.would,
            "reason": self.reason,
            "task": {"id": task.id, "repository": task.repository, "found_by": task.found_by} if task else None,
            "gate": self.gate,
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
    trail.found("nobody asks for one here")
    try:
        incoming = recorded.incoming()
    except No as no:
        return Verdict(recorded, str(recorded.event.get("type") or ""), None, trail.steps, "cloudevent", no.answer)
    event = _event(incoming, pipeline)
    name = event.facts.name if event else incoming.ref.type
    if incoming.ref.type.startswith(OWN_TYPES):
        answer = Answer("ignored", "It is an answer of Taskgate itself, which is taken and not answered.", code=204)
        return Verdict(recorded, name, event, trail.steps, "rule", answer)
    case = Case(incoming, Budget.of(SECONDS), trail)
    try:
        answer = pipeline.handle(case)
    except NeedsWorkflow:
        return Verdict(recorded, name, event, trail.steps, None, None, case.task, case.gate)
    verdict = Verdict(recorded, name, event, trail.steps, None, answer, answer.task, answer.gate)
    if verdict.is_yes:
        return verdict
    near = _near(answer.task, pipeline) if answer.outcome == "no-workflow" and answer.task else None
    state = _state(answer.workflow, pipeline) if answer.workflow else None
    if not recorded.has_id and event and state and answer.workflow:
        key = _key_of(event.facts, state)
        if key:
            return decide(recorded.known_as(key.event, f"Workflow {answer.workflow.name}"), pipeline)
    return replace(verdict, stopped_at=trail.at, near=near, state=state)


def _state(ref: WorkflowRef, pipeline: Pipeline) -> State | None:
    try:
        return read_state(read_workflow(pipeline.workflows.get(ref.name, Budget.of(SECONDS))))
    except No:
        return None


def _key_of(facts: Facts, state: State) -> Key | None:
    """The key that this event brought, told by all but its id."""
    for key in state.keys.values():
        # Labels that were put on together differ in nothing but the label, and a key may have one from its rule;
        # what came with a copy of another Workflow may have no event.
        is_same_label = facts.label in (None, key.label)
        if key.event and is_same_label and all(getattr(key, name) == getattr(facts, name) for name in _TELLING):
            return key
    return None


def _near(task: Task, pipeline: Pipeline) -> str | None:
    """The Workflow that has the task's name and not its labels, the usual cause of a `no-workflow`."""
    rules = pipeline.rules.workflows
    name = rules.name_of(task)
    try:
        raw = pipeline.workflows.get(name, Budget.of(SECONDS)) if name else None
        why_not = rules.disagreement(read_workflow(raw).labels, task) if raw else None
    except No:
        return None
    return f"Workflow {name} is there, but {why_not}" if why_not else None


def _event(incoming: Incoming, pipeline: Pipeline) -> Event | None:
    try:
        return read_event(incoming.ref, incoming.time, incoming.data, pipeline.clock())
    except No:
        return None

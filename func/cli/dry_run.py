"""What would become of an event: the function's own steps, without a write."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from func.cli.recorded import Recorded
from func.core.cloud_event import OWN_TYPES, RELEASE_TYPES
from func.core.events import Event, read_event
from func.core.intents import Plan, plan_event
from func.core.outcomes import OBSERVED, OUTCOMES, Answer, Outcome
from func.core.reasons import CODES, Check, Rejection
from func.core.rules import Rules
from func.core.signals import Signal, State, read_state
from func.core.workflows import Workflow, read_workflow
from func.kube.client import Workflows
from func.kube.deadline import Deadline
from func.service.pipeline import Pipeline, answer_of

SECONDS = 20.0  # for one event; a person waits longer than a Sensor
_IDENTIFYING = ("name", "happened", "pull_request", "person", "head", "review", "label", "verdict")


class NeedsWorkflow(BaseException):  # the pipeline answers for every Exception itself
    """The answer depends on a Workflow, and no cluster is given."""


class NoCluster(Workflows):
    """Stands for the Workflows where no cluster is given."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace  # and no API

    def get(self, name: str, deadline: Deadline) -> NoReturn:  # noqa: ARG002 - as the real one
        """Raise NeedsWorkflow."""
        raise NeedsWorkflow(name)

    def list_metadata(self, selector: str, deadline: Deadline) -> NoReturn:  # noqa: ARG002 - as the real one
        """Raise NeedsWorkflow."""
        raise NeedsWorkflow(selector)


class DryRun(NamedTuple):
    """What would become of one event.

    Args:
        name: what happened, e.g. `pull_request.labeled`.
        event: None where it cannot be read.
        plan: None for a release, and where the event cannot be read.
        answer: what the function would answer; None where that depends on a Workflow that could not be read.
        workflow: the one of the answer, as it is now.
        state: what that Workflow remembers.
    """

    recorded: Recorded
    name: str
    event: Event | None = None
    plan: Plan | None = None
    answer: Answer | None = None
    workflow: Workflow | None = None
    state: State | None = None

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, were the event sent."""
        return (self.answer.would or self.answer.outcome) if self.answer else None

    @property
    def is_accepted(self) -> bool:
        """Whether the event would change its Workflow."""
        return self.outcome is not None and OUTCOMES[self.outcome].writes

    @property
    def check(self) -> Check | None:
        """The check that answers."""
        return CODES[self.answer.code].check if self.answer else None

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        return self.answer.reason if self.answer else ""

    @property
    def gate(self) -> str | None:
        """The gate that the event is about, as far as it is known."""
        return (self.answer.gate if self.answer else None) or (self.plan.gate if self.plan else None)

    def data(self) -> dict[str, Any]:
        """Return it for scripts."""
        answer = self.answer.data() if self.answer else {}
        task = (self.answer.task if self.answer else None) or (self.plan.task if self.plan else None)
        return {
            "where": self.recorded.where,
            "event": {name: self.recorded.event.get(name) for name in ("id", "type", "source")},
            "name": self.name,
            "outcome": self.outcome,
            "code": answer.get("code"),
            "reason": self.reason or None,
            "task": {"id": task.id, "repository": task.repository, "found_by": task.found_by} if task else None,
            "gate": self.gate,
            "workflow": answer.get("workflow"),
            "node": answer.get("node"),
            "stopped_at": None if self.is_accepted else self.check,
        }


def dry_run_offline(recorded: Recorded, rules: Rules) -> DryRun:
    """Return what becomes of an event, as far as that is known without any Workflow."""
    return dry_run(recorded, Pipeline(rules, NoCluster(rules.workflows.namespace), writes=False))


def dry_run(recorded: Recorded, pipeline: Pipeline) -> DryRun:
    """Return what would become of an event.

    Args:
        pipeline: one that writes nothing.
    """
    run = DryRun(recorded, str(recorded.event.get("type") or ""))
    try:
        incoming = recorded.incoming()
        if incoming.ref.type.startswith(OWN_TYPES):
            why = "Taskgate sent this event itself, and answers it with 204 and no body"
            return run._replace(answer=Answer("ignored", "no-rule", f"{why}.", http_status=204))
        if incoming.ref.type not in RELEASE_TYPES:
            event = read_event(incoming.ref, incoming.time, incoming.data, pipeline.rules, pipeline.clock())
            run = run._replace(event=event, name=event.signal.name, plan=plan_event(event, pipeline.rules))
        answer = pipeline.handle(incoming, Deadline.after(SECONDS))
    except Rejection as rejection:
        return run._replace(answer=answer_of(rejection))
    except NeedsWorkflow:
        return run
    answer = answer._replace(reason=answer.reason.removeprefix(OBSERVED))
    workflow, state = _read(answer, pipeline)
    run = run._replace(answer=answer, workflow=workflow, state=state)
    if recorded.has_id or run.event is None or state is None:
        return run
    known = _same(run.event.signal, state)
    return dry_run(recorded.known_as(known.id, f"Workflow {state.ref.name}"), pipeline) if known else run


def _read(answer: Answer, pipeline: Pipeline) -> tuple[Workflow | None, State | None]:
    workflow = None
    if answer.workflow:
        try:
            workflow = read_workflow(pipeline.workflows.get(answer.workflow.name, Deadline.after(SECONDS)))
            return workflow, read_state(workflow)
        except Rejection:
            pass  # the answer says what is wrong with it
    return workflow, None


def _same(signal: Signal, state: State) -> Signal | None:
    """Return the signal that this event brought, found by all but its id."""
    return next(
        (each for each in state.signals if all(getattr(each, f) == getattr(signal, f) for f in _IDENTIFYING)), None
    )

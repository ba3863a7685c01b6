"""What would become of an event: the function's own steps, without a write, and what each check found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from func.cli.recorded import Recorded
from func.core.cloud_event import OWN_TYPES, RELEASE_TYPES
from func.core.events import Event, read_event
from func.core.intents import Plan, plan_event
from func.core.outcomes import OBSERVED, OUTCOMES, Answer, Outcome, Task
from func.core.reasons import CHECKS, CODES, Rejection
from func.core.rules import ANYONE, Rule, Rules
from func.core.signals import Signal, State, read_state
from func.core.values import format_time
from func.core.workflows import Workflow, read_workflow
from func.kube.deadline import Deadline
from func.kube.workflows import Workflows
from func.service.pipeline import Pipeline, answer_of

_SECONDS = 20.0  # for one event; a person waits longer than a Sensor
_IDENTIFYING = ("name", "happened", "pull_request", "person", "head", "review", "label", "verdict")
_CHECKS_OF_A_RULE = ("repository", "fork", "state", "person", "fresh")


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
    def check(self) -> str | None:
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

    @property
    def task(self) -> Task | None:
        """The task that the event is about, as far as it is known."""
        return (self.answer.task if self.answer else None) or (self.plan.task if self.plan else None)

    def data(self, rules: Rules) -> dict[str, Any]:
        """Return it for scripts."""
        answer, task = self.answer.data() if self.answer else {}, self.task
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
            "passed": [{"check": check, "found": found} for check, found in passed_checks(self, rules)],
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
            why = "Taskgate sent this event itself, and answers it with 204 and no body."
            return run._replace(answer=Answer("ignored", "no-rule", why, http_status=204))
        if incoming.ref.type not in RELEASE_TYPES:
            event = read_event(incoming.ref, incoming.time, incoming.data, pipeline.rules, pipeline.clock())
            run = run._replace(event=event, name=event.signal.name, plan=plan_event(event, pipeline.rules))
        answer = pipeline.handle(incoming, Deadline.after(_SECONDS))
    except Rejection as rejection:
        return run._replace(answer=answer_of(rejection))
    except NeedsWorkflow:
        return run
    workflow, state = _read(answer, pipeline)
    answer = answer._replace(reason=answer.reason.removeprefix(OBSERVED))
    run = run._replace(answer=answer, workflow=workflow, state=state)
    if recorded.has_id or run.event is None or state is None:
        return run
    known = _same(run.event.signal, state)
    return dry_run(recorded.known_as(known.id, f"Workflow {state.ref.name}"), pipeline) if known else run


def _read(answer: Answer, pipeline: Pipeline) -> tuple[Workflow | None, State | None]:
    workflow = None
    if answer.workflow:
        try:
            workflow = read_workflow(pipeline.workflows.get(answer.workflow.name, Deadline.after(_SECONDS)))
            return workflow, read_state(workflow)
        except Rejection:
            pass  # the answer says what is wrong with it
    return workflow, None


def _same(signal: Signal, state: State) -> Signal | None:
    """Return the signal that this event brought, found by all but its id."""
    return next(
        (each for each in state.signals if all(getattr(each, f) == getattr(signal, f) for f in _IDENTIFYING)), None
    )


def passed_checks(run: DryRun, rules: Rules) -> list[tuple[str, str]]:
    """Return the checks before the one that answers, each with what it found."""
    found: dict[str, str] = {"token": "not checked: a file has none", "cloudevent": run.name}
    found |= dict(_found_in_event(run, rules))
    found |= dict(_found_on_workflow(run))
    last = "workflow" if run.answer is None else run.check
    if run.is_accepted:
        return [(check, found[check]) for check in CHECKS if check != last and check in found]
    before = CHECKS[: CHECKS.index(last)] if last else ()
    return [(check, found[check]) for check in before if check in found]


def _found_in_event(run: DryRun, rules: Rules) -> Iterator[tuple[str, str]]:
    plan = run.plan
    if plan is None or run.event is None:
        yield "rule", "a Workflow on which signals wait has changed"
        return
    signal = run.event.signal
    matched = rules.match(signal)
    first = plan.intents[0] if plan.intents else None
    yield "rule", " and ".join(_effects(plan, matched)) or "nothing"
    if plan.task:
        yield "task", f"{plan.task}, by its {plan.task.found_by}"
    if first and first.rule is None:  # it revokes, whatever these checks would say
        if plan.verdict and plan.verdict.check in _CHECKS_OF_A_RULE:
            yield plan.verdict.check, f"It moves no gate: {plan.verdict.sentence}"
        return
    if matched is None:
        return
    signal, rule = first.signal if first else signal, matched[1]
    listed = rules.repositories is not None
    yield "repository", f"{signal.repository} is in `repositories`" if listed else "the rules set no `repositories`"
    yield "fork", "the rule sets `forks: true`" if signal.fork else "not from a fork"
    is_now = "closed by this event" if run.event.is_closed else "open"
    about = f"{signal.pull_request} is {is_now}" if signal.pull_request else "the event is not about a pull request"
    yield "state", about
    groups = " or ".join(rule.by)
    yield "person", "anyone may trigger it" if ANYONE in rule.by else f"{signal.person} is in {groups}"
    fresh = f"commit {(signal.head or '')[:7]} is the head of {signal.pull_request}"
    yield "fresh", fresh if rule.fresh else "the rule does not set `fresh`"


def _effects(plan: Plan, matched: tuple[str, Rule] | None) -> Iterator[str]:
    """Return what the event does, if all checks pass."""
    if matched:
        gate, rule = matched
        yield f"{'opens' if rule.then == 'open' else 'fails'} {gate}"
    for intent in plan.intents:
        task = f" of task {intent.task.id}" if len(plan.intents) > 1 else ""
        if intent.revokes:
            yield f"revokes signals for {' and '.join(intent.revokes)}{task}"
        if intent.signal.gone:
            how = "leaves" if intent.signal.gone == "left" else f"is {intent.signal.gone} for"
            yield f"{intent.signal.pull_request} {how} task {intent.task.id}"


def _found_on_workflow(run: DryRun) -> Iterator[tuple[str, str]]:
    workflow, state = run.workflow, run.state
    if workflow is None:
        return
    yield "workflow", f"{workflow.ref.namespace}/{workflow.ref.name}"
    if run.event is None or state is None:
        return
    signal = run.event.signal
    happened, created = format_time(signal.happened), format_time(workflow.created)
    yield "age", f"it happened at {happened}, and the Workflow was created at {created}"
    yield "duplicate", f"event {signal.id} was not used on this Workflow"
    bound = f"belongs to {state.bound}" if state.bound else "belongs to no pull request yet"
    yield "pull request", f"the Workflow {bound}"
    yield "signal", "nothing that is remembered revokes or overtakes it"
    yield "gate", f"{run.gate} is not looked at" if run.plan and run.plan.intents[0].rule is None else "it waits"

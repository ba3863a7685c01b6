"""What would become of an event: the function's own steps, without a write, and what each check found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, NamedTuple, NoReturn

from func.cli.recorded import Recorded
from func.core.cloud_event import OWN_TYPES, RELEASE_TYPES
from func.core.events import Event, read_event
from func.core.intents import Plan, plan_event
from func.core.outcomes import OBSERVED, OUTCOMES, Answer
from func.core.reasons import CHECKS, CODES, Rejection
from func.core.rules import ANYONE, Rules
from func.core.signals import Signal, State, read_state
from func.core.values import format_time
from func.core.workflows import Workflow, read_workflow
from func.kube.deadline import Deadline
from func.kube.errors import Unavailable
from func.kube.workflows import Workflows
from func.service.pipeline import Pipeline, answer_of

_SECONDS = 20.0  # for one event; a person waits longer than a Sensor
_IDENTIFYING = ("name", "happened", "pull_request", "person", "head", "review", "label", "verdict")


class NoCluster(Workflows):
    """Stands for the Workflows where no cluster is given: every read fails."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace  # and no API

    def get(self, name: str, deadline: Deadline) -> NoReturn:  # noqa: ARG002 - as the real one
        """Raise Unavailable."""
        raise Unavailable("no cluster to read: set KUBECONFIG")

    def list_metadata(self, selector: str, deadline: Deadline) -> NoReturn:
        """Raise Unavailable."""
        self.get(selector, deadline)


class CheckResult(NamedTuple):
    """What one check found.

    Args:
        mark: `yes`, `NO`, `?` where it needs a cluster, or `-` where it was not made.
    """

    mark: Literal["yes", "NO", "?", "-"]
    check: str
    found: str = ""


class DryRun(NamedTuple):
    """What would become of one event.

    Args:
        name: what happened, e.g. `pull_request.labeled`.
        answer: what the function would answer.
        needs_cluster: the answer depends on a Workflow, and no cluster is given.
        event: None where it cannot be read.
        plan: None for a release, and where the event cannot be read.
        workflow: the one of the answer, as it is now.
        state: what that Workflow remembers.
    """

    recorded: Recorded
    name: str
    answer: Answer
    needs_cluster: bool
    event: Event | None = None
    plan: Plan | None = None
    workflow: Workflow | None = None
    state: State | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the event would change its Workflow."""
        return OUTCOMES[self.answer.outcome].writes

    def data(self, rules: Rules) -> dict[str, Any]:
        """Return it for scripts."""
        results = [result for result in check_results(self, rules) if result.mark != "-"]
        unknown = dict.fromkeys(("outcome", "code", "reason") if self.needs_cluster else ())
        answering = CODES[self.answer.code].check
        return {
            "where": self.recorded.where,
            "name": self.name,
            **self.answer.data(),
            **unknown,
            "event": {name: self.recorded.event.get(name) for name in ("id", "type", "source")},
            "stopped_at": next((result.check for result in results if result.mark == "NO"), None),
            "passed": [{"check": each.check, "found": each.found} for each in results if each.check != answering],
        }


def offline_pipeline(rules: Rules) -> Pipeline:
    """Return a pipeline that decides as far as that is possible without any Workflow."""
    return Pipeline(rules, NoCluster(rules.workflows.namespace), writes=False)


def dry_run(recorded: Recorded, pipeline: Pipeline) -> DryRun:
    """Return what would become of an event.

    Args:
        pipeline: one that writes nothing.
    """
    name = str(recorded.event.get("type") or "")
    event: Event | None = None
    plan: Plan | None = None
    try:
        incoming = recorded.incoming()
        if incoming.ref.type.startswith(OWN_TYPES):
            why = "Taskgate sent this event itself, and answers it with 204 and no body."
            return DryRun(recorded, name, Answer("ignored", "no-rule", why, http_status=204), needs_cluster=False)
        if incoming.ref.type not in RELEASE_TYPES:
            event = read_event(incoming.ref, incoming.time, incoming.data, pipeline.rules, pipeline.clock())
            name, plan = event.signal.name, plan_event(event, pipeline.rules)
        answer = pipeline.handle(incoming, Deadline.after(_SECONDS))
    except Rejection as rejection:
        answer = answer_of(rejection)
    answer = answer._replace(
        outcome=answer.would or answer.outcome, would=None, reason=answer.reason.removeprefix(OBSERVED)
    )
    workflow: Workflow | None = None
    state: State | None = None
    if answer.workflow:
        with suppress(Rejection):  # the answer says what is wrong with it
            workflow = read_workflow(pipeline.workflows.get(answer.workflow.name, Deadline.after(_SECONDS)))
            state = read_state(workflow)
    needs_cluster = isinstance(pipeline.workflows, NoCluster) and answer.code == Unavailable.code
    if event and state and not recorded.has_id and (known := _same(event.signal, state)):
        return dry_run(recorded.known_as(known.id, f"Workflow {state.ref.name}"), pipeline)
    return DryRun(recorded, name, answer, needs_cluster, event, plan, workflow, state)


def _same(signal: Signal, state: State) -> Signal | None:
    """Return the signal that this event brought, found by all but its id."""
    return next(
        (each for each in state.signals if all(getattr(each, f) == getattr(signal, f) for f in _IDENTIFYING)), None
    )


def check_results(run: DryRun, rules: Rules) -> list[CheckResult]:
    """Return what each check found, in their order."""
    found, answering = dict(_found(run, rules)), CHECKS.index(CODES[run.answer.code].check)
    results = []
    for number, check in enumerate(CHECKS):
        if number == answering:
            mark: Literal["yes", "NO", "?"] = "yes" if run.is_accepted else "?" if run.needs_cluster else "NO"
            results.append(CheckResult(mark, check, run.answer.reason))
        elif check in found and (number < answering or run.is_accepted):
            results.append(CheckResult("yes", check, found[check]))
        else:
            results.append(CheckResult("-", check))
    return results


def _found(run: DryRun, rules: Rules) -> Iterator[tuple[str, str]]:
    """Return what the checks find in an event that passes them."""
    yield "token", "not checked: a file has none"
    yield "cloudevent", run.name
    if run.event and run.plan:
        yield "rule", " and ".join(_effects(run.event, run.plan, rules)) or "nothing"
        yield from _found_in_event(run.event, run.plan, rules)
    else:
        yield "rule", "a Workflow on which signals wait has changed"
    if run.workflow:
        yield "workflow", f"{run.workflow.ref.namespace}/{run.workflow.ref.name}"
    if run.workflow and run.state and run.event:
        happened, created = format_time(run.event.signal.happened), format_time(run.workflow.created)
        yield "age", f"it happened at {happened}, and the Workflow was created at {created}"
        yield "duplicate", f"event {run.event.signal.id} was not used on this Workflow"
        yield "pull request", f"the Workflow belongs to {run.state.bound or 'no pull request yet'}"
        yield "signal", "nothing that is remembered revokes or overtakes it"
        if run.plan and run.plan.intents[0].rule:
            yield "gate", "it waits"


def _found_in_event(event: Event, plan: Plan, rules: Rules) -> Iterator[tuple[str, str]]:
    if plan.task:
        yield "task", f"{plan.task}, by its {plan.task.found_by}"
    matched, first = rules.match(event.signal), plan.intents[0] if plan.intents else None
    if matched is None or (first and first.rule is None):
        return  # it revokes, whatever the other checks would say
    signal, rule = first.signal if first else event.signal, matched[1]
    yield "repository", str(signal.repository) if rules.repositories else "the rules set no `repositories`"
    yield "fork", "the rule sets `forks: true`" if signal.fork else "not from a fork"
    yield "state", "closed by this event" if event.is_closed else "not closed"
    yield "person", "anyone may trigger it" if ANYONE in rule.by else f"{signal.person} is in {' or '.join(rule.by)}"
    yield "fresh", f"commit {str(signal.head)[:7]} is the head" if rule.fresh else "the rule does not set `fresh`"


def _effects(event: Event, plan: Plan, rules: Rules) -> Iterator[str]:
    """Return what the event does, if all checks pass."""
    matched = rules.match(event.signal)
    if matched:
        gate, rule = matched
        refused = plan.verdict if plan.intents else None
        yield f"does not {rule.then} {gate} ({refused.code})" if refused else f"{rule.then}s {gate}"
    for intent in plan.intents:
        task = f" of task {intent.task.id}" if len(plan.intents) > 1 else ""
        if intent.revokes:
            yield f"revokes signals for {' and '.join(intent.revokes)}{task}"
        if intent.signal.gone:
            how = "leaves" if intent.signal.gone == "left" else f"is {intent.signal.gone} for"
            yield f"{intent.signal.pull_request} {how} task {intent.task.id}"

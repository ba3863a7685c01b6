"""What each check of an event found, in the order of the checks."""

from __future__ import annotations

from collections.abc import Iterator

from func.cli.dry_run import DryRun
from func.core.reasons import CHECKS, Check
from func.core.rules import ANYONE, Rule, Rules
from func.core.signals import Signal
from func.core.values import format_time

_OF_MOVERS = ("repository", "fork", "state", "person", "fresh")


def passed(run: DryRun, rules: Rules) -> list[tuple[Check, str]]:
    """Return the checks before the one that answers, each with what it found."""
    found = _findings(run, rules)
    if run.answer is None:
        checks = CHECKS[: CHECKS.index("workflow")]
    elif run.is_accepted:
        checks = tuple(check for check in CHECKS if check != run.check)
    else:
        checks = CHECKS[: CHECKS.index(run.check)] if run.check else ()
    return [(check, found[check]) for check in checks if check in found]


def _findings(run: DryRun, rules: Rules) -> dict[Check, str]:
    found: dict[Check, str] = {"token": "not checked: a file has none", "cloudevent": run.name}
    if run.plan is None or run.event is None:
        found["rule"] = "a Workflow on which signals wait has changed"
    else:
        found |= dict(_of_event(run, run.event.signal, rules))
    if run.workflow:
        found |= dict(_of_workflow(run))
    return found


def _of_event(run: DryRun, signal: Signal, rules: Rules) -> Iterator[tuple[Check, str]]:
    plan = run.plan
    assert plan is not None  # noqa: S101 - the caller looks
    first = plan.intents[0] if plan.intents else None
    matched = rules.match(signal)
    yield "rule", " and ".join(_does(run, matched)) or "nothing"
    if plan.task:
        yield "task", f"{plan.task}, by its {plan.task.found_by}"
    if first and first.rule is None:  # it revokes, whatever these checks would say
        if plan.verdict and plan.verdict.check in _OF_MOVERS:
            yield plan.verdict.check, f"It moves no gate: {plan.verdict.sentence}"
    elif matched:
        yield from _of_mover(run, (first.signal if first else signal), matched[1], rules)


def _does(run: DryRun, matched: tuple[str, Rule] | None) -> Iterator[str]:
    assert run.plan is not None  # noqa: S101 - the caller looks
    if matched:
        gate, rule = matched
        yield f"{'opens' if rule.then == 'open' else 'fails'} {gate}"
    for intent in run.plan.intents:
        task = f" of task {intent.task.id}" if len(run.plan.intents) > 1 else ""
        if intent.revokes:
            yield f"revokes signals for {' and '.join(intent.revokes)}{task}"
        if intent.signal.gone:
            how = "leaves" if intent.signal.gone == "left" else f"is {intent.signal.gone} for"
            yield f"{intent.signal.pull_request} {how} task {intent.task.id}"


def _of_mover(run: DryRun, signal: Signal, rule: Rule, rules: Rules) -> Iterator[tuple[Check, str]]:
    listed = rules.repositories is not None
    yield "repository", f"{signal.repository} is in `repositories`" if listed else "the rules set no `repositories`"
    yield "fork", "the rule sets `forks: true`" if signal.fork else "not from a fork"
    if signal.pull_request is None:
        yield "state", "the event is not about a pull request"
    else:
        closed = run.event is not None and run.event.is_closed
        yield "state", f"{signal.pull_request} is {'closed by this event' if closed else 'open'}"
    groups = " or ".join(rule.by)
    yield "person", "anyone may trigger it" if ANYONE in rule.by else f"{signal.person} is in {groups}"
    fresh = f"commit {(signal.head or '')[:7]} is the head of {signal.pull_request}"
    yield "fresh", fresh if rule.fresh else "the rule does not set `fresh`"


def _of_workflow(run: DryRun) -> Iterator[tuple[Check, str]]:
    workflow, state = run.workflow, run.state
    assert workflow is not None  # noqa: S101 - the caller looks
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

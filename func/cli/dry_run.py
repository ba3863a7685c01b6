"""What would become of an event: the function's own steps, without a write, and what each check found."""

from __future__ import annotations

from contextlib import suppress
from operator import attrgetter
from typing import Any, Literal, NamedTuple, NoReturn, TypeAlias

from func.cli.recorded import Recorded
from func.core.cloud_event import OWN_TYPES, RELEASE_TYPES
from func.core.events import Event, read_event
from func.core.intents import Plan, plan_event
from func.core.outcomes import OBSERVED, OUTCOMES, Answer
from func.core.reasons import CHECKS, CODES, Rejection
from func.core.rules import ANYONE, Rules
from func.core.signals import read_state
from func.core.workflows import read_workflow
from func.kube.deadline import Deadline
from func.kube.errors import Unavailable
from func.kube.workflows import Workflows
from func.service.pipeline import Pipeline, answer_of

_SECONDS = 20.0  # for one event; a person waits longer than a Sensor
_OWN = Answer(
    "ignored", "no-rule", "Taskgate sent this event itself, and answers it with 204 and no body.", http_status=204
)
# Tells events apart whose delivery ids are not known.
_facts_of = attrgetter("name", "happened", "pull_request", "person", "head", "review", "label", "verdict")
Mark: TypeAlias = Literal["yes", "NO", "?"]


class _NoCluster(Workflows):
    """Stands for the Workflows where no cluster is given: every read fails."""

    def get(self, *_: object, **__: object) -> NoReturn:
        raise Unavailable("no cluster to read: set KUBECONFIG")

    list_metadata = get


class DryRun(NamedTuple):
    """What would become of one event.

    Args:
        name: what happened, e.g. `pull_request.labeled`.
        answer: what the function would answer.
        mark: of the check that the answer is of: `yes` where the event would change its Workflow, `?` where that
            depends on its Workflow and no cluster is given.
        event: None where it cannot be read.
        plan: None for a release, and where the event cannot be read.
    """

    rules: Rules
    recorded: Recorded
    name: str
    answer: Answer
    mark: Mark
    event: Event | None = None
    plan: Plan | None = None

    @property
    def check(self) -> str:
        """The check that the answer is of."""
        return CODES[self.answer.code].check

    def results(self) -> list[tuple[Mark, str, str]]:
        """Return the checks that were made, in their order, with what each found."""
        found = {**_found(self), self.check: self.answer.reason}
        made = CHECKS if self.mark == "yes" else CHECKS[: CHECKS.index(self.check) + 1]
        return [(self.mark if each == self.check else "yes", each, found[each]) for each in made if each in found]

    def data(self) -> dict[str, Any]:
        """Return it for scripts."""
        passed = [{"check": check, "found": found} for _, check, found in self.results() if check != self.check]
        return {
            "where": self.recorded.where,
            "name": self.name,
            **self.answer.data(),
            **dict.fromkeys(("outcome", "code", "reason") if self.mark == "?" else ()),
            "event": {name: self.recorded.event.get(name) for name in ("id", "type", "source")},
            "stopped_at": self.check if self.mark == "NO" else None,
            "passed": passed,
        }


def offline_pipeline(rules: Rules) -> Pipeline:
    """Return a pipeline that decides as far as that is possible without any Workflow."""
    api: Any = None
    return Pipeline(rules, _NoCluster(api, rules.workflows.namespace), writes=False)


def dry_run(recorded: Recorded, pipeline: Pipeline) -> DryRun:
    """Return what would become of an event, by a pipeline that writes nothing."""
    name = str(recorded.event.get("type") or "")
    event: Event | None = None
    plan: Plan | None = None
    try:
        incoming = recorded.incoming()
        is_own = incoming.ref.type.startswith(OWN_TYPES)
        if not is_own and incoming.ref.type not in RELEASE_TYPES:
            event = read_event(incoming.ref, incoming.time, incoming.data, pipeline.rules, pipeline.clock())
            name, plan = event.signal.name, plan_event(event, pipeline.rules)
        answer = _OWN if is_own else pipeline.handle(incoming, Deadline.after(_SECONDS))
    except Rejection as rejection:
        answer = answer_of(rejection)
    answer = answer._replace(
        outcome=answer.would or answer.outcome, would=None, reason=answer.reason.removeprefix(OBSERVED)
    )
    if event and answer.workflow and not recorded.has_id:
        with suppress(Rejection):  # the answer says what is wrong with the Workflow
            workflow = read_workflow(pipeline.workflows.get(answer.workflow.name, Deadline.after(_SECONDS)))
            for known in read_state(workflow).signals:
                if _facts_of(known) == _facts_of(event.signal):
                    return dry_run(recorded.known_as(known.id, f"Workflow {workflow.ref.name}"), pipeline)
    mark: Mark = "yes" if OUTCOMES[answer.outcome].writes else "NO"
    if isinstance(pipeline.workflows, _NoCluster) and answer.code == Unavailable.code:
        mark = "?"
    return DryRun(pipeline.rules, recorded, name, answer, mark, event, plan)


def _found(run: DryRun) -> dict[str, str]:
    """Return what the checks find in an event that passes them; empty where that it passes is all."""
    found = {"token": "not checked: a file has none", "cloudevent": run.name, "workflow": run.answer.subject or ""}
    event, plan = run.event, run.plan
    if event is None or plan is None:
        return {**found, "rule": "a Workflow on which signals wait has changed"}
    matched = run.rules.match(event.signal)
    effects = [
        f"revokes signals{' for ' if intent.revokes else ''}{' and '.join(intent.revokes)} of task {intent.task.id}"
        for intent in plan.intents
        if intent.revokes or intent.signal.gone
    ]
    if matched:
        gate, rule = matched
        refused = plan.verdict if plan.intents else None
        effects.insert(0, f"does not {rule.then} {gate} ({refused.code})" if refused else f"{rule.then}s {gate}")
    found["rule"] = " and ".join(effects) or "nothing"
    found["task"] = f"{plan.task}, by its {plan.task.found_by}" if plan.task else ""
    if matched is None or (plan.intents and not plan.intents[0].rule):
        # It only revokes, whatever the other checks would say.
        return {**dict.fromkeys(("age", "duplicate", "pull request", "signal"), ""), **found}
    signal = plan.intents[0].signal if plan.intents else event.signal
    is_in = f"{signal.person} is in {' or '.join(rule.by)}"
    found["person"] = "anyone may trigger it" if ANYONE in rule.by else is_in
    found["fork"] = "from a fork, and the rule sets `forks: true`" if signal.fork else "not from a fork"
    found["fresh"] = f"commit {str(signal.head)[:7]} is the head" if rule.fresh else "the rule does not set `fresh`"
    return {**dict.fromkeys(CHECKS, ""), **found}

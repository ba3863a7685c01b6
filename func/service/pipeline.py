"""The steps of an event, in order.

CloudEvent -> Event -> Plan -> Workflow -> Decision -> JSON Patch -> Answer
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from func.core.claims import settle
from func.core.cloud_event import RELEASE_TYPES, Incoming, released_workflow
from func.core.decisions import decide
from func.core.events import read_event
from func.core.intents import Intent, Plan, plan_event
from func.core.moves import Decision
from func.core.outcomes import Answer, EventRef, Task, WorkflowRef
from func.core.patches import Operation, patch_for
from func.core.reasons import Rejection, Verdict
from func.core.releases import decide_release
from func.core.rules import Rules
from func.core.workflows import Workflow, read_workflow
from func.kube.argo_server import ArgoServer
from func.kube.deadline import Deadline
from func.kube.errors import LostRace, NotFound, Unsure
from func.kube.workflows import Workflows
from func.service.lookup import Found, find_workflow
from func.telemetry.log import log_line

MAX_UNSURE = 100  # events
MAX_WRITES = 3  # for one Workflow, when others keep changing it
MAX_REVOKED = 5  # Workflows of one task that an event revokes signals on
EVENT_SECONDS = 4.5  # the Sensor delivers one event at a time, and waits 5 s for its answer


class EventRecorder(Protocol):
    """Reports to the cluster what was written."""

    def record(self, answer: Answer, deadline: Deadline) -> None:
        """Report an answer; a failure does not change the answer."""


@dataclass(slots=True)
class _Attempt:
    """The state of several tries to write one Workflow.

    Args:
        known: the answer so far.
        unsure: what was written last, while it is not known whether the API did it.
        why: the last try failed.
    """

    known: Answer
    unsure: Decision | None = None
    why: str = ""


@dataclass(slots=True)
class Pipeline:
    """Handles events, from a CloudEvent to an answer.

    Args:
        writes: False to decide only.
        recorder: also reports what was written to the cluster.
        clock: returns the time in UTC.
    """

    rules: Rules
    workflows: Workflows
    argo: ArgoServer | None = None
    writes: bool = True
    recorder: EventRecorder | None = None
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    # Writes that outlasted their event, by the event: its next delivery reads what became of them.
    _unsure: dict[tuple[str, str], Decision] = field(default_factory=dict)

    def handle(self, incoming: Incoming, deadline: Deadline) -> Answer:
        """Handle one CloudEvent.

        Returns:
            The answer; every rejection and every failure of the API is an answer too.
        """
        try:
            is_release = incoming.ref.type in RELEASE_TYPES
            answer = self._release(incoming, deadline) if is_release else self._event(incoming, deadline)
        except Rejection as rejection:
            answer = answer_of(rejection)
        except Exception:
            answer = _defect(Answer("error", "defect", ""))
        answer = answer._replace(event=incoming.ref)
        if self.recorder:
            self.recorder.record(answer, deadline)
        return answer

    def _event(self, incoming: Incoming, deadline: Deadline) -> Answer:
        event = read_event(incoming.ref, incoming.time, incoming.data, self.rules, self.clock())
        plan = plan_event(event, self.rules)
        known = Answer("ignored", "no-rule", "", incoming.ref, plan.task, plan.gate)
        if not plan.intents:
            return _with_verdict(known, plan.verdict or Verdict.of("no-rule", event=event.signal.name, details=""))
        try:
            return self._carry_out(plan, known, deadline)
        except Exception:
            return _defect(known)

    def _carry_out(self, plan: Plan, known: Answer, deadline: Deadline) -> Answer:
        # Revocations on other Workflows come first, so that a redelivery after a failure ends the same.
        others = [self._intent(intent, known, deadline) for intent in plan.intents[1:]]
        if failed := _failed(others):
            return failed
        answer = self._intent(plan.intents[0], known, deadline)
        if answer.status >= 500:
            return answer
        if plan.intents[0].rule is None and plan.verdict and plan.verdict.outcome == "ambiguous":
            others, answer = [*others, answer], _with_verdict(known, plan.verdict)._replace(written=answer.written)
        told = [each.reason for each in others if each.written]
        return answer._replace(reason=" ".join([answer.reason, *told])) if told else answer

    def _intent(self, intent: Intent, known: Answer, deadline: Deadline) -> Answer:
        """Do what an event does to the Workflow of one task."""
        known = known._replace(task=intent.task, gate=intent.gate or known.gate)

        def read(known: Answer) -> Workflow | Answer:
            found = find_workflow(intent.task, self.rules.workflows, self.workflows, deadline)
            if found.several and (intent.rule is None or intent.revokes or intent.signal.gone):
                revoking = intent._replace(signal=intent.signal.without_gate(), rule=None)
                return self._revoke_all(revoking, found, known, deadline)
            if found.workflow is None:
                return _with_verdict(known, _without_workflow(intent, found))
            if found.verdict and decide_on(found.workflow).verdict.code == "workflow-finished":
                return _with_verdict(known, found.verdict)
            return found.workflow

        def decide_on(workflow: Workflow) -> Decision:
            return decide(intent, self.rules, workflow, self.clock())

        return self._write(known, read, decide_on, deadline)

    def _revoke_all(self, intent: Intent, found: Found, known: Answer, deadline: Deadline) -> Answer:
        """Revoke on every Workflow of the task, since several are running."""
        answers = [
            self._write(
                known,
                lambda known, name=name: self._get(name, known, deadline),  # type: ignore[misc]
                lambda workflow: decide(intent, self.rules, workflow, self.clock()),
                deadline,
            )
            for name in found.several[:MAX_REVOKED]
        ]
        if failed := _failed(answers):
            return failed
        verdict = intent.refused or found.verdict or Verdict.of("no-workflow", task=intent.task)
        return _with_verdict(known, verdict)._replace(written=any(each.written for each in answers))

    def _release(self, incoming: Incoming, deadline: Deadline) -> Answer:
        namespace, name = released_workflow(incoming)
        known = Answer("ignored", "nothing-to-release", "", incoming.ref)
        expected = self.rules.workflows.namespace
        if namespace != expected:
            return _with_verdict(known, Verdict.of("other-namespace", namespace=namespace, expected=expected))
        return self._write(
            known,
            lambda known: self._get(name, known, deadline),
            lambda workflow: decide_release(workflow, self.rules, self.clock()),
            deadline,
        )

    def _get(self, name: str, known: Answer, deadline: Deadline) -> Workflow | Answer:
        try:
            return read_workflow(self.workflows.get(name, deadline))
        except NotFound:
            return _with_verdict(known, Verdict.of("workflow-gone", workflow=name))

    def _write(
        self,
        known: Answer,
        read: Callable[[Answer], Workflow | Answer],
        decide: Callable[[Workflow], Decision],
        deadline: Deadline,
    ) -> Answer:
        """Read, decide and write; again when another writer was faster.

        Args:
            known: the answer so far.
            read: returns the Workflow, or the answer where there is none.
            decide: returns what to write.
            deadline: of the event.
        """
        event = (known.event.source, known.event.id) if known.event else ("", "")
        attempt = _Attempt(known, self._unsure.pop(event, None))
        try:
            for _ in range(MAX_WRITES):
                answer = self._try(attempt, read, decide, deadline)
                if answer:
                    return answer
            # The API may have done the last write, and only its answer was lost.
            answer = self._try(attempt, read, None, deadline)
            if answer:
                return answer
            raise Rejection("lost-race", tries=MAX_WRITES, why=attempt.why)
        except Rejection as rejection:
            if attempt.unsure:
                self._unsure[event] = attempt.unsure
                while len(self._unsure) > MAX_UNSURE:
                    self._unsure.pop(next(iter(self._unsure)), None)
            return answer_of(rejection, attempt.known)

    def _try(
        self,
        attempt: _Attempt,
        read: Callable[[Answer], Workflow | Answer],
        decide: Callable[[Workflow], Decision] | None,
        deadline: Deadline,
    ) -> Answer | None:
        """Read, decide and write once; None when another writer was faster, or it is not known."""
        try:
            workflow = read(attempt.known)
            if isinstance(workflow, Answer):
                return workflow
            attempt.known = attempt.known._replace(workflow=workflow.ref)
            workflow = self._hydrated(workflow, deadline)
            # A claim is not settled by what was decided then: what it claims may be revoked by now.
            is_claim = workflow.stored == "offloaded" and attempt.unsure and attempt.unsure.move
            if attempt.unsure and attempt.unsure.is_done_on(workflow) and not is_claim:
                return self._settle(attempt.unsure, workflow, attempt.known, deadline)
            if decide is None:
                return None
            decision = decide(workflow)
            if not self.writes:
                return _with_decision(attempt.known, decision).observed()
            attempt.unsure = decision
            patch = _patch(workflow, decision)
            if not patch and decision.move is None:
                return _with_decision(attempt.known, decision)
            if patch:  # none when the claim was written before, and only the call to Argo Server is left
                self.workflows.patch(workflow.ref.name, patch, deadline)
            return self._settle(decision, workflow, attempt.known, deadline)
        except (LostRace, NotFound) as error:
            attempt.unsure, attempt.why = None, f"others kept changing it, and the last refusal was: {error}"
            attempt.known = attempt.known._replace(workflow=None)  # it may be gone
        except Unsure as error:
            attempt.why = str(error)
        return None

    def _hydrated(self, workflow: Workflow, deadline: Deadline) -> Workflow:
        """Return the Workflow with its nodes, wherever they are stored."""
        if workflow.stored != "offloaded":
            return workflow
        if self.argo is None:
            raise Rejection("offloaded")
        return self.argo.hydrate(workflow, deadline)

    def _settle(self, decision: Decision, workflow: Workflow, known: Answer, deadline: Deadline) -> Answer:
        """Return the answer for a decision that was written to the Workflow.

        If its nodes are offloaded, the write only claimed the node. Argo Server then moves it, and a second write
        confirms the claim.
        """
        answer = _with_decision(known, decision)._replace(written=True)
        if decision.move is None or workflow.stored != "offloaded" or self.argo is None:
            return answer
        self.argo.move(workflow, decision.move, deadline)
        settled = self._write(
            known,
            lambda known: self._get(workflow.ref.name, known, deadline),
            lambda claimed: settle(claimed, decision, self.rules, self.clock()),
            deadline,
        )
        # Argo Server moved the gate, even if the Workflow was deleted before the second write.
        return answer if settled.code == "workflow-gone" else settled._replace(written=True)


def _defect(known: Answer) -> Answer:
    """Return the answer for a defect, which names event and task, and log the traceback."""
    log_line("ERROR", "Taskgate failed on an event.", {"exception.stacktrace": traceback.format_exc()})
    return _with_verdict(known, Verdict.of("defect"))


def _patch(workflow: Workflow, decision: Decision) -> list[Operation]:
    if decision.state is None:
        return []
    return patch_for(workflow, decision.text, decision.move, parked=decision.parked)


def _failed(answers: Iterable[Answer]) -> Answer | None:
    """Return the first answer after which the sender tries again: a final one would lose what the event revokes."""
    return next((each for each in answers if each.status >= 500), None)


def _without_workflow(intent: Intent, found: Found) -> Verdict:
    if intent.refused:
        return intent.refused
    verdict = found.verdict or Verdict.of("no-workflow", task=intent.task)
    if intent.rule is None and verdict.outcome == "no-workflow":
        return Verdict.of("nothing-to-revoke", task=intent.task)
    return verdict


def answer_of(rejection: Rejection, known: Answer | None = None) -> Answer:
    """Return the answer to an event that was rejected.

    Args:
        rejection: with what it says about the answer.
        known: the answer so far.
    """
    known, about = known or Answer("error", "defect", ""), rejection.about
    return _with_verdict(known, rejection.verdict)._replace(
        event=about if isinstance(about, EventRef) else known.event,
        workflow=about if isinstance(about, WorkflowRef) else known.workflow,
        gate=rejection.gate or known.gate,
        node=rejection.node,
        retry_after=rejection.retry_after,
    )


def _with_verdict(known: Answer, verdict: Verdict) -> Answer:
    return known._replace(
        outcome=verdict.outcome, code=verdict.code, reason=verdict.sentence, http_status=verdict.http_status
    )


def _with_decision(known: Answer, decision: Decision) -> Answer:
    task: Task | None = decision.task or known.task
    return _with_verdict(known, decision.verdict)._replace(
        gate=decision.gate or known.gate, node=decision.node, task=task
    )

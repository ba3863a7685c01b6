"""The one place that puts the steps in order.

CloudEvent -> Event -> Task -> Workflow -> Gate -> JSON Patch -> Answer
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from func.core.aim import Aim, take_aim
from func.core.cloud_event import RELEASE_TYPES, Incoming, released_workflow
from func.core.decisions import Decision, decide, decide_release, settle
from func.core.events import read_event
from func.core.outcomes import Answer, No, Task, Trail, WorkflowRef
from func.core.patches import patch_for
from func.core.rules import Rules
from func.core.workflows import Workflow, read_workflow
from func.kube.argo_server import ArgoServer
from func.kube.client import Workflows
from func.kube.deadline import Budget
from func.kube.errors import LostRace, NotFound, Unavailable, Unsure
from func.service.lookup import find

if TYPE_CHECKING:
    from func.telemetry.kubernetes_events import Notices

MAX_WRITES = 3  # for one event, when others keep changing the Workflow
EVENT_SECONDS = 4.5  # the Sensor delivers one event at a time, and wants its answer within 5 s


@dataclass(slots=True)
class Case:
    """One event on its way, and what is known of it so far: for the answer, and for `explain`.

    Args:
        gate: the one that it is about in the first place.
    """

    incoming: Incoming
    budget: Budget = field(default_factory=lambda: Budget.of(EVENT_SECONDS))
    trail: Trail = field(default_factory=Trail)
    task: Task | None = None
    gate: str | None = None
    workflow: WorkflowRef | None = None

    def complete(self, answer: Answer) -> Answer:
        """The answer, with what is known beside it."""
        return replace(
            answer,
            event=self.incoming.ref,
            task=answer.task or self.task,
            gate=answer.gate or self.gate,
            workflow=answer.workflow or self.workflow,
        )


@dataclass(slots=True)
class Pipeline:
    """Everything that an event needs on its way.

    Args:
        writes: False to decide only.
        notices: where what was written is told to the cluster too.
        clock: UTC.
    """

    rules: Rules
    workflows: Workflows
    argo: ArgoServer | None = None
    writes: bool = True
    notices: Notices | None = None
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def handle(self, case: Case) -> Answer:
        """One CloudEvent, all the way.

        Returns: what came of it; every refusal and every failure of the API is an answer too.
        """
        try:
            case.trail.ask("cloudevent")
            is_release = case.incoming.ref.type in RELEASE_TYPES
            answer = self._release(case) if is_release else self._event(case)
        except No as no:
            answer = no.answer
        answer = case.complete(answer)
        if self.notices:
            self.notices.tell(answer, case.budget)
        return answer

    def _event(self, case: Case) -> Answer:
        incoming = case.incoming
        event = read_event(incoming.ref, incoming.time, incoming.data, self.clock())
        case.trail.found(event.facts.name)
        aim = take_aim(event, self.rules, case.trail)
        case.task, case.gate = aim.task, aim.gate
        return self._write(
            case,
            read=lambda: self._hydrated(self._find(aim, case), case),
            decide=lambda workflow: decide(aim, self.rules, workflow, self.clock(), case.trail),
        )

    def _release(self, case: Case) -> Answer:
        namespace, name = released_workflow(case.incoming)
        if namespace != self.rules.workflows.namespace:
            raise No("ignored", f"Namespace {namespace} is not {self.rules.workflows.namespace}, the one of the rules.")
        case.trail.found(f"Workflow {name} has changed")

        def decide(workflow: Workflow) -> Decision:
            case.trail.ask("gate")
            return decide_release(workflow, self.rules, self.clock())

        return self._write(case, read=lambda: self._hydrated(self._changed(name, case), case), decide=decide)

    def _find(self, aim: Aim, case: Case) -> Workflow:
        case.trail.ask("workflow")
        case.workflow = None  # of a race that was lost; it may be gone
        workflow = find(aim.task, self.rules, self.workflows, case.budget)
        if workflow is None and aim.bring is None:
            raise No("ignored", f"No Workflow has the labels of {aim.task}, so there is no key to take back.")
        if workflow is None:
            raise No("no-workflow", f"No Workflow has the labels of {aim.task}.")
        return workflow

    def _changed(self, name: str, case: Case) -> Workflow:
        case.trail.ask("workflow")
        try:
            return read_workflow(self.workflows.get(name, case.budget))
        except NotFound:
            raise No("ignored", f"Workflow {name} is gone.") from None

    def _hydrated(self, workflow: Workflow, case: Case) -> Workflow:
        """The Workflow with its nodes, wherever they are stored."""
        case.workflow = workflow.ref
        if workflow.stored == "offloaded":
            if self.argo is None:
                reason = "The nodes of this Workflow are offloaded: set ARGO_SERVER to the URL of Argo Server."
                raise No("unavailable", reason)
            workflow = self.argo.hydrate(workflow, case.budget)
        case.trail.found(f"{workflow.ref.namespace}/{workflow.ref.name}")
        return workflow

    def _write(self, case: Case, read: Callable[[], Workflow], decide: Callable[[Workflow], Decision]) -> Answer:
        """Read, decide, write; when somebody else wrote first, all over again."""
        unsure: Decision | None = None
        why = ""
        for attempt in range(MAX_WRITES + 1):
            try:
                workflow = read()
                if unsure and unsure.is_done_on(workflow):
                    return self._settle(unsure, workflow, case)  # our write was done, only its answer was lost
                if attempt == MAX_WRITES:
                    break
                decision = decide(workflow)
                if not self.writes:
                    return decision.answer.observed()
                unsure = decision
                patch = patch_for(workflow, decision.state, decision.opening)
                if patch:
                    self.workflows.patch(workflow.ref.name, patch, case.budget)
                return self._settle(decision, workflow, case)
            except (LostRace, NotFound) as error:
                unsure, why = None, f"others kept changing it, and the last refusal was: {error}"
            except Unsure as error:
                why = str(error)
        raise Unavailable(f"The Workflow could not be written in {MAX_WRITES} tries: {why}")

    def _settle(self, decision: Decision, workflow: Workflow, case: Case) -> Answer:
        """For offloaded nodes: Argo Server carries the claim out, then the key is used."""
        if decision.opening is None or workflow.stored != "offloaded" or self.argo is None:
            return decision.answer
        self.argo.open(workflow, decision.opening, case.budget)
        try:
            return self._write(
                case,
                read=lambda: self._changed(workflow.ref.name, case),
                decide=lambda claimed: settle(claimed, decision),
            )
        except No as no:
            if no.outcome == "ignored":  # the Workflow is gone; its gate was opened all the same
                return decision.answer
            raise

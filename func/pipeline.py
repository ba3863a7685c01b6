"""The one place that puts the steps in order.

CloudEvent -> Event -> Task -> Workflow -> Gate -> JSON Patch -> Answer
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from func.argo import ArgoServer
from func.core.aim import Aim, take_aim
from func.core.cloudevents import Incoming
from func.core.decisions import Decision, decide, decide_release, disagreement, settle
from func.core.events import look_up, read_event
from func.core.outcomes import Answer, No, Task, Trail
from func.core.rules import Rules, slug
from func.core.selectors import is_label_value
from func.core.workflows import Workflow, is_finished, read_workflow
from func.kube import Budget, KubernetesError, LostRace, NotFound, Unavailable, Unsure, Workflows

MAX_WRITES = 3  # for one event, when others keep changing the Workflow
EVENT_SECONDS = 4.5  # the Sensor delivers one event at a time, and wants its answer within 5 s
RETRY_AFTER = 2  # seconds

# A Workflow with waiting keys has changed: from Argo Events' resource EventSource, or Knative's ApiServerSource.
_RELEASE_TYPES = frozenset(
    {"io.argoproj.workflow.updated", "dev.knative.apiserver.ref.add", "dev.knative.apiserver.ref.update"}
)
_SUBJECT = re.compile(
    r"(?:/apis/argoproj\.io/v1alpha1/namespaces/)?([a-z0-9-]{1,63})/(?:workflows/)?([a-z0-9.-]{1,253})"
)


@dataclass(slots=True)
class Case:
    """One event on its way: what is known of it so far, for the answer, for `explain` and for the log."""

    incoming: Incoming
    budget: Budget = field(default_factory=lambda: Budget.of(EVENT_SECONDS))
    trail: Trail = field(default_factory=Trail)
    found: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Pipeline:
    """Everything that an event needs on its way.

    Args:
        writes: False to decide only.
        clock: UTC.
    """

    rules: Rules
    workflows: Workflows
    argo: ArgoServer | None = None
    writes: bool = True
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def handle(self, case: Case) -> Answer:
        """One CloudEvent, all the way.

        Returns: what came of it; every refusal and every failure of the API is an answer too.
        """
        case.found["event"] = case.incoming.ref
        case.trail.passed("cloudevent", case.incoming.ref.type)
        try:
            answer = self._release(case) if case.incoming.ref.type in _RELEASE_TYPES else self._event(case)
        except No as no:
            after = RETRY_AFTER if no.outcome == "unavailable" else None
            answer = Answer(no.outcome, no.reason, code=no.code, retry_after=after)
            case.found.update(no.found)
        except KubernetesError as error:
            after = error.retry_after or RETRY_AFTER if error.outcome == "unavailable" else None
            answer = Answer(error.outcome, f"{str(error)[:1].upper()}{str(error)[1:]}.", retry_after=after)
        unknown = {name: value for name, value in case.found.items() if getattr(answer, name) is None}
        return replace(answer, **unknown)

    def _event(self, case: Case) -> Answer:
        incoming = case.incoming
        event = read_event(incoming.ref, incoming.time, incoming.data, self.clock())
        aim = take_aim(event, self.rules, case.trail)
        case.found.update(task=aim.task, gate=aim.gate)
        return self._carry_out(
            case,
            find=lambda: self._hydrated(self._find(aim, case), case),
            decide=lambda workflow: decide(aim, self.rules, workflow, self.clock(), case.trail),
        )

    def _release(self, case: Case) -> Answer:
        namespace, name = _released(case.incoming)
        if namespace != self.rules.workflows.namespace:
            raise No("ignored", f"Namespace {namespace} is not {self.rules.workflows.namespace}, the one of the rules.")
        for check in ("rule", "task", "repository", "fork", "person", "fresh"):
            case.trail.passed(check, "checked again with each waiting key")
        return self._carry_out(
            case,
            find=lambda: self._hydrated(self._released_workflow(name, case), case),
            decide=lambda workflow: decide_release(workflow, self.rules, self.clock()),
        )

    def _released_workflow(self, name: str, case: Case) -> Workflow:
        try:
            return read_workflow(self.workflows.get(name, case.budget))
        except NotFound:
            raise No("ignored", f"Workflow {name} is gone.") from None

    def _carry_out(self, case: Case, find: Callable[[], Workflow], decide: Callable[[Workflow], Decision]) -> Answer:
        """Read, decide, write; when somebody else wrote first, all over again."""
        unsure: Decision | None = None
        why = ""
        for attempt in range(MAX_WRITES + 1):
            try:
                workflow = find()
                case.found["workflow"] = workflow.ref
                if unsure and unsure.is_done_on(workflow):
                    return self._settle(unsure, workflow, case)  # our write was done, only its answer was lost
                if attempt == MAX_WRITES:
                    break
                decision = decide(workflow)
                if not self.writes:
                    return decision.answer.observed()
                unsure = decision
                if decision.patch:
                    self.workflows.patch(workflow.ref.name, decision.patch, case.budget)
                return self._settle(decision, workflow, case)
            except (LostRace, NotFound):
                unsure, why = None, "others kept changing the Workflow, the race was lost"
            except Unsure as error:
                why = str(error)
        raise Unavailable(f"{why} {MAX_WRITES} times")

    def _hydrated(self, workflow: Workflow, case: Case) -> Workflow:
        """The Workflow with its nodes, wherever they are stored."""
        case.found["workflow"] = workflow.ref
        case.trail.passed("workflow", f"{workflow.ref.namespace}/{workflow.ref.name}")
        if workflow.stored != "offloaded":
            return workflow
        if self.argo is None:
            reason = "The nodes of this Workflow are offloaded: set ARGO_SERVER to the URL of Argo Server."
            raise No("unavailable", reason)
        return self.argo.hydrate(workflow, case.budget)

    def _settle(self, decision: Decision, workflow: Workflow, case: Case) -> Answer:
        """For offloaded nodes: Argo Server carries the claim out, then the key is used."""
        if decision.claim is None or self.argo is None:
            return decision.answer
        self.argo.open(workflow, decision.claim, case.budget)
        try:
            return self._carry_out(
                case,
                find=lambda: self._released_workflow(workflow.ref.name, case),
                decide=lambda claimed: settle(claimed, decision),
            )
        except No:  # the Workflow is gone; its gate was opened all the same
            return decision.answer

    def _find(self, aim: Aim, case: Case) -> Workflow:
        """The task's one Workflow: by its name, else by its labels.

        Raises: No, `no-workflow`, `ambiguous`, or for a withdrawal `ignored`.
        """
        task = aim.task
        case.found.pop("workflow", None)  # of a race that was lost; it may be gone
        labels_exist = is_label_value(task.id) and is_label_value(slug(task.repository or ""))
        workflow = self._by_name(task, case) if labels_exist else None
        if workflow and not workflow.finished:
            return workflow
        found = self._by_labels(task, workflow, case) if labels_exist else None
        if found:
            return found
        if aim.bring is None:
            raise No("ignored", f"{task} has no Workflow, so there is no key to take back.")
        raise No("no-workflow", f"No Workflow has the labels of {task}.")

    def _by_name(self, task: Task, case: Case) -> Workflow | None:
        name = self.rules.workflows.name_of(task.id)
        if name is None:
            return None
        try:
            workflow = read_workflow(self.workflows.get(name, case.budget))
        except NotFound:
            return None
        return None if disagreement(workflow.labels, self.rules, task) else workflow

    def _by_labels(self, task: Task, finished: Workflow | None, case: Case) -> Workflow | None:
        """The one that is under way, else the newest that has come to its end.

        Args:
            finished: the one that was found by its name, and has come to its end.

        Raises: NotFound, when the one that was listed is gone.
        """
        rules = self.rules.workflows
        selector = [rules.selector, f"{rules.labels.task}={task.id}"]
        if rules.labels.repository:
            selector.append(f"{rules.labels.repository}={slug(task.repository or '')}")
        listed = [item.get("metadata") or {} for item in self.workflows.list_metadata(",".join(selector), case.budget)]
        active = [item for item in listed if not is_finished(item.get("labels") or {})]
        if len(active) > 1:
            names = ", ".join(sorted(str(item.get("name")) for item in active)[:5])
            raise No("ambiguous", f"{task} has several Workflows under way: {names}; stop all but one.")
        chosen = active[0] if active else max(listed, key=lambda item: str(item.get("creationTimestamp")), default=None)
        if chosen is None:
            return finished
        if finished and chosen.get("uid") == finished.ref.uid:
            return finished
        # Gone since the LIST: looked for again, because there may be a new one in its place.
        workflow = read_workflow(self.workflows.get(str(chosen.get("name")), case.budget))
        return None if disagreement(workflow.labels, self.rules, task) else workflow


def _released(incoming: Incoming) -> tuple[str, str]:
    """Which Workflow has changed: namespace and name.

    Raises: No, `invalid`.
    """
    match = _SUBJECT.fullmatch(incoming.subject or "")
    if match:
        return match[1], match[2]
    namespace, name = (look_up(incoming.data, path) for path in ("namespace", "name"))
    match = _SUBJECT.fullmatch(f"{namespace}/{name}")
    if not match:
        raise No("invalid", "The attribute subject is not <namespace>/<name> of a Workflow.")
    return match[1], match[2]

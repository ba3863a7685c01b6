"""One Workflow and the core: events go in, and what is decided is written, with no server between.

The JSON Patches are applied as the Kubernetes API does it, so a decision that tests wrongly fails here too.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from func.core.cloud_event import read_cloudevent
from func.core.decisions import decide
from func.core.events import read_event
from func.core.gates_file import parse_rules
from func.core.intents import Plan, plan_event
from func.core.moves import Decision
from func.core.outcomes import Answer, Task
from func.core.patches import Operation, encode, patch_for
from func.core.reasons import Rejection, Verdict
from func.core.releases import decide_release
from func.core.rules import Rules
from func.core.workflows import read_workflow
from func.devcluster import jsonpatch
from func.service.settings import BUILT_IN_RULES
from tests.payloads import HAPPENED, Payload, Request, cloudevent_structured
from tests.recorded_workflows import CREATED, Workflow, waiting_workflow

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
STATE = "taskgate.dev/state"
PARKED = "taskgate.dev/parked"
GATE = "wait-pr-approved"


@functools.cache
def at(seconds: int) -> datetime:
    """The time so many seconds after HAPPENED."""
    return HAPPENED + timedelta(seconds=seconds)


def named(payload: Payload, name: str) -> Request:
    """The event of a payload, with this id."""
    return cloudevent_structured(payload, delivery=name)


def says(code: str, **data: object) -> tuple[str, str]:
    """A code and its sentence."""
    return code, Verdict.of(code, **data).sentence


def built_in() -> Rules:
    """The rules built in."""
    return parse_rules(BUILT_IN_RULES.read_text(encoding="utf-8"), "gates.yaml")


@functools.cache
def rules_with(gates: str, outputs: str = "", more: str = "") -> Rules:
    """Rules with these gates (YAML, each line indented by two spaces), else those built in."""
    head = BUILT_IN_RULES.read_text(encoding="utf-8").split("\ngates:")[0]
    return parse_rules(f"{head}\ngates:\n{gates}\n{f'outputs:{chr(10)}{outputs}' if outputs else ''}\n{more}\n", "test")


def plan_of(request: Request | Payload, rules: Rules, now: datetime = NOW) -> Plan:
    """Return what an event is for.

    Raises:
        Rejection: when it is not an event that can be read.
    """
    headers, body = cloudevent_structured(request) if isinstance(request, dict) else request
    incoming = read_cloudevent(headers, body)
    return plan_event(read_event(incoming.ref, incoming.time, incoming.data, rules, now), rules)


def answer_of(verdict: Verdict, **known: Any) -> Answer:  # noqa: ANN401
    """Return an answer with this verdict."""
    return Answer(verdict.outcome, verdict.code, verdict.sentence, http_status=verdict.http_status, **known)


def answer_to(request: Request | Payload, rules: Rules, now: datetime = NOW) -> Answer | None:
    """Return the answer that needs no Workflow; None where one is needed."""
    try:
        plan = plan_of(request, rules, now)
    except Rejection as rejection:
        return answer_of(rejection.verdict)
    if plan.intents or plan.verdict is None:
        return None
    return answer_of(plan.verdict, task=plan.task, gate=plan.gate)


@dataclass
class Bench:
    """A Workflow that events are delivered to.

    Args:
        document: as the Kubernetes API holds it; never changed in place.
    """

    document: Workflow
    rules: Rules = field(default_factory=built_in)
    now: datetime = NOW
    writes: int = 0
    reached: int = 0

    @classmethod
    def at(cls, gate: str | None = GATE, rules: Rules | None = None, **facts: Any) -> Bench:  # noqa: ANN401
        """A Workflow of task 3 that stands at this gate."""
        return cls(waiting_workflow(3, gate, **facts), rules or built_in())

    def copy(self) -> Bench:
        """Another bench that goes on from here."""
        return Bench(self.document, self.rules, self.now, self.writes)

    def deliver(self, event: Request | Payload | Plan) -> Answer:
        """Deliver one event and return what its sender would get, had this Workflow been found for each task."""
        try:
            plan = event if isinstance(event, Plan) else plan_of(event, self.rules, self.now)
            own = [each for each in plan.intents if self.is_of(each.task.id, each.task.repository)]
            if not own:
                verdict = plan.verdict or Verdict.of("no-workflow", task=plan.task)
                return answer_of(verdict, task=plan.task, gate=plan.gate)
            answer = self._write(decide(own[0], self.rules, read_workflow(self.document), self.now))
            if own[0].rule is None and plan.verdict and plan.verdict.outcome == "ambiguous":
                return answer_of(plan.verdict, task=plan.task, gate=plan.gate)
            return answer._replace(task=own[0].task, gate=answer.gate or plan.gate)
        except Rejection as rejection:
            return answer_of(rejection.verdict, gate=rejection.gate, node=rejection.node)

    def is_of(self, task: str, repository: str | None) -> bool:
        """Return whether the Workflow is the one of a task."""
        labels = read_workflow(self.document).labels
        return self.rules.workflows.disagreement(labels, Task(task, repository, "label")) is None

    def release(self) -> Answer:
        """Tell that the Workflow has changed: can a waiting signal be used?"""
        try:
            return self._write(decide_release(read_workflow(self.document), self.rules, self.now))
        except Rejection as rejection:
            return answer_of(rejection.verdict)

    def _write(self, decision: Decision) -> Answer:
        patch = patch_of(self.document, decision)
        if patch:
            assert patch[0] == {
                "op": "test",
                "path": "/metadata/uid",
                "value": self.document["metadata"]["uid"],
            }
            self.document = patched(self.document, decision)
            self.writes += 1
        return answer_of(
            decision.verdict, gate=decision.gate, node=decision.node, task=decision.task, written=bool(patch)
        )

    def reach(self, gate: str = GATE) -> None:
        """The Workflow goes on to this gate; nobody tells the function."""
        reached = waiting_workflow(
            3,
            gate,
            name=self.document["metadata"]["name"],
            uid=self.document["metadata"]["uid"],
        )
        for node in reached["status"]["nodes"].values():
            if node.get("displayName") == gate:
                self.reached += 1  # a node that is reached again starts later
                node["startedAt"] = (CREATED + timedelta(seconds=2 + self.reached)).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = reached["metadata"] | {"annotations": self.document["metadata"].get("annotations", {})}
        labels = reached["metadata"]["labels"]
        if self.is_parked:
            labels[PARKED] = "true"
        self.document = reached | {"metadata": metadata}

    @property
    def state(self) -> dict[str, Any]:
        """What is remembered."""
        text = self.document["metadata"].get("annotations", {}).get(STATE)
        state = json.loads(text) if text else {"signals": [], "used": []}
        assert isinstance(state, dict)
        return state

    def signals(self) -> list[str]:
        """Return the ids of the signals that are remembered, in the order of time."""
        return [signal["id"] for signal in self.state["signals"]]

    def used(self, gate: str = GATE) -> list[str]:
        """Return the ids of the signals that moved a gate, or were used up."""
        return [use["id"] for use in self.state["used"] if use["gate"] == gate]

    @property
    def is_parked(self) -> bool:
        """Does the label say that a key waits?"""
        return bool(self.document["metadata"]["labels"].get(PARKED) == "true")

    def phase(self, gate: str = GATE) -> str | None:
        """The phase of the gate's node, None where there is none."""
        nodes = self.document["status"]["nodes"].values()
        return next((n["phase"] for n in nodes if n["type"] == "Suspend" and n["displayName"] == gate), None)

    @property
    def is_open(self) -> bool:
        """Has somebody opened the gate of the approval?"""
        return self.phase() == "Succeeded"


def patch_of(document: Workflow, decision: Decision) -> list[Operation]:
    """What a decision about this Workflow writes."""
    if decision.state is None:
        return []
    return patch_for(read_workflow(document), decision.text, decision.move, parked=decision.parked)


def patched(document: Workflow, decision: Decision, *, now: Workflow | None = None) -> Workflow:
    """The Workflow as the Kubernetes API has it after the patch.

    Args:
        document: as it was when it was decided about.
        now: as it has become since.

    Raises: jsonpatch.PatchError, when a test fails.
    """
    sent = jsonpatch.parse(encode(patch_of(document, decision)))
    changed = jsonpatch.apply(document if now is None else now, sent)
    assert isinstance(changed, dict)
    return changed

"""One Workflow and the core: events go in, and what is decided is written, with no server between.

The JSON Patches are applied as the Kubernetes API does it, so a decision that tests wrongly fails here too.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from func.core.aim import Aim, take_aim
from func.core.cloud_event import read_cloudevent
from func.core.decisions import Decision, decide, decide_release
from func.core.events import read_event
from func.core.outcomes import Answer, No, Trail
from func.core.patches import Operation, encode, patch_for
from func.core.rules import Rules, parse_rules
from func.core.workflows import read_workflow
from func.devcluster import jsonpatch
from func.service.settings import BUILT_IN_RULES
from tests.payloads import Payload, Request, cloudevent_structured
from tests.recorded_workflows import Workflow, waiting_workflow

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
STATE = "taskgate.dev/state"
PARKED = "taskgate.dev/parked"
GATE = "wait-pr-approved"


@functools.cache
def built_in() -> Rules:
    """The rules built in."""
    return parse_rules(BUILT_IN_RULES.read_text(encoding="utf-8"), "gates.yaml")


@functools.cache
def rules_with(gates: str, outputs: str = "", more: str = "") -> Rules:
    """Rules with these gates (YAML, each line indented by two spaces), else those built in."""
    head = BUILT_IN_RULES.read_text(encoding="utf-8").split("\ngates:")[0]
    return parse_rules(f"{head}\ngates:\n{gates}\n{f'outputs:{chr(10)}{outputs}' if outputs else ''}\n{more}\n", "test")


def aim_of(request: Request | Payload, rules: Rules, now: datetime = NOW, trail: Trail | None = None) -> Aim:
    """What an event is for.

    Raises: No.
    """
    headers, body = cloudevent_structured(request) if isinstance(request, dict) else request
    incoming = read_cloudevent(headers, body)
    return take_aim(read_event(incoming.ref, incoming.time, incoming.data, now), rules, trail or Trail())


def answer_to(request: Request | Payload, rules: Rules, now: datetime = NOW) -> Answer | None:
    """The answer that needs no Workflow; None where one is needed."""
    try:
        aim_of(request, rules, now)
    except No as no:
        return no.answer
    return None


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

    @classmethod
    def at(cls, gate: str | None = GATE, rules: Rules | None = None, **facts: Any) -> Bench:  # noqa: ANN401
        """A Workflow of task 3 that stands at this gate."""
        return cls(waiting_workflow(3, gate, **facts), rules or built_in())

    def copy(self) -> Bench:
        """Another bench that goes on from here."""
        return Bench(self.document, self.rules, self.now, self.writes)

    def deliver(self, event: Request | Payload | Aim | Answer) -> Answer:
        """One event; the answer is what its sender would get."""
        if isinstance(event, Answer):
            return event
        try:
            aim = event if isinstance(event, Aim) else aim_of(event, self.rules, self.now)
            workflow = read_workflow(self.document)
            if self.rules.workflows.disagreement(workflow.labels, aim.task):
                return Answer("no-workflow", "It is not the one.")
            return self._write(decide(aim, self.rules, workflow, self.now, Trail()))
        except No as no:
            return no.answer

    def release(self) -> Answer:
        """The Workflow has changed: can a waiting key be used?"""
        try:
            return self._write(decide_release(read_workflow(self.document), self.rules, self.now))
        except No as no:
            return no.answer

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
        return decision.answer

    def reach(self, gate: str = GATE) -> None:
        """The Workflow goes on to this gate; nobody tells the function."""
        reached = waiting_workflow(
            3,
            gate,
            name=self.document["metadata"]["name"],
            uid=self.document["metadata"]["uid"],
        )
        metadata = reached["metadata"] | {"annotations": self.document["metadata"].get("annotations", {})}
        labels = reached["metadata"]["labels"]
        if self.is_parked:
            labels[PARKED] = "true"
        self.document = reached | {"metadata": metadata}

    @property
    def state(self) -> dict[str, Any]:
        """What is remembered."""
        text = self.document["metadata"].get("annotations", {}).get(STATE)
        state = json.loads(text) if text else {"keys": {}}
        assert isinstance(state, dict)
        return state

    def key(self, gate: str = GATE) -> dict[str, Any]:
        """The key of a gate."""
        key = self.state["keys"][gate]
        assert isinstance(key, dict)
        return key

    def key_state(self, gate: str = GATE) -> str | None:
        """The state of the key of a gate, None where nothing is remembered."""
        key = self.state["keys"].get(gate)
        return key and str(key["state"])

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
    return patch_for(read_workflow(document), decision.state, decision.opening)


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

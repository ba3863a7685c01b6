"""The gates of one Workflow: where each stands, and what became of its key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from func.cli.key_words import key_in_words, kind_of
from func.core.decisions import decide_release
from func.core.outcomes import No
from func.core.rules import Rules, Way
from func.core.state import State, slot_of
from func.core.values import parse_time
from func.core.workflows import STATE_ANNOTATION, Node, Workflow


@dataclass(frozen=True, slots=True)
class GateStory:
    """One gate; where the rules tell gates of one name apart by inputs, one of those.

    Args:
        slot: Where its key is kept: the gate's name, and its inputs.
        stands: `open`, `waits`, `not reached`, or how it ended.
        nodes: Those that wait.
        since: When the first of them began to wait.
        key: What became of its key, in one word; empty where none came.
        about: Sentences about that key and what stands against others.
    """

    gate: str
    slot: str
    stands: str
    nodes: tuple[str, ...] = ()
    since: datetime | None = None
    key: str = ""
    about: tuple[str, ...] = ()


def gates_of(workflow: Workflow, rules: Rules, state: State, now: datetime) -> Iterator[GateStory]:
    """Those of the rules in their order, then what else waits or is remembered."""
    told, nodes_told = set(), set()
    for gate, ways in rules.gates.items():
        for way in ways:
            slot = slot_of(gate, way.inputs)
            if slot not in told:
                nodes = workflow.gate_nodes(gate, way.inputs)
                told.add(slot)
                nodes_told |= {node.id for node in nodes}
                yield _gate(gate, slot, nodes, workflow, rules, state, now)
    for node_id, raw in workflow.nodes.items():
        node = workflow.node(node_id)
        if node and node_id not in nodes_told:
            gate = str(raw.get("displayName"))
            yield replace(_gate(gate, gate, [node], workflow, rules, State(uid=""), now), about=("No rule opens it.",))
    for slot in state.keys:
        if slot not in told:
            told_of_key = _gate(slot, slot, [], workflow, rules, state, now)
            yield replace(told_of_key, about=(*told_of_key.about, "The rules know this gate no more."))


def _gate(
    gate: str, slot: str, nodes: list[Node], workflow: Workflow, rules: Rules, state: State, now: datetime
) -> GateStory:
    key = state.keys.get(slot)
    about = list(key_in_words(key, now)) if key else []
    kind = kind_of(key, now) if key else ""
    if key and kind == "waits" and not (workflow.stored == "offloaded" and not workflow.nodes):
        about.append(trial(slot, workflow, rules, state, now)[1])
    running = [node for node in nodes if node.phase == "Running"]
    if running:
        stands = "waits"
    elif not nodes or not all(node.is_finished for node in nodes):
        stands = "not reached" if workflow.nodes else ""
    elif any(node.phase == "Succeeded" for node in nodes):
        stands = "open"
        if not key and rules.gates.get(gate):
            about.append(_opened_without_key(nodes))
    else:
        stands = f"ended as {', '.join(sorted({node.phase for node in nodes}))}"
    since = [time for node in running if (time := _since(node))]
    return GateStory(
        gate, slot, stands, tuple(node.id for node in running), min(since, default=None), kind, tuple(about)
    )


def _opened_without_key(nodes: list[Node]) -> str:
    message = next((node.raw["message"] for node in nodes if isinstance(node.raw.get("message"), str)), "")
    says = f" Its node says: {message}." if message else ""
    return f"No key is remembered: opened by hand, by its own duration, or all was forgotten.{says}"


def ways_of(gate: GateStory, rules: Rules) -> list[Way]:
    """The ways in that the rules have for it."""
    return [way for way in rules.gates.get(gate.gate, ()) if slot_of(gate.gate, way.inputs) == gate.slot]


def _since(node: Node) -> datetime | None:
    try:
        return parse_time(node.raw.get("startedAt"))
    except ValueError:
        return None


def trial(slot: str, workflow: Workflow, rules: Rules, state: State, now: datetime) -> tuple[str, str]:
    """What the function would do with this waiting key if it looked now: the outcome, and a sentence."""
    kept = {name: key for name, key in state.keys.items() if name == slot or key.state not in ("waiting", "claimed")}
    alone = state.model_copy(update={"keys": kept})
    annotations = {**(workflow.annotations or {}), STATE_ANNOTATION: alone.text()}
    try:
        decision = decide_release(replace(workflow, annotations=annotations), rules, now)
    except No as no:
        return no.outcome, no.reason
    if decision.state.keys[slot].state == "used" and decision.opening is None:
        return "used", "The gate was opened by hand or by its own duration: the next look at the Workflow uses it up."
    if decision.opening:
        return "opened", "It can open the gate now."
    return decision.answer.outcome, decision.answer.reason

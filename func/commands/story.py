"""(workflow, rules, now) -> Story: what is remembered on one Workflow, and what would open the gate where it stands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from func.commands.key_words import against_in_words, age, key_in_words, kind_of
from func.commands.wording import demands_in_words, event_in_words, people_in_words
from func.core.decisions import decide_release
from func.core.outcomes import No
from func.core.rules import Rules, Way
from func.core.state import Key, State, free_by_hand, read_state, slot_of
from func.core.values import parse_time, show_time
from func.core.workflows import PARKED_LABEL, STATE_ANNOTATION, Node, Workflow

_LOG = "kubectl -n taskgate logs -l serving.knative.dev/service=taskgate -c taskgate --tail=-1"
# Fields of the log's lines, as jq names them.
_TASK, _EVENT, _OUTCOME = (
    f'.attributes."{name}"' for name in ("taskgate.task.id", "cloudevents.event_id", "taskgate.outcome")
)


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


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why no event opens the gate, and what a person does about it."""

    what: str
    remedy: str


@dataclass(slots=True)
class Story:
    """One Workflow.

    Args:
        summary: Where it stands, in a sentence.
        facts: What else holds for its events.
        opens: By gate where it stands, what an event has to be like.
        steps: What to run next: why, and the command.
        known: False where its nodes can't be looked at.
    """

    name: str
    namespace: str
    task: str | None
    repository: str | None
    created: datetime
    summary: str = ""
    gates: list[GateStory] = field(default_factory=list)
    pull_request: str | None = None
    closed: str | None = None
    facts: list[str] = field(default_factory=list)
    opens: dict[str, list[str]] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    known: bool = True

    def data(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "workflow": self.name,
            "namespace": self.namespace,
            "task": self.task,
            "repository": self.repository,
            "created": show_time(self.created),
            "summary": self.summary,
            "gates": [
                {
                    "gate": one.slot,
                    "stands": one.stands,
                    "nodes": list(one.nodes),
                    "since": show_time(one.since) if one.since else None,
                    "key": one.key or None,
                    "about": list(one.about),
                }
                for one in self.gates
            ],
            "pull_request": self.pull_request,
            "closed": self.closed,
            "facts": self.facts,
            "opens": self.opens,
            "troubles": [{"what": trouble.what, "remedy": trouble.remedy} for trouble in self.troubles],
            "next": [{"why": why, "run": command} for why, command in self.steps],
        }


def tell(workflow: Workflow, rules: Rules, now: datetime, twins: Sequence[str] = ()) -> Story:
    """The story of a Workflow.

    Args:
        now: UTC.
        twins: Other Workflows under way with the same task and repository.
    """
    names = rules.workflows.labels
    story = Story(
        workflow.ref.name,
        workflow.ref.namespace,
        workflow.labels.get(names.task),
        workflow.labels.get(names.repository) if names.repository else None,
        workflow.created,
    )
    try:
        state = read_state(workflow)
    except No as no:
        state = State(uid=workflow.ref.uid)
        story.troubles.append(Trouble(no.reason.partition("; ")[0] + ".", _sentence(free_by_hand(workflow))))
    story.known = workflow.stored != "offloaded" or bool(workflow.nodes)
    story.gates = list(_gates(workflow, rules, state, now))
    story.summary = _summary(story, workflow, now)
    story.pull_request = state.pull_request
    story.closed = f"{state.closed.pull_request} at {show_time(state.closed.happened)}" if state.closed else None
    story.facts += _facts(workflow, rules, state, is_readable=not story.troubles)
    story.troubles += _of_labels(workflow, rules, twins)
    if not workflow.finished:
        for gate in story.gates:
            if gate.nodes:
                story.troubles += _of_gate(gate, workflow, rules, state, now)
                story.opens[gate.slot] = list(_demands(gate, rules, state, story))
    story.steps += _steps(story, workflow, rules)
    return story


def _gates(workflow: Workflow, rules: Rules, state: State, now: datetime) -> Iterator[GateStory]:
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
        about.append(_trial(slot, workflow, rules, state, now)[1])
    running = [node for node in nodes if node.phase == "Running"]
    if running:
        stands = "waits"
    elif not nodes or not all(node.is_finished for node in nodes):
        stands = "not reached" if workflow.nodes else ""
    elif any(node.phase == "Succeeded" for node in nodes):
        stands = "open"
        if not key and rules.gates.get(gate):
            about.append("No key: opened by hand or by its own duration.")
    else:
        stands = f"ended as {', '.join(sorted({node.phase for node in nodes}))}"
    since = [time for node in running if (time := _since(node))]
    return GateStory(
        gate, slot, stands, tuple(node.id for node in running), min(since, default=None), kind, tuple(about)
    )


def _since(node: Node) -> datetime | None:
    try:
        return parse_time(node.raw.get("startedAt"))
    except ValueError:
        return None


def _trial(slot: str, workflow: Workflow, rules: Rules, state: State, now: datetime) -> tuple[str, str]:
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


def _summary(story: Story, workflow: Workflow, now: datetime) -> str:
    phase = (workflow.raw.get("status") or {}).get("phase")
    if workflow.finished:
        return f"It has come to its end ({phase or 'completed'}): no event opens anything on it any more."
    if not story.known:
        return "Its nodes are offloaded, so where it stands can't be told: set ARGO_SERVER to the URL of Argo Server."
    waits = [one for one in story.gates if one.nodes]
    if waits:
        return " ".join(_waits(one, now) for one in waits)
    if not workflow.nodes:
        return "It has not begun: Argo's controller has given it no nodes yet."
    pods = [node for node in workflow.nodes.values() if isinstance(node, dict) and node.get("type") == "Pod"]
    busy = ", ".join(str(node.get("displayName")) for node in pods if node.get("phase") in ("Running", "Pending"))
    return f"It waits at no gate, and is busy with {busy}." if busy else "It waits at no gate."


_WHY = {
    "": "No key has come for it.",
    "waits": "A key is there and does not open it: see below.",
    "expired": "The key that came for it has expired.",
    "claimed": "A key is about to open it.",
    "withdrawn": "The key that came for it was withdrawn.",
    "used": "The key that came for it was used before.",
}


def _waits(gate: GateStory, now: datetime) -> str:
    since = f" since {show_time(gate.since)} ({age(now - gate.since)})" if gate.since else ""
    return f"It waits at {gate.slot}{since}. {_WHY[gate.key]}"


def _facts(workflow: Workflow, rules: Rules, state: State, *, is_readable: bool) -> Iterator[str]:
    if workflow.state is None:
        yield "Nothing is remembered on it: no event was ever for it, or somebody took the annotation away."
    elif is_readable and json.loads(workflow.state)["uid"] != workflow.ref.uid:
        yield "It is a copy: what its original remembered counts only for used events and withdrawals."
    if state.pull_request and rules.workflows.one_pull_request:
        yield f"It belongs to {state.pull_request}: events of other pull requests are refused."
    if state.closed:
        yield (
            f"{state.closed.pull_request} was closed unmerged at {show_time(state.closed.happened)}: "
            "its events up to then are refused."
        )
    has_label = workflow.labels.get(PARKED_LABEL) == "true"
    if state.is_parked != has_label:
        yield f"The label {PARKED_LABEL} is {'there, and no key waits' if has_label else 'missing, and a key waits'}."
    elif has_label:
        yield f"The label {PARKED_LABEL} is there, so the function is told of each change."
    spec = workflow.raw.get("spec")
    if isinstance(spec, dict) and spec.get("suspend"):
        yield "A person has paused it (spec.suspend): gates open, and nothing goes on until `argo resume`."


def _of_labels(workflow: Workflow, rules: Rules, twins: Sequence[str]) -> Iterator[Trouble]:
    names, where = rules.workflows.labels, f"-n {workflow.ref.namespace} {workflow.ref.name}"
    if not rules.workflows.parsed_selector.matches(workflow.labels):
        yield Trouble(
            f"It is not ours: its labels do not fit {rules.workflows.selector}, so no event is ever for it.",
            f"If it should be: kubectl label workflow {where} {rules.workflows.selector}",
        )
    for name, value in ((names.task, "<task>"), (names.repository, "<owner>-<name>")):
        if name and not workflow.labels.get(name):
            yield Trouble(
                f"Its label {name} is missing, so no event finds it.",
                f"kubectl label workflow {where} {name}='{value}'",
            )
    if twins:
        yield Trouble(
            f"Others under way have the same task and repository: {', '.join(twins)}. Events for them are ambiguous.",
            f"Stop all but one: argo stop -n {workflow.ref.namespace} <name>",
        )


def _of_gate(gate: GateStory, workflow: Workflow, rules: Rules, state: State, now: datetime) -> Iterator[Trouble]:
    ways = [way for way in rules.gates.get(gate.gate, ()) if slot_of(gate.gate, way.inputs) == gate.slot]
    key, where = state.keys.get(gate.slot), f"-n {workflow.ref.namespace} {workflow.ref.name}"
    if not ways:
        yield Trouble(
            f"No rule opens {gate.gate}.",
            f"Add it under `gates` in gates.yaml, or open it by hand: {by_hand(workflow, gate.nodes[0])}",
        )
        return
    if len(gate.nodes) > 1:
        yield Trouble(
            f"Several nodes wait at {gate.gate}, and no event can say which one is meant.",
            f"Open the right one by hand: {' or '.join(by_hand(workflow, node) for node in gate.nodes)}; "
            "for the next time tell them apart by `inputs` in gates.yaml.",
        )
    for node in filter(None, map(workflow.node, gate.nodes)):
        missing = [each.name for each in node.supplied if each.default is None and each.name not in rules.outputs]
        if missing:
            yield Trouble(
                f"The gate wants a value for {', '.join(missing)}, and nothing gives one.",
                f"Add it under `outputs` in gates.yaml, or give it by hand: argo node set {where} "
                f"-p {missing[0]}=<value> --phase Succeeded --node-field-selector id={node.id}",
            )
    if key and key.state == "used" and not any(way.rounds for way in ways):
        yield Trouble(
            f"The key for {gate.slot} was used before, and it waits again: no event opens it a second time.",
            f"If it comes in rounds, say `rounds: true` in gates.yaml; now: {by_hand(workflow, gate.nodes[0])}",
        )
    if key and key.state == "claimed":
        yield Trouble(
            f"Event {key.event} is about to open it, and Argo Server has not said that it did.",
            "Is Argo Server up? Then send that event again, or change the Workflow in any way: " + _wake(workflow),
        )
    if key and gate.key == "waits" and _trial(gate.slot, workflow, rules, state, now)[0] == "opened":
        yield _untold(workflow)


def _untold(workflow: Workflow) -> Trouble:
    """A key could open its gate, and the function does not know; what to do depends on the label."""
    ref, what = workflow.ref, "The key that waits can open the gate, and the function was not told that it is reached:"
    if workflow.labels.get(PARKED_LABEL) != "true":
        return Trouble(
            f"{what} the label by which the Workflow is watched is missing.",
            f"Put it back, that tells it: kubectl label workflow -n {ref.namespace} {ref.name} {PARKED_LABEL}=true",
        )
    return Trouble(
        f"{what} the watch for waiting keys does not work.",
        f"Mend the EventSource `waiting`, then change the Workflow in any way, that tells it: {_wake(workflow)}",
    )


def _wake(workflow: Workflow) -> str:
    ref = workflow.ref
    return f'kubectl annotate workflow -n {ref.namespace} {ref.name} --overwrite look="$(date)"'


def by_hand(workflow: Workflow, node: str) -> str:
    """The command that opens one node and no other."""
    ref = workflow.ref
    return f"argo resume -n {ref.namespace} {ref.name} --node-field-selector id={shlex.quote(node)}"


def _demands(gate: GateStory, rules: Rules, state: State, story: Story) -> Iterator[str]:
    """What an event has to be like to open a gate now."""
    ways: list[Way] = [way for way in rules.gates.get(gate.gate, ()) if slot_of(gate.gate, way.inputs) == gate.slot]
    for way in ways:
        more = demands_in_words(way)
        yield f"{event_in_words(way)}, by {people_in_words(rules, way.by)}{f'; {more}' if more else ''}"
    if not ways:
        return
    if not all(way.task for way in ways):
        places = " or ".join(f"a {place} that fits {pattern.pattern}" for place, pattern in rules.task.patterns.items())
        yield f"It names task {story.task}: {places}."
    if state.pull_request and rules.workflows.one_pull_request:
        yield f"It is of pull request {state.pull_request}."
    key: Key | None = state.keys.get(gate.slot)
    if key:
        yield from against_in_words(key)


def _steps(story: Story, workflow: Workflow, rules: Rules) -> Iterator[tuple[str, str]]:
    where = f"-n {workflow.ref.namespace} {workflow.ref.name}"
    waits = [one for one in story.gates if one.nodes]
    if workflow.finished or not story.known:
        yield "What Argo says of it", f"argo get {where}"
        return
    if not waits:
        yield "What it is busy with", f"argo get {where}"
        return
    task = shlex.quote(f'select({_TASK} == "{story.task}") | [{_EVENT}, {_OUTCOME}, .body]')
    yield "What came for its task", f"{_LOG} | grep '^{{' | jq -c {task}"
    kinds = [event.partition(".")[0] for one in waits for way in rules.gates.get(one.gate, ()) for event in way.event]
    kind = kinds[0] if kinds else "pull_request"
    yield (
        "Why an event did not open it (GitHub, webhook settings, Recent Deliveries: save the payload)",
        f"taskgate explain payload.json --github-event {kind}",
    )
    yield "Open it by hand", by_hand(workflow, waits[0].nodes[0])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"

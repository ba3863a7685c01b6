"""(workflow, rules, now) -> Story: what is remembered on one Workflow, and what would open the gate where it stands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from func.cli.gate_story import GateStory, gates_of, ways_of
from func.cli.key_words import against_in_words, age, kind_of
from func.cli.troubles import Trouble, by_hand, of_gate, of_labels, put_label, unreadable
from func.cli.wording import demands_in_words, event_in_words, people_in_words
from func.core.outcomes import No
from func.core.rules import Rules
from func.core.state import State, read_state
from func.core.values import show_time
from func.core.workflows import PARKED_LABEL, Workflow

_LOG = "kubectl -n taskgate logs -l serving.knative.dev/service=taskgate -c taskgate --tail=-1"
# Fields of the log's lines, as jq names them.
_TASK, _EVENT, _OUTCOME = (
    f'.attributes."{name}"' for name in ("taskgate.task.id", "cloudevents.event_id", "taskgate.outcome")
)


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
            "troubles": [
                {"what": trouble.what, "remedy": trouble.remedy, "run": list(trouble.commands)}
                for trouble in self.troubles
            ],
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
        story.troubles.append(unreadable(no, workflow))
    story.known = workflow.stored != "offloaded" or bool(workflow.nodes)
    story.gates = list(gates_of(workflow, rules, state, now))
    story.summary = _summary(story, workflow, now)
    story.pull_request = state.pull_request
    story.closed = f"{state.closed.pull_request} at {show_time(state.closed.happened)}" if state.closed else None
    story.facts += _facts(workflow, rules, state, now, is_readable=not story.troubles)
    story.troubles += of_labels(workflow, rules, twins)
    if not workflow.finished:
        for gate in story.gates:
            if gate.nodes:
                story.troubles += of_gate(gate, workflow, rules, state, now)
                story.opens[gate.slot] = list(_demands(gate, rules, state, story))
    story.steps += _steps(story, workflow, rules)
    return story


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


def _facts(workflow: Workflow, rules: Rules, state: State, now: datetime, *, is_readable: bool) -> Iterator[str]:
    if workflow.state is None:
        yield "Nothing is remembered on it: no key came (refused events are in the log alone), or it was taken away."
    elif is_readable and json.loads(workflow.state)["uid"] != workflow.ref.uid:
        yield "It is a copy: what its original remembered counts only for used events and withdrawals."
    if state.pull_request and rules.workflows.one_pull_request:
        yield f"It belongs to {state.pull_request}: events of other pull requests are refused."
    if state.closed:
        yield (
            f"{state.closed.pull_request} was closed unmerged at {show_time(state.closed.happened)}: "
            "its events up to then are refused."
        )
    yield from _label_facts(workflow, state, now)
    spec = workflow.raw.get("spec")
    if isinstance(spec, dict) and spec.get("suspend"):
        yield "A person has paused it (spec.suspend): gates open, and nothing goes on until `argo resume`."


def _label_facts(workflow: Workflow, state: State, now: datetime) -> Iterator[str]:
    has_label = workflow.labels.get(PARKED_LABEL) == "true"
    waits = any(kind_of(key, now) in ("waits", "claimed") for key in state.keys.values())
    if waits and not has_label:
        yield f"The label {PARKED_LABEL} is missing, and a key waits: nobody tells the function of its gate."
        yield f"Put it back: {put_label(workflow)}"
    elif has_label:
        so = "so the function is told of each change" if waits else "and no key waits"
        yield f"The label {PARKED_LABEL} is there, {so}."


def _demands(gate: GateStory, rules: Rules, state: State, story: Story) -> Iterator[str]:
    """What an event has to be like to open a gate now."""
    ways = ways_of(gate, rules)
    for way in ways:
        more = demands_in_words(way)
        yield f"{event_in_words(way)}, by {people_in_words(rules, way.by)}{f'; {more}' if more else ''}"
    if not ways:
        return
    if not all(way.task for way in ways):
        places = " or ".join(f"a {place} that fits {pattern.pattern}" for place, pattern in rules.task.patterns.items())
        yield f"It names task {story.task} by {places}."
    if state.pull_request and rules.workflows.one_pull_request:
        yield f"It is of pull request {state.pull_request}."
    if state.closed:
        yield f"If it is of {state.closed.pull_request}, it happened after that was closed: reopen it first."
    key = state.keys.get(gate.slot)
    if key:
        yield from against_in_words(key)


def _steps(story: Story, workflow: Workflow, rules: Rules) -> Iterator[tuple[str, str]]:
    where = f"-n {workflow.ref.namespace} {workflow.ref.name}"
    waits = [one for one in story.gates if one.nodes]
    if workflow.finished or not story.known or not rules.workflows.parsed_selector.matches(workflow.labels):
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

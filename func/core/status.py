"""Where a Workflow waits and why, for people: `waiting`, `explain --workflow` and the board read it here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from func.core.fold import Identity, describe, fold
from func.core.gates import SKIPPED, view_gate, why_used, why_waiting
from func.core.outcomes import WorkflowRef
from func.core.reasons import Rejection, Verdict
from func.core.releases import decide_release
from func.core.rules import Rule, Rules
from func.core.signals import MOVED, Signal, State, Use, read_state
from func.core.situation import Situation
from func.core.values import format_time, time_or_none
from func.core.workflows import PARKED_LABEL, Node, Workflow, labels_of, read_workflow

SignalState: TypeAlias = Literal["waits", "claimed", "used", "rejected"]
GateState: TypeAlias = Literal["waiting", "open", "failed", "skipped", "not reached"]

# What can be wrong with a Workflow -> a sentence; names in braces are filled in.
PROBLEMS: Mapping[str, str] = {
    "workflow-unreadable": "The Workflow cannot be read: {why}.",
    "annotation-unreadable": "The annotation {annotation} cannot be read: {why}.",
    "offloaded": "Its nodes are stored in a database: set ARGO_SERVER to see where it waits.",
    "selector-mismatch": "Its labels do not match {selector} (`workflows.selector` in gates.yaml): no event finds it.",
    "label-missing": "Its label {label} is missing, so no event finds it.",
    "wrong-labels": "Its name is that of task {named}, but its label {label} is {value}.",
    "several-workflows": "Another running Workflow has the same task: {workflows}. Events for both are ambiguous.",
    "shadowed": "Events of its task go to {workflow}, which has the name that the rules give, and none comes here.",
    "suspended": "A person suspended it: gates open, but nothing runs until it is resumed.",
    "workflow-stopping": "It is being stopped ({shutdown}), so none of its gates is opened.",
    "gate-without-rule": "No rule moves gate {gate}.{hint}",
    "several-nodes": "Several nodes wait at {gate}, and no event can say which one it means.",
    "missing-output": "{gate} needs a value for output {output}, and no rule supplies one.",
    "unsafe-output": "The waiting signal for {gate} holds an unusable value for output {output}: it {why}.",
    "claimed": "Event {event} is about to move {gate}, and Argo Server has not confirmed it.",
    "release-missed": "A waiting signal can move {gate} now, but Taskgate was not notified.",
    "watch-label-missing": "A signal waits, but the label {label} is missing, so Taskgate is not notified of changes.",
}
READY = "ready"  # a signal that can move its gate
_HARMLESS = frozenset({"suspended", "wrong-labels"})  # an event can still open the gate
_FROM_RELEASE = frozenset({"missing-output", "unsafe-output"})


class Problem(NamedTuple):
    """What is wrong with a Workflow.

    Args:
        code: one of PROBLEMS.
        data: what its sentence names.
    """

    code: str
    data: Mapping[str, object]

    @property
    def sentence(self) -> str:
        """What is wrong, for a person."""
        return PROBLEMS[self.code].format_map(self.data)

    @property
    def blocks(self) -> bool:
        """Whether no event can open a gate until a person acts."""
        return self.code not in _HARMLESS


class SignalStatus(NamedTuple):
    """What became of a signal for a gate.

    Args:
        gate: with its inputs.
        code: the stable word for it, of `reasons.CODES` or READY.
        sentence: why, for a person.
        use: which node it moved.
        by: the event that revoked or overtook it.
    """

    signal: Signal
    gate: str
    state: SignalState
    code: str
    sentence: str
    use: Use | None = None
    by: Signal | None = None

    def data(self) -> dict[str, str | None]:
        """Return it for scripts and pages; it expires while it waits."""
        signal, expires = self.signal, self.signal.expires if self.state == "waits" else None
        return {
            "what": describe(signal),
            "gate": self.gate,
            "state": self.state,
            "code": self.code,
            "reason": self.sentence,
            "event": signal.id,
            "name": signal.name,
            "happened": format_time(signal.happened),
            "person": signal.person,
            "pull_request": signal.pull_request,
            "expires": format_time(expires) if expires else None,
        }


class GateStatus(NamedTuple):
    """A gate of a Workflow.

    Args:
        name: with the inputs that tell it apart; of a gate without rule the node's displayName.
        nodes: ids of the nodes that wait.
        since: when the first of them began to wait.
        rules: that can move it.
    """

    name: str
    state: GateState
    nodes: tuple[str, ...] = ()
    since: datetime | None = None
    rules: tuple[Rule, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return it for scripts."""
        since = format_time(self.since) if self.since else None
        return {"gate": self.name, "state": self.state, "nodes": list(self.nodes), "since": since}


class MovedNode(NamedTuple):
    """A suspend node that no longer waits.

    Args:
        gate: the node's displayName.
        phase: `Succeeded`, `Failed` or what else it ended as.
        message: of the node.
        use: the signal that moved it; None where somebody else did.
    """

    gate: str
    node: str
    at: datetime
    phase: str
    message: str | None
    use: Use | None


class WorkflowStatus(NamedTuple):
    """Where one Workflow waits, and what was remembered on it.

    Args:
        task: value of its label, as is `repository`.
        created: None where the object cannot be read.
        phase: Argo's word, e.g. `Running`.
        gates: those of the rules in their order, then others that wait.
        signals: those for a gate, in the order of time.
        moved: nodes that no longer wait.
        bound: the pull request that it belongs to.
        state: all that is remembered; None where it cannot be read.
        busy: displayNames of the pods that run.
    """

    ref: WorkflowRef
    labels: Mapping[str, str]
    task: str | None = None
    repository: str | None = None
    created: datetime | None = None
    phase: str = ""
    finished: bool = False
    gates: tuple[GateStatus, ...] = ()
    signals: tuple[SignalStatus, ...] = ()
    moved: tuple[MovedNode, ...] = ()
    bound: str | None = None
    problems: tuple[Problem, ...] = ()
    state: State | None = None
    busy: tuple[str, ...] = ()

    @property
    def waiting(self) -> tuple[GateStatus, ...]:
        """The gates at which it waits."""
        return tuple(gate for gate in self.gates if gate.nodes)

    @property
    def is_blocked(self) -> bool:
        """Whether no event can open a gate until a person acts."""
        return any(problem.blocks for problem in self.problems)

    def signals_for(self, gate: str) -> list[SignalStatus]:
        """Return the signals for a gate, newest last."""
        return [each for each in self.signals if each.gate == gate]

    def data(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "workflow": self.ref.name,
            "namespace": self.ref.namespace,
            "task": self.task,
            "repository": self.repository,
            "pull_request": self.bound,
            "gates": [each.data() for each in self.gates],
            "signals": [each.data() for each in self.signals],
            "problems": [{"code": each.code, "what": each.sentence} for each in self.problems],
        }


def read_object(raw: Mapping[str, Any], rules: Rules, now: datetime) -> WorkflowStatus:
    """Return the status of a Workflow as the Kubernetes API returned it.

    A Workflow that cannot be read gets only its name, labels and the problem `workflow-unreadable`.
    """
    try:
        return read_status(read_workflow(raw), rules, now)
    except Rejection as rejection:
        ref = rejection.about
        assert isinstance(ref, WorkflowRef)  # noqa: S101 - read_workflow names it
        labels = labels_of(raw.get("metadata"))
        problem = Problem("workflow-unreadable", rejection.verdict.data)
        return WorkflowStatus(ref, labels, *_task_and_repository(labels, rules), problems=(problem,))


def read_status(workflow: Workflow, rules: Rules, now: datetime) -> WorkflowStatus:
    """Return the status of a Workflow; `now` is in UTC."""
    problems: list[Problem] = []
    try:
        state: State | None = read_state(workflow)
    except Rejection as rejection:
        state = None
        problems.append(Problem(rejection.verdict.code, rejection.verdict.data))
    known = state or State(workflow.ref)
    situation = Situation(rules, workflow, known, now)
    task, repository = _task_and_repository(workflow.labels, rules)
    gates = tuple(_gates(workflow, rules))
    signals = tuple(_signals(situation))
    if not workflow.finished:
        problems += _label_problems(workflow, rules)
        problems += _run_problems(workflow)
        problems += _gate_problems(gates, workflow, rules)
        problems += _signal_problems(signals, situation)
    return WorkflowStatus(
        ref=workflow.ref,
        labels=workflow.labels,
        task=task,
        repository=repository,
        created=workflow.created,
        phase=workflow.phase,
        finished=workflow.finished,
        gates=gates,
        signals=signals,
        moved=tuple(_moved(situation)),
        bound=known.bound if rules.workflows.one_pull_request else None,
        problems=tuple({(each.code, each.sentence): each for each in problems}.values()),
        state=state,
        busy=tuple(_busy(workflow)),
    )


def mark_twins(statuses: Iterable[WorkflowStatus], rules: Rules) -> list[WorkflowStatus]:
    """Return the same with the problem of each running Workflow whose task another one has too."""
    statuses = list(statuses)
    names: dict[tuple[str, str] | None, list[str]] = {}
    for each in statuses:
        names.setdefault(_twin_key(each), []).append(each.ref.name)
    marked = []
    for each in statuses:
        key = _twin_key(each)
        others = [name for name in names[key] if key and name != each.ref.name]
        problems = (*each.problems, *several_workflows(each.ref.name, each.task, others, rules))
        marked.append(each._replace(problems=problems))
    return marked


def _twin_key(status: WorkflowStatus) -> tuple[str, str] | None:
    return None if status.finished else twin_key(status.task, status.repository)


def twin_key(task: str | None, repository: str | None) -> tuple[str, str] | None:
    """Return what running Workflows of one task have in common; None without a task."""
    return (task.casefold(), (repository or "").casefold()) if task else None


def several_workflows(name: str, task: str | None, others: Sequence[str], rules: Rules) -> list[Problem]:
    """Return the problem of a Workflow whose task other running ones have too; none where its name decides."""
    named = rules.workflows.name_of(task) if task else None
    if not others or name == named:
        return []
    if named in others:
        return [Problem("shadowed", {"workflow": named})]
    return [Problem("several-workflows", {"workflows": ", ".join(sorted(others))})]


def _task_and_repository(labels: Mapping[str, str], rules: Rules) -> tuple[str | None, str | None]:
    names = rules.workflows.labels
    return labels.get(names.task), labels.get(names.repository) if names.repository else None


def _gates(workflow: Workflow, rules: Rules) -> Iterator[GateStatus]:
    seen: set[str] = set()
    for identifier, (gate, given) in rules.gate_ids.items():
        nodes = workflow.gate_nodes(gate, given[0].inputs)
        seen |= {node.id for node in nodes}
        yield _gate(identifier, nodes, tuple(given))
    for node in workflow.suspend_nodes():
        if node.id not in seen and node.phase == "Running":
            yield _gate(str(node.raw.get("displayName")), [node], ())


def _gate(name: str, nodes: list[Node], rules: tuple[Rule, ...]) -> GateStatus:
    running = [node for node in nodes if node.phase == "Running"]
    since = min((time for node in running if (time := time_or_none(node.started))), default=None)
    phases = {node.phase for node in nodes}
    state: GateState = "not reached"
    if running:
        state = "waiting"
    elif nodes and all(node.is_finished for node in nodes):
        state = "open" if "Succeeded" in phases else "skipped" if phases <= SKIPPED else "failed"
    return GateStatus(name, state, tuple(node.id for node in running), since, rules)


def _signals(situation: Situation) -> Iterator[SignalStatus]:
    found = _verdicts(situation)
    known = {signal.id: signal for signal in situation.state.signals}
    for signal in situation.state.signals:
        use = situation.state.use_of(signal.identity)
        gate = signal.gate or (use.gate if use else None)
        if gate is None:
            continue
        if use:
            yield SignalStatus(signal, gate, "claimed" if use.claimed else "used", *_of_use(use), use)
            continue
        unknown = Verdict.of("no-longer-allowed", event=signal.id, why=f"no rule moves {gate}.")
        verdict = found.get(signal.identity, unknown)
        if verdict is None:
            yield SignalStatus(signal, gate, "waits", READY, f"It can move {gate} now.")
        else:
            waits: SignalState = "waits" if verdict.outcome == "parked" else "rejected"
            by = known.get(str(verdict.data.get("event")))
            yield SignalStatus(signal, gate, waits, verdict.code, verdict.sentence, by=by)


def _of_use(use: Use) -> tuple[str, str]:
    """Return the code and the sentence of a signal that was used."""
    if use.node and not use.by_hand and not use.claimed:
        at = f" at {format_time(use.at)}" if use.at else ""
        return MOVED[use.how], f"It {MOVED[use.how]} {use.gate}{at}."
    verdict = Verdict.of("claimed", gate=use.gate, event=use.id) if use.claimed else why_used(use)
    return verdict.code, verdict.sentence


def _verdicts(situation: Situation) -> dict[Identity, Verdict | None]:
    """Return why each signal that was not used does not move its gate today; None for those that can."""
    found: dict[Identity, Verdict | None] = {}
    for identifier, (gate, _) in situation.rules.gate_ids.items():
        folded = fold(situation, identifier)
        found.update(folded.verdicts)
        view = view_gate(situation, identifier)
        for standing in folded.standings:
            why = why_waiting(gate, standing, standing.movers(), folded, view)
            found.update((signal.identity, why) for signal in standing.signals)
    return found


def _moved(situation: Situation) -> Iterator[MovedNode]:
    for node in situation.workflow.suspend_nodes():
        at = time_or_none(node.raw.get("finishedAt")) if node.is_finished else None
        if at:
            name, message = str(node.raw.get("displayName")), node.raw.get("message")
            use = situation.state.mover_of(node)
            mover = use if use and not use.claimed and not use.by_hand else None
            text = message if isinstance(message, str) and message else None
            yield MovedNode(name, node.id, at, node.phase, text, mover)


def _busy(workflow: Workflow) -> Iterator[str]:
    for raw in workflow.nodes.values():
        if isinstance(raw, Mapping) and raw.get("type") == "Pod" and raw.get("phase") in ("Running", "Pending"):
            yield str(raw.get("displayName"))


def _label_problems(workflow: Workflow, rules: Rules) -> Iterator[Problem]:
    names = rules.workflows.labels
    if not rules.workflows.parsed_selector.matches(workflow.labels):
        yield Problem("selector-mismatch", {"selector": rules.workflows.selector})
    for label in filter(None, (names.task, names.repository)):
        if not workflow.labels.get(label):
            yield Problem("label-missing", {"label": label})
    task = workflow.labels.get(names.task)
    prefix, _, suffix = (rules.workflows.name or "").partition("{task}")
    match = re.fullmatch(f"{re.escape(prefix)}(.+){re.escape(suffix)}", workflow.ref.name) if prefix + suffix else None
    if task and match and rules.workflows.name_of(task) != workflow.ref.name:
        yield Problem("wrong-labels", {"named": match[1], "label": names.task, "value": task})


def _run_problems(workflow: Workflow) -> Iterator[Problem]:
    if workflow.shutdown:
        yield Problem("workflow-stopping", {"shutdown": workflow.shutdown})
    if workflow.is_suspended:
        yield Problem("suspended", {})
    if workflow.stored == "offloaded" and not workflow.nodes:
        yield Problem("offloaded", {})


def _gate_problems(gates: Iterable[GateStatus], workflow: Workflow, rules: Rules) -> Iterator[Problem]:
    """Find what keeps a waiting gate from being opened: no rule, several waiting nodes, an output without a value."""
    for gate in gates:
        if not gate.nodes:
            continue
        if not gate.rules:
            yield Problem("gate-without-rule", {"gate": gate.name, "hint": _hint(workflow, gate, rules)})
            continue
        if len(gate.nodes) > 1:
            yield Problem("several-nodes", {"gate": gate.name, "nodes": gate.nodes})
        ruled = {name for rule in gate.rules for name in rule.outputs} | set(rules.outputs)
        for node in filter(None, map(workflow.node, gate.nodes)):
            for output in node.supplied:
                if output.default is None and output.name not in ruled:
                    data = {"gate": gate.name, "output": output.name, "node": node.id}
                    yield Problem("missing-output", data)


def _hint(workflow: Workflow, gate: GateStatus, rules: Rules) -> str:
    similar = next((name for name in rules.gates if workflow.similar_gate(name) == gate.name), None)
    return f" The rules have {similar}: is that the same gate?" if similar else ""


def _signal_problems(signals: Sequence[SignalStatus], situation: Situation) -> Iterator[Problem]:
    rules, workflow, state, now = situation
    for use in state.claims:
        yield Problem("claimed", {"event": use.id, "gate": use.gate})
    waits = any(each.state in ("waits", "claimed") for each in signals)
    if not waits or (workflow.stored == "offloaded" and not workflow.nodes):
        return
    if workflow.labels.get(PARKED_LABEL) != "true":
        yield Problem("watch-label-missing", {"label": PARKED_LABEL})
    if state.claims:
        return
    decision = decide_release(workflow, rules, now)
    if decision.move and workflow.labels.get(PARKED_LABEL) == "true":
        yield Problem("release-missed", {"gate": decision.gate})
    elif decision.verdict.code in _FROM_RELEASE:
        yield Problem(decision.verdict.code, {**decision.verdict.data, "gate": decision.gate, "node": decision.node})

"""One turn of the workflow controller, as a pure function: the Workflow as it is -> the Workflow as it goes on.

Only suspend templates and the steps and DAGs around them are run; whatever needs a pod is left alone, and named.

Source: https://github.com/argoproj/argo-workflows/tree/v4.1.2/workflow/controller (operator.go, steps.go, dag.go)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from func.devcluster import nodes, parameters
from func.devcluster.documents import Document
from func.devcluster.nodes import FAILED, Node, Nodes

PHASE_LABEL = "workflows.argoproj.io/phase"
COMPLETED_LABEL = "workflows.argoproj.io/completed"
_FINISHED = ("Succeeded", "Failed", "Error")
_EXPANDS = ("withItems", "withParam", "withSequence")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_MAX_DEPTH = 40


class CannotRunError(Exception):
    """The Workflow asks for something that this controller does not do; the message says what."""


@dataclass(frozen=True)
class Turn:
    """What comes of looking at a Workflow once.

    Args:
        workflow: The Workflow to write, None where nothing changes.
        due: When a gate opens by itself, None where none does.
        left_alone: What could not be run, each once.

    """

    workflow: Document | None = None
    due: datetime | None = None
    left_alone: tuple[str, ...] = ()


def advance(workflow: Document, now: datetime) -> Turn:
    """Look at a Workflow once.

    Args:
        workflow: As it is stored; it is not changed.
        now: The time, UTC.

    """
    status: Mapping[str, Any] = workflow.get("status") or {}
    labels = workflow["metadata"].get("labels") or {}
    if labels.get(COMPLETED_LABEL) == "true" or status.get("phase") in _FINISHED:
        return Turn()
    if status.get("offloadNodeStatusVersion"):
        return Turn(left_alone=("its nodes are in a database",))
    spec = status.get("storedWorkflowTemplateSpec") or workflow.get("spec") or {}
    try:
        operation = _Operation(workflow, spec, now)
    except (CannotRunError, ValueError) as problem:
        return Turn(left_alone=(str(problem),))
    return operation.run()


@dataclass(frozen=True)
class _Place:
    """Where a template is run: inside which node, and what its references stand for."""

    boundary: str
    scope: Mapping[str, str]
    depth: int


class _Operation:
    def __init__(self, workflow: Document, spec: Mapping[str, Any], now: datetime) -> None:
        self._workflow = workflow
        self._spec = spec
        self._now = now
        self._time = now.astimezone(UTC).strftime(_TIME)
        self._name = str(workflow["metadata"]["name"])
        self._status: dict[str, Any] = dict(workflow.get("status") or {})
        packed = self._status.get("compressedNodes")
        self._nodes: Nodes = nodes.unpack(packed) if packed else dict(self._status.get("nodes") or {})
        self._templates = {each.get("name"): each for each in spec.get("templates") or [] if isinstance(each, dict)}
        self._changed = False
        self._due: datetime | None = None
        self._problems: dict[str, None] = {}

    def run(self) -> Turn:
        fresh = not self._status.get("phase")
        if fresh:
            self._begin()
        if not self._spec.get("suspend") and not (self._workflow.get("spec") or {}).get("suspend"):
            self._entry()
        if not self._changed:
            return Turn(due=self._due, left_alone=tuple(self._problems))
        return Turn(self._result(fresh=fresh), self._due, tuple(self._problems))

    def _begin(self) -> None:
        self._status |= {
            "phase": "Running",
            "startedAt": self._time,
            "artifactGCStatus": {"notSpecified": True},
            "artifactRepositoryRef": {"artifactRepository": {}, "default": True},
        }
        self._changed = True

    def _entry(self) -> None:
        scope = parameters.workflow_scope(self._workflow, self._spec)
        step = {"template": self._spec.get("entrypoint"), "arguments": self._spec.get("arguments")}
        if self._spec.get("shutdown"):
            self._problems["spec.shutdown"] = None
            return
        try:
            node = self._execute(self._name, step, _Place("", scope, 0))
        except CannotRunError as problem:
            self._problems[str(problem)] = None
            return
        if node and nodes.fulfilled(node):
            if self._spec.get("onExit") or self._spec.get("hooks"):
                self._problems["an exit handler or hook"] = None
                return
            self._finish(node)

    def _finish(self, node: Node) -> None:
        phase = node["phase"] if node["phase"] in FAILED else "Succeeded"
        self._status |= {"phase": phase, "finishedAt": self._time}
        if node.get("message"):
            self._status["message"] = node["message"]
        self._changed = True

    def _result(self, *, fresh: bool) -> Document:
        counted, progress = nodes.with_progress(self._nodes)
        status = {**self._status, "progress": progress}
        if "compressedNodes" in status:
            status["compressedNodes"] = nodes.pack(counted)
        elif counted:
            status["nodes"] = counted
        finished = status["phase"] in _FINISHED
        if not fresh:
            status["conditions"] = _condition(status.get("conditions"), "PodRunning", "False")
        if finished:
            status["conditions"] = _condition(status.get("conditions"), "Completed", "True")
        metadata = dict(self._workflow["metadata"])
        completed = {COMPLETED_LABEL: "true" if finished else "false", PHASE_LABEL: status["phase"]}
        metadata["labels"] = {**(metadata.get("labels") or {}), **completed}
        if fresh:
            names = {"workflows.argoproj.io/pod-name-format": "v2"}
            metadata["annotations"] = {**(metadata.get("annotations") or {}), **names}
        return {**self._workflow, "metadata": metadata, "status": status}

    def _execute(self, name: str, step: Mapping[str, Any], place: _Place) -> Node | None:
        """Run one template; the node as it is then, None where it could not be started."""
        node = self._node(name)
        if nodes.fulfilled(node):
            return node
        if place.depth > _MAX_DEPTH:
            raise CannotRunError(f"templates nested more than {_MAX_DEPTH} deep")
        template = self._template(step)
        kind = next((kind for kind in ("suspend", "steps", "dag") if template.get(kind) is not None), None)
        if kind is None:
            raise CannotRunError(f"template {template.get('name')}: only suspend, steps and dag are run here")
        if node is None:
            node = self._create(name, kind, template, step, place)
        if kind == "suspend":
            return self._suspend(node, template)
        scope = {key: value for key, value in place.scope.items() if key.startswith("workflow.")}
        for parameter in parameters.listed(node.get("inputs")):
            scope[f"inputs.parameters.{parameter['name']}"] = parameters.text(parameter.get("value"))
        inside = _Place(node["id"], scope, place.depth + 1)
        return self._steps(node, template, inside) if kind == "steps" else self._dag(node, template, inside)

    def _template(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        name = step.get("template")
        template = self._templates.get(name) if isinstance(name, str) else None
        if template is None:
            raise CannotRunError(f"template {name}: it is not in this Workflow")
        return template

    def _create(
        self, name: str, kind: str, template: Mapping[str, Any], step: Mapping[str, Any], place: _Place
    ) -> Node:
        try:
            given = parameters.inputs(template, step.get("arguments"), place.scope)
        except ValueError as problem:
            raise CannotRunError(f"template {template.get('name')}: {problem}") from None
        extra: Node = {"templateName": template.get("name"), "inputs": given}
        if kind == "suspend":
            extra["outputs"] = parameters.supplied_outputs(template)
        return self._initialize(name, {"suspend": "Suspend", "steps": "Steps", "dag": "DAG"}[kind], place, extra)

    def _initialize(self, name: str, kind: str, place: _Place, extra: Mapping[str, Any]) -> Node:
        identifier = nodes.node_id(self._name, name)
        node: Node = {
            "id": identifier,
            "name": name,
            "displayName": nodes.display_name(name, self._nodes.get(place.boundary)),
            "type": kind,
            "templateScope": f"local/{self._name}",
            "phase": "Running",
            "startedAt": self._time,
        }
        if place.boundary:
            node["boundaryID"] = place.boundary
        # Empty inputs, outputs and the like are left out, but an empty nodeFlag stays: so Argo writes them.
        node |= {key: value for key, value in extra.items() if value or key == "nodeFlag"}
        self._put(node)
        return node

    def _suspend(self, node: Node, template: Mapping[str, Any]) -> Node:
        wait = (template.get("suspend") or {}).get("duration")
        if not wait:
            return node
        try:
            due = _time_of(node.get("startedAt")) + parameters.duration(wait)
            if self._now < due:
                self._due = min(due, self._due or due)
                return node
            given = parameters.with_defaults(node["outputs"]) if node.get("outputs") else None
        except ValueError as problem:
            raise CannotRunError(f"template {template.get('name')}: {problem}") from None
        return self._mark({**node, "outputs": given} if given else node, "Succeeded")

    def _steps(self, node: Node, template: Mapping[str, Any], inside: _Place) -> Node:
        scope = dict(inside.scope)
        name = str(node["name"])
        for index, entries in enumerate(template["steps"]):
            group_name = f"{name}[{index}]"
            place = _Place(inside.boundary, scope, inside.depth)
            group = self._node(group_name) or self._initialize(group_name, "StepGroup", place, {"nodeFlag": {}})
            self._connect_group(name, index, group)
            group = self._group(group, _entries(entries), place)
            if not nodes.fulfilled(group):
                return self._nodes[node["id"]]
            if group["phase"] in FAILED:
                return self._close(node, "Failed", self._outbound_of_last(name, template), message=group.get("message"))
            for step in _entries(entries):
                if child := self._node(f"{group_name}.{step['name']}"):
                    scope |= parameters.given_by("steps", step["name"], child)
        given = parameters.outputs(template, scope)
        return self._close(node, "Succeeded", self._outbound_of_last(name, template), outputs=given)

    def _connect_group(self, steps_name: str, index: int, group: Node) -> None:
        if index == 0:
            self._connect(nodes.node_id(self._name, steps_name), group)
            return
        before = nodes.node_id(self._name, f"{steps_name}[{index - 1}]")
        children = self._nodes[before].get("children") or ()
        for parent in [each for child in children for each in self._outbound(child)] if children else [before]:
            self._connect(parent, group)

    def _group(self, group: Node, steps: Iterable[Mapping[str, Any]], place: _Place) -> Node:
        if nodes.fulfilled(group):
            return group
        missing = False
        for step in steps:
            name = f"{group['name']}.{step['name']}"
            if self._node(name) is None and _expands(step):
                # The nodes of its items are there if Argo has started it.
                missing = missing or not self._items(group["id"], name)
                self._note_unless(not missing, f"step {step['name']}: loops are not started here")
                continue
            child = self._child(name, step, place)
            if child:
                self._connect(group["id"], child)
            missing = missing or child is None
        group = self._nodes[group["id"]]
        children = [self._nodes[each] for each in group.get("children") or () if each in self._nodes]
        if missing or not all(map(nodes.fulfilled, children)):
            return group
        for child in children:
            if child["phase"] in FAILED:
                return self._mark(group, "Failed", f"child '{child['id']}' failed")
        return self._mark(group, "Succeeded")

    def _child(self, name: str, step: Mapping[str, Any], place: _Place) -> Node | None:
        """Run a step or task; what cannot be run is noted, so that those beside it go on."""
        if self._node(name) is None and (step.get("when") or step.get("hooks")):
            self._problems[f"{step['name']}: conditions and hooks are not evaluated here"] = None
            return None
        try:
            return self._execute(name, step, place)
        except CannotRunError as problem:
            self._problems[str(problem)] = None
            return self._node(name)

    def _items(self, group: str, name: str) -> list[Node]:
        children = self._nodes[group].get("children") or ()
        return [self._nodes[each] for each in children if str(self._nodes[each]["name"]).startswith(f"{name}(")]

    def _dag(self, node: Node, template: Mapping[str, Any], inside: _Place) -> Node:
        tasks = {str(task["name"]): task for task in _entries((template["dag"] or {}).get("tasks") or [])}
        needs = {name: _dependencies(task, tasks) for name, task in tasks.items()}
        target = str(template["dag"].get("target") or "")
        needed = {name for names in needs.values() for name in names}
        targets = target.split() if target else [name for name in tasks if name not in needed]
        visited: set[str] = set()
        for name in targets:
            self._task(name, node, tasks, needs, inside, visited)
        found = [self._node(f"{node['name']}.{name}") for name in visited]
        if not all(map(nodes.fulfilled, found)) or not self._settled(node["id"]):
            return self._nodes[node["id"]]
        ends = [nodes.node_id(self._name, f"{node['name']}.{name}") for name in targets]
        outbound = [each for end in ends for each in self._outbound(end)]
        if any(each["phase"] in FAILED for each in found if each):
            return self._close(node, "Failed", outbound)
        scope = dict(inside.scope)
        for name in tasks:
            if task_node := self._node(f"{node['name']}.{name}"):
                scope |= parameters.given_by("tasks", name, task_node)
        return self._close(node, "Succeeded", outbound, outputs=parameters.outputs(template, scope))

    def _settled(self, boundary: str) -> bool:
        return all(nodes.fulfilled(each) for each in self._nodes.values() if each.get("boundaryID") == boundary)

    def _task(
        self,
        name: str,
        dag: Node,
        tasks: Mapping[str, Mapping[str, Any]],
        needs: Mapping[str, list[str]],
        inside: _Place,
        visited: set[str],
    ) -> None:
        if name in visited or name not in tasks:
            return
        visited.add(name)
        for need in needs[name]:
            self._task(need, dag, tasks, needs, inside, visited)
        before = {need: self._node(f"{dag['name']}.{need}") for need in needs[name]}
        own = f"{dag['name']}.{name}"
        node = self._node(own)
        if nodes.fulfilled(node) or not all(map(nodes.fulfilled, before.values())):
            return
        if node is None and any(each["phase"] not in ("Succeeded", "Skipped") for each in before.values() if each):
            extra: Node = {"nodeFlag": {}, "templateName": tasks[name].get("template")}
            omitted = self._initialize(own, "Skipped", inside, extra)
            self._mark(omitted, "Omitted", "omitted: depends condition not met")
        elif _expands(tasks[name]):
            self._loop(node, name)
        else:
            scope = dict(inside.scope)
            for need in visited:
                if earlier := self._node(f"{dag['name']}.{need}"):
                    scope |= parameters.given_by("tasks", need, earlier)
            self._child(own, tasks[name], _Place(inside.boundary, scope, inside.depth))
        if node is None and (new := self._node(own)):
            parents = [
                each for need in before for each in self._outbound(nodes.node_id(self._name, f"{dag['name']}.{need}"))
            ]
            for parent in parents or [dag["id"]]:
                self._connect(parent, new)

    def _loop(self, group: Node | None, name: str) -> None:
        """A loop that Argo has started ends when all its items have."""
        self._note_unless(group is not None, f"task {name}: loops are not started here")
        children = [self._nodes.get(each) for each in (group or {}).get("children") or ()]
        if group and children and all(map(nodes.fulfilled, children)):
            failed = [each["phase"] for each in children if each and each["phase"] in FAILED]
            self._mark(group, failed[-1] if failed else "Succeeded")

    def _note_unless(self, fine: bool, problem: str) -> None:  # noqa: FBT001 - reads as a sentence
        if not fine:
            self._problems[problem] = None

    def _outbound_of_last(self, steps_name: str, template: Mapping[str, Any]) -> list[str]:
        for index in reversed(range(len(template["steps"]))):
            if group := self._node(f"{steps_name}[{index}]"):
                return [each for child in group.get("children") or () for each in self._outbound(child)]
        return []

    def _outbound(self, identifier: str) -> list[str]:
        """The nodes with which a node ends: those that follow become their children."""
        node = self._nodes.get(identifier) or {}
        match node.get("type"):
            case "Steps" | "DAG" | "StepGroup":
                below = node.get("outboundNodes") or ()
            case "TaskGroup":
                below = node.get("children") or ()
            case _:
                below = ()
        return [each for child in below for each in self._outbound(child)] if below else [identifier]

    def _node(self, name: str) -> Node | None:
        return self._nodes.get(nodes.node_id(self._name, name))

    def _put(self, node: Node) -> None:
        self._nodes[node["id"]] = node
        self._changed = True

    def _connect(self, parent: str, child: Node) -> None:
        node = self._nodes[parent]
        children = node.get("children") or []
        if child["id"] not in children:
            self._put({**node, "children": [*children, child["id"]]})

    def _mark(self, node: Node, phase: str, message: str = "") -> Node:
        marked = {**node, "phase": phase, "finishedAt": self._time} | ({"message": message} if message else {})
        self._put(marked)
        return marked

    def _close(
        self,
        node: Node,
        phase: str,
        outbound: list[str],
        *,
        outputs: Mapping[str, Any] | None = None,
        message: object = None,
    ) -> Node:
        closed = dict(self._nodes[node["id"]])
        if outbound:
            closed["outboundNodes"] = outbound
        if outputs:
            closed["outputs"] = outputs
        return self._mark(closed, phase, str(message or ""))


def _entries(entries: object) -> list[Mapping[str, Any]]:
    if not isinstance(entries, list) or not all(isinstance(each, dict) and each.get("name") for each in entries):
        raise CannotRunError("a template whose steps or tasks have no names")
    return entries


def _expands(step: Mapping[str, Any]) -> bool:
    return any(step.get(each) is not None for each in _EXPANDS)


def _dependencies(task: Mapping[str, Any], tasks: Mapping[str, object]) -> list[str]:
    names = [str(each) for each in task.get("dependencies") or []]
    if depends := str(task.get("depends") or ""):
        names = [each.strip().removesuffix(".Succeeded") for each in depends.split("&&")]
    for name in names:
        if not _NAME.fullmatch(name) or name not in tasks:
            raise CannotRunError(f"task {task['name']}: it depends on {name}, which is not the name of a task")
    return names


def _condition(conditions: object, kind: str, status: str) -> list[Any]:
    kept = [each for each in conditions if each.get("type") != kind] if isinstance(conditions, list) else []
    return [*kept, {"status": status, "type": kind}]


def _time_of(value: object) -> datetime:
    return datetime.fromisoformat(str(value))

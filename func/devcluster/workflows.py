"""One turn of the stand-in workflow controller: a Workflow as it is -> the Workflow as Argo's controller continues it.

It runs Workflows whose entrypoint is a list of steps and whose steps are suspend templates, as in the demo and in the
recordings under tests/data. It does not run anything else, and logs why. It writes nodes, phase and labels, and
leaves out what nothing here reads: progress, conditions, and the outputs of the whole Workflow.

Source: https://github.com/argoproj/argo-workflows/tree/v4.1.2/workflow/controller (operator.go, steps.go) and
pkg/apis/workflow/v1alpha1/workflow_types.go
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias

from func.devcluster.documents import Document

Node: TypeAlias = dict[str, Any]

_FAILED = ("Failed", "Error")
_FINISHED = ("Succeeded", *_FAILED)
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_SPEC = {"arguments", "entrypoint", "podMetadata", "serviceAccountName", "suspend", "templates"}
_TEMPLATE = {"inputs", "metadata", "name", "outputs"}
_STEP = {"arguments", "name", "template"}


class UnsupportedError(Exception):
    """The Workflow uses something that this controller does not run; the message names it."""


def advance(workflow: Document, now: datetime) -> Document | None:
    """Return the Workflow after one turn of the controller, or None if the controller has nothing to do.

    Args:
        workflow: as it is stored; it is not changed.

    Raises:
        UnsupportedError: this controller cannot run the Workflow.
    """
    status: Document = workflow.get("status") or {}
    labels = workflow["metadata"].get("labels") or {}
    if labels.get("workflows.argoproj.io/completed") == "true" or status.get("phase") in _FINISHED:
        return None
    if status.get("offloadNodeStatusVersion") or status.get("compressedNodes"):
        raise UnsupportedError("its nodes are compressed or in a database")
    return _Turn(workflow, now).run()


@lru_cache(maxsize=100_000)
def node_id(workflow: str, name: str) -> str:
    """Return the id of a node: the Workflow's name and the FNV-1a hash of the node's name."""
    if name == workflow:
        return workflow
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{workflow}-{value}"


class _Turn:
    def __init__(self, workflow: Document, now: datetime) -> None:
        self._workflow = workflow
        self._time = now.astimezone(UTC).strftime(_TIME)
        self._name = str(workflow["metadata"]["name"])
        self._status: Document = dict(workflow.get("status") or {})
        self._nodes: dict[str, Node] = dict(self._status.get("nodes") or {})
        self._changed = False
        spec = self._status.get("storedWorkflowTemplateSpec") or workflow.get("spec") or {}
        self._suspended = bool(spec.get("suspend"))
        self._groups, self._templates = _supported(spec)

    def run(self) -> Document | None:
        """Return the Workflow after the turn, None if nothing changed."""
        fresh = not self._status.get("phase")
        if fresh:
            self._status |= {"phase": "Running", "startedAt": self._time}
        if not self._suspended:
            self._run_steps()
        return self._result(fresh=fresh) if fresh or self._changed else None

    def _run_steps(self) -> None:
        root = self._node(self._name, "Steps", {"templateName": self._templates[""]["name"]})
        before = [root["id"]]
        for index, steps in enumerate(self._groups):
            group = self._node(f"{self._name}[{index}]", "StepGroup", {"nodeFlag": {}})
            for parent in before:
                self._connect(parent, group["id"])
            gates = [self._gate(group, step) for step in steps]
            failed = next((gate for gate in gates if gate["phase"] in _FAILED), None)
            if not all(gate["phase"] in _FINISHED for gate in gates):
                return
            self._finish(group["id"], "Failed" if failed else "Succeeded", failed)
            before = [gate["id"] for gate in gates]
            if failed:
                self._end("Failed", before, failed)
                return
        self._end("Succeeded", before, None)

    def _gate(self, group: Node, step: Mapping[str, Any]) -> Node:
        template = self._templates[step["template"]]
        inputs = _inputs(template, step)
        wanted = [each for each in _parameters(template.get("outputs")) if "supplied" in (each.get("valueFrom") or {})]
        gate = self._node(
            f"{group['name']}.{step['name']}",
            "Suspend",
            {
                "templateName": template["name"],
                "inputs": {"parameters": inputs} if inputs else None,
                "outputs": {"parameters": wanted} if wanted else None,
            },
        )
        self._connect(group["id"], gate["id"])
        return gate

    def _node(self, name: str, kind: str, more: Mapping[str, Any]) -> Node:
        """Return the node of this name; create it where it is not there yet."""
        identifier = node_id(self._name, name)
        if identifier in self._nodes:
            return self._nodes[identifier]
        node: Node = {
            "id": identifier,
            "name": name,
            "displayName": name.removeprefix(self._name).rpartition(".")[2] or name,
            "type": kind,
            "templateScope": f"local/{self._name}",
            "phase": "Running",
            "startedAt": self._time,
        }
        if name != self._name:
            node["boundaryID"] = self._name
        self._put(node | {key: value for key, value in more.items() if value is not None})
        return self._nodes[identifier]

    def _connect(self, parent: str, child: str) -> None:
        children = self._nodes[parent].get("children") or []
        if child not in children:
            self._put({**self._nodes[parent], "children": [*children, child]})

    def _finish(self, identifier: str, phase: str, failed: Node | None, **more: object) -> None:
        if self._nodes[identifier]["phase"] not in _FINISHED:
            self._put({**self._nodes[identifier], **_ended(phase, self._time, failed), **more})

    def _end(self, phase: str, last: list[str], failed: Node | None) -> None:
        self._finish(self._name, phase, failed, outboundNodes=last)
        self._status |= _ended(phase, self._time, failed)

    def _put(self, node: Node) -> None:
        self._nodes[node["id"]] = node
        self._changed = True

    def _result(self, *, fresh: bool) -> Document:
        phase = self._status["phase"]
        if self._nodes:
            self._status["nodes"] = self._nodes
        completed = "true" if phase in _FINISHED else "false"
        state = {"workflows.argoproj.io/completed": completed, "workflows.argoproj.io/phase": phase}
        metadata = dict(self._workflow["metadata"])
        metadata["labels"] = {**(metadata.get("labels") or {}), **state}
        if fresh:
            pods = {"workflows.argoproj.io/pod-name-format": "v2"}
            metadata["annotations"] = {**(metadata.get("annotations") or {}), **pods}
        return {**self._workflow, "metadata": metadata, "status": self._status}


def _ended(phase: str, time: str, failed: Node | None) -> Node:
    ended: Node = {"phase": phase, "finishedAt": time}
    return ended | {"message": f"child '{failed['id']}' failed"} if failed else ended


def _supported(spec: Mapping[str, Any]) -> tuple[list[list[Mapping[str, Any]]], dict[str, Mapping[str, Any]]]:
    """Return the groups of steps and the templates by name, with the entrypoint under the empty name."""
    _only(spec, _SPEC, "spec")
    templates = {str(each.get("name")): each for each in spec.get("templates") or [] if isinstance(each, dict)}
    main = templates.get(str(spec.get("entrypoint")))
    groups = main.get("steps") if main else None
    if main is None or not isinstance(groups, list) or not groups:
        raise UnsupportedError("its entrypoint is not a list of steps")
    _only(main, {*_TEMPLATE, "steps"}, f"template {main['name']}")
    if main.get("inputs"):
        raise UnsupportedError(f"template {main['name']} has inputs")
    for step in (step for group in groups for step in (group if isinstance(group, list) and group else [None])):
        if not isinstance(step, dict) or not step.get("name"):
            raise UnsupportedError("its entrypoint is not a list of steps that have names")
        _only(step, _STEP, f"step {step['name']}")
        template = templates.get(str(step.get("template")), {})
        if not isinstance(template.get("suspend"), dict):
            raise UnsupportedError(f"step {step['name']} is not a suspend template of this Workflow")
        _only(template, {*_TEMPLATE, "suspend"}, f"template {template['name']}")
        _only(template["suspend"], set(), f"suspend of template {template['name']}")
    return groups, {**templates, "": main}


def _only(mapping: Mapping[str, Any], known: set[str], where: str) -> None:
    for key, value in mapping.items():
        if key not in known and value:
            raise UnsupportedError(f"{where} has {key}")


def _parameters(holder: object) -> Iterator[dict[str, Any]]:
    found = holder.get("parameters") if isinstance(holder, dict) else None
    yield from (each for each in found or () if isinstance(each, dict) and isinstance(each.get("name"), str))


def _inputs(template: Mapping[str, Any], step: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the input parameters of a gate; this controller fills in no references."""
    given = {each["name"]: each.get("value") for each in _parameters(step.get("arguments"))}
    inputs = []
    for parameter in _parameters(template.get("inputs")):
        value = given.get(parameter["name"], parameter.get("value", parameter.get("default")))
        if value is None:
            raise UnsupportedError(f"inputs.parameters.{parameter['name']} was not supplied")
        text = str(value).lower() if isinstance(value, bool) else str(value)  # as Argo keeps it
        if "{{" in text:
            raise UnsupportedError(f"inputs.parameters.{parameter['name']} is {text}")
        inputs.append({**parameter, "value": text})
    return inputs

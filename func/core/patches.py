"""Decision -> JSON Patch: what changes, tested against what was read.

Each replaced value is tested first, so that of two writers one wins and the other reads again (422).

Source: RFC 6902; updateSuspendedNode and OverrideOutputParametersWithDefault in workflow/util/util.go of argo-workflows
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from func.core.outcomes import No
from func.core.state import State
from func.core.workflows import PARKED_LABEL, STATE_ANNOTATION, Node, Workflow, compress, parameters

Operation = dict[str, Any]
_GO_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
MAX_OUTPUT = 4096  # characters of an output's value


@dataclass(frozen=True, slots=True)
class Opening:
    """A suspend node that opens.

    Args:
        finished_at: RFC 3339.
        values: for its supplied outputs, by name; those not named take their default.
    """

    node: Node
    finished_at: str
    message: str
    values: Mapping[str, str]


def values_for(node: Node, offered: Mapping[str, str]) -> dict[str, str]:
    """The offered values that a node's supplied outputs take.

    Raises: No, `incomplete`, when an output has neither value nor default, or an unsafe value.
    """
    values = {}
    for output in node.supplied:
        value = offered.get(output.name)
        if value is not None:
            _check_output(output.name, value)
            values[output.name] = value
        elif output.default is None:
            reason = f"Nothing gives a value for output {output.name} and it has no default: add it to `outputs`."
            raise No("incomplete", reason)
    return values


def _check_output(name: str, value: str) -> None:
    if "{{" in value:
        raise No("incomplete", f"The value for output {name} holds {{{{, which Argo would expand in a later step.")
    if len(value) > MAX_OUTPUT:
        raise No("incomplete", f"The value for output {name} has more than {MAX_OUTPUT} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise No("incomplete", f"The value for output {name} holds control characters.")


def patch_for(workflow: Workflow, state: State, opening: Opening | None) -> list[Operation]:
    """The patch that remembers `state` and opens a node; empty when nothing changes.

    Args:
        opening: left to Argo Server where the nodes are offloaded.
    """
    changes = [*_remember(workflow, state), *(_open(workflow, opening) if opening else [])]
    return [_test("/metadata/uid", workflow.ref.uid), *changes] if changes else []


def encode(operations: list[Operation]) -> bytes:
    """A JSON Patch, written as the API server itself writes JSON.

    Its `test` compares texts as they are written: "\\u00e9" is not "é", and "<" is not what Go writes as "\\u003c".
    These characters stand in texts only, so they can be replaced in the whole.

    Source: lazyNode.equal in https://github.com/evanphx/json-patch/blob/v4.13.0/patch.go and HTMLEscape in Go's
    encoding/json
    """
    text = json.dumps(operations, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_GO_ESCAPES).encode(errors="backslashreplace")


def _test(path: str, value: object) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _add(path: str, value: object) -> Operation:
    return {"op": "add", "path": path, "value": value}


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _remember(workflow: Workflow, state: State) -> list[Operation]:
    text = state.text()
    parked = workflow.labels.get(PARKED_LABEL)
    label = f"/metadata/labels/{_escape(PARKED_LABEL)}"
    operations: list[Operation] = []
    if state.is_parked and parked != "true":
        operations.append(_add(label, "true"))
    elif not state.is_parked and parked is not None:
        operations += [_test(label, parked), {"op": "remove", "path": label}]
    if text == workflow.state or (workflow.state is None and state == State(uid=workflow.ref.uid)):
        # The label alone: the state is tested all the same, because the label follows from it.
        known = _test("/metadata/annotations", None) if workflow.annotations is None else None
        return [known or _test(_annotation(), workflow.state), *operations] if operations else []
    if workflow.annotations is None:
        return [
            _test("/metadata/annotations", None),
            _add("/metadata/annotations", {STATE_ANNOTATION: text}),
            *operations,
        ]
    return [_test(_annotation(), workflow.state), _add(_annotation(), text), *operations]


def _annotation() -> str:
    return f"/metadata/annotations/{_escape(STATE_ANNOTATION)}"


def _open(workflow: Workflow, opening: Opening) -> list[Operation]:
    match workflow.stored:
        case "plain":
            return [*_open_plain(opening), *_publish(workflow, opening)]
        case "compressed":
            return [*_open_compressed(workflow, opening), *_publish(workflow, opening)]
        case "offloaded":
            return []


def _open_plain(opening: Opening) -> list[Operation]:
    node, outputs = opening.node, _outputs(opening)
    path = f"/status/nodes/{_escape(node.id)}"
    operations = [
        _test(f"{path}/type", "Suspend"),
        _test(f"{path}/phase", node.phase),
        _add(f"{path}/phase", "Succeeded"),
        _add(f"{path}/finishedAt", opening.finished_at),
        _add(f"{path}/message", opening.message),
    ]
    if outputs != node.raw.get("outputs"):
        operations += [_test(f"{path}/outputs", node.raw.get("outputs")), _add(f"{path}/outputs", outputs)]
    return operations


def _open_compressed(workflow: Workflow, opening: Opening) -> list[Operation]:
    outputs = _outputs(opening)
    node = {
        **opening.node.raw,
        "phase": "Succeeded",
        "finishedAt": opening.finished_at,
        "message": opening.message,
    }
    if outputs is not None:
        node["outputs"] = outputs
    return [
        _test("/status/compressedNodes", workflow.raw["status"]["compressedNodes"]),
        _add("/status/compressedNodes", compress({**workflow.nodes, opening.node.id: node})),
    ]


def _outputs(opening: Opening) -> object:
    """The node's outputs, with the values that they take."""
    old = opening.node.raw.get("outputs")
    taken = {output.name: opening.values.get(output.name, output.default) for output in opening.node.supplied}
    if not taken or not isinstance(old, Mapping):
        return old
    new = []
    for parameter in old["parameters"]:
        name = parameter.get("name") if isinstance(parameter, Mapping) else None
        if name not in taken:
            new.append(parameter)
            continue
        kept = {field: value for field, value in parameter.items() if field != "valueFrom"}
        new.append({**kept, "value": taken[name]})
    return {**old, "parameters": new}


def _publish(workflow: Workflow, opening: Opening) -> list[Operation]:
    """Given values that go to the outputs of the whole Workflow: replaced where the name is known, else appended.

    Source: AddParamToGlobalScope in workflow/util/util.go of argo-workflows, which leaves defaults to the controller
    """
    published = {
        output.published_as: opening.values[output.name]
        for output in opening.node.supplied
        if output.published_as and output.name in opening.values
    }
    if not published:
        return []
    old = (workflow.raw.get("status") or {}).get("outputs")
    replaced = [
        {**item, "value": published.pop(item["name"])} if item.get("name") in published else item
        for item in parameters(old)
    ]
    appended = [{"name": name, "value": value} for name, value in published.items()]
    merged = {**(old if isinstance(old, Mapping) else {}), "parameters": [*replaced, *appended]}
    return [_test("/status/outputs", old), _add("/status/outputs", merged)]

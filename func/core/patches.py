"""Decision -> JSON Patch: what changes, tested against what was read.

Each replaced value is tested first, so that of two writers one wins and the other reads again (422).

Source: RFC 6902; updateSuspendedNode and OverrideOutputParametersWithDefault in workflow/util/util.go of argo-workflows
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from func.core.intents import MAX_OUTPUT
from func.core.reasons import Rejection
from func.core.signals import STATE_ANNOTATION, State
from func.core.workflows import PARKED_LABEL, Node, Workflow, compress, parameters

Operation = dict[str, Any]
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_GO_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


class Move(NamedTuple):
    """A suspend node that is opened, or fails.

    Args:
        finished_at: RFC 3339.
        values: for its supplied outputs, by name; those not named take their default when it opens.
    """

    node: Node
    phase: Literal["Succeeded", "Failed"]
    finished_at: str
    message: str
    values: Mapping[str, str]


def values_for(node: Node, offered: Mapping[str, str], *, fails: bool = False) -> dict[str, str]:
    """Return the offered values that a node's supplied outputs take.

    Args:
        fails: a node that fails needs none.

    Raises:
        Rejection: `missing-output` or `unsafe-output`.
    """
    values = {}
    for output in node.supplied:
        value = offered.get(output.name)
        if value is not None:
            _check_output(output.name, value)
            values[output.name] = value
        elif output.default is None and not fails:
            raise Rejection("missing-output", node=node.id, output=output.name)
    return values


def _check_output(name: str, value: str) -> None:
    why = None
    if "{{" in value:
        why = "holds {{, which Argo would expand in a later step"
    elif len(value) > MAX_OUTPUT:
        why = f"has more than {MAX_OUTPUT} characters"
    elif any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        why = "holds control characters"
    if why:
        raise Rejection("unsafe-output", output=name, why=why)


def patch_for(workflow: Workflow, text: str, move: Move | None, *, parked: bool) -> list[Operation]:
    """Return the patch that writes the annotation and moves a node; empty when nothing changes.

    Args:
        text: of the annotation.
        move: left to Argo Server where the nodes are offloaded.
        parked: whether a signal waits; the label shows it.
    """
    changes = [*_remember(workflow, text, parked), *(_move(workflow, move) if move else [])]
    return [_test("/metadata/uid", workflow.ref.uid), *changes] if changes else []


def encode(operations: list[Operation]) -> bytes:
    r"""Return a JSON Patch, written as the API server itself writes JSON.

    Its `test` compares strings as they are written: "\u00e9" is not "é", and "<" is not "\u003c", as Go writes it.
    These characters occur only inside strings, so they can be replaced in the whole text.

    Source: lazyNode.equal in https://github.com/evanphx/json-patch/blob/v4.13.0/patch.go and HTMLEscape in Go's
    encoding/json
    """
    return _ENCODER.encode(operations).translate(_GO_ESCAPES).encode(errors="backslashreplace")


def _test(path: str, value: object) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _add(path: str, value: object) -> Operation:
    return {"op": "add", "path": path, "value": value}


def _replace(path: str, old: object, new: object) -> list[Operation]:
    return [_test(path, old), _add(path, new)]


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _remember(workflow: Workflow, text: str, parked: bool) -> list[Operation]:  # noqa: FBT001
    labelled = workflow.labels.get(PARKED_LABEL)
    label = f"/metadata/labels/{_escape(PARKED_LABEL)}"
    operations: list[Operation] = []
    if parked and labelled != "true":
        operations.append(_add(label, "true"))
    elif not parked and labelled is not None:
        operations += [_test(label, labelled), {"op": "remove", "path": label}]
    path = "/metadata/annotations"
    new: object = {STATE_ANNOTATION: text}
    if workflow.annotations is not None:
        path, new = f"{path}/{_escape(STATE_ANNOTATION)}", text
    if text == (workflow.state_text or State(workflow.ref).text()):
        # The label alone: the state is tested all the same, because the label follows from it.
        return [_test(path, workflow.state_text), *operations] if operations else []
    return [*_replace(path, workflow.state_text, new), *operations]


def _move(workflow: Workflow, move: Move) -> list[Operation]:
    if workflow.stored == "offloaded":
        return []
    node, old, outputs = move.node, move.node.raw.get("outputs"), _outputs(move)
    changed = {"phase": move.phase, "finishedAt": move.finished_at, "message": move.message}
    if workflow.stored == "compressed":
        moved = {**node.raw, **changed, **({} if outputs is None else {"outputs": outputs})}
        packed = compress({**workflow.nodes, node.id: moved})
        operations = _replace("/status/compressedNodes", workflow.raw["status"]["compressedNodes"], packed)
    else:
        path = f"/status/nodes/{_escape(node.id)}"
        operations = [_test(f"{path}/type", "Suspend"), _test(f"{path}/phase", node.phase)]
        operations += [_add(f"{path}/{name}", value) for name, value in changed.items()]
        operations += _replace(f"{path}/outputs", old, outputs) if outputs != old else []
    return [*operations, *_publish(workflow, move)]


def _outputs(move: Move) -> object:
    """Return the node's outputs, with the values that they take; a node that fails takes no defaults."""
    old = move.node.raw.get("outputs")
    taken = {
        output.name: move.values.get(output.name, output.default)
        for output in move.node.supplied
        if move.phase == "Succeeded" or output.name in move.values
    }
    if not taken or not isinstance(old, dict):
        return old
    new = []
    for parameter in old["parameters"]:
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if not isinstance(name, str) or name not in taken:
            new.append(parameter)
            continue
        kept = {field: value for field, value in parameter.items() if field != "valueFrom"}
        new.append({**kept, "value": taken[name]})
    return {**old, "parameters": new}


def _publish(workflow: Workflow, move: Move) -> list[Operation]:
    """Publish given values among the outputs of the whole Workflow: replaced where the name is known, else appended.

    Source: AddParamToGlobalScope in workflow/util/util.go of argo-workflows, which leaves defaults to the controller
    """
    published = {
        output.published_as: move.values[output.name]
        for output in move.node.supplied
        if output.published_as and output.name in move.values
    }
    if not published:
        return []
    old = (workflow.raw.get("status") or {}).get("outputs")
    replaced = [
        {**item, "value": published.pop(item["name"])}
        if isinstance(item.get("name"), str) and item["name"] in published
        else item
        for item in parameters(old)
    ]
    appended = [{"name": name, "value": value} for name, value in published.items()]
    merged = {**(old if isinstance(old, dict) else {}), "parameters": [*replaced, *appended]}
    return _replace("/status/outputs", old, merged)

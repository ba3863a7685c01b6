"""A Workflow as the Kubernetes API gives it -> the few things that a decision needs.

Source: pkg/apis/workflow/v1alpha1/workflow_types.go and workflow/packer/packer.go of argo-workflows
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from func.core.outcomes import No, WorkflowRef
from func.core.values import parse_time

STATE_ANNOTATION = "taskgate.dev/state"
PARKED_LABEL = "taskgate.dev/parked"
_COMPLETED_LABEL = "workflows.argoproj.io/completed"
UNDER_WAY = f"{_COMPLETED_LABEL}!=true"  # a label selector
_FINISHED = frozenset({"Succeeded", "Failed", "Error"})
_MAX_NODES_BYTES = 64 * 1024 * 1024  # a Workflow is 1 MiB compressed at most; JSON of nodes packs about 20:1


@dataclass(frozen=True, slots=True)
class Supplied:
    """An output parameter of a suspend node whose value comes from outside.

    Args:
        default: None where there is none.
        published_as: its name among the outputs of the whole Workflow, where it has one.
    """

    name: str
    default: object
    published_as: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """A suspend node.

    Args:
        id: its key in the map of nodes.
        phase: e.g. `Running`; empty where there is none yet.
        raw: all of it.
    """

    id: str
    phase: str
    raw: Mapping[str, Any]

    @property
    def is_finished(self) -> bool:
        """It waits no longer, whatever came of it."""
        return self.phase not in ("", "Pending", "Running")

    @property
    def supplied(self) -> list[Supplied]:
        """The outputs that somebody has to give a value."""
        found = []
        for parameter in parameters(self.raw.get("outputs")):
            name, source, published_as = parameter.get("name"), parameter.get("valueFrom"), parameter.get("globalName")
            if isinstance(name, str) and isinstance(source, Mapping) and source.get("supplied") is not None:
                published = published_as if isinstance(published_as, str) and published_as else None
                found.append(Supplied(name, source.get("default"), published))
        return found


@dataclass(frozen=True, slots=True)
class Workflow:
    """One Workflow.

    Args:
        annotations: None where the object has no such map.
        stored: where the nodes are: in the object, in it but compressed, or offloaded to a database.
        nodes: by id; empty when offloaded.
        raw: the whole object.
    """

    ref: WorkflowRef
    labels: Mapping[str, str]
    annotations: Mapping[str, str] | None
    created: datetime
    finished: bool
    stored: Literal["plain", "compressed", "offloaded"]
    nodes: Mapping[str, Any]
    raw: Mapping[str, Any]

    @property
    def state(self) -> str | None:
        """The text of our annotation."""
        return (self.annotations or {}).get(STATE_ANNOTATION)

    def node(self, node_id: str) -> Node | None:
        """The node of this id, if it is a suspend node."""
        raw = self.nodes.get(node_id)
        return _suspend_node(node_id, raw) if isinstance(raw, Mapping) else None

    def gate_nodes(self, gate: str, inputs: Mapping[str, str]) -> list[Node]:
        """The suspend nodes that stand for a gate.

        Args:
            gate: their displayName.
            inputs: input parameters, by name, that they must have.
        """
        found = (
            _suspend_node(node_id, node)
            for node_id, node in self.nodes.items()
            if isinstance(node, Mapping) and node.get("displayName") == gate
        )
        return [node for node in found if node and inputs.items() <= _inputs(node.raw).items()]


def _suspend_node(node_id: str, raw: Mapping[str, Any]) -> Node | None:
    phase = raw.get("phase")
    return Node(node_id, phase if isinstance(phase, str) else "", raw) if raw.get("type") == "Suspend" else None


def _inputs(node: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for parameter in parameters(node.get("inputs")):
        name, value = parameter.get("name"), parameter.get("value")
        if isinstance(name, str) and isinstance(value, str | int | float):
            found[name] = str(value)
    return found


def parameters(holder: object) -> list[Mapping[str, Any]]:
    """The parameters of `inputs` or `outputs`; empty where there are none or they are odd."""
    given = holder.get("parameters") if isinstance(holder, Mapping) else None
    return [item for item in given if isinstance(item, Mapping)] if isinstance(given, list) else []


def is_finished(labels: Mapping[str, str], phase: object = None) -> bool:
    """Has the Workflow come to its end? (From its labels, and its phase where that is known.)"""
    return labels.get(_COMPLETED_LABEL) == "true" or (isinstance(phase, str) and phase in _FINISHED)


def read_workflow(raw: Mapping[str, Any]) -> Workflow:
    """An object of the Kubernetes API -> Workflow.

    Raises: No, `refused`, when the object is not of the shape that Argo writes.
    """
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    ref = WorkflowRef(
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata.get("name") or ""),
        uid=str(metadata.get("uid") or ""),
    )
    status = raw.get("status") or {}
    if not isinstance(status, Mapping):
        raise _odd(ref, "status is no object")
    if not isinstance(status.get("phase", ""), str):
        raise _odd(ref, "status.phase is no text")
    try:
        created = parse_time(metadata.get("creationTimestamp"))
    except ValueError:
        raise _odd(ref, "metadata.creationTimestamp is no time") from None
    labels = _texts(ref, "labels", metadata.get("labels")) or {}
    return Workflow(
        ref=ref,
        labels=labels,
        annotations=_texts(ref, "annotations", metadata.get("annotations")),
        created=created,
        finished=is_finished(labels, status.get("phase")),
        stored=_stored(status),
        nodes=_nodes(ref, status),
        raw=raw,
    )


def _odd(ref: WorkflowRef, what: str) -> No:
    return No(
        "refused", f"Workflow {ref.name} can't be read, {what}; look at it with kubectl get workflow.", workflow=ref
    )


def _texts(ref: WorkflowRef, name: str, value: object) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise _odd(ref, f"metadata.{name} is no map of texts")
    return value


def _stored(status: Mapping[str, Any]) -> Literal["plain", "compressed", "offloaded"]:
    if status.get("compressedNodes"):
        return "compressed"
    return "offloaded" if status.get("offloadNodeStatusVersion") and not status.get("nodes") else "plain"


def _nodes(ref: WorkflowRef, status: Mapping[str, Any]) -> Mapping[str, Any]:
    compressed = status.get("compressedNodes")
    try:
        nodes = decompress(compressed) if compressed else status.get("nodes")
    except ValueError as error:
        raise _odd(ref, f"status.compressedNodes {error}") from None
    if nodes is None:
        return {}
    if not isinstance(nodes, Mapping):
        raise _odd(ref, "status.nodes is no object")
    return nodes


def decompress(text: object) -> object:
    """The content of status.compressedNodes: base64 of gzip of JSON.

    Raises: ValueError, what is wrong with it.
    """
    if not isinstance(text, str):
        raise ValueError("is no text")  # noqa: TRY004 - what is wrong is the content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(text.encode(), validate=True))) as packed:
            content = packed.read(_MAX_NODES_BYTES + 1)
        if len(content) > _MAX_NODES_BYTES:
            raise ValueError(f"holds more than {_MAX_NODES_BYTES} bytes")
        return json.loads(content)
    except (binascii.Error, OSError, EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError("is no base64 of gzip of JSON") from None


def compress(nodes: Mapping[str, Any]) -> str:
    """Nodes -> the content of status.compressedNodes."""
    content = json.dumps(nodes, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.b64encode(gzip.compress(content, compresslevel=1, mtime=0)).decode()

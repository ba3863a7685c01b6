"""A Workflow of the Kubernetes API -> the few things that a decision needs.

Source: pkg/apis/workflow/v1alpha1/workflow_types.go and workflow/packer/packer.go of argo-workflows
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import re
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from func.core.outcomes import WorkflowRef
from func.core.reasons import Rejection
from func.core.signals import STATE_ANNOTATION
from func.core.strict_json import estimate_memory
from func.core.values import parse_time

Stored: TypeAlias = Literal["plain", "compressed", "offloaded"]
PARKED_LABEL = "taskgate.dev/parked"
_COMPLETED_LABEL = "workflows.argoproj.io/completed"
UNFINISHED = f"{_COMPLETED_LABEL}!=true"  # a label selector
_FINISHED = frozenset({"Succeeded", "Failed", "Error"})
_MAY_BE_RETRIED = frozenset({"Failed", "Error"})
# What the controller adds to a gate's name: `(1:item)` in a loop, `(0)` for the attempts of a retried node.
_ADDED = re.compile(r"(?P<item>\(\d+:.*?\))?(?:\((?P<attempt>\d{1,9})\))?", re.DOTALL)
_ATTEMPT = re.compile(r"\((\d{1,9})\)")  # in the names of a retried node's attempts and of what is in them
# An object has 1.5 MiB at most, so 1.1 MiB before base64, and JSON of nodes packs 16:1 to 20:1. The largest real ones
# need 220 MiB of memory by the estimate, which is rather too high.
_MAX_NODES_BYTES = 32 * 1024 * 1024
_MAX_NODES_MEMORY = 256 * 1024 * 1024


class Supplied(NamedTuple):
    """An output parameter of a suspend node whose value comes from outside.

    Args:
        default: None where there is none.
        published_as: its name among the outputs of the whole Workflow, where it has one.
    """

    name: str
    default: object
    published_as: str | None


class Node(NamedTuple):
    """A suspend node, or one that was skipped in its place.

    Args:
        id: its key in the map of nodes.
        phase: e.g. `Running`; empty where there is none yet.
        raw: all of it.
        attempt: of a retried node, from 0; -1 for a node that is not retried.
    """

    id: str
    phase: str
    raw: Mapping[str, Any]
    attempt: int = -1

    @property
    def is_finished(self) -> bool:
        """Whether it no longer waits."""
        return self.phase not in ("", "Pending", "Running")

    @property
    def retried(self) -> str:
        """The name of the node that it is an attempt of, which tells parallel branches and items of a loop apart."""
        name = _string(self.raw.get("name")) or _string(self.raw.get("displayName")) or ""
        return name.removesuffix(f"({self.attempt})")

    @property
    def started(self) -> str | None:
        """When it started, as the controller wrote it."""
        return _string(self.raw.get("startedAt"))

    @property
    def supplied(self) -> list[Supplied]:
        """The outputs whose values are supplied from outside."""
        found = []
        for parameter in parameters(self.raw.get("outputs")):
            name, source, published_as = parameter.get("name"), parameter.get("valueFrom"), parameter.get("globalName")
            if isinstance(name, str) and isinstance(source, dict) and source.get("supplied") is not None:
                found.append(Supplied(name, source.get("default"), _string(published_as) or None))
        return found


class Workflow(NamedTuple):
    """One Workflow.

    Args:
        annotations: None where the object has no such map.
        phase: empty where there is none yet, or none any more after `argo retry`.
        shutdown: how it is being stopped, `Terminate` or `Stop`; empty where it is not.
        stored: where the nodes are: in the object, in it but compressed, or offloaded to a database.
        nodes: by id; empty when offloaded.
        raw: the whole object.
    """

    ref: WorkflowRef
    labels: Mapping[str, str]
    annotations: Mapping[str, str] | None
    created: datetime
    phase: str
    shutdown: str
    stored: Stored
    nodes: Mapping[str, Any]
    raw: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return is_finished(self.labels, self.phase)

    @property
    def may_be_retried(self) -> bool:
        """Whether `argo retry` can continue it after its end."""
        return self.phase in _MAY_BE_RETRIED

    @property
    def is_suspended(self) -> bool:
        """Whether a person paused all of it."""
        spec = self.raw.get("spec")
        return isinstance(spec, dict) and spec.get("suspend") is True

    @property
    def state_text(self) -> str | None:
        """The text of our annotation."""
        return (self.annotations or {}).get(STATE_ANNOTATION)

    def node(self, node_id: str) -> Node | None:
        """Return the node of this id, if it is a suspend node."""
        raw = self.nodes.get(node_id)
        if not isinstance(raw, dict) or raw.get("type") != "Suspend":
            return None
        return Node(node_id, _string(raw.get("phase")) or "", raw)

    def suspend_nodes(self) -> list[Node]:
        """Return all suspend nodes."""
        return [node for node_id in self.nodes if (node := self.node(str(node_id)))]

    def gate_nodes(self, gate: str, inputs: Mapping[str, str], *, earlier: bool = False) -> list[Node]:
        """Return the suspend nodes of a gate, and those that were skipped in its place.

        Of the attempts of a retried node, and of a retried template around the gate, only the newest counts. One that
        failed does not count while another one is still to come.

        Args:
            gate: their displayName, without what the controller adds to it.
            inputs: input parameters, by name, that they must have.
            earlier: count the nodes of all attempts of a template around the gate.
        """
        newest: dict[str, Node] = {}
        found = []
        retries: dict[str, Mapping[str, Any]] = {}  # by name
        for node_id, raw in self.nodes.items():
            kind = raw.get("type") if isinstance(raw, dict) else None
            if kind == "Retry":
                retries[_string(raw.get("name")) or ""] = raw
            if kind not in ("Suspend", "Skipped"):
                continue
            name = raw.get("displayName")
            added = _ADDED.fullmatch(name, len(gate)) if isinstance(name, str) and name.startswith(gate) else None
            if added is None or not inputs.items() <= _inputs(raw).items():
                continue
            node = Node(str(node_id), _string(raw.get("phase")) or "", raw, int(added["attempt"] or -1))
            if node.attempt < 0:
                found.append(node)
            elif node.retried not in newest or newest[node.retried].attempt < node.attempt:
                newest[node.retried] = node
        nodes = [*found, *newest.values()]
        return nodes if earlier else [node for node in nodes if not self._is_repeated(node, retries)]

    def _is_repeated(self, node: Node, retries: Mapping[str, Mapping[str, Any]]) -> bool:
        """Return whether a retried node goes on without this one: in a later attempt, or in one that is to come."""
        name = _string(node.raw.get("name")) or ""
        return any(
            self._goes_on(retry, attempt)
            for attempt in _ATTEMPT.finditer(name)
            if (retry := retries.get(name[: attempt.start()]))
        )

    def _goes_on(self, retry: Mapping[str, Any], attempt: re.Match[str]) -> bool:
        """Return whether a retried node has another attempt after this one, or is about to start one."""
        children = retry.get("children")
        phases: dict[int, object] = {}
        for child in children if isinstance(children, list) else ():
            raw = self.nodes.get(child) if isinstance(child, str) else None
            found = _ATTEMPT.match(_string(raw.get("name")) or "", attempt.start()) if isinstance(raw, dict) else None
            if raw and found:
                phases[int(found[1])] = raw.get("phase")
        after = int(attempt[1])
        newest = max(phases, default=after)
        is_over = retry.get("phase") in _FINISHED
        return after < newest or (phases.get(newest) in _MAY_BE_RETRIED and not is_over)

    def similar_gate(self, gate: str) -> str | None:
        """Return the displayName of a waiting node that nearly is a gate's, for a person."""
        running = {
            name: node.raw
            for node in self.suspend_nodes()
            if node.phase == "Running" and (name := _string(node.raw.get("displayName")))
        }
        for name, raw in running.items():
            if name.casefold() == gate.casefold() or raw.get("templateName") == gate:
                return name
        if not running:
            return None
        from difflib import get_close_matches

        return next(iter(get_close_matches(gate, running, 1, 0.85)), None)


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _inputs(node: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for parameter in parameters(node.get("inputs")):
        name, value = parameter.get("name"), parameter.get("value")
        if isinstance(name, str) and isinstance(value, str | int | float):
            found[name] = str(value)
    return found


def parameters(holder: object) -> list[Mapping[str, Any]]:
    """Return the parameters of `inputs` or `outputs`; none where there are none or they have another shape."""
    given = holder.get("parameters") if isinstance(holder, dict) else None
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def labels_of(metadata: object) -> dict[str, str]:
    """Return the labels that an object has, as far as they are strings."""
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return {name: text for name, text in labels.items() if isinstance(text, str)} if isinstance(labels, dict) else {}


def is_finished(labels: Mapping[str, str], phase: object = None) -> bool:
    """Return whether a Workflow has ended, from its labels, and its phase where that is known."""
    return labels.get(_COMPLETED_LABEL) == "true" or (isinstance(phase, str) and phase in _FINISHED)


def read_workflow(raw: Mapping[str, Any]) -> Workflow:
    """Return an object of the Kubernetes API as a Workflow.

    Raises:
        Rejection: `workflow-unreadable`, when the object is not of the shape that Argo writes.
    """
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    ref = WorkflowRef(
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata.get("name") or ""),
        uid=str(metadata.get("uid") or ""),
    )
    spec, status = raw.get("spec"), raw.get("status") or {}
    if not isinstance(status, dict):
        raise _unreadable(ref, "status is not an object")
    if not isinstance(status.get("phase") or "", str):
        raise _unreadable(ref, "status.phase is not a string")
    try:
        created = parse_time(metadata.get("creationTimestamp"))
    except ValueError:
        raise _unreadable(ref, "metadata.creationTimestamp is not a time") from None
    labels = _texts(ref, "labels", metadata.get("labels")) or {}
    stored, nodes = _read_nodes(ref, status)
    return Workflow(
        ref=ref,
        labels=labels,
        annotations=_texts(ref, "annotations", metadata.get("annotations")),
        created=created,
        phase=status.get("phase") or "",
        shutdown=_string(spec.get("shutdown") if isinstance(spec, dict) else None) or "",
        stored=stored,
        nodes=nodes,
        raw=raw,
    )


def _unreadable(ref: WorkflowRef, what: str) -> Rejection:
    return Rejection("workflow-unreadable", about=ref, workflow=ref.name, why=what)


def _texts(ref: WorkflowRef, name: str, value: object) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _unreadable(ref, f"metadata.{name} is not a map of strings")
    return value


def _read_nodes(ref: WorkflowRef, status: Mapping[str, Any]) -> tuple[Stored, Mapping[str, Any]]:
    """Return where the nodes are, and those that the object has."""
    packed, nodes = status.get("compressedNodes"), status.get("nodes")
    version = None if nodes else status.get("offloadNodeStatusVersion")
    if packed:
        try:
            nodes = decompress(packed)
        except ValueError as error:
            raise _unreadable(ref, f"status.compressedNodes {error}") from None
    elif version and not isinstance(version, str):
        raise _unreadable(ref, "status.offloadNodeStatusVersion is not a string")
    stored: Stored = "compressed" if packed else "offloaded" if version else "plain"
    if nodes is not None and not isinstance(nodes, dict):
        raise _unreadable(ref, "status.nodes is not an object")
    return stored, nodes or {}


def decompress(text: object) -> object:
    """Return the content of status.compressedNodes: base64 of gzip of JSON.

    Raises:
        ValueError: what is wrong with it.
    """
    if not isinstance(text, str):
        raise ValueError("is not a string")  # noqa: TRY004 - what is wrong is the content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(text.encode(), validate=True))) as packed:
            content = packed.read(_MAX_NODES_BYTES + 1)
        if len(content) > _MAX_NODES_BYTES:
            raise ValueError(f"holds more than {_MAX_NODES_BYTES} bytes")
        if estimate_memory(content) > _MAX_NODES_MEMORY:
            raise ValueError(f"needs more than {_MAX_NODES_MEMORY >> 20} MiB of memory to be read")
        return json.loads(content)
    except (binascii.Error, OSError, EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError("is not base64 of gzip of JSON") from None


def compress(nodes: Mapping[str, Any]) -> str:
    """Return nodes as the content of status.compressedNodes."""
    content = json.dumps(nodes, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.b64encode(gzip.compress(content, compresslevel=1, mtime=0)).decode()

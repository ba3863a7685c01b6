"""The nodes of a Workflow's status: ids, phases, progress, and how they are packed.

Source: https://github.com/argoproj/argo-workflows/tree/v4.1.2 (pkg/apis/workflow/v1alpha1/workflow_types.go,
workflow/progress/updater.go, util/file/fileutil.go)
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from functools import lru_cache
from typing import Any, TypeAlias

from func.devcluster import documents

Node: TypeAlias = dict[str, Any]
Nodes: TypeAlias = dict[str, Node]
"""Nodes by their id."""

FULFILLED = frozenset({"Succeeded", "Failed", "Error", "Skipped", "Omitted"})
FAILED = frozenset({"Failed", "Error"})
_COMPLETE = frozenset({"Succeeded", "Skipped", "Omitted"})
_LEAVES = frozenset({"Suspend", "Pod", "HTTP", "Plugin", "Container"})
_SEPARATOR = re.compile(r"^(\[\d+\])?\.")
_PROGRESS = re.compile(r"([0-9]{1,9})/([0-9]{1,9})", re.ASCII)
_MAX_UNPACKED = 64 << 20


@lru_cache(maxsize=100_000)
def node_id(workflow: str, name: str) -> str:
    """The id of a node: the Workflow's name, and behind it the FNV-1a hash of the node's name."""
    if name == workflow:
        return workflow
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{workflow}-{value}"


def display_name(name: str, boundary: Node | None) -> str:
    """What people see: the name without that of the template's own node."""
    if boundary is None:
        return name
    return _SEPARATOR.sub("", name.removeprefix(boundary["name"]))


def fulfilled(node: Node | None) -> bool:
    """Whether nothing more happens to a node."""
    return node is not None and node.get("phase") in FULFILLED


def unpack(compressed: str) -> Nodes:
    """The nodes in `status.compressedNodes`.

    Raises:
        ValueError: They are not packed as Argo packs them.

    """
    try:
        unpacker = zlib.decompressobj(wbits=31)
        content = unpacker.decompress(base64.b64decode(compressed, validate=True), _MAX_UNPACKED)
        if not unpacker.eof:
            raise zlib.error("the end is missing, or it is larger than 64 MiB")
        value = documents.parse(content)
    except (binascii.Error, zlib.error) as problem:
        raise ValueError(f"compressedNodes cannot be unpacked: {problem}") from None
    if not isinstance(value, dict):
        raise ValueError("compressedNodes hold no nodes")  # noqa: TRY004 - one kind of error for the caller
    return value


def pack(nodes: Nodes) -> str:
    """Nodes as `status.compressedNodes`."""
    return base64.b64encode(gzip.compress(documents.encode(nodes), mtime=0)).decode()


def with_progress(nodes: Nodes) -> tuple[Nodes, str]:
    """The nodes with their progress brought up to date, and the progress of the Workflow."""
    counted = dict(nodes)
    done, total = 0, 0
    for identifier, node in nodes.items():
        if node.get("type") in _LEAVES:
            part, whole = _progress(node) or (0, 1)
            part = whole if node.get("phase") in _COMPLETE else part
            done, total = done + part, total + whole
            counted[identifier] = _with(node, part, whole)
    for identifier, node in nodes.items():
        if node.get("type") not in _LEAVES:
            part, whole = _below(counted, node)
            if whole:
                counted[identifier] = _with(node, part, whole)
    return counted, f"{done}/{total}"


def _with(node: Node, part: int, whole: int) -> Node:
    progress = f"{part}/{whole}"
    return node if node.get("progress") == progress else {**node, "progress": progress}


def _progress(node: Node) -> tuple[int, int] | None:
    match = _PROGRESS.fullmatch(str(node.get("progress", "")))
    if not match:
        return None
    part, whole = int(match[1]), int(match[2])
    return (part, whole) if part <= whole and whole else None


def _below(nodes: Nodes, top: Node) -> tuple[int, int]:
    done, total = 0, 0
    visited: set[str] = set()
    waiting = list(top.get("children") or ())
    while waiting:
        identifier = waiting.pop()
        node = nodes.get(identifier)
        if identifier in visited or node is None:
            continue
        visited.add(identifier)
        waiting.extend(node.get("children") or ())
        if node.get("type") in _LEAVES:
            part, whole = _progress(node) or (0, 0)
            done, total = done + part, total + whole
    return done, total

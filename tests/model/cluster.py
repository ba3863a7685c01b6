"""Workflows in memory, with the API server's rules for the three calls that an event makes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from func.core.label_selectors import Selector
from func.core.patches import Move, encode
from func.core.workflows import Workflow
from func.devcluster import jsonpatch
from func.kube.deadline import Deadline
from func.kube.errors import LostRace, NotFound
from func.kube.workflows import Workflows
from tests.model.specification import GATES, gate_of
from tests.recorded_workflows import gate_node, node_id, stamp, waiting_workflow

Document = dict[str, Any]
STATE, PARKED = "taskgate.dev/state", "taskgate.dev/parked"
FIRST: Document = gate_node(waiting_workflow(3, GATES[0]), GATES[0])


class Killed(BaseException):
    """The function was killed here, and answers nobody."""


@dataclass
class Cluster:
    """All Workflows, by name. A document is never changed in place: a new one takes its place.

    Args:
        before_write, after_write: called at the next write, once.
        written: of each write, whether it was done.
        changed: the uids of the Workflows that were written to.
        offloaded: the uids of those whose nodes are in Argo Server's database; here they stay in the documents.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    before_write: Callable[[], None] | None = None
    after_write: Callable[[], None] | None = None
    written: list[bool] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    offloaded: set[str] = field(default_factory=set)
    _uids: int = 0

    @property
    def workflows(self) -> Workflows:
        """What the pipeline talks to."""
        return cast("Workflows", self)

    def get(self, name: str, deadline: Deadline) -> Document:  # noqa: ARG002 - as the real one
        """GET."""
        if name not in self.documents:
            raise NotFound(f'workflows.argoproj.io "{name}" not found')
        return self._shown(self.documents[name])

    def _shown(self, document: Document) -> Document:
        """What the Kubernetes API has of it."""
        if document["metadata"]["uid"] not in self.offloaded:
            return document
        status = {key: value for key, value in document["status"].items() if key != "nodes"}
        return document | {"status": status | {"offloadNodeStatusVersion": "fnv:1"}}

    def list_metadata(self, selector: str, deadline: Deadline) -> list[Document]:  # noqa: ARG002 - as the real one
        """LIST of the metadata."""
        wanted = Selector.parse(selector)
        found = sorted(self.documents.items())
        return [{"metadata": each["metadata"]} for _, each in found if wanted.matches(each["metadata"]["labels"])]

    def patch(self, name: str, operations: list[Document], deadline: Deadline) -> None:
        """PATCH, with a JSON Patch: all of it or nothing."""
        text = encode(operations)
        hook, self.before_write = self.before_write, None
        if hook:
            hook()
        self.written.append(False)
        old = self.get(name, deadline)
        try:
            changed = jsonpatch.apply(old, jsonpatch.parse(text))
        except jsonpatch.PatchError as error:
            raise LostRace(str(error)) from None
        new = json.loads(json.dumps(changed))  # as it is stored
        if new["metadata"]["uid"] in self.offloaded:
            new["status"] = self.documents[name]["status"]
        for part in ("apiVersion", "kind", "spec"):
            assert new[part] == old[part]
        assert _identity(new) == _identity(old)
        self.documents[name] = new
        self.written[-1] = True
        self.changed.add(new["metadata"]["uid"])
        hook, self.after_write = self.after_write, None
        if hook:
            hook()

    def create(self, name: str, task: str, now: datetime, gate: str, like: Document | None = None) -> Document:
        """A new Workflow that stands at a gate, or a copy of one as `argo resubmit` makes it."""
        self._uids += 1
        document = waiting_workflow(task, gate, name=name, uid=f"uid-{self._uids}", created=now)
        if like:
            metadata = like["metadata"]
            labels = {
                key: value for key, value in metadata["labels"].items() if not key.startswith("workflows.argoproj.io/")
            }
            document["metadata"]["labels"] |= labels
            if "annotations" in metadata:
                document["metadata"]["annotations"] = dict(metadata["annotations"])
        self.documents[name] = document
        return document

    def set_phase(self, name: str, node: str, phase: str, now: datetime) -> None:
        """The controller, or a person, gives a node of a gate its phase."""
        document = copy.deepcopy(self.documents[name])
        nodes = document["status"]["nodes"]
        shown, _, again = node.partition("~")
        path = f"{name}{f'.round-{again}' if again else ''}[{GATES.index(gate_of(node))}].{shown}"
        identity = node_id(name, path)
        found = nodes.setdefault(
            identity,
            {key: value for key, value in FIRST.items() if key not in ("finishedAt", "message", "children")}
            | {"id": identity, "displayName": shown, "name": path}
            | {"startedAt": stamp(now)},
        )
        found["phase"] = phase
        if phase in ("Succeeded", "Failed"):
            found["finishedAt"] = stamp(now)
        self.documents[name] = document

    def stop(self, name: str) -> None:
        """`argo stop`: the controller has not seen it yet."""
        document = copy.deepcopy(self.documents[name])
        document["spec"]["shutdown"] = "Stop"
        self.documents[name] = document

    def retry(self, name: str, gate: str) -> None:
        """`argo retry --restart-successful` with a selector: the node of the gate goes, and all that follow it.

        Source: the recordings argo-retry-*; the phase and the label `completed` go too, the label `phase` stays.
        """
        document = copy.deepcopy(self.documents[name])
        gone = GATES[GATES.index(gate) :]
        document["status"]["nodes"] = {
            key: node
            for key, node in document["status"]["nodes"].items()
            if not (node["type"] == "Suspend" and gate_of(node["displayName"]) in gone)
        }
        for field_name in ("phase", "finishedAt"):
            document["status"].pop(field_name, None)
        document["metadata"]["labels"].pop("workflows.argoproj.io/completed", None)
        document["spec"].pop("shutdown", None)
        self.documents[name] = document

    def end(self, name: str, phase: str, now: datetime) -> None:
        """The controller writes down that the Workflow has come to its end."""
        document = copy.deepcopy(self.documents[name])
        document["status"] |= {"phase": phase, "finishedAt": stamp(now)}
        document["metadata"]["labels"] |= {
            "workflows.argoproj.io/completed": "true",
            "workflows.argoproj.io/phase": phase,
        }
        self.documents[name] = document


@dataclass
class Argo:
    """Argo Server, for Workflows whose nodes are offloaded."""

    cluster: Cluster

    def hydrate(self, workflow: Workflow, deadline: Deadline) -> Workflow:  # noqa: ARG002 - as the real one
        """The Workflow with its nodes."""
        return workflow._replace(nodes=self.cluster.documents[workflow.ref.name]["status"]["nodes"])

    def move(self, workflow: Workflow, move: Move, deadline: Deadline) -> None:  # noqa: ARG002 - as the real one
        """`argo node set`."""
        document = copy.deepcopy(self.cluster.documents[workflow.ref.name])
        node = document["status"]["nodes"][move.node.id]
        assert node["phase"] == "Running"
        node |= {"phase": move.phase, "finishedAt": move.finished_at, "message": move.message}
        self.cluster.documents[workflow.ref.name] = document


def phases(document: Document) -> dict[str, str]:
    """The phases of the gates' nodes that the Workflow has reached, as the specification names them."""
    nodes = document["status"]["nodes"].values()
    return {_name_of(each): each["phase"] for each in nodes if each["type"] == "Suspend"}


def _name_of(node: Document) -> str:
    again = re.search(r"\.round-([0-9]+)\[", node["name"])
    return f"{node['displayName']}~{again[1]}" if again else str(node["displayName"])


def state_of(document: Document) -> str | None:
    """The text of the function's annotation."""
    annotations: dict[str, str] = document["metadata"].get("annotations") or {}
    return annotations.get(STATE)


def _identity(document: Document) -> tuple[object, ...]:
    metadata = document["metadata"]
    return metadata["name"], metadata["namespace"], metadata["uid"], metadata["creationTimestamp"]

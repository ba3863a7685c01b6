"""Where a Workflow stands, for people: at which gates, since when, with what is remembered on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from func.core.outcomes import No
from func.core.rules import Rules
from func.core.state import Key, State, read_state
from func.core.values import parse_time
from func.core.workflows import Workflow, read_workflow

_SHOWN = ("waiting", "claimed", "withdrawn")  # a used key has done its work


@dataclass(frozen=True, slots=True)
class Place:
    """A gate at which a Workflow stands."""

    gate: str
    node: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """One Workflow.

    Args:
        workflow: None where the object can't be read.
        state: None where the annotation can't be read.
        problem: Why more can't be told.
    """

    name: str
    labels: Mapping[str, str]
    workflow: Workflow | None = None
    places: tuple[Place, ...] = ()
    state: State | None = None
    problem: str | None = None

    @property
    def is_finished(self) -> bool:
        """It has come to its end."""
        return self.workflow is not None and self.workflow.finished

    def kept_keys(self) -> list[tuple[str, Key]]:
        """Those that came and did not open a gate, by the gate that they are for."""
        found = self.state.keys if self.state else {}
        return [(gate, key) for gate, key in found.items() if key.state in _SHOWN and key.was_kept]

    def task(self, rules: Rules) -> str | None:
        """The task's id."""
        return self.labels.get(rules.workflows.labels.task)

    def repository(self, rules: Rules) -> str | None:
        """As in the label, `owner-name`."""
        name = rules.workflows.labels.repository
        return self.labels.get(name) if name else None


def read_standing(raw: Mapping[str, Any]) -> Standing:
    """An object of the Kubernetes API -> where it stands, or why that can't be told."""
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    labels = metadata.get("labels")
    labels = labels if isinstance(labels, Mapping) else {}
    name = str(metadata.get("name"))
    try:
        workflow = read_workflow(raw)
    except No as no:
        return Standing(name, labels, problem=no.reason)
    places = tuple(_places(workflow))
    offloaded = "Its nodes are offloaded: argo get shows them." if workflow.stored == "offloaded" else None
    try:
        return Standing(name, labels, workflow, places, read_state(workflow), offloaded)
    except No as no:
        return Standing(name, labels, workflow, places, problem=no.reason)


def _places(workflow: Workflow) -> Iterator[Place]:
    for identifier, node in workflow.nodes.items():
        if isinstance(node, Mapping) and node.get("type") == "Suspend" and node.get("phase") == "Running":
            yield Place(str(node.get("displayName")), identifier, time_of(node.get("startedAt")))


def time_of(value: object) -> datetime | None:
    """A time of the object, where it is one."""
    try:
        return parse_time(value)
    except ValueError:
        return None

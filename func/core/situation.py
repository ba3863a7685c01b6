"""What a decision about a Workflow depends on."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from func.core.rules import Rules
from func.core.signals import State
from func.core.workflows import Node, Workflow


class Situation(NamedTuple):
    """A Workflow and what is remembered on it, under the rules of today.

    Args:
        state: read from the Workflow, or what an event makes of it.
        now: UTC.
    """

    rules: Rules
    workflow: Workflow
    state: State
    now: datetime

    def nodes_of(self, gate: str, *, earlier: bool = False) -> list[Node]:
        """Return the nodes of a gate, from `gate_id`."""
        name, rules = self.rules.gate_ids[gate]
        return self.workflow.gate_nodes(name, rules[0].inputs, earlier=earlier)

    def with_state(self, state: State) -> Situation:
        """Return the situation in which a Workflow has another state."""
        return Situation(self.rules, self.workflow, state, self.now)

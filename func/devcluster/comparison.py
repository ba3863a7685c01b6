"""The Workflows of the demo before and after an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from func.cli.output import Row
from func.devcluster.sample_workflows import PIPELINE, agent_of, gates_of

TITLES = ("", "TASK", "AGENT", "WAITED AT", "WAITS AT", "")
_LISTED = 5  # of the unchanged Workflows at the gate of the changed one


class Snapshot(NamedTuple):
    """One Workflow.

    Args:
        version: its resourceVersion.
        waits_at: the gates at which it waits.
        opened: the gates that are open.
    """

    name: str
    task: str
    agent: str
    version: str
    waits_at: tuple[str, ...]
    opened: frozenset[str]

    @property
    def place(self) -> str:
        """Where it waits, for people."""
        return ", ".join(self.waits_at) or "no gate"


ABSENT = Snapshot("", "", "", "", (), frozenset())


def _snapshot(workflow: Mapping[str, Any]) -> Snapshot:
    document, metadata = dict(workflow), workflow["metadata"]
    return Snapshot(
        name=metadata["name"],
        task=metadata["labels"]["task-id"],
        agent=agent_of(document).removeprefix("5DLabs-"),
        version=metadata["resourceVersion"],
        waits_at=tuple(node["displayName"] for node in gates_of(document, "Running")),
        opened=frozenset(node["displayName"] for node in gates_of(document, "Succeeded")),
    )


class Comparison(NamedTuple):
    """What changed, by the names of the Workflows."""

    before: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]

    @property
    def changed(self) -> list[str]:
        """Those that were written to, came or went."""
        return [name for name in {**self.before, **self.after} if not self._is_unchanged(name)]

    @property
    def unchanged(self) -> list[Snapshot]:
        """Those whose resourceVersion is what it was."""
        return [each for name, each in self.after.items() if self._is_unchanged(name)]

    def _is_unchanged(self, name: str) -> bool:
        return self.before.get(name, ABSENT).version == self.after.get(name, ABSENT).version

    @property
    def opened(self) -> list[tuple[str, str]]:
        """Every gate that is open now and was not: name of its Workflow, gate."""
        return [
            (name, gate)
            for name, each in self.after.items()
            for gate in sorted(each.opened - self.before.get(name, ABSENT).opened)
        ]

    def rows(self) -> list[Row]:
        """Return the changed Workflows, some that wait at the same gates, and how many others wait where."""
        places = {self.before[name].place for name in self.changed if name in self.before}
        listed = [each for each in self.unchanged if each.place in places][:_LISTED]
        rows = [self._changed_row(name) for name in self.changed]
        rows += [_unchanged_row(one.task, one.agent, one.place) for one in listed]
        rest = Counter(each.place for each in self.unchanged)
        rest.subtract(each.place for each in listed)
        for place in sorted(rest, key=lambda place: (place not in places, _position(place))):
            if rest[place]:
                rows.append(_unchanged_row(f"{rest[place]} {'more' if place in places else 'others'}", "", place))
        return rows

    def _changed_row(self, name: str) -> Row:
        before, after = self.before.get(name, ABSENT), self.after.get(name, ABSENT)
        one = after if after.name else before
        opened = [gate for workflow, gate in self.opened if workflow == name]
        # The gate where it waited is the one that people expect; any other is named.
        where = "" if tuple(opened) == before.waits_at else f" {', '.join(opened)}"
        what = f"opened{where}" if opened else "changed" if after.name else "deleted"
        return Row((">", one.task, one.agent, before.place, after.place, what), {"fg": "green", "bold": True})


def compare(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> Comparison:
    """Return what is different between two lists of Workflows."""
    return Comparison(_by_name(before), _by_name(after))


def _by_name(workflows: Iterable[Mapping[str, Any]]) -> dict[str, Snapshot]:
    found = sorted(map(_snapshot, workflows), key=lambda each: (len(each.task), each.task))
    return {each.name: each for each in found}


def _position(place: str) -> int:
    return PIPELINE.index(place) if place in PIPELINE else len(PIPELINE)


def _unchanged_row(task: str, agent: str, place: str) -> Row:
    return Row(("", task, agent, place, place, "unchanged"), {"dim": True})

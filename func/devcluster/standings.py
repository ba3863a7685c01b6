"""At which gates the Workflows of the demo wait, before and after an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from func.cli.output import Row
from func.devcluster.sample_workflows import PIPELINE, agent_of, gates_of

TITLES = ("", "TASK", "AGENT", "WAITED AT", "WAITS AT", "")
_LISTED = 5  # of the unchanged ones that stood at the same gate


@dataclass(frozen=True, slots=True)
class Standing:
    """One Workflow.

    Args:
        version: Its resourceVersion.
        waits_at: The gates at which it waits.
        opened: The gates that are open.
    """

    name: str
    task: str
    agent: str
    version: str
    waits_at: tuple[str, ...]
    opened: frozenset[str]

    @classmethod
    def of(cls, workflow: Mapping[str, Any]) -> Standing:
        """Read it from the object of the API."""
        document, metadata = dict(workflow), workflow["metadata"]
        return cls(
            name=metadata["name"],
            task=metadata["labels"]["task-id"],
            agent=agent_of(document).removeprefix("5DLabs-"),
            version=metadata["resourceVersion"],
            waits_at=tuple(node["displayName"] for node in gates_of(document, "Running")),
            opened=frozenset(node["displayName"] for node in gates_of(document, "Succeeded")),
        )

    @property
    def place(self) -> str:
        """For people."""
        return ", ".join(self.waits_at) or "no gate"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What has changed, by the names of the Workflows."""

    before: Mapping[str, Standing]
    after: Mapping[str, Standing]

    @classmethod
    def of(cls, before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> Comparison:
        """Compare two lists of Workflows."""
        return cls(_by_name(before), _by_name(after))

    @property
    def changed(self) -> list[str]:
        """Those that were written to, came or went."""
        names = {**self.before, **self.after}
        return [name for name in names if self._version(self.before, name) != self._version(self.after, name)]

    @property
    def unchanged(self) -> list[Standing]:
        """Those whose resourceVersion is what it was."""
        changed = set(self.changed)
        return [standing for name, standing in self.after.items() if name not in changed]

    def opened(self) -> list[tuple[str, str]]:
        """Every gate that is open now and was not: name of its Workflow, gate."""
        return [
            (name, gate)
            for name, standing in self.after.items()
            for gate in sorted(standing.opened - (self.before[name].opened if name in self.before else frozenset()))
        ]

    def rows(self) -> list[Row]:
        """The changed ones, some that stood at the same gates, and how many others."""
        rows = [self._changed_row(name) for name in self.changed]
        places = {self.before[name].place for name in self.changed if name in self.before}
        same = [standing for standing in self.unchanged if standing.place in places]
        listed = same[:_LISTED]
        rows += [_unchanged_row(one.task, one.agent, one.place) for one in listed]
        rest = Counter(standing.place for standing in self.unchanged)
        rest.subtract(standing.place for standing in listed)
        for place in sorted(rest, key=lambda place: (place not in places, _position(place))):
            if rest[place]:
                rows.append(_unchanged_row(f"{rest[place]} {'more' if place in places else 'others'}", "", place))
        return rows

    def _changed_row(self, name: str) -> Row:
        before, after = self.before.get(name), self.after.get(name)
        one = after or before
        assert one  # noqa: S101 - it has come or gone, so it is in one of the two
        opened = [gate for workflow, gate in self.opened() if workflow == name]
        # The gate where it waited is the one that people expect; any other is named.
        where = "" if before and tuple(opened) == before.waits_at else f" {', '.join(opened)}"
        return Row(
            (
                ">",
                one.task,
                one.agent,
                before.place if before else "(was not there)",
                after.place if after else "(is gone)",
                f"opened{where}" if opened else "changed",
            ),
            {"fg": "green", "bold": True},
        )

    @staticmethod
    def _version(standings: Mapping[str, Standing], name: str) -> str | None:
        return standings[name].version if name in standings else None


def _by_name(workflows: Iterable[Mapping[str, Any]]) -> dict[str, Standing]:
    standings = sorted(map(Standing.of, workflows), key=lambda standing: (len(standing.task), standing.task))
    return {standing.name: standing for standing in standings}


def _position(place: str) -> int:
    return PIPELINE.index(place) if place in PIPELINE else len(PIPELINE)


def _unchanged_row(task: str, agent: str, place: str) -> Row:
    return Row(("", task, agent, place, place, "unchanged"), {"dim": True})

"""What a run has measured: every raw value, so that the page can be rendered again without measuring."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.spread import Spread

Key = tuple[str, str, str]
"""Scenario, case, and whose it is."""


@dataclass
class Figures:
    """All values of a run.

    Args:
        run: what machine, commit and command they are of.
        notes: what was not measured, and why; one sentence each.
    """

    run: dict[str, Any] = field(default_factory=dict)
    values: dict[Key, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, scenario: str, case: str, who: str, *values: float) -> None:
        """Further measurements of one thing."""
        self.values.setdefault((scenario, case, who), []).extend(map(_short, values))

    def note(self, sentence: str) -> None:
        """Something that the reader has to know; said once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def spread(self, scenario: str, case: str, who: str) -> Spread | None:
        """None where it was not measured."""
        values = self.values.get((scenario, case, who))
        return Spread.of(values) if values else None

    def median(self, scenario: str, case: str, who: str) -> float | None:
        """None where it was not measured."""
        found = self.spread(scenario, case, who)
        return found.median if found else None

    def ratio(self, scenario: str, case: str, who: str, peer: str, *, peer_case: str | None = None) -> float | None:
        """How many times the peer's median this median is; None where one of them was not measured."""
        mine, theirs = self.median(scenario, case, who), self.median(scenario, peer_case or case, peer)
        return mine / theirs if mine is not None and theirs else None

    def who(self, scenario: str, case: str) -> list[str]:
        """All that were measured in this case, in the order of the run."""
        return [who for one, two, who in self.values if (one, two) == (scenario, case)]

    def cases(self, scenario: str) -> list[str]:
        """All cases of a scenario, in the order of the run."""
        return list(dict.fromkeys(case for one, case, _ in self.values if one == scenario))

    def of_case(self, scenario: str, case: str) -> dict[str, float]:
        """The median of each who was measured in this case."""
        return {who: Spread.of(self.values[scenario, case, who]).median for who in self.who(scenario, case)}

    def save(self, file: Path) -> None:
        """Write all of it as JSON."""
        series = [
            {"scenario": scenario, "case": case, "who": who, "values": values}
            for (scenario, case, who), values in self.values.items()
        ]
        lines = ",\n  ".join(json.dumps(one) for one in series)
        head = json.dumps({"run": self.run, "notes": self.notes}, indent=1)
        file.write_text(f'{head[:-2]},\n "series": [\n  {lines}\n ]\n}}\n', encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Figures:
        """What `save` has written."""
        read: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        series: Sequence[Mapping[str, Any]] = read["series"]
        values = {(one["scenario"], one["case"], one["who"]): list(one["values"]) for one in series}
        return cls(read["run"], values, list(read["notes"]))


def _short(value: float) -> float:
    return float(f"{value:.6g}")

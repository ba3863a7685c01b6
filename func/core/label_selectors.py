"""Label selectors, as kubectl and the Kubernetes API take them.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY = r"(?P<key>(?:[a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9][-A-Za-z0-9_.]{0,62})"
_REQUIREMENT = re.compile(
    rf"\s*(?:(?P<absent>!)\s*)?{_KEY}\s*"
    r"(?:(?P<operator>==|=|!=)\s*(?P<value>[-A-Za-z0-9_.]*)\s*"
    r"|(?<=\s)(?P<set>in|notin)\s*\((?P<values>[-A-Za-z0-9_.,\s]*)\)\s*)?"
    r"(?:,(?=.)|$)",
    re.ASCII,
)


def is_label_value(text: str) -> bool:
    """Return whether a Kubernetes label can have this value: at most 63 characters, alphanumeric at both ends."""
    return _VALUE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class _Requirement:
    key: str
    wanted: frozenset[str] | None  # None: any value
    negated: bool

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        fits = value is not None and (self.wanted is None or value in self.wanted)
        return fits != self.negated


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed label selector; all of its requirements must hold."""

    requirements: tuple[_Requirement, ...]

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Return the selector of a text like `a=b,c!=d,e in (f,g),h,!i`; the empty text selects everything.

        Raises:
            ValueError: when it is not a label selector.
        """
        requirements = []
        position = 0
        while position < len(text.rstrip()):
            match = _REQUIREMENT.match(text, position)
            if not match or (match["absent"] and (match["operator"] or match["set"])):
                raise ValueError(f"not a label selector at {text[position:]!r}, expected e.g. a=b,c!=d,e in (f,g),!h")
            requirements.append(_requirement(match))
            position = match.end()
        return cls(tuple(requirements))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels meet every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def _requirement(match: re.Match[str]) -> _Requirement:
    if match["operator"]:
        wanted = frozenset({match["value"]})
    elif match["set"]:
        wanted = frozenset(value.strip() for value in match["values"].split(","))
    else:
        return _Requirement(match["key"], None, negated=bool(match["absent"]))
    if not all(is_label_value(value) for value in wanted):
        wrong = next(value for value in sorted(wanted) if not is_label_value(value))
        raise ValueError(
            f"no label can have the value {wrong!r}: expected at most 63 characters (letters, digits, -, _ and .), "
            "alphanumeric at both ends"
        )
    return _Requirement(match["key"], wanted, negated=match["operator"] == "!=" or match["set"] == "notin")

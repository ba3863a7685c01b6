"""Label selectors, and field selectors of a name, as the API server reads them.

The function has a parser of its own in func/core: the embedded API plays the server, so the two share no code.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api and
https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from func.devcluster import names

_SET = re.compile(r"\s*(\S+?)\s+(in|notin)\s*\(([^()]*)\)\s*")
_COMPARISON = re.compile(r"\s*([^\s=!<>(),]+)\s*(==|!=|=)\s*([^\s=!<>(),]*)\s*")
_PRESENCE = re.compile(r"\s*(!?)\s*([^\s=!<>(),]+)\s*")
_COMMA = re.compile(r",(?![^()]*\))")


@dataclass(frozen=True)
class Requirement:
    """One condition on one label.

    Args:
        values: what the label may be; None for any value.
        negated: whether the label must not be like that; an absent label is not.
    """

    key: str
    values: frozenset[str] | None
    negated: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels satisfy this condition."""
        found = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return found != self.negated


@dataclass(frozen=True)
class Selector:
    """All conditions that an object must satisfy; without any it selects everything.

    Args:
        name: of the only object; None for any.
    """

    labels: tuple[Requirement, ...] = ()
    name: str | None = None

    def matches(self, labels: Mapping[str, str], name: str) -> bool:
        """Return whether an object is selected."""
        return self.name in (None, name) and all(requirement.matches(labels) for requirement in self.labels)


EVERYTHING = Selector()


def parse(labels: str = "", fields: str = "") -> Selector:
    """Read the query parameters `labelSelector` and `fieldSelector`.

    Args:
        labels: for instance `a=b,c!=d,e in (f,g),!h`.
        fields: `metadata.name=a`, nothing else.

    Raises:
        ValueError: one of them is not a selector; the message is for the client.
    """
    requirements = tuple(_requirement(part) for part in _COMMA.split(labels)) if labels.strip() else ()
    field, _, name = fields.partition("=")
    if fields.strip() and (field != "metadata.name" or "," in name or not name):
        raise ValueError(f"field selector {fields} not supported: expected metadata.name=<name>")
    return Selector(requirements, name.removeprefix("=") if name else None)


def _requirement(text: str) -> Requirement:
    if match := _SET.fullmatch(text):
        key, operator, inside = match.groups()
        requirement = Requirement(key, frozenset(map(str.strip, inside.split(","))), operator == "notin")
    elif match := _COMPARISON.fullmatch(text):
        key, operator, value = match.groups()
        requirement = Requirement(key, frozenset([value]), operator == "!=")
    elif match := _PRESENCE.fullmatch(text):
        requirement = Requirement(match[2], None, bool(match[1]))
    else:
        raise ValueError(f"unable to parse requirement: {text.strip()!r} is not a condition on a label")
    problems = [names.label_key_problem(requirement.key), *map(names.label_value_problem, requirement.values or ())]
    for problem in filter(None, problems):
        raise ValueError(f"unable to parse requirement: {problem}")
    return requirement

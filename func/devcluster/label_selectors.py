"""Label selectors, and field selectors of a name, as the API server reads them.

The function has a parser of its own in func/core: the embedded API plays the server, so the two share no code.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api and
https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from func.devcluster import names

_SET = re.compile(r"\s*(\S+?)\s+(in|notin)\s*\(([^()]*)\)\s*")
_COMPARISON = re.compile(r"\s*([^\s=!<>(),]+)\s*(==|!=|=)\s*([^\s=!<>(),]*)\s*")
_PRESENCE = re.compile(r"\s*(!?)\s*([^\s=!<>(),]+)\s*")
_COMMA = re.compile(r",(?![^()]*\))")


class Requirement(NamedTuple):
    """One condition on one label: what it may be (None for anything), or must not be."""

    key: str
    values: frozenset[str] | None
    negated: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels satisfy this condition."""
        found = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return found != self.negated


class Selector(NamedTuple):
    """All conditions that an object must satisfy, and its name where only one is meant."""

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

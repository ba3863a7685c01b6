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
_FIELD = re.compile(r"([^=!]+)(!=|==|=)(.*)")


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
        names: name of an object, and whether it must be that one or another.
    """

    labels: tuple[Requirement, ...] = ()
    names: tuple[tuple[str, bool], ...] = ()

    def matches(self, labels: Mapping[str, str], name: str) -> bool:
        """Return whether an object is selected."""
        return all(requirement.matches(labels) for requirement in self.labels) and all(
            (name == value) is wanted for value, wanted in self.names
        )


EVERYTHING = Selector()


def parse(labels: str = "", fields: str = "") -> Selector:
    """Read the query parameters `labelSelector` and `fieldSelector`.

    Args:
        labels: for instance `a=b,c!=d,e in (f,g),!h`.
        fields: for instance `metadata.name=a`, the only field.

    Raises:
        ValueError: one of them is not a selector; the message is for the client.
    """
    requirements = tuple(_requirement(part) for part in _COMMA.split(labels)) if labels.strip() else ()
    return Selector(requirements, tuple(_name(part) for part in fields.split(",") if part.strip()))


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


def _name(text: str) -> tuple[str, bool]:
    match = _FIELD.fullmatch(text)
    if not match:
        raise ValueError(f"invalid selector: '{text}'; can't understand '{text}'")
    field, operator, value = match.groups()
    if field != "metadata.name":
        raise ValueError(f"field label not supported: {field}")
    return value, operator != "!="

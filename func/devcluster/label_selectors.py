"""Label and field selectors.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api and
https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass

from func.devcluster import names
from func.devcluster.documents import Document

_SET = re.compile(r"\s*(\S+?)\s+(in|notin)\s*\(([^()]*)\)\s*")
_COMPARISON = re.compile(r"\s*([^\s=!<>(),]+)\s*(==|!=|=|>|<)\s*([^\s=!<>(),]*)\s*")
_PRESENCE = re.compile(r"\s*(!?)\s*([^\s=!<>(),]+)\s*")
_COMMA = re.compile(r",(?![^()]*\))")
NAMES = ("metadata.name", "metadata.namespace")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class Requirement:
    """One condition on one label.

    Args:
        key: Label key.
        operator: One of `in`, `notin`, `exists`, `absent`, `>`, `<`.
        values: What the label is compared with.

    """

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy this; `notin` is satisfied by an absent label too."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "absent":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        if value is None or not _WHOLE.fullmatch(value):
            return False
        bound = int(next(iter(self.values)))
        return int(value) > bound if self.operator == ">" else int(value) < bound


@dataclass(frozen=True)
class Selector:
    """All conditions that an object must satisfy; none at all selects everything."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[tuple[str, str, bool], ...] = ()

    @property
    def empty(self) -> bool:
        return not self.labels and not self.fields

    def matches(self, namespace: str, name: str, labels: Mapping[str, str], rest: Document | None = None) -> bool:
        """Whether an object is selected.

        Args:
            namespace, name, labels: Of the object.
            rest: All of it, where fields other than these can be selected by.

        """
        for requirement in self.labels:
            if not requirement.matches(labels):
                return False
        if not self.fields:
            return True
        here = {**(rest or {}), "metadata": {"name": name, "namespace": namespace}}
        return all((_field(here, field) == value) == wanted for field, value, wanted in self.fields)


def _field(document: Document, path: str) -> object:
    """A text in an object; empty where there is none."""
    found: object = document
    for part in path.split("."):
        found = found.get(part, "") if isinstance(found, dict) else ""
    return found


EVERYTHING = Selector()


def parse(labels: str = "", fields: str = "", selectable: Container[str] = NAMES) -> Selector:
    """Read the query parameters `labelSelector` and `fieldSelector`.

    Args:
        selectable: The paths that the latter may name.

    Raises:
        ValueError: One of them is no selector; the message is worded for the caller.

    """
    return Selector(parse_labels(labels), parse_fields(fields, selectable))


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Read a label selector such as `a=b,c!=d,e in (f,g),!h`.

    Raises:
        ValueError: It is no label selector.

    """
    if not text.strip():
        return ()
    return tuple(_requirement(part) for part in _COMMA.split(text))


def parse_fields(text: str, selectable: Container[str] = NAMES) -> tuple[tuple[str, str, bool], ...]:
    """Read a field selector as (field, value, equal).

    Raises:
        ValueError: It is no field selector, or names a field that cannot be selected by.

    """
    conditions = []
    for part in (part for part in text.split(",") if part.strip()):
        match = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", part)
        if not match:
            raise ValueError(f"invalid selector: '{part}'; can't understand '{part}'")
        field, operator, value = match.groups()
        if field not in selectable:
            raise ValueError(f"field label not supported: {field}")
        conditions.append((field, value, operator != "!="))
    return tuple(conditions)


def _requirement(text: str) -> Requirement:
    if match := _SET.fullmatch(text):
        key, operator, inside = match.groups()
        values = frozenset(value.strip() for value in inside.split(","))
    elif match := _COMPARISON.fullmatch(text):
        key, sign, value = match.groups()
        operator = {"=": "in", "==": "in", "!=": "notin"}.get(sign, sign)
        values = frozenset([value])
    elif match := _PRESENCE.fullmatch(text):
        negation, key = match.groups()
        operator = "absent" if negation else "exists"
        values = frozenset()
    else:
        raise ValueError(f"unable to parse requirement: {text.strip()!r} is no condition on a label")
    problem = names.label_key_problem(key) or next(filter(None, map(names.label_value_problem, sorted(values))), None)
    if problem:
        raise ValueError(f"unable to parse requirement: {problem}")
    if operator in "<>" and not _WHOLE.fullmatch(next(iter(values))):
        raise ValueError(f"unable to parse requirement: {key} is compared with a whole number")
    return Requirement(key, operator, values)

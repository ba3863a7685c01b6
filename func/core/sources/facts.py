"""Read facts at paths in the data of an event; a value of the wrong kind is an error that names its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, reduce
from operator import getitem
from typing import Any, TypeAlias

from func.core.reasons import Rejection
from func.core.values import parse_time, read_boolean, read_integer, read_name, read_repository, read_string, spell

Paths: TypeAlias = Mapping[str, str]  # fact -> path in the data
_MAX_ELEMENTS = 1000


def _list(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError("expected a list")  # noqa: TRY004 - what is wrong is the content
    return value


def _anything(value: object) -> object:
    return value


def _name_or_number(value: object) -> object:
    """Return the name of a person, or of a task; some sources number them."""
    if type(value) is int:
        return str(value)
    try:
        return read_name(value)
    except ValueError as error:
        raise ValueError(f"{error}, or an integer") from None


_KINDS: Mapping[str, Callable[[object], object]] = {
    "task": _name_or_number,
    "label": read_string,
    "branch": read_string,
    "title": read_string,
    "repository": read_repository,
    "number": read_integer,
    "head": read_name,
    "base": read_name,
    "author": _name_or_number,
    "author-id": read_integer,
    "person": _name_or_number,
    "person-id": read_integer,
    "happened": parse_time,
    "state": read_name,
    "draft": read_boolean,
    "merged": read_boolean,
    "head-repository": read_repository,
    "base-repository": read_repository,
    "changed-label": read_string,
    "review": read_integer,
    "review-state": read_name,
    "review-commit": read_name,
    "submitted": parse_time,
    "pull-requests": _list,
    "is-pull-request": _anything,
}
# What a user's `sources` may map.
FACTS = (
    *("task", "label", "branch", "title", "repository", "number"),
    *("head", "base", "author", "person", "person-id", "happened"),
)


def read_fact(data: Mapping[str, Any], fact: str, path: str) -> Any:  # noqa: ANN401 - the kind is the fact's
    """Return one fact of an event; None where its path leads nowhere or to null.

    Raises:
        Rejection: `wrong-field`, naming the path, when what stands there is of the wrong kind.
    """
    try:
        value: Any = reduce(getitem, _parts(path), data)
    except KeyError:
        return None
    except TypeError:  # null, a list, or something of the wrong kind
        found = read_facts(data, fact, path)
        return found[0] if found else None
    return None if value is None else _checked(fact, path, value)


def read_facts(data: Mapping[str, Any], fact: str, path: str) -> list[Any]:
    """Return all values of a fact whose path may have a `*`, without nulls.

    Raises:
        Rejection: `wrong-field`, naming the path, when what stands there is of the wrong kind.
    """
    found: list[tuple[str, object]] = [("", data)]
    for part in _parts(path):
        found = [step for where, value in found for step in _steps(where, value, part)]
    return [_checked(fact, where, value) for where, value in found]


@cache
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _checked(fact: str, where: str, value: object) -> object:
    try:
        return _KINDS[fact](value)
    except ValueError as error:
        raise wrong_field(where, value, str(error)) from None


def _steps(where: str, value: object, part: str) -> list[tuple[str, object]]:
    prefix = f"{where}." if where else ""
    if part == "*" or (part.isascii() and part.isdigit()):
        if not isinstance(value, list):
            raise wrong_field(where, value, "expected a list")
        if part == "*":
            return [(f"{prefix}{index}", each) for index, each in enumerate(value[:_MAX_ELEMENTS]) if each is not None]
        return [(f"{prefix}{part}", each) for each in value[int(part[:9]) : int(part[:9]) + 1] if each is not None]
    if not isinstance(value, dict):
        raise wrong_field(where, value, "expected an object")
    each = value.get(part)
    return [] if each is None else [(f"{prefix}{part}", each)]


def wrong_field(where: str, value: object, expected: str) -> Rejection:
    """Return the rejection of an event whose field is of the wrong kind."""
    return Rejection("wrong-field", field=where or "data", value=spell(value), expected=expected)

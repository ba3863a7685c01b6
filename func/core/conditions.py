"""`when`: conditions on the data of an event, written as data.

A waiting signal carries what a path finds in a small form: each scalar as it is, an object or a list as `{}`, and a
long string as `{"matched": [...], "unmatched": [...]}`, what the rules asked for when the event came. The same form
stands for values that are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, TypeAlias

from func.core.patterns import MAX_VALUE, fits_glob
from func.core.reasons import Rejection

Wanted: TypeAlias = "str | bool | int | float | list[Wanted] | dict[str, Wanted] | None"
Leaf: TypeAlias = "str | float | None"
Found: TypeAlias = "list[Any]"  # of JSON values, small
_MAX_VISITED = 10_000  # elements of a `*`; a push of GitHub has 2,048 commits at most
_MAX_FOUND = 64  # different values that a signal carries for one path
PRESENT = "*"


def values_at(data: object, path: str) -> list[object]:
    """Return the values at a path, e.g. `pull_request.number`, `labels.0.name` or `labels.*.name`.

    Args:
        path: names with dots, an index into a list, or `*` for any element of a list or an object.

    Raises:
        Rejection: `wrong-field`, when a `*` has more elements than any event of GitHub.
    """
    found = [data]
    for part in path.split("."):
        found = list(islice((value for each in found for value in _step(each, part)), _MAX_VISITED + 1))
        if len(found) > _MAX_VISITED:
            expected = f"expected at most {_MAX_VISITED}"
            raise Rejection("wrong-field", field=path, value="a list of too many values", expected=expected)
    return found


def value_at(data: object, path: str) -> object:
    """Return the first value at a path, or None where there is none."""
    return next(iter(values_at(data, path)), None)


def _step(value: object, part: str) -> Iterable[object]:
    if isinstance(value, dict):
        if part == "*":
            return value.values()
        return (value[part],) if part in value else ()
    if isinstance(value, list):
        if part == "*":
            return value
        if part.isascii() and part.isdigit() and len(part) < 10 and int(part) < len(value):
            return (value[int(part)],)
    return ()


def remember(data: object, path: str, wanted: Iterable[Wanted]) -> Found:
    """Return the values at a path, in the form that a signal carries.

    Args:
        data: of the event.
        path: as in `values_at`.
        wanted: what the rules ask of this path; a string that is too long to be kept is compared with these now.
    """
    asked = [PRESENT, *(leaf for each in wanted for leaf in leaves(each))]
    found = [_small(value, asked) for value in values_at(data, path)]
    if len(found) <= _MAX_FOUND:
        return found
    # A value that is left out could be the one that `not` forbids, so those that a condition asks for come first.
    first = [next((value for value in found if holds(leaf, [value])), None) for leaf in asked]
    # By their text, because True equals 1 in Python.
    different = {json.dumps(value): value for value in (*first, *found) if value is not None}
    kept = list(different.values())[:_MAX_FOUND]
    return kept if len(kept) == len(different) else [*kept, _summary([], asked)]


def _small(value: object, asked: Sequence[Leaf]) -> object:
    if isinstance(value, str):
        text = value.strip()
        if len(text) <= MAX_VALUE:
            return text
        return _summary([leaf for leaf in asked if isinstance(leaf, str) and fits_glob(leaf, text)], asked)
    return value if value is None or isinstance(value, bool | int | float) else {}


def _summary(matched: Sequence[str], asked: Sequence[Leaf]) -> dict[str, list[Leaf]]:
    # By their text, because True equals 1 in Python.
    others = {json.dumps(leaf): leaf for leaf in asked if leaf not in matched}
    return {"matched": [*dict.fromkeys(matched)], "unmatched": [*others.values()]}


def is_known(wanted: Wanted, found: Found) -> bool:
    """Return whether what a signal carries tells if a condition holds; the rules may have changed since it came.

    Args:
        wanted, found: as in `holds`.
    """
    for value in found:
        if isinstance(value, dict) and value:
            seen = [leaf for each in value.values() if isinstance(each, list) for leaf in each]
            if not {json.dumps(leaf) for leaf in (PRESENT, None, *seen)}.issuperset(map(json.dumps, leaves(wanted))):
                return False
    return True


def leaves(wanted: Wanted) -> Iterable[Leaf]:
    """Return the values that a condition compares with."""
    if isinstance(wanted, list):
        for each in wanted:
            yield from leaves(each)
    elif isinstance(wanted, dict):
        yield from leaves(wanted.get("not"))
    else:
        yield wanted


def holds(wanted: Wanted, found: Found) -> bool:
    """Return whether a condition holds.

    Args:
        wanted: a string (a glob over the whole value), a number, true, false, null (absent or null), a list (any of
            these), or `{not: ...}`. The glob `*` matches any value that is not null.
        found: from `remember`.
    """
    if isinstance(wanted, list):
        return any(holds(each, found) for each in wanted)
    if isinstance(wanted, dict):
        return not holds(wanted.get("not"), found)
    if wanted is None:
        return all(value is None for value in found)
    return any(_equals(wanted, value) for value in found)


def _equals(wanted: str | bool | int | float, value: object) -> bool:  # noqa: FBT001 - a JSON value
    if isinstance(wanted, str):
        if wanted == PRESENT:
            return value is not None
        if isinstance(value, dict):
            matched = value.get("matched")
            return isinstance(matched, list) and wanted in matched
        return isinstance(value, str) and fits_glob(wanted, value)
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    return isinstance(value, int | float) and wanted == value

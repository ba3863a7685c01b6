"""Values that are read from outside: times, repositories, paths into data, and what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, StrictStr, ValidationError

_REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_SHOWN = 60  # characters of a wrong value that a message repeats


class Together(ValueError):
    """Several fields do not fit together; the message names them itself."""


def parse_time(value: object) -> datetime:
    """RFC 3339 text -> a UTC time in whole seconds, the resolution of GitHub and of Kubernetes.

    Raises: ValueError when `value` is no such text.
    """
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("expected a time like 2026-01-31T12:00:00Z")
    try:
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise ValueError("expected a time like 2026-01-31T12:00:00Z") from None


def show_time(time: datetime) -> str:
    """A UTC time as Kubernetes writes it, e.g. 2026-01-31T12:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_repository(value: object) -> str:
    if not isinstance(value, str) or not _REPOSITORY.fullmatch(value):
        raise ValueError("expected owner/name")
    return value


Time = Annotated[datetime, BeforeValidator(parse_time), PlainSerializer(show_time)]
RepositoryName = Annotated[StrictStr, BeforeValidator(_parse_repository)]


def look_up(data: Mapping[str, Any], path: str) -> object:
    """The value at a dotted path, e.g. `pull_request.number` or `labels.0.name`; None where there is none."""
    value: object = data
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


# pydantic's kinds of error -> what was expected
_EXPECTED: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "int_type": "a whole number",
    "mapping_type": "an object",
    "model_type": "an object",
    "string_too_short": "a text that is not empty",
    "string_type": "a text",
    "string_unicode": "a text in Unicode",
    "too_short": "at least one",
    "tuple_type": "a list",
}


def describe(error: ValidationError) -> str:
    """The first thing that is wrong, as `field is value: expected ...`."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "data"
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "extra_forbidden":
        return f"{where} is not known here, expected one of the documented names"
    if isinstance(first.get("ctx", {}).get("error"), Together):
        return first["msg"].removeprefix("Value error, ")
    given = first["input"]
    value = json.dumps(given) if given is None or isinstance(given, bool) else repr(given)  # null, not None
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    if first["type"] in _EXPECTED:
        return f"{where} is {shown}: expected {_EXPECTED[first['type']]}"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be ", "expected ")
    return f"{where} is {shown}: {message}"

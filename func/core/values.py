"""Values from outside: each function returns the value, or raises ValueError with what was expected."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

MAX_NAME = 255  # characters of what is remembered on a Workflow
_SHOWN = 60  # characters of a wrong value that a message repeats
_REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
# RFC 3339, which is stricter than ISO 8601: a time without an offset would be another one in each time zone.
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)((?:\.\d+)?(?:Z|[+-]\d\d:\d\d))", re.ASCII)


def parse_time(value: object) -> datetime:
    """Return a time of RFC 3339 in UTC and whole seconds, the resolution of GitHub and of Kubernetes.

    A leap second is the first second of the next day, as in POSIX.
    """
    if isinstance(value, datetime):
        return value
    text = value.upper() if isinstance(value, str) else ""  # `t` and `z` are allowed
    match = _TIME.fullmatch(text)
    try:
        if not match:
            raise ValueError
        leap = match[2] == "60"
        time = datetime.fromisoformat(f"{match[1]}59{match[3]}" if leap else text)
        time = time.astimezone(UTC).replace(microsecond=0)
        if leap and (time.hour, time.minute) != (23, 59):
            raise ValueError
        return time + timedelta(seconds=1) if leap else time
    except (ValueError, OverflowError):
        raise ValueError("expected a time like 2026-01-31T12:00:00Z") from None


def time_or_none(value: object) -> datetime | None:
    """Return a time of RFC 3339, or None where the value is none."""
    try:
        return parse_time(value)
    except ValueError:
        return None


def spell(value: object) -> str:
    """Return the beginning of a JSON value, for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return "..."
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def format_time(time: datetime) -> str:
    """Return a UTC time as Kubernetes writes it, e.g. 2026-01-31T12:00:00Z."""
    return f"{time.isoformat()[:19]}Z"


def read_string(value: object) -> str:
    """Return a string of any length."""
    if not isinstance(value, str):
        raise ValueError("expected a string")  # noqa: TRY004 - what is wrong is the content
    return value


def read_name(value: object) -> str:
    """Return a string that is short enough to be remembered."""
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise ValueError(f"expected a string of at most {MAX_NAME} characters")
    return value


def read_integer(value: object) -> int:
    """Return a whole number that is not negative, such as GitHub's ids."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("expected a whole number")
    return value


def read_boolean(value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueError("expected true or false")  # noqa: TRY004
    return value


def read_repository(value: object) -> str:
    """Return the full name of a repository, `owner/name`."""
    if not isinstance(value, str) or not is_repository(value):
        raise ValueError("expected owner/name")
    return value


def is_repository(text: str) -> bool:
    """Return whether a string is `owner/name`."""
    return _REPOSITORY.fullmatch(text) is not None

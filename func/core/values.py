"""Values that are read from outside: times and the names of repositories."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_LEAP_SECOND = re.compile(r"(.*T\d\d:\d\d:)60(.*)", re.ASCII)


def parse_time(value: object) -> datetime:
    """RFC 3339 text -> a UTC time in whole seconds, the resolution of GitHub and of Kubernetes.

    A leap second is the first second of the next day, as in POSIX.

    Raises: ValueError when `value` is no such text.
    """
    if isinstance(value, datetime):
        return value
    text = value.upper() if isinstance(value, str) else ""  # `t` and `z` are allowed
    leap = _LEAP_SECOND.fullmatch(text)
    try:
        if "T" not in text:
            raise ValueError
        time = datetime.fromisoformat(f"{leap[1]}59{leap[2]}" if leap else text)
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
        if leap and (time.hour, time.minute) != (23, 59):
            raise ValueError
        return time + timedelta(seconds=1) if leap else time
    except (ValueError, OverflowError):
        raise ValueError("expected a time like 2026-01-31T12:00:00Z") from None


def format_time(time: datetime) -> str:
    """Return a UTC time as Kubernetes writes it, e.g. 2026-01-31T12:00:00Z."""
    return f"{time.isoformat(timespec='seconds').removesuffix('+00:00')}Z"


def is_repository(text: str) -> bool:
    """Return whether a text is `owner/name`."""
    return _REPOSITORY.fullmatch(text) is not None

"""Times as RFC 3339 writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from func.core.values import parse_time


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T16:20:00Z",
        "2026-11-25t16:20:00z",
        "2026-11-25T17:20:00+01:00",
        "2026-11-25t11:20:00.999-05:00",
        "2026-11-25T16:20:00.123456789Z",
    ],
)
def test_one_time_in_many_forms(text: str) -> None:
    assert parse_time(text) == datetime(2026, 11, 25, 16, 20, tzinfo=UTC)


# The examples of https://www.rfc-editor.org/rfc/rfc3339#section-5.8
@pytest.mark.parametrize("text", ["1990-12-31T23:59:60Z", "1990-12-31T15:59:60-08:00", "1990-12-31t23:59:60.5z"])
def test_a_leap_second_is_the_first_of_the_next_day(text: str) -> None:
    assert parse_time(text) == datetime(1991, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1990-12-31T23:58:60Z",
            "1990-12-31T23:59:60-08:00",
            "1990-12-31T23:59:61Z",
            "9999-12-31T23:59:60Z",
            "T",
            "t",
        ),
        # ISO 8601, but not RFC 3339. Without an offset it would be another time in each time zone.
        *("2026-11-25T16:20:00", "20261125T162000Z", "2026-W48-3T16:20:00Z", "2026-11-25T16:20Z"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time like"):
        parse_time(text)

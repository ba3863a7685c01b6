"""JSON as the API server reads and writes it."""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeAlias

Document: TypeAlias = dict[str, Any]


def no_constant(text: str) -> NoReturn:
    """Reject NaN and infinity, which Python reads as JSON."""
    raise ValueError(f"{text} is not JSON")


def _number(text: str) -> float | int:
    return whole(float(text))


def whole(value: float) -> float | int:
    """Return a number as the server stores it: 1.0 as 1, and patches compare against that.

    Raises:
        ValueError: it is infinite.
    """
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is out of range")
    return int(value) if value.is_integer() else value


def parse(body: bytes) -> object:
    """Read JSON strictly: no NaN, no infinity, UTF-8 only.

    Raises:
        ValueError: the body is not JSON.
    """
    try:
        return json.loads(body.decode(), parse_constant=no_constant, parse_float=_number)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def encode(value: object) -> bytes:
    """Write JSON compactly."""
    return json.dumps(value, separators=(",", ":")).encode()


def same(one: object, other: object) -> bool:
    """Return whether two values are the same JSON; unlike `==`, `true` is not 1."""
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def server_text(text: str) -> str:
    """Return a string as the server's encoder writes it, quotes included.

    Source: https://pkg.go.dev/encoding/json#Marshal (HTML characters and U+2028/U+2029 are escaped, other
    non-ASCII characters are not).
    """
    escapes = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
    return json.dumps(text, ensure_ascii=False).translate(escapes)

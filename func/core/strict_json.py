"""JSON from outside: UTF-8, each key once, finite numbers; and an estimate of its memory before it is parsed."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

# Bytes that CPython 3.11 to 3.14 takes for one of each, measured by tests/core/test_strict_json.py.
_STRING = 64  # beside its characters
_OBJECT = 80
_LIST = 96
_PAIR = 130  # with the key's entry in its object and the tuple that is made for it, beside the key
_ITEM = 40  # of an array, a number
_SURROGATE = re.compile("[\\ud800-\\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD]")
_SMALL = 256 * 1024  # bytes, not worth counting
_WORST = 50  # for each byte of a text: lists in lists
_BEYOND_UTF_16 = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")  # first bytes of such characters
_STRING_WIDTHS = {1: 1, 2: 4, 4: 7}  # width of a string's widest character -> bytes for each, while it grows
_PAIR_ENDS = (b'":', b'" ', b'"\t', b'"\n', b'"\r')


def parse_json(text: bytes | bytearray) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: the end of a sentence, such as "is not JSON in UTF-8: it begins with a byte order mark".
    """
    try:
        value = _DECODER.decode(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("is nested too deeply to be read") from None
    except DuplicateKeyError as error:
        raise ValueError(f"has the key {error} twice in one object") from None
    except ValueError as error:
        raise ValueError(f"is not JSON in UTF-8: {_why_not(text, error)}") from None
    if _may_have_surrogates(text) and not _fits_utf8(value):
        raise ValueError("has half of a surrogate pair, which no UTF-8 can hold")
    return value


def _why_not(text: bytes | bytearray, error: ValueError) -> str:
    """Return what is wrong with a text, and where."""
    if isinstance(error, UnicodeDecodeError):
        return f"its byte {error.start + 1} is not text in UTF-8"
    if text.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark"
    if isinstance(error, json.JSONDecodeError):
        problem = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        return f"{problem} at line {error.lineno}, column {error.colno}" if text else "it is empty"
    return "a number is too large or not finite"


def estimate_memory(text: bytes | bytearray) -> int:
    """Return how many bytes the value of a JSON text takes at most, with all that is built on the way to it.

    It counts characters and parses nothing.
    """
    count = text.count
    if len(text) <= _SMALL:
        return len(text) * _WORST
    width = 1 if text.isascii() else 4 if any(lead in text for lead in _BEYOND_UTF_16) else 2
    # The widest character decides how wide all others of its string are, also when it is escaped.
    string_width = max(width, 4 if _may_have_surrogates(text) else 2 if b"\\u" in text else 1)
    return (
        _SMALL
        + len(text) * (width + _STRING_WIDTHS[string_width])
        + count(b'"') // 2 * _STRING
        + count(b"{") * _OBJECT
        + count(b"[") * _LIST
        + sum(map(count, _PAIR_ENDS)) * _PAIR
        + count(b",") * _ITEM
    )


def _may_have_surrogates(text: bytes | bytearray) -> bool:
    # A search for one byte takes a hundredth of the time of one for three, and most texts have no backslash.
    return b"\\" in text and _ESCAPED_SURROGATE.search(text) is not None


def _fits_utf8(value: object) -> bool:
    """Return whether all strings in a value can be written in UTF-8."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if _SURROGATE.search(one):
                return False
        elif isinstance(one, dict):
            left.extend(one)
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return True


class DuplicateKeyError(ValueError):
    """An object has a key twice; the message is the key."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, or raise DuplicateKeyError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        raise DuplicateKeyError(repr(counted.most_common(1)[0][0][:60]))
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=unique, parse_float=_finite, parse_constant=_finite)

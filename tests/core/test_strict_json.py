"""JSON from outside, and the memory that it takes: the estimate is held to what the interpreter really takes."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from func.core.strict_json import estimate_memory, parse_json
from func.service.app import MAX_BODY, MAX_MEMORY

GITHUB = sorted((Path(__file__).parents[1] / "data" / "github").glob("*.json"))
SIZES = (1 << 18, 20_000)


def filled(begin: bytes, unit: bytes, end: bytes, size: int) -> bytes:
    """A text of that size, of the same unit again and again."""
    return begin + unit * ((size - len(begin) - len(end)) // len(unit)) + end


# Begin, unit and end of a text.
TEXTS = {
    "short strings": (b"[", b'"ab",', b"1]"),
    "empty strings": (b"[", b'"",', b"1]"),
    "one long string": (b'["', b"a", b'"]'),
    "strings of quotes": (b'["', b'\\"', b'"]'),
    "strings in Latin-1": (b"[", '"éé",'.encode(), b"1]"),
    "short emoji": (b"[", '"a\U0001f600",'.encode(), b"1]"),
    "long emoji": (b'["', "\U0001f600".encode(), b'"]'),
    "widened at the end": (b'["', b"a", '\\n\U0001f600"]'.encode()),
    "widened at the end by an escape": (b'["', b"a", b'\\uD83D\\uDE00"]'),
    "widened at the beginning by an escape": (b'["\\ud83d\\ude00', b"a", b'"]'),
    "widened to two bytes": (b'["', b"a", '\\n\u1234"]'.encode()),
    "widened to two bytes by an escape": (b'["', b"a", b'\\u1234"]'),
    "short escapes": (b"[", b'"\\u1234",', b"1]"),
    "numbers": (b"[", b"999,", b"1]"),
    "large numbers": (b"[", b"99999999999999999999,", b"1]"),
    "floats": (b"[", b"1.5,", b"1]"),
    "lists": (b"[", b"[],", b"1]"),
    "lists of one": (b"[", b"[1],", b"1]"),
    "lists in lists": (b"[", b"[" * 400 + b"]" * 400 + b",", b"1]"),
    "objects": (b"[", b"{},", b"1]"),
    "objects of one": (b"[", b'{"":1},', b"1]"),
    "objects of an object": (b"[", b'{"":{}},', b"1]"),
    "objects in objects": (b"[", b'{"":' * 400 + b"1" + b"}" * 400 + b",", b"1]"),
    "objects of six": (b"[", b'{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6},', b"1]"),
}


def check_estimate(text: bytes) -> None:
    """Parse a text, and hold the estimate to what was taken meanwhile."""
    tracemalloc.start()
    try:
        assert parse_json(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert estimate_memory(text) >= peak


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", TEXTS)
def test_the_estimate_is_no_less_than_what_it_takes(name: str, size: int) -> None:
    check_estimate(filled(*TEXTS[name], size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pair", ['"#":1', '"#"\n:1', '"#":{}', '"#":""'])
def test_the_estimate_is_no_less_than_what_one_object_of_many_keys_takes(pair: str, size: int) -> None:
    check_estimate(b"{" + b",".join(pair.replace("#", f"{key:x}").encode() for key in range(size // 12)) + b"}")


@pytest.mark.parametrize("path", GITHUB[::10], ids=lambda path: path.stem)
def test_the_largest_body_of_what_github_sends_is_let_in(path: Path) -> None:
    payload = json.dumps(json.loads(path.read_bytes()), separators=(",", ":")).encode()
    assert estimate_memory(filled(b"[", payload + b",", b"1]", MAX_BODY)) <= MAX_MEMORY


@pytest.mark.parametrize(
    "text",
    ["null", "[]", '{"a":{"a":1},"b":{"a":2}}', '"\\ud83d\\ude00"', '"\\\\ud800"', "-0.5e-3", '{"é":"\U0001f600"}'],
)
def test_what_is_right_is_read_as_it_is(text: str) -> None:
    assert parse_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text", ['"\\ud800"', '["a\\uDFFF\\uD800b"]', '{"a": {"\\ud83d": 1}}'])
def test_half_of_a_surrogate_pair_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        parse_json(text.encode())

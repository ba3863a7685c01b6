"""JSON as it is read and written."""

from __future__ import annotations

import pytest

from func.devcluster import documents


@pytest.mark.parametrize(
    "body", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"\xff", b"", b"{", pytest.param(b"[" * 100_000, id="deep")]
)
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        documents.parse(body)


@pytest.mark.parametrize(("body", "value"), [(b"1.0", 1), (b"1e3", 1000), (b"1.5", 1.5), (b'"1.0"', "1.0")])
def test_whole_numbers_have_no_fraction(body: bytes, value: object) -> None:
    read = documents.parse(body)
    assert read == value
    assert type(read) is type(value)


def test_true_is_not_one() -> None:
    assert documents.same({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]})
    assert not documents.same({"a": 1}, {"a": True})
    assert not documents.same({"a": 0}, {"a": False})

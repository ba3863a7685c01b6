"""What may be a name, a label or an annotation."""

from __future__ import annotations

import pytest

from func.devcluster import names


@pytest.mark.parametrize("name", ["a", "a-b", "a.b-c.d", "0", "a" * 253])
def test_subdomains(name: str) -> None:
    assert names.subdomain_problem(name) is None


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a" * 254, "\u00e9", "a\n"])
def test_what_is_no_subdomain(name: str) -> None:
    assert names.subdomain_problem(name)


@pytest.mark.parametrize("name", ["", "a.b", "A", "a" * 64, "a\n"])
def test_what_is_no_dns_label(name: str) -> None:
    assert names.label_problem(name)


@pytest.mark.parametrize("key", ["a", "A.b_c-d", "taskgate.dev/parked", "a" * 63])
def test_label_keys(key: str) -> None:
    assert names.label_key_problem(key) is None


@pytest.mark.parametrize("key", ["", "/a", "a/", "A/b", "a/b/c", "a b", "-a", "a" * 64, "a\n"])
def test_what_is_no_label_key(key: str) -> None:
    assert names.label_key_problem(key)


@pytest.mark.parametrize(
    ("value", "fine"), [("", True), ("a" * 63, True), ("a" * 64, False), ("a b", False), ("-", False)]
)
def test_label_values(value: str, *, fine: bool) -> None:
    assert (names.label_value_problem(value) is None) is fine


def test_annotations_have_keys_and_a_largest_size() -> None:
    assert names.annotations_problem({"Taskgate.dev/State": "anything at all \u00e9"}) is None
    assert names.annotations_problem({"a b": ""})
    assert names.annotations_problem({"a": "x" * (256 * 1024 - 1)}) is None
    assert names.annotations_problem({"a": "\u00e9" * (128 * 1024)}) == "Too long: may not be more than 262144 bytes"

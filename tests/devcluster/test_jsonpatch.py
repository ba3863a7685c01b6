"""JSON Patch as a pure function; what it does on a server is in the contract tests."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from func.devcluster import jsonpatch
from func.devcluster.api import merged

TEXTS = st.text(alphabet='ab\u00e9\u20ac\U0001f600<>&"\\/\n\x01\x7f\u2028', max_size=5)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS
KEYS = st.sampled_from(["a", "b", "c/d", "e~f", "", "0", "-"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)
PATHS = st.lists(KEYS | st.sampled_from(["1", "2", "-1"]), min_size=1, max_size=3).map(
    lambda parts: "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
)
OPERATIONS = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": PATHS, "value": VALUES}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": PATHS}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "from": PATHS, "path": PATHS}),
)


def pointers(value: object, path: str = "") -> list[tuple[str, object]]:
    """All paths in a document with what is there."""
    found: list[tuple[str, object]] = [(path, value)] if path else []
    if isinstance(value, dict):
        for key, each in value.items():
            found += pointers(each, f"{path}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            found += pointers(each, f"{path}/{index}")
    return found


@settings(deadline=None)
@given(DOCUMENTS, st.lists(OPERATIONS, max_size=5))
def test_the_given_document_never_changes(document: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(document)
    try:
        result = jsonpatch.apply(document, operations)
    except jsonpatch.PatchError:
        result = None
    assert json.dumps(document) == json.dumps(before)
    if result is not None:
        json.dumps(result)


@settings(deadline=None)
@given(DOCUMENTS, st.data())
def test_every_place_in_a_document_can_be_tested_replaced_and_removed(
    document: dict[str, Any], data: st.DataObject
) -> None:
    places = pointers(document)
    if not places:
        return
    path, value = data.draw(st.sampled_from(places))
    test = {"op": "test", "path": path, "value": value}
    assert jsonpatch.apply(document, [test]) is document
    other = {"op": "replace", "path": path, "value": "something else"}
    changed = jsonpatch.apply(document, [other])
    assert dict(pointers(changed))[path] == "something else"
    assert jsonpatch.apply(changed, [{**other, "value": value}]) == document
    removed = jsonpatch.apply(document, [{"op": "remove", "path": path}])
    assert len(pointers(removed)) == len(places) - len(pointers(value)) - 1
    if value != "something else":
        with pytest.raises(jsonpatch.PatchError):
            jsonpatch.apply(document, [{**test, "value": "something else"}])


@settings(deadline=None)
@given(DOCUMENTS, KEYS, VALUES)
def test_add_then_remove_is_nothing(document: dict[str, Any], key: str, value: object) -> None:
    path = "/" + key.replace("~", "~0").replace("/", "~1")
    document.pop(key, None)
    absent = {"op": "test", "path": path, "value": None}
    add = {"op": "add", "path": path, "value": value}
    assert jsonpatch.apply(document, [absent, add, {"op": "remove", "path": path}, absent]) == document


@settings(deadline=None)
@given(VALUES)
def test_what_is_written_as_the_server_writes_it_is_found_equal(value: object) -> None:
    escapes = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}
    text = json.dumps(value, ensure_ascii=False).translate(escapes)
    body = f'[{{"op": "test", "path": "/a", "value": {text}}}]'.encode()
    assert jsonpatch.apply({"a": value}, jsonpatch.parse(body)) == {"a": value}


@settings(deadline=None)
@given(TEXTS, st.sampled_from("\u00e9\u20ac\U0001f600<>&"))
def test_characters_that_the_server_writes_otherwise_are_never_found_equal(text: str, odd: str) -> None:
    text += odd
    # The usual encoder of Python escapes all but ASCII, and nothing that matters to HTML.
    body = json.dumps([{"op": "test", "path": "/a", "value": {"b": [text]}}]).encode()
    with pytest.raises(jsonpatch.PatchError):
        jsonpatch.apply({"a": {"b": [text]}}, jsonpatch.parse(body))


@settings(deadline=None)
@given(st.binary(max_size=30) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_a_patch_or_a_value_error(body: bytes) -> None:
    try:
        operations = jsonpatch.parse(body)
    except ValueError:
        return
    assert all(isinstance(operation, dict) for operation in operations)


@pytest.mark.parametrize("depth", [10_000, 500_000])
def test_deep_nesting_is_a_value_error(depth: int) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        jsonpatch.parse(b"[" * depth + b"]" * depth)


def test_what_is_added_is_stored_as_plain_json() -> None:
    body = rb'[{"op": "add", "path": "/a", "value": {"b": ["caf\u00e9", 2.0, 1.5]}}]'
    result = jsonpatch.apply({}, jsonpatch.parse(body))
    assert result == {"a": {"b": ["caf\u00e9", 2, 1.5]}}
    assert isinstance(result, dict)
    assert [type(each) for each in result["a"]["b"]] == [str, int, float]


def test_numbers_too_large_for_the_server_are_refused() -> None:
    with pytest.raises(jsonpatch.PatchError, match="out of range"):
        jsonpatch.apply({}, jsonpatch.parse(b'[{"op": "add", "path": "/a", "value": 1e999}]'))


def test_the_whole_document_can_be_tested_and_replaced() -> None:
    document: dict[str, Any] = {"a": {"b": 1}}
    test = {"op": "test", "path": "", "value": {"a": {"b": 1}}}
    assert jsonpatch.apply(document, [test, {"op": "replace", "path": "", "value": [1]}]) == [1]
    for operation in (
        {"op": "replace", "path": "", "value": 1},
        {"op": "remove", "path": ""},
        {"op": "move", "from": "", "path": "/x"},
    ):
        with pytest.raises(jsonpatch.PatchError):
            jsonpatch.apply(document, [operation])


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ],
)
def test_merge_patch_examples_of_the_rfc(target: object, patch: dict[str, object], expected: object) -> None:
    before = copy.deepcopy(target)
    assert merged(target, patch) == expected
    assert target == before

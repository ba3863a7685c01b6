"""JSON Patch (RFC 6902) with the API server's own reading of it.

Where the server is more lenient or stricter than the RFC, the server wins, because that is what callers meet:
`test` of null passes where the member is absent, `replace` creates an absent member, negative indexes count from
the end, and a `test` compares the text of strings as they were sent with the text that the server would write.

Source: https://www.rfc-editor.org/rfc/rfc6902 and
https://github.com/evanphx/json-patch/blob/v4.13.0/patch.go, which the API server applies patches with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from json.decoder import JSONDecoder, scanstring  # type: ignore[attr-defined] # undocumented, and in every version
from json.scanner import py_make_scanner  # type: ignore[attr-defined] # the same
from typing import Any, TypeAlias

from func.devcluster import documents

MAX_OPERATIONS = 10_000
_INDEX = re.compile(r"[+-]?[0-9]{1,9}")
_UNSAFE = re.compile(r"[\\<>&\u2028\u2029]")

Operation: TypeAlias = dict[str, Any]


class PatchError(Exception):
    """An operation of a well-formed patch cannot be applied."""


class OddlyWritten(str):
    """A string that was sent in other characters than the server would use: no `test` finds it equal."""

    __slots__ = ()


def _read_string(text: str, begin: int, strict: bool) -> tuple[str, int]:  # noqa: FBT001 - the decoder's hook
    value, end = scanstring(text, begin, strict)
    raw = text[begin - 1 : end]
    if _UNSAFE.search(raw) and raw != documents.server_text(value):
        return OddlyWritten(value), end
    return value, end


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


class _Decoder(JSONDecoder):
    def __init__(self) -> None:
        super().__init__(parse_constant=_no_constant)
        self.parse_string = _read_string
        # The C scanner has no hook for strings.
        self.scan_once = py_make_scanner(self)


_DECODER = _Decoder()


def parse(body: bytes) -> list[Operation]:
    """Read a patch.

    Args:
        body: UTF-8 JSON text, an array of operations.

    Raises:
        ValueError: It is no array of objects whose `op`, `path` and `from` are strings.

    """
    try:
        operations = _DECODER.decode(body.decode())
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if operations is None:
        return []  # as the server reads it
    if not isinstance(operations, list):
        raise ValueError("a JSON Patch is an array of operations")  # noqa: TRY004 - one kind of error for callers
    for operation in operations:
        if operation is None:
            continue  # as the server reads it: an operation without a name, which fails later
        if not isinstance(operation, dict):
            raise ValueError("each operation of a JSON Patch is an object")  # noqa: TRY004 - as above
        for key in ("op", "path", "from"):
            if not isinstance(operation.get(key), str | None):
                raise ValueError(f"{key} of an operation is a string")  # noqa: TRY004 - as above
    return [operation or {} for operation in operations]


def apply(document: object, operations: list[Operation]) -> object:
    """The document after all operations, or an error and no change.

    The given document is never changed: what an operation touches is copied along its path, the rest is shared.

    Raises:
        PatchError: An operation names something that is not there, or a `test` failed.

    """
    for operation in operations:
        change = _OPERATIONS.get(operation.get("op") or "")
        if change is None:
            raise PatchError(f"unknown operation {operation.get('op')!r}")
        document = change(document, operation)
    return document


def equal(value: object, expected: object) -> bool:
    """Whether a `test` finds a stored value equal to the one sent.

    Numbers of another form (1.0 for 1) and strings in other characters (`\\u00e9` for é) are not equal.
    """
    if isinstance(value, dict):
        return (
            isinstance(expected, dict)
            and value.keys() == expected.keys()
            and all(equal(each, expected[key]) for key, each in value.items())
        )
    if isinstance(value, list):
        return (
            isinstance(expected, list)
            and len(value) == len(expected)
            and all(equal(each, other) for each, other in zip(value, expected, strict=True))
        )
    if isinstance(expected, OddlyWritten):
        return False
    return type(value) is type(expected) and value == expected


def _pointer(operation: Mapping[str, Any], key: str) -> list[str]:
    path = operation.get(key)
    if path is None:
        raise PatchError(f"the operation has no {key}")
    return [part.replace("~1", "/").replace("~0", "~") for part in str(path).split("/")][1:]


def _index(array: list[Any], key: str, size: int) -> int:
    if not _INDEX.fullmatch(key):
        raise PatchError(f"{key!r} is no index")
    index = int(key)
    if not -size <= index < size:
        raise PatchError(f"index {key} is not in an array of {len(array)}")
    return index % size


def _child(container: object, key: str) -> object:
    """What a container holds under a key; an absent member reads as null."""
    if isinstance(container, dict):
        return container.get(key)
    if isinstance(container, list):
        return container[_index(container, key, len(container))]
    raise PatchError(f"nothing can be under {key!r}")


def _changed(document: object, parts: list[str], change: Callable[[Any, str], None]) -> object:
    """The document with one container copied and changed."""
    if not parts:
        raise PatchError("the whole document can only be replaced or tested")
    copy: Any
    if isinstance(document, dict):
        copy = dict(document)
    elif isinstance(document, list):
        copy = list(document)
    else:
        raise PatchError(f"nothing can be under {parts[0]!r}")
    if len(parts) == 1:
        change(copy, parts[0])
        return copy
    below = _changed(_child(document, parts[0]), parts[1:], change)
    if isinstance(copy, dict):
        copy[parts[0]] = below
    else:
        copy[_index(copy, parts[0], len(copy))] = below
    return copy


def _found(document: object, parts: list[str]) -> object:
    if not parts:
        raise PatchError("the path is empty")
    for part in parts:
        document = _child(document, part)
    return document


def _stored(value: object) -> object:
    """A value as the store keeps it: plain strings, whole numbers without a fraction."""
    if isinstance(value, dict):
        return {key: _stored(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_stored(each) for each in value]
    if isinstance(value, OddlyWritten):
        return str(value)
    if isinstance(value, float):
        return _whole(value)
    return value


def _whole(value: float) -> float | int:
    if value in (float("inf"), float("-inf")):
        raise PatchError("a number is out of range")
    return int(value) if value.is_integer() else value


def _insert(document: object, parts: list[str], value: object) -> object:
    def insert(container: Any, key: str) -> None:  # noqa: ANN401 - a dict or a list
        if isinstance(container, dict):
            container[key] = value
        elif key == "-":
            container.append(value)
        else:
            container.insert(_index(container, key, len(container) + 1), value)

    return _changed(document, parts, insert)


def _delete(document: object, parts: list[str]) -> object:
    def delete(container: Any, key: str) -> None:  # noqa: ANN401 - a dict or a list
        if isinstance(container, list):
            del container[_index(container, key, len(container))]
        elif key in container:
            del container[key]
        else:
            raise PatchError(f"there is no {key!r} to remove")

    return _changed(document, parts, delete)


def _add(document: object, operation: Operation) -> object:
    return _insert(document, _pointer(operation, "path"), _stored(operation.get("value")))


def _remove(document: object, operation: Operation) -> object:
    return _delete(document, _pointer(operation, "path"))


def _replace(document: object, operation: Operation) -> object:
    parts = _pointer(operation, "path")
    value = _stored(operation.get("value"))
    if operation["path"] == "":
        if not isinstance(value, dict | list):
            raise PatchError("a whole document is an object or an array")
        return value

    def replace(container: Any, key: str) -> None:  # noqa: ANN401 - a dict or a list
        if isinstance(container, list):
            container[_index(container, key, len(container))] = value
        else:
            container[key] = value

    return _changed(document, parts, replace)


def _move(document: object, operation: Operation) -> object:
    origin = _pointer(operation, "from")
    value = _found(document, origin)
    return _insert(_delete(document, origin), _pointer(operation, "path"), value)


def _copy(document: object, operation: Operation) -> object:
    value = _found(document, _pointer(operation, "from"))
    return _insert(document, _pointer(operation, "path"), value)


def _test(document: object, operation: Operation) -> object:
    parts = _pointer(operation, "path")
    value = document if operation["path"] == "" else _found(document, parts)
    if not equal(value, operation.get("value")):
        raise PatchError(f"{operation['path']} is not as the test expects")
    return document


_OPERATIONS: dict[str, Callable[[object, Operation], object]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}

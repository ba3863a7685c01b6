"""JSON Patch (RFC 6902) as the API server applies it.

Where the server differs from the RFC, the server wins, because that is what clients meet: `test` of null passes where
the member is absent, `replace` creates an absent member, negative indexes count from the end, and a `test` compares the
text of strings as they were sent with the text that the server would write.

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

_INDEX = re.compile(r"[+-]?[0-9]{1,9}")
_ESCAPED = re.compile(r"[\\<>&\u2028\u2029]")

Operation: TypeAlias = dict[str, Any]


class PatchError(Exception):
    """An operation of a well-formed patch cannot be applied."""


class OddlyWritten(str):
    """A string that was sent in other characters than the server would use: no `test` finds it equal."""

    __slots__ = ()


def _read_string(text: str, begin: int, strict: bool) -> tuple[str, int]:  # noqa: FBT001 - the decoder's hook
    value, end = scanstring(text, begin, strict)
    raw = text[begin - 1 : end]
    if _ESCAPED.search(raw) and raw != documents.server_text(value):
        return OddlyWritten(value), end
    return value, end


class _Decoder(JSONDecoder):
    def __init__(self) -> None:
        super().__init__(parse_constant=documents.no_constant)
        self.parse_string = _read_string
        # The C scanner has no hook for strings.
        self.scan_once = py_make_scanner(self)


_DECODER = _Decoder()


def parse(body: bytes) -> list[Operation]:
    """Read a patch; null stands for no operation, or for one that fails later, as on the server.

    Raises:
        ValueError: it is not an array of objects whose `op`, `path` and `from` are strings.
    """
    try:
        operations = _DECODER.decode(body.decode())
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    found = [] if operations is None else operations
    if not isinstance(found, list) or not all(isinstance(each, dict | None) for each in found):
        raise ValueError("a JSON Patch is an array of objects")
    if not all(isinstance(each.get(key), str | None) for each in found if each for key in ("op", "path", "from")):
        raise ValueError("op, path and from of an operation are strings")
    return [operation or {} for operation in found]


def apply(document: object, operations: list[Operation]) -> object:
    """Return the document after all operations.

    The given document never changes: what an operation touches is copied along its path, the rest is shared.

    Raises:
        PatchError: an operation names something that is not there, or a `test` fails.
    """
    for operation in operations:
        document = _apply(document, operation)
    return document


def _apply(document: object, operation: Operation) -> object:
    path, value = _pointer(operation, "path"), operation.get("value")
    match operation.get("op"):
        case "test":
            if not equal(_at(document, path), value):
                raise PatchError(f"{operation['path']} is not as the test expects")
            return document
        case "add":
            return _inserted(document, path, _stored(value))
        case "remove":
            return _edited(document, path, _delete)
        case "replace":
            return _replaced(document, path, _stored(value))
        case "move":
            origin = _pointer(operation, "from")
            return _inserted(_edited(document, origin, _delete), path, _at(document, origin))
        case "copy":
            return _inserted(document, path, _at(document, _pointer(operation, "from")))
        case other:
            raise PatchError(f"unknown operation {other!r}")


def equal(value: object, expected: object) -> bool:
    """Return whether a `test` finds a stored value equal to the one sent.

    Numbers of another form (1.0 for 1) and strings in other characters (`\\u00e9` for é) are not equal.
    """
    if isinstance(value, dict):
        return (
            isinstance(expected, dict)
            and value.keys() == expected.keys()
            and all(equal(each, expected[key]) for key, each in value.items())
        )
    if isinstance(value, list):
        return isinstance(expected, list) and len(value) == len(expected) and all(map(equal, value, expected))
    if isinstance(expected, OddlyWritten):
        return False
    return type(value) is type(expected) and value == expected


def _pointer(operation: Mapping[str, Any], key: str) -> list[str]:
    path = operation.get(key)
    if path is None or (path and not path.startswith("/")):
        raise PatchError(f"the operation has no {key} that begins with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in str(path).split("/")][1:]


def _index(key: str, size: int) -> int:
    index = int(key) if _INDEX.fullmatch(key) else size
    if not -size <= index < size:
        raise PatchError(f"{key!r} is not an index below {size}")
    return index % size


def _at(document: object, path: list[str]) -> object:
    """Return what is under a path; an absent member reads as null."""
    for key in path:
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list):
            document = document[_index(key, len(document))]
        else:
            raise PatchError(f"nothing can be under {key!r}")
    return document


def _edited(document: object, path: list[str], edit: Callable[[Any, str], None]) -> object:
    """Return the document with one container copied and edited."""
    if not path:
        raise PatchError("the whole document can only be replaced or tested")
    if not isinstance(document, dict | list):
        raise PatchError(f"nothing can be under {path[0]!r}")
    copy: Any = document.copy()
    if len(path) == 1:
        edit(copy, path[0])
        return copy
    below = _edited(_at(document, path[:1]), path[1:], edit)
    copy[path[0] if isinstance(copy, dict) else _index(path[0], len(copy))] = below
    return copy


def _delete(container: Any, key: str) -> None:  # noqa: ANN401 - a dict or a list
    if isinstance(container, list):
        del container[_index(key, len(container))]
    elif key in container:
        del container[key]
    else:
        raise PatchError(f"there is no {key!r} to remove")


def _inserted(document: object, path: list[str], value: object) -> object:
    def insert(container: Any, key: str) -> None:  # noqa: ANN401 - a dict or a list
        if isinstance(container, dict):
            container[key] = value
        else:
            container.insert(len(container) if key == "-" else _index(key, len(container) + 1), value)

    return _edited(document, path, insert)


def _replaced(document: object, path: list[str], value: object) -> object:
    def replace(container: Any, key: str) -> None:  # noqa: ANN401 - a dict or a list
        container[key if isinstance(container, dict) else _index(key, len(container))] = value

    if path:
        return _edited(document, path, replace)
    if not isinstance(value, dict | list):
        raise PatchError("a whole document is an object or an array")
    return value


def _stored(value: object) -> object:
    """Return a value as the store keeps it: plain strings, whole numbers without a fraction."""
    if isinstance(value, dict):
        return {key: _stored(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_stored(each) for each in value]
    if isinstance(value, OddlyWritten):
        return str(value)
    if isinstance(value, float):
        try:
            return documents.whole(value)
        except ValueError as error:
            raise PatchError(str(error)) from None
    return value

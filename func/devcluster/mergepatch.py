"""JSON Merge Patch (RFC 7396)."""

from __future__ import annotations

from typing import Any


def apply(target: object, patch: object) -> object:
    """The target with all members of the patch merged in; null removes a member. The target is not changed.

    Source: https://www.rfc-editor.org/rfc/rfc7396#section-2
    """
    if not isinstance(patch, dict):
        return patch
    result: dict[str, Any] = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply(result.get(key), value)
    return result

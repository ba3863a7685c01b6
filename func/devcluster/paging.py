"""The `continue` token of a list that is read in parts.

Source: https://github.com/kubernetes/apiserver/blob/v0.35.4/pkg/storage/continue.go
"""

from __future__ import annotations

import base64
import binascii
import json

from func.devcluster.store import Key

_FORM = "meta.k8s.io/v1"


def encode(version: int, after: Key) -> str:
    """A token that continues a list of this version after this key."""
    token = json.dumps({"v": _FORM, "rv": version, "start": "/".join(after)}, separators=(",", ":"))
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def decode(token: str) -> tuple[int, Key]:
    """Version and key of a token.

    Raises:
        ValueError: It is no token of this server.

    """
    try:
        value = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, UnicodeError, ValueError):
        raise ValueError("continue key is not valid") from None
    match value:
        case {"v": "meta.k8s.io/v1", "rv": int(version), "start": str(start)} if version > 0:
            namespace, _, name = start.rpartition("/")
            return version, (namespace, name)
    raise ValueError("continue key is not valid")

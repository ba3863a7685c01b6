"""The credential for an API server: a fixed one, a file that others replace, or a program that makes tokens.

No message contains a credential: messages name its source.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from func.kube.errors import Unauthenticated
from func.redaction import protect

# What a header's value can hold. A newline in it would end the header.
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Credential(Protocol):
    """The credential for one server."""

    @property
    def source(self) -> str:
        """Return where it comes from, for messages."""

    def headers(self, seconds: float) -> Mapping[str, str]:
        """Return the headers for a request.

        Args:
            seconds: that the caller can wait.

        Raises:
            Unauthenticated: there is no credential, or none that a header can hold.
            NotRenewed: it is being renewed, or could not be.
        """

    def reject(self, headers: Mapping[str, str]) -> bool:
        """Note that the server did not accept these headers; return whether there may be others by now."""


def bearer(token: str, source: str) -> dict[str, str]:
    """Return the header of a token, without the white space around it, such as the newline at the end of a file.

    Raises:
        Unauthenticated: the token is empty, or a header cannot hold it.
    """
    token = protect(token.strip())
    if not token:
        raise Unauthenticated(f"There is no token in {source}: it is empty.")
    if not _TOKEN.fullmatch(token):
        raise Unauthenticated(f"What is in {source} is not a token: it has spaces or characters other than ASCII.")
    return {"Authorization": protect(f"Bearer {token}")}


def basic(user: str, password: str) -> str:
    """Return the value of an Authorization or Proxy-Authorization header."""
    protect(password)
    return "Basic " + protect(base64.b64encode(f"{user}:{password}".encode()).decode())


@dataclass(frozen=True, slots=True)
class Fixed:
    """Headers that never change; none, where the server requires none or a client certificate is enough."""

    source: str
    fixed: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headers(self, seconds: float) -> Mapping[str, str]:  # noqa: ARG002 - as the others
        """Return them."""
        return self.fixed

    def reject(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - as the others
        """There are no others."""
        return False


class TokenFile:
    """A file with one token, read again when it changes.

    The kubelet replaces a pod's token about once an hour.

    Args:
        path: of the file.
        source: for messages; by default the path.
    """

    def __init__(self, path: Path, source: str = "") -> None:
        self._path = path
        self.source = source or str(path)
        self._seen: tuple[int, ...] = ()
        self._headers: dict[str, str] = {}

    def headers(self, seconds: float) -> Mapping[str, str]:  # noqa: ARG002 - as the others
        """Return the header of the token that the file has now."""
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._headers = bearer(self._path.read_text(encoding="utf-8"), self.source)
                self._seen = seen
        except OSError as error:
            raise Unauthenticated(f"The token in {self.source} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise Unauthenticated(f"What is in {self.source} is not a token: it is not text in UTF-8.") from None
        return self._headers

    def reject(self, headers: Mapping[str, str]) -> bool:
        """Return whether the file has another token by now."""
        self._seen = ()
        return self.headers(0) != headers

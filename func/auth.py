"""Who may send events: bearer tokens from a file, or tokens that the Kubernetes API vouches for."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from func.core.outcomes import No


class Gatekeeper(Protocol):
    """Decides from the Authorization header alone, before the body is read."""

    def admit(self, authorization: str | None) -> None:
        """Raises: No, `invalid` with status 401."""


def bearer_token(authorization: str | None) -> str:
    """`Bearer abc` -> `abc`.

    Raises: No, `invalid` with status 401, when there is no such token.
    """
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise No("invalid", "No token: send the header Authorization with Bearer and a token.", code=401)
    return token


class Anyone:
    """No authentication: whoever reaches the port may send."""

    def admit(self, authorization: str | None) -> None:
        """Admits everybody."""


@dataclass(slots=True)
class TokenFile:
    """A file with one token a line, read again when it changes, so that tokens rotate without a restart."""

    path: Path
    _seen: tuple[int, int, int] = (0, 0, 0)
    _tokens: tuple[bytes, ...] = field(default=())

    def admit(self, authorization: str | None) -> None:
        """Raises: No, `invalid` with status 401."""
        token = bearer_token(authorization).encode()
        # All lines are compared, in constant time each, so that the time tells nothing.
        if not sum(hmac.compare_digest(token, known) for known in self._read()):
            raise No("invalid", "The token is not one of those in the token file.", code=401)

    def _read(self) -> tuple[bytes, ...]:
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                lines = self.path.read_bytes().splitlines()
                self._tokens = tuple(line.strip() for line in lines if line.strip())
                self._seen = seen
        except OSError:
            return ()  # a file that is gone admits nobody
        return self._tokens

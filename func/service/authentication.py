"""Who may send events: bearer tokens from a file, or tokens that the Kubernetes API vouches for."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from func.core.reasons import Rejection
from func.kube.client import TokenReviews
from func.kube.deadline import Budget

AUDIENCE = "taskgate"
_VALID_SECONDS = 60.0  # for which a token is not asked about again: one API call a minute instead of one an event
_REMEMBERED = 1000  # tokens


Inquiry = Callable[[Budget], None]
"""A question to somebody else, which takes its time.

Raises: Rejection, `invalid` with status 401; `unavailable` or `forbidden`, when there is no answer.
"""


class Gatekeeper(Protocol):
    """Decides from the Authorization header alone, before the body is read."""

    def admit(self, authorization: str | None) -> Inquiry | None:
        """Let the sender in; returns at once.

        Returns: what has to be asked before; None when nothing has.
        Raises: Rejection, with status 401.
        """


def bearer_token(authorization: str | None) -> str:
    """`Bearer abc` -> `abc`.

    Raises: Rejection, with status 401, when there is no such token.
    """
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Rejection("no-token")
    return token


@dataclass(slots=True)
class ServiceAccounts:
    """Tokens that the Kubernetes API vouches for, such as those that Knative Eventing sends.

    A workload of any namespace can get itself a token for our audience, so in a cluster only service accounts of the
    function's own namespace are admitted: there Knative makes those of its Triggers.

    Source: https://knative.dev/docs/eventing/features/sender-identity/

    Args:
        namespace: of this pod; None outside of a cluster, where every valid token will do.
    """

    reviews: TokenReviews
    namespace: str | None
    _known: dict[bytes, float] = field(default_factory=dict)

    def admit(self, authorization: str | None) -> Inquiry | None:
        """Let the sender in, once a minute by asking the API."""
        token = bearer_token(authorization)
        digest = hashlib.sha256(token.encode()).digest()
        if self._known.get(digest, 0.0) > time.monotonic():
            return None
        return lambda budget: self._ask(token, digest, budget)

    def _ask(self, token: str, digest: bytes, budget: Budget) -> None:
        now = time.monotonic()
        username = self.reviews.username(token, AUDIENCE, budget)
        if username is None:
            raise Rejection("invalid-token", audience=AUDIENCE)
        if self.namespace and not username.startswith(f"system:serviceaccount:{self.namespace}:"):
            raise Rejection("sender-not-allowed", sender=username, namespace=self.namespace)
        self._remember(digest, now)

    def _remember(self, digest: bytes, now: float) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[digest] = now + _VALID_SECONDS


class Anyone:
    """No authentication: whoever reaches the port may send."""

    def admit(self, authorization: str | None) -> None:
        """Let everybody in."""


@dataclass(slots=True)
class TokenFile:
    """A file with one token a line, read again when it changes, so that tokens rotate without a restart."""

    path: Path
    _seen: tuple[int, int, int] = (0, 0, 0)
    _tokens: tuple[bytes, ...] = field(default=())

    def admit(self, authorization: str | None) -> None:
        """Let in whoever has one of the tokens."""
        token = bearer_token(authorization).encode()
        # All lines are compared, in constant time each, so that the time tells nothing.
        if not sum(hmac.compare_digest(token, known) for known in self._read()):
            raise Rejection("unknown-token")

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

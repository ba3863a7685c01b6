"""Who may send events: bearer tokens from a file, or tokens that the Kubernetes API reviews."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from func.core.reasons import Rejection, Verdict
from func.kube.deadline import Deadline
from func.kube.token_reviews import TokenReviews
from func.redaction import protect

AUDIENCE = "taskgate"
_VALID_SECONDS = 60.0  # before a valid token is reviewed again: one API call a minute, not one for each event
_REFUSED_SECONDS = 5.0  # the same for an invalid token, which may become valid soon
_REMEMBERED = 1000  # tokens of each kind
_AT_ONCE = 4  # reviews in progress
T = TypeVar("T")


Inquiry = Callable[[Deadline], None]
"""A request to the Kubernetes API, to be made in a thread before the body is read.

Raises Rejection: `invalid` with status 401, or `unavailable` or `forbidden` when the API does not answer.
"""


class Authenticator(Protocol):
    """Decides from the Authorization header alone, before the body is read."""

    def admit(self, authorization: str | None) -> Inquiry | None:
        """Admit the sender, without waiting.

        Returns:
            What has to be asked first; None when nothing has.

        Raises:
            Rejection: with status 401.
        """


def bearer_token(authorization: str | None) -> str:
    """Return the token of `Bearer <token>`.

    Raises:
        Rejection: `no-token`.
    """
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip(" \t")
    if scheme.lower() != "bearer" or not token:
        raise Rejection("no-token")
    return token


class ServiceAccounts:
    """Admits tokens that the Kubernetes API accepts, such as those that Knative Eventing sends.

    A workload of any namespace can request a token for our audience, so in a cluster only service accounts of the
    function's own namespace are admitted: Knative creates those of its Triggers there.

    Answers of the API are cached for a while. Few reviews are in progress at once, one for each token, so that senders
    without a valid token can neither load the API nor occupy all threads.

    Source: https://knative.dev/docs/eventing/features/sender-identity/

    Args:
        namespace: of this pod; None outside a cluster, where every valid token is admitted.
    """

    def __init__(self, reviews: TokenReviews, namespace: str | None) -> None:
        self._reviews = reviews
        self._namespace = namespace
        self._valid: dict[bytes, float] = {}  # by a token's digest, until when
        self._refused: dict[bytes, tuple[float, Verdict]] = {}  # and why
        self._asked: dict[bytes, Future[Verdict | None]] = {}  # reviews in progress
        self._lock = threading.Lock()

    def admit(self, authorization: str | None) -> Inquiry | None:
        """Admit the sender; once a minute only after a review by the API."""
        token = bearer_token(authorization)
        digest, now = hashlib.sha256(token.encode()).digest(), time.monotonic()
        if self._valid.get(digest, 0.0) > now:
            return None
        until, refused = self._refused.get(digest, (0.0, None))
        if refused is not None and until > now:
            raise Rejection.because(refused)
        if digest not in self._asked and len(self._asked) >= _AT_ONCE:
            raise _too_many()  # here, before it takes a thread
        return lambda deadline: self._ask(token, digest, deadline)

    def _ask(self, token: str, digest: bytes, deadline: Deadline) -> None:
        with self._lock:
            answer = self._asked.get(digest)
            is_first = answer is None
            if answer is None:
                if len(self._asked) >= _AT_ONCE:
                    raise _too_many()
                answer = self._asked[digest] = Future()
        if is_first:
            try:
                answer.set_result(self._why_not(token, digest, deadline))
            except BaseException as error:
                answer.set_exception(error)
                raise
            finally:
                del self._asked[digest]
        try:
            why = answer.result(max(0.0, deadline.left()))
        except FutureTimeoutError:
            raise _too_many() from None
        if why is not None:
            raise Rejection.because(why)

    def _why_not(self, token: str, digest: bytes, deadline: Deadline) -> Verdict | None:
        """Ask the API and cache its answer: why the sender may not send, or None."""
        now = time.monotonic()
        username = self._reviews.username(token, AUDIENCE, deadline)
        why: Verdict | None = None
        if username is None:
            why = Verdict.of("invalid-token", audience=AUDIENCE)
        elif self._namespace and not username.startswith(f"system:serviceaccount:{self._namespace}:"):
            why = Verdict.of("sender-not-allowed", sender=username, namespace=self._namespace)
        if why is None:
            _remember(self._valid, digest, now + _VALID_SECONDS)
        else:
            _remember(self._refused, digest, (now + _REFUSED_SECONDS, why))
        return why


def _too_many() -> Rejection:
    return Rejection("busy", retry_after=1, detail="Other tokens are being checked with the Kubernetes API; try again.")


def _remember(known: dict[bytes, T], digest: bytes, what: T) -> None:
    """Add an entry, and drop the oldest beyond the limit."""
    known.pop(digest, None)
    known[digest] = what
    while len(known) > _REMEMBERED:
        with suppress(KeyError):  # another thread was first
            del known[next(iter(known))]


class Anyone:
    """Admits everybody who reaches the port."""

    def admit(self, authorization: str | None) -> None:
        """Admit the sender."""


@dataclass(slots=True)
class SenderTokens:
    """Admits the tokens of a file, one a line, which is read again when it changes."""

    path: Path
    _seen: tuple[int, int, int] = (0, 0, 0)
    _tokens: tuple[bytes, ...] = field(default=())

    def admit(self, authorization: str | None) -> None:
        """Admit a sender that has one of the tokens."""
        token = bearer_token(authorization).encode("latin-1")  # the bytes of the header, as those of the file
        # All lines are compared, each in constant time, so that the time reveals nothing.
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
                for token in self._tokens:
                    protect(token.decode("latin-1"))
        except OSError:
            return ()  # a file that is gone admits nobody
        return self._tokens

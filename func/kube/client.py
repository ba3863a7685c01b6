"""The one module that talks to Kubernetes.

Each call has a timeout within the budget of its event; reads are tried again, writes are not: what came of a
write that got no answer is found out by reading.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote, urlencode

from func.core.patches import Operation, encode
from func.core.reasons import Rejection

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager, Timeout

# A test of a JSON Patch that failed; the API gives it no other mark (a policy's no has words of its own).
_TEST_FAILED = "the server rejected our request due to an error in our request"
_PIECE = 1 << 16  # bytes
_LOOK_SECONDS = 1.0
_WATCH_SECONDS = 300
_SILENCE_SECONDS = 90.0  # a bookmark comes each minute; without one the connection may be dead
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class KubernetesError(Rejection):
    """The API did not do what was asked: an answer for the sender too."""

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        super().__init__("api-unavailable", retry_after=retry_after, detail=reason)


class NotFound(KubernetesError):
    """There is no such object."""


class LostRace(KubernetesError):
    """Somebody else changed the object first: read it again."""


class Unsure(KubernetesError):
    """A write got no answer: read the object to see whether it was done."""


class Expired(KubernetesError):
    """The API has forgotten what was asked for: list again."""


class Unavailable(KubernetesError):
    """The API does not answer, or refuses for load."""


class Forbidden(Rejection):
    """The API says no for good, or to whoever we are."""

    def __init__(self, reason: str) -> None:
        super().__init__("api-forbidden", detail=reason)


class ApiCall(NamedTuple):
    """One call, for those who watch.

    Args:
        route: the path with names in braces, never a name.
        started: on `time.perf_counter`, in seconds.
        result: the HTTP status; or `timeout`, or `no-answer`.
    """

    api: Literal["kubernetes", "argo"]
    method: str
    route: str
    started: float
    seconds: float
    result: str


@dataclass(slots=True)
class Budget:
    """The time that one event may take, and the calls that it took.

    Args:
        deadline: on the monotonic clock, in seconds.
        made: the calls that have come to their end.
    """

    deadline: float
    calls: int = 0
    made: list[ApiCall] = field(default_factory=list)

    @classmethod
    def of(cls, seconds: float) -> Budget:
        """A budget that starts now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds."""
        return self.deadline - time.monotonic()

    def take(self, seconds: float) -> float:
        """One call more, which may take that long at most.

        Returns: seconds.
        Raises: Unavailable, when none are left.
        """
        timeout = min(seconds, self.left())
        if timeout <= 0:
            raise Unavailable("The time for this event is used up.")
        self.calls += 1
        return timeout

    def note(self, api: Literal["kubernetes", "argo"], method: str, route: str, started: float, result: str) -> None:
        """A call has come to its end.

        Args: as in ApiCall.
        """
        self.made.append(ApiCall(api, method, route, started, time.perf_counter() - started, result))


@dataclass(slots=True)
class Api:
    """One API server.

    Args:
        pool: sends a request; of the Kubernetes client, with its certificates.
        base: what comes before each path.
        headers: of each request, with what says who we are.
        call_timeout: seconds for one call.
    """

    pool: HTTPConnectionPool | PoolManager
    base: str
    headers: Callable[[], dict[str, str]]
    call_timeout: float = 2.0
    pause: Callable[[float], None] = field(default=time.sleep)

    def call(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        query: list[tuple[str, str]],
        headers: dict[str, str],
        budget: Budget,
        body: bytes | None = None,
        seconds: float | None = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """One request: its status, body and headers, whatever they are.

        Args:
            path: with names in braces, which are filled in escaped.
            seconds: that it may take; by default what any call may.

        Raises: Unavailable, when the budget is used up; _NoAnswer.
        """
        import urllib3

        timeout = budget.take(seconds or self.call_timeout)
        deadline = time.monotonic() + timeout
        started, result = time.perf_counter(), "no-answer"
        try:
            response = self._send(method, path, names, query, headers, urllib3.Timeout(total=timeout), body)
            content = read_within(deadline, response)
            result = str(response.status)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            result = kind_of(error)
            raise _NoAnswer(cause_of(error)) from None
        finally:
            budget.note("kubernetes", method, path, started, result)
        return response.status, content, response.headers

    def watch(self, path: str, names: Mapping[str, str], query: list[tuple[str, str]], silence: float) -> Watch:
        """A GET whose answer comes bit by bit: for people's commands, never for an event.

        Args:
            silence: seconds after which nothing more is expected.

        Raises: NotFound, Expired, Forbidden, Unavailable.
        """
        import urllib3

        deadline = time.monotonic() + self.call_timeout
        timeout = urllib3.Timeout(connect=self.call_timeout, read=silence)
        try:
            response = self._send("GET", path, names, query, {"Accept": "application/json"}, timeout, None)
            if response.status != 200:
                _check(response.status, read_within(deadline, response), response.headers, writes=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"The Kubernetes API does not answer: {cause_of(error)}.") from None
        return Watch(response)

    def _send(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        query: list[tuple[str, str]],
        headers: dict[str, str],
        timeout: Timeout,
        body: bytes | None,
    ) -> BaseHTTPResponse:
        url = self.base + path.format_map({name: quote(value, safe="") for name, value in names.items()})
        if query:
            url = f"{url}?{urlencode(query, quote_via=quote)}"
        sent = self.headers() | headers
        # A redirect would carry our token elsewhere.
        return self.pool.urlopen(
            method, url, body=body, headers=sent, timeout=timeout, redirect=False, preload_content=False
        )


@dataclass(slots=True)
class Watch:
    """Changes as they come.

    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
    """

    response: BaseHTTPResponse

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Type and object of each event, until the API ends it, is silent, or `close` is called.

        Raises: Expired, Forbidden, Unavailable.
        """
        import urllib3

        rest = b""
        try:
            while piece := self.response.read1(_PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield _event(line)
        except urllib3.exceptions.ReadTimeoutError:
            return
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"The connection to the Kubernetes API is lost: {cause_of(error)}.") from None
        finally:
            self.response.close()

    def close(self) -> None:
        """End it, from any thread."""
        with suppress(OSError, RuntimeError, ValueError):  # it has ended already
            self.response.shutdown()


@dataclass(slots=True)
class TokenReviews:
    """Asks the API server whose a token is.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
    """

    api: Api

    def username(self, token: str, audience: str, budget: Budget) -> str | None:
        """The user whom this token belongs to; None when it is not valid for this audience.

        Raises: Forbidden, Unavailable.
        """
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            answer = self.api.call("POST", _TOKEN_REVIEWS, {}, [], headers, budget, json.dumps(review).encode())
            status = _parse(*answer).get("status")
        except _NoAnswer as error:
            raise Unavailable(f"The Kubernetes API does not answer: {error}.") from None
        if not isinstance(status, dict) or status.get("authenticated") is not True:
            return None
        if audience not in (status.get("audiences") or ()):
            return None  # an API server that does not know audiences says nothing about whom the token is for
        user = status.get("user")
        name = user.get("username") if isinstance(user, dict) else None
        return name if isinstance(name, str) else None


@dataclass(slots=True)
class Workflows:
    """The Workflows of one namespace."""

    api: Api
    namespace: str

    def get(self, name: str, budget: Budget) -> dict[str, Any]:
        """The whole Workflow.

        Raises: NotFound, Forbidden, Unavailable.
        """
        return self._read(f"{_WORKFLOWS}/{{name}}", {"name": name}, [], "application/json", budget)

    def list_metadata(self, selector: str, budget: Budget) -> list[dict[str, Any]]:
        """The metadata of all Workflows with these labels.

        Raises: Forbidden, Unavailable.
        """
        try:
            answer = self._read(_WORKFLOWS, {}, [("labelSelector", selector)], _METADATA_LIST, budget)
        except NotFound as error:  # a list of none is no 404
            raise Forbidden(
                f"The Kubernetes API knows no Workflows, is Argo Workflows installed? It says: {error}"
            ) from None
        items = answer.get("items")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    def list_all(self, selector: str, seconds: float = 30.0, page: int = 100) -> Iterator[dict[str, Any]]:
        """All Workflows with these labels, whole, a page at a time: for people's commands, never for an event.

        Args:
            seconds: for each page.
            page: how many Workflows it has at most.

        Raises: Expired, Forbidden, Unavailable.
        """
        for items, _ in self.list_pages(selector, seconds, page):
            yield from items

    def list_pages(
        self, selector: str, seconds: float = 30.0, page: int = 100
    ) -> Iterator[tuple[list[dict[str, Any]], str]]:
        """The same, each page with the version of the whole list, from which a watch can go on."""
        more = ""
        while True:
            query = [("labelSelector", selector), ("limit", str(page)), *([("continue", more)] if more else [])]
            answer = self._read(_WORKFLOWS, {}, query, "application/json", Budget.of(seconds))
            items, metadata = answer.get("items"), answer.get("metadata")
            metadata = metadata if isinstance(metadata, dict) else {}
            found = [item for item in (items if isinstance(items, list) else []) if isinstance(item, dict)]
            yield found, str(metadata.get("resourceVersion") or "")
            more = str(metadata.get("continue") or "")
            if not more:
                return

    def watch(self, selector: str, version: str) -> Watch:
        """What happens to the Workflows with these labels after a version of their list.

        Raises: NotFound, Expired, Forbidden, Unavailable.
        """
        query = [
            ("labelSelector", selector),
            ("watch", "true"),
            ("resourceVersion", version),
            ("allowWatchBookmarks", "true"),  # so that the version does not grow old where nothing happens
            ("timeoutSeconds", str(_WATCH_SECONDS)),
        ]
        return self.api.watch(_WORKFLOWS, {"namespace": self.namespace}, query, _SILENCE_SECONDS)

    def patch(self, name: str, operations: list[Operation], budget: Budget) -> None:
        """Write a JSON Patch; only metadata comes back, as a Workflow can be large.

        Raises: NotFound, LostRace, Unsure, Forbidden, Unavailable.
        """
        headers = {"Content-Type": "application/json-patch+json", "Accept": _METADATA}
        try:
            names = {"namespace": self.namespace, "name": name}
            # All the time that is left, but for a look at what came of it: a large Workflow takes a busy server long.
            seconds = max(self.api.call_timeout, budget.left() - _LOOK_SECONDS)
            status, body, answer_headers = self.api.call(
                "PATCH", f"{_WORKFLOWS}/{{name}}", names, [], headers, budget, encode(operations), seconds
            )
        except _NoAnswer as error:
            raise Unsure(f"The write got no answer: {error}.") from None
        if status >= 500:
            raise Unsure(f"The Kubernetes API answered the write with {status}.")
        _check(status, body, answer_headers, writes=True)
        try:
            _object(body)
        except _NoAnswer as error:  # a success that the API did not tell
            raise Unsure(f"The write got no answer: {error}.") from None

    def _read(
        self, path: str, names: Mapping[str, str], query: list[tuple[str, str]], accept: str, budget: Budget
    ) -> dict[str, Any]:
        """GET, tried again with jitter while the budget lasts."""
        for attempt in range(3):
            try:
                where = {"namespace": self.namespace, **names}
                answer = self.api.call("GET", path, where, query, {"Accept": accept}, budget)
                return _parse(*answer)
            except (_NoAnswer, Unavailable) as error:
                after = error.retry_after
                wait = after or random.uniform(0.05, 0.15) * 2**attempt  # noqa: S311 - no secret
                if attempt == 2 or wait > budget.left():
                    if isinstance(error, Unavailable):
                        raise
                    raise Unavailable(f"The Kubernetes API does not answer: {error}.", after) from None
                self.api.pause(wait)
        raise AssertionError("unreachable")  # pragma: no cover


def read_within(deadline: float, response: BaseHTTPResponse) -> bytes:
    """The body of a response of urllib3, whose own timeout is for each piece of it.

    Args:
        deadline: for all of it, on the monotonic clock.

    Raises: TimeoutError; HTTPError, when the connection ends before the body does.
    """
    body = bytearray()
    while chunk := response.read1(_PIECE):
        body += chunk
        if time.monotonic() > deadline:
            response.close()
            raise TimeoutError("the answer comes too slowly")
    return bytes(body)


class _NoAnswer(KubernetesError):
    """The connection could not be made, was cut, or was silent for too long."""


def cause_of(error: Exception) -> str:
    """The cause of a network error, without the object addresses and the fractions of seconds of urllib3."""
    if kind_of(error) == "timeout":
        return "it takes too long"
    cause = getattr(error, "reason", None) or error
    return f"{type(cause).__name__}: {' '.join(str(cause).split(': ', 1)[-1].split())[:200]}"


def kind_of(error: Exception) -> str:
    """A network error -> the result of its call."""
    # Of urllib3's, those that are no TimeoutError have the word in their name.
    return "timeout" if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__ else "no-answer"


def _event(line: bytes) -> tuple[str, dict[str, Any]]:
    """One line of a watch.

    Raises: Expired, Forbidden, Unavailable, when it says that something is wrong.
    """
    try:
        event = _object(line)
    except _NoAnswer:
        raise Unavailable("The Kubernetes API sent something that is no event.") from None
    kind, found = event.get("type"), event.get("object")
    if not isinstance(kind, str) or not isinstance(found, dict):
        raise Unavailable("The Kubernetes API sent something that is no event.")
    if kind == "ERROR":
        code = found.get("code")
        _check(code if isinstance(code, int) and code >= 400 else 500, json.dumps(found).encode(), {}, writes=False)
    return kind, found


def _parse(status: int, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    _check(status, body, headers, writes=False)
    return _object(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise _NoAnswer("it sent half an answer") from None
    if not isinstance(answer, dict):
        raise _NoAnswer("it answered with no object")
    return answer


def _check(status: int, body: bytes, headers: Mapping[str, str], *, writes: bool) -> None:
    """Each status that is no success -> its exception."""
    if status < 300:
        return
    words = sentence(words_of(body) or f"status {status}")
    if status == 404:
        raise NotFound(words)
    if status == 410 and not writes:
        raise Expired(words)
    if writes and (status == 409 or (status == 422 and _TEST_FAILED in words)):
        raise LostRace(words)
    if status in _TRANSIENT:
        after = headers.get("Retry-After", "")
        raise Unavailable(f"The Kubernetes API says {status}: {words}", int(after) if after.isdecimal() else None)
    if status == 401:
        raise Forbidden(f"The Kubernetes API does not accept our token: {words}")
    raise Forbidden(f"The Kubernetes API refuses it: {words}")


def sentence(words: str) -> str:
    """The words of a server, with a full stop."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


def words_of(body: bytes) -> str:
    """The message of a Status object, in one line."""
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    message = status.get("message") if isinstance(status, dict) else None
    return " ".join(message.split())[:500] if isinstance(message, str) else ""

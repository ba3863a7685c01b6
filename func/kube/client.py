"""The client for the Kubernetes API.

Each call has a timeout that ends by the deadline of its event. Reads are retried. Writes are not: after a write without
an answer, the caller reads the object to learn whether it was done.
"""

from __future__ import annotations

import json
import random
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from func.core.patches import Operation, encode
from func.kube.deadline import Deadline
from func.kube.errors import (
    Expired,
    Forbidden,
    LostRace,
    MissingPermission,
    NoAnswer,
    NotFound,
    NotRenewed,
    Unauthenticated,
    Unavailable,
    Unsure,
    cause_of,
    is_timeout,
)
from func.kube.lasting_writes import LastingWrites, Reply, Send

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager, Timeout

    from func.kube.credentials import Credential

# The message of a failed `test` in a JSON Patch, which nothing else marks; a policy's refusal has other words.
_TEST_FAILED = "the server rejected our request due to an error in our request"
# Source: forbiddenMessage in endpoints/handlers/responsewriters/errors.go of k8s.io/apiserver
_RBAC = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)'
)
_ANONYMOUS = "system:anonymous"
_CONNECT_SECONDS = 1.5  # usually milliseconds; a name can have several addresses
_LARGE = 1 << 16  # bytes of a Workflow whose write can take longer than an event may
_READ_BACK_SECONDS = 1.0  # kept after a write, to read what became of it
_SEND_SECONDS = 0.2  # kept after a read, to send a write
_PIECE = 1 << 16  # bytes
_WATCH_SECONDS = 300
_SILENCE_SECONDS = 90.0  # a bookmark comes each minute; without one the connection may be dead
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


@dataclass(slots=True)
class Api:
    """One API server.

    Args:
        pool: of connections, with the TLS settings of the Kubernetes client.
        base: the URL before each path.
        credential: for each request.
        where: address and context, for messages.
        context: of the kubeconfig; None in a pod.
        call_timeout: seconds for one call.
    """

    pool: HTTPConnectionPool | PoolManager
    base: str
    credential: Credential
    where: str
    context: str | None = None
    call_timeout: float = 2.0
    pause: Callable[[float], None] = field(default=time.sleep)

    def call(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        query: list[tuple[str, str]],
        headers: dict[str, str],
        deadline: Deadline,
        body: bytes | None = None,
        seconds: float | None = None,
        *,
        through: Callable[[Send, float], Reply] | None = None,
    ) -> Reply:
        """Return status, body and headers of one request, whatever the status is.

        Args:
            method: of HTTP.
            path: with names in braces.
            names: the values for the braces, which are escaped.
            query: of the URL.
            headers: of the request, besides the credential.
            deadline: of the event.
            body: of the request.
            seconds: that it may take; by default `call_timeout`.
            through: sends it from another thread.

        Raises:
            Unavailable: no time is left, or there is no credential right now.
            Unauthenticated: there is no credential.
            NoAnswer: the server does not answer in time.
        """
        from urllib3.exceptions import HTTPError

        until = time.monotonic() + deadline.timeout(seconds or self.call_timeout)
        url = self._url(path, names, query)
        started, result, size = time.perf_counter(), "no-answer", 0
        try:
            for may_be_renewed in (True, False):
                credential = self.credential.headers(until - time.monotonic())
                sent = {"User-Agent": "taskgate", **credential, **headers}
                send = partial(self._send, method, url, sent, body)
                reply = through(send, until) if through else send(until)
                # A server that answers 401 did nothing, so the request can be sent again with a new credential.
                if reply[0] != 401 or not may_be_renewed or not self.credential.reject(credential):
                    break
            result, size = str(reply[0]), len(reply[1])
        except (HTTPError, OSError) as error:
            result = "timeout" if is_timeout(error) else "no-answer"
            raise NoAnswer(f"The Kubernetes API does not answer: {cause_of(error)} ({self.where}).") from None
        finally:
            deadline.log.note("kubernetes", method, path, started, result, size)
        return reply

    def watch(self, path: str, names: Mapping[str, str], query: list[tuple[str, str]], silence: float) -> Watch:
        """Return the changes that a GET streams: for people's commands, never for an event.

        Args:
            path: as in `call`.
            names: likewise.
            query: likewise.
            silence: seconds without data after which the stream ends.

        Raises:
            ApiError: Expired, Forbidden, NotFound or Unavailable.
        """
        import urllib3

        timeout = urllib3.Timeout(connect=self.call_timeout, read=silence)
        sent = {"User-Agent": "taskgate", **self.credential.headers(self.call_timeout), "Accept": "application/json"}
        try:
            response = self._request("GET", self._url(path, names, query), sent, None, timeout, preload_content=False)
            if response.status != 200:
                if response.status == 401:
                    self.credential.reject(sent)  # for the next call
                self.check(response.status, response.read(), response.headers, writes=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"The Kubernetes API does not answer: {cause_of(error)} ({self.where}).") from None
        return Watch(self, response)

    def check(self, status: int, body: bytes, headers: Mapping[str, str], *, writes: bool) -> None:
        """Raise the exception of a status that is not a success."""
        if status < 300:
            return
        words = words_of(body) or f"status {status}"
        here = f"{words.rstrip('.')} ({self.where})."
        if status == 404:
            raise NotFound(sentence(words))
        if status == 410 and not writes:
            raise Expired(sentence(words))
        if writes and (status == 409 or (status == 422 and _TEST_FAILED in words)):
            raise LostRace(sentence(words))
        if status in _TRANSIENT:
            after = headers.get("Retry-After", "")
            seconds = int(after) if after.isdecimal() and len(after) < 4 else None
            raise Unavailable(f"The Kubernetes API says {status}: {here}", seconds)
        missing = _RBAC.search(words) if status == 403 else None
        # Without a credential a request is that of `system:anonymous`, to whom nobody should grant a permission.
        if status == 401 or (missing and missing["user"] == _ANONYMOUS):
            raise Unauthenticated(self._words_for_unauthorized(here))
        if missing:
            raise MissingPermission(self._words_for_missing(missing))
        raise Forbidden(f"The Kubernetes API refuses it: {here}")

    def _words_for_unauthorized(self, words: str) -> str:
        source = self.credential.source
        if not source:
            return f"The Kubernetes API requires a credential, and there is none: {words}"
        return f"The Kubernetes API does not accept our credential ({source}): {words}"

    def _words_for_missing(self, missing: re.Match[str]) -> str:
        """Return which permission is missing, and the command that grants it."""
        user, verb, namespace = (missing[name] for name in ("user", "verb", "namespace"))
        resource = f"{missing['resource']}.{missing['group']}" if missing["group"] else missing["resource"]
        name = f"taskgate-{verb}-{missing['resource'].replace('/', '-')}"
        account = re.fullmatch(r"system:serviceaccount:([^:]+):([^:]+)", user)
        subject = f"--serviceaccount={account[1]}:{account[2]}" if account else f"--user={user}"
        kubectl = ["kubectl", *(["--context", self.context] if self.context else [])]
        kind = "role" if namespace else "clusterrole"
        within = ["--namespace", namespace] if namespace else []
        role = [*kubectl, "create", kind, name, f"--verb={verb}", f"--resource={resource}", *within]
        binding = [*kubectl, "create", f"{kind}binding", name, f"--{kind}={name}", subject, *within]
        where = f"in namespace {namespace}" if namespace else "in the whole cluster"
        return (
            f"The permission to {verb} {resource} {where} is missing: {user} has no such right ({self.where}). "
            # The overlay grants permissions, and an emergency stop revokes them, which nobody should undo by a paste.
            f"Unless somebody took it away on purpose, apply your overlay again, or grant it alone with: "
            f"{shlex.join(role)} && {shlex.join(binding)} ."
        )

    def _url(self, path: str, names: Mapping[str, str], query: list[tuple[str, str]]) -> str:
        url = self.base + path.format_map({name: quote(value, safe="") for name, value in names.items()})
        return f"{url}?{urlencode(query, quote_via=quote)}" if query else url

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None, until: float) -> Reply:
        """Send one request, whose whole answer must have come by `until`, on the monotonic clock."""
        import urllib3

        from func.kube.sockets import answered_by

        left = max(0.001, until - time.monotonic())
        timeout = urllib3.Timeout(total=left, connect=min(left, _CONNECT_SECONDS))
        with answered_by(until):
            response = self._request(method, url, headers, body, timeout)
        return response.status, response.data, response.headers

    def _request(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout: Timeout,
        *,
        preload_content: bool = True,
    ) -> BaseHTTPResponse:
        # A redirect would send our token elsewhere.
        return self.pool.urlopen(
            method, url, body=body, headers=headers, timeout=timeout, redirect=False, preload_content=preload_content
        )


@dataclass(slots=True)
class Watch:
    """A stream of changes.

    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
    """

    api: Api
    response: BaseHTTPResponse

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield type and object of each change, until the API ends the stream, is silent, or `close` is called.

        Raises:
            ApiError: Expired, Forbidden or Unavailable.
        """
        import urllib3

        rest = b""
        try:
            while piece := self.response.read1(_PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield self._event(line)
        except urllib3.exceptions.ReadTimeoutError:
            return
        except (urllib3.exceptions.HTTPError, OSError) as error:
            lost = f"The connection to the Kubernetes API is lost: {cause_of(error)} ({self.api.where})."
            raise Unavailable(lost) from None
        finally:
            self.response.close()

    def _event(self, line: bytes) -> tuple[str, dict[str, Any]]:
        """Return type and object of one line.

        Raises:
            ApiError: Expired, Forbidden or Unavailable, when the line is an error.
        """
        event = _object(line)
        kind, found = event.get("type"), event.get("object")
        if not isinstance(kind, str) or not isinstance(found, dict):
            raise Unavailable("The Kubernetes API sent a line that is not a change.")
        if kind == "ERROR":
            code = found.get("code")
            status = code if isinstance(code, int) and code >= 400 else 500
            self.api.check(status, json.dumps(found).encode(), {}, writes=False)
        return kind, found

    def close(self) -> None:
        """End the stream, from any thread."""
        with suppress(OSError, RuntimeError, ValueError):  # it has ended already
            self.response.shutdown()


@dataclass(slots=True)
class TokenReviews:
    """Asks the API server whom a token belongs to.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
    """

    api: Api

    def username(self, token: str, audience: str, deadline: Deadline) -> str | None:
        """Return the user of a token; None when it is not valid for this audience.

        Raises:
            ApiError: Forbidden or Unavailable.
        """
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        reply = self.api.call("POST", _TOKEN_REVIEWS, {}, [], headers, deadline, json.dumps(review).encode())
        status = _parse(self.api, reply).get("status")
        if not isinstance(status, dict) or status.get("authenticated") is not True:
            return None
        if audience not in (status.get("audiences") or ()):
            return None  # an API server that does not support audiences did not check this one
        user = status.get("user")
        name = user.get("username") if isinstance(user, dict) else None
        return name if isinstance(name, str) else None


@dataclass(slots=True)
class Workflows:
    """The Workflows of one namespace."""

    api: Api
    namespace: str
    lasting: LastingWrites = field(default_factory=LastingWrites)

    def get(self, name: str, deadline: Deadline) -> dict[str, Any]:
        """Return a whole Workflow.

        Raises:
            ApiError: Forbidden, NotFound or Unavailable.
        """
        self._has_awaited_earlier_write(name, deadline)
        return self._read(f"{_WORKFLOWS}/{{name}}", {"name": name}, [], "application/json", deadline)

    def list_metadata(self, selector: str, deadline: Deadline) -> list[dict[str, Any]]:
        """Return the metadata of all Workflows with these labels.

        Raises:
            ApiError: Forbidden or Unavailable.
        """
        try:
            answer = self._read(_WORKFLOWS, {}, [("labelSelector", selector)], _METADATA_LIST, deadline)
        except NotFound as error:  # an empty list is not a 404
            raise Forbidden(
                f"The Kubernetes API does not know Workflows. Is Argo Workflows installed? It answered: {error}"
            ) from None
        items = answer.get("items")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    def list_all(self, selector: str, seconds: float = 30.0, page: int = 100) -> Iterator[dict[str, Any]]:
        """Yield all Workflows with these labels, whole: for people's commands, never for an event.

        Args:
            selector: of the labels.
            seconds: for each page.
            page: how many Workflows it has at most.

        Raises:
            ApiError: Expired, Forbidden or Unavailable.
        """
        for items, _ in self.list_pages(selector, seconds, page):
            yield from items

    def list_pages(
        self, selector: str, seconds: float = 30.0, page: int = 100
    ) -> Iterator[tuple[list[dict[str, Any]], str]]:
        """Yield the same in pages, each with the version of the list, from which a watch can continue."""
        more = ""
        while True:
            query = [("labelSelector", selector), ("limit", str(page)), *([("continue", more)] if more else [])]
            answer = self._read(_WORKFLOWS, {}, query, "application/json", Deadline.after(seconds))
            items, metadata = answer.get("items"), answer.get("metadata")
            metadata = metadata if isinstance(metadata, dict) else {}
            found = [item for item in (items if isinstance(items, list) else []) if isinstance(item, dict)]
            yield found, str(metadata.get("resourceVersion") or "")
            more = str(metadata.get("continue") or "")
            if not more:
                return

    def watch(self, selector: str, version: str) -> Watch:
        """Return the changes of Workflows with these labels since a version of their list.

        Raises:
            ApiError: Expired, Forbidden, NotFound or Unavailable.
        """
        query = [
            ("labelSelector", selector),
            ("watch", "true"),
            ("resourceVersion", version),
            ("allowWatchBookmarks", "true"),  # so that the version does not expire where nothing changes
            ("timeoutSeconds", str(_WATCH_SECONDS)),
        ]
        return self.api.watch(_WORKFLOWS, {"namespace": self.namespace}, query, _SILENCE_SECONDS)

    def patch(self, name: str, operations: list[Operation], deadline: Deadline) -> None:
        """Write a JSON Patch. The answer has only metadata, because a Workflow can be large.

        Raises:
            LostRace: another writer was faster.
            Unsure: there was no answer.
            ApiError: Forbidden, NotFound or Unavailable.
        """
        headers = {"Content-Type": "application/json-patch+json", "Accept": _METADATA}
        names = {"namespace": self.namespace, "name": name}
        if self._has_awaited_earlier_write(name, deadline):
            raise LostRace(f"An earlier write to Workflow {name} has just ended.")
        path, content = f"{_WORKFLOWS}/{{name}}", encode(operations)
        # A busy server takes long to write a large Workflow, so that write gets all the time that is left.
        is_large = any(call.size >= _LARGE for call in deadline.log.calls)
        through = partial(self.lasting.send, name) if is_large else None
        seconds = deadline.left() if is_large else max(self.api.call_timeout, deadline.left() - _READ_BACK_SECONDS)
        try:
            status, body, answer_headers = self.api.call(
                "PATCH", path, names, [], headers, deadline, content, seconds, through=through
            )
        except NoAnswer as error:
            raise Unsure(error.reason) from None
        if status >= 500:
            raise Unsure(f"The Kubernetes API answered the write with {status}.")
        self.api.check(status, body, answer_headers, writes=True)
        try:
            _object(body)
        except NoAnswer as error:  # a success whose answer was cut short
            raise Unsure(error.reason) from None

    def _has_awaited_earlier_write(self, name: str, deadline: Deadline) -> bool:
        """Return whether a write of an earlier event was in progress; it has ended now."""
        ended = self.lasting.wait(name, deadline.at)
        if ended is False:
            raise Unavailable(f"An earlier write to Workflow {name} is still in progress; try again.", 1)
        return bool(ended)

    def _read(
        self, path: str, names: Mapping[str, str], query: list[tuple[str, str]], accept: str, deadline: Deadline
    ) -> dict[str, Any]:
        """Return the JSON object of a GET, which is retried with jitter while time is left."""
        seconds = self.api.call_timeout
        for attempt in range(3):
            try:
                where = {"namespace": self.namespace, **names}
                reply = self.api.call("GET", path, where, query, {"Accept": accept}, deadline, None, seconds)
                return _parse(self.api, reply)
            except NotRenewed:
                raise
            except Unavailable as error:
                after = error.retry_after
                wait = after or random.uniform(0.05, 0.15) * 2**attempt  # noqa: S311 - no secret
                if attempt == 2 or wait > deadline.left():
                    raise
                self.api.pause(wait)
            # The first try may have waited for a dead connection. The next one gets all the time that is left but for
            # a write, because a slow server would be as slow at each try.
            seconds = max(seconds, deadline.left() - _SEND_SECONDS)
        raise AssertionError("unreachable")  # pragma: no cover


def _parse(api: Api, reply: Reply) -> dict[str, Any]:
    status, body, headers = reply
    api.check(status, body, headers, writes=False)
    return _object(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise NoAnswer("The Kubernetes API sent an incomplete answer.") from None
    if not isinstance(answer, dict):
        raise NoAnswer("The Kubernetes API sent JSON that is not an object.")
    return answer


def sentence(words: str) -> str:
    """Return the words of a server, with a full stop."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


def words_of(body: bytes) -> str:
    """Return the message of a Status object, in one line."""
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    message = status.get("message") if isinstance(status, dict) else None
    return " ".join(message.split())[:500] if isinstance(message, str) else ""

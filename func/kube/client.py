"""The client for an API server: one request, and the exception of each status."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from func.kube.deadline import Deadline
from func.kube.errors import (
    Expired,
    Forbidden,
    LostRace,
    MissingPermission,
    NoAnswer,
    NotFound,
    Unauthenticated,
    Unavailable,
    cause_of,
    is_timeout,
)
from func.kube.lasting_writes import Reply, Send

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
_PIECE = 1 << 16  # bytes
_JSON = "application/json"
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class ApiRequest(NamedTuple):
    """A request to the API server.

    Args:
        path: with names in braces.
        names: the values for the braces, which are escaped.
        query: of the URL.
        body: None for none.
    """

    method: str
    path: str
    names: Mapping[str, str] = {}
    query: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    accept: str = _JSON
    content_type: str = _JSON


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
        request: ApiRequest,
        deadline: Deadline,
        seconds: float | None = None,
        *,
        through: Callable[[Send, float], Reply] | None = None,
    ) -> Reply:
        """Return status, body and headers of one request, whatever the status is.

        Args:
            request: without the credential, which is added here.
            deadline: of the event.
            seconds: that it may take; by default `call_timeout`.
            through: sends it from another thread.

        Raises:
            Unavailable: no time is left, or there is no credential right now.
            Unauthenticated: there is no credential.
            NoAnswer: the server does not answer in time.
        """
        from urllib3.exceptions import HTTPError

        until = time.monotonic() + deadline.timeout(seconds or self.call_timeout)
        headers = {"User-Agent": "taskgate", "Accept": request.accept}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        started, result, size = time.perf_counter(), "no-answer", 0
        try:
            for may_be_renewed in (True, False):
                credential = self.credential.headers(until - time.monotonic())
                send = partial(self._send, request, {**headers, **credential})
                reply = through(send, until) if through else send(until)
                # A server that answers 401 did nothing, so the request can be sent again with a new credential.
                if reply[0] != 401 or not may_be_renewed or not self.credential.reject(credential):
                    break
            result, size = str(reply[0]), len(reply[1])
        except (HTTPError, OSError) as error:
            result = "timeout" if is_timeout(error) else "no-answer"
            raise NoAnswer(f"The Kubernetes API does not answer: {cause_of(error)} ({self.where}).") from None
        finally:
            deadline.log.note("kubernetes", request.method, request.path, started, result, size)
        return reply

    def watch(self, request: ApiRequest, silence: float) -> Watch:
        """Return the changes that a GET streams: for people's commands, never for an event.

        Args:
            request: with `watch` in its query.
            silence: seconds without data after which the stream ends.

        Raises:
            ApiError: Expired, Forbidden, NotFound or Unavailable.
        """
        import urllib3

        timeout = urllib3.Timeout(connect=self.call_timeout, read=silence)
        credential = self.credential.headers(self.call_timeout)
        headers = {"User-Agent": "taskgate", "Accept": request.accept, **credential}
        try:
            response = self._open(request, headers, timeout, preload_content=False)
            if response.status != 200:
                if response.status == 401:
                    self.credential.reject(credential)  # for the next call
                self.check(response.status, response.read(), response.headers, writes=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"The Kubernetes API does not answer: {cause_of(error)} ({self.where}).") from None
        return Watch(self, response)

    def read(self, request: ApiRequest, deadline: Deadline, seconds: float | None = None) -> dict[str, Any]:
        """Return the JSON object that a request gets.

        Raises:
            ApiError: Expired, Forbidden, NotFound or Unavailable.
        """
        status, body, headers = self.call(request, deadline, seconds)
        self.check(status, body, headers, writes=False)
        return json_object(body)

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
            raise Unavailable(f"The Kubernetes API answered with status {status}: {here}", seconds)
        missing = _RBAC.search(words) if status == 403 else None
        # Without a credential a request is that of `system:anonymous`, to whom nobody should grant a permission.
        if status == 401 or (missing and missing["user"] == _ANONYMOUS):
            raise Unauthenticated(self._words_for_unauthorized(here))
        if missing:
            raise MissingPermission(self._words_for_missing(missing))
        raise Forbidden(f"The Kubernetes API refuses the request: {here}")

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

    def _send(self, request: ApiRequest, headers: Mapping[str, str], until: float) -> Reply:
        """Send a request, whose whole answer must have come by `until`, on the monotonic clock."""
        import urllib3

        from func.kube.sockets import AnsweredBy

        left = max(0.001, until - time.monotonic())
        timeout = urllib3.Timeout(connect=min(left, _CONNECT_SECONDS), read=left)
        with AnsweredBy(until):
            response = self._open(request, headers, timeout)
        return response.status, response.data, response.headers

    def _open(
        self, request: ApiRequest, headers: Mapping[str, str], timeout: Timeout, *, preload_content: bool = True
    ) -> BaseHTTPResponse:
        names = {name: quote(value, safe="") for name, value in request.names.items()}
        url = self.base + request.path.format_map(names)
        if request.query:
            url = f"{url}?{urlencode(request.query, quote_via=quote)}"
        return self.pool.urlopen(
            request.method,
            url,
            body=request.body,
            headers=headers,
            timeout=timeout,
            redirect=False,  # it would send our token elsewhere
            preload_content=preload_content,
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
        event = json_object(line)
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


def json_object(body: bytes) -> dict[str, Any]:
    """Return an answer as a JSON object.

    Raises:
        NoAnswer: it was cut short, or is not an object.
    """
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

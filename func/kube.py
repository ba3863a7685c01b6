"""The one module that talks to Kubernetes.

Each call has a timeout within the budget of its event; reads are tried again, writes are not: what came of a
write that got no answer is found out by reading.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A test of a JSON Patch that failed; the API gives it no other mark (a policy's no has words of its own).
_TEST_FAILED = "the server rejected our request due to an error in our request"
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class KubernetesError(Exception):
    """The API did not do what was asked; the message is its reason."""


class NotFound(KubernetesError):
    """There is no such object."""


class LostRace(KubernetesError):
    """Somebody else changed the object first: read it again."""


class Unsure(KubernetesError):
    """A write got no answer: read the object to see whether it was done."""


class Forbidden(KubernetesError):
    """The API says no for good, or to whoever we are."""


class Unavailable(KubernetesError):
    """The API does not answer, or refuses for load.

    Args:
        retry_after: seconds, where the API named them.
    """

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(slots=True)
class Budget:
    """The time that one event may take, and the calls that it took.

    Args:
        deadline: on the monotonic clock, in seconds.
    """

    deadline: float
    calls: int = 0

    @classmethod
    def of(cls, seconds: float) -> Budget:
        """A budget that starts now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds."""
        return self.deadline - time.monotonic()


@dataclass(slots=True)
class Workflows:
    """The Workflows of one namespace.

    Args:
        client: a `kubernetes.client.ApiClient`.
        call_timeout: seconds for one call.
    """

    client: Any
    namespace: str
    call_timeout: float = 2.0
    pause: Callable[[float], None] = field(default=time.sleep)

    def get(self, name: str, budget: Budget) -> dict[str, Any]:
        """The whole Workflow.

        Raises: NotFound, Forbidden, Unavailable.
        """
        return self._read(f"{_WORKFLOWS}/{{name}}", {"name": name}, [], "application/json", budget)

    def list_metadata(self, selector: str, budget: Budget) -> list[dict[str, Any]]:
        """The metadata of all Workflows with these labels.

        Raises: Forbidden, Unavailable.
        """
        answer = self._read(_WORKFLOWS, {}, [("labelSelector", selector)], _METADATA_LIST, budget)
        items = answer.get("items")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    def patch(self, name: str, operations: list[dict[str, Any]], budget: Budget) -> None:
        """Write a JSON Patch; only metadata comes back, as a Workflow can be large.

        Raises: NotFound, LostRace, Unsure, Forbidden, Unavailable.
        """
        headers = {"Content-Type": "application/json-patch+json", "Accept": _METADATA}
        try:
            status, body, answer_headers = self._call(
                "PATCH", f"{_WORKFLOWS}/{{name}}", {"name": name}, [], headers, budget, operations
            )
        except _NoAnswer as error:
            raise Unsure(f"the write got no answer ({error})") from None
        if status >= 500:
            raise Unsure(f"the Kubernetes API answered the write with {status}")
        _check(status, body, answer_headers, writes=True)

    def _read(
        self, path: str, names: Mapping[str, str], query: list[tuple[str, str]], accept: str, budget: Budget
    ) -> dict[str, Any]:
        """GET, tried again with jitter while the budget lasts."""
        for attempt in range(3):
            try:
                answer = self._call("GET", path, names, query, {"Accept": accept}, budget)
                return _parse(*answer)
            except (_NoAnswer, Unavailable) as error:
                wait = getattr(error, "retry_after", None) or random.uniform(0.05, 0.15) * 2**attempt  # noqa: S311
                if attempt == 2 or wait > budget.left():
                    reason = f"the Kubernetes API does not answer ({error})"
                    raise Unavailable(reason, getattr(error, "retry_after", None)) from None
                self.pause(wait)
        raise AssertionError("unreachable")  # pragma: no cover

    def _call(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        query: list[tuple[str, str]],
        headers: dict[str, str],
        budget: Budget,
        body: object = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        import urllib3
        from kubernetes.client.exceptions import ApiException

        timeout = min(self.call_timeout, budget.left())
        if timeout <= 0:
            raise Unavailable("the time for this event is used up")
        budget.calls += 1
        # param_serialize escapes names and values, and refreshes the service account's token.
        _, url, sent_headers, _, _ = self.client.param_serialize(
            method,
            path,
            {"namespace": self.namespace, **names},
            query,
            headers,
            auth_settings=["BearerToken"],
        )
        try:
            response = self.client.call_api(method, url, sent_headers, body, _request_timeout=timeout)
            return response.status, response.read(), response.headers
        except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
            raise _NoAnswer(_short(error)) from None


class _NoAnswer(KubernetesError):
    """The connection could not be made, was cut, or was silent for too long."""


def _short(error: Exception) -> str:
    """The cause of a network error, without the object addresses that urllib3 puts into it."""
    cause = getattr(error, "reason", None) or error
    return f"{type(cause).__name__}: {' '.join(str(cause).split(': ', 1)[-1].split())[:200]}"


def _parse(status: int, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    _check(status, body, headers, writes=False)
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
    words = _words(body) or f"status {status}"
    if status == 404:
        raise NotFound(words)
    if writes and (status == 409 or (status == 422 and _TEST_FAILED in words)):
        raise LostRace(words)
    if status in _TRANSIENT:
        after = headers.get("Retry-After", "")
        raise Unavailable(f"the Kubernetes API says {status}: {words}", int(after) if after.isdecimal() else None)
    if status == 401:
        raise Forbidden(f"the Kubernetes API does not accept our token: {words}")
    raise Forbidden(f"the Kubernetes API refuses it: {words}")


def _words(body: bytes) -> str:
    """The message of a Status object, in one line."""
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    message = status.get("message") if isinstance(status, dict) else None
    return " ".join(message.split())[:500] if isinstance(message, str) else ""


def connect(kubeconfig: Path | None, namespace: str, connections: int) -> Workflows:
    """A client for the cluster that a kubeconfig names, or that this pod runs in.

    Args:
        kubeconfig: None for the pod's service account.
        connections: how many are kept open.

    Raises: KubernetesError, one line.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        where = f"KUBECONFIG is {kubeconfig}" if kubeconfig else "KUBECONFIG is not set and this is no pod"
        raise KubernetesError(f"{where}: expected the configuration of a cluster ({_short(error)})") from None
    configuration.connection_pool_maxsize = connections
    configuration.retries = False  # we know better which calls may be repeated
    return Workflows(client.ApiClient(configuration), namespace)

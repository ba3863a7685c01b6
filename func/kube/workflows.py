"""The Workflows of a namespace in the Kubernetes API.

Each call has a timeout that ends by the deadline of its event. Reads are retried. Writes are not: after a write without
an answer, the caller reads the object to learn whether it was done.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from func.core.patches import Operation, encode
from func.kube.client import Api, ApiRequest, Watch, json_object
from func.kube.deadline import Deadline
from func.kube.errors import Forbidden, LostRace, NoAnswer, NotFound, NotRenewed, Unavailable, Unsure
from func.kube.lasting_writes import LastingWrites

_LARGE = 1 << 16  # bytes of a Workflow whose write can take longer than an event may
_READ_BACK_SECONDS = 1.0  # kept after a write, to read what became of it
_SEND_SECONDS = 0.2  # kept after a read, to send a write
_WATCH_SECONDS = 300
_SILENCE_SECONDS = 90.0  # a bookmark comes each minute; without one the connection may be dead
_WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
_WORKFLOW = f"{_WORKFLOWS}/{{name}}"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


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
        return self._read(ApiRequest("GET", _WORKFLOW, self._names(name)), deadline)

    def list_metadata(self, selector: str, deadline: Deadline) -> list[dict[str, Any]]:
        """Return the metadata of all Workflows with these labels.

        Raises:
            ApiError: Forbidden or Unavailable.
        """
        try:
            query = [("labelSelector", selector)]
            request = ApiRequest("GET", _WORKFLOWS, self._names(), query, accept=_METADATA_LIST)
            answer = self._read(request, deadline)
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
            answer = self._read(ApiRequest("GET", _WORKFLOWS, self._names(), query), Deadline.after(seconds))
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
        return self.api.watch(ApiRequest("GET", _WORKFLOWS, self._names(), query), _SILENCE_SECONDS)

    def patch(self, name: str, operations: list[Operation], deadline: Deadline) -> None:
        """Write a JSON Patch. The answer has only metadata, because a Workflow can be large.

        Raises:
            LostRace: another writer was faster.
            Unsure: there was no answer.
            ApiError: Forbidden, NotFound or Unavailable.
        """
        if self._has_awaited_earlier_write(name, deadline):
            raise LostRace(f"An earlier write to Workflow {name} has just ended.")
        request = ApiRequest(
            "PATCH",
            _WORKFLOW,
            self._names(name),
            body=encode(operations),
            accept=_METADATA,
            content_type="application/json-patch+json",
        )
        # A busy server takes long to write a large Workflow, so that write gets all the time that is left.
        is_large = any(call.size >= _LARGE for call in deadline.log.calls)
        through = partial(self.lasting.send, name) if is_large else None
        seconds = deadline.left() if is_large else max(self.api.call_timeout, deadline.left() - _READ_BACK_SECONDS)
        try:
            status, body, headers = self.api.call(request, deadline, seconds, through=through)
        except NoAnswer as error:
            raise Unsure(error.reason) from None
        if status >= 500:
            raise Unsure(f"The Kubernetes API answered the write with {status}.")
        self.api.check(status, body, headers, writes=True)
        try:
            json_object(body)
        except NoAnswer as error:  # a success whose answer was cut short
            raise Unsure(error.reason) from None

    def _has_awaited_earlier_write(self, name: str, deadline: Deadline) -> bool:
        """Return whether a write of an earlier event was in progress; it has ended now."""
        ended = self.lasting.wait(name, deadline.at)
        if ended is False:
            raise Unavailable(f"An earlier write to Workflow {name} is still in progress; try again.", 1)
        return bool(ended)

    def _names(self, name: str | None = None) -> dict[str, str]:
        return {"namespace": self.namespace, **({"name": name} if name is not None else {})}

    def _read(self, request: ApiRequest, deadline: Deadline) -> dict[str, Any]:
        """Return the JSON object of a GET, which is retried with jitter while time is left."""
        seconds = self.api.call_timeout
        for attempt in range(3):
            try:
                return self.api.read(request, deadline, seconds)
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

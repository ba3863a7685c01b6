"""The API calls that were made for an event."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Server = Literal["kubernetes", "argo"]


class ApiCall(NamedTuple):
    """One call to the Kubernetes API or to Argo Server, for metrics and traces.

    Args:
        route: the path with names in braces, never a name.
        started: on `time.perf_counter`, in seconds.
        result: the HTTP status, or `timeout`, or `no-answer`.
        size: bytes of the answer.
    """

    api: Server
    method: str
    route: str
    started: float
    seconds: float
    result: str
    size: int = 0


@dataclass(slots=True)
class CallLog:
    """The calls that have ended, oldest first."""

    calls: list[ApiCall] = field(default_factory=list)

    def note(self, api: Server, method: str, route: str, started: float, result: str, size: int = 0) -> None:
        """Add a call that has just ended.

        Args: as in ApiCall.
        """
        self.calls.append(ApiCall(api, method, route, started, time.perf_counter() - started, result, size))

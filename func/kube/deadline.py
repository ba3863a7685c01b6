"""The time that one event may take, and the log of the API calls that it made."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from func.kube.errors import Unavailable

Server = Literal["kubernetes", "argo"]


class ApiCall(NamedTuple):
    """One call, for those who watch.

    Args:
        route: the path with names in braces, never a name.
        started: on `time.perf_counter`, in seconds.
        result: the HTTP status; or `timeout`, or `no-answer`.
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

    def note(self, api: Server, method: str, route: str, started: float, result: str, size: int = 0) -> None:
        """A call has come to its end.

        Args: as in ApiCall.
        """
        self.made.append(ApiCall(api, method, route, started, time.perf_counter() - started, result, size))

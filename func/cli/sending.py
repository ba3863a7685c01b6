"""Sends CloudEvents to a function over HTTP, in structured mode."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from func.core.errors import TaskgateError

_TIMEOUT = urllib3.Timeout(connect=5, read=30)  # seconds; a start from zero may take its time


class NoReplyError(TaskgateError):
    """The function did not answer; the message says how."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the function answered.

    Args:
        headers: with names in lower case.
        body: the JSON object; empty where there is none.
    """

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def is_final(self) -> bool:
        """Whether sending the event again would change nothing."""
        return self.status not in (401, 500, 503)


class Sender:
    """Sends events to one function.

    Args:
        url: of the function.
        token: for the Authorization header; None to send none.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self._headers = {"Content-Type": "application/cloudevents+json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)

    def send(self, event: Mapping[str, Any]) -> Reply:
        """Send one CloudEvent and return the answer.

        Raises:
            NoReplyError: there is none.
        """
        try:
            response = self._pool.request("POST", self.url, body=json.dumps(event).encode(), headers=self._headers)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            cause = getattr(error, "reason", None) or error
            # Without the object and the number that come before the words.
            words = str(cause).rpartition(": ")[2].rpartition("] ")[2]
            raise NoReplyError(f"{self.url} does not answer ({words})") from None
        try:
            body = json.loads(response.data) if response.data else {}
        except (ValueError, RecursionError):
            body = {}
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, headers, body if isinstance(body, dict) else {})

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

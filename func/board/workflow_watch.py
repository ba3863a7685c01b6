"""Lists the Workflows that the rules select, then watches them, and passes on each change."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from func.board.answers import Answer
from func.board.view import Card, Names, card_id, card_of
from func.core.reasons import Rejection
from func.core.rules import Rules
from func.kube.client import Watch
from func.kube.errors import Expired, Forbidden, Unavailable
from func.kube.workflows import Workflows

_SHORT_SECONDS = 1.0  # a watch that ends sooner is no success
_MAX_PAUSE = 30.0
_LIST_AGAIN = 2  # failures in a row


class Listed(NamedTuple):
    """All Workflows."""

    cards: tuple[Card, ...]


class Changed(NamedTuple):
    """A Workflow is new or changed."""

    card: Card


class Gone(NamedTuple):
    """A Workflow was deleted."""

    id: str


class Answered(NamedTuple):
    """The function's log has an event that moved nothing."""

    answer: Answer


class Lost(NamedTuple):
    """The cluster does not answer."""

    why: str


class Heard(NamedTuple):
    """The cluster answers, and the cards are up to date."""


News: TypeAlias = Listed | Changed | Gone | Answered | Lost | Heard


def pause_after(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row."""
    longest: float = min(_MAX_PAUSE, 0.5 * 2 ** min(failures, 10))
    return longest * random.uniform(0.8, 1.0)  # noqa: S311 - no secret


class Fleet:
    """Follows the Workflows of one namespace in a thread of its own.

    Args:
        tell: called with each change, in order, in that thread.
        pause: seconds to wait after so many failures in a row.
    """

    def __init__(
        self,
        workflows: Workflows,
        rules: Rules,
        names: Names,
        tell: Callable[[News], None],
        pause: Callable[[int], float] = pause_after,
    ) -> None:
        self._workflows = workflows
        self._rules = rules
        self._names = names
        self._tell = tell
        self._pause = pause
        self._version = ""  # empty: to be listed
        self._watch: Watch | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="board-watch", daemon=True)

    def start(self) -> None:
        """Pass on all Workflows, then each change, until `close`.

        Raises:
            Rejection: when they cannot be listed or watched.
        """
        self._open()
        self._thread.start()

    def close(self) -> None:
        """End the watch and its thread."""
        self._stopped.set()
        if self._watch:
            self._watch.close()
        if self._thread.is_alive():
            self._thread.join(2)  # it may be waiting for an answer, and ends with the process

    def _open(self) -> None:
        """List the Workflows if necessary, then begin to watch.

        Raises:
            Rejection: when the cluster does not let it.
        """
        if not self._version:
            cards: list[Card] = []
            version = ""
            for items, version in self._workflows.list_pages(self._rules.workflows.selector):  # noqa: B007
                # Only what is shown of a Workflow is kept: each can have a megabyte.
                cards.extend(card_of(raw, self._rules, self._names, datetime.now(UTC)) for raw in items)
            self._tell(Listed(tuple(cards)))
            self._version = version
        self._watch = self._workflows.watch(self._rules.workflows.selector, self._version)
        self._tell(Heard())

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            failed = False
            try:
                if self._watch is None:
                    self._open()
                self._follow()
            except Expired:
                self._version, failed = "", True
            except Rejection as rejection:
                failed = True
                if not isinstance(rejection, Unavailable) or failures >= _LIST_AGAIN:
                    self._version = ""  # another cluster may answer there now
                if not self._stopped.is_set():
                    self._tell(Lost(needed_right(rejection, self._rules.workflows.namespace)))
            self._watch = None
            lasted = time.monotonic() - began > _SHORT_SECONDS
            failures = (0 if lasted else failures) + (failed or not lasted)
            if failures:
                self._stopped.wait(self._pause(failures))

    def _follow(self) -> None:
        """Pass on the events of one watch, until it ends.

        Raises:
            Rejection: when the cluster does not let it.
        """
        assert self._watch  # noqa: S101 - opened just before
        if self._stopped.is_set():  # `close` has come before there was something to close
            self._watch.close()
        for kind, raw in self._watch:
            self._version = _version(raw) or self._version
            if kind in ("ADDED", "MODIFIED"):
                self._tell(Changed(card_of(raw, self._rules, self._names, datetime.now(UTC))))
            elif kind == "DELETED":
                self._tell(Gone(card_id(raw)))
            elif kind == "BOOKMARK":
                self._tell(Heard())


def _version(raw: Mapping[str, Any]) -> str:
    metadata = raw.get("metadata")
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, Mapping) else ""


def needed_right(rejection: Rejection, namespace: str) -> str:
    """Return the sentence of a failure, with the permissions that the board needs where they are missing."""
    if isinstance(rejection, Forbidden):
        return f"{rejection} The board requires the permissions list and watch on workflows.argoproj.io in {namespace}."
    return str(rejection)

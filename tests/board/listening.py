"""A page that listens to the board, without a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import urllib3

_SECONDS = 90


class Page:
    """Holds what the board told, as the page does.

    Args:
        headers: sent beside those of every client.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.cards: dict[str, Any] = {}  # by the name of the Workflow
        self.about: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        self.answers: list[dict[str, Any]] = []
        self.messages = 0
        self._pool = urllib3.PoolManager(timeout=_SECONDS, retries=False)
        self.response = self._pool.request("GET", f"{url}events", headers=headers, preload_content=False)
        self._events = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.response.close()
        self._pool.clear()

    def next(self) -> str:
        """Take in one event; its name. Empty when the board has ended the stream."""
        name, data = next(self._events, ("", {}))
        if name in ("all", "some"):
            self.messages += 1
            self.about = data.get("about", self.about)
            if name == "all":
                self.cards, self.answers = {}, []
            self.answers += data["answers"]
            for card in data["cards"]:
                self.cards[card["workflow"]] = card
            self.cards = {key: card for key, card in self.cards.items() if card["id"] not in data["gone"]}
        self.last = data
        return name

    def until(self, condition: Callable[[Page], bool]) -> None:
        """Take in events until this holds."""
        while not condition(self):
            assert self.next(), "the board has ended the stream"

    def column(self, task: int) -> str | None:
        """Where a task is; None when it is not there."""
        card = self.cards.get(f"play-task-{task}-workflow")
        return str(card["column"]) if card else None

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        rest = b""
        while piece := self.response.read1():
            *events, rest = (rest + piece).split(b"\n\n")
            for event in events:
                fields = dict(line.split(": ", 1) for line in event.decode().split("\n"))
                yield fields["event"], json.loads(fields["data"])

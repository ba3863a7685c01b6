"""Keeps the cards of the fleet and sends changes to the pages. All of it belongs to one event loop."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from func.board.answers import Answer
from func.board.view import FINISHED, Card
from func.board.workflow_watch import Answered, Changed, Gone, Heard, Listed, Lost, News
from func.core.rules import Rules
from func.core.status import several_workflows, twin_key
from func.core.values import format_time

MAX_LISTENERS = 32
_MAX_ANSWERS = 50
_RETRY, _FULL_RETRY = 2_000, 10_000  # milliseconds until a page reconnects
_GATHER_SECONDS = 0.05  # a burst of changes is one message
BEAT_SECONDS = 10.0  # a page that receives nothing for longer reports that the board is gone


@dataclass(eq=False, slots=True)
class _Listener:
    """One page.

    Args:
        pending: changes that it has not received yet, by id; None for a card that is gone. So a slow page costs at most
            one card for each Workflow.
        answers: likewise; only the newest.
    """

    pending: dict[str, Card | None] = field(default_factory=dict)
    answers: deque[Answer] = field(default_factory=lambda: deque(maxlen=_MAX_ANSWERS))
    wake: asyncio.Event = field(default_factory=asyncio.Event)


def _now() -> datetime:
    return datetime.now(UTC)


class Hub:
    """Receives changes of the fleet and sends them to the pages.

    Args:
        about: what a page needs first: namespace, gates.
        rules: say which of two Workflows of one task has its name.
        clock: UTC.
    """

    def __init__(
        self, about: Mapping[str, Any], rules: Rules, clock: Callable[[], datetime] = _now, beat: float = BEAT_SECONDS
    ) -> None:
        self._about = about
        self._rules = rules
        self._clock = clock
        self._beat = beat
        self._cards: dict[str, Card] = {}
        self._answers: deque[Answer] = deque(maxlen=_MAX_ANSWERS)
        self._twins: dict[tuple[str, str], set[str]] = {}  # a task -> ids of its running Workflows
        self._lost: str | None = None
        self._heard: datetime | None = None
        self._listeners: set[_Listener] = set()
        self._closed = False

    def take(self, news: News) -> None:
        """Take in one change."""
        match news:
            case Listed(cards):
                now = {card.id: card for card in cards}
                gone = dict.fromkeys(self._cards.keys() - now.keys())
                self._change(gone | {key: card for key, card in now.items() if self._cards.get(key) != card})
            case Changed(card):
                if self._cards.get(card.id) != card:
                    self._change({card.id: card})
            case Gone(key):
                self._change({key: None})
            case Answered(answer):
                for answers in (self._answers, *(each.answers for each in self._listeners)):
                    answers.append(answer)
                self._wake()
                return
        lost = news.why if isinstance(news, Lost) else None
        if not isinstance(news, Lost):
            self._heard = self._clock()
        if isinstance(news, Lost | Heard) and lost != self._lost:
            self._lost = lost
            self._wake()

    def _change(self, changes: Mapping[str, Card | None]) -> None:
        touched = set()
        for key, card in changes.items():
            old = self._cards.pop(key, None)
            if card is not None:
                self._cards[key] = card
            for each in filter(None, (old, card)):
                if task := _task_of(each):
                    touched.add(task)
                    ids = self._twins.setdefault(task, set())
                    (ids.add if each is card else ids.discard)(key)
        twins = {key: self._cards[key] for task in touched for key in self._twins[task]}
        for listener in self._listeners:
            listener.pending.update({**twins, **changes})
        self._wake()

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.wake.set()

    def close(self) -> None:
        """End the streams of all pages."""
        self._closed = True
        self._wake()

    async def listen(self) -> AsyncIterator[str]:
        """Yield server-sent events for one page: all cards, then changes, and an empty message while nothing changes.

        Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
        """
        if len(self._listeners) >= MAX_LISTENERS:
            yield f"retry: {_FULL_RETRY}\n" + _event("full", {"pages": MAX_LISTENERS})
            return
        listener = _Listener()
        self._listeners.add(listener)
        try:
            first = {"about": self._about, **self._message(dict(self._cards), self._answers)}
            yield f"retry: {_RETRY}\n" + _event("all", first)
            while not self._closed:
                try:
                    await asyncio.wait_for(listener.wake.wait(), self._beat)
                    await asyncio.sleep(_GATHER_SECONDS)
                except TimeoutError:
                    pass
                listener.wake.clear()
                text = _event("some", self._message(listener.pending, listener.answers))
                listener.pending.clear()
                listener.answers.clear()
                if not self._closed:
                    yield text
        finally:
            self._listeners.discard(listener)

    def _message(self, cards: Mapping[str, Card | None], answers: Iterable[Answer]) -> dict[str, Any]:
        return {
            "now": format_time(self._clock()),
            "lost": self._lost,
            "heard": format_time(self._heard) if self._heard else None,
            "cards": [self._shown(card) for card in cards.values() if card],
            "gone": [key for key, card in cards.items() if card is None],
            "answers": [asdict(answer) for answer in answers],
        }

    def _shown(self, card: Card) -> dict[str, Any]:
        """Return a card with the problem that only the others show: one of them has the same task."""
        task = _task_of(card)
        others = [self._cards[key].workflow for key in self._twins.get(task, ()) if key != card.id] if task else []
        found = several_workflows(card.workflow, card.task, others, self._rules)
        problems = [*card.problems, *(problem.sentence for problem in found)]
        return {**asdict(card), "problems": problems}


def _task_of(card: Card) -> tuple[str, str] | None:
    return None if card.column == FINISHED else twin_key(card.task, card.repository)


def _event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"

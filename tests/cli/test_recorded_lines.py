"""Many recorded events in one file: each character is looked at a bounded number of times."""

from __future__ import annotations

from typing import ClassVar, SupportsIndex

from func.cli.recorded import _json_values


class Counted(str):
    """A text that remembers how much of it was searched for line ends."""

    __slots__ = ()
    searched: ClassVar[int] = 0

    def count(self, text: str, start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> int:
        Counted.searched += (len(self) if end is None else int(end)) - int(start or 0)
        return super().count(text, start, end)


def test_the_lines_of_2000_events_are_counted_once() -> None:
    text = Counted("".join(f'{{"number": {number}}}\n\n' for number in range(2000)))
    values = list(_json_values("events.jsonl", text))
    assert len(values) == 2000
    assert values[-1] == ("events.jsonl, line 3999", {"number": 1999})
    assert Counted.searched <= len(text)

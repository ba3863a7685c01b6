"""The keys of a Workflow in words: what became of each and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from func.core.state import EXPIRY, Key, Note
from func.core.values import show_time

_WORDS = {"waiting": "waits", "claimed": "claimed", "used": "used", "withdrawn": "withdrawn"}


def kind_of(key: Key, now: datetime) -> str:
    """What became of a key, in one word; empty where only a withdrawal came.

    Args:
        now: UTC.
    """
    is_expired = key.written is not None and now - key.written > EXPIRY
    if key.state == "waiting" and is_expired:
        return "expired"
    if key.state == "withdrawn" and not key.was_kept:
        return ""
    return "expired" if key.state == "withdrawn" and (key.why or "").startswith("it expired") else _WORDS[key.state]


def key_in_words(key: Key, now: datetime) -> Iterator[str]:
    """Which key came, from whom, by which event and when; what became of it, and what stands against it.

    Args:
        now: UTC.
    """
    if key.was_kept:
        yield f"{_what(key)}, event {key.event}, happened {show_time(key.happened)}."
    kind = kind_of(key, now)
    if key.state == "used" and key.written:
        yield f"Not by this key: {key.why}." if key.why else f"It opened the gate at {show_time(key.written)}."
    elif kind == "expired":
        yield f"It waited for {EXPIRY.days} days, and counts no more."
    elif key.state == "waiting" and key.written:
        yield f"Kept at {show_time(key.written)}, until {show_time(key.written + EXPIRY)}."
    elif key.state == "claimed":
        yield f"It is about to open node {key.node}."
    elif key.was_kept:
        yield f"Withdrawn: {key.why or 'a withdrawal came first'}."
    else:
        yield f"Nothing of its own: {key.why}." if key.why else "No key has come; a late one will find this:"
    for note in key.notes:
        yield f"Withdrawal by {note_in_words(note)}."
    if key.rounds:
        yield f"Used before by {', '.join(key.rounds)}."


def opened_in_words(key: Key) -> str:
    """Who opened the gate, or is about to, of a key that is used or claimed."""
    if key.state == "claimed":
        return f"Event {key.event} is about to open it: {_what(key)}."
    at = f" at {show_time(key.written)}" if key.written else ""
    return f"Not by a key: {key.why}{at}." if key.why else f"Event {key.event} opened it{at}: {_what(key)}."


def against_in_words(key: Key) -> Iterator[str]:
    """What a new event must be like for what is remembered not to stand against it."""
    overtaking = key.was_kept and key.state in ("waiting", "withdrawn")
    if overtaking:
        yield f"It happened after {show_time(key.happened)}: the last key for this gate is of then."
    for note in key.notes:
        of = f" of {note.pull_request}" if note.pull_request else ""
        if note.review is not None:
            yield f"It is another review than {note.review}, which was taken back."
        elif note.head is not None:
            yield f"If it is{of}, it is about commit {short(note.head)}, or happened after {show_time(note.happened)}."
        else:
            yield f"If it is{of}, it happened after {show_time(note.happened)}."
    if key.floor is not None:
        yield f"It happened after {show_time(key.floor)}."


def short(commit: str) -> str:
    """A commit as people read it."""
    return commit[:7]


def age(time: timedelta) -> str:
    """The two largest units, e.g. 3d4h."""
    minutes, seconds = divmod(max(int(time.total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m" if minutes else f"{seconds}s"


def _what(key: Key) -> str:
    """`pull_request_review.submitted (approved) by Tess on 5dlabs/cto#123, commit ec26c3e`"""
    details = [text for text in (key.verdict, key.label, "merged" if key.merged else None) if text]
    words = [key.name, f"({', '.join(details)})" if details else "", f"by {key.person}" if key.person else ""]
    words += [f"on {key.pull_request}" if key.pull_request else ""]
    about = f", commit {short(key.head)}" if key.head else ""
    return " ".join(filter(None, words)) + about


def note_in_words(note: Note) -> str:
    """`event d-2 (a push of 6113728), 2026-11-22T11:01:00Z`"""
    kind = f" (of review {note.review})" if note.review is not None else ""
    if note.head is not None:
        kind = f" (a push of {short(note.head)})"
    return f"event {note.event}{kind}, {show_time(note.happened)}"

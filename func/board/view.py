"""Workflow and rules -> what the page shows of it. Values only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from func.core.gates import BY_HAND
from func.core.rules import Rules
from func.core.signals import Signal
from func.core.status import MovedNode, SignalStatus, WorkflowStatus, read_object
from func.core.values import format_time, time_or_none
from func.core.workflows import parameters

# Columns beside those of the gates; no gate has such a name, because Argo's steps are named without parentheses.
OTHER, UNDER_WAY, FINISHED = "(other)", "(under way)", "(finished)"
_PULL_REQUEST = re.compile(r"([A-Za-z0-9_-]{1,100}/[A-Za-z0-9._-]{1,100})#([0-9]{1,18})")
_MAX_HAPPENED = 20  # of one Workflow
MAX_TEXT = 500  # characters of a text from outside

What: TypeAlias = Literal["opened", "failed", "waits", "rejected", "closed", "left", "merged", "finished"]
_ENDED: Mapping[str, What] = {"Succeeded": "opened"}


@dataclass(frozen=True, slots=True)
class Names:
    """What a deployment has of its own.

    Args:
        agent: the label, or else the argument, of a Workflow that says who works on its task.
        github: where its pull requests are, an https URL without a slash at its end.
        argo: where Argo's UI is, a URL likewise; None for no links to it.
    """

    agent: str = "implementation-agent"
    github: str = "https://github.com"
    argo: str | None = None


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request.

    Args:
        url: None where its name is not one of GitHub.
    """

    name: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that came to a Workflow.

    Args:
        at: RFC 3339, as all times here.
        gate: None for the end of the Workflow or of its pull request.
        person: who caused it, where that is known.
        name: of the event, e.g. `pull_request.closed`.
        event: its id, for GitHub the delivery.
        why: what no event says.
        code: the stable word for a rejection.
    """

    at: str
    what: What
    gate: str | None
    person: str | None = None
    name: str | None = None
    event: str | None = None
    pull: Pull | None = None
    why: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One Workflow, as the page shows it.

    Args:
        column: the gate where it waits, or one of the names above.
        gates: all gates where it waits.
        since: when it came into its column.
        phase: Argo's word, e.g. `Succeeded`.
        argo: its page in Argo's UI, where that is known.
        signals: those that have not moved their gates.
        problems: what is wrong with it, in sentences.
        happened: newest first.
    """

    id: str
    workflow: str
    task: str | None
    repository: str | None
    agent: str | None
    column: str
    gates: tuple[str, ...]
    since: str | None
    phase: str
    pull: Pull | None
    argo: str | None
    signals: tuple[Mapping[str, str | None], ...]
    problems: tuple[str, ...]
    happened: tuple[Happened, ...]


def card_id(raw: Mapping[str, Any]) -> str:
    """Return what tells a Workflow from all others, also from a later one of its name."""
    metadata = _object(raw.get("metadata"))
    return str(metadata.get("uid") or metadata.get("name"))


def card_of(raw: Mapping[str, Any], rules: Rules, names: Names, now: datetime) -> Card:
    """Return the card of an object of the Kubernetes API.

    Args:
        now: UTC; signals expire.
    """
    status = read_object(raw, rules, now)
    unused = [each for each in status.signals if each.state != "used"]
    pull_request = status.bound or next((name for each in unused if (name := each.signal.pull_request)), None)
    # At the same second, the later gate of the pipeline comes later, and the end of the Workflow last.
    places = {gate: number for number, gate in enumerate(rules.gate_ids)}
    happened = sorted(
        _happened(status, _object(raw.get("status")), names),
        key=lambda one: (one.at, places.get(one.gate or "", len(places))),
        reverse=True,
    )
    return Card(
        id=card_id(raw),
        workflow=status.ref.name,
        task=_text(status.task),
        repository=_text(status.repository),
        agent=_agent(status.labels, _object(raw.get("spec")), names),
        column=_column(status, rules),
        gates=tuple(gate.name for gate in status.waiting),
        since=_since(status, _object(raw.get("status"))),
        phase=_text(status.phase) or "",
        pull=_pull(pull_request, names),
        argo=_argo(status, names),
        signals=tuple(each.data() for each in unused),
        problems=tuple(problem.sentence[:MAX_TEXT] for problem in status.problems),
        happened=tuple(happened[:_MAX_HAPPENED]),
    )


def _column(status: WorkflowStatus, rules: Rules) -> str:
    if status.finished:
        return FINISHED
    if not status.waiting:
        return UNDER_WAY
    gate = status.waiting[0]
    return rules.gate_ids[gate.name][0] if gate.rules else OTHER


def _since(status: WorkflowStatus, raw: Mapping[str, Any]) -> str | None:
    """Return when it came to where it is; at no gate, when its last gate opened."""
    if status.created is None:
        return None
    if status.finished:
        return _time(raw.get("finishedAt"))
    if status.waiting:
        since = status.waiting[0].since
        return format_time(since) if since else None
    last = max((move.at for move in status.moved if move.phase == "Succeeded"), default=status.created)
    return format_time(last)


def _argo(status: WorkflowStatus, names: Names) -> str | None:
    if names.argo is None:
        return None
    return f"{names.argo}/workflows/{quote(status.ref.namespace, safe='')}/{quote(status.ref.name, safe='')}"


def _agent(labels: Mapping[str, Any], spec: Mapping[str, Any], names: Names) -> str | None:
    given = {one.get("name"): one.get("value") for one in parameters(spec.get("arguments"))}
    return _text(labels.get(names.agent)) or _text(given.get(names.agent))


def _happened(status: WorkflowStatus, raw: Mapping[str, Any], names: Names) -> Iterator[Happened]:
    signals = status.state.signals if status.state else ()
    by_identity = {signal.identity: signal for signal in signals}
    moved = set()
    for move in status.moved:
        if move.use:
            moved.add(move.use.identity)
        yield _moved(move, by_identity.get(move.use.identity) if move.use else None, names)
    for each in status.signals:
        if each.signal.identity not in moved:
            yield from _of_signal(each, names)
    for signal in signals:
        if signal.gone in ("closed", "left", "merged"):
            what: What = signal.gone  # type: ignore[assignment] # one of the three
            yield Happened(format_time(signal.happened), what, None, pull=_pull(signal.pull_request, names))
    if status.finished and (end := _time(raw.get("finishedAt"))):
        yield Happened(end, "finished", None, why=_text(status.phase))


def _moved(move: MovedNode, signal: Signal | None, names: Names) -> Happened:
    at, what = format_time(move.at), _ENDED.get(move.phase, "failed")
    if signal:
        return Happened(at, what, move.gate, **_caused_by(signal, names))
    if move.use:  # its signal is no longer remembered
        return Happened(at, what, move.gate, event=move.use.id, pull=_pull(move.use.pull_request, names))
    return Happened(at, what, move.gate, why=_text(move.message) or BY_HAND)


def _of_signal(each: SignalStatus, names: Names) -> Iterator[Happened]:
    signal, use = each.signal, each.use
    by = _caused_by(signal, names)
    if use and use.at and not use.claimed:  # its node is offloaded, was reached again, or somebody else opened it
        what: What = "opened" if use.how == "open" else "failed"
        yield Happened(format_time(use.at), what, each.gate, **by, why=BY_HAND if use.by_hand else None)
    if signal.written is None or (use and not use.claimed):
        return
    yield Happened(format_time(signal.written), "waits", each.gate, **by)
    if each.state == "rejected":
        at = max(signal.written, (each.by or signal).happened)
        yield Happened(format_time(at), "rejected", each.gate, **by, why=each.sentence, code=each.code)


def _caused_by(signal: Signal, names: Names) -> dict[str, Any]:
    return {
        "person": signal.person,
        "name": signal.name,
        "event": signal.id,
        "pull": _pull(signal.pull_request, names),
    }


def _pull(name: str | None, names: Names) -> Pull | None:
    if name is None:
        return None
    match = _PULL_REQUEST.fullmatch(name)
    return Pull(name, f"{names.github}/{match[1]}/pull/{match[2]}" if match else None)


def _time(value: object) -> str | None:
    time = time_or_none(value)
    return format_time(time) if time else None


def _text(value: object) -> str | None:
    return value[:MAX_TEXT] if isinstance(value, str) and value else None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

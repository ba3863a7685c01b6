"""Workflow and rules -> what the page shows of it. Values only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from func.core.rules import Rules
from func.core.standing import Place, Standing, read_standing, time_of
from func.core.state import EXPIRY, Key
from func.core.values import show_time
from func.core.workflows import Workflow, parameters

# Columns beside those of the gates; no gate has such a name, for Argo's steps are named without parentheses.
OTHER, UNDER_WAY, FINISHED = "(other)", "(under way)", "(finished)"
_OPENED_BY_OTHERS = "by hand or by its own duration"
_PULL_REQUEST = re.compile(r"([A-Za-z0-9_-]{1,100}/[A-Za-z0-9._-]{1,100})#([0-9]{1,18})")
_MAX_HAPPENED = 20  # of one Workflow
_MAX_TEXT = 500  # characters of a text from outside

What: TypeAlias = Literal["opened", "waits", "withdrawn", "closed", "finished"]


@dataclass(frozen=True, slots=True)
class Names:
    """What a deployment has of its own.

    Args:
        agent: The label, or else the argument, of a Workflow that says who works on its task.
        github: Where its pull requests are, an https URL without a slash at its end.
    """

    agent: str = "implementation-agent"
    github: str = "https://github.com"


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request.

    Args:
        url: None where its name is none of GitHub's.
    """

    name: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A key that did not open its gate.

    Args:
        happened: When its event happened, RFC 3339, as all times here.
        until: When it expires, while it waits.
        why: What became of it, where that needs a word.
    """

    gate: str
    state: str
    event: str
    name: str
    person: str | None
    pull: Pull | None
    happened: str
    until: str | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that came to a Workflow.

    Args:
        gate: None for the end of the Workflow or of its pull request.
        person: Who caused it, where that is known.
        name: Of the event, e.g. `pull_request.closed`.
        event: Its id, for GitHub the delivery.
        why: A word on it, where no event says all.
    """

    at: str
    what: What
    gate: str | None
    person: str | None = None
    name: str | None = None
    event: str | None = None
    pull: Pull | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One Workflow, as the page shows it.

    Args:
        column: The gate where it waits, or one of the names above.
        gates: All gates where it waits.
        since: When it came into its column.
        phase: Argo's word, e.g. `Succeeded`.
        paused: A person has suspended the Workflow itself.
        problem: Why more can't be told.
        happened: Newest first.
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
    paused: bool
    pull: Pull | None
    keys: tuple[Kept, ...]
    problem: str | None
    happened: tuple[Happened, ...]


def card_id(raw: Mapping[str, Any]) -> str:
    """What tells a Workflow from all others, also from a later one of its name."""
    metadata = _object(raw.get("metadata"))
    return str(metadata.get("uid") or metadata.get("name"))


def card_of(raw: Mapping[str, Any], rules: Rules, names: Names) -> Card:
    """An object of the Kubernetes API -> its card."""
    standing = read_standing(raw)
    places = sorted(standing.places, key=lambda place: _order(place, rules))
    kept = [_kept(gate, key, names) for gate, key in standing.kept_keys()]
    # At the same second, the later gate of the pipeline comes later, and the end of the Workflow last.
    gates = {gate: number for number, gate in enumerate(rules.gates)}
    happened = sorted(
        _happened(standing, names), key=lambda one: (one.at, gates.get(one.gate or "", len(gates))), reverse=True
    )
    status, spec = _object(raw.get("status")), _object(raw.get("spec"))
    bound = standing.state.pull_request if standing.state else None
    return Card(
        id=card_id(raw),
        workflow=standing.name,
        task=_text(standing.task(rules)),
        repository=_text(standing.repository(rules)),
        agent=_agent(standing.labels, spec, names),
        column=_column(standing, places, rules),
        gates=tuple(place.gate for place in places),
        since=_since(standing, places, status),
        phase=_text(status.get("phase")) or "",
        paused=spec.get("suspend") is True and not standing.is_finished,
        pull=_pull(bound, names) or next((key.pull for key in kept if key.pull), None),
        keys=tuple(kept),
        problem=standing.problem,
        happened=tuple(happened[:_MAX_HAPPENED]),
    )


def _order(place: Place, rules: Rules) -> tuple[int, str]:
    gates = list(rules.gates)
    return gates.index(place.gate) if place.gate in gates else len(gates), _show(place.since) or ""


def _column(standing: Standing, places: list[Place], rules: Rules) -> str:
    if standing.is_finished:
        return FINISHED
    if not places:
        return UNDER_WAY
    return places[0].gate if places[0].gate in rules.gates else OTHER


def _since(standing: Standing, places: list[Place], status: Mapping[str, Any]) -> str | None:
    """When it came to where it is; for one under way, when its last gate opened."""
    workflow = standing.workflow
    if workflow is None:
        return None
    if workflow.finished:
        return _show(time_of(status.get("finishedAt")))
    if places:
        return _show(places[0].since)
    return max((show_time(at) for _, _, at in _opened_nodes(workflow)), default=show_time(workflow.created))


def _agent(labels: Mapping[str, Any], spec: Mapping[str, Any], names: Names) -> str | None:
    given = {one.get("name"): one.get("value") for one in parameters(spec.get("arguments"))}
    return _text(labels.get(names.agent)) or _text(given.get(names.agent))


def _kept(gate: str, key: Key, names: Names) -> Kept:
    return Kept(
        gate=gate,
        state=key.state,
        event=key.event,
        name=key.name,
        person=key.person,
        pull=_pull(key.pull_request, names),
        happened=show_time(key.happened),
        until=show_time(key.written + EXPIRY) if key.state == "waiting" and key.written else None,
        why=key.why,
    )


def _happened(standing: Standing, names: Names) -> Iterator[Happened]:
    workflow = standing.workflow
    if workflow is None:
        return
    keys = dict(standing.state.keys) if standing.state else {}
    used = {key.node: gate for gate, key in keys.items() if key.state == "used"}
    for identifier, node, at in _opened_nodes(workflow):
        gate = used.get(identifier)
        key = keys.pop(gate) if gate else None
        by = _opened_by(key, names) if key and not key.why else {"why": _text(node.get("message")) or _OPENED_BY_OTHERS}
        yield Happened(show_time(at), "opened", str(node.get("displayName")), **by)
    for gate, key in keys.items():
        yield from _of_key(gate, key, names)
    if standing.state and (closed := standing.state.closed):
        yield Happened(show_time(closed.happened), "closed", None, pull=_pull(closed.pull_request, names))
    if workflow.finished and (end := time_of(_object(workflow.raw.get("status")).get("finishedAt"))):
        yield Happened(show_time(end), "finished", None, why=_text(_object(workflow.raw.get("status")).get("phase")))


def _opened_nodes(workflow: Workflow) -> Iterator[tuple[str, Mapping[str, Any], datetime]]:
    for identifier, node in workflow.nodes.items():
        if isinstance(node, Mapping) and node.get("type") == "Suspend" and node.get("phase") == "Succeeded":
            at = time_of(node.get("finishedAt"))
            if at:
                yield identifier, node, at


def _of_key(gate: str, key: Key, names: Names) -> Iterator[Happened]:
    if key.written is None:  # a withdrawal that no key has met
        return
    by = _opened_by(key, names)
    if key.state == "used":  # its node is offloaded, or was opened anew since
        yield Happened(show_time(key.written), "opened", gate, **by, why=key.why)
        return
    if key.state == "withdrawn" and not key.notes:  # when, is not remembered
        since = f"withdrawn since, {key.why}" if key.why else "withdrawn since"
        yield Happened(show_time(key.written), "waits", gate, **by, why=since)
        return
    yield Happened(show_time(key.written), "waits", gate, **by)
    if key.state == "withdrawn":
        last = max(note.happened for note in key.notes)
        yield Happened(show_time(max(last, key.written)), "withdrawn", gate, **by, why=key.why)


def _opened_by(key: Key, names: Names) -> dict[str, Any]:
    return {
        "person": key.person,
        "name": key.name,
        "event": key.event,
        "pull": _pull(key.pull_request, names),
    }


def _pull(name: str | None, names: Names) -> Pull | None:
    if name is None:
        return None
    match = _PULL_REQUEST.fullmatch(name)
    return Pull(name, f"{names.github}/{match[1]}/pull/{match[2]}" if match else None)


def _show(time: datetime | None) -> str | None:
    return show_time(time) if time else None


def _text(value: object) -> str | None:
    return value[:_MAX_TEXT] if isinstance(value, str) and value else None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

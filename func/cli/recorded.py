"""Recorded events: files, folders and standard input -> CloudEvents.

Reads CloudEvents, payloads of GitHub, recorded deliveries (GitHub's API and web page, smee, probot, what Argo Events
prints), dead letters as kubectl prints them, and lists and lines of all these.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from func.cli.output import Problem, progress
from func.core.cloud_event import Incoming, read_cloudevent
from func.core.reasons import Rejection
from func.core.strict_json import DuplicateKeyError, unique
from func.core.yaml_loader import UniqueKeyLoader

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".yaml", ".yml")
_SPACE = re.compile(r"\s*")
_NO_ID = "it has no delivery id, so it is unknown whether it was used before"
# A recorded delivery holds the payload under one of these names, beside the headers or in an object of its own.
_PAYLOADS = ("payload", "body")
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*): *(.*)")
# Fields that only this event's payload has -> GitHub's name of the event; the first that fits.
_GUESSES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"review", "pull_request"}), "pull_request_review"),
    (frozenset({"comment", "pull_request"}), "pull_request_review_comment"),
    (frozenset({"thread", "pull_request"}), "pull_request_review_thread"),
    (frozenset({"pull_request"}), "pull_request"),
    (frozenset({"comment", "issue"}), "issue_comment"),
    (frozenset({"issue"}), "issues"),
    (frozenset({"check_run"}), "check_run"),
    (frozenset({"check_suite"}), "check_suite"),
    (frozenset({"commits", "ref"}), "push"),
    (frozenset({"zen", "hook"}), "ping"),
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded event.

    Args:
        where: file and place in it, for people.
        event: a CloudEvent in structured mode; empty where there is a problem.
        problem: why it is not an event.
        guessed: what was added because the record does not say it; then it is not the event that was sent.
        has_id: False where the id is made up here, because GitHub shows payloads without their delivery.
    """

    where: str
    event: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    guessed: str | None = None
    has_id: bool = True

    def known_as(self, event: str, where: str) -> Recorded:
        """Return the same event with the id that it came with.

        Args:
            where: which Workflow remembers it.
        """
        note = (self.guessed or "").replace(_NO_ID, f"it has no delivery id; {where} remembers it as event {event}")
        return replace(self, event={**self.event, "id": event}, guessed=note, has_id=True)

    def incoming(self) -> Incoming:
        """Return its attributes and data, checked.

        Raises:
            Rejection: `malformed`.
        """
        if self.problem:
            raise Rejection("malformed", detail=self.problem)
        return read_cloudevent({"content-type": "application/cloudevents+json"}, json.dumps(self.event).encode())


def read_recorded(source: str, github_event: str | None = None) -> list[Recorded]:
    """Return all events in a file, in the files of a folder, or (`-`) on standard input.

    Args:
        github_event: GitHub's name of the event, for payloads that do not say it.

    Raises:
        Problem: when nothing can be read, or there is nothing.
    """
    path = Path(source)
    is_folder = source != "-" and path.is_dir()
    files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES) if is_folder else [path]
    found: list[Recorded] = []
    with progress(files, len(files), "Reading") as shown:
        for file in shown:
            name = str(file.relative_to(path)) if is_folder else _named(source)
            for where, value in _values(name, _content(source, file)):
                found += _events(where, value, github_event)
    if not found:
        raise Problem(f"{_named(source)} contains no events")
    return found


def _named(source: str) -> str:
    return "standard input" if source == "-" else source


def _content(source: str, file: Path) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Problem(f"{file}: cannot be read ({error.strerror})") from None


def _values(name: str, content: bytes) -> Iterator[tuple[str, object]]:
    """Return each JSON value or YAML document with its place; what cannot be read as an error."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield name, ValueError("it is not text in UTF-8")
        return
    begin = text.lstrip()[:1]
    if begin not in ("{", "[") and (page := _web_page(text)):
        yield name, page
    elif name.endswith((".yaml", ".yml")) or (begin and begin not in "{[" and not name.endswith(("json", "jsonl"))):
        yield from _yaml_values(name, text)
    else:
        yield from _json_values(name, text)


def _web_page(text: str) -> dict[str, Any] | None:
    """Return a delivery as copied from GitHub's page of it: headers, then the payload; None where it is not one."""
    head, brace, rest = text.partition("{")
    lines = filter(None, (_HEADER.fullmatch(line.strip()) for line in head.splitlines()))
    headers = {match[1]: match[2] for match in lines}
    if not any(name.casefold() == "x-github-event" for name in headers):
        return None
    try:
        payload, _ = json.JSONDecoder().raw_decode(brace + rest)
    except (ValueError, RecursionError):
        return None
    return {"headers": headers, "payload": payload}


def _json_values(name: str, text: str) -> Iterator[tuple[str, object]]:
    """Return one value, a value on each line, or values one after the other."""
    decoder = json.JSONDecoder(object_pairs_hook=unique)
    position = _skip(text, 0)
    line, counted = 1, 0  # the line of a place up to which lines are counted
    only = True
    while position < len(text):
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, end = decoder.raw_decode(text, position)
            end = _skip(text, end)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
            if isinstance(error, DuplicateKeyError):
                reason = f"the key {error} occurs twice in one object"
            value = ValueError(f"it is not JSON ({reason})")
            end = text.find("\n{", position)
            end = len(text) if end < 0 else end + 1
        only = only and end >= len(text)
        yield name if only else f"{name}, line {line}", value
        position = end


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _yaml_values(name: str, text: str) -> Iterator[tuple[str, object]]:
    try:
        for value in yaml.load_all(text, UniqueKeyLoader):
            if value is not None:
                yield name, value
    except (yaml.YAMLError, RecursionError) as error:
        yield name, ValueError(f"it is neither JSON nor YAML ({' '.join(str(error).split())})")


def _events(where: str, value: object, github_event: str | None) -> Iterator[Recorded]:
    if isinstance(value, ValueError):
        yield Recorded(where, problem=f"{str(value)[:1].upper()}{str(value)[1:]}.")
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _events(f"{where}, item {number}", item, github_event)
    elif not isinstance(value, dict):
        yield Recorded(where, problem="It is not a JSON object.")
    elif str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        for item in sorted(value["items"], key=_time):
            yield from _events(where, item, github_event)
    else:
        yield _event(where, value, github_event)


def _event(where: str, value: dict[str, Any], github_event: str | None) -> Recorded:
    if "specversion" in value:
        return Recorded(where, value)
    if value.get("kind") == "ConfigMap" or _is_dead_letter(value):
        return _dead_letter(where, value)
    if "apiVersion" in value and "kind" in value:
        return Recorded(where, problem=f"It is a {value['kind']}: expected the ConfigMaps of dead letters.")
    if delivery := _delivery(value):
        payload, name, delivery_id = delivery
        return _payload(where, payload, github_event or name, delivery_id)
    if "guid" in value and "event" in value:
        problem = f"It is the summary of a delivery without its payload: read delivery {value.get('id')} by its id."
        return Recorded(where, problem=problem)
    return _payload(where, value, github_event)


def _is_dead_letter(value: Mapping[str, Any]) -> bool:
    """Return whether it is a dead letter; an item of a ConfigMapList does not say its kind."""
    return "metadata" in value and isinstance(value.get("data"), dict) and "specversion" in value["data"]


def _time(item: object) -> str:
    """Return when a dead letter's event came; the names of dead letters are random."""
    data = item.get("data") if isinstance(item, dict) else None
    return str(data.get("time", "")) if isinstance(data, dict) else ""


def _dead_letter(where: str, value: Mapping[str, Any]) -> Recorded:
    """Return the event of a ConfigMap with one key for each attribute, and the data as JSON text."""
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    where = f"{where}, ConfigMap {name}"
    attributes = value.get("data")
    if not isinstance(attributes, dict) or "specversion" not in attributes:
        return Recorded(where, problem="It is not a dead letter: expected the attributes of a CloudEvent as its keys.")
    try:
        data = json.loads(attributes["data"]) if attributes.get("data") else None
    except (TypeError, ValueError, RecursionError):
        return Recorded(where, problem="Its key data is not JSON.")
    return Recorded(where, {**attributes, "data": data})


def _delivery(value: Mapping[str, Any]) -> tuple[dict[str, Any], str | None, str | None] | None:
    """Return the payload of a recorded delivery with the name of its event and its id; None where it is not one.

    Args:
        value: `{"request": {"headers", "payload"}, "guid", "event"}` of GitHub's API; `{"x-github-event", "body"}` of
            smee; `{"id", "name", "payload"}` of probot; `{"headers", "body"}` of an EventSource of Argo Events, which a
            Sensor puts under `data` beside its `context`.
    """
    for name in ("request", "data"):
        inner = value.get(name)
        if isinstance(inner, Mapping) and any(part in inner for part in _PAYLOADS):
            beside = {key: each for key, each in value.items() if name == "request" and key in ("guid", "event")}
            return _delivery({**inner, **beside})
    payload = next((found for name in _PAYLOADS if (found := _object(value.get(name))) is not None), None)
    if payload is None:
        return None
    given = value.get("headers")
    headers = {**(given if isinstance(given, Mapping) else {}), **value}
    known = {str(name).casefold(): _text(each) for name, each in headers.items()}
    names = [known.get(name) for name in ("x-github-event", "event", "name")]
    ids = [known.get("x-github-delivery"), known.get("guid"), known.get("id") if known.get("name") else None]
    return payload, next(filter(None, names), None), next(filter(None, ids), None)


def _object(value: object) -> dict[str, Any] | None:
    """Return an object, also where it is kept as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    """Return a header's value; Argo Events has lists of them."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) and first else None


def _payload(where: str, payload: dict[str, Any], name: str | None, delivery: str | None = None) -> Recorded:
    """Return the CloudEvent that our Sensor makes of a payload of GitHub."""
    guesses = []
    name = name or _text(payload.get("X-GitHub-Event"))  # Argo Events adds it
    if name is None:
        name = next((name for fields, name in _GUESSES if fields <= payload.keys()), None)
        if name is None:
            problem = "It is neither a CloudEvent nor a payload of a known event: name it with --github-event."
            return Recorded(where, problem=problem)
        guesses.append(f"from its fields it is a {name} (if not, name it with --github-event)")
    delivery = delivery or _text(payload.get("X-GitHub-Delivery"))
    if delivery is None:
        delivery = "recorded-" + hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()[:12]
        guesses.append(_NO_ID)
    repository = payload.get("repository")
    source = repository.get("html_url") if isinstance(repository, dict) else None
    event = {
        "specversion": "1.0",
        "id": delivery,
        "type": f"com.github.{name}",
        "source": source if isinstance(source, str) and source else "https://github.com",
        "data": payload,
    }
    return Recorded(where, event, guessed="; ".join(guesses) or None, has_id=_NO_ID not in guesses)

"""Recorded events: files, folders and standard input -> CloudEvents.

Read are CloudEvents, GitHub's payloads, lists and lines of them, and dead letters as kubectl prints them.
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
from func.core.outcomes import No

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".yaml", ".yml")
_SPACE = re.compile(r"\s*")
_NO_ID = "it has no delivery id, so that duplicates can't be told"
# Fields that only this event's payload has -> GitHub's name of the event; the first that fits.
_GUESSES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"review", "pull_request"}), "pull_request_review"),
    (frozenset({"comment", "pull_request"}), "pull_request_review_comment"),
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
        where: File and place in it, for people.
        event: A CloudEvent in structured mode; empty where there is a problem.
        problem: Why it is none.
        guessed: What it does not say itself; where something is guessed, it is another event than the one recorded.
        has_id: False where the id is made up here, as GitHub shows payloads without their delivery.
    """

    where: str
    event: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    guessed: str | None = None
    has_id: bool = True

    def known_as(self, event: str, where: str) -> Recorded:
        """The same event with the id that it came with.

        Args:
            where: Who remembers it.
        """
        note = (self.guessed or "").replace(_NO_ID, f"it has no delivery id; {where} remembers it as event {event}")
        return replace(self, event={**self.event, "id": event}, guessed=note, has_id=True)

    def incoming(self) -> Incoming:
        """Its attributes and data, checked.

        Raises: No, `invalid`.
        """
        if self.problem:
            raise No("invalid", self.problem)
        return read_cloudevent({"content-type": "application/cloudevents+json"}, json.dumps(self.event).encode())


def read_recorded(source: str, github_event: str | None = None) -> list[Recorded]:
    """All events in a file, in the files of a folder, or (`-`) on standard input.

    Args:
        github_event: GitHub's name of the event, for payloads that don't tell.

    Raises: Problem, when it can't be read at all or holds nothing.
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
        raise Problem(f"{_named(source)} holds no events")
    return found


def _named(source: str) -> str:
    return "standard input" if source == "-" else source


def _content(source: str, file: Path) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Problem(f"{file}: can't be read ({error.strerror})") from None


def _values(name: str, content: bytes) -> Iterator[tuple[str, object]]:
    """Each JSON value or YAML document with its place; what can't be read as an error."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield name, ValueError("it is no text in UTF-8")
        return
    begin = text.lstrip()[:1]
    if name.endswith((".yaml", ".yml")) or (begin and begin not in "{[" and not name.endswith(("json", "jsonl"))):
        yield from _yaml_values(name, text)
    else:
        yield from _json_values(name, text)


def _json_values(name: str, text: str) -> Iterator[tuple[str, object]]:
    """One value, a value on each line, or values one after the other."""
    decoder = json.JSONDecoder()
    position = _skip(text, 0)
    only = True
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        try:
            value, end = decoder.raw_decode(text, position)
            end = _skip(text, end)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "it can't be read"
            value = ValueError(f"it is not JSON ({reason})")
            end = text.find("\n{", position)
            end = len(text) if end < 0 else end + 1
        only = only and end >= len(text)
        yield name if only else f"{name}, line {line}", value
        position = end


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


class _Loader(yaml.SafeLoader):
    """YAML without dates: a timestamp stays the text that it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml_values(name: str, text: str) -> Iterator[tuple[str, object]]:
    try:
        for value in yaml.load_all(text, _Loader):
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
        yield Recorded(where, problem="It is no JSON object.")
    elif "specversion" in value:
        yield Recorded(where, value)
    elif str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        for item in sorted(value["items"], key=_time):
            yield from _events(where, item, github_event)
    elif value.get("kind") == "ConfigMap" or _is_dead_letter(value):
        yield _dead_letter(where, value)
    elif "apiVersion" in value and "kind" in value:
        yield Recorded(where, problem=f"It is a {value['kind']}, expected the ConfigMaps of dead letters.")
    else:
        yield _payload(where, value, github_event)


def _is_dead_letter(value: Mapping[str, Any]) -> bool:
    """An item of a ConfigMapList does not say its kind."""
    return "metadata" in value and isinstance(value.get("data"), dict) and "specversion" in value["data"]


def _time(item: object) -> str:
    """When a dead letter's event came; their names are random."""
    data = item.get("data") if isinstance(item, dict) else None
    return str(data.get("time", "")) if isinstance(data, dict) else ""


def _dead_letter(where: str, value: Mapping[str, Any]) -> Recorded:
    """A ConfigMap with one key for each attribute, and the data as JSON text."""
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    where = f"{where}, ConfigMap {name}"
    attributes = value.get("data")
    if not isinstance(attributes, dict) or "specversion" not in attributes:
        return Recorded(where, problem="It is no dead letter: expected the attributes of a CloudEvent as its keys.")
    try:
        data = json.loads(attributes["data"]) if attributes.get("data") else None
    except (TypeError, ValueError, RecursionError):
        return Recorded(where, problem="Its key data is not JSON.")
    return Recorded(where, {**attributes, "data": data})


def _payload(where: str, payload: dict[str, Any], github_event: str | None) -> Recorded:
    """GitHub's payload -> the CloudEvent that our Sensor makes of it."""
    guesses = []
    name = github_event or payload.get("X-GitHub-Event")  # Argo Events adds it
    if not isinstance(name, str) or not name:
        name = next((name for fields, name in _GUESSES if fields <= payload.keys()), None)
        if name is None:
            problem = "It is neither a CloudEvent nor a payload whose event can be told: name it with --github-event."
            return Recorded(where, problem=problem)
        guesses.append(f"from its fields it is a {name} (if not, name it with --github-event)")
    delivery = payload.get("X-GitHub-Delivery")
    if not isinstance(delivery, str) or not delivery:
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

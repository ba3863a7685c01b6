"""Requests that are almost right: real payloads and good envelopes, with something wrong in a place that matters."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests import payloads

Headers = list[tuple[bytes, bytes]]
_REAL = sorted((Path(__file__).parents[1] / "data" / "github").glob("*.json"))
_BUILDERS: Sequence[Callable[..., payloads.Payload]] = (
    payloads.opened,
    payloads.reopened,
    payloads.synchronize,
    payloads.closed,
    payloads.labeled,
    payloads.unlabeled,
    payloads.approved,
    payloads.approved,
    payloads.changes_requested,
    payloads.commented,
    payloads.dismissed,
)
# Where a change matters most.
_PLACES = (
    "action", "number", "label", "label.name", "sender", "sender.login", "sender.id", "repository",
    "repository.full_name", "pull_request", "pull_request.number", "pull_request.title", "pull_request.draft",
    "pull_request.merged", "pull_request.updated_at", "pull_request.html_url", "pull_request.labels",
    "pull_request.labels.0", "pull_request.labels.0.name", "pull_request.head", "pull_request.head.ref",
    "pull_request.head.sha", "pull_request.head.repo", "pull_request.head.repo.full_name", "pull_request.base",
    "pull_request.base.ref", "pull_request.base.repo", "pull_request.base.repo.full_name", "review", "review.id",
    "review.user", "review.user.login", "review.user.id", "review.state", "review.commit_id", "review.submitted_at",
    "ref", "namespace", "name", "",
)  # fmt: skip
_TEXTS = (
    "", " ", "task-3", "task-4", "task-\u0663", "task-03", "TASK-3", "task-3\n", "task-" + "9" * 4000, "task-<3>&",
    "feature/task-3-x", "task-3-{{workflow.name}}", "../../x", "5dlabs/..", "5dlabs/cto/x", "5dlabs\\cto", "5DLABS/CTO",
    "{{workflow.parameters.x}}", "{{=sprig.env('HOME')}}", "$(id)", "`id`", "'; DROP TABLE x; --", '"', "\\", "a\nb",
    "a\r\nSet-Cookie: x", "a\0b", "\ud800", "\udfff\ud800", "\u202e", "\u2028", "\u0130", "é", "\U0001f600", "x" * 255,
    "x" * 256, "x" * 100_000, "approved", "changes_requested", "APPROVED", "labeled", "unlabeled", "closed",
    "synchronize", "dismissed", "ready-for-qa", payloads.TESS, payloads.CLEO, "tess-5dlabs", "TESS-5DLABS",
    "agent-platform", "play-task-3-workflow", "kube-system", payloads.HEAD, "5dlabs/cto", "refs/heads/task-3-x",
)  # fmt: skip
_TIMES = (
    "2026-11-22T11:00:00Z", "2026-11-22T11:00:00+23:59", "2026-11-22T11:00:00.123456789Z", "2026-11-22 11:00:00",
    "2026-11-22", "20261122T110000Z", "2026-W47-7T11:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "0000-00-00T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T23:59:60Z",
    "1970-01-01T00:00:00Z", "T", "-1", "2026-11-22T11:00:00", "2026-11-22t11:00:00z",
    "\u0662\u0660\u0662\u0666-11-22T11:00:00Z",
)  # fmt: skip
_NUMBERS = (0, 1, -1, 3, 123, 2**31, 2**63, 2**64, -(2**63), 10**300, 1.5, -0.0, 1e308, float("inf"), float("nan"))
_TYPES = (
    "com.github.pull_request", "com.github.pull_request_review", "com.github.push", "com.github.", "com.github",
    "com.github.ping", "com.github.check_run", "dev.knative.source.github.pull_request", "dev.taskgate.opened",
    "dev.taskgate.", "io.argoproj.workflow.updated", "dev.knative.apiserver.ref.add",
    "dev.knative.apiserver.ref.update", "dev.knative.apiserver.ref.delete", "x", "pull_request", "a" * 300,
)  # fmt: skip
_MEDIA_TYPES = (
    "application/json", "application/json; charset=utf-8", "application/json;charset=latin-1", "APPLICATION/JSON",
    "application/cloudevents+json", "application/cloudevents+json; charset=utf-16",
    "application/cloudevents-batch+json", "application/cloudevents+avro", "application/cloudevents",
    "application/x+json", "text/json", "text/plain", "", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "application/octet-stream", "*/*", ";",
)  # fmt: skip
_SUBJECTS = (
    "agent-platform/play-task-3-workflow", "agent-platform/play-task-4-workflow", "kube-system/play-task-3-workflow",
    "/apis/argoproj.io/v1alpha1/namespaces/agent-platform/workflows/play-task-3-workflow", "agent-platform/../../x",
    "agent-platform/", "/", "agent-platform/%2e%2e%2fx", "%61gent-platform/play-task-3-workflow", "a" * 5000,
)  # fmt: skip
_ATTRIBUTES = ("id", "source", "type", "specversion", "subject", "time", "datacontenttype", "dataschema", "data_base64")


@dataclass(frozen=True)
class Case:
    """A request before it is written down.

    Args:
        attributes: of the CloudEvent; they need not be texts in structured mode.
        data: any JSON.
        headers: more of them, as they are sent.
        spoil: the last changes, to the bytes of the body.
    """

    attributes: dict[str, Any]
    data: Any
    is_structured: bool
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media_type: str | None = None
    spoil: tuple[Callable[[bytes], bytes], ...] = field(default=(), repr=False)

    def written(self) -> tuple[Headers, bytes]:
        """Headers and body."""
        if self.is_structured:
            body = _dumps(self.attributes | {"data": self.data})
            media_type = self.media_type or "application/cloudevents+json"
            headers: Headers = []
        else:
            body = _dumps(self.data)
            media_type = self.media_type or "application/json"
            headers = [(f"ce-{name}".encode(), _header(value)) for name, value in self.attributes.items()]
        for change in self.spoil:
            body = change(body)
        return [(b"content-type", _header(media_type)), *headers, *self.headers], body


def _dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _header(value: object) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")[:60_000]


Recipe = tuple[int, ...]
"""A seed for a good case, then one for each time that it was mutated: a case can be made again, and takes no room."""


def made(recipe: Recipe) -> Case:
    """The case of a recipe."""
    case = _Maker(random.Random(recipe[0])).good()  # noqa: S311 - no secret
    for seed in recipe[1:]:
        case = _Maker(random.Random(seed)).mutated(case)  # noqa: S311 - no secret
    return case


class _Maker:
    """Makes cases.

    Args:
        chance: the source of all that is chosen.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def good(self) -> Case:
        """An event as GitHub, the watch or the Broker sends it."""
        pick = self._chance.random()
        if pick < 0.1:
            path = self._chance.choice(_REAL)
            return self._event(json.loads(path.read_text(encoding="utf-8")), path.name.split(".")[0])
        if pick < 0.2:
            kind = self._chance.choice(_TYPES[10:12])
            name = f"play-task-{self._chance.randint(1, 12)}-workflow"
            attributes = self._attributes(kind) | {"subject": f"agent-platform/{name}"}
            return Case(attributes, {"namespace": "agent-platform", "name": name}, is_structured=pick < 0.15)
        build = self._chance.choice(_BUILDERS)
        facts: dict[str, Any] = {
            "task": self._chance.randint(1, 12),
            "number": self._chance.choice((123, 124)),
            "happened": payloads.HAPPENED + timedelta(seconds=self._chance.randint(0, 600)),
            "sha": self._chance.choice((payloads.HEAD, payloads.PUSHED)),
        }
        payload = build(**facts)
        return self._event(payload, payloads.event_name(payload))

    def mutated(self, case: Case) -> Case:
        """The same with one to three things changed."""
        for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
            change = self._chance.choices(
                (self._change_data, self._change_attribute, self._change_headers, self._change_body), (12, 4, 2, 2)
            )[0]
            case = change(case)
        return case

    def _event(self, payload: Any, kind: str) -> Case:  # noqa: ANN401 - any JSON
        prefix = self._chance.choice(("com.github.", "com.github.", "dev.knative.source.github."))
        return Case(self._attributes(prefix + kind), payload, is_structured=self._chance.random() < 0.5)

    def _attributes(self, kind: str) -> dict[str, Any]:
        return {"specversion": "1.0", "id": f"case-{self._chance.getrandbits(48)}", "source": "/soak", "type": kind}

    def _value(self) -> Any:  # noqa: ANN401 - any JSON
        kind = self._chance.randrange(8)
        if kind < 3:
            return self._chance.choice(_TEXTS)
        if kind == 3:
            return self._chance.choice(_TIMES)
        if kind == 4:
            return self._chance.choice(_NUMBERS)
        if kind == 5:
            return self._chance.choice((None, True, False, [], {}, [[]], [None], {"name": None}, {"": ""}))
        if kind == 6:
            return _nested(self._chance.choice((2, 50, 900)), self._chance.random() < 0.5)
        return [{"name": self._chance.choice(_TEXTS)} for _ in range(self._chance.choice((1, 2, 3, 5000)))]

    def _like(self, old: object) -> Any:  # noqa: ANN401 - any JSON
        """A value, most of the time of the same kind as the old one."""
        if self._chance.random() < 0.3:
            return self._value()
        if isinstance(old, bool):
            return not old
        if isinstance(old, int):
            return self._chance.choice(_NUMBERS)
        if isinstance(old, str):
            return self._chance.choice(_TIMES if old[:1].isdigit() and "T" in old else _TEXTS)
        return self._value()

    def _change_data(self, case: Case) -> Case:
        data = json.loads(json.dumps(case.data))
        places = [place for place in _PLACES if _find(data, place) is not None]
        if self._chance.random() < 0.2:
            places = list(_walk(data)) or places
        place = self._chance.choice(places or [""])
        *parents, last = place.split(".")
        holder = _find(data, ".".join(parents)) if parents else (data, "")
        container = holder[0][holder[1]] if holder and parents else data
        if place == "" or not isinstance(container, dict | list):
            return replace(case, data=self._value())
        key: Any = int(last) if isinstance(container, list) else last
        match self._chance.randrange(6):
            case 0:
                del container[key]
            case 1:
                container[key] = [container[key]]
            case 2 if isinstance(container[key], str):
                at = self._chance.randint(0, len(container[key]))
                container[key] = container[key][:at] + self._chance.choice(_TEXTS) + container[key][at:]
            case _:
                container[key] = self._like(container[key])
        return replace(case, data=data)

    def _change_attribute(self, case: Case) -> Case:
        name = self._chance.choice(_ATTRIBUTES)
        attributes = dict(case.attributes)
        match self._chance.randrange(4):
            case 0:
                attributes.pop(name, None)
            case 1:
                attributes[name] = self._value()
            case _:
                odd = {"type": _TYPES, "subject": _SUBJECTS, "time": _TIMES, "specversion": ("1.0", "0.3", "1.1", 1.0)}
                attributes[name] = self._chance.choice(odd.get(name, _TEXTS))
        return replace(case, attributes=attributes)

    def _change_headers(self, case: Case) -> Case:
        more: Sequence[tuple[bytes, bytes]]
        match self._chance.randrange(6):
            case 0 | 1:
                return replace(case, media_type=self._chance.choice(_MEDIA_TYPES))
            case 2:
                return replace(case, is_structured=not case.is_structured)
            case 3:
                more = [(b"ce-" + self._chance.choice(_ATTRIBUTES).encode(), _header(self._chance.choice(_TEXTS)))]
            case 4:
                more = [(b"ce-" + bytes([self._chance.randrange(33, 127)]) * 3, b"\xff\xfe"), (b"ce-", b"")]
            case _:
                more = [
                    (
                        b"authorization",
                        self._chance.choice((b"Bearer", b"Bearer \xff", b"Basic eDp5", b"Bearer " * 50)),
                    ),
                    (b"content-encoding", self._chance.choice((b"gzip", b"br", b"identity"))),
                    *[(f"x-{number}".encode(), b"y" * 50) for number in range(self._chance.choice((0, 1, 500)))],
                ]
        return replace(case, headers=(*case.headers, *more))

    def _change_body(self, case: Case) -> Case:
        chance = random.Random(self._chance.random())  # noqa: S311 - no secret
        spoilers: Sequence[Callable[[bytes], bytes]] = (
            lambda body: body[: int(len(body) * chance.random())],
            lambda body: body[:0],
            lambda body: b"\xef\xbb\xbf" + body,
            lambda body: body + b"\0",
            lambda body: body + body,
            lambda body: body.decode("utf-8", "replace").encode("utf-16"),
            lambda body: gzip.compress(body),
            lambda body: body.replace(b'"action":', b'"action":"closed","action":', 1),
            lambda body: _doubled(body, chance),
            lambda body: _doubled(body, chance),
            lambda body: body.replace(b'"labels":[', b'"labels":[{"name":"task-4"}],"labels":[', 1),
            lambda body: body.replace(b":123", b":" + b"9" * 5000, 1),
            lambda body: body.replace(b":false", b":NaN", 1).replace(b":true", b":1e999", 1),
            lambda body: body.replace(b"task-", b"\xff\xc0task-", 1),
            lambda body: body.replace(b"task-", b"\xed\xa0\x80task-", 1),
            lambda body: b"[" * chance.choice((100, 100_000)) + body,
            lambda body: b'{"data":' * 20_000 + body,
            lambda body: _flipped(body, chance),
        )
        return replace(case, spoil=(*case.spoil, self._chance.choice(spoilers)))


def _doubled(body: bytes, chance: random.Random) -> bytes:
    """The same with one key twice."""
    keys = list(re.finditer(rb'"\w+":', body))
    if not keys:
        return body
    at = chance.choice(keys)
    return body[: at.start()] + at[0] + b"1," + body[at.start() :]


def _flipped(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randint(1, 8) if body else 0):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _nested(depth: int, as_list: bool) -> Any:  # noqa: ANN401, FBT001 - any JSON
    value: Any = "task-3"
    for _ in range(depth):
        value = [value] if as_list else {"name": value}
    return value


def _find(data: Any, place: str) -> tuple[Any, Any] | None:  # noqa: ANN401 - any JSON
    """The container of a place, and its key there; None where it is not there."""
    if not place:
        return data, ""
    container: Any = None
    key: Any = None
    for part in place.split("."):
        container, key = data, part
        if isinstance(container, list) and part.isdecimal() and int(part) < len(container):
            key = int(part)
        elif not isinstance(container, dict) or part not in container:
            return None
        data = container[key]
    return container, key


def _walk(data: Any, place: str = "") -> Iterator[str]:  # noqa: ANN401 - any JSON
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        if "." in str(key) or key == "":
            continue
        here = f"{place}.{key}" if place else str(key)
        yield here
        if here.count(".") < 4:
            yield from _walk(value, here)

"""HTTP request -> CloudEvent, and answer -> CloudEvent.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from cloudevents.conversion import to_binary
from cloudevents.http import CloudEvent

from func.core.conditions import value_at
from func.core.outcomes import Answer, EventRef, Outcome
from func.core.reasons import Rejection
from func.core.strict_json import estimate_memory, parse_json
from func.core.values import parse_time, spell

OWN_TYPES = "dev.taskgate."
# A Workflow with waiting signals has changed. Argo Events' resource EventSource sends the first; Knative's
# ApiServerSource sends the others, with a reference to the Workflow or the whole object.
RELEASE_TYPES = frozenset(
    {
        "io.argoproj.workflow.updated",
        "dev.knative.apiserver.ref.add",
        "dev.knative.apiserver.ref.update",
        "dev.knative.apiserver.resource.add",
        "dev.knative.apiserver.resource.update",
    }
)
_SUBJECT = re.compile(
    r"(?:/apis/argoproj\.io/v1alpha1/namespaces/)?([a-z0-9-]{1,63})/(?:workflows/)?([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
)
SOURCE = "/taskgate"
_JSON = "application/json"
_STRUCTURED = "application/cloudevents+json"
# Control characters and surrogates, which CloudEvents forbids in attributes.
_UNFIT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]*)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)")
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")
_MAX_ATTRIBUTE = 255  # characters; an id goes into the Workflow's annotation


@dataclass(frozen=True, slots=True)
class Incoming:
    """A CloudEvent, its attributes checked.

    Args:
        time: UTC, where it has one.
        data: a JSON object; empty where it has none.
    """

    ref: EventRef
    time: datetime | None
    subject: str | None
    data: Mapping[str, Any]


Reserve = Callable[[int], None]
"""Reserves bytes of memory for a value, before the value is built; raises when they are not available."""


def read_cloudevent(headers: Mapping[str, str], body: bytes | bytearray, reserve: Reserve = lambda _: None) -> Incoming:
    """Return the CloudEvent of a request, binary or structured.

    Args:
        headers: with names in lower case.

    Raises: Rejection, `invalid`, naming the attribute; status 415 for media types other than JSON in UTF-8.
    """
    content_type = headers.get("content-type", _JSON)
    media_type = content_type.partition(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    is_json = media_type == _JSON or (media_type.startswith("application/") and media_type.endswith("+json"))
    is_structured = media_type == _STRUCTURED
    # A batch, or a format of CloudEvents that is not known, is not one event in JSON.
    if not is_json or (media_type.startswith("application/cloudevents") and not is_structured):
        raise _unsupported(content_type)
    if charset and charset[1].lower() not in _CHARSETS:
        raise _unsupported(content_type)
    encoding = headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        detail = f"The content encoding {encoding[:80]!r} is not supported: send the body uncompressed."
        raise Rejection("unsupported-media-type", detail=detail)
    if is_structured:
        attributes = _object(_parse("The body", body, reserve), "The CloudEvent")
        return _check(attributes, _structured_data(attributes, reserve))
    attributes = {name[3:]: _decoded(name, value) for name, value in headers.items() if name.startswith("ce-")}
    if not attributes:
        raise Rejection(
            "malformed",
            detail="This is not a CloudEvent: send ce-id, ce-source, ce-type and ce-specversion as headers, or all of "
            f"it as {_STRUCTURED}.",
        )
    return _check(attributes, _parse("The body", body, reserve) if body else None)


def check_repeated(headers: Iterable[tuple[str, str]]) -> None:
    """Check headers of which some names occur twice: each attribute of a CloudEvent has one value.

    Args:
        headers: with names in lower case.

    Raises:
        Rejection: `malformed`, naming the header.
    """
    known: dict[str, str] = {}
    for name, value in headers:
        if name.startswith("ce-") and known.setdefault(name, value) != value:
            detail = f"The header {name} is both {spell(known[name])} and {spell(value)}: expected one value."
            raise Rejection("malformed", detail=detail)


def _decoded(name: str, value: str) -> str:
    """Return the value of a header, which is percent-encoded and may be in quotes: section 3.1.3.2 of the binding."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        detail = f"The header {name} is {spell(value)}: expected UTF-8 in its percent-encoding."
        raise Rejection("malformed", detail=detail) from None


def _unsupported(content_type: str) -> Rejection:
    reason = (
        f"The content type {content_type[:80]!r} is not supported: "
        f"send application/json or {_STRUCTURED} in UTF-8, one event each."
    )
    return Rejection("unsupported-media-type", detail=reason)


def _structured_data(attributes: Mapping[str, Any], reserve: Reserve) -> object:
    """Return the data of a structured CloudEvent.

    Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#31-handling-of-data
    """
    encoded = attributes.get("data_base64")
    if encoded is None:
        return attributes.get("data")
    if "data" in attributes:
        raise Rejection("malformed", detail="The CloudEvent has both data and data_base64.")
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except (TypeError, ValueError):  # not a string, not ASCII, or not base64
        raise Rejection("malformed", detail="The CloudEvent's data_base64 is not base64.") from None
    return _parse("The CloudEvent's data_base64", data, reserve)


def _parse(what: str, text: bytes | bytearray, reserve: Reserve) -> object:
    reserve(estimate_memory(text))
    try:
        return parse_json(text)
    except ValueError as error:
        raise Rejection("malformed", detail=f"{what} {error}.") from None


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Rejection("malformed", detail=f"{what} is not a JSON object.")
    return value


def _check(attributes: Mapping[str, Any], data: object) -> Incoming:
    if attributes.get("specversion") != "1.0":
        raise _wrong("specversion", attributes.get("specversion"), "1.0")
    for name in ("id", "source", "type"):
        value = attributes.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_ATTRIBUTE or _UNFIT.search(value):
            expected = f"a string of 1 to {_MAX_ATTRIBUTE} characters, without control characters"
            raise _wrong(name, value, expected)
    # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/distributed-tracing.md
    traceparent = attributes.get("traceparent")
    ref = EventRef(
        attributes["id"],
        attributes["type"],
        attributes["source"],
        traceparent if isinstance(traceparent, str) else None,
    )
    subject = attributes.get("subject")
    if subject is not None and not isinstance(subject, str):
        raise _wrong("subject", subject, "a string", ref)
    try:
        time = parse_time(attributes["time"]) if attributes.get("time") is not None else None
    except ValueError as error:
        raise _wrong("time", attributes["time"], str(error).removeprefix("expected "), ref) from None
    if data is not None and not isinstance(data, dict):
        raise Rejection("malformed", detail="The CloudEvent's data is not a JSON object.", about=ref)
    return Incoming(ref, time, subject, data or {})


def _wrong(name: str, value: object, expected: str, about: EventRef | None = None) -> Rejection:
    what = "is missing" if value is None else f"is {spell(value)}"
    return Rejection("malformed", detail=f"The attribute {name} {what}: expected {expected}.", about=about)


def write_reply(answer: Answer) -> tuple[dict[str, str], bytes]:
    """Return headers and body of an answer; a success becomes a CloudEvent in binary mode."""
    body = json.dumps(answer.data()).encode()
    if not 200 <= answer.status < 300:
        return {"content-type": _JSON}, body
    headers = {**_headers_of(answer.outcome), "ce-id": str(uuid4()), "ce-time": datetime.now(UTC).isoformat()}
    if answer.subject:
        headers["ce-subject"] = answer.subject
    return headers, body


@cache  # for each reply anew, the SDK takes 4 % of an event's instructions: `python -m tests.bench profile`
def _headers_of(outcome: Outcome) -> Mapping[str, str]:
    """Return the headers that all replies with an outcome share, as the SDK writes them."""
    attributes = {"type": f"{OWN_TYPES}{outcome}", "source": SOURCE, "datacontenttype": _JSON}
    headers: Mapping[str, str] = to_binary(CloudEvent(attributes, {}))[0]
    return headers


def released_workflow(incoming: Incoming) -> tuple[str, str]:
    """Return namespace and name of the Workflow that has changed, from an event of RELEASE_TYPES.

    Raises:
        Rejection: `malformed`.
    """
    data = incoming.data.get("metadata") or incoming.data  # all of the Workflow, or a reference to it
    namespace, name = (value_at(data, each) if isinstance(data, dict) else None for each in ("namespace", "name"))
    match = _SUBJECT.fullmatch(incoming.subject or "") or _SUBJECT.fullmatch(f"{namespace}/{name}")
    if not match:
        raise Rejection("malformed", detail="The attribute subject is not <namespace>/<name> of a Workflow.")
    return match[1], match[2]

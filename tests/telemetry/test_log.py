"""The line of the log: OpenTelemetry's fields, and the trace that the event came in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.payloads import Request, approved, cloudevent_binary, cloudevent_structured
from tests.recorded_workflows import waiting_workflow
from tests.service.site import Site

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = f"00-{'a' * 32}-{'b' * 16}-00"


@pytest.fixture
def approval() -> Request:
    return cloudevent_structured(approved(), delivery="d-1")


def line_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert isinstance(told, dict)
    return told


def test_an_event_is_told_in_the_words_of_opentelemetry(
    site: Site, approval: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    site.load(waiting_workflow(3))
    reply = site.send(approval)
    line = line_of(capsys)
    assert line.keys() == {"timestamp", "severity_text", "body", "attributes"}
    assert line["severity_text"] == "INFO"
    assert line["body"] == reply.reason
    assert line["attributes"].pop("taskgate.duration") > 0
    assert line["attributes"] == {
        "taskgate.outcome": "opened",
        "taskgate.code": "opened",
        "http.response.status_code": 200,
        "cloudevents.event_id": "d-1",
        "cloudevents.event_type": "com.github.pull_request_review",
        "cloudevents.event_source": "https://github.com/5dlabs/cto",
        "taskgate.task.id": "3",
        "taskgate.task.repository": "5dlabs/cto",
        "k8s.namespace.name": "agent-platform",
        "taskgate.workflow.name": "play-task-3-workflow",
        "taskgate.gate": "wait-pr-approved",
        "taskgate.node": reply.data["node"],
        "taskgate.api_calls": 2,
        "faas.coldstart": True,
    }


def test_what_needs_somebody_is_an_error(
    site: Site, approval: Request, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("func.service.pipeline.read_event", fail)
    headers, body = approval
    assert site.request("POST", "/elsewhere", headers, body).status == 404
    with pytest.raises(AssertionError, match="defect"):  # what all tests of the function hold replies to
        site.send(approval)
    defect, event = map(json.loads, capsys.readouterr().err.splitlines())
    assert (defect["severity_text"], event["severity_text"]) == ("ERROR", "ERROR")
    assert "ZeroDivisionError" in defect["attributes"]["exception.stacktrace"]
    assert event["attributes"]["taskgate.outcome"] == "error"
    assert event["attributes"]["cloudevents.event_id"] == "d-1"


def structured(traceparent: object) -> Request:
    headers, body = cloudevent_structured(approved())
    return headers, json.dumps(json.loads(body) | {"traceparent": traceparent}).encode()


def binary(traceparent: str) -> Request:
    headers, body = cloudevent_binary(approved())
    return headers | {"ce-traceparent": traceparent}, body


@pytest.mark.parametrize("request_", [structured(TRACEPARENT), binary(TRACEPARENT)], ids=["structured", "binary"])
def test_the_trace_of_the_event(site: Site, request_: Request, capsys: pytest.CaptureFixture[str]) -> None:
    site.send(request_)
    line = line_of(capsys)
    assert (line["trace_id"], line["span_id"]) == (TRACE, SPAN)


def test_the_trace_of_the_request_is_nearer(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.send(structured(OTHER), traceparent=TRACEPARENT)
    assert line_of(capsys)["trace_id"] == TRACE
    site.send(structured(TRACEPARENT), traceparent="of no form")
    assert line_of(capsys)["trace_id"] == TRACE


def test_a_request_that_is_no_event_has_its_trace_too(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.send(({"content-type": "application/json"}, b"{}"), traceparent=TRACEPARENT)
    assert line_of(capsys)["trace_id"] == TRACE


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        7,
    ],
)
def test_a_traceparent_that_is_not_valid_is_none(
    site: Site, traceparent: object, capsys: pytest.CaptureFixture[str]
) -> None:
    site.send(structured(traceparent))
    assert "trace_id" not in line_of(capsys)


def test_a_traceparent_of_a_later_version_is_read_as_far_as_we_know_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.send(structured(f"01-{TRACE}-{SPAN}-01-more"))
    assert line_of(capsys)["trace_id"] == TRACE

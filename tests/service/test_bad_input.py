"""Whatever is sent and whatever the Workflow looks like: one of the documented answers, in one sentence.

That no answer is a 500 of our own, or a traceback, is held by `Reply.check` for every request of these tests.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.payloads import (
    Payload,
    Request,
    approved,
    cloudevent_binary,
    cloudevent_structured,
    labeled,
    opened,
    push,
    release_apiserver,
    release_argo,
)
from tests.recorded_workflows import Workflow, gate_node, waiting_workflow
from tests.service.site import Reply, Site, with_gates

JSON, STRUCTURED = {"content-type": "application/json"}, {"content-type": "application/cloudevents+json"}
ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/here", "type": "com.github.push"}
BINARY = JSON | {f"ce-{name}": value for name, value in ATTRIBUTES.items()}


def structured(**changes: object) -> Request:
    """A CloudEvent of an approval, with attributes or data changed; None takes one away."""
    headers, body = cloudevent_structured(approved())
    event = {name: value for name, value in (json.loads(body) | changes).items() if value is not None}
    return headers, json.dumps(event).encode()


def changed(path: str, value: object, payload: Payload | None = None) -> Request:
    """An approval in whose payload one field is different."""
    payload = copy.deepcopy(payload or approved())
    place: Any = payload
    *parents, last = path.split(".")
    for parent in parents:
        place = place[parent]
    place[last] = value
    return structured(data=payload, id=f"{path}-changed")


@pytest.mark.parametrize(
    ("request_", "status", "named"),
    [
        ((JSON, b""), 400, "CloudEvent"),
        ((JSON, b"{}"), 400, "CloudEvent"),
        ((BINARY, b"not json"), 400, "JSON"),
        ((BINARY, b"\xff\xfe\x00"), 400, "JSON"),
        ((BINARY, b"[]"), 400, "object"),
        ((BINARY, b'"text"'), 400, "object"),
        ((BINARY, b"\x00"), 400, "JSON"),
        ((BINARY, b'{"ref": '), 400, "JSON"),
        ((BINARY, b"{}"), 400, "ref"),
        ((BINARY, b""), 400, "ref"),
        ((BINARY, b"[" * 100_000), 400, "JSON|deep"),
        ((BINARY, b'{"a":' * 100_000), 400, "JSON|deep"),
        ((BINARY, b'{"n": ' + b"9" * 5000 + b"}"), 400, "JSON"),
        ((STRUCTURED, b"[]"), 400, "object"),
        ((STRUCTURED, b"null"), 400, "object"),
        ((STRUCTURED, b"{}"), 400, "specversion"),
        (structured(specversion="0.3"), 400, "specversion"),
        (structured(specversion=1.0), 400, "specversion"),
        (structured(id=None), 400, "id"),
        (structured(id=""), 400, "id"),
        (structured(id=7), 400, "id"),
        (structured(id="x" * 10_000), 400, "id"),
        (structured(id="a\x00b"), 400, "id"),
        (structured(id="\ud800"), 400, "surrogate"),
        (structured(source=None), 400, "source"),
        (structured(type=None), 400, "type"),
        (structured(type=["x"]), 400, "type"),
        (structured(subject=3), 400, "subject"),
        (structured(time="yesterday"), 400, "time"),
        (structured(time=0), 400, "time"),
        (structured(time="0000-00-00T00:00:00Z"), 400, "time"),
        (structured(data=None), 400, "action"),
        (structured(data="text"), 400, "data"),
        (structured(data=[1]), 400, "data"),
        (({"content-type": "application/cloudevents-batch+json"}, b"[]"), 415, "batch"),
        (({"content-type": "text/plain"} | BINARY | {"content-type": "text/plain"}, b"{}"), 415, "text/plain"),
        ((BINARY | {"content-encoding": "gzip"}, b"\x1f\x8b"), 415, "encoding 'gzip'"),
        ((BINARY | {"content-type": "application/xml"}, b"<x/>"), 415, "xml"),
        ((BINARY | {"content-type": "application/cloudevents+avro"}, b"x"), 415, "avro"),
        ((BINARY | {"content-type": ""}, b"{}"), 415, "content type"),
        ((BINARY, b"\xef\xbb\xbf{}"), 400, "UTF-8"),
        ((BINARY, "{}".encode("utf-16")), 400, "UTF-8"),
        ((BINARY, "{}".encode("utf-16-le")), 400, "UTF-8"),
        ((BINARY, "{}".encode("utf-32-be")), 400, "UTF-8"),
        ((BINARY, b'{"a": "\xe9"}'), 400, "UTF-8"),
        ((BINARY, b'{"a": "\xed\xa0\x80"}'), 400, "UTF-8"),
        ((BINARY | {"content-type": "application/json; charset=utf-16"}, b"{}"), 415, "utf-16"),
        ((BINARY | {"content-type": 'application/json;x=y; Charset="latin-1"'}, b"{}"), 415, "latin-1"),
        ((BINARY | {"content-type": "application/json; charset=UTF-8"}, b"{}"), 400, "ref"),
        ((BINARY, b'{"n": NaN}'), 400, "JSON"),
        ((BINARY, b'{"n": -Infinity}'), 400, "JSON"),
        ((BINARY, b'{"n": 1e999}'), 400, "JSON"),
        ((BINARY, b'{"ref": "a", "ref": "b"}'), 400, "'ref' twice"),
        ((BINARY, b'{"a": [{"b": {"c": 1, "c": 1}}]}'), 400, "'c' twice"),
        ((BINARY, b'{"ref": "a", "\\u0072ef": "b"}'), 400, "'ref' twice"),
        ((STRUCTURED, b'{"id": "1", "id": "2"}'), 400, "'id' twice"),
        (structured(data=None, data_base64=7), 400, "data_base64"),
        (structured(data=None, data_base64="odd"), 400, "data_base64"),
        (structured(data=None, data_base64="e30"), 400, "data_base64"),
        (structured(data=None, data_base64="e30=\n"), 400, "data_base64"),
        (structured(data=None, data_base64="\u00e9"), 400, "data_base64"),
        (structured(data=None, data_base64="eA=="), 400, "data_base64 is not JSON"),
        (structured(data=None, data_base64="eyJhIjoxLCJhIjoxfQ=="), 400, "'a' twice"),
        (structured(data=None, data_base64="W10="), 400, "object"),
        (structured(data_base64="e30="), 400, "both data and data_base64"),
    ],
    ids=range(65),
)
def test_what_is_no_cloudevent_is_invalid_and_what_is_wrong_is_named(
    site: Site, request_: Request, status: int, named: str
) -> None:
    reply = site.send(request_)
    assert (reply.outcome, reply.status) == ("invalid", status)
    assert any(word in reply.reason for word in named.split("|")), reply.reason
    assert site.calls() == {}


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (structured(id=None), "The attribute id is missing: expected a string of 1 to 255 characters"),
        (structured(id="a\nb"), 'The attribute id is "a\\nb": expected a string of 1 to 255 characters'),
        ((STRUCTURED, b'{"specversion": "1.0", "id": %b}' % (b"[" * 900 + b"]" * 900)), "The attribute id is "),
        (structured(specversion="1.1"), 'The attribute specversion is "1.1": expected 1.0.'),
        (structured(time="2026-11-22T11:00:00"), 'The attribute time is "2026-11-22T11:00:00": expected a time like '),
        ((BINARY, b'{"ref": }'), "The body is not JSON in UTF-8: expecting value at line 1, column 9."),
        ((BINARY, b'{"ref": "\xff"}'), "The body is not JSON in UTF-8: its byte 10 is not text in UTF-8."),
        ((BINARY, b"\xef\xbb\xbf{}"), "The body is not JSON in UTF-8: it begins with a byte order mark."),
        ((BINARY, b"[1e999]"), "The body is not JSON in UTF-8: a number is too large or not finite."),
        ((JSON, structured()[1]), "or all of it as application/cloudevents+json."),
        ((BINARY | {"CE-ID": "2"}, b"{}"), 'The header ce-id is both "1" and "2": expected one value.'),
        # Replaced characters would make one id of two.
        ((BINARY | {"ce-id": "%ff"}, b"{}"), 'The header ce-id is "%ff": expected UTF-8 in its percent-encoding.'),
    ],
    ids=range(12),
)
def test_the_sentence_names_the_value_and_what_was_expected(site: Site, request_: Request, sentence: str) -> None:
    assert sentence in site.send(request_).reason


@pytest.mark.parametrize(
    ("value", "read"), [("caf%C3%A9%20%25", "café %"), ('"a \\"b\\" %25"', 'a "b" %'), ('"', '"'), ("%zz", "%zz")]
)
def test_values_of_headers_are_decoded(site: Site, value: str, read: str) -> None:
    headers, body = cloudevent_binary(approved())
    assert site.send((headers | {"ce-id": value}, body)).data["event"]["id"] == read


def test_a_type_with_an_action_is_no_kind_of_github(make_site: Callable[..., Site]) -> None:
    # It would be matched as the event pull_request, without the facts that tell a fork.
    site = make_site(with_gates("  wait-pr-approved: {event: pull_request, by: anyone, task: pull_request.title}"))
    site.load(waiting_workflow(3))
    payload = opened(title="3", head_repository="evil/cto")
    assert site.send(structured(type="com.github.pull_request", data=payload)).outcome == "refused"
    reply = site.send(structured(type="com.github.pull_request.opened", data=payload))
    assert reply.reason == "No rule matches com.github.pull_request.opened."


def test_data_in_base64_is_read(site: Site) -> None:
    site.load(waiting_workflow(3))
    encoded = base64.b64encode(json.dumps(approved()).encode()).decode()
    assert site.send(structured(data=None, data_base64=encoded)).outcome == "opened"


READ = {
    "action": str,
    "repository": dict,
    "repository.full_name": str,
    "pull_request": dict,
    "pull_request.number": int,
    "pull_request.title": str,
    "pull_request.draft": bool,
    "pull_request.updated_at": "time",
    "pull_request.labels": list,
    "pull_request.head": dict,
    "pull_request.head.ref": str,
    "pull_request.head.sha": str,
    "pull_request.head.repo": dict,
    "pull_request.base": dict,
    "pull_request.base.ref": str,
    "pull_request.base.repo": dict,
    "review": dict,
    "review.id": int,
    "review.user": dict,
    "review.state": str,
    "review.commit_id": str,
    "review.submitted_at": "time",
}
VALUES: list[Any] = [None, 0, -1, 1.5, True, "", "x", "\x00", "x" * 100_000, [], [None], {}, 10**4000]


@pytest.mark.parametrize("path", READ)
def test_a_field_of_the_wrong_kind_is_named_and_opens_nothing(site: Site, path: str) -> None:
    site.load(waiting_workflow(3, "wait-ready-for-qa"))
    kind = READ[path]
    for value in VALUES:
        reply = site.send(changed(path, value))
        right = isinstance(value, kind) if isinstance(kind, type) else False
        if not right and value is not None:
            assert reply.outcome == "invalid", value
        if reply.outcome == "invalid":
            assert path in reply.reason, value
            assert "ollowing" not in reply.reason
            assert "_" not in reply.reason.replace(path, "").replace("full_name", ""), "a name of our own code"
        assert reply.outcome in ("invalid", "refused", "ignored", "parked"), value
    assert site.phase("wait-ready-for-qa") == "Running"


@pytest.mark.parametrize(("value", "spelled"), [(True, "true"), (False, "false")])
def test_a_wrong_value_is_told_as_the_payload_spells_it(site: Site, value: object, spelled: str) -> None:
    reply = site.send(changed("pull_request.number", value))
    assert reply.reason == f"The event's pull_request.number is {spelled}: expected a whole number."
    missing = site.send(changed("pull_request.number", None))
    assert missing.reason == "The event's pull_request.number is missing: this is not an event of GitHub."
    time = site.send(changed("review.submitted_at", value=False))
    assert time.reason.startswith("The event's review.submitted_at is false: expected a time like ")


@pytest.mark.parametrize("ref", [None, 3, [], {}, "", "refs/heads/", "refs/tags/task-3", "\x00", "x" * 100_000])
def test_a_push_of_anything_opens_nothing(site: Site, ref: object) -> None:
    site.load(waiting_workflow(3))
    with site.unchanged():
        reply = site.send(structured(type="com.github.push", data=push() | {"ref": ref}))
    assert reply.outcome in ("invalid", "ignored")


def test_a_body_of_26_mib_is_too_large(site: Site) -> None:
    reply = site.request("POST", "/", BINARY, *([b" " * 1024 * 1024] * 26))
    assert (reply.outcome, reply.status) == ("invalid", 413)


@pytest.mark.parametrize(
    "piece", [b"[],", b'"ab",', b'{"a":1},', b"1,"], ids=["lists", "strings", "objects", "numbers"]
)
def test_a_body_that_needs_too_much_memory_is_refused_unparsed(site: Site, piece: bytes) -> None:
    reply = site.request("POST", "/", BINARY, b'{"a":[' + piece * ((24 << 20) // len(piece)) + b"1]}")
    assert (reply.status, reply.data["code"]) == (400, "json-too-large")


def test_a_body_of_20_mib_is_read(site: Site) -> None:
    site.load(waiting_workflow(3))
    assert site.send(changed("pull_request.body", "x" * 20 * 1024 * 1024)).outcome == "opened"


def test_200_000_labels_are_read(site: Site) -> None:
    site.load(waiting_workflow(3))
    labels = [{"name": f"l-{number}"} for number in range(200_000)]
    assert site.send(changed("pull_request.labels", [{"name": "task-3"}, *labels])).outcome == "opened"
    tasks = [{"name": f"task-{number}"} for number in range(200_000)]
    reply = site.send(changed("pull_request.labels", tasks))
    assert reply.outcome == "ambiguous"


@pytest.mark.parametrize("depth", [100, 500, 900, 950, 970, 980, 985, 990, 995, 1000, 1100])
def test_deep_nesting_is_an_answer_wherever_it_is(site: Site, depth: int) -> None:
    headers, body = structured()
    deep = b"[" * depth + b"]" * depth
    for before in (b'"title":', b'"sender":', b'"number":', b'"x":'):
        site.send((headers, body.replace(b'"pull_request": {', b'"pull_request": {' + before + deep + b",", 1)))
        site.send((headers, body.replace(b'"data": {', b'"data": {' + before + deep + b",", 1)))


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        (opened(labels=[f"task-{'9' * 4000}"], branch="work"), "ignored"),
        (opened(labels=[f"task-{'9' * 200}"], branch="work"), "no-workflow"),
        (opened(labels=["task-٣"], branch="work"), "ignored"),
        (opened(labels=[], branch="task-³-x"), "ignored"),
        (labeled("x" * 100_000, task=3), "ignored"),
        (labeled(f"task-{'9' * 4000}", task=None), "ignored"),
        (opened(task=3, title="\"'; $(touch /tmp/x) `id` {{workflow.name}} %s ${HOME}"), "opened"),
        (opened(task=3, branch="task-3-$(touch /tmp/x)"), "opened"),
    ],
    ids=range(8),
)
def test_odd_names_of_tasks_name_none(site: Site, payload: Payload, outcome: str) -> None:
    site.load(waiting_workflow(3, "wait-pr-created"))
    assert site.send(structured(type="com.github.pull_request", data=payload)).outcome == outcome


@pytest.mark.parametrize(
    "name", ["../../x", "a/b/c", "a/..", "/", "a/", "/b", "a b/c", "a/b?x=1", "a/b#1", "a/b\n", "٣/b", "a" * 200 + "/b"]
)
def test_a_repository_of_no_such_name_goes_into_no_url(site: Site, name: str) -> None:
    reply = site.send(changed("repository.full_name", name))
    assert reply.outcome == "invalid"
    assert "repository.full_name" in reply.reason
    assert site.calls() == {}


@pytest.mark.parametrize(
    "subject", ["", "x", "a/b/c", "../x", "agent-platform/", "/x", "agent-platform/X y", "a" * 9999]
)
@pytest.mark.parametrize("release", [release_argo, release_apiserver])
def test_a_release_of_something_else_than_a_workflow_is_an_answer(
    site: Site, release: Callable[[str, str], Request], subject: str
) -> None:
    headers, body = release("agent-platform", "play-task-3-workflow")
    if "ce-id" in headers:
        request = headers | {"ce-subject": subject}, b"{}"
    else:
        request = headers, json.dumps(json.loads(body) | {"subject": subject, "data": {}}).encode()
    reply = site.send(request)
    assert reply.outcome == "invalid"
    assert "subject" in reply.reason


def test_words_from_outside_stay_on_one_line_and_have_an_end(site: Site) -> None:
    for value in ("\x1b[2J\n\nopened", "x" * 250, "\u202egnp.exe", "\u2028"):
        reply = site.send(changed("action", value))
        assert reply.outcome == "ignored"
        assert reply.reason.isprintable()


def odd(change: Callable[[Workflow], object]) -> Workflow:
    """A Workflow that is not as Argo writes it."""
    workflow = waiting_workflow(3)
    change(workflow)
    return workflow


def node(workflow: Workflow) -> dict[str, Any]:
    return gate_node(workflow, "wait-pr-approved")


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.pop("status"),
        lambda w: w.update(status={}),
        lambda w: w["status"].pop("nodes"),
        lambda w: w["status"].update(nodes=None),
        lambda w: w["status"].update(nodes=[]),
        lambda w: w["status"].update(nodes="odd"),
        lambda w: w["status"].update(nodes={"a": None, "b": 3, "c": {}, "d": []}),
        lambda w: w["status"].update(phase=["odd"]),
        lambda w: w["status"].update(phase={"odd": 1}),
        lambda w: node(w).update(type="Unknown"),
        lambda w: node(w).update(type=["Suspend"]),
        lambda w: node(w).update(phase=None),
        lambda w: node(w).pop("phase"),
        lambda w: node(w).update(phase=3),
        lambda w: node(w).update(phase="Odd"),
        lambda w: node(w).update(displayName=None),
        lambda w: node(w).update(displayName=["wait-pr-approved"]),
        lambda w: w["status"].update(compressedNodes="odd"),
        lambda w: w["status"].update(compressedNodes=3),
        lambda w: w["status"].update(compressedNodes="H4sIAAAAAAAC/wAAAP//AQAA//8AAAAAAAAAAA=="),
    ],
    ids=range(20),
)
def test_a_workflow_that_is_odd_is_an_answer_and_no_open_gate(site: Site, change: Callable[[Workflow], object]) -> None:
    site.load(odd(change))
    before = site.workflow().get("status")
    reply = site.send(cloudevent_structured(approved()))
    assert reply.outcome in ("refused", "parked", "already-open")
    assert site.workflow().get("status") == before
    site.send(release_argo("agent-platform", "play-task-3-workflow"))
    assert site.workflow().get("status") == before


@pytest.mark.parametrize(
    "outputs",
    [
        None,
        [],
        "odd",
        {"parameters": None},
        {"parameters": "odd"},
        {"parameters": [None, 3, "odd", [], {}]},
        {"parameters": [{"name": None, "valueFrom": {"supplied": {}}}]},
        {"parameters": [{"valueFrom": {"supplied": {}}}]},
        {"parameters": [{"name": ["x"], "valueFrom": {"supplied": {}, "default": "d"}}]},
        {"parameters": [{"name": "x", "valueFrom": "odd"}]},
        {"parameters": [{"name": "x", "globalName": 3, "valueFrom": {"supplied": {}, "default": "d"}}]},
    ],
    ids=range(11),
)
@pytest.mark.parametrize("published", [None, [], "odd", {"parameters": None}, {"parameters": [None, 3]}], ids=range(5))
def test_odd_outputs_are_an_answer(site: Site, outputs: object, published: object) -> None:
    workflow = waiting_workflow(3)
    node(workflow)["outputs"] = outputs
    workflow["status"]["outputs"] = published
    site.load(workflow)
    assert site.send(cloudevent_structured(approved())).outcome in ("opened", "refused", "incomplete")


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("https://github.com/x", "opened"),
        ("{{workflow.status}}", "incomplete"),
        ("a\nb", "incomplete"),
        ("a\x00b", "incomplete"),
        ("x" * 5000, "incomplete"),
        (["x"], "incomplete"),
        (None, "incomplete"),
    ],
    ids=range(7),
)
def test_an_output_takes_no_value_that_argo_would_act_on(site: Site, url: object, outcome: str) -> None:
    site.load(waiting_workflow(3, outputs={"pr-url": None}))
    reply = site.send(changed("pull_request.html_url", url))
    assert reply.outcome == outcome
    assert outcome == "opened" or "pr-url" in reply.reason
    assert site.phase("wait-pr-approved") == ("Succeeded" if outcome == "opened" else "Running")


def test_a_key_that_waits_stays_small_whatever_its_event_holds(site: Site) -> None:
    site.load(waiting_workflow(3, "wait-ready-for-qa"))
    assert site.send(changed("pull_request.html_url", "x" * 1_000_000)).outcome == "parked"
    assert len(site.workflow()["metadata"]["annotations"]["taskgate.dev/state"]) < 10_000


@pytest.mark.parametrize("text", ["", "null", "[]", "odd", '{"uid": 3}', '{"uid": "x", "keys": []}', "{" * 10_000])
def test_an_annotation_that_is_not_ours_is_an_answer_and_no_open_gate(site: Site, text: str) -> None:
    workflow = waiting_workflow(3)
    workflow["metadata"]["annotations"]["taskgate.dev/state"] = text
    site.load(workflow)
    with site.unchanged():
        reply: Reply = site.send(cloudevent_structured(approved()))
    assert reply.outcome == "refused"
    assert "kubectl annotate workflow" in reply.reason


@pytest.mark.parametrize("kind", ["ping", "check_run", "issue_comment", "label", "odd"])
def test_other_events_of_github_are_ignored(site: Site, kind: str) -> None:
    reply = site.send(cloudevent_binary({"zen": "Keep it logically awesome."}, kind, delivery="d"))
    assert reply.outcome == "ignored"

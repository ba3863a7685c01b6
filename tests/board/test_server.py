"""The board over HTTP, with a cluster behind it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import cast

import pytest
import urllib3

from func.board import hub as hub_module
from func.board.hub import Hub
from func.board.server import BoardServer, refusal
from func.board.view import Names, card_of
from func.board.workflow_watch import Changed
from func.core.outcomes import Answer, EventRef, Outcome
from func.core.rules import Rules
from func.devcluster import WORKFLOWS, EmbeddedCluster, Identity
from func.kube.client import Api, Watch
from func.kube.connection import connect
from func.kube.credentials import Fixed
from func.kube.errors import Forbidden, Unavailable
from func.kube.workflows import Workflows
from func.service.settings import read_rules
from func.telemetry.handled_event import HandledEvent
from func.telemetry.log import log_event
from tests.board.conftest import serving
from tests.board.listening import Page
from tests.recorded_workflows import CREATED, Workflow, fleet, waiting_workflow
from tests.remembering import approved_workflow


def get(url: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(retries=False, timeout=60) as pool:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return pool.request(method, url, headers=sent)


def fill(cluster: EmbeddedCluster, count: int) -> None:
    for workflow in fleet(count):
        cluster.store.load(WORKFLOWS, workflow)


def add(cluster: EmbeddedCluster, workflow: Workflow) -> None:
    del workflow["metadata"]["resourceVersion"]
    cluster.store.ensure_namespace(workflow["metadata"]["namespace"])
    cluster.store.create(WORKFLOWS, workflow["metadata"]["namespace"], workflow)


@pytest.fixture
def filled(cluster: EmbeddedCluster) -> EmbeddedCluster:
    fill(cluster, 8)
    return cluster


def opens(cluster: EmbeddedCluster, task: int) -> None:
    """Task goes on from wait-pr-approved, as a write to the cluster."""
    cluster.store.change(
        WORKFLOWS,
        "agent-platform",
        f"play-task-{task}-workflow",
        lambda old: approved_workflow(task) | {"metadata": old["metadata"]},
    )


def test_all_tasks_then_what_changes(filled: EmbeddedCluster, page: Page) -> None:
    assert page.next() == "all"
    assert page.about["gates"] == ["wait-pr-created", "wait-ready-for-qa", "wait-pr-approved", "wait-pr-merged"]
    assert len(page.cards) == 8
    assert page.column(3) == "wait-pr-approved"
    opens(filled, 3)
    page.until(lambda page: page.column(3) == "wait-pr-merged")
    assert page.messages == 2
    assert [card["task"] for card in page.last["cards"]] == ["3"]  # and nothing of the others


def logged(outcome: str, **attributes: object) -> str:
    """Return a line of the function's log."""
    event = EventRef("d-9", "com.github.pull_request_review", "https://github.com/5dlabs/cto")
    answer = Answer(cast("Outcome", outcome), "person-not-allowed", "octocat is not in reviewers.", event)
    text = StringIO()
    log_event(HandledEvent(answer, [], 0.0, 0.0, cold_start=False, trace=None), None, text)
    line = json.loads(text.getvalue())
    line["attributes"] |= attributes
    return json.dumps(line)


def test_events_that_moved_nothing_are_shown_from_the_log(filled: EmbeddedCluster, board: BoardServer) -> None:
    with Page(board.url) as page:
        page.next()
        board.read_log_line(logged("refused", **{"taskgate.task.id": "3", "taskgate.gate": "wait-pr-approved"}))
        for outcome in ("opened", "parked", "duplicate", "ignored"):  # a card shows it, or nobody asks
            board.read_log_line(logged(outcome))
        board.read_log_line(logged("ambiguous"))
        page.until(lambda page: len(page.answers) == 2)
        assert [each["outcome"] for each in page.answers] == ["refused", "ambiguous"]
        (refused, _) = page.answers
        assert refused["at"].endswith("Z")
        del refused["at"]
        assert refused == {
            "outcome": "refused",
            "code": "person-not-allowed",
            "why": "octocat is not in reviewers.",
            "event": "d-9",
            "task": "3",
            "repository": None,
            "gate": "wait-pr-approved",
            "workflow": None,
        }
    with Page(board.url) as later:  # also a page that is opened afterwards
        later.next()
        assert len(later.answers) == 2
    assert {request.method for request in filled.requests} == {"GET"}


def test_a_log_of_anything_costs_little(board: BoardServer) -> None:
    cut = logged("refused")[:-20]
    no_time = json.dumps(json.loads(logged("refused")) | {"timestamp": "yesterday"})
    for line in ("", "Taskgate listens on ...", "[]", "1", '{"attributes": []}', "{" * 100_000, cut, no_time):
        board.read_log_line(line)
    for number in range(200):
        board.read_log_line(logged("refused", **{"taskgate.gate": 5, "taskgate.workflow.name": f"{number}" * 1000}))
    with Page(board.url) as page:
        page.until(lambda page: bool(page.answers) and page.answers[-1]["workflow"].startswith("199"))
        assert 50 <= len(page.answers) < 200
        assert len(page.answers[-1]["workflow"]) == 500
        assert page.answers[-1]["gate"] is None


def test_tasks_come_and_go(filled: EmbeddedCluster, page: Page) -> None:
    page.next()
    add(filled, waiting_workflow(20, "wait-pr-merged"))
    page.until(lambda page: page.column(20) == "wait-pr-merged")
    filled.store.delete(WORKFLOWS, "agent-platform", "play-task-20-workflow")
    page.until(lambda page: page.column(20) is None)
    not_selected = waiting_workflow(21)
    del not_selected["metadata"]["labels"]["workflow-type"]
    add(filled, not_selected)
    add(filled, waiting_workflow(22, namespace="other"))
    opens(filled, 7)
    page.until(lambda page: page.column(7) == "wait-pr-merged")
    assert len(page.cards) == 8


def test_only_reads_and_never_twice(filled: EmbeddedCluster, board: BoardServer) -> None:
    with Page(board.url) as first, Page(board.url) as second:
        opens(filled, 3)
        for page in (first, second):
            page.until(lambda page: page.column(3) == "wait-pr-merged")
    kinds = [(request.method, "watch=true" in request.target) for request in filled.requests]
    assert kinds == [("GET", False), ("GET", True)]


def test_many_are_read_a_page_at_a_time(cluster: EmbeddedCluster, workflows: Workflows, rules: Rules) -> None:
    fill(cluster, 230)
    with serving(workflows, rules) as server, Page(server.url) as page:
        page.next()
        assert len(page.cards) == 230
    assert sum("watch" not in request.target for request in cluster.requests) == 3


def test_what_was_missed_is_listed_again(filled: EmbeddedCluster, workflows: Workflows, rules: Rules) -> None:
    versions = ["1"]  # of which the API remembers nothing

    class Forgetful(Workflows):
        def watch(self, selector: str, version: str) -> Watch:
            return super().watch(selector, versions.pop() if versions else version)

    with serving(Forgetful(workflows.api, workflows.namespace), rules) as server, Page(server.url) as page:
        page.next()
        opens(filled, 3)
        page.until(lambda page: page.column(3) == "wait-pr-merged")
    assert page.last["lost"] is None
    assert sum("watch" not in request.target for request in filled.requests) == 2


def test_a_cluster_that_goes_and_comes_back(tmp_path: Path, rules: Rules) -> None:
    with ExitStack() as later:
        cluster = later.enter_context(EmbeddedCluster(controller=False))
        cluster.store.ensure_namespace("agent-platform")
        fill(cluster, 3)
        workflows = Workflows(connect(cluster.write_kubeconfig(tmp_path / "kubeconfig"), 2), "agent-platform")
        page = later.enter_context(Page(later.enter_context(serving(workflows, rules)).url))
        page.next()
        assert not page.last["lost"]
        cluster.stop()
        page.until(lambda page: bool(page.last["lost"]))
        assert page.last["lost"].startswith("The Kubernetes API does not answer")
        assert datetime.fromisoformat(page.last["heard"]) <= datetime.now(UTC)
        # Another one: what the board knew of the first is gone, and its versions mean nothing there.
        other = EmbeddedCluster(cluster.port, controller=False)
        other.store.ensure_namespace("agent-platform")
        fill(other, 2)
        later.enter_context(other)
        page.until(lambda page: not page.last["lost"] and len(page.cards) == 2)


def test_rights_that_are_taken_away_are_named(
    filled: EmbeddedCluster, kubeconfig: Path, rules: Rules, tmp_path: Path
) -> None:
    known = kubeconfig.read_text(encoding="utf-8").replace('"user": {}', '"user": {"token": "mine"}')
    (tmp_path / "mine").write_text(known, encoding="utf-8")
    filled.tokens["mine"] = Identity("ops")
    workflows = Workflows(connect(tmp_path / "mine", 2), "agent-platform")
    with serving(workflows, rules) as server, Page(server.url) as page:
        page.next()
        del filled.tokens["mine"]
        for watch in tuple(filled._api._watches):
            watch.end()
        page.until(lambda page: bool(page.last["lost"]))
        assert page.last["lost"].startswith(
            "The Kubernetes API does not accept our credential (its token): Unauthorized ("
        )
        assert "list and watch on workflows.argoproj.io in agent-platform" in page.last["lost"]


def test_other_names_that_lead_here_are_refused(board: BoardServer) -> None:
    for path in ("", "events", "board.js"):
        answer = get(board.url + path, Host="evil.example")
        assert answer.status == 403
        assert answer.data.startswith(b"The board answers to localhost only")


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True),
        ("LOCALHOST:8070", True),
        ("[::1]:8070", True),
        ("127.0.0.1", True),
        ("", False),
        ("10.0.0.1", False),
        ("localhost.evil.example:80", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.1@evil.example", False),
    ],
)
def test_names_of_loopback(host: str, *, is_ours: bool) -> None:
    assert (refusal({"host": host}) is None) == is_ours
    assert refusal({}) is not None


def test_pages_of_other_sites_may_link_and_no_more(board: BoardServer) -> None:
    assert get(board.url, sec_fetch_site="cross-site", sec_fetch_dest="document").status == 200
    for dest in ("empty", "script", "iframe", "image"):
        assert get(f"{board.url}events", sec_fetch_site="cross-site", sec_fetch_dest=dest).status == 403
        assert get(f"{board.url}board.js", sec_fetch_site="same-site", sec_fetch_dest=dest).status == 403


def test_it_can_only_be_read(board: BoardServer) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        for path in ("", "events"):
            assert get(board.url + path, method).status == 405


def test_nothing_else_is_there(board: BoardServer) -> None:
    for path in ("x", "../gates.yaml", "static/board.js", "%2e%2e/view.py", "board.js/"):
        assert get(board.url + path).status == 404


def test_every_answer_is_strict_about_scripts(board: BoardServer) -> None:
    for path in ("", "board.css", "board.js", "page.js", "words.js", "icon.svg", "x"):
        headers = get(board.url + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    page = get(board.url).data.decode()
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|javascript:", page)


def test_loopback_only(board: BoardServer) -> None:
    port = int(board.url.rsplit(":", 1)[1].strip("/"))
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # would be taken if the board listened everywhere


@pytest.mark.usefixtures("filled")
def test_so_many_pages_and_no_more(board: BoardServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_LISTENERS", 2)
    with Page(board.url) as first, Page(board.url) as second:
        assert (first.next(), second.next()) == ("all", "all")
        with Page(board.url) as third:
            assert (third.next(), third.last, third.next()) == ("full", {"pages": 2}, "")
    with ExitStack() as later:
        # A page that has gone makes room as soon as the board has noticed.
        names = (later.enter_context(Page(board.url)).next() for _ in range(1000))
        assert "all" in names


@pytest.mark.usefixtures("filled")
def test_it_ends_with_pages_that_listen(workflows: Workflows, rules: Rules) -> None:
    with ExitStack() as later:
        with serving(workflows, rules) as server:
            pages = [later.enter_context(Page(server.url)) for _ in range(5)]
            assert [page.next() for page in pages] == ["all"] * 5
        assert [page.next() for page in pages] == [""] * 5
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("board-")]


def test_a_burst_is_few_messages(filled: EmbeddedCluster, page: Page) -> None:
    page.next()
    for task in range(100, 300):
        add(filled, waiting_workflow(task))
    page.until(lambda page: len(page.cards) == 208)
    assert page.messages < 100


def test_a_page_that_does_not_read_costs_a_card_for_each_task(rules: Rules) -> None:
    async def slowly() -> list[str]:
        hub = Hub({}, read_rules(None), beat=0.01)
        events = hub.listen()
        await anext(events)
        for minute in range(50):
            for task in range(4):
                workflow = waiting_workflow(task, created=CREATED + timedelta(minutes=minute))
                hub.take(Changed(card_of(workflow, rules, Names(), CREATED)))
        told = [await anext(events), await anext(events)]
        hub.close()
        return told

    first, second = (json.loads(event.split("data: ")[1]) for event in asyncio.run(slowly()))
    assert [card["since"][11:16] for card in first["cards"]] == ["11:08"] * 4
    assert second["cards"] == []  # a beat


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"type": "ERROR", "object": {"code": 403, "message": "no"}}', Forbidden),
        (b'{"type": "ERROR", "object": {"code": 500, "message": "etcd"}}', Unavailable),
        (b'{"type": "ERROR", "object": {}}', Unavailable),
        (b"{", Unavailable),
        (b'{"type": 1, "object": 2}', Unavailable),
    ],
)
def test_what_is_no_event_of_a_watch(line: bytes, error: type[Exception]) -> None:
    class Response:
        def __init__(self) -> None:
            self.pieces = [line[:5], line[5:] + b"\n", b""]

        def read1(self, _size: int) -> bytes:
            return self.pieces.pop(0)

        def close(self) -> None:
            self.pieces.clear()

    with pytest.raises(error):
        list(Watch(Api(urllib3.PoolManager(), "", Fixed(""), "a test"), cast("urllib3.BaseHTTPResponse", Response())))


def test_all_that_is_sent_is_json_of_one_line(filled: EmbeddedCluster, board: BoardServer) -> None:
    odd = waiting_workflow(30, agent="a\nevent: some\ndata: {}\n\n\u2028<script>")
    add(filled, odd)
    with Page(board.url) as page:
        page.until(lambda page: page.column(30) is not None)
    assert page.cards["play-task-30-workflow"]["agent"] == "a\nevent: some\ndata: {}\n\n\u2028<script>"
    assert json.dumps(page.last)

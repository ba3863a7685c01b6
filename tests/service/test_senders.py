"""Who may send, what the function can be set to, and what every reply looks like."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from starlette.requests import Request as HttpRequest

from func.core.reasons import Rejection
from func.devcluster import EmbeddedCluster, Identity
from func.kube.deadline import Deadline
from func.kube.token_reviews import TokenReviews
from func.service import app
from func.service.app import App
from func.service.authentication import ServiceAccounts
from func.service.build import build_app
from func.service.settings import BUILT_IN_RULES
from tests.payloads import Request, approved, cloudevent_binary, cloudevent_structured, labeled, push, synchronize
from tests.recorded_workflows import waiting_workflow
from tests.service.site import Site

EVENT = cloudevent_structured(approved())


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens"
    file.write_text("  first-token \n\n\tsecond-token\r\nthird-à\n", encoding="utf-8")
    return file


@pytest.fixture
def guarded(make_site: Callable[..., Site], tokens: Path) -> Site:
    """A function that wants a token."""
    return make_site(TASKGATE_TOKEN_FILE=str(tokens))


@pytest.mark.parametrize(
    "header", ["Bearer first-token", "bearer first-token", "Bearer  second-token ", "Bearer third-\xc3\xa0"]
)
def test_each_line_of_the_token_file_is_a_token(guarded: Site, header: str) -> None:
    guarded.load(waiting_workflow(3))
    assert guarded.send(EVENT, authorization=header).outcome == "opened"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer other",
        "Bearer first-token second-token",
        "Bearer first-toke",
        "Basic first-token",
        "first-token",
        "Bearer \xe9",
        "Bearer " + "x" * 10_000,
    ],
)
def test_without_one_of_the_tokens_nothing_happens(guarded: Site, header: str | None) -> None:
    with guarded.unchanged():
        reply = guarded.send(EVENT, **({} if header is None else {"authorization": header}))
    assert (reply.status, reply.outcome) == (401, "invalid")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "first-token" not in reply.reason
    assert guarded.calls() == {}


def test_a_sender_without_a_token_is_turned_away_before_the_body_is_read(guarded: Site) -> None:
    async def never() -> dict[str, Any]:
        raise AssertionError("the body was read")

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    response = asyncio.run(guarded.function(HttpRequest(scope, never)))
    assert response.status_code == 401


def test_tokens_rotate_without_a_restart(guarded: Site, tokens: Path) -> None:
    guarded.load(waiting_workflow(3))

    def status(token: str) -> int:
        return guarded.send(cloudevent_structured(push()), authorization=f"Bearer {token}").status

    assert status("first-token") == 200
    # A Secret that is mounted changes by a rename.
    fresh = tokens.with_name("fresh")
    fresh.write_text("third-token\n", encoding="utf-8")
    fresh.replace(tokens)
    assert (status("first-token"), status("third-token")) == (401, 200)
    tokens.write_text("", encoding="utf-8")
    assert (status("third-token"), status("")) == (401, 401)
    tokens.unlink()
    assert status("third-token") == 401
    tokens.write_text("third-token", encoding="utf-8")
    assert status("third-token") == 200


def test_the_api_server_vouches_for_senders_with_a_service_account(
    cluster: EmbeddedCluster, make_site: Callable[..., Site]
) -> None:
    site = make_site(TASKGATE_AUTH="kubernetes")
    user = "system:serviceaccount:events:trigger"
    cluster.tokens |= {
        "good": Identity(user, audiences=("taskgate",)),
        "for-another": Identity(user, audiences=("other",)),
        "for-nobody": Identity(user),
    }
    assert site.send(cloudevent_structured(push()), authorization="Bearer good").outcome == "ignored"
    assert site.calls() == {"POST": 1}
    assert site.send(cloudevent_structured(push()), authorization="Bearer good").outcome == "ignored"
    assert site.calls() == {}, "it was asked before, less than a minute ago"
    for token in ("for-another", "for-nobody", "unknown"):
        assert site.send(cloudevent_structured(push()), authorization=f"Bearer {token}").status == 401
    assert site.send(cloudevent_structured(push())).status == 401


def test_a_service_account_of_another_namespace_may_not_send() -> None:
    reviews = Reviews()
    reviews.may_answer.set()
    inquiry = ServiceAccounts(cast("TokenReviews", reviews), "taskgate").admit("Bearer good")
    assert inquiry
    with pytest.raises(Rejection, match="is not a service account of namespace taskgate") as rejection:
        inquiry(Deadline.after(5))
    assert (rejection.value.verdict.code, rejection.value.verdict.http_status) == ("sender-not-allowed", 401)


def test_a_body_that_does_not_arrive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.01)

    async def receive() -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError

    request = HttpRequest({"type": "http", "headers": []}, receive)
    with pytest.raises(Rejection, match="did not arrive within") as rejection:
        asyncio.run(site.function._read_body(request, "", Deadline.after(5)))
    assert rejection.value.verdict.code == "body-too-slow"


class Reviews:
    """A TokenReview API that knows one token, and answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()

    def username(self, token: str, _audience: str, _budget: Deadline) -> str | None:
        self.asked.append(token)
        assert self.may_answer.wait(20)
        return "system:serviceaccount:events:trigger" if token == "good" else None


def test_one_token_is_asked_about_once_by_all_that_come_with_it(site: Site) -> None:
    reviews = Reviews()
    site.function._authenticator = ServiceAccounts(cast("TokenReviews", reviews), None)
    threading.Timer(0.3, reviews.may_answer.set).start()
    headers, body = cloudevent_structured(push())
    replies = site.send_all([(headers | {"authorization": "Bearer good"}, body)] * 12)
    assert {reply.outcome for reply in replies} == {"ignored"}
    assert reviews.asked == ["good"]


def test_senders_of_unknown_tokens_neither_load_the_api_nor_keep_others_away(site: Site) -> None:
    reviews = Reviews()
    accounts = ServiceAccounts(cast("TokenReviews", reviews), None)
    site.function._authenticator = accounts
    reviews.may_answer.set()
    headers, body = cloudevent_structured(push())

    def event(token: str) -> Request:
        return headers | {"authorization": f"Bearer {token}"}, body

    assert site.send(event("good")).outcome == "ignored"
    reviews.may_answer.clear()
    threading.Timer(0.5, reviews.may_answer.set).start()
    replies = site.send_all([*(event(f"unknown-{number}") for number in range(40)), *[event("good")] * 5])
    assert [reply.outcome for reply in replies[40:]] == ["ignored"] * 5
    assert Counter(reply.outcome for reply in replies[:40]) == {"invalid": 4, "unavailable": 36}
    assert {reply.headers["retry-after"] for reply in replies[:40] if reply.status == 503} == {"1"}
    assert len(reviews.asked) == 5


def test_a_refusal_is_remembered_for_a_moment_only(site: Site) -> None:
    reviews = Reviews()
    reviews.may_answer.set()
    accounts = site.function._authenticator = ServiceAccounts(cast("TokenReviews", reviews), None)
    for _ in range(3):
        assert site.send(cloudevent_structured(push()), authorization="Bearer unknown").status == 401
    assert reviews.asked == ["unknown"]
    accounts._refused = {digest: (0.0, why) for digest, (_, why) in accounts._refused.items()}
    assert site.send(cloudevent_structured(push()), authorization="Bearer unknown").status == 401
    assert reviews.asked == ["unknown"] * 2


def test_tokens_that_nobody_knows_do_not_make_it_forget_those_that_are_valid() -> None:
    reviews = Reviews()
    reviews.may_answer.set()
    accounts = ServiceAccounts(cast("TokenReviews", reviews), None)
    for token in ("good", *map(str, range(1500))):
        with suppress(Rejection):
            inquiry = accounts.admit(f"Bearer {token}")
            assert inquiry
            inquiry(Deadline.after(5))
    assert accounts.admit("Bearer good") is None
    assert len(accounts._refused) == 1000


def no_start(cluster: EmbeddedCluster, tmp_path: Path, **settings: str) -> str:
    """The line that a function says that does not start."""
    kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    with pytest.raises(SystemExit) as ended:
        build_app({"KUBECONFIG": str(kubeconfig)} | settings)
    return str(ended.value)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"TASKGATE_AUTH": "tokens"}, ["TASKGATE_AUTH", "'tokens'", "token, kubernetes, none"]),
        ({"TASKGATE_AUTH": "token"}, ["TASKGATE_TOKEN_FILE is not set", "one token a line"]),
        ({"TASKGATE_TOKEN_FILE": "{tmp}/none"}, ["TASKGATE_TOKEN_FILE", "{tmp}/none", "No such file"]),
        ({"TASKGATE_TOKEN_FILE": "{tmp}"}, ["TASKGATE_TOKEN_FILE", "{tmp}"]),
        ({"TASKGATE_TOKEN_FILE": "{tmp}/empty"}, ["TASKGATE_TOKEN_FILE", "at least one"]),
        ({"TASKGATE_TOKEN_FILE": "{tmp}/odd"}, ["TASKGATE_TOKEN_FILE", "{tmp}/odd"]),
        ({"TASKGATE_AUTH": "none", "TASKGATE_TOKEN_FILE": "{tmp}/empty"}, ["TASKGATE_TOKEN_FILE", "expected"]),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, ["TASKGATE_AUTH is not set", "token, kubernetes, none"]),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "TASKGATE_TOKEN_FILE": "{tmp}/token"},
            ["TASKGATE_AUTH is not set", "token, kubernetes, none"],
        ),
        ({"TASKGATE_MODE": "dry"}, ["TASKGATE_MODE", "'dry'", "open, observe"]),
        ({"TASKGATE_CONFIG": "{tmp}/none.yaml"}, ["TASKGATE_CONFIG", "{tmp}/none.yaml"]),
        ({"TASKGATE_CONFIG": "{tmp}/odd"}, ["{tmp}/odd", "UTF-8"]),
        ({"TASKGATE_CONFIG": "{tmp}/empty"}, ["{tmp}/empty", "the file is empty"]),
        ({"ARGO_SERVER": "argo:2746"}, ["ARGO_SERVER", "'argo:2746'", "https://"]),
        ({"KUBECONFIG": "{tmp}/none"}, ["KUBECONFIG", "{tmp}/none"]),
        ({"KUBECONFIG": "{tmp}/empty"}, ["KUBECONFIG", "{tmp}/empty"]),
        ({"KUBECONFIG": "{tmp}/odd"}, ["KUBECONFIG", "{tmp}/odd"]),
        ({"KUBECONFIG": "{tmp}/text"}, ["KUBECONFIG", "{tmp}/text"]),
        ({"KUBECONFIG": "{tmp}/broken"}, ["KUBECONFIG", "{tmp}/broken"]),
        ({"KUBECONFIG": ""}, ["KUBECONFIG is not set"]),
    ],
    ids=range(20),
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    cluster: EmbeddedCluster, tmp_path: Path, settings: dict[str, str], named: list[str]
) -> None:
    (tmp_path / "empty").write_text("\n \n", encoding="utf-8")
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    (tmp_path / "text").write_text("[odd]", encoding="utf-8")
    (tmp_path / "broken").write_text("a: [", encoding="utf-8")
    (tmp_path / "token").write_text("t", encoding="utf-8")
    line = no_start(
        cluster, tmp_path, **{name: value.replace("{tmp}", str(tmp_path)) for name, value in settings.items()}
    )
    assert line.startswith("taskgate: ")
    assert line.isprintable()
    for part in named:
        assert part.replace("{tmp}", str(tmp_path)) in line


def test_the_rules_are_read_at_start_only(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site(BUILT_IN_RULES.read_text(encoding="utf-8"))
    site.load(waiting_workflow(3))
    (tmp_path / "gates.yaml").write_text("odd", encoding="utf-8")
    assert site.send(EVENT).outcome == "opened"


@pytest.mark.parametrize(
    ("gate", "event", "would"),
    [
        ("wait-pr-approved", EVENT, "opened"),
        ("wait-ready-for-qa", EVENT, "parked"),
        ("wait-pr-approved", cloudevent_structured(synchronize()), "withdrawn"),
    ],
)
def test_in_observe_mode_it_is_told_what_would_be_and_nothing_is_written(
    make_site: Callable[..., Site], gate: str, event: tuple[dict[str, str], bytes], would: str
) -> None:
    site = make_site(TASKGATE_MODE="observe")
    site.load(waiting_workflow(3, gate))
    with site.unchanged():
        reply = site.send(event)
    assert (reply.outcome, reply.data["would"]) == ("observed", would)
    assert site.calls() == {"GET": 1}
    assert site.send(cloudevent_structured(labeled(by="somebody"))).outcome == "refused"


def test_our_own_replies_are_taken_without_a_word(site: Site) -> None:
    site.load(waiting_workflow(3))
    answered = site.send(EVENT)
    with site.unchanged():
        back = site.send((dict(answered.headers), answered.body))
    assert (back.status, back.body) == (204, b"")
    headers, body = cloudevent_binary(push(), "x", prefix="dev.taskgate.")
    assert site.send((headers, body)).status == 204
    assert site.send((headers, b"not json")).status in (204, 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/", 405),
        ("PUT", "/", 405),
        ("DELETE", "/", 405),
        ("POST", "/healthz", 405),
        ("POST", "/metrics", 405),
        ("POST", "/other", 404),
        ("GET", "/x" * 1000, 404),
        ("GET", "/healthz/", 404),
    ],
)
def test_other_requests_need_no_token_and_make_no_calls(guarded: Site, method: str, path: str, status: int) -> None:
    reply = guarded.request(method, path, {})
    assert reply.status == status
    assert isinstance(reply.data, dict)
    assert ("allow" in reply.headers) == (status == 405)
    assert guarded.calls() == {}


def test_more_events_than_can_be_worked_on_are_sent_away_to_come_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("func.service.app.MAX_EVENTS", 5)
    site.load(*(waiting_workflow(task) for task in range(1, 10)))
    replies = site.send_all(cloudevent_structured(approved(task=task)) for task in range(1, 10))
    assert [reply.status for reply in replies].count(503) == 4
    assert [reply.status for reply in replies].count(200) == 5
    assert site.send(EVENT).status == 200  # they can come again


def test_an_api_that_does_not_answer_is_worth_another_try(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    gone = EmbeddedCluster(controller=False)
    kubeconfig = gone.write_kubeconfig(tmp_path / "gone")
    gone.stop()
    function: App = build_app({"KUBECONFIG": str(kubeconfig)})
    reply = Site(cluster, function).send(EVENT)
    assert (reply.outcome, reply.status) == ("unavailable", 503)
    assert int(reply.headers["retry-after"]) >= 1
    assert os.fspath(tmp_path) not in reply.reason

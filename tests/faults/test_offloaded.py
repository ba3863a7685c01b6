"""Gates of Workflows whose nodes are offloaded: through Argo Server, with the same outcomes and the same once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from func.core.gates_file import parse_rules
from func.core.signals import STATE_ANNOTATION
from func.core.workflows import PARKED_LABEL
from func.devcluster import WORKFLOWS, ApiError, EmbeddedCluster
from tests.faults import proxy
from tests.faults.argo_server import ArgoServer
from tests.faults.proxy import Fault, Proxy
from tests.payloads import (
    HAPPENED,
    Payload,
    approved,
    changes_requested,
    closed,
    cloudevent_structured,
    labeled,
    release_argo,
    synchronize,
    unlabeled,
)
from tests.recorded_workflows import NAMESPACE, Workflow, recorded, waiting_workflow
from tests.service.site import Site, make_function, with_gates

GATE = "wait-pr-approved"
OUTPUTS: dict[str, str | None] = {"pr-number": "0", "note": "none", "approver": ""}
TASK = 3
_LONG = 120.0
NAME = f"play-task-{TASK}-workflow"


class Offloaded:
    """A Workflow with offloaded nodes, Argo Server behind a proxy, and the function."""

    def __init__(self, site: Site, argo: ArgoServer, way: Proxy) -> None:
        self.site = site
        self.argo = argo
        self.way = way

    def stand_at(self, gate: str) -> None:
        """The Workflow stands at the gate; what is remembered on it stays."""
        workflow = waiting_workflow(TASK, gate, outputs=OUTPUTS if gate == GATE else None)
        with suppress(ApiError):  # none is there yet
            workflow["metadata"] = self.workflow["metadata"]
        self.argo.load(workflow)

    def send(self, delivery: str = "approval-1", **facts: Any) -> str:  # noqa: ANN401 - those of the payload
        """An approval; returns its outcome."""
        self.reply = self.site.send(cloudevent_structured(approved(task=TASK, **facts), delivery=delivery))
        return self.reply.outcome

    def release(self) -> str:
        self.reply = self.site.send(release_argo(NAMESPACE, NAME))
        return self.reply.outcome

    def strike(self, fault: Fault, method: str = "PUT") -> None:
        """From now on calls of this method to Argo Server go wrong."""
        self._call_timeout(0.5)  # of a call that gets no answer
        self.way.begin(lambda _, kind: fault if kind == method else proxy.pass_on)

    def heal(self) -> None:
        self._call_timeout(_LONG)
        self.way.begin()

    def _call_timeout(self, seconds: float) -> None:
        argo = self.site.function._pipeline.argo
        assert argo is not None
        argo.call_timeout = seconds

    @property
    def workflow(self) -> Workflow:
        return self.site.workflow(NAME)

    @property
    def node(self) -> dict[str, Any]:
        return self.argo.gate(NAMESPACE, NAME, GATE)

    @property
    def use(self) -> dict[str, Any]:
        """Return which signal moved the gate."""
        state = json.loads(self.workflow["metadata"]["annotations"][STATE_ANNOTATION])
        (use,) = [each for each in state["used"] if each["gate"] == GATE]
        assert isinstance(use, dict)
        return use

    @property
    def is_claimed(self) -> bool:
        """Return whether nobody knows yet what Argo Server did."""
        return bool(self.use.get("claimed", False))

    @property
    def is_parked(self) -> bool:
        return PARKED_LABEL in self.workflow["metadata"]["labels"]

    def check_opened_once(self) -> None:
        """By the first approval, with nothing left to do."""
        assert self.argo.opened == {(NAME, GATE): 1}
        assert "event approval-1" in self.node["message"]
        assert (self.is_claimed, self.use["id"]) == (False, "approval-1")
        assert not self.is_parked


@pytest.fixture
def empty_cluster(fault_cluster: EmbeddedCluster) -> EmbeddedCluster:
    for stored in fault_cluster.store.select(WORKFLOWS).items:
        fault_cluster.store.delete(WORKFLOWS, *stored.key)
    return fault_cluster


@pytest.fixture
def offloaded(empty_cluster: EmbeddedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Offloaded]:
    with ArgoServer(empty_cluster, token="argo-token") as argo, Proxy(argo.port, drip_seconds=0.1) as way:
        (tmp_path / "token").write_text("argo-token\n")
        settings = {"ARGO_SERVER": f"{way.url}/", "ARGO_SERVER_TOKEN_FILE": str(tmp_path / "token")}
        # What the function asks of a healthy server is not to depend on how busy the machine is.
        monkeypatch.setattr("func.service.app.EVENT_SECONDS", _LONG)
        one = Offloaded(Site(empty_cluster, make_function(empty_cluster, tmp_path, **settings)), argo, way)
        one.heal()
        one.stand_at(GATE)
        yield one


def test_the_stand_in_answers_as_argo_server_did(empty_cluster: EmbeddedCluster) -> None:
    recording = Path(__file__).parents[1] / "data" / "argo-recordings" / "offloaded-nodes"
    hydrated = json.loads((recording / "server-get.json").read_text())
    request = json.loads((recording / "set-request.json").read_text())
    name = hydrated["metadata"]["name"]
    path = f"/api/v1/workflows/{NAMESPACE}/{name}"
    with ArgoServer(empty_cluster) as argo:
        before = recorded("offloaded-nodes") | {"status": hydrated["status"]}
        argo.load(before)
        status, answer = argo.answer("GET", f"{path}?fields=metadata.uid,status.nodes", None, b"")
        assert status == 200
        assert answer == {
            "metadata": {"uid": hydrated["metadata"]["uid"]},
            "status": {"nodes": hydrated["status"]["nodes"]},
        }
        assert argo.answer("PUT", f"{path}/set", None, json.dumps(request).encode())[0] == 200
        node_id = request["nodeFieldSelector"].removeprefix("id=")
        opened = json.loads((recording / "server-get-after.json").read_text())["status"]["nodes"][node_id]
        grown = ("finishedAt", "children", "progress")  # the controller's part
        assert {key: value for key, value in argo.nodes(NAMESPACE, name)[node_id].items() if key not in grown} == {
            key: value for key, value in opened.items() if key not in grown
        }
        again = (
            "currently, set only targets suspend nodes: no suspend nodes matching nodeFieldSelector: "
            + (request["nodeFieldSelector"])
        )
        assert argo.answer("PUT", f"{path}/set", None, json.dumps(request).encode()) == (
            500,
            {"code": 13, "message": again},
        )
        missing = f"/api/v1/workflows/{NAMESPACE}/zzz/set"
        assert argo.answer("PUT", missing, None, json.dumps(request).encode()) == (
            404,
            {"code": 5, "message": 'workflows.argoproj.io "zzz" not found'},
        )


def test_an_approval_opens_the_gate_with_its_outputs(offloaded: Offloaded) -> None:
    assert offloaded.send() == "opened"
    assert offloaded.reply.data["node"] == offloaded.node["id"]
    offloaded.check_opened_once()
    outputs = {each["name"]: each["value"] for each in offloaded.node["outputs"]["parameters"]}
    assert outputs == {"pr-number": "123", "note": "none", "approver": "5DLabs-Tess[bot]"}


def test_the_same_event_again_is_a_duplicate_and_another_finds_the_gate_open(offloaded: Offloaded) -> None:
    offloaded.send()
    assert offloaded.send() == "duplicate"
    assert offloaded.send("approval-2", review_id=9) == "already-open"
    offloaded.check_opened_once()


def test_the_checks_are_the_same_as_without_argo_server(offloaded: Offloaded) -> None:
    assert offloaded.send(by="somebody") == "refused"
    assert offloaded.send(head_repository="stranger/cto") == "refused"
    assert offloaded.argo.opened == {}


def test_an_early_approval_waits_and_is_released(offloaded: Offloaded) -> None:
    offloaded.stand_at("wait-ready-for-qa")
    assert offloaded.send() == "parked"
    assert offloaded.release() == "ignored"
    offloaded.stand_at(GATE)
    assert offloaded.release() == "opened"
    offloaded.check_opened_once()
    assert offloaded.release() == "ignored"


_LOST: dict[str, Fault] = {
    "cut before": proxy.cut_before,
    "cut after": proxy.cut_after,
    "half an answer": proxy.half_answer,
    "answer too late": proxy.slow_answer,
    "drips": proxy.dripping,
    "503": proxy.status(503, "", "upstream connect error"),
    "500": proxy.status(500, "", "transient error"),
    "a page": proxy.garbage,
}


@pytest.mark.parametrize("finish", [Offloaded.send, Offloaded.release])
@pytest.mark.parametrize("fault", _LOST)
def test_a_claim_whose_set_got_no_answer_is_finished_by_a_redelivery_or_a_release(
    offloaded: Offloaded, fault: str, finish: Callable[[Offloaded], str]
) -> None:
    offloaded.strike(_LOST[fault])
    assert offloaded.send() == "unavailable"
    assert offloaded.is_claimed
    assert offloaded.use["node"] == offloaded.node["id"]
    assert offloaded.is_parked
    offloaded.heal()
    assert finish(offloaded) == "opened"
    offloaded.check_opened_once()


def test_a_set_that_arrives_after_all_opens_nothing_twice(offloaded: Offloaded) -> None:
    offloaded.strike(proxy.slow_request)
    assert offloaded.send() == "unavailable"
    offloaded.heal()
    assert offloaded.send() == "opened"
    assert [response.status for response in offloaded.way.deliver_late()] == [500]
    offloaded.check_opened_once()


def test_a_claim_is_finished_by_no_other_event(offloaded: Offloaded) -> None:
    offloaded.strike(proxy.cut_before)
    offloaded.send()
    offloaded.heal()
    assert offloaded.send("approval-2", review_id=9) == "already-open"
    qa = cloudevent_structured(labeled(task=TASK), delivery="qa")
    assert offloaded.site.send(qa).outcome == "already-open"  # that gate is behind it
    assert offloaded.argo.opened == {}
    assert offloaded.is_claimed
    assert offloaded.send() == "opened"
    offloaded.check_opened_once()


def test_a_claim_is_finished_at_its_own_gate_when_the_rules_have_changed(offloaded: Offloaded) -> None:
    offloaded.strike(proxy.cut_before)
    offloaded.send()
    offloaded.heal()
    rules = parse_rules(with_gates("  wait-pr-merged: {event: pull_request_review.submitted, by: reviewers}"), "")
    offloaded.site.function._pipeline.rules = rules
    assert offloaded.send() == "opened"
    assert offloaded.reply.data["gate"] == GATE
    offloaded.check_opened_once()


def test_a_gate_that_a_person_opens_while_it_is_claimed_is_already_open(offloaded: Offloaded) -> None:
    offloaded.strike(proxy.cut_before)
    offloaded.send()
    offloaded.heal()
    offloaded.node.update(phase="Succeeded", message="by hand")
    assert offloaded.send() == "already-open"
    assert not offloaded.is_claimed
    assert offloaded.node["message"] == "by hand"
    assert not offloaded.is_parked


def test_a_claimed_gate_that_failed_is_refused(offloaded: Offloaded) -> None:
    offloaded.strike(proxy.cut_before)
    offloaded.send()
    offloaded.heal()
    offloaded.node.update(phase="Failed", message="Stopped with strategy 'Stop'")
    assert offloaded.send() == "refused"
    assert "Failed" in offloaded.reply.reason
    assert not offloaded.is_claimed
    assert not offloaded.is_parked


def claim_without_answer(offloaded: Offloaded) -> None:
    """Claim the gate for the approval; Argo Server is away."""
    offloaded.strike(proxy.cut_before)
    assert offloaded.send() == "unavailable"
    offloaded.heal()
    assert offloaded.is_claimed


_LATER = HAPPENED + timedelta(minutes=1)
_REVOKED: dict[str, tuple[Payload, str]] = {
    "push": (synchronize(task=TASK, happened=_LATER), "revoked"),
    "changes requested": (changes_requested(task=TASK, review_id=99, happened=_LATER), "revoked"),
    "closed": (closed(task=TASK, merged=False, happened=_LATER), "pull-request-gone"),
    "label taken off": (unlabeled("task-3", labels=["task-3"], branch="x", happened=_LATER), "pull-request-gone"),
}


@pytest.mark.parametrize("what", _REVOKED)
def test_a_claimed_approval_that_is_revoked_opens_nothing(offloaded: Offloaded, what: str) -> None:
    payload, code = _REVOKED[what]
    claim_without_answer(offloaded)
    revoking = offloaded.site.send(cloudevent_structured(payload, delivery="revoking"))
    assert revoking.outcome == "withdrawn"
    assert "event approval-1" in revoking.reason
    assert not offloaded.is_parked
    assert offloaded.release() == "ignored"
    assert offloaded.send() == "refused"
    assert offloaded.reply.data["code"] == code
    assert offloaded.argo.opened == {}
    assert offloaded.send("approval-2", review_id=100, happened=_LATER + timedelta(minutes=1)) == "opened"


def test_a_person_who_approves_again_does_not_revoke_a_claim(offloaded: Offloaded) -> None:
    claim_without_answer(offloaded)
    assert offloaded.send("approval-2", review_id=99, happened=_LATER) == "already-open"
    assert offloaded.release() == "opened"
    offloaded.check_opened_once()


def test_a_revocation_that_comes_while_argo_server_opens_the_gate_is_too_late(offloaded: Offloaded) -> None:
    replies = []

    def revoke() -> None:
        replies.append(offloaded.site.send(cloudevent_structured(_REVOKED["push"][0], delivery="revoking")).outcome)

    offloaded.argo.before_set = revoke
    assert offloaded.send() == "opened"
    assert replies == ["withdrawn"]
    assert offloaded.send() == "duplicate"
    offloaded.check_opened_once()


@pytest.mark.parametrize("finish", [Offloaded.send, Offloaded.release])
def test_a_claim_moves_no_node_that_was_started_again_after_it(
    offloaded: Offloaded, finish: Callable[[Offloaded], str]
) -> None:
    offloaded.strike(proxy.cut_after)
    assert offloaded.send() == "unavailable"  # the gate is open all the same
    offloaded.heal()
    offloaded.node.update(phase="Running", startedAt="2026-11-22T11:30:00Z")  # argo retry --restart-successful
    assert finish(offloaded) in ("duplicate", "ignored")
    assert offloaded.node["phase"] == "Running"
    assert not offloaded.is_parked
    assert offloaded.send() == "duplicate"
    assert sum(offloaded.argo.opened.values()) == 1


@pytest.mark.parametrize("finish", [Offloaded.send, Offloaded.release])
def test_a_claim_opens_nothing_on_a_workflow_that_is_being_stopped(
    offloaded: Offloaded, finish: Callable[[Offloaded], str]
) -> None:
    claim_without_answer(offloaded)
    workflow = offloaded.workflow
    workflow["spec"]["shutdown"] = "Stop"
    offloaded.site.load(workflow)
    assert finish(offloaded) in ("refused", "ignored")
    assert offloaded.argo.opened == {}


def test_a_claim_waits_on_a_workflow_that_has_failed(offloaded: Offloaded) -> None:
    claim_without_answer(offloaded)
    workflow = offloaded.workflow
    workflow["status"]["phase"] = "Failed"
    offloaded.site.load(workflow)
    assert offloaded.send() == "parked"
    assert offloaded.argo.opened == {}
    workflow = offloaded.workflow
    workflow["status"]["phase"] = "Running"  # argo retry
    offloaded.site.load(workflow)
    assert offloaded.release() == "opened"
    offloaded.check_opened_once()


def test_a_claim_on_nodes_that_are_back_in_the_workflow_opens_them_there(offloaded: Offloaded) -> None:
    offloaded.strike(proxy.cut_before)
    offloaded.send()
    offloaded.heal()
    workflow = offloaded.workflow
    status = {name: value for name, value in workflow["status"].items() if name != "offloadNodeStatusVersion"}
    back = workflow | {"status": status | {"nodes": offloaded.argo.nodes(NAMESPACE, NAME)}}
    offloaded.site.load(back)
    offloaded.site.function._pipeline.argo = None
    assert offloaded.release() == "opened"
    assert offloaded.site.phase(GATE) == "Succeeded"
    assert not offloaded.is_claimed
    assert not offloaded.is_parked


def test_a_workflow_that_is_gone_after_its_gate_was_opened_does_not_change_that(offloaded: Offloaded) -> None:
    store = offloaded.site.cluster.store

    def delete() -> None:
        store.delete(WORKFLOWS, NAMESPACE, NAME)

    offloaded.argo.after_set = delete
    assert offloaded.send() == "opened"


def test_two_deliveries_at_once_open_it_once(offloaded: Offloaded) -> None:
    twin = cloudevent_structured(approved(task=TASK), delivery="approval-1")
    outcomes = [reply.outcome for reply in offloaded.site.send_all([twin] * 4)]
    assert set(outcomes) <= {"opened", "duplicate", "already-open", "unavailable"}
    assert "opened" in outcomes
    if "unavailable" in outcomes:
        assert offloaded.send() == "duplicate"
    offloaded.check_opened_once()


def test_without_the_setting_it_is_named(empty_cluster: EmbeddedCluster, tmp_path: Path) -> None:
    with ArgoServer(empty_cluster) as argo:
        argo.load(waiting_workflow(TASK))
    reply = Site(empty_cluster, make_function(empty_cluster, tmp_path)).send(cloudevent_structured(approved()))
    assert reply.outcome == "unavailable"
    assert "ARGO_SERVER" in reply.reason


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_token_that_argo_server_does_not_take_is_forbidden(offloaded: Offloaded, method: str) -> None:
    offloaded.strike(proxy.status(401, "", "token not valid"), method)
    assert offloaded.send() == "forbidden"
    assert "token not valid" in offloaded.reply.reason
    offloaded.heal()
    assert offloaded.send() == "opened"


def test_the_token_is_read_again_for_each_call(offloaded: Offloaded, tmp_path: Path) -> None:
    offloaded.argo.token = "rotated"
    assert offloaded.send() == "forbidden"
    (tmp_path / "token").write_text("rotated")
    assert offloaded.send() == "opened"


def test_an_argo_server_that_is_down_is_unavailable(offloaded: Offloaded) -> None:
    offloaded.way.refuse()
    assert offloaded.send() == "unavailable"
    assert "Argo Server" in offloaded.reply.reason
    offloaded.way.listen_again()
    assert offloaded.send() == "opened"


@pytest.mark.parametrize(
    "wrong",
    [
        proxy.status(404, "", "page not found"),
        proxy.garbage,
        lambda exchange: exchange.answer(proxy.Response(404, {"Content-Type": "text/plain"}, b"404 page not found")),
    ],
)
def test_a_wrong_url_of_argo_server_is_named(offloaded: Offloaded, wrong: Fault) -> None:
    offloaded.strike(wrong, "GET")
    assert offloaded.send() == "unavailable"
    assert "ARGO_SERVER" in offloaded.reply.reason
    assert offloaded.argo.opened == {}

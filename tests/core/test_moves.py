"""How signals move a node: what is written, what a person reads there, and claims of offloaded nodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from func.core.claims import settle
from func.core.decisions import decide
from func.core.reasons import Verdict
from func.core.rules import Rules
from func.core.workflows import read_workflow
from tests.core.bench import GATE, NOW, STATE, Bench, at, named, plan_of, rules_with
from tests.payloads import (
    CLEO,
    TESS,
    Payload,
    approved,
    changes_requested,
    closed,
    cloudevent_structured,
    dismissed,
    labeled,
    synchronize,
)
from tests.recorded_workflows import Workflow, gate_node, waiting_workflow
from tests.remembering import remembering, signal, use

EARLY = "wait-ready-for-qa"  # the gate before the one of the approval
BY_HAND = "manually or by its timeout"
QUORUM = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, quorum: 2}}")
ROUNDS = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, rounds: true}}")


# ---- what is written


def test_a_move_is_remembered_with_the_node_and_told_with_its_message() -> None:
    bench = Bench.at()
    answer = bench.deliver(named(approved(), "d-1"))
    message = f"opened by pull_request_review.submitted of {TESS} on 5dlabs/cto#123 (taskgate, event d-1)"
    assert answer.reason == Verdict.of("opened", gate=GATE, message=message).sentence
    node = gate_node(bench.document, GATE)
    assert (answer.node, node["message"], node["finishedAt"]) == (node["id"], message, "2026-11-22T12:00:00Z")
    assert bench.state["used"] == [
        {
            "id": "d-1",
            "gate": GATE,
            "happened": "2026-11-22T11:00:00Z",
            "node": node["id"],
            "started": node["startedAt"],
            "at": "2026-11-22T12:00:00Z",
            "pull_request": "5dlabs/cto#123",
        }
    ]


def test_a_node_that_fails_says_so_and_needs_no_outputs() -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: pull_request.closed, merged: false, by: anyone, then: fail}\n"
        "  - {event: pull_request_review.submitted, by: anyone}"
    )
    bench = Bench(waiting_workflow(3, outputs={"ticket": None}), rules)
    assert bench.deliver(approved()).code == "missing-output"
    assert bench.deliver(named(closed(merged=False), "d-2")).outcome == "failed"
    assert gate_node(bench.document, GATE)["message"].startswith("failed by pull_request.closed of ")
    assert [(each["id"], each["how"]) for each in bench.state["used"]] == [("d-2", "fail")]


def test_a_message_names_the_others_of_a_quorum() -> None:
    bench = Bench.at(rules=QUORUM)
    bench.deliver(named(approved(by=TESS, review_id=1), "d-1"))
    bench.deliver(named(approved(by=CLEO, review_id=2), "d-2"))
    message = f"opened by pull_request_review.submitted of {CLEO} and 1 more on 5dlabs/cto#123 (taskgate, event d-2)"
    assert gate_node(bench.document, GATE)["message"] == message


def test_a_message_names_no_person_and_no_pull_request_where_the_event_has_none() -> None:
    rules = rules_with(f"  {GATE}: {{event: com.example.done, task: task, repository: repo, by: anyone}}")
    bench = Bench.at(rules=rules)
    data = {"task": 3, "repo": "5dlabs/cto"}
    bench.deliver(cloudevent_structured(data, "done", delivery="d-1", prefix="com.example.", source="/s"))
    assert gate_node(bench.document, GATE)["message"] == "opened by com.example.done (taskgate, event d-1)"


@pytest.mark.parametrize(
    ("delivery", "shown"),
    [
        ("a{{b}} c" + "d" * 200, "abc" + "d" * 117),
        ("éX{{b}} " + "é" * 200, "éXb" + "é" * 117),
    ],
    ids=["ASCII", "others"],
)
def test_a_message_holds_nothing_of_an_id_that_a_terminal_or_a_template_would_act_on(delivery: str, shown: str) -> None:
    bench = Bench.at()
    bench.deliver(named(approved(), delivery))
    assert gate_node(bench.document, GATE)["message"].partition("event ")[2] == f"{shown})"


# ---- gates opened by hand


def opened_at(bench: Bench, finished: object, gate: str = GATE) -> None:
    """Somebody opens the gate."""
    bench.document = json.loads(json.dumps(bench.document))
    gate_node(bench.document, gate).update(phase="Succeeded", finishedAt=finished)


@pytest.mark.parametrize(
    ("finished", "is_used"),
    [
        ("2026-11-22T12:00:01Z", True),
        ("2026-11-22T12:00:00Z", False),  # the second in which the signal came: it may be for the next round
        ("2026-11-22T11:00:00Z", False),
        (None, False),
    ],
)
def test_a_gate_of_rounds_that_is_opened_by_hand_uses_up_what_waited_before(finished: object, is_used: bool) -> None:  # noqa: FBT001
    bench = Bench.at(EARLY, ROUNDS)
    bench.deliver(approved())
    bench.reach()
    opened_at(bench, finished)
    bench.release()
    assert (bench.is_parked, len(bench.state["used"])) == (not is_used, is_used)


def test_a_signal_for_an_item_of_a_loop_is_not_used_up_by_an_item_opened_before() -> None:
    bench = Bench.at()
    nodes = bench.document["status"]["nodes"]
    first = gate_node(bench.document, GATE)
    second = {**first, "id": f"{first['id']}-2", "displayName": f"{GATE}(1:b)", "phase": "Pending"}
    first |= {"displayName": f"{GATE}(0:a)", "phase": "Succeeded", "finishedAt": "2026-11-22T11:00:00Z"}
    nodes[second["id"]] = second
    assert bench.deliver(approved()).outcome == "parked"
    assert bench.release().outcome == "ignored"
    assert bench.is_parked
    nodes[second["id"]]["phase"] = "Running"
    assert bench.release().outcome == "opened"


def test_a_gate_opened_by_hand_uses_up_its_signals_whatever_waits_for_an_earlier_gate() -> None:
    bench = Bench.at("wait-pr-created")
    bench.deliver(labeled())
    bench.deliver(named(approved(), "d-1"))
    bench.reach("wait-pr-merged")
    gate_node(bench.document, EARLY)["phase"] = "Skipped"
    bench.release()
    assert bench.used() == ["d-1"]
    assert "how" not in bench.state["used"][0]  # `open`


def test_a_gate_that_was_failed_by_hand_uses_nothing_up() -> None:
    bench = Bench.at(EARLY)
    bench.deliver(approved())
    bench.reach()
    gate_node(bench.document, GATE)["phase"] = "Failed"
    bench.release()
    assert bench.state["used"] == []
    gate_node(bench.document, GATE).update(phase="Running", startedAt="2026-11-22T12:30:00Z")  # as `argo retry` does
    assert bench.release().outcome == "opened"


def test_what_was_forgotten_stays_so_when_a_gate_is_moved() -> None:
    document = remembering(waiting_workflow(3), [signal(id="d-9", happened="2026-11-22T10:59:00Z")])
    state = json.loads(document["metadata"]["annotations"][STATE]) | {"forgotten": {"#9": "2026-11-22T10:00:00Z"}}
    document["metadata"]["annotations"][STATE] = json.dumps(state)
    bench = Bench(document)
    assert bench.deliver(named(approved(), "d-1")).outcome == "opened"
    assert bench.state["forgotten"] == {"#9": "2026-11-22T10:00:00Z"}


# ---- claims: nodes that only Argo Server can write


def claimed(phase: str, message: str = "", *, count: int = 1) -> Workflow:
    """A Workflow on which signals have claimed the gate, and what became of its node."""
    document = waiting_workflow(3)
    node = gate_node(document, GATE)
    node |= {"phase": phase, "message": message}
    people = [TESS, CLEO][:count]
    signals = [signal(id=f"d-{place + 1}", review=place, person=each) for place, each in enumerate(people)]
    uses = [use(node["id"], id=each["id"], started=node["startedAt"], claimed=True) for each in signals]
    before = use("another-node", id="d-0", gate="wait-other", happened="2026-11-22T10:00:00Z")
    waits = signal("pull_request.opened", id="d-9", gate="wait-other")
    return remembering(document, [*signals, waits], [before, *uses])


def finish(bench: Bench, by: str) -> Any:  # noqa: ANN401  an answer
    return bench.release() if by == "release" else bench.deliver(named(approved(), "d-1"))


MESSAGE = f"opened by pull_request_review.submitted of {TESS} on 5dlabs/cto#123 (taskgate, event d-1)"
TWO = MESSAGE.replace(" on ", " and 1 more on ")


def test_signals_claim_a_node_that_is_offloaded_and_keep_what_finishing_it_needs() -> None:
    document = waiting_workflow(3, outputs={"pr-number": None})
    remembering(document, [signal("pull_request.opened", id="d-9", gate="wait-other")])
    (intent,) = plan_of(named(approved(), "d-1"), QUORUM_OF_ONE).intents
    workflow = read_workflow(document)._replace(stored="offloaded")
    decision = decide(intent, QUORUM_OF_ONE, workflow, NOW)
    assert decision.state
    (claim,) = decision.state.claims
    assert (claim.id, claim.node, decision.parked) == ("d-1", gate_node(document, GATE)["id"], True)
    assert decision.state.signals[-1].outputs == {"pr-number": "123"}

    assert not decision.is_done_on(workflow)
    document["metadata"]["annotations"][STATE] = decision.state.text()
    assert decision.is_done_on(read_workflow(document))
    moved = settle(read_workflow(document), decision, QUORUM_OF_ONE, NOW)
    assert moved.state
    assert (moved.move, moved.state.claims, moved.state.used[0].id, moved.parked) == (None, (), "d-1", True)

    document["metadata"]["annotations"][STATE] = moved.state.text()
    again = settle(read_workflow(document), decision, QUORUM_OF_ONE, NOW)
    assert (again.verdict, again.state, again.move) == (decision.verdict, None, None)
    assert not again.is_done_on(read_workflow(document))


QUORUM_OF_ONE = rules_with(
    f"  {GATE}: {{event: pull_request_review.submitted, by: anyone}}\n"
    "  wait-other: {event: pull_request.opened, by: anyone}",
    "  pr-number: '{pull_request.number}'",
)


@pytest.mark.parametrize("by", ["release", "redelivery"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("phase", "is_own", "code", "by_hand"),
    [
        ("Running", False, "opened", None),
        ("Succeeded", True, "opened", None),
        ("Succeeded", False, "already-open", True),
        ("Failed", False, "gate-failed", True),
    ],
)
def test_a_claim_is_finished_by_what_became_of_its_node(
    phase: str,
    is_own: bool,  # noqa: FBT001
    code: str,
    by_hand: bool | None,  # noqa: FBT001
    count: int,
    by: str,
) -> None:
    own = MESSAGE if count == 1 else TWO
    bench = Bench(claimed(phase, own if is_own else "by somebody", count=count), built_in_with_old_name())
    answer = finish(bench, by)
    data = {"message": own, "how": BY_HAND, "phase": phase}
    assert (answer.code, answer.reason) == (code, Verdict.of(code, gate=GATE, **data).sentence)
    assert (answer.gate, answer.node) == (GATE, gate_node(bench.document, GATE)["id"])
    assert gate_node(bench.document, GATE)["phase"] == ("Succeeded" if phase == "Running" else phase)
    used = bench.state["used"]
    assert [(each["id"], each.get("claimed"), each.get("by_hand")) for each in used] == [
        ("d-0", None, None),
        *((f"d-{place + 1}", None, by_hand) for place in range(count)),
    ]
    assert bench.is_parked  # the other signal waits on
    assert finish(bench, "redelivery").outcome == "duplicate"


def built_in_with_old_name() -> Rules:
    return rules_with(
        f"  {GATE}: {{event: pull_request_review.submitted, review: approved, by: anyone}}\n"
        "  wait-other: {event: pull_request.opened, by: anyone}"
    )


@pytest.mark.parametrize("phase", ["Pending", ""])
def test_a_claim_of_a_node_that_is_not_there_yet_is_tried_again(phase: str) -> None:
    bench = Bench(claimed(phase))
    answer = bench.deliver(named(approved(), "d-1"))
    assert (answer.outcome, answer.code, answer.gate) == ("unavailable", "claim-pending", GATE)
    assert (answer.node, bench.writes) == (gate_node(bench.document, GATE)["id"], 0)


@pytest.mark.parametrize("by", ["release", "redelivery"])
def test_a_claim_whose_signal_is_lost_is_given_up(by: str) -> None:
    document = claimed("Running")
    state = json.loads(document["metadata"]["annotations"][STATE])
    state["signals"] = [each for each in state["signals"] if each["id"] != "d-1"]
    document["metadata"]["annotations"][STATE] = json.dumps(state)
    bench = Bench(document)
    answer = finish(bench, by)
    assert (answer.outcome, answer.code, answer.gate) == ("refused", "forgotten", GATE)
    assert answer.node == gate_node(document, GATE)["id"]
    lost = Verdict.of("forgotten", workflow="play-task-3-workflow", until="2026-11-22T12:00:00Z")
    assert answer.reason == lost.sentence
    assert (bench.phase(), [each["id"] for each in bench.state["used"]]) == ("Running", ["d-0"])
    assert bench.deliver(named(approved(review_id=9, happened=at(0)), "d-7")).outcome == "opened"


def test_a_claim_for_inputs_names_its_gate_and_a_gate_that_the_rules_no_longer_have_its_own() -> None:
    inputs = rules_with(f"  {GATE}: {{event: pull_request_review.submitted, by: anyone, inputs: {{event: qa}}}}")
    other = rules_with("  wait-other: {event: pull_request.opened, by: anyone}")
    for rules, gate in (inputs, GATE), (other, f"{GATE}(event=qa)"):
        document = claimed("Running")
        annotations = document["metadata"]["annotations"]
        annotations[STATE] = annotations[STATE].replace(f'"gate": "{GATE}"', f'"gate": "{GATE}(event=qa)"')
        answer = Bench(document, rules).release()
        assert (answer.outcome, answer.gate) == ("opened", gate)


def test_a_gate_that_is_claimed_is_about_to_be_opened_for_other_events() -> None:
    bench = Bench(claimed("Running"))
    other = bench.deliver(named(approved(review_id=9, happened=at(0)), "other"))
    assert (other.code, other.reason) == ("claimed", Verdict.of("claimed", gate=GATE, event="d-1").sentence)
    assert other.node == gate_node(bench.document, GATE)["id"]
    assert "other" in bench.signals()  # it may end what its person requested before


def test_a_claim_is_not_copied_with_its_workflow() -> None:
    document = claimed("Running")
    document["metadata"]["annotations"][STATE] = document["metadata"]["annotations"][STATE].replace(
        document["metadata"]["uid"], "00000000-0000-4000-8000-000000000000"
    )
    bench = Bench(document)
    assert bench.deliver(named(approved(), "d-1")).code == "used-on-original"
    assert bench.release().outcome == "ignored"
    assert (bench.phase(), bench.is_parked) == ("Running", False)
    assert bench.deliver(named(approved(review_id=9), "d-7")).outcome == "opened"


# ---- claims that nobody may finish any more


def _stop(document: Workflow) -> None:
    document["spec"]["shutdown"] = "Stop"


def _fail(document: Workflow) -> None:
    document["status"]["phase"] = "Failed"


def _relabel(document: Workflow) -> None:
    document["metadata"]["labels"]["task-id"] = "4"


def _restart(document: Workflow) -> None:
    gate_node(document, GATE)["startedAt"] = "2026-11-22T10:45:00Z"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (changes_requested(review_id=8, happened=at(0)), "revoked"),
        (dismissed(review_id=0, updated=at(0)), "revoked"),
        (synchronize(happened=at(0)), "revoked"),
        (closed(merged=False, happened=at(0)), "pull-request-gone"),
    ],
)
def test_an_event_that_revokes_a_claimed_signal_gives_the_claim_up(payload: Payload, code: str) -> None:
    bench = Bench(claimed("Running"))
    assert bench.deliver(named(payload, "revoking")).outcome == "withdrawn"
    assert (bench.writes, [each["id"] for each in bench.state["used"]]) == (1, ["d-0"])
    assert bench.release().outcome == "ignored"
    assert (bench.deliver(named(approved(), "d-1")).code, bench.phase()) == (code, "Running")


def test_a_claim_of_several_is_given_up_when_one_of_them_is_revoked() -> None:
    bench = Bench(claimed("Running", count=2), QUORUM)
    withdrawing = "    quorum: 2\n    withdraw: [{event: pull_request_review.dismissed}]"
    bench.rules = rules_with(f"  {GATE}:\n    event: pull_request_review.submitted\n    by: anyone\n{withdrawing}")
    assert bench.deliver(named(dismissed(review_id=1, updated=at(0)), "revoking")).outcome == "withdrawn"
    assert [each["id"] for each in bench.state["used"]] == ["d-0"]
    assert bench.deliver(named(approved(), "d-1")).code == "quorum"


def test_requested_changes_that_another_rule_fails_the_gate_for_end_a_claim() -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
        "  - {event: pull_request_review.submitted, review: changes_requested, by: anyone, then: fail}"
    )
    bench = Bench(claimed("Running"), rules)
    assert bench.deliver(named(changes_requested(review_id=8, happened=at(0)), "newer")).outcome == "failed"
    assert (bench.phase(), [each["id"] for each in bench.state["used"]]) == ("Failed", ["d-0", "newer"])


def test_an_older_approval_of_somebody_else_ends_no_claim() -> None:
    bench = Bench(claimed("Running"))
    assert bench.deliver(named(approved(by=CLEO, review_id=9, happened=at(-3600)), "other")).outcome == "refused"
    assert bench.deliver(named(approved(), "d-1")).outcome == "opened"


def test_a_push_that_another_push_revokes_ends_its_claim_though_both_open_the_gate() -> None:
    rules = rules_with(
        f"  {GATE}:\n    event: pull_request.synchronize\n    by: anyone\n"
        "    withdraw: [{event: pull_request.synchronize}]"
    )
    document = waiting_workflow(3)
    node = gate_node(document, GATE)
    first = signal("pull_request.synchronize", id="d-1", head="c" * 40)
    claim = use(node["id"], id="d-1", started=node["startedAt"], claimed=True)
    bench = Bench(remembering(document, [first], [claim]), rules)
    bench.deliver(named(synchronize(happened=at(0)), "newer"))
    assert [each["id"] for each in bench.state["used"]] == ["newer"]


def test_a_claim_is_not_settled_on_a_workflow_of_the_same_name_that_took_its_place() -> None:
    document = waiting_workflow(3, outputs={"pr-number": None})
    (intent,) = plan_of(named(approved(), "d-1"), QUORUM_OF_ONE).intents
    decision = decide(intent, QUORUM_OF_ONE, read_workflow(document)._replace(stored="offloaded"), NOW)
    assert decision.state
    document["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"
    settled = settle(read_workflow(document), decision, QUORUM_OF_ONE, NOW)
    assert (settled.state, settled.move) == (None, None)


@pytest.mark.parametrize(
    ("change", "by_event", "by_release", "code"),
    [
        (_stop, "workflow-stopping", "nothing-to-release", "workflow-stopping"),
        (_fail, "workflow-failed", "nothing-to-release", "workflow-failed"),
        (_relabel, None, "nothing-to-release", None),
        (_restart, "duplicate", "nothing-to-release", "duplicate"),
    ],
)
def test_a_claim_moves_nothing_on_a_workflow_that_changed(
    change: Callable[[Workflow], None], by_event: str | None, by_release: str, code: str | None
) -> None:
    document = claimed("Running")
    change(document)
    released = Bench(document)
    assert (released.release().code, released.phase()) == (by_release, "Running")
    for bench, expected in (Bench(document), by_event), (released, code):
        if expected:
            assert (bench.deliver(named(approved(), "d-1")).code, bench.phase()) == (expected, "Running")


def test_a_claim_of_a_node_that_was_moved_is_kept_whatever_revokes_it_later() -> None:
    bench = Bench(claimed("Succeeded", MESSAGE))
    assert bench.deliver(named(synchronize(happened=at(0)), "later")).code == "nothing-waits"
    assert bench.deliver(named(approved(), "d-1")).outcome == "opened"
    assert [each["id"] for each in bench.state["used"]] == ["d-0", "d-1"]

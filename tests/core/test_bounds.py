"""What a Workflow forgets when too much came: forgetting can refuse a signal, never open a gate."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from func.core import bounds
from func.core.bounds import bounded
from func.core.fold import fold
from func.core.rules import Rules
from func.core.signals import LATEST, Signal, State, Use
from func.core.situation import Situation
from func.core.workflows import read_workflow
from tests.core.bench import GATE, NOW, STATE, Bench, at, built_in, rules_with, says
from tests.payloads import CLEO, TESS, approved, cloudevent_structured, labeled
from tests.recorded_workflows import stamp, waiting_workflow

WORKFLOW = read_workflow(waiting_workflow(3))
QA = "wait-ready-for-qa"


def label(name: str, pull_request: str, second: int, *, days: int = 0) -> Signal:
    """The label ready-for-qa, remembered so many days ago."""
    written = NOW - timedelta(days=days)
    return Signal(
        name,
        "pull_request.labeled",
        at(second),
        pull_request=pull_request,
        person=CLEO,
        label="ready-for-qa",
        gate=QA,
        written=written,
    )


def review(name: str, pull_request: str, second: int, verdict: str = "approved") -> Signal:
    return Signal(
        name,
        "pull_request_review.submitted",
        at(second),
        pull_request=pull_request,
        person=TESS,
        review=second + 1,
        verdict=verdict,
        gate=GATE if verdict == "approved" else None,
        written=NOW,
    )


def push(name: str, pull_request: str, second: int) -> Signal:
    return Signal(name, "pull_request.synchronize", at(second), pull_request=pull_request, written=NOW)


def state_of(*signals: Signal, used: tuple[Use, ...] = ()) -> State:
    return State(WORKFLOW.ref, tuple(sorted(signals, key=lambda each: each.order)), used)


def situation(state: State, rules: Rules | None = None) -> Situation:
    return Situation(rules or built_in(), WORKFLOW, state, NOW)


def cut(state: State, count: int, monkeypatch: pytest.MonkeyPatch) -> State:
    """The state with so many signals at most."""
    monkeypatch.setattr(bounds, "MAX_SIGNALS", count)
    return bounded(situation(state))[0]


def test_what_matters_least_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    unlabeled = label("unlabeled", "#1", 6)._replace(name="pull_request.unlabeled", gate=None)
    merged = Signal("waits", "pull_request.closed", at(3), pull_request="#2", merged=True, gate="wait-pr-merged")
    claim = review("claimed", "#4", 0)
    state = state_of(
        label("revoked", "#1", 5),
        label("expired", "#5", 4, days=8),
        label("expired later", "#5", 7, days=8),
        label("waits at an earlier gate", "#6", 1),
        unlabeled,
        merged,
        review("objection", "#3", 2, "changes_requested"),
        claim,
        used=(Use("claimed", GATE, at(0), node="n", claimed=True),),
    )
    forgotten: list[tuple[str, dict[str, datetime]]] = []
    for count in range(7, 0, -1):
        smaller = cut(state, count, monkeypatch)
        (dropped,) = {each.id for each in state.signals} - {each.id for each in smaller.signals}
        forgotten.append((dropped, dict(smaller.forgotten)))
        state = smaller
    bound = {"#1": at(6)}
    assert forgotten == [
        ("revoked", {}),  # the event that revoked it is still there
        ("expired", {}),
        ("expired later", {}),
        ("unlabeled", bound),
        ("waits at an earlier gate", bound),
        ("waits", bound),
        ("objection", bound | {"#3": LATEST}),  # it blocks all approvals to come
    ]


def test_a_revocation_that_was_forgotten_refuses_what_it_would_have_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = cut(state_of(push("push", "#1", 5), label("waits", "#2", 9)), 1, monkeypatch)
    assert [each.id for each in smaller.signals] == ["waits"]
    for second, pull_request, code in (5, "#1", "forgotten"), (6, "#1", None), (5, "#2", None):
        found = fold(situation(smaller.with_signal(review("late", pull_request, second))), GATE)
        verdict = found.verdicts.get(("late", None))
        assert (verdict.code if verdict else None) == code


@pytest.mark.parametrize(
    "signal",
    [
        review("s", "#1", 3),  # it may have ended what its person requested before
        Signal("s", "pull_request.closed", at(3), pull_request="#1", merged=True, gate="wait-pr-merged", gone="merged"),
    ],
    ids=["approval", "merge"],
)
def test_a_signal_that_waits_and_says_more_leaves_a_bound(signal: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cut(state_of(signal), 0, monkeypatch).forgotten == {"#1": at(3)}
    without = signal._replace(pull_request=None)
    assert cut(state_of(without), 0, monkeypatch).forgotten == {"": at(3)}


def test_of_the_uses_of_one_pull_request_the_first_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = tuple(Use(f"s-{number}", QA, at(number), node=f"n-{number}", pull_request="#1") for number in range(3))
    smaller = cut(state_of(label("a", "#2", 0), label("b", "#2", 1), label("c", "#2", 2), used=uses), 2, monkeypatch)
    assert ([each.id for each in smaller.used], smaller.bound) == (["s-1", "s-2"], "#1")


def test_uses_that_alone_are_too_large_are_forgotten_too(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = tuple(Use(f"s-{number}", QA, at(number), node=f"n-{number}", pull_request="#1") for number in range(3))
    monkeypatch.setattr(bounds, "MAX_BYTES", len(state_of(used=uses).text()) - 1)
    smaller, text = bounded(situation(state_of(used=uses)))
    assert ([each.id for each in smaller.used], smaller.forgotten) == (["s-1", "s-2"], {"#1": at(0)})
    assert text == smaller.text()


def test_a_veto_that_names_no_pull_request_leaves_a_bound_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone}\n"
        "  - {event: com.example.veto, task: task, repository: repo, by: anyone, then: fail}"
    )
    veto = Signal("veto", "com.example.veto", at(5), source="/chat", gate=GATE, written=NOW)
    monkeypatch.setattr(bounds, "MAX_SIGNALS", 0)
    smaller, _ = bounded(situation(state_of(veto), rules))
    for second, code in (5, "forgotten"), (6, None):
        late = smaller.with_signal(review("late", "#1", second))
        found = fold(situation(late, rules), GATE).verdicts.get(("late", None))
        assert (found.code if found else None) == code


def test_a_veto_of_a_pull_request_leaves_a_bound_for_signals_that_name_none_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: com.example.go, task: task, repository: repo, by: anyone}\n"
        "  - {event: pull_request_review.submitted, review: approved, by: anyone, then: fail}"
    )
    monkeypatch.setattr(bounds, "MAX_SIGNALS", 0)
    smaller, _ = bounded(situation(state_of(review("veto", "#1", 5)), rules))
    for second, code in (5, "forgotten"), (6, None):
        late = smaller.with_signal(Signal("go", "com.example.go", at(second), source="/chat", gate=GATE, written=NOW))
        found = fold(situation(late, rules), GATE).verdicts.get(("go", "/chat"))
        assert (found.code if found else None) == code


def test_a_veto_that_is_not_accepted_any_more_keeps_out_older_signals_that_name_no_pull_request() -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: com.example.go, task: task, repository: repo, by: anyone}\n"
        "  - {event: pull_request.labeled, label: veto, by: anyone, then: fail}"
    )
    bench = Bench.at(QA, rules)
    state = State(WORKFLOW.ref, forgotten={"5dlabs/cto#123": at(9)})
    bench.document["metadata"]["annotations"] = {STATE: state.text()}
    assert bench.deliver(labeled("veto", happened=at(5))).code == "forgotten"
    for second, code in (5, "overtaken"), (6, "not-reached"):
        data = {"task": 3, "repo": "5dlabs/cto"}
        go = cloudevent_structured(data, "go", f"go-{second}", prefix="com.example.", source="/s", time=at(second))
        assert bench.deliver(go).code == code


def test_a_use_by_an_event_without_pull_request_leaves_a_bound_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = (Use("s-0", QA, at(0), node="n-0"), Use("s-1", QA, at(1), node="n-1"))
    monkeypatch.setattr(bounds, "MAX_BYTES", len(state_of(used=uses).text()) - 1)
    assert bounded(situation(state_of(used=uses)))[0].forgotten == {"*": at(0)}


def test_a_later_bound_takes_the_place_of_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first = cut(state_of(push("new", "#1", 7)), 0, monkeypatch)
    assert cut(first.with_signal(push("old", "#1", 5)), 0, monkeypatch).forgotten == {"#1": at(7)}
    assert cut(first.with_signal(push("newer", "#1", 8)), 0, monkeypatch).forgotten == {"#1": at(8)}


def test_bounds_of_many_pull_requests_become_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = cut(state_of(*(push(f"p-{number}", f"#{number}", number) for number in range(40))), 0, monkeypatch)
    assert len(smaller.forgotten) == 32
    assert smaller.forgotten["*"] == at(8)
    assert smaller.forgotten["#39"] == at(39)
    assert cut(smaller.with_signal(push("late", "#99", 1)), 0, monkeypatch).forgotten["*"] == at(8)


@pytest.mark.parametrize(
    ("rules", "is_kept"),
    [
        (built_in(), True),
        (rules_with("  g: {event: pull_request.opened, by: anyone, forks: true}"), False),
        (rules_with("  g: {event: issue_comment.created, by: anyone, when: {comment.body: /ok}}"), False),
    ],
)
def test_pull_requests_of_strangers_make_the_bounds_one_for_all_only_where_theirs_can_count(
    rules: Rules, *, is_kept: bool
) -> None:
    state = state_of(review("waits", "#1", 0))
    for number in range(200):
        pushed = push(f"p-{number}", f"#{number + 2}", number)._replace(fork=True)
        state, _ = bounded(situation(state.with_signal(pushed), rules))
    assert ("*" not in state.forgotten) == is_kept
    if is_kept:
        assert "waits" in {each.id for each in state.signals}


def test_an_event_is_not_used_again_though_its_use_was_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    signals = [label(f"s-{number}", f"#{number}", number) for number in range(4)]
    uses = tuple(
        Use(each.id, QA, each.happened, node=f"n-{each.id}", pull_request=each.pull_request)
        for each in reversed(signals)
    )
    smaller = cut(state_of(*signals, used=uses), 3, monkeypatch)
    assert smaller.bound == "#3"  # the Workflow still belongs to its pull request
    assert ([each.id for each in smaller.signals], [each.id for each in smaller.used]) == (
        ["s-1", "s-2", "s-3"],
        ["s-3", "s-1", "s-0"],
    )
    assert smaller.forgotten == {"#0": at(0), "#2": at(2)}


def test_a_signal_for_which_there_is_no_room_is_not_said_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_SIGNALS", 2)
    bench = Bench.at(QA)
    for number in (2, 3):
        assert bench.deliver(approved(number=number, review_id=number, happened=at(number))).outcome == "parked"
    answer = bench.deliver(approved(number=1, review_id=1, happened=at(1)))
    assert answer.outcome == "refused"
    assert (answer.code, answer.reason) == says("forgotten", workflow="play-task-3-workflow", until=stamp(at(1)))
    assert [each["pull_request"] for each in bench.state["signals"]] == ["5dlabs/cto#2", "5dlabs/cto#3"]


def test_an_annotation_has_at_most_64_kibibytes() -> None:
    signals = [label(f"s-{number}", "#1", number)._replace(outputs={"text": "é" * 4000}) for number in range(20)]
    smaller, _ = bounded(situation(state_of(*signals)))
    assert [each.id for each in smaller.signals] == [f"s-{number}" for number in range(13, 20)]
    assert len(smaller.text().encode()) <= 64 * 1024
    assert smaller.forgotten == {}


def test_a_failing_signal_that_was_forgotten_refuses_what_it_would_have_overtaken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = rules_with(
        f"  {GATE}:\n"
        "  - {event: pull_request.labeled, label: go, by: anyone}\n"
        "  - {event: pull_request.labeled, label: stop, by: anyone, then: fail}"
    )
    monkeypatch.setattr(bounds, "MAX_SIGNALS", 0)
    stop = label("stop", "#1", 5)._replace(label="stop", gate=GATE)
    forgotten, _ = bounded(situation(state_of(stop), rules))
    late = label("late", "#1", 4)._replace(label="go", gate=GATE)
    assert fold(situation(forgotten.with_signal(late), rules), GATE).verdicts[late.identity].code == "forgotten"

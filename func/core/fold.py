"""What the signals of a gate come to: a pure fold over the whole set, whatever the order of arrival.

Three rules hold. Whether one signal revokes another depends on facts of the two events alone. Of each person only the
latest review counts. Of signals that open and signals that fail a gate, the newest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, TypeAlias

from func.core.outcomes import Task
from func.core.reasons import Verdict
from func.core.rules import Rule, Rules, gate_id
from func.core.signals import EVERY, EXPIRY_DAYS, OPINIONATED, Signal, State, forget_command, pull_request_key
from func.core.situation import Situation
from func.core.sources import github
from func.core.values import format_time

BLOCKED = frozenset({"changes-requested", "wrong-labels"})  # signals that may stand later
Identity: TypeAlias = "tuple[str, str | None]"
Reviews: TypeAlias = "Mapping[tuple[str, str], Signal]"  # (pull request's key, person) -> the person's latest review
Standings: TypeAlias = "dict[str, list[tuple[Signal, Rule]]]"  # by the pull request's key
Revokers: TypeAlias = "list[tuple[Signal, bool]]"
_GONE: Mapping[str | None, str] = {"closed": "was closed unmerged", "left": "left the task"}


class Standing(NamedTuple):
    """The signals of one pull request that count for a gate.

    Args:
        pull_request: None for signals that name none.
        how: `open` or `fail`.
        signals: those that count, oldest first.
        quorums: of the rules of these signals, in the same order.
    """

    pull_request: str | None
    how: str
    signals: tuple[Signal, ...]
    quorums: tuple[int, ...]

    def movers(self, including: Signal | None = None) -> tuple[Signal, ...]:
        """Return the signals that move the gate together, the oldest of each person; none while people are missing.

        A rule with a higher quorum counts the signals of rules with a lower one too.

        Args:
            including: an event that moves the gate only with itself among them.
        """
        if max(self.quorums) == 1:
            return (including or self.signals[0],)
        least = self.quorums[self.signals.index(including)] if including else 1
        for needed in sorted({each for each in self.quorums if each >= least}):
            counted = [signal for signal, quorum in zip(self.signals, self.quorums, strict=True) if quorum <= needed]
            if needed == 1:
                return (including or counted[0],)
            chosen = _one_of_each([including, *counted] if including else counted)
            if len(chosen) >= needed and including in (None, chosen[0]):
                return tuple(chosen[:needed])
        return ()

    @property
    def people(self) -> int:
        """The number of different people who have signalled."""
        return len(_one_of_each(self.signals))


def _one_of_each(signals: Iterable[Signal]) -> list[Signal]:
    """Return the first signal of each person; an account that was renamed keeps its id."""
    found: list[Signal] = []
    known: set[object] = set()
    for signal in signals:
        names: set[object] = {(signal.person or "").casefold()}
        if signal.person_id is not None:
            names.add((signal.source, signal.person_id))
        if signal.person and not names & known:
            found.append(signal)
            known |= names
    return found


class Folded(NamedTuple):
    """All signals for a gate, folded.

    Args:
        standings: one for each pull request; those with enough people first, then by their oldest signals.
        verdicts: identity -> why a signal for this gate does not count.
    """

    standings: tuple[Standing, ...]
    verdicts: Mapping[Identity, Verdict]

    def standing_of(self, signal: Signal) -> Standing:
        """Return the standing that a signal without a verdict is part of."""
        return next(each for each in self.standings if signal in each.signals)

    @property
    def has_waiting(self) -> bool:
        """Whether a signal waits: it counts, or will when what blocks it has changed."""
        return bool(self.standings) or any(each.code in BLOCKED for each in self.verdicts.values())


def fold(situation: Situation, gate: str) -> Folded:
    """Return what stands for a gate under the rules of today.

    Args:
        gate: with its inputs, from `gate_id`.
    """
    standing, verdicts = _counting(situation, gate)
    against = standing
    if gate in situation.rules.overlapping:
        against = {key: [*found] for key, found in standing.items()}
        for each in _overlapping(situation, gate):
            for key, found in _counting(situation, each)[0].items():
                against.setdefault(key, []).extend(found)
    standings = []
    of_none = against.get("", [])
    for key, found in standing.items():
        # An event that names no pull request is a word about the gate of each of them.
        newer = [*against[key], *of_none] if key else [pair for pairs in against.values() for pair in pairs]
        standing_of_one, overtaken = _newest_kind([each for each in found if each[0].identity not in verdicts], newer)
        standings += [standing_of_one] if standing_of_one else []
        verdicts.update(overtaken)
    if len(standings) > 1:
        standings.sort(key=lambda each: (not each.movers(), each.signals[0].order))
    return Folded(tuple(standings), verdicts)


def _overlapping(situation: Situation, gate: str) -> list[str]:
    """Return the gates of the same name whose signals are also about the nodes of this one.

    They ask for fewer inputs, or a node that waits has the inputs of both.
    """
    gates = situation.rules.gate_ids
    inputs = gates[gate][1][0].inputs.items()
    running = [node.id for node in situation.nodes_of(gate) if node.phase == "Running"]
    return [
        each
        for each in situation.rules.overlapping[gate]
        if gates[each][1][0].inputs.items() <= inputs or any(node.id in running for node in situation.nodes_of(each))
    ]


def _counting(situation: Situation, gate: str) -> tuple[Standings, dict[Identity, Verdict]]:
    """Return the signals of a gate that count unless a newer one overtakes them, and why the others do not.

    Forgotten ones are among both: they move nothing, and still overtake older signals of the other kind.
    """
    rules, _, state, _ = situation
    # Signals for other gates have moved its nodes where inputs overlap, or where rules had other inputs then.
    is_shared = gate in rules.overlapping or any(use.gate not in rules.gate_ids for use in state.used)
    earlier = situation.nodes_of(gate, earlier=True) if is_shared else ()
    moved = state.last_move(gate, {node.id for node in earlier})
    reviews = latest_reviews(state.signals)
    verdicts: dict[Identity, Verdict] = {}
    standing: Standings = {}
    revokers: dict[int, Revokers] = {}  # by the rule's id()
    for signal in state.unused:
        if signal.gate != gate:
            continue
        rule = _rule_of(signal, rules)
        if rule is None:
            why = f"no rule lets {signal.name} move {gate}."
            verdicts[signal.identity] = Verdict.of("no-longer-allowed", event=signal.id, why=why)
            continue
        if id(rule) not in revokers:
            revokers[id(rule)] = _revokers_for(rule, rules, state)
        verdict = _why_not(signal, rule, situation, revokers[id(rule)], reviews)
        if verdict is None and moved is not None and signal.happened <= moved:
            verdict = Verdict.of("not-newer", gate=gate, at=format_time(moved))
        verdict = verdict or other_pull_request(state, rules, signal) or _blocked(signal, rule, rules, reviews)
        if verdict:
            verdicts[signal.identity] = verdict
        if verdict is None or verdict.code == "forgotten":
            standing.setdefault(pull_request_key(signal.pull_request), []).append((signal, rule))
    return standing, verdicts


def _of_another_task(signal: Signal, situation: Situation) -> Verdict | None:
    """Return why the Workflow is not that of a signal's task: somebody has changed its labels."""
    rules, workflow, _, _ = situation
    if not workflow.labels or signal.task is None:
        return None
    task = Task(signal.task, signal.repository, "signal")
    why = rules.workflows.disagreement(workflow.labels, task)
    return Verdict.of("wrong-labels", workflow=workflow.ref.name, task=task, why=why) if why else None


def other_pull_request(state: State, rules: Rules, signal: Signal) -> Verdict | None:
    """Return why a signal moves nothing on a Workflow that belongs to another pull request."""
    bound = state.bound if rules.workflows.one_pull_request else None
    if not bound or not signal.pull_request or signal.is_of(bound):
        return None
    facts = {"workflow": state.ref.name, "bound": bound, "pull_request": signal.pull_request}
    return Verdict.of("other-pull-request", **facts, command=forget_command(state.ref))


def _rule_of(signal: Signal, rules: Rules) -> Rule | None:
    """Return the rule by which a signal could move its gate today."""
    found = rules.match(signal)
    return found[1] if found and gate_id(*found) == signal.gate else None


def _revokers_for(rule: Rule, rules: Rules, state: State) -> Revokers:
    """Return the events that may revoke signals of a rule, each with whether the rule names it in `withdraw`."""
    return [
        (signal, withdraws)
        for signal in state.signals
        if (withdraws := is_withdrawal(signal, rule, rules)) or signal.gone in _GONE
    ]


def _why_not(signal: Signal, rule: Rule, situation: Situation, revokers: Revokers, reviews: Reviews) -> Verdict | None:
    """Return why one signal does not count, whatever the other signals for its gate are."""
    rules, workflow, state, now = situation
    verdict = rules.refuses(signal, rule)
    if verdict:
        return Verdict.of("no-longer-allowed", event=signal.id, why=verdict.sentence)
    names = (pull_request_key(signal.pull_request), EVERY)
    any_counts = _may_be_of_any(signal)
    bounds = [until for name, until in state.forgotten.items() if any_counts or pull_request_key(name) in names]
    if bounds and signal.happened <= max(bounds):
        return Verdict.of("forgotten", workflow=workflow.ref.name, until=format_time(max(bounds)))
    for other, withdraws in revokers:
        if other.identity == signal.identity:
            continue
        if _is_gone_by(signal, other):
            how, at = _GONE[other.gone], format_time(other.happened)
            return Verdict.of("pull-request-gone", pull_request=signal.pull_request, how=how, at=at, event=other.id)
        if withdraws and _revokes(other, signal):
            return _because_of("revoked", other)
    latest = latest_review_of(signal, reviews)
    if latest is not None and latest.identity != signal.identity and _is_later(latest, signal):
        return _because_of("overtaken", latest)
    if signal.expires and now > signal.expires:
        return Verdict.of("expired", days=EXPIRY_DAYS)
    return _of_another_task(signal, situation)


def _is_gone_by(signal: Signal, other: Signal) -> bool:
    if other.gone not in _GONE or signal.pull_request is None or not other.is_of(signal.pull_request):
        return False
    if signal.happened == other.happened:
        if signal.named and other.names == signal.named:
            return False  # of one second, and it begins with the labels that the other one ended with
        if signal.gone == other.gone == "closed":
            return False  # the same event, delivered by a second webhook
    return signal.happened <= other.happened


def _revokes(other: Signal, signal: Signal) -> bool:
    """Return whether an event that the rule names in `withdraw` revokes a signal of the same pull request.

    - A dismissal revokes the review that it dismisses, however late it arrives.
    - A push does not revoke reviews of the commit that it pushed.
    - Any other event revokes signals that happened before it or in the same second. Two reviews of the same second are
      ordered by review number. An edited review has the same second and number, so it revokes its earlier version.
    """
    if not other.is_of(signal.pull_request) and not _may_be_of_any(signal):
        return False
    if other.verdict == "dismissed":
        return other.review == signal.review
    if other.name == "pull_request.synchronize" and signal.review is not None and signal.head == other.head:
        return False
    return not _is_newer(signal, other)


def _may_be_of_any(signal: Signal) -> bool:
    """Return whether an event is about a commit of several pull requests, or of a fork: GitHub lists no single one."""
    kind = signal.name.partition(".")[0]
    return signal.pull_request is None and signal.source is None and "pull-requests" in github.paths_of(kind)


def is_withdrawal(signal: Signal, rule: Rule, rules: Rules) -> bool:
    """Return whether a rule names an event in `withdraw`, and allows its person to do it."""
    return any(each.matches(signal, unknown=True) and rules.allows(each.by, signal) for each in rule.withdraw)


def latest_reviews(signals: Iterable[Signal]) -> Reviews:
    """Return each person's latest review of each pull request.

    A comment is not an opinion. A dismissal has the place in time of the review that it dismisses. It is found by the
    review's number, because it names nobody when the account was deleted.
    """
    reviews = [each for each in signals if each.review is not None and each.verdict in OPINIONATED]
    given = [each for each in reviews if each.verdict != "dismissed"]
    people = {(pull_request_key(each.pull_request), each.review): each.person for each in given}
    latest: dict[tuple[str, str], Signal] = {}
    for signal in reviews:
        pull_request = pull_request_key(signal.pull_request)
        person = people.get((pull_request, signal.review)) or signal.person
        if person:
            old = latest.setdefault((pull_request, person.casefold()), signal)
            if _is_later(signal, old):
                latest[pull_request, person.casefold()] = signal
    return latest


def _is_later(signal: Signal, old: Signal) -> bool:
    """Return whether an event is later than another one among the reviews of one person."""
    if signal.review == old.review and "dismissed" in (signal.verdict, old.verdict):
        return signal.verdict == "dismissed"  # a dismissed review does not come back
    return _review_order(signal) > _review_order(old)


def _review_order(signal: Signal) -> tuple[datetime, int]:
    """Return when its review was submitted; the numbers of reviews order those of one second."""
    return signal.submitted or signal.happened, signal.review or 0


def latest_review_of(signal: Signal, reviews: Reviews) -> Signal | None:
    """Return the latest review of a signal's person on its pull request."""
    if signal.review is None or not signal.person:
        return None
    return reviews.get((pull_request_key(signal.pull_request), signal.person.casefold()))


def _blocked(signal: Signal, rule: Rule, rules: Rules, reviews: Reviews) -> Verdict | None:
    """Return who requested changes and so blocks an approval: the latest reviews of people who may withdraw it."""
    if signal.verdict != "approved":
        return None
    people = [
        review.person
        for (of, _), review in reviews.items()
        if signal.is_of(of) and review.verdict == "changes_requested" and is_withdrawal(review, rule, rules)
    ]
    return Verdict.of("changes-requested", people=" and ".join(sorted(filter(None, people)))) if people else None


def _newest_kind(
    found: list[tuple[Signal, Rule]], against: list[tuple[Signal, Rule]]
) -> tuple[Standing | None, dict[Identity, Verdict]]:
    """Return what the signals of one pull request come to, and the verdicts of those that are overtaken.

    The newest signal, opening or failing, overtakes those of the other kind.

    Args:
        found: the signals of the pull request.
        against: those that can overtake them.
    """
    standing: list[tuple[Signal, Rule]] = []
    verdicts: dict[Identity, Verdict] = {}
    for signal, rule in found:
        newer = [other for other, its in against if its.then != rule.then and _overtakes(other, signal, its.then)]
        if newer:
            verdicts[signal.identity] = _because_of("overtaken", newer[-1])
        else:
            standing.append((signal, rule))
    if not standing:
        return None, verdicts
    signals = tuple(signal for signal, _ in standing)
    first, rule = standing[0]  # all of one kind: one that stands overtakes all of the other kind
    return Standing(first.pull_request, rule.then, signals, tuple(rule.quorum for _, rule in standing)), verdicts


def _overtakes(signal: Signal, other: Signal, then: str) -> bool:
    """Return whether a signal overtakes one of the other kind; where their order is not known, failing wins."""
    return _is_newer(signal, other) if then == "open" else not _is_newer(other, signal)


def _is_newer(signal: Signal, other: Signal) -> bool:
    """Return whether a signal is surely newer than another one; reviews of one second have their numbers."""
    if signal.happened == other.happened:
        return signal.review is not None and other.review is not None and signal.review > other.review
    return signal.happened > other.happened


def _because_of(code: str, other: Signal) -> Verdict:
    return Verdict.of(code, by=describe(other), event=other.id)


def describe(signal: Signal) -> str:
    """Return an event for a person: `pull_request.synchronize by octocat at 2026-01-31T12:00:00Z (event d-1)`."""
    details = [f"commit {signal.head[:7]}"] if signal.head and signal.name == "pull_request.synchronize" else []
    verdict = f" {signal.verdict}" if signal.verdict and not signal.name.endswith(signal.verdict) else ""
    label = f" {signal.label}" if signal.label else ""
    by = f" by {signal.person}" if signal.person else ""
    more = f" ({', '.join([*details, f'event {signal.id}'])})"
    return f"{signal.name}{verdict}{label}{by} at {format_time(signal.happened)}{more}"

"""The annotation's size limit.

A dropped signal leaves a time bound for its pull request, so that a lost revocation can only refuse signals, never open
a gate.
"""

from __future__ import annotations

from datetime import datetime

from func.core.fold import Identity, fold, is_withdrawal, latest_review_of, latest_reviews
from func.core.reasons import Verdict
from func.core.rules import Rules
from func.core.signals import EVERY, LATEST, Signal, State, pull_request_key
from func.core.situation import Situation

MAX_SIGNALS = 64
MAX_BYTES = 64 * 1024
_MAX_BOUNDS = 32  # pull requests
_REVOKED = ("revoked", "pull-request-gone")


def bounded(situation: Situation) -> tuple[State, str]:
    """Return the state within the bounds, and its text.

    Revoked signals go first, then overtaken ones, then the oldest. A signal that something revokes can go without a
    bound, because what revokes it stays. A signal that may revoke others leaves one: its pull request's signals up to
    then are no longer accepted. Requested changes that still block approvals go last, and leave a bound without end.
    """
    state = situation.state
    while len(state.signals) > MAX_SIGNALS or len((text := state.text()).encode()) > MAX_BYTES:
        state = _without(state, _victim(situation.with_state(state)), situation.rules)
    return state, text


def _victim(situation: Situation) -> Signal:
    state = situation.state
    verdicts: dict[Identity, Verdict] = {}
    standing: set[Identity] = set()
    earlier = _earlier_reviews(state)
    for identifier in situation.rules.gate_ids:
        folded = fold(situation, identifier)
        verdicts.update(folded.verdicts)
        standing |= {signal.identity for each in folded.standings for signal in each.signals}

    claimed = {use.identity for use in state.claims}

    def rank(signal: Signal) -> tuple[int, datetime, str]:
        verdict = verdicts.get(signal.identity)
        if signal.identity in claimed:
            place = 5  # whoever finishes the claim needs its outputs and its message
        elif signal.identity in earlier or (signal.gate and verdict and signal.review is None):
            place = 0 if verdict and verdict.code in _REVOKED else 1
        elif signal.verdict == "changes_requested":
            place = 4  # it blocks all approvals to come
        elif signal.identity in standing:
            place = 3
        else:
            place = 2
        return place, signal.happened, signal.id

    return min(state.signals, key=rank)


def _earlier_reviews(state: State) -> set[Identity]:
    """Return the reviews after which the same person has reviewed the pull request again."""
    reviews = latest_reviews(state.signals)
    latest = ((signal, latest_review_of(signal, reviews)) for signal in state.signals)
    return {signal.identity for signal, review in latest if review and review.identity != signal.identity}


def _without(state: State, victim: Signal, rules: Rules) -> State:
    """Return the state without a signal, with the bound that it leaves."""
    signals = tuple(each for each in state.signals if each is not victim)
    used, left = state.used, []
    may_revoke = (
        victim.gone is not None
        or victim.review is not None
        or any(is_withdrawal(victim, rule, rules) for _, rule in rules.each_rule())
        or ((found := rules.match(victim)) is not None and found[1].then == "fail")  # it overtakes what opens
    )
    # Anybody can open pull requests from forks, as many as it takes to make the bounds one for all. Where no signal of
    # theirs can count, there is nothing that their revocations protect.
    is_idle = victim.fork and not rules.may_accept_forks
    if state.use_of(victim.identity) or (not is_idle and (may_revoke or victim.gate is None)):
        blocks = victim.verdict == "changes_requested" and victim.identity not in _earlier_reviews(state)
        left.append((victim.pull_request, LATEST if blocks else victim.happened))
    if len(used) > MAX_SIGNALS:
        bound = pull_request_key(state.bound)
        oldest = next((use for use in used if pull_request_key(use.pull_request) != bound), used[0])
        used = tuple(use for use in used if use is not oldest)
        left.append((oldest.pull_request, oldest.happened))  # its event is no longer known as used
    forgotten = dict(state.forgotten)
    for pull_request, until in left:
        name = pull_request_key(pull_request)
        forgotten[name] = max(until, forgotten.get(name, until))
    while len(forgotten) > _MAX_BOUNDS:
        oldest_name = min((name for name in forgotten if name != EVERY), key=lambda name: (forgotten[name], name))
        until = forgotten.pop(oldest_name)
        forgotten[EVERY] = max(until, forgotten.get(EVERY, until))
    return state._replace(signals=signals, used=used, forgotten=forgotten)
